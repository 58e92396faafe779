"""The README followed word for word: its shell blocks are run in their order, from `make up` on a machine where programs and
images are built, to `make down DATA=1`. What the text promises is looked at after each.

The first block names both goals, `make up` and `make down`; here they are run one by one, each twice where a repeat is to do
nothing.
"""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

from harness import ROOT, Failed, expect, get, wait

FOLDER = pathlib.Path(tempfile.mkdtemp(prefix="headrace-readme-"))
ENV = dict(os.environ, HEADRACE_STATE=str(FOLDER / "state"), HEADRACE_KEY_FILE=str(FOLDER / "key"),
           HEADRACE_TOKEN_FILE=str(FOLDER / "token"))
for name in ("HEADRACE_SOCKET", "HEADRACE_SERVER", "HEADRACE_TOKEN", "MAKEFLAGS", "MAKELEVEL", "MFLAGS"):
    ENV.pop(name, None)


def blocks():
    """title of the paragraph -> its shell blocks."""
    found, title = {}, ""
    for bold, heading, body in re.findall(r"^\*\*(.+?)\*\*|^## (.+)$|^```sh\n((?:.*\n)*?)^```$",
                                          (ROOT / "README.md").read_text(), re.M):
        title = bold or heading or title
        if body:
            found.setdefault(title, []).append(body)
    return found


def shell(script, first_line_within=None):
    """Runs a block as a user would type it, at the repository's root; gives what it printed."""
    begun = time.monotonic()
    process = subprocess.Popen(["bash", "-euo", "pipefail", "-c", script], cwd=ROOT, env=ENV, text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
    lines = [process.stdout.readline()]
    if first_line_within:
        expect(time.monotonic() - begun < first_line_within, f"the first line comes within {first_line_within} s")
    lines += process.stdout.readlines()
    text = "".join(lines)
    if process.wait() != 0:
        raise Failed(f"{script.strip()}\nended with {process.returncode}:\n{text[-3000:]}")
    return text


def environment(name="demo"):
    return json.loads(shell(f"./headrace status {name} --output json"))


def containers():
    server = (FOLDER / "state/server.id").read_text().strip()
    return sorted(subprocess.run(["docker", "ps", "-q", "--filter", f"label=headrace.server={server}"],
                                 capture_output=True, text=True, check=True).stdout.split())


def is_running():
    return environment()["status"] == "running"


def make_up_ends_with_the_address_of_a_page(text):
    told = shell("make up", first_line_within=5)
    page = re.search(r"http://\S+", told.partition("live chart:")[2])
    expect(page and page.group(0) == environment()["outputs"]["dashboard"], f"the page's address is told:\n{told}")
    expect("<html" in get(page.group(0)), "the page answers")


def a_repeat_of_make_up_changes_nothing(text):
    before = containers()
    begun = time.monotonic()
    shell("make up")
    seconds = time.monotonic() - begun
    print(f"    make up again: {seconds:.1f} s")
    expect(seconds < 4, "a repeat takes about two seconds")  # the figure is 2 s; this machine may be busy
    expect(containers() == before, "the same containers run")


def make_down_keeps_the_data_and_make_up_brings_it_back(text):
    before = environment()
    shell("make down")
    expect(not containers(), "nothing runs")
    shell("make down")
    shell("make up")
    expect(environment()["created"] == before["created"] and is_running(), "the same environment runs again")


def scaling_works_as_written(text):
    shell(text)
    spark = next(each for each in environment()["components"] if each["name"] == "spark")
    expect(any(len(each["instances"]) == 2 for each in spark["services"]), "two workers")


def a_killed_container_comes_back_as_written(text):
    shell(text)
    wait(is_running, 60, "all to be whole again")


def a_machine_is_unplugged_as_written(text):
    lines = text.splitlines()
    for line in lines:
        shell(line)
        if " unplug " in line:
            wait(lambda: not is_running(), 20, "the loss to be seen")
            told = shell(re.search(r"```sh\n(.*explain.*)\n```", (ROOT / "README.md").read_text()).group(1))
            expect("agent-2" in told, f"explain names the machine:\n{told}")
    wait(is_running, 180, "all to be whole again", every=1)


def a_parameter_is_changed_as_written(text):
    shell(text)
    expect(environment()["parameters"]["rate"] == 50, "the new rate")


def explain_runs_as_written(text):
    told = []
    try:
        wait(lambda: "nothing waits" in (told.append(shell(text)) or told[-1]), 60, "nothing to wait for")
    except Failed as failure:
        raise Failed(f"{failure}; the last words:\n{told[-1]}") from None


def hello_runs_as_written(text):
    shell(text)


def make_down_with_data_leaves_nothing(text):
    server = (FOLDER / "state/server.id").read_text().strip()
    shell("make down DATA=1")
    left = [subprocess.run(["docker", *words, "-q", "--filter", f"label=headrace.server={server}"], capture_output=True,
                           text=True, check=True).stdout for words in (["ps", "-a"], ["volume", "ls"])]
    expect(left == ["", ""] and not (FOLDER / "state").exists(), f"containers, volumes and state are gone: {left}")


# Paragraph of the README -> what to do with its block. Those without one come before or after.
STEPS = [(None, make_up_ends_with_the_address_of_a_page), (None, a_repeat_of_make_up_changes_nothing),
         (None, make_down_keeps_the_data_and_make_up_brings_it_back),
         ("Scale the Spark workers.", scaling_works_as_written),
         ("Kill a container.", a_killed_container_comes_back_as_written),
         ("Unplug a machine.", a_machine_is_unplugged_as_written),
         ("Change a parameter.", a_parameter_is_changed_as_written),
         ("Ask why something waits.", explain_runs_as_written),
         (None, make_down_with_data_leaves_nothing)]


def main():
    passed = failed = 0
    texts = blocks()
    last = "Ask why something waits."
    hello = [text for text in texts.get(last, []) if "hello" in text]
    steps = STEPS[:-1] + [("hello", hello_runs_as_written)] + STEPS[-1:]
    for title, step in steps:
        begun = time.monotonic()
        try:
            if title == "hello":
                expect(len(hello) == 1, "the README has a block about hello")
                step(hello[0])
            elif title:
                expect(title in texts, f"the README has a paragraph \"{title}\"")
                step(texts[title][0])
            else:
                step("")
            passed += 1
            print(f"ok  {step.__name__} ({time.monotonic() - begun:.1f} s)", flush=True)
        except Exception as error:  # noqa: BLE001 - every failure counts and is shown
            failed += 1
            print(f"NO  {step.__name__}: {type(error).__name__}: {error}", flush=True)
    if failed:
        subprocess.run(["make", "down", "DATA=1"], cwd=ROOT, env=ENV, capture_output=True)
    shutil.rmtree(FOLDER, ignore_errors=True)
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


main()
