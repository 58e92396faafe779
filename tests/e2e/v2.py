"""Marathon's API (/v2) on the real Docker Engine, over TCP with the token, as Marathon's clients call it."""

import json
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request

from harness import ROOT, Server, expect, main, wait

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
    return call(server, "GET", "/v2/apps/sleeper")[1]["app"]["tasksRunning"]


EVENTS = []  # what GET /v2/events gave


def an_app_is_posted_and_runs(server):
    token = (server.folder / "token").read_text().strip()
    request = urllib.request.Request(f"http://127.0.0.1:{PORT}/v2/events", headers={
        "Authorization": f"Bearer {token}", "Accept": "text/event-stream"})
    stream = urllib.request.urlopen(request, timeout=120)
    threading.Thread(target=lambda: EVENTS.extend(line.decode() for line in stream), daemon=True).start()
    status, app = call(server, "POST", "/v2/apps", APP)
    expect(status == 201 and app["id"] == "/sleeper", f"{status} {app}")
    wait(lambda: running(server) == 2, 30, "two tasks")
    expect(call(server, "POST", "/v2/apps", APP)[0] == 409, "the same again is a conflict")


def a_deployment_ends_and_the_queue_is_empty(server):
    wait(lambda: call(server, "GET", "/v2/deployments")[1] == [], 20, "no deployment")
    expect(call(server, "GET", "/v2/queue")[1]["queue"] == [], "nothing queued")
    expect(call(server, "GET", "/ping")[0] == 200 and "version" in call(server, "GET", "/v2/info")[1], "ping and info")


def everything_that_happens_is_an_event(server):
    for name in ("api_post_event", "status_update_event", "deployment_success"):
        wait(lambda: any(line.strip() == f"event: {name}" for line in EVENTS), 10, name)


def explain_knows_an_app_by_its_path(server):
    expect("/sleeper: 2/2 ready; nothing of it waits" in server.cli("explain", "/sleeper").out, "nothing waits")
    expect(server.cli("explain", "/nobody", check=False).code == 3, "an app that is not there")


def figures_are_shown_to_prometheus(server):
    status, text = call(server, "GET", "/metrics")
    expect(status == 200 and "\nheadrace_instances_ready 2\n" in text, text)


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
    expect("900000MiB of memory" in server.cli("explain", "/giant").out, "explain says why")
    expect(call(server, "DELETE", "/v2/apps/giant")[0] == 200, "and can be removed")


def a_port_that_is_taken_is_named_until_it_is_free(server):
    with socket.socket() as thief:
        thief.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        thief.bind(("127.0.0.1", 31234))
        thief.listen()
        time.sleep(5)  # the agent's ports are looked at every two seconds
        definition = APP | {"id": "/wants", "instances": 1, "requirePorts": True, "portDefinitions": [{"port": 31234, "name": "http"}]}
        expect(call(server, "POST", "/v2/apps", definition)[0] == 201, "accepted")
        wait(lambda: "31234" in server.cli("explain", "/wants").out and "0/1 ready" in server.cli("explain", "/wants").out, 20, "the port's number")
    wait(lambda: "1/1 ready" in server.cli("explain", "/wants").out, 20, "it to run when the port is free")
    expect(call(server, "DELETE", "/v2/apps/wants")[0] == 200, "removed")


def wrong_definitions_are_refused_with_all_errors(server):
    status, answer = call(server, "POST", "/v2/apps", APP | {"id": "/Wrong Id", "cpus": -1})
    expect(status == 422 and len(answer["details"]) >= 2, f"{status} {answer}")


def what_belongs_to_an_environment_is_read_only(server):
    server.cli("launch", "own", ROOT / "blueprints/hello", "--wait")
    status, answer = call(server, "GET", "/v2/apps/env/own/web/web")
    expect(status == 200 and answer["app"]["tasksRunning"] == 1, "reading is free")
    task = answer["app"]["tasks"][0]["id"]
    path = "/v2/apps/env/own/web/web"
    for method, target, body in (("PUT", path, {"instances": 3}), ("DELETE", path, None), ("POST", path + "/restart", None),
                                 ("DELETE", f"{path}/tasks/{task}", None), ("DELETE", path + "/tasks", None),
                                 ("POST", "/v2/tasks/delete", {"ids": [task]}), ("DELETE", "/v2/queue/env/own/web/web/delay", None),
                                 ("POST", "/v2/apps", APP | {"id": "/env/own/x"}), ("PUT", "/v2/apps/env/new/x", APP | {"id": "/env/new/x"})):
        for force in ("", "?force=true"):
            status, answer = call(server, method, target + force, body)
            expect(status == 409 and ("own" in answer["message"] or "new" in answer["message"]), f"{method} {target}{force}: {status} {answer}")
    server.cli("destroy", "own", "--wait")


def one_task_is_killed_and_replaced(server):
    tasks = call(server, "GET", "/v2/apps/sleeper/tasks")[1]["tasks"]
    expect(len(call(server, "GET", "/v2/tasks?status=running")[1]["tasks"]) == len(tasks) == 3, "the same tasks twice")
    status, answer = call(server, "DELETE", f"/v2/apps/sleeper/tasks/{tasks[0]['id']}")
    expect(status == 200 and answer["task"]["id"] == tasks[0]["id"], f"{status} {answer}")
    def replaced():
        now = {task["id"] for task in call(server, "GET", "/v2/apps/sleeper/tasks")[1]["tasks"]}
        return tasks[0]["id"] not in now and running(server) == 3
    wait(replaced, 30, "another task")


def features_that_are_not_there_are_named(server):
    for method, path in (("GET", "/v2/groups"), ("GET", "/v2/pods"), ("PATCH", "/v2/apps"), ("GET", "/v2/apps?embed=apps.tasks"),
                         ("GET", "/v2/apps/sleeper/versions")):
        status, answer = call(server, method, path)
        expect(status in (404, 405, 422) and "is not in this release" in answer["message"], f"{method} {path}: {status} {answer}")


def an_app_is_deleted_and_leaves_nothing(server):
    expect(call(server, "DELETE", "/v2/apps/sleeper")[0] == 200, "deleted")
    wait(lambda: call(server, "GET", "/v2/apps")[1]["apps"] == [], 30, "no app left")
    wait(lambda: not server.containers(everything=True), 15, "no container left")


main(Server(extra=["--listen", f"127.0.0.1:{PORT}"]),
     [an_app_is_posted_and_runs, a_deployment_ends_and_the_queue_is_empty, everything_that_happens_is_an_event,
      explain_knows_an_app_by_its_path, figures_are_shown_to_prometheus, an_app_scales, a_killed_container_is_replaced,
      one_task_is_killed_and_replaced, what_waits_stands_in_the_queue_with_its_reason,
      a_port_that_is_taken_is_named_until_it_is_free,
      wrong_definitions_are_refused_with_all_errors, features_that_are_not_there_are_named,
      what_belongs_to_an_environment_is_read_only, an_app_is_deleted_and_leaves_nothing])
