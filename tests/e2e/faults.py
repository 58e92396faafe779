"""Bad input and faults: each ends in a clear message with the remedy, a truthful status, and leaves nothing behind."""

import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

from harness import HEADRACE, ROOT, Server, expect, main, wait

HELLO = ROOT / "blueprints/hello"


def variant(server, *changes):
    """A copy of hello with texts replaced in its files: (file, old, new)."""
    folder = pathlib.Path(tempfile.mkdtemp(dir=server.folder))
    shutil.copytree(HELLO, folder / "b", ignore=shutil.ignore_patterns("images"))
    for name, old, new in changes:
        path = folder / "b" / name
        text = path.read_text()
        expect(old in text, f"{old!r} is in {name}")
        path.write_text(text.replace(old, new))
    return str(folder / "b")


def refused(server, code, words, *command):
    answer = server.cli(*command, check=False, timeout=120)
    expect(answer.code == code, f"exit code {answer.code} instead of {code}: {answer.err}")
    for word in words:
        expect(word in answer.err, f"{word!r} is not in: {answer.err}")


def an_unknown_field_is_named_with_its_place(server):
    refused(server, 2, ["components/web.yaml:", "imgae", "image"],
            "validate", variant(server, ("components/web.yaml", "image: web", "imgae: web")))


def a_wrong_type_is_named(server):
    refused(server, 2, ["components/web.yaml:"],
            "validate", variant(server, ("components/web.yaml", "read_only: true", "read_only: maybe")))


def several_errors_come_at_once(server):
    answer = server.cli("validate", variant(server, ("components/web.yaml", "image: web", "imgae: web"),
                                            ("components/redis.yaml", "read_only: true", "read_only: maybe")), check=False)
    expect("components/web.yaml" in answer.err and "components/redis.yaml" in answer.err, f"both: {answer.err}")


def a_cycle_is_shown(server):
    refused(server, 2, ["web", "redis"],
            "validate", variant(server, ("components/redis.yaml", "provides:", "requires: { web: { type: web/v1 } }\nprovides:")))


def a_missing_binding_is_named(server):
    refused(server, 2, ["redis/v1"],
            "validate", variant(server, ("blueprint.yaml", "  redis: {}\n", "")))


def an_unknown_image_is_named(server):
    refused(server, 3, ["headrace/no-such-image", "build it"],
            "launch", "x1", variant(server, ("blueprint.yaml", "headrace/hello-web", "headrace/no-such-image")))
    expect(server.cli("list", "--output", "json").value["environments"] == [], "nothing was made")


def a_task_larger_than_any_agent_fails_at_once(server):
    refused(server, 1, ["GiB"],
            "launch", "x2", variant(server, ("components/web.yaml", "memory: 64MiB", "memory: 900GiB")), "--wait")
    server.cli("destroy", "x2", "--wait")


def no_memory_left_waits_with_its_cause(server):
    total = server.cli("agents", "--output", "json").value["agents"][0]["total"]["memory"]
    half = f"{int(total * 0.6) >> 20}MiB"
    folder = variant(server, ("components/web.yaml", "memory: 64MiB", f"memory: {half}"))
    server.cli("launch", "x3", folder, "--set", "webs=2")
    wait(lambda: "no-memory" in server.cli("explain", "x3").out, 30, "the wait's cause")
    operation = server.cli("status", "x3", "--output", "json").value["operation"]
    server.cli("cancel", operation)
    server.cli("destroy", "x3", "--wait")


def a_taken_port_is_avoided(server):
    # The process manager gives fixed ports from 20000 on; somebody else has the first ones.
    held = []
    for port in range(20000, 20003):
        each = socket.socket()
        each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            each.bind(("127.0.0.1", port))
            each.listen()
            held.append(each)
        except OSError:
            each.close()
    try:
        time.sleep(5)  # the agent's ports are looked at every two seconds
        server.cli("launch", "x4", str(HELLO), "--wait")
        server.cli("destroy", "x4", "--wait")
    finally:
        for each in held:
            each.close()


def a_second_server_on_the_state_folder_is_refused(server):
    done = subprocess.run([HEADRACE, "server"], env=server.env, capture_output=True, text=True, timeout=30)
    expect(done.returncode == 4 and str(server.process.pid) in done.stderr, f"names the holder: {done.returncode} {done.stderr}")


def a_damaged_state_is_refused(server):
    folder = server.folder / "damaged"
    folder.mkdir()
    (folder / "state.db").write_bytes(b"this is no database" * 1000)
    done = subprocess.run([HEADRACE, "server", "--state", str(folder)], env=server.env, capture_output=True, text=True, timeout=30)
    expect(done.returncode == 1 and "error:" in done.stderr, f"says so: {done.returncode} {done.stderr}")


def no_docker_daemon_is_a_clear_error(server):
    other = Server(extra=["--docker-socket", str(server.folder / "no.sock")])
    try:
        other.process = None
        other.start()
        answer = other.cli("launch", "x", str(HELLO), check=False)
        expect(answer.code == 5 and "Docker" in answer.err, f"says what is missing: {answer.code} {answer.err}")
    finally:
        other.id = None
        other.clean()


def tcp_wants_the_token(server):
    other = Server(extra=["--listen", "127.0.0.1:0"])
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    other.extra = ["--listen", f"127.0.0.1:{port}"]
    try:
        other.start()
        def status(headers):
            request = urllib.request.Request(f"http://127.0.0.1:{port}/v1/status", headers=headers)
            try:
                return urllib.request.urlopen(request, timeout=5).status
            except urllib.error.HTTPError as error:
                return error.code
        token = (other.folder / "token").read_text().strip()
        expect(status({}) == 401, "no token")
        expect(status({"Authorization": "Bearer wrong"}) == 401, "a wrong token")
        expect(status({"Authorization": f"Bearer {token}"}) == 200, "the token")
        expect(status({"Authorization": f"Bearer {token}", "Host": "evil.example"}) == 403, "another host's name")
        expect(status({"Authorization": f"Bearer {token}", "Origin": "http://evil.example"}) == 403, "another site's page")
    finally:
        other.clean()


def a_server_killed_in_a_launch_continues_it(server):
    for delay in (0.05, 0.4, 1.0):
        server.cli("launch", "k", str(HELLO))
        time.sleep(delay)  # the crash points that count are counted in the simulator; these are three on the real engine
        server.stop(signal.SIGKILL)
        server.start()
        wait(lambda: server.environment("k")["status"] == "running", 40, "the launch to be brought to its end")
        expect(len(server.containers()) == 2, "one Redis and one web server, none twice")
        server.cli("destroy", "k", "--wait")
        wait(lambda: not server.containers(everything=True) and not server.volumes(), 10, "nothing left")


def wrong_words_on_the_command_line_end_with_2(server):
    expect(server.cli("frobnicate", check=False).code == 2, "an unknown command")
    expect(server.cli("status", "nobody", check=False).code == 3, "an unknown environment")


main(Server(), [an_unknown_field_is_named_with_its_place, a_wrong_type_is_named, several_errors_come_at_once, a_cycle_is_shown,
                a_missing_binding_is_named, an_unknown_image_is_named, a_task_larger_than_any_agent_fails_at_once,
                no_memory_left_waits_with_its_cause, a_taken_port_is_avoided, a_second_server_on_the_state_folder_is_refused,
                a_damaged_state_is_refused, no_docker_daemon_is_a_clear_error, tcp_wants_the_token,
                a_server_killed_in_a_launch_continues_it, wrong_words_on_the_command_line_end_with_2])
