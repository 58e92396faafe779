"""The replicated profile on three virtual agents: one is unplugged while tweets flow, and nothing is lost."""

import time

from harness import ROOT, Server, expect, instances, main, wait
from truth import compare_with_truth, truth_settings

PLATFORM = str(ROOT / "blueprints/in-stream-processing")
SETTINGS = truth_settings(limit=6000, rate=100)


def three_of_each_are_launched_on_three_machines(server):
    begun = time.monotonic()
    server.cli("launch", "r", PLATFORM, "--profile", "replicated", "--wait", "--timeout", "10m",
               *[word for pair in SETTINGS.items() for word in ("--set", "=".join(map(str, pair)))])
    print(f"    launched in {time.monotonic() - begun:.1f} s")
    environment = server.environment("r")
    for component, service in (("kafka", "controller"), ("kafka", "broker"), ("cassandra", "node")):
        agents = {i["agent"] for i in instances(environment, component, service)}
        expect(len(agents) == 3, f"{component}/{service} runs on three agents, not {agents}")


def an_unplugged_machine_is_named_and_comes_back(server):
    environment = server.environment("r")
    singles = {i["agent"] for name in ("redis", "sentiment") for i in instances(environment, name)}
    singles |= {i["agent"] for i in instances(environment, "spark", "master")}
    # Redis, the Spark master and the driver are one of each: the stream goes on where another machine is lost.
    lost = sorted({f"agent-{n}" for n in (1, 2, 3)} - singles or singles)[0]
    server.cli("agent", "unplug", lost)
    wait(lambda: server.environment("r")["status"] == "degraded", 30, "the environment to be degraded")
    expect(lost in server.cli("explain", "r").out, f"explain names {lost}")
    time.sleep(10)
    server.cli("agent", "plug", lost)
    wait(lambda: server.environment("r")["status"] == "running", 180, "all to be whole again", every=1)


def nothing_was_lost(server):
    # Gaps are filled by search: duplicates are seen more than once, malformed lines of a gap not at all.
    compare_with_truth(server.environment("r")["outputs"]["cassandra"], SETTINGS, seconds=180, leave_out=("job_stats",))


def a_destroy_leaves_nothing(server):
    server.cli("destroy", "r", "--wait")
    wait(lambda: not server.containers(everything=True) and not server.volumes(), 20, "all to be gone")


main(Server(agents=3), [three_of_each_are_launched_on_three_machines, an_unplugged_machine_is_named_and_comes_back,
                        nothing_was_lost, a_destroy_leaves_nothing])
