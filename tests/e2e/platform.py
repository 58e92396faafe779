"""The in-stream-processing platform on one machine: launch, the page in a browser, changes, faults, destroy; then the truth
test: a known number of tweets, the Spark driver killed in the middle, every table compared with the corpus' truth."""

import os
import pathlib
import signal
import subprocess
import sys
import time

from harness import ROOT, Server, expect, instances, main, wait
from truth import compare_with_truth, truth_settings

PLATFORM = str(ROOT / "blueprints/in-stream-processing")
DASHBOARD = ROOT / "blueprints/in-stream-processing/apps/dashboard"


def a_launch_ends_with_tweets_on_the_page(server):
    begun = time.monotonic()
    server.cli("launch", "demo", PLATFORM, "--profile", "laptop", "--wait", "--timeout", "10m")
    ready = time.monotonic() - begun
    page = server.environment("demo")["outputs"]["dashboard"]
    wait(lambda: tweets_at(page) > 0, 60, "the first tweet at the dashboard")
    print(f"    all ready after {ready:.1f} s, first tweet at the dashboard after {time.monotonic() - begun:.1f} s")


def tweets_at(page):
    # Dashboard's own metrics would count requests; Cassandra's answer is what the page shows.
    import json
    answer = subprocess.run(["curl", "-sN", "-m", "3", page + "api/live"], capture_output=True, text=True).stdout
    for line in answer.splitlines():
        if line.startswith("data: "):
            data = json.loads(line[6:])
            return sum(sum(movie["day"]) for movie in data.get("movies", []))
    return 0


def the_page_moves_in_a_browser(server):
    if not (DASHBOARD / "node_modules").exists():  # the stage `dashboard` has made it
        subprocess.run(["npm", "ci", "--no-audit", "--no-fund"], cwd=DASHBOARD, check=True, capture_output=True, timeout=300)
    page = server.environment("demo")["outputs"]["dashboard"]
    killed = server.containers("label=headrace.component=dashboard")[0]
    done = subprocess.run(["npm", "run", "-s", "e2e"], cwd=DASHBOARD, capture_output=True, text=True, timeout=300,
                          env=dict(os.environ, DASHBOARD_URL=page.rstrip("/"), DASHBOARD_KILL=f"docker kill {killed}",
                                   DASHBOARD_NOTE="synthetic tweets from x-replay"))
    expect(done.returncode == 0, f"the browser test passes:\n{done.stdout[-3000:]}{done.stderr[-2000:]}")


def a_killed_container_comes_back(server):
    container = server.containers("label=headrace.component=tweet-source")[0]
    subprocess.run(["docker", "kill", container], check=True, capture_output=True)
    wait(lambda: [c for c in server.containers("label=headrace.component=tweet-source") if c != container], 10, "a new one")
    wait(lambda: server.environment("demo")["status"] == "running", 60, "the environment to be whole")


def spark_workers_scale(server):
    server.cli("scale", "demo", "spark", 2, "--wait")
    expect(len(instances(server.environment("demo"), "spark", "worker")) == 2, "two workers")
    server.cli("scale", "demo", "spark", 1, "--wait")


def a_parameter_changes_only_what_depends_on_it(server):
    before = {c["name"]: [i["task"] for a in c["services"] for i in a["instances"]]
              for c in server.environment("demo")["components"]}
    server.cli("apply", "demo", "--set", "rate=30", "--wait")
    after = {c["name"]: [i["task"] for a in c["services"] for i in a["instances"]]
             for c in server.environment("demo")["components"]}
    for stays in ("kafka", "cassandra", "redis", "spark", "sentiment", "dashboard"):
        expect(before[stays] == after[stays], f"{stays} was not touched")
    expect(before["x-replay"] != after["x-replay"], "x-replay was replaced")


def scaling_brokers_is_refused_by_name(server):
    refused = server.cli("apply", "demo", "--set", "brokers=2", check=False)
    expect(refused.code == 8 and "ordinal" in refused.err, f"refused with the feature's name: {refused.code} {refused.err}")


def explain_finds_nothing_to_wait_for(server):
    wait(lambda: "nothing waits" in server.cli("explain", "demo").out, 30, "nothing to wait")


def no_secret_is_shown_anywhere(server):
    secrets = [p for p in pathlib.Path("/run/headrace", server.id).glob("*/*")]
    expect(secrets, "secret files exist in the runtime folder")
    canary = secrets[0].read_text().strip()
    expect(len(canary) == 40, "the token has its length")
    inspected = subprocess.run(["docker", "inspect", *server.containers(everything=True)], capture_output=True, text=True).stdout
    for where, text in {"docker inspect": inspected, "server log": server.log(),
                        "status": server.cli("status", "demo", "--output", "json").out,
                        "logs": server.cli("logs", "demo", "tweet-source", check=False).out,
                        "state": "".join(p.read_bytes().decode("latin-1") for p in server.state.glob("state.db*"))}.items():
        expect(canary not in text, f"the token is not in {where}")


def a_killed_server_restarts_no_task(server):
    tasks = sorted(server.containers())
    server.stop(signal.SIGKILL)
    server.start()
    wait(lambda: server.environment("demo")["status"] == "running", 30, "the environment to be running")
    expect(sorted(server.containers()) == tasks, "the same containers run")


def a_destroy_leaves_nothing(server):
    begun = time.monotonic()
    server.cli("destroy", "demo", "--wait")
    print(f"    destroyed in {time.monotonic() - begun:.1f} s")
    expect(time.monotonic() - begun < 30, "a destroy takes no longer than 30 s")
    wait(lambda: not server.containers(everything=True) and not server.volumes(), 10, "all to be gone")


def the_tables_hold_the_truth_though_the_driver_is_killed(server):
    settings = truth_settings(limit=6000, rate=200)
    server.cli("launch", "truth", PLATFORM, "--profile", "laptop", "--wait", "--timeout", "10m",
               *[word for pair in settings.items() for word in ("--set", "=".join(map(str, pair)))])
    time.sleep(8)
    driver = server.containers("label=headrace.component=sentiment")[0]
    subprocess.run(["docker", "kill", driver], check=True, capture_output=True)
    print("    driver killed (SIGKILL) in the stream")
    compare_with_truth(server.environment("truth")["outputs"]["cassandra"], settings, seconds=150)
    server.cli("destroy", "truth", "--wait")


TESTS = [a_launch_ends_with_tweets_on_the_page, the_page_moves_in_a_browser, a_killed_container_comes_back,
                spark_workers_scale, a_parameter_changes_only_what_depends_on_it, scaling_brokers_is_refused_by_name,
                explain_finds_nothing_to_wait_for, no_secret_is_shown_anywhere, a_killed_server_restarts_no_task,
                a_destroy_leaves_nothing, the_tables_hold_the_truth_though_the_driver_is_killed]
# `make browser`: only the page in headless Chromium on the launched platform.
main(Server(), [a_launch_ends_with_tweets_on_the_page, the_page_moves_in_a_browser] if "--browser" in sys.argv else TESTS)
