"""How long an ordinary caller waits while somebody else sends the largest requests there may be.

Run `python benchmarks/fairness.py`. It starts `braid serve` with a store of its own and Globus
stand-ins. One identity sends steps of about 1 kB, one after the other, some 40 a second: alone
(the floor), and while another identity sends, each in `--loops` loops without a pause, the
largest steps, batches and questions that the server takes. The ratio of the times that 99 % of the
steps stay within has the budget 5. Alone and beside take turns of `--seconds`, for `--rounds`
rounds. `--store` is another store's URL, `--postgresql` a server started for it.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from _postgres import BenchmarkServer  # noqa: E402
from _results import Result, tell  # noqa: E402

from flows.sandbox import Sandbox  # noqa: E402

BUDGET = 5.0
LOAD = Path(__file__).with_name("_fairness_load.py")
SORTS = ("records", "batches", "questions")
WARM_UP = 5.0


@contextlib.contextmanager
def served(environ: dict[str, str], store: str) -> Iterator[int]:
    """`braid serve` over a store; gives its port."""
    command = [sys.executable, "-m", "braid", "serve", "--port", "0", "--store", store]
    environ = {**os.environ, **environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(command, env=environ, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    try:
        for line in process.stderr:
            if found := re.search(r"serving http://[^:]+:(\d+)", line):
                yield int(found[1])
                break
        else:
            raise SystemExit("the server did not start")
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)


class Load:
    """A load generator of one sort in a process of its own."""

    def __init__(self, sort: str, port: int, token: str, seconds: float, loops: int) -> None:
        command = [sys.executable, str(LOAD), sort, str(port), token, str(seconds), str(loops)]
        environ = {**os.environ, "PYTHONPATH": str(ROOT)}
        self._process = subprocess.Popen(
            command, env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        self._process.stdout.readline()  # it has made its requests

    def begin(self) -> None:
        """Let it send."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()

    def end(self) -> tuple[list[float], Counter[str]]:
        """Its latencies, in seconds, and the statuses."""
        out, _ = self._process.communicate(timeout=300)
        found = json.loads(out)
        return found["latencies"], Counter(found["statuses"])


def turn(
    port: int, tokens: dict[str, str], seconds: float, loops: int
) -> tuple[list[float], dict[str, Counter[str]]]:
    """The ordinary caller's latencies, and what became of the other's requests; no loops: alone."""
    ordinary = Load("ordinary", port, tokens["ordinary"], seconds, 1)
    # The others begin before, and go on until after.
    heavy = {sort: Load(sort, port, tokens["heavy"], seconds + 2, loops) for sort in SORTS if loops}
    for load in heavy.values():
        load.begin()
    time.sleep(1.0 if loops else 0.0)
    ordinary.begin()
    latencies, statuses = ordinary.end()
    if set(statuses) != {"202"}:
        raise SystemExit(f"not everything of the ordinary caller was recorded: {statuses}")
    return latencies, {sort: load.end()[1] for sort, load in heavy.items()}


def slow(latencies: list[float]) -> float:
    """What 99 % of them stay within, in milliseconds."""
    return sorted(latencies)[int(len(latencies) * 0.99)] * 1000


def compare(options: argparse.Namespace, port: int, tokens: dict[str, str]) -> list[Result]:
    for loops in (0, 1):  # all processes are there, and all code has been gone through
        turn(port, tokens, WARM_UP, loops)
    alone: list[float] = []
    beside: list[float] = []
    statuses: dict[str, Counter[str]] = {sort: Counter() for sort in SORTS}
    for number in range(options.rounds):
        quiet, _ = turn(port, tokens, options.seconds, 0)
        loud, heavy = turn(port, tokens, options.seconds, options.loops)
        print(f"round {number + 1}: 99 % within {slow(quiet):.0f} ms, {slow(loud):.0f} ms beside")
        alone += quiet
        beside += loud
        for sort, counts in heavy.items():
            statuses[sort] += counts
    for sort in SORTS:
        if not any(status.startswith("2") for status in statuses[sort]):
            raise SystemExit(f"no {sort} were taken: {statuses[sort]}")
    for name, found in (("alone", alone), ("beside", beside)):
        middle = statistics.median(found) * 1000
        print(f"{name:7}{len(found):6} steps, half within {middle:.1f} ms, 99 % {slow(found):.1f}")
    for sort, counts in statuses.items():
        print(f"{sort}: " + ", ".join(f"{n} times {s}" for s, n in sorted(counts.items())))
    return [
        Result(
            what="an ordinary step while another identity sends the largest requests",
            ours=slow(beside),
            unit="ms",
            floor=slow(alone),
            floor_is="99 % of the same steps, when nobody else calls",
            budget=BUDGET,
            note=f"{options.loops} loops each of {', '.join(SORTS)}",
        )
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--loops", type=int, default=3)
    parser.add_argument("--store", default=None)
    parser.add_argument("--postgresql", action="store_true")
    options = parser.parse_args()
    with contextlib.ExitStack() as stack:
        sandbox = stack.enter_context(Sandbox())
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        store = options.store or f"sqlite:///{folder}/store.db"
        if options.postgresql:
            server = BenchmarkServer.at(None)
            if server is None:
                raise SystemExit("PostgreSQL is not installed here")
            store = stack.enter_context(stack.enter_context(server).passing_database())
        client = sandbox.add_client("braid")
        scope = sandbox.add_scope(client, "action_all")
        people = {
            name: sandbox.add_identity(f"{name}@example.org") for name in ("ordinary", "heavy")
        }
        tokens = {name: sandbox.token_for(identity, scope) for name, identity in people.items()}
        environ = {
            **sandbox.environ(),
            "BRAID_CLIENT_ID": client.client_id,
            "BRAID_CLIENT_SECRET": client.client_secret,
            "BRAID_SCOPE": scope,
        }
        port = stack.enter_context(served(environ, store))
        tell("fairness", compare(options, port, tokens))


if __name__ == "__main__":
    main()
