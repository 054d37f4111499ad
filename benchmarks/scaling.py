"""How far aggregators go: a simulation with measured service times, checked against measurements.

Run `python benchmarks/scaling.py`. The question: 10,000 nodes train, each reports an epoch (one
model version with two metrics) every five minutes, which is 33 records a second and 20 million in
a week; or all of them report within one second. How many aggregators does that take, after what
time is a report durable, how much memory and disk?

Measured here: what a commit and each record in it take (`store.write_all` of messages, into a
store that has `--filled` records already); and under mpiexec, three ranks playing nodes through
one aggregator, at a steady rate and in bursts. The simulation (_simulation.py) has the same
queue, group commit and pauses. One burst sets what a message costs, and one rank by itself what
the way there and back takes; the other measured points are predicted and held against what was
measured. The figures for 10,000 nodes are then extrapolated.
What is not in the model: what an MPI library itself needs for 10,000 peers, and the network.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from _mpi import run_job
from _results import Result, tell
from _scaling_job import new_nodes, report
from _simulation import Outcome, Service, burst, simulate, steady

from provenance_store import open_store
from provenance_store.batch import Batch, decode_batch, encode_batch
from provenance_store.recorder import Recorder
from provenance_store.sink import MemorySink

NODES, PERIOD, WEEK = 10_000, 300.0, 7 * 86_400.0
RECORDS = 20_000_000
SMALL, LARGE = 3_000, 9_999
STEADY_SECONDS = 6.0
GROUPS = (1, 10, 100, 1000)
PAUSE = 0.002
TOLERABLE = 1.0
"""Seconds in which 99 of 100 reports of a burst have to be durable."""
GIGABYTE = 1e9


def messages(count: int) -> list[bytes]:
    """So many reports, each encoded by itself as a rank sends it."""
    sink = MemorySink()
    recorder = Recorder(sink, environment=None)
    nodes = new_nodes(recorder, 100, "node")
    beginning = len(sink.batches)
    for n in range(count):
        report(recorder, nodes[n % len(nodes)])
    first = Batch.merged(sink.batches[:beginning])
    return [_message(batch, sink) for batch in (first, *sink.batches[beginning:])]


def _message(batch: Batch, sink: MemorySink) -> bytes:
    batch.origin = [sink.origin]
    return encode_batch(batch)


def fill(store: Any, count: int) -> None:
    with store.bulk_load() as recorder:
        nodes = new_nodes(recorder, 100, "earlier node")
        for n in range(count):
            report(recorder, nodes[n % len(nodes)])


def service_times(folder: Path, filled: int) -> tuple[Service, float]:
    """What commits take, and the bytes of a record on the disk."""
    file = folder / "service.db"
    with open_store(f"sqlite:///{file}") as store:
        fill(store, filled)
    disk = file.stat().st_size / filled
    rounds = {size: max(3, min(200, 3000 // size)) for size in GROUPS}
    ready = iter(messages(sum(size * n for size, n in rounds.items())))
    with open_store(f"sqlite:///{file}") as store:
        store.write(decode_batch(next(ready)))
        found = {
            size: [_commit(store, ready, size) for _ in range(count)]
            for size, count in rounds.items()
        }
    large, larger = GROUPS[-2:]
    slope = statistics.median(found[larger]) - statistics.median(found[large])
    slope /= larger - large
    commits = tuple(max(0.0, seconds - slope) for seconds in found[1])
    size = statistics.mean(len(each) for each in messages(100)[1:])
    return Service(commits, slope, 0.0, pause(), size), disk


def pause() -> float:
    """How long a pause of two milliseconds takes here."""
    started = time.perf_counter()
    for _ in range(100):
        time.sleep(PAUSE)
    return (time.perf_counter() - started) / 100


def decoded_bytes() -> float:
    """The memory of a report that was read and waits to be written."""
    waiting = messages(1000)
    tracemalloc.start()
    kept = [decode_batch(each) for each in waiting]
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return size / len(kept)


def _commit(store: Any, ready: Iterator[bytes], size: int) -> float:
    data = [next(ready) for _ in range(size)]
    started = time.perf_counter()
    if any(store.write_all([decode_batch(each) for each in data])):
        raise SystemExit("a report was refused")
    return time.perf_counter() - started


class Measured:
    """What three ranks and one aggregator did."""

    def __init__(self, folder: Path) -> None:
        arguments = (f"sqlite:///{folder}/run.db", STEADY_SECONDS, NODES / PERIOD, SMALL, LARGE)
        found = run_job(
            "_scaling_job.py",
            *arguments,
            ranks=4,
            folder=folder,
            environ={"BRAID_BATCH_RECORDS": "1"},
        )
        self.alone = statistics.median(found[1]["alone"])
        self.steady = sorted(s for rank in found[1:] for s in rank["steady"])
        self.sent = {n: max(rank[str(n)][0] for rank in found[1:]) for n in (SMALL, LARGE)}
        self.durable = {n: max(rank[str(n)][1] for rank in found[1:]) for n in (SMALL, LARGE)}
        self.megabytes = found[0]["megabytes"]


def calibrated(service: Service, measured: Measured) -> Service:
    """With what makes one report alone, and the small burst, take as long as they did."""
    travel = max(0.0, measured.alone - service.busy(1, service.per_commit))
    service = replace(service, travel=travel)
    low, high = 0.0, 0.01
    for _ in range(40):
        middle = (low + high) / 2
        tried = replace(service, per_message=middle)
        if simulate(burst(SMALL, measured.sent[SMALL]), tried).ended < measured.durable[SMALL]:
            low = middle
        else:
            high = middle
    return tried


def checks(service: Service, measured: Measured) -> list[Result]:
    """Measured points that nothing was fitted to, beside what the simulation says of them."""
    predicted = simulate(burst(LARGE, measured.sent[LARGE]), service).ended
    usual = simulate(steady(int(NODES / PERIOD * 100), 100.0, 100.0), service)
    middle = statistics.median(measured.steady)
    slow = measured.steady[int(0.99 * len(measured.steady))]
    floor = "the same, measured"
    return [
        Result(
            what=f"simulated: a burst of {LARGE:,} reports from 3 ranks is durable after",
            ours=predicted,
            unit="s",
            floor=measured.durable[LARGE],
            floor_is=floor,
        ),
        Result(
            what="simulated: 33 reports a second, half are durable within",
            ours=usual.within(0.5) * 1000,
            unit="ms",
            floor=middle * 1000,
            floor_is=floor,
        ),
        Result(
            what="simulated: 33 reports a second, 99 % are durable within",
            ours=usual.within(0.99) * 1000,
            unit="ms",
            floor=slow * 1000,
            floor_is=floor,
        ),
    ]


def needed(service: Service) -> tuple[int, Outcome]:
    """How many aggregators a burst of all nodes takes, and how it then goes."""
    arrivals = burst(NODES, 1.0)
    for aggregators in range(1, 65):
        outcome = simulate(arrivals, service, aggregators=aggregators)
        if outcome.within(0.99) <= TOLERABLE:
            return aggregators, outcome
    raise SystemExit("64 aggregators do not do")


def extrapolated(service: Service, measured: Measured, disk: float) -> list[Result]:
    """The figures for 10,000 nodes."""
    usual = simulate(steady(NODES, PERIOD, PERIOD), service)
    alone = simulate(burst(NODES, 1.0), service)
    aggregators, together = needed(service)
    memory = measured.megabytes + alone.longest_queue * decoded_bytes() / 1e6
    found: list[tuple[str, float, str]] = [
        ("one aggregator at 33 reports a second, busy", usual.busy * 100, "% of the time"),
        ("... 99 % durable within", usual.within(0.99) * 1000, "ms"),
        ("all nodes within a second, one aggregator, all durable after", alone.ended, "s"),
        ("... 99 % durable within", alone.within(0.99), "s"),
        ("... longest queue", alone.longest_queue, "reports"),
        ("... memory of the aggregator, MPI's own for 10,000 peers apart", memory, "MB"),
        (f"aggregators for 99 % within {TOLERABLE:g} s in such a burst", aggregators, ""),
        ("... 99 % durable within", together.within(0.99), "s"),
        ("20 million reports in a week, on the disk", disk * RECORDS / GIGABYTE, "GB"),
        ("... if they came at once, one aggregator takes", RECORDS / service.capacity / 3600, "h"),
    ]
    return [
        Result(what=f"10,000 nodes: {what}", ours=ours, unit=unit, extrapolated=True)
        for what, ours, unit in found
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--filled", type=int, default=300_000, help="records there already")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        service, disk = service_times(Path(name), options.filled)
        measured = Measured(Path(name))
    service = calibrated(service, measured)
    figures = [
        ("a commit", service.per_commit * 1e3, "ms"),
        ("each record in it", service.per_record * 1e6, "µs"),
        ("a pause of 2 ms", service.pause * 1e3, "ms"),
        ("each message, fitted to a burst of 3,000", service.per_message * 1e6, "µs"),
        ("there and back, fitted to one rank alone", service.travel * 1e3, "ms"),
        ("a report as a message", service.message_bytes, "bytes"),
        (f"a report on the disk, of {options.filled:,}", disk, "bytes"),
        ("memory of the aggregator after a burst of 9,999", measured.megabytes, "MB"),
    ]
    told = [Result(what=f"measured: {what}", ours=ours, unit=unit) for what, ours, unit in figures]
    told += checks(service, measured)
    told += extrapolated(service, measured, disk)
    tell("scaling", told)


if __name__ == "__main__":
    main()
