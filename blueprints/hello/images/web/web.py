"""A page that counts its visits in Redis.

BIND_ADDRESS PORT_HTTP: where it listens. REDIS: address:port. GREETING: what it says.
/ counts a visit; /health is 200 when Redis answers, else 503 with the reason.
"""

import os
import signal
import socket
import sys


def ask_redis(*words):
    """One command in Redis' protocol; returns the answer's first line without its type."""
    host, port = os.environ["REDIS"].rsplit(":", 1)
    request = b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in words)
    with socket.create_connection((host, int(port)), timeout=2) as connection:
        connection.sendall(request)
        answer = connection.makefile("rb").readline().decode().strip()
    if not answer or answer[0] == "-":
        raise OSError(answer or "Redis closed the connection")
    return answer[1:]


def answer_to(path):
    try:
        if path == "/health":
            ask_redis(b"PING")
            return 200, "ready\n"
        visits = ask_redis(b"INCR", b"visits")
        return 200, f"{os.environ.get('GREETING', 'Hello')}! Visit number {visits}.\n"
    except OSError as error:
        return 503, f"Redis at {os.environ['REDIS']} does not answer: {error}\n"


def serve():
    listener = socket.create_server((os.environ["BIND_ADDRESS"], int(os.environ["PORT_HTTP"])), backlog=64)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    while True:
        connection, _ = listener.accept()
        with connection:
            connection.settimeout(5)
            try:
                request = connection.recv(4096).split(b" ")
                path = request[1].decode().split("?")[0] if len(request) > 1 else "/"
                status, text = answer_to(path)
                body = text.encode()
                connection.sendall(
                    b"HTTP/1.1 %d %s\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: %d\r\nConnection: close\r\n\r\n"
                    % (status, b"OK" if status == 200 else b"Service Unavailable", len(body))
                    + body
                )
            except OSError as error:
                print(error, file=sys.stderr)


serve()
