"""The published prototype, braid-db, on the same Mascot and the same machine.

Run `python benchmarks/peers/published.py`. It makes a virtual environment in a cache folder
(`~/.cache/braid-benchmarks`, or `--cache`), installs braid-db there with pip, which needs a
network the first time, and records a small Mascot into a new SQLite file: with a commit for every
row, as its calls do by themselves, and in one session. Beside it the same through Braid: with a
durable commit for each record, and as one load. README.md in this folder tells what differs.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))
sys.path.insert(0, str(ROOT))

from _results import Result, tell  # noqa: E402

from hpc.mascot import Size, play  # noqa: E402
from provenance_store import open_store  # noqa: E402

PINNED = "braid-db==0.1.0a1"
SIDE = Path(__file__).with_name("_published_side.py")
SIZE = Size(25, 25, 3, 80)
SEED = 1


def environment(cache: Path) -> Path:
    """The Python of an environment with braid-db, made the first time."""
    folder = cache / PINNED.replace("==", "-")
    python = folder / "bin" / "python"
    if not (folder / "complete").exists():
        print(f"Installing {PINNED} into {folder} ...", file=sys.stderr)
        venv.create(folder, with_pip=True, clear=True)
        done = subprocess.run(
            [python, "-m", "pip", "install", "--quiet", PINNED], capture_output=True, text=True
        )
        if done.returncode:
            raise SystemExit(f"{PINNED} cannot be installed:\n{done.stderr}")
        (folder / "complete").touch()
    return python


def published(python: Path, mode: str, size: Size) -> dict[str, Any]:
    numbers = (size.configurations, size.models, size.cycles, size.experiments)
    with tempfile.TemporaryDirectory() as folder:
        command = [python, SIDE, mode, f"{folder}/peer.db", *numbers, size.uris, size.dependencies]
        environ = {name: v for name, v in os.environ.items() if name != "PYTHONPATH"}
        done = subprocess.run(
            [*map(str, command), str(SEED)], capture_output=True, text=True, env=environ
        )
    if done.returncode:
        raise SystemExit(f"braid-db failed:\n{done.stderr[-2000:]}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    if found["entries"] != sum(size.published().values()):
        raise SystemExit(f"braid-db recorded {found['entries']} entries")
    return found


def ours(mode: str, size: Size) -> float:
    with (
        tempfile.TemporaryDirectory() as folder,
        open_store(f"sqlite:///{folder}/braid.db") as store,
    ):
        store.fact("warm-up")
        started = time.perf_counter()
        if mode == "each":
            play(store.recorder(environment=None), size, each=True)
        else:
            with store.bulk_load() as recorder:
                play(recorder, size)
        return time.perf_counter() - started


def main() -> None:
    home = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cache", type=Path, default=home / "braid-benchmarks")
    options = parser.parse_args()
    python = environment(options.cache)
    entries = sum(SIZE.published().values())
    results = []
    for mode, what in (("each", "a commit per call"), ("session", "one transaction")):
        peer = published(python, mode, SIZE)
        results.append(
            Result(
                what=f"Mascot, {entries:,} entries, {what}, beside braid-db {peer['version']}",
                ours=entries / ours(mode, SIZE),
                unit="rows/s",
                floor=entries / peer["seconds"],
                floor_is=f"braid-db {peer['version']}",
            )
        )
    tell("peers", results)


if __name__ == "__main__":
    main()
