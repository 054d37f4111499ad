"""What it costs to start: the recorder on a rank, and a short command on a small store.

Run `python benchmarks/imports.py`. Processor time of whole processes, the least of `--rounds` that
take turns, files of bytecode being there. What importing the recorder adds to `python -c pass` has
the budget of three times what importing msgspec adds.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from _results import Result, tell  # noqa: E402

BUDGET = 3.0
STARTS = {
    "pass": "pass",
    "msgspec": "import msgspec",
    "spool": "from hpc import spool",
    "recorder": "from provenance_store import Recorder",
    "sqlalchemy": "import sqlalchemy",
    "store": "from provenance_store import open_store",
}


def processor_seconds(command: list[str], environ: dict[str, str]) -> float:
    """Processor time, user and system, of one process from its start to its end."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, env=environ, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def measure(rounds: int, folder: Path) -> dict[str, float]:
    """The least of each start's times, and of `braid runs` on a store with a few runs."""
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONPYCACHEPREFIX": str(folder / "code")}
    environ.pop("PYTHONDONTWRITEBYTECODE", None)
    url = f"sqlite:///{folder / 'braid.db'}"
    braid = [sys.executable, "-m", "braid"]
    for number in range(20):
        run = f"00000000-0000-4000-8000-{number:012d}"
        processor_seconds(
            [*braid, "record", "step", "Train", "--run", run, "--store", url], environ
        )
    commands = {name: [sys.executable, "-c", code] for name, code in STARTS.items()}
    commands["runs"] = [*braid, "runs", "--store", url]
    commands["help"] = [*braid, "--help"]
    found = dict.fromkeys(commands, float("inf"))
    for turn in range(rounds + 1):
        for name, command in commands.items():
            seconds = processor_seconds(command, environ)
            if turn:  # the first writes bytecode
                found[name] = min(found[name], seconds)
    return found


def results(found: dict[str, float]) -> list[Result]:
    bare = found["pass"]
    msgspec = (found["msgspec"] - bare) * 1000
    return [
        *(
            Result(
                what=f"importing {what}",
                ours=(found[name] - bare) * 1000,
                unit="ms",
                floor=msgspec,
                floor_is="`import msgspec`, each without what `python -c pass` takes",
                budget=BUDGET,
            )
            for name, what in (("recorder", "the recorder"), ("spool", "a spool's recorder"))
        ),
        Result(
            what="importing what opens a store",
            ours=(found["store"] - bare) * 1000,
            unit="ms",
            floor=(found["sqlalchemy"] - bare) * 1000,
            floor_is="`import sqlalchemy`, each without what `python -c pass` takes",
        ),
        Result(
            what="`braid runs` on a small SQLite store",
            ours=found["runs"] * 1000,
            unit="ms",
            floor=found["sqlalchemy"] * 1000,
            floor_is="`python -c 'import sqlalchemy'`, processor time of the whole process",
        ),
        Result(what="`braid --help`", ours=found["help"] * 1000, unit="ms"),
        Result(what="`python -c pass`", ours=bare * 1000, unit="ms"),
    ]


def main() -> int:
    """Print what each start costs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        tell("imports", results(measure(given.rounds, Path(folder))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
