"""The measured points of scaling.py, under mpiexec: `URL STEADY_SECONDS RATE BURST…`.

Every worker plays many nodes: each report is a model version with two metrics in a message of
its own (BRAID_BATCH_RECORDS=1). ``alone``: one rank's reports, flushed one by one. ``steady``:
reports at random times, so many a second in all, each flushed, which is its latency. Bursts: so
many reports in all, as fast as the ranks can.
"""

from __future__ import annotations

import json
import random
import resource
import sys
import time
from typing import Any

from mpi4py import MPI

import hpc
from hpc.mascot.ranks import wait_for_all

ALONE = 200


def report(recorder: Any, node: dict[str, Any]) -> None:
    """One training epoch of a node."""
    epoch = node["epoch"] = node["epoch"] + 1
    metrics = [{"epoch": epoch, "loss": 1 / epoch, "accuracy": 1 - 1 / epoch}]
    node["model"] = recorder.update(node["model"], [node["scan"]], metrics=metrics)


def new_nodes(recorder: Any, count: int, who: str) -> list[dict[str, Any]]:
    scan = recorder.data(f"scan of {who}")
    return [
        {"epoch": 0, "scan": scan, "model": recorder.model(f"net {who} {n}")} for n in range(count)
    ]


def alone(recorder: Any, nodes: list[dict[str, Any]]) -> list[float]:
    """Latencies of one rank's reports, one right after the other."""
    latencies = []
    for n in range(ALONE):
        started = time.perf_counter()
        report(recorder, nodes[n % len(nodes)])
        recorder.flush()
        latencies.append(time.perf_counter() - started)
    return latencies


def steady(recorder: Any, nodes: list[dict[str, Any]], seconds: float, rate: float) -> list[float]:
    drawn = random.Random(MPI.COMM_WORLD.rank)
    latencies = []
    at, until = time.perf_counter(), time.perf_counter() + seconds
    while (at := at + drawn.expovariate(rate)) < until:
        time.sleep(max(0.0, at - time.perf_counter()))
        started = time.perf_counter()
        report(recorder, drawn.choice(nodes))
        recorder.flush()
        latencies.append(time.perf_counter() - started)
    return latencies


def burst(recorder: Any, nodes: list[dict[str, Any]], count: int) -> tuple[float, float]:
    """Seconds until everything was sent, and until everything was durable."""
    started = time.perf_counter()
    for n in range(count):
        report(recorder, nodes[n % len(nodes)])
    sent = time.perf_counter() - started
    recorder.flush()
    return sent, time.perf_counter() - started


def main() -> None:
    url, seconds, rate, *bursts = sys.argv[1:]
    comm = MPI.COMM_WORLD
    working: Any = hpc.workers(comm)
    found: dict[str, Any] = {}
    with hpc.aggregated(url, comm) as recorder:
        if recorder is not None:
            nodes = new_nodes(recorder, 200, f"rank {comm.rank}")
            recorder.flush()
            wait_for_all(working)
            if working.rank == 0:
                found["alone"] = alone(recorder, nodes)
            wait_for_all(working)
            found["steady"] = steady(recorder, nodes, float(seconds), float(rate) / working.size)
            for count in bursts:
                wait_for_all(working)
                found[count] = burst(recorder, nodes, int(count) // working.size)
    wait_for_all(comm)
    found["megabytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    everybodys = comm.gather(found)
    if everybodys is not None:
        sys.stdout.write(f"{json.dumps(everybodys)}\n")


if __name__ == "__main__":
    main()
