"""Runs the benchmarks and writes docs/results.md from what they found.

Run `make results`, or `python benchmarks/results.py`: about a quarter of an hour on two cores, and
longer with `--full`, which also loads the published 20,146,000 entries into PostgreSQL. `--only
NAME` runs some of them again and keeps what docs/results/results.json has of the others, with the
date of each; `--list` names them. The machine should have nothing else to do: ratios are of runs
side by side, but ranks of an MPI job want cores of their own. Exit code 1 when a benchmark failed
or a budget is missed; the page then says so.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import sqlite3
import subprocess
import sys
import time
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from _page import missed, page

from tools.postgres import PostgresServer

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "results.md"
FOLDER = ROOT / "docs" / "results"
TIMEOUT = 3600
PACKAGES = ("SQLAlchemy", "psycopg", "msgspec", "mpi4py", "mpich", "globus-action-provider-tools")


class Run(NamedTuple):
    """A benchmark: how it is called usually, and for the full page."""

    name: str
    command: tuple[str, ...]
    full: tuple[str, ...] = ()


RUNS = (
    Run("published", ("mascot.py", "--full", "--rounds", "1", "--no-postgresql")),
    Run("published-postgresql", (), ("mascot.py", "--full", "--rounds", "1", "--no-sqlite")),
    Run("mascot", ("mascot.py",)),
    Run("lineage", ("lineage.py",), ("lineage.py", "--full")),
    Run("http", ("http_record.py",)),
    Run("fairness", ("fairness.py",)),
    Run("mpi", ("mpi.py",)),
    Run("merge", ("merge.py",)),
    Run("harvest", ("harvest.py",)),
    Run("imports", ("imports.py",)),
    Run("drawing", ("drawing.py",)),
    Run("scaling", ("scaling.py",)),
    Run("peers", ("peers/published.py",)),
)


def machine() -> dict[str, str]:
    """What it ran on, for the page."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    versions = ", ".join(f"{name} {version}" for name in PACKAGES if (version := _version(name)))
    return {
        "machine": f"{_processor()}, {os.cpu_count()} cores, {memory:.0f} GiB",
        "system": f"{_system()}, Linux {platform.release()}"
        if sys.platform == "linux"
        else platform.platform(),
        "Python": platform.python_version(),
        "databases": f"SQLite {sqlite3.sqlite_version}, PostgreSQL {_postgresql()}",
        "packages": versions,
        "Braid": f"{_version('braid-provenance')}, commit {_commit()}",
    }


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor()


def _system() -> str:
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except OSError:
        return platform.system()


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""


def _postgresql() -> str:
    server = PostgresServer.find()
    return "not installed" if server is None else server.version()


def _commit() -> str:
    git = ["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"]
    done = subprocess.run(git, capture_output=True, text=True)
    return done.stdout.strip() or "unknown"


def run(name: str, command: list[str]) -> dict[str, Any]:
    """The document of one benchmark, with when it ran and what became of it."""
    print(f"== {' '.join(command)}", flush=True)
    started, load = time.monotonic(), os.getloadavg()[0]
    script, *options = command
    done = subprocess.Popen(
        [sys.executable, str(ROOT / "benchmarks" / script), *options],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        out, _ = done.communicate(timeout=TIMEOUT)
    except subprocess.TimeoutExpired:
        done.kill()
        out, _ = done.communicate()
    *said, last = out.strip().splitlines() or [""]
    print("\n".join(said), flush=True)
    found: dict[str, Any] = json.loads(last) if last.startswith("{") else {"results": []}
    return {
        **found,
        "command": f"python benchmarks/{' '.join(command)}",
        "failed": done.returncode != 0 or not found["results"],
        "seconds": round(time.monotonic() - started),
        "date": datetime.date.today().isoformat(),
        "load": round(load, 1),
    }


def sweep() -> dict[str, Any]:
    """The published figure, measured here."""
    print("== braid mascot --sweep", flush=True)
    started, load = time.monotonic(), os.getloadavg()[0]
    command = [sys.executable, "-m", "braid", "mascot", "--sweep", str(FOLDER), "--format", "json"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    points = json.loads(done.stdout)["points"] if done.returncode == 0 else []
    (FOLDER / "mascot.png").unlink(missing_ok=True)
    return {
        "results": [],
        "points": points,
        "command": f"braid mascot --sweep {FOLDER.relative_to(ROOT)}",
        "failed": done.returncode != 0,
        "seconds": round(time.monotonic() - started),
        "date": datetime.date.today().isoformat(),
        "load": round(load, 1),
    }


def main() -> int:
    names = [run.name for run in RUNS] + ["sweep"]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--full", action="store_true", help="PostgreSQL at the published size too")
    parser.add_argument("--only", action="append", choices=names, help="may be repeated")
    parser.add_argument("--list", action="store_true", help="the names for --only")
    options = parser.parse_args()
    if options.list:
        print("\n".join(names))
        return 0
    FOLDER.mkdir(exist_ok=True)
    file = FOLDER / "results.json"
    known = json.loads(file.read_text()) if file.exists() else {"runs": {}}
    known["machine"] = machine()
    for each in RUNS:
        command = each.full if options.full and each.full else each.command
        if command and (options.only is None or each.name in options.only):
            known["runs"][each.name] = run(each.name, list(command))
    if options.only is None or "sweep" in options.only:
        known["runs"]["sweep"] = sweep()
    file.write_text(json.dumps(known, indent=1) + "\n")
    PAGE.write_text(page(known, names))
    print(f"Written: {PAGE.relative_to(ROOT)}")
    wrong = missed(known)
    print("\n".join(wrong) or "All budgets are met.")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
