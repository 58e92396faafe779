"""`blueprints/hello` from launch to destroy, on the real Docker Engine."""

import json
import os
import re
import signal
import socket
import subprocess
import threading
import time

from harness import HEADRACE, ROOT, Server, expect, get, instances, main, wait

HELLO = str(ROOT / "blueprints/hello")


def a_launch_ends_with_a_page_that_answers(server):
    begun = time.monotonic()
    told = server.cli("launch", "h1", HELLO, "--wait").out
    seconds = time.monotonic() - begun
    print(f"    launched in {seconds:.1f} s")
    for line in (r"web +waiting +waits for redis$", r"redis +starting +\S", r"redis +ready", r"web +ready", r"h1 +done +launch "):
        expect(re.search(rf"^ +[\d.]+s  {line}", told, re.M), f"a line of progress like {line!r}:\n{told}")
    page = server.environment("h1")["outputs"]["page"]
    expect("Hello! Visit number 1." in get(page), "the page counts its first visit")
    expect("Visit number 2." in get(page), "the page counts on")


def every_command_speaks_json(server):
    operation = server.cli("apply", "h1", "--set", "webs=1", "--output", "json").value
    for words in (["status"], ["status", "h1"], ["list"], ["explain", "h1"], ["explain", "h1/web"], ["explain", "/env/h1/web/web"],
                  ["agents"], ["secret", "list"], ["plan", "h1"], ["plan", "h1", "--destroy"], ["validate", HELLO],
                  ["eval", "1 + 1"], ["version"]):
        expect(server.cli(*words, "--output", "json").value is not None, f"{' '.join(words)} gives one JSON value")
    expect(operation["differences"] == [] and operation["steps"] == [], "nothing to do is said as JSON too")
    lines = server.cli("logs", "h1", "redis", "--output", "json").out.splitlines()
    expect(lines and all({"service", "task", "line"} <= json.loads(line).keys() for line in lines), "logs: one JSON value a line")
    refused = server.cli("plan", "h1", "--set", "wbs=2", "--output", "json", check=False)
    error = json.loads(refused.out)["errors"][0]
    expect(refused.code == 2 and error["code"] == "invalid" and "did you mean" in error["remedy"], f"errors too: {refused.out}")


def status_and_explain_know_operations(server):
    done = server.cli("scale", "h1", "web", 2, "--output", "json").value["id"]
    wait(lambda: server.cli("status", done, "--output", "json").value["state"] == "done", 20, "two web servers")
    shown = server.cli("status", done).out
    expect(re.search(rf"^command {done} of h1  done  \(asked for by .*, took \d+s\)$", shown, re.M) and
           re.search(r"^web/web: start +done +\d+s +scale from 1 to 2$", shown, re.M), shown)
    expect(f"command {done} of h1  done" in server.cli("explain", done).out, "explain knows it")
    expect(server.cli("status", "no-such-thing", check=False).code == 3, "others are not found")
    server.cli("scale", "h1", "web", 1, "--wait")


def logs_and_events_are_followed(server):
    with subprocess.Popen([HEADRACE, "logs", "h1", "-f"], env=server.env, stdout=subprocess.PIPE, text=True) as logs, \
         subprocess.Popen([HEADRACE, "events", "h1"], env=server.env, stdout=subprocess.PIPE, text=True) as events:
        lines, happened = [], []
        for process, kept in ((logs, lines), (events, happened)):
            threading.Thread(target=lambda p=process, k=kept: k.extend(p.stdout), daemon=True).start()
        wait(lambda: any(line.startswith("server | ") for line in lines), 10, "lines of Redis")
        expect(not any("Background" in line for line in lines), "it has not saved yet")
        redis = instances(server.environment("h1"), "redis")[0]
        with socket.create_connection((redis["address"], redis["ports"]["redis"])) as connection:
            connection.sendall(b"BGREWRITEAOF\r\n")
        wait(lambda: any("Background" in line for line in lines), 10, "a line that came later")
        server.cli("apply", "h1", "--set", "greeting=Hallo", "--wait")
        for what in ("operation_started", "component_changed", "operation_ended"):
            wait(lambda: any(line.startswith(what) for line in happened), 10, what)
        logs.terminate()
        events.terminate()
    server.cli("apply", "h1", "--set", "greeting=Hello", "--wait")


