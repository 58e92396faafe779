"""The clients of Kafka and Cassandra, in an environment of their own."""

import os
import pathlib
import subprocess
import sys
import venv

HERE = pathlib.Path(__file__).resolve().parent


def need():
    """Runs this program again in an environment that holds them, made on first use."""
    try:
        import cassandra, confluent_kafka  # noqa: F401
        return
    except ImportError:
        place = pathlib.Path(os.environ.get("HEADRACE_BUILD", HERE.parents[4] / "build")) / "sentiment-test"
        python = place / "bin" / "python"
        if pathlib.Path(sys.executable) == python:
            raise
    stamp, wanted = place / "installed.txt", (HERE / "requirements.txt").read_text()
    if not stamp.exists() or stamp.read_text() != wanted:
        venv.create(place, with_pip=True, clear=True)
        subprocess.run([python, "-m", "pip", "install", "-q", "--disable-pip-version-check", "-r", HERE / "requirements.txt"], check=True)
        stamp.write_text(wanted)
    os.execv(python, [str(python), *sys.argv])
