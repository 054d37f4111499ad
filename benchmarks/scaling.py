"""How far aggregators go: a simulation with measured service times, checked against measurements.

Run `python benchmarks/scaling.py`. The question: 10,000 nodes train, each reports an epoch (one
model version with two metrics) every five minutes, which is 33 records a second and 20 million in
a week; or all of them report within one second. How many aggregators does that take, after what
time is a report durable, how much memory and disk?

First it predicts. What a commit and each record in it take is measured (`StoreService.write_parts`
of messages, into a store that has `--filled` records already), and under mpiexec three ranks play
nodes through one aggregator: one rank by itself, which sets what the way there and back takes,
and a small burst, which sets what a message costs. The simulation (_simulation.py), which has the
same queue, group commit and pauses, then says how a larger burst and a steady rate will go, and
that is written to a file. Only then these are measured, in a job of their own, and the deviation
is told. The figures for 10,000 nodes are extrapolated with what was fitted before.

`--predict FILE` and `--check FILE` do the one and the other half. A prediction is not overwritten,
nor checked by a model that was changed after it.
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

from provenance_store.service import StoreService

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from _mpi import run_job
from _prediction import Figures, Prediction, Setting, utc
from _results import Result, tell
from _scaling_job import new_nodes, report
from _simulation import Outcome, Service, burst, simulate, steady

from provenance_store import open_store
from provenance_store.batch import Batch, decode_batch, encode_batch
from provenance_store.recording.recorder import Recorder
from provenance_store.sink import MemorySink

NODES, PERIOD, WEEK = 10_000, 300.0, 7 * 86_400.0
RECORDS = 20_000_000
SMALL, LARGE = 3_000, 9_999
STEADY_SECONDS = 6.0
"""Long enough for 200 reports."""
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
        StoreService(store).write(decode_batch(next(ready)))
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
    if any(StoreService(store).write_parts([decode_batch(each) for each in data])):
        raise SystemExit("a report was refused")
    return time.perf_counter() - started


class Measured:
    """What three ranks and one aggregator did: the reports of one rank alone, so many seconds of a
    steady rate, and a burst."""

    def __init__(self, folder: Path, *, seconds: float, rate: float, burst: int) -> None:
        found = run_job(
            "_scaling_job.py",
            *(f"sqlite:///{folder}/run-{burst}.db", seconds, rate, burst),
            ranks=4,
            folder=folder,
            environ={"BRAID_BATCH_RECORDS": "1"},
        )
        self.alone = statistics.median(found[1]["alone"])
        self.steady = sorted(s for rank in found[1:] for s in rank["steady"])
        self.sent = max(rank[str(burst)][0] for rank in found[1:])
        self.durable = max(rank[str(burst)][1] for rank in found[1:])
        self.megabytes = found[0]["megabytes"]

    def figures(self) -> Figures:
        slow = self.steady[int(0.99 * len(self.steady))]
        return Figures(self.durable, statistics.median(self.steady), slow)


def predict(folder: Path, setting: Setting, filled: int) -> Prediction:
    """Fit at the small size, and say how the larger ones will go."""
    service, disk = service_times(folder, filled)
    measured = Measured(folder, seconds=0.0, rate=setting.rate, burst=setting.small)
    fitted = calibrated(service, measured, setting.small)
    return Prediction.make(setting, fitted, disk, measured.sent)


def calibrated(service: Service, measured: Measured, size: int) -> Service:
    """With what makes one report alone, and the small burst, take as long as they did."""
    travel = max(0.0, measured.alone - service.busy(1, service.per_commit))
    service = replace(service, travel=travel)
    low, high = 0.0, 0.01
    for _ in range(40):
        middle = (low + high) / 2
        tried = replace(service, per_message=middle)
        if simulate(burst(size, measured.sent), tried).ended < measured.durable:
            low = middle
        else:
            high = middle
    return tried


def fitted(prediction: Prediction) -> list[Result]:
    """What the prediction is made of."""
    service, setting = prediction.service, prediction.setting
    figures = [
        ("a commit", service.per_commit * 1e3, "ms"),
        ("each record in it", service.per_record * 1e6, "µs"),
        ("a pause of 2 ms", service.pause * 1e3, "ms"),
        (f"each message, fitted to a burst of {setting.small:,}", service.per_message * 1e6, "µs"),
        ("there and back, fitted to one rank alone", service.travel * 1e3, "ms"),
        ("a report as a message", service.message_bytes, "bytes"),
        ("a report on the disk", prediction.disk, "bytes"),
    ]
    return [Result(what=f"measured: {what}", ours=ours, unit=unit) for what, ours, unit in figures]


def checks(prediction: Prediction, measured: Figures | None) -> list[Result]:
    """What is predicted, and beside it, if it has been, what was measured."""
    setting, said = prediction.setting, prediction.figures
    rate = f"{setting.rate:.0f} reports a second"
    rows = [
        (f"a burst of {setting.large:,} reports from 3 ranks is durable after", "burst", "s", 1.0),
        (f"{rate}, half are durable within", "half", "ms", 1e3),
        (f"{rate}, 99 % are durable within", "most", "ms", 1e3),
    ]
    told = []
    for what, name, unit, scale in rows:
        result = Result(what=f"predicted: {what}", ours=getattr(said, name) * scale, unit=unit)
        if measured is not None:
            floor = getattr(measured, name) * scale
            note = f"measured {floor / result.ours - 1:+.0%}"
            result = replace(result, floor=floor, floor_is="the same, measured after", note=note)
        told.append(result)
    return told


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


def check(folder: Path, prediction: Prediction, seconds: float) -> None:
    """Measure what was predicted, and tell both."""
    setting = prediction.setting
    measured = Measured(folder, seconds=seconds, rate=setting.rate, burst=setting.large)
    memory = Result(
        what=f"measured: memory of the aggregator after a burst of {setting.large:,}",
        ours=measured.megabytes,
        unit="MB",
    )
    told = [*fitted(prediction), memory, *checks(prediction, measured.figures())]
    told += extrapolated(prediction.service, measured, prediction.disk)
    for result in told:
        if result.note:
            print(f"{result.what}: {result.note}")
    tell("scaling", told, predicted_at=prediction.made_at, checked_at=utc())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--filled", type=int, default=300_000, help="records there already")
    parser.add_argument("--small", type=int, default=SMALL, help="reports in the burst fitted to")
    parser.add_argument("--large", type=int, default=LARGE, help="reports in the one predicted")
    parser.add_argument("--seconds", type=float, default=STEADY_SECONDS, help="of the steady rate")
    half = parser.add_mutually_exclusive_group()
    half.add_argument("--predict", type=Path, metavar="FILE", help="fit, and write a prediction")
    half.add_argument("--check", type=Path, metavar="FILE", help="measure what it predicts")
    options = parser.parse_args()
    if options.predict and options.predict.exists():
        parser.error(f"{options.predict} is there already; a prediction is not replaced.")
    setting = Setting(options.small, options.large, NODES / PERIOD)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        file = options.check
        if file is None:
            file = options.predict or folder / "prediction.json"
            predict(folder, setting, options.filled).write(file)
        prediction = Prediction.read(file)
        if options.predict:
            tell("scaling", [*fitted(prediction), *checks(prediction, None)])
        else:
            check(folder, prediction, options.seconds)


if __name__ == "__main__":
    main()
