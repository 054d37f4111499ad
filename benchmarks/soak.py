"""A soak: ranks record through an aggregator for minutes, with faults in between.

Run `make soak`, or `python benchmarks/soak.py --minutes 5`. Three ranks record and flush. For so
long one job goes on while its aggregator is stopped for some seconds and the store is locked, in
turn, each once at least; then jobs are ended, as soon as each rank has something acknowledged, by
killing a rank, by killing the aggregator, and by SIGTERM. Afterwards the spool folder is loaded,
twice. It fails, with exit code 1, unless

- every record that a flush had acknowledged is in the store, with its link and its URI;
- the store is in order, and loading the spool folder again adds nothing;
- every job has ended when it should have;
- no rank of the long job takes more memory at its end than after its first third, within 10 MB;
  under half a minute that is not looked at.

Everything happens in a temporary folder, or in `--folder`, which is then kept.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from _mpi import job

import hpc
from provenance_store import Store, open_store

RANKS = 4
ENVIRON = {
    "BRAID_RANK_WAIT_SECONDS": "2",
    "BRAID_AGGREGATOR_RETRY_SECONDS": "1",
    "BRAID_BUSY_TIMEOUT_MS": "200",
    "BRAID_BATCH_RECORDS": "100",
    "BRAID_PAGE_CACHE_MB": "8",
}
FAULT_SECONDS, REST_SECONDS = 3.0, 8.0
GRACE_SECONDS = 120.0
"""How long a job may take to begin, or to end, on a machine that does much else."""
GROWTH = 10.0
"""Megabytes."""
ENOUGH = 60
"""Looks at the memory, two a second, from which on it is judged."""


class Soak:
    """The jobs, one after the other, and what was seen of them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "run.db"
        self.url = f"sqlite:///{self.file}"
        self.faults = 0
        self.memory: list[list[float]] = [[] for _ in range(RANKS)]
        self.problems: list[str] = []

    def long_job(self, seconds: float) -> None:
        """One job that outlives its faults."""
        with self._job("long") as process:
            ranks = self._at_work("long", process)
            faults = [self._stop_aggregator, self._lock_store]
            until = time.monotonic() + seconds
            while time.monotonic() < until or self.faults < len(faults):
                self._watch(ranks, min(REST_SECONDS, seconds / 4))
                faults[self.faults % 2](ranks)
                self.faults += 1
            self._watch(ranks, min(REST_SECONDS, seconds / 4))
            (self.folder / "end-long").touch()
            self._end(process, "long", expected=0)

    def short_job(self, name: str, number: signal.Signals, *whom: int) -> None:
        """A job of which some ranks are ended by violence."""
        with self._job(name) as process:
            ranks = self._at_work(name, process)
            for rank in whom:
                os.kill(ranks[rank], number)
            self.faults += 1
            self._end(process, name, expected=None)

    def _job(self, name: str) -> contextlib.AbstractContextManager[subprocess.Popen[str]]:
        arguments = (self.url, name)
        return job("_soak_job.py", *arguments, ranks=RANKS, folder=self.folder, environ=ENVIRON)

    def _at_work(self, name: str, process: subprocess.Popen[str]) -> list[int]:
        """The process of each rank, once each worker has something acknowledged."""
        begun = [self.folder / f"process-{name}-{rank}" for rank in range(RANKS)]
        noted = [self.folder / f"ledger-{name}-{rank}" for rank in range(1, RANKS)]
        until = time.monotonic() + GRACE_SECONDS
        while not all(file.exists() and file.read_text() for file in (*begun, *noted)):
            if process.poll() is not None:
                raise SystemExit(f"Job {name} ended with {process.returncode} before its time.")
            if time.monotonic() > until:
                raise SystemExit(f"Job {name} was not at work in {GRACE_SECONDS:.0f} s.")
            time.sleep(0.05)
        return [int(file.read_text()) for file in begun]

    def _stop_aggregator(self, ranks: list[int]) -> None:
        os.kill(ranks[0], signal.SIGSTOP)
        self._watch(ranks, FAULT_SECONDS)
        os.kill(ranks[0], signal.SIGCONT)

    def _lock_store(self, ranks: list[int]) -> None:
        other = sqlite3.connect(self.file, isolation_level=None, timeout=GRACE_SECONDS)
        other.execute("BEGIN IMMEDIATE")
        self._watch(ranks, FAULT_SECONDS)
        other.execute("ROLLBACK")
        other.close()

    def _watch(self, ranks: list[int], seconds: float) -> None:
        """Wait, and note what the ranks of the long job take every half second."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            for process, seen in zip(ranks, self.memory, strict=True):
                pages = Path(f"/proc/{process}/statm").read_text().split()[1]
                seen.append(int(pages) * os.sysconf("SC_PAGE_SIZE") / 1e6)
            time.sleep(0.5)

    def _end(self, process: subprocess.Popen[str], name: str, expected: int | None) -> None:
        try:
            code = process.wait(GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            self.problems.append(f"Job {name} did not end in {GRACE_SECONDS:.0f} s.")
            return
        if expected is not None and code != expected:
            self.problems.append(f"Job {name} ended with {code}.")

    # ---- afterwards ----------------------------------------------------------------------

    def check(self) -> str:
        """Load the spool, look for what is missing; a line that says what there is."""
        with open_store(self.url, create=False) as store:
            loaded = hpc.load_spool(store, self.folder / "braid-spool", unfinished=True)
            before = store.info()["tables"]
            for file in [*(self.folder / "braid-spool" / "done").iterdir()]:
                file.rename(self.folder / "braid-spool" / "new" / file.name)
            hpc.load_spool(store, self.folder / "braid-spool")
            if store.info()["tables"] != before:
                self.problems.append("Loading the spool again has added something.")
            self.problems += store.check()
            acknowledged = self._missing(store)
        self._grown()
        return (
            f"{acknowledged:,} records acknowledged, {before['record']:,} in the store, "
            f"{loaded.records:,} of them by way of the spool; {len(loaded.bad)} torn files of "
            f"killed ranks; {self.faults} faults"
        )

    def _missing(self, store: Store) -> int:
        """Note acknowledged records that are not there; how many were acknowledged."""
        total = 0
        with store.sink.session.read() as connection:
            found = connection.exec_driver_sql(
                "SELECT name FROM record JOIN uri ON uri.record_id = record.id "
                "JOIN link ON link.from_id = record.id"
            ).scalars()
            there = set(found)
        for ledger in sorted(self.folder.glob("ledger-*")):
            _, name, rank = ledger.name.split("-")
            noted = [int(line) for line in ledger.read_text().split("\n")[:-1]]
            count = max(noted, default=0)
            total += count
            lost = [n for n in range(count) if f"{name} {rank} {n}" not in there]
            if lost:
                self.problems.append(
                    f"{len(lost)} acknowledged records of rank {rank} of job {name} are lost, "
                    f"the first is {lost[0]}."
                )
        if total == 0:
            self.problems.append("Nothing was acknowledged.")
        return total

    def _grown(self) -> None:
        for rank, seen in enumerate(self.memory):
            if len(seen) < ENOUGH:
                continue
            third = len(seen) // 3
            early = statistics.median(seen[third : 2 * third])
            late = statistics.median(seen[-third // 2 :])
            who = "aggregator" if rank == 0 else f"rank {rank}"
            print(f"{who}: {early:.0f} MB in the second third, {late:.0f} MB at the end")
            if late > early + GROWTH:
                self.problems.append(f"The {who} has grown from {early:.0f} to {late:.0f} MB.")


def run(folder: Path, seconds: float) -> int:
    soak = Soak(folder)
    open_store(soak.url).close()
    soak.long_job(seconds)
    soak.short_job("rank", signal.SIGKILL, 2)
    soak.short_job("head", signal.SIGKILL, 0)
    soak.short_job("term", signal.SIGTERM, *range(RANKS))
    print(soak.check())
    for problem in soak.problems:
        print(f"FAILED: {problem}")
    return 1 if soak.problems else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--folder", type=Path, default=None)
    options = parser.parse_args()
    if options.folder is not None:
        options.folder.mkdir(parents=True)
        return run(options.folder, options.minutes * 60)
    with tempfile.TemporaryDirectory() as folder:
        return run(Path(folder), options.minutes * 60)


if __name__ == "__main__":
    sys.exit(main())
