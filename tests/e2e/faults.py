"""Bad input and faults: each ends in a clear message with the remedy, a truthful status, and leaves nothing behind."""

import contextlib
import pathlib
import shutil
import signal
import socket
import sqlite3
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.request

from harness import HEADRACE, ROOT, Server, expect, get, instances, main, wait

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


def refuses_to_start(server, state, code, words):
    done = subprocess.run([HEADRACE, "server", "--state", str(state)], env=server.env, capture_output=True, text=True, timeout=30)
    expect(done.returncode == code, f"exit code {done.returncode} instead of {code}: {done.stderr}")
    for word in words:
        expect(word in done.stderr, f"{word!r} is not in: {done.stderr}")


def a_damaged_file_is_refused(server):
    folder = server.folder / "damaged"
    folder.mkdir()
    (folder / "state.db").write_bytes(b"this is no database" * 1000)
    refuses_to_start(server, folder, 1, ["state.db is damaged", "restore the state folder from a backup"])


@contextlib.contextmanager
def changed_state(server, *statements):
    """A copy of the state that a server which had an environment leaves behind, changed by SQL."""
    other = Server()
    try:
        other.start()
        other.cli("launch", "copy", str(HELLO), "--wait")
        other.cli("plan", "copy", "--set", "webs=2")
        other.stop()
        with contextlib.closing(sqlite3.connect(other.state / "state.db")) as database:
            for statement in statements:
                expect(database.execute(statement).rowcount != 0, f"{statement} changes something")
            database.commit()
        yield other.state
    finally:
        other.clean()


def a_damaged_record_is_refused_by_its_name(server):
    with changed_state(server, "UPDATE records SET value = x'00ff' || value WHERE tab = 'env_plans'") as state:
        refuses_to_start(server, state, 1, ["of table env_plans is damaged", "restore the state folder from a backup"])


def a_lost_record_is_refused(server):
    with changed_state(server, "DELETE FROM records WHERE tab = 'env_sources'") as state:
        refuses_to_start(server, state, 1, ["restore the state folder from a backup"])


def a_newer_state_is_refused(server):
    with changed_state(server, "PRAGMA user_version = 99") as state:
        refuses_to_start(server, state, 7, ["has format 99, written by a newer Headrace", "run the newer Headrace"])


def a_full_disk_refuses_and_things_go_on_when_there_is_room(server):
    other = Server()
    other.state.mkdir(mode=0o700)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8g", "headrace-test", str(other.state)], check=True)

    def resize(size):  # a full disk costs no memory
        subprocess.run(["mount", "-o", f"remount,size={size}", str(other.state)], check=True)
    try:
        other.start()
        other.cli("launch", "before", str(HELLO), "--wait")
        resize(shutil.disk_usage(other.state).used)
        refused(other, 5, ["disk full", "free space on its disk"], "secret", "set", "s", "--file", str(HELLO / "blueprint.yaml"))
        refused(other, 5, ["disk full", "free space on its disk"], "launch", "first", str(HELLO))
        refused(other, 5, ["disk full", "free space on its disk"], "launch", "second", str(HELLO))
        expect("disk full" in other.cli("status").out, "the status says so")
        expect([e["name"] for e in other.cli("list", "--output", "json").value["environments"]] == ["before"], "nothing half-done is shown")
        expect("Visit number" in get(other.environment("before")["outputs"]["page"]), "what ran runs")
        resize("8g")
        wait(lambda: other.environment("first")["status"] == "running", 30, "what was decided to go on")
        expect("disk full" not in other.cli("status").out, "the status is well again")
        refused(other, 3, ["second"], "status", "second")
        other.cli("launch", "second", str(HELLO), "--wait")
        for name in ("before", "first", "second"):
            other.cli("destroy", name, "--wait")
    finally:
        with contextlib.suppress(Exception):
            other.stop()
        subprocess.run(["umount", str(other.state)], check=True)
        other.clean()


class Proxy:
    """The Docker Engine's socket behind one that can be taken away."""

    def __init__(self, path):
        self.path, self.open, self.listener = path, set(), None

    def start(self):
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(self.path))
        self.listener.listen(64)
        threading.Thread(target=self.accept, args=(self.listener,), daemon=True).start()

    def stop(self):
        self.path.unlink()
        for each in [self.listener, *self.open]:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        self.open.clear()

    def accept(self, listener):
        with contextlib.suppress(OSError):
            while True:
                caller, _ = listener.accept()
                engine = socket.socket(socket.AF_UNIX)
                engine.connect("/var/run/docker.sock")
                self.open |= {caller, engine}
                for pair in ((caller, engine), (engine, caller)):
                    threading.Thread(target=self.copy, args=pair, daemon=True).start()

    @staticmethod
    def copy(source, target):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_WR)


