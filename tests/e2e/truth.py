"""The truth of the synthetic corpus, and the comparison of every table with it (apps/sentiment/test/tables.py)."""

import json
import pathlib
import subprocess
import sys
import tempfile
import time

from harness import ROOT, Failed

BLUEPRINT = ROOT / "blueprints/in-stream-processing"
SENTIMENT = BLUEPRINT / "apps/sentiment/test"


def truth_settings(limit, rate):
    """Parameters for a launch whose tables can be foretold: a fixed start, no history."""
    start = time.strftime("%Y-%m-%dT%H:%M:00Z", time.gmtime(time.time() - 600))
    return {"limit": limit, "rate": rate, "history": 0, "start": start, "seed": 7, "duplicates": 0.05, "malformed": 0.02}


def truth_of(settings):
    words = [str(ROOT / "build/release/x-replay"), "truth", "--words", BLUEPRINT / "model/words.csv", "--threshold",
             BLUEPRINT / "model/threshold.txt", "--movies-file", BLUEPRINT / "schema/movies.json"]
    for name, value in settings.items():
        words += [f"--{name}", str(value)]
    return subprocess.run(list(map(str, words)), check=True, capture_output=True, text=True).stdout


COMPARE = """
import json, sys
sys.path.insert(0, sys.argv[1])
import libraries
libraries.need()
import tables
truth = json.load(open(sys.argv[2]))
session = tables.connect(sys.argv[3], "social")
leave_out = set(filter(None, sys.argv[5].split(",")))
import time
deadline = time.monotonic() + float(sys.argv[4])
while True:
    found = {t: d for t, d in tables.differences(session, truth).items() if t not in leave_out}
    if not found or time.monotonic() > deadline:
        break
    time.sleep(1)
tables.report(found)
sys.exit(1 if found else 0)
"""


def compare_with_truth(contacts, settings, seconds, leave_out=()):
    """Fails with the first differences of each table when they do not agree within so many seconds."""
    truth = truth_of(settings)
    with tempfile.TemporaryDirectory() as folder:
        file, program = pathlib.Path(folder, "truth.json"), pathlib.Path(folder, "compare.py")
        file.write_text(truth)
        program.write_text(COMPARE)
        done = subprocess.run([sys.executable, str(program), str(SENTIMENT), str(file), contacts, str(seconds), ",".join(leave_out)],
                              capture_output=True, text=True)
    if done.returncode:
        raise Failed(f"the tables do not hold the truth:\n{done.stdout}{done.stderr[-1500:]}")
    counts = json.loads(truth)
    print(f"    every table holds the truth of {counts['tweets']} tweets, {counts['duplicates']} duplicates, {counts['malformed']} malformed")
