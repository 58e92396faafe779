"""What the end-to-end tests share: a server of their own, the command line, counting, cleaning up.

Every test file runs its own server with its own state folder, socket, key and containers, and leaves nothing behind.
"""

import contextlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
HEADRACE = os.environ.get("HEADRACE", str(ROOT / "build/release/headrace"))


class Failed(Exception):
    pass


class Server:
    """A headrace server in a folder of its own."""

    def __init__(self, agents=1, extra=()):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="headrace-test-"))
        self.state = self.folder / "state"
        self.agents = agents
        self.extra = list(extra)
        self.process = None
        self.id = None
        self.env = dict(os.environ, HEADRACE_STATE=str(self.state), HEADRACE_SERVER=f"unix:{self.state}/headrace.sock",
                        HEADRACE_KEY_FILE=str(self.folder / "key"), HEADRACE_TOKEN_FILE=str(self.folder / "token"))
        for name in ("HEADRACE_SOCKET", "HEADRACE_TOKEN"):
            self.env.pop(name, None)

    def start(self):
        log = open(self.folder / "server.log", "ab")
        self.process = subprocess.Popen([HEADRACE, "server", "--agents", str(self.agents), *self.extra], env=self.env,
                                        stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        status = wait(lambda: self.cli("status", "--output", "json", check=False).value, 20, "the server to answer",
                      alive=self.process)
        self.id = status["server"]["server"]
        return self

    def stop(self, how=signal.SIGTERM):
        if self.process:
            self.process.send_signal(how)
            self.process.wait(timeout=30)
            self.process = None

    def cli(self, *words, check=True, timeout=600, stdin=None):
        done = subprocess.run([HEADRACE, *map(str, words)], env=self.env, capture_output=True, text=True, timeout=timeout,
                              input=stdin)
        answer = Answer(done)
        if check and done.returncode != 0:
            raise Failed(f"headrace {' '.join(map(str, words))} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        return answer

    def environment(self, name):
        return self.cli("status", name, "--output", "json").value

    def containers(self, *filters, everything=False):
        command = ["docker", "ps", "-q", "--no-trunc", "--filter", f"label=headrace.server={self.id}"]
        if everything:
            command.append("-a")
        for each in filters:
            command += ["--filter", each]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()

    def volumes(self):
        return subprocess.run(["docker", "volume", "ls", "-q", "--filter", f"label=headrace.server={self.id}"],
                              capture_output=True, text=True, check=True).stdout.split()

    def clean(self):
        with contextlib.suppress(Exception):
            self.stop()
        if self.process:
            self.process.kill()
        if self.id:
            for each in self.containers(everything=True):
                subprocess.run(["docker", "rm", "-f", "-v", each], capture_output=True)
            for each in self.volumes():
                subprocess.run(["docker", "volume", "rm", each], capture_output=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    def log(self):
        return (self.folder / "server.log").read_text(errors="replace")


class Answer:
    def __init__(self, done):
        self.code, self.out, self.err = done.returncode, done.stdout, done.stderr

    @property
    def value(self):
        try:
            return json.loads(self.out) if self.code == 0 else None
        except ValueError:
            return None


def wait(look, seconds, what, every=0.1, alive=None):
    """The first true result of look(); Failed after so many seconds."""
    deadline = time.monotonic() + seconds
    last = None
    while time.monotonic() < deadline:
        try:
            result = look()
            if result:
                return result
        except Exception as error:  # noqa: BLE001 - what is waited for may fail until it is there
            last = error
        if alive and alive.poll() is not None:
            raise Failed(f"waited for {what}, but the process ended with {alive.returncode}")
        time.sleep(every)
    raise Failed(f"waited {seconds} s for {what}" + (f" (last: {last})" if last else ""))


def get(url, timeout=5):
    with urllib.request.urlopen(url, timeout=timeout) as answer:
        return answer.read().decode()


def expect(truth, what):
    if not truth:
        raise Failed(what)


def instances(environment, component, service=None):
    for each in environment["components"]:
        if each["name"] == component:
            return [i for app in each["services"] if service is None or app["id"].endswith("/" + service)
                    for i in app["instances"]]
    return []


def main(server, tests):
    """Runs the tests in their order against one server; a failure does not keep the next from running."""
    passed = failed = 0
    try:
        server.start()
        for test in tests:
            begun = time.monotonic()
            try:
                test(server)
                passed += 1
                print(f"ok  {test.__name__} ({time.monotonic() - begun:.1f} s)", flush=True)
            except Exception as error:  # noqa: BLE001 - every failure counts and is shown
                failed += 1
                print(f"NO  {test.__name__}: {error}", flush=True)
                if not isinstance(error, Failed):
                    traceback.print_exc()
    except Exception:  # noqa: BLE001
        failed += 1
        traceback.print_exc()
    finally:
        if failed:
            with contextlib.suppress(Exception):
                print("server log:\n" + "\n".join(server.log().splitlines()[-30:]))
        server.clean()
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed else 0)