def a_docker_daemon_that_goes_is_named_and_the_environment_returns_with_it(server):
    other = Server()
    proxy = Proxy(other.folder / "docker.sock")
    other.extra = ["--docker-socket", str(proxy.path)]
    try:
        proxy.start()
        other.start()
        other.cli("launch", "d", str(HELLO), "--wait")
        before = sorted(other.containers())
        proxy.stop()
        wait(lambda: "Docker" in other.cli("agents").out, 30, "the agent to say what is missing")
        told = other.cli("explain", "d").out
        expect(other.environment("d")["status"] == "degraded" and "is not known" in told and "Docker" in told, f"so does explain: {told}")
        refused(other, 5, ["Docker"], "launch", "e", str(HELLO))
        killed = other.containers("label=headrace.component=web")[0]
        subprocess.run(["docker", "kill", killed], check=True, capture_output=True)  # nobody sees it
        proxy.start()
        wait(lambda: other.environment("d")["status"] == "running" and len(other.containers()) == 2 and
             killed not in other.containers(), 60, "the environment to be whole again")
        expect(len(set(before) & set(other.containers())) == 1, "Redis was not restarted")
        wait(lambda: "Visit number" in get(other.environment("d")["outputs"]["page"]), 20, "the page to answer")
        other.cli("destroy", "d", "--wait")
    finally:
        other.clean()


def a_port_taken_later_is_named_by_explain(server):
    server.cli("launch", "p", str(HELLO), "--wait")
    redis = instances(server.environment("p"), "redis")[0]
    place = (redis["address"], redis["ports"]["redis"])
    thief = socket.socket()
    thief.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        container = server.containers("label=headrace.component=redis")[0]
        subprocess.run(["docker", "kill", container], check=True, capture_output=True)

        def taken():
            thief.bind(place)
            return True
        wait(taken, 20, "the port to be free for a moment", 0.001)
        thief.listen()
        def explained():
            text = server.cli("explain", "p").out
            return ("redis is degraded" in text and "the last end: ended with exit code" in text and f"port {place[1]}" in text
                    and "headrace logs p redis" in text)
        wait(explained, 60, "explain to say what fails, what it said last and where to look")
    finally:
        thief.close()
    wait(lambda: server.environment("p")["status"] == "running", 60, "the environment to be whole again")
    server.cli("destroy", "p", "--wait")


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
    other.extra = ["--listen", f"127.0.0.1:{port}", "--host-name", "headrace.example"]
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
        expect(status({"Authorization": f"Bearer {token}", "Host": "headrace.example"}) == 200, "a name it was given")
    finally:
        other.clean()


def killed_after(server, delay, *command):
    """The crash points that count are counted in the simulator; these are some on the real engine."""
    server.cli(*command)
    time.sleep(delay)
    server.stop(signal.SIGKILL)
    server.start()


def a_server_killed_in_a_launch_an_apply_or_a_destroy_continues_it(server):
    for launch, change, destroy in ((0.02, 0.02, 0.02), (0.3, 0.3, 0.1), (0.7, 0.8, 0.3), (1.2, 1.5, 0.7)):
        killed_after(server, launch, "launch", "k", str(HELLO))
        wait(lambda: server.environment("k")["status"] == "running", 40, "the launch to be brought to its end")
        expect(len(server.containers()) == 2, "one Redis and one web server, none twice")
        redis = server.containers("label=headrace.component=redis")
        killed_after(server, change, "apply", "k", "--set", "greeting=Ahoy", "--set", "webs=2")
        wait(lambda: server.environment("k")["status"] == "running", 40, "the change to be brought to its end")
        wait(lambda: len(server.containers()) == 3, 10, "one Redis and two web servers, none twice")
        expect(server.containers("label=headrace.component=redis") == redis, "Redis was not restarted")
        page = server.environment("k")["outputs"]["page"]
        expect("Ahoy! Visit number 1." in get(page), "the new greeting")
        killed_after(server, destroy, "destroy", "k")
        wait(lambda: server.cli("status", "k", check=False).code == 3, 40, "the destroy to be brought to its end")
        wait(lambda: not server.containers(everything=True) and not server.volumes(), 10, "nothing left")


def wrong_words_on_the_command_line_end_with_2(server):
    expect(server.cli("frobnicate", check=False).code == 2, "an unknown command")
    expect(server.cli("status", "nobody", check=False).code == 3, "an unknown environment")


main(Server(), [an_unknown_field_is_named_with_its_place, a_wrong_type_is_named, several_errors_come_at_once, a_cycle_is_shown,
                a_missing_binding_is_named, an_unknown_image_is_named, a_task_larger_than_any_agent_fails_at_once,
                no_memory_left_waits_with_its_cause, a_taken_port_is_avoided, a_second_server_on_the_state_folder_is_refused,
                a_damaged_file_is_refused, a_damaged_record_is_refused_by_its_name, a_lost_record_is_refused,
                a_newer_state_is_refused, a_full_disk_refuses_and_things_go_on_when_there_is_room,
                no_docker_daemon_is_a_clear_error, a_docker_daemon_that_goes_is_named_and_the_environment_returns_with_it,
                a_port_taken_later_is_named_by_explain, tcp_wants_the_token,
                a_server_killed_in_a_launch_an_apply_or_a_destroy_continues_it,
                wrong_words_on_the_command_line_end_with_2])
