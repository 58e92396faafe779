"""Marathon's API (/v2) on the real Docker Engine, over TCP with the token, as Marathon's clients call it."""

import json
import socket
import subprocess
import urllib.error
import urllib.request

from harness import Server, expect, main, wait

with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    PORT = free.getsockname()[1]


def call(server, method, path, body=None):
    token = (server.folder / "token").read_text().strip()
    request = urllib.request.Request(f"http://127.0.0.1:{PORT}{path}", method=method, headers={
        "Authorization": f"Bearer {token}", "Content-Type": "application/json"}, data=json.dumps(body).encode() if body is not None else None)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            text = answer.read().decode()
            return answer.status, json.loads(text) if text.startswith(("{", "[")) else text
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read().decode() or "{}")


APP = {"id": "/sleeper", "args": ["/usr/bin/tini", "--", "sleep", "1000"], "cpus": 0.1, "mem": 32, "instances": 2,
       "container": {"type": "DOCKER", "docker": {"image": "headrace/base"}}, "env": {"GREETING": "hello"}}


def running(server):
    return call(server, "GET", "/v2/apps//sleeper".replace("//", "/"))[1]["app"]["tasksRunning"]


def an_app_is_posted_and_runs(server):
    status, app = call(server, "POST", "/v2/apps", APP)
    expect(status == 201 and app["id"] == "/sleeper", f"{status} {app}")
    wait(lambda: running(server) == 2, 30, "two tasks")
    expect(call(server, "POST", "/v2/apps", APP)[0] == 409, "the same again is a conflict")


def a_deployment_ends_and_the_queue_is_empty(server):
    wait(lambda: call(server, "GET", "/v2/deployments")[1] == [], 20, "no deployment")
    expect(call(server, "GET", "/v2/queue")[1]["queue"] == [], "nothing queued")
    expect(call(server, "GET", "/ping")[0] == 200 and "version" in call(server, "GET", "/v2/info")[1], "ping and info")


def an_app_scales(server):
    status, answer = call(server, "PUT", "/v2/apps/sleeper", {"instances": 3})
    expect(status == 200 and "deploymentId" in answer, f"{status} {answer}")
    wait(lambda: running(server) == 3, 30, "three tasks")


def a_killed_container_is_replaced(server):
    before = server.containers()
    subprocess.run(["docker", "kill", before[0]], check=True, capture_output=True)
    wait(lambda: len(set(server.containers()) - set(before)) == 1, 15, "another container")
    wait(lambda: running(server) == 3, 15, "three tasks again")


def what_waits_stands_in_the_queue_with_its_reason(server):
    call(server, "POST", "/v2/apps", APP | {"id": "/giant", "mem": 900000, "instances": 1})
    queue = wait(lambda: call(server, "GET", "/v2/queue")[1]["queue"], 15, "an entry of the queue")
    expect("giant" in json.dumps(queue), "the giant waits")
    expect(call(server, "DELETE", "/v2/apps/giant")[0] == 200, "and can be removed")


def wrong_definitions_are_refused_with_all_errors(server):
    status, answer = call(server, "POST", "/v2/apps", APP | {"id": "/Wrong Id", "cpus": -1})
    expect(status == 422 and len(answer["details"]) >= 2, f"{status} {answer}")
    expect(call(server, "POST", "/v2/apps", APP | {"id": "/env/demo/x"})[0] in (409, 422), "environments own /env")


def an_app_is_deleted_and_leaves_nothing(server):
    expect(call(server, "DELETE", "/v2/apps/sleeper")[0] == 200, "deleted")
    wait(lambda: call(server, "GET", "/v2/apps")[1]["apps"] == [], 30, "no app left")
    wait(lambda: not server.containers(everything=True), 15, "no container left")


main(Server(extra=["--listen", f"127.0.0.1:{PORT}"]),
     [an_app_is_posted_and_runs, a_deployment_ends_and_the_queue_is_empty, an_app_scales, a_killed_container_is_replaced,
      what_waits_stands_in_the_queue_with_its_reason, wrong_definitions_are_refused_with_all_errors,
      an_app_is_deleted_and_leaves_nothing])