def a_plan_changes_nothing(server):
    before = server.environment("h1")
    tasks = sorted(server.containers())
    plan = server.cli("plan", "h1", "--set", "greeting=Ahoy", "--output", "json").value
    expect(any("greeting" in d["place"] for d in plan["differences"]), "the plan names the changed parameter")
    expect(sorted(server.containers()) == tasks, "no container changed")
    expect(server.environment("h1")["generation"] == before["generation"], "no new generation")


def an_apply_changes_the_page_and_keeps_redis(server):
    redis = instances(server.environment("h1"), "redis")[0]["task"]
    server.cli("apply", "h1", "--set", "greeting=Ahoy", "--wait")
    page = server.environment("h1")["outputs"]["page"]
    expect("Ahoy! Visit number 3." in get(page), "the new greeting, the old count")
    expect(instances(server.environment("h1"), "redis")[0]["task"] == redis, "Redis was not restarted")


def a_stale_plan_is_refused(server):
    plan = server.cli("plan", "h1", "--set", "greeting=Stale", "--output", "json").value
    server.cli("apply", "h1", "--set", "greeting=Hej", "--wait")
    refused = server.cli("apply", "--plan", plan["id"], check=False)
    expect(refused.code == 4 and "moved from revision" in refused.err, f"refused, naming what moved: {refused.err}")


def scaling_makes_more_and_fewer(server):
    server.cli("scale", "h1", "web", 3, "--wait")
    expect(len(instances(server.environment("h1"), "web")) == 3, "three web servers")
    server.cli("scale", "h1", "web", 1, "--wait")
    expect(len(instances(server.environment("h1"), "web")) == 1, "one web server")


def a_killed_container_is_replaced(server):
    container = server.containers("label=headrace.component=redis")[0]
    begun = time.monotonic()
    subprocess.run(["docker", "kill", container], check=True, capture_output=True)
    wait(lambda: [c for c in server.containers("label=headrace.component=redis") if c != container], 10, "a new Redis", 0.02)
    print(f"    replaced after {time.monotonic() - begun:.2f} s")
    page = server.environment("h1")["outputs"]["page"]
    wait(lambda: "Visit number" in get(page), 20, "the page to count again")


def a_killed_server_restarts_no_task(server):
    tasks = sorted(server.containers())
    server.stop(signal.SIGKILL)
    server.start()
    wait(lambda: server.environment("h1")["status"] == "running", 20, "the environment to be running again")
    expect(sorted(server.containers()) == tasks, "the same containers run")


def two_environments_live_side_by_side(server):
    server.cli("launch", "h2", HELLO, "--wait", "--set", "greeting=Second")
    one, two = (server.environment(name)["outputs"]["page"] for name in ("h1", "h2"))
    expect(one != two, "different pages")
    expect("Second! Visit number 1." in get(two), "data of its own")
    server.cli("destroy", "h2", "--wait")
    wait(lambda: "Visit number" in get(one), 5, "the first to go on")


def a_destroy_leaves_nothing(server):
    begun = time.monotonic()
    server.cli("destroy", "h1", "--wait")
    print(f"    destroyed in {time.monotonic() - begun:.1f} s")
    wait(lambda: not server.containers(everything=True), 10, "all containers to be gone")
    wait(lambda: not server.volumes(), 10, "all volumes to be gone")
    expect(server.cli("list", "--output", "json").value["environments"] == [], "no environment is left")


def an_idle_server_is_small(server):
    pid = server.process.pid
    def cpu():
        fields = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    before = cpu()
    time.sleep(5)
    share = (cpu() - before) / 5
    resident = int([line for line in open(f"/proc/{pid}/status") if line.startswith("VmRSS")][0].split()[1]) / 1024
    print(f"    idle: {share * 100:.2f} % CPU, {resident:.0f} MiB")
    expect(share < 0.01, f"idle CPU {share * 100:.2f} % is below 1 %")
    expect(resident < 60, f"{resident:.0f} MiB are below 60 MiB")


main(Server(), [a_launch_ends_with_a_page_that_answers, every_command_speaks_json, status_and_explain_know_operations,
                logs_and_events_are_followed, a_plan_changes_nothing, an_apply_changes_the_page_and_keeps_redis,
                a_stale_plan_is_refused, scaling_makes_more_and_fewer, a_killed_container_is_replaced,
                a_killed_server_restarts_no_task, two_environments_live_side_by_side, a_destroy_leaves_nothing,
                an_idle_server_is_small])
