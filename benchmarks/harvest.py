"""Many runs harvested from the sandbox, twice: time and requests.

Run `python benchmarks/harvest.py --runs 1000`, or `python -m benchmarks.harvest`. Each run has 20
states, four of which are actions. The floor of the first harvest is to ask the sandbox for the same
runs, definitions and logs, and keep nothing. The second harvest must write nothing; a third reads
all logs again, as `--again` does, and must write nothing either. Exit code 1 when one of them does.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

sys.path[:0] = [str(Path(__file__).resolve().parents[1]), str(Path(__file__).resolve().parent)]

import globus_sdk  # noqa: E402
from _results import Result, tell  # noqa: E402

from flows.harvest import harvest, is_harvested  # noqa: E402
from flows.harvest.service import FlowsLogs  # noqa: E402
from flows.sandbox import Identity, Sandbox  # noqa: E402
from flows.sandbox.runner import deploy, flows_client, specific_flow_client  # noqa: E402
from provenance_store import Store, open_store  # noqa: E402

HELLO = "https://actions.globus.org/hello_world"
STATES = 20


def definition() -> dict[str, Any]:
    """Twenty states: every fifth an action, the others computing on its result."""
    states: dict[str, Any] = {}
    for number in range(STATES):
        state: dict[str, Any] = {
            "Type": "ExpressionEval",
            "Parameters": {"n.=": f"len(`$.word`) + {number}"},
        }
        if number % 5 == 0:
            state = {"Type": "Action", "ActionUrl": HELLO}
            state["Parameters"] = {"echo_string.$": "$.word"}
        state["ResultPath"] = f"$.r{number}"
        state |= {"Next": f"S{number + 1}"} if number + 1 < STATES else {"End": True}
        if number + 1 == STATES:
            state = {"Type": "Pass", "End": True}
        states[f"S{number}"] = state
    return {"StartAt": "S0", "States": states}


def run_all(sandbox: Sandbox, who: Identity, runs: int) -> None:
    """Start the runs, a few at a time, and wait until all have ended."""
    flow_id = deploy(sandbox, definition(), user=who)
    reader = flows_client(sandbox, who)

    def one(number: int) -> None:
        starter = specific_flow_client(sandbox, who, flow_id)
        run_id = starter.run_flow({"word": f"hello {number}"})["run_id"]
        while reader.get_run(run_id)["status"] == "ACTIVE":
            time.sleep(0.02)
        starter.transport.session.close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(one, range(runs)))


class Harvest(NamedTuple):
    """What a harvest of all runs took, and what it wrote."""

    runs: int
    added: int
    seconds: float
    requests: int
    rows: int


def rows_in(store: Store) -> int:
    return sum(store.info()["tables"].values())


def floor(client: globus_sdk.FlowsClient) -> float:
    """Seconds to ask for all that a first harvest asks for."""
    logs, began = FlowsLogs(client), time.perf_counter()
    for run in logs.runs(mine=True):
        logs.log_of(run)
    return time.perf_counter() - began


def once(store: Store, client: globus_sdk.FlowsClient, *, again: bool = False) -> Harvest:
    """Harvest all runs, as `braid flow harvest --mine` does."""
    logs, before = FlowsLogs(client), rows_in(store)
    began, added, found = time.perf_counter(), 0, 0
    for run in list(logs.runs(mine=True)):
        found += 1
        if again or not is_harvested(store, run["run_id"]):
            added += harvest(store, logs.log_of(run)).added
    seconds = time.perf_counter() - began
    return Harvest(found, added, seconds, logs.requests, rows_in(store) - before)


def results(found: list[Harvest], asking: float) -> list[Result]:
    first, second, third = found
    what = f"{first.runs:,} runs of {STATES} steps harvested"
    return [
        Result(
            what=what,
            ours=first.seconds,
            unit="s",
            floor=asking,
            floor_is="the same runs, definitions and logs asked for, nothing kept",
            note=f"{first.requests:,} requests, {first.rows:,} rows",
        ),
        Result(what=f"{what} once more", ours=second.seconds, unit="s", note=_wrote(second)),
        Result(
            what=f"{what}, all logs read again", ours=third.seconds, unit="s", note=_wrote(third)
        ),
    ]


def _wrote(found: Harvest) -> str:
    return f"{found.requests:,} requests, {found.rows:,} rows written"


def main() -> int:
    """Print what each harvest took; 1 when one wrote what was there."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--store", help="Another store than a SQLite file.")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, Sandbox(time_scale=0.0001) as sandbox:
        who = sandbox.add_identity("ada@example.org")
        began = time.perf_counter()
        run_all(sandbox, who, given.runs)
        sys.stdout.write(f"{given.runs} runs took {time.perf_counter() - began:.1f} s to run\n")
        client = flows_client(sandbox, who)
        asking = floor(client)
        with open_store(given.store or f"sqlite:///{Path(folder) / 'store.db'}") as store:
            found = [once(store, client, again=number == 2) for number in range(3)]
            wrong = store.check()
        client.transport.session.close()
    return _tell(found, asking, given.runs, wrong)


def _tell(found: list[Harvest], asking: float, runs: int, wrong: list[str]) -> int:
    for name, each in zip(("first", "second", "third"), found, strict=True):
        told = f"{each.seconds:.2f} s, {each.requests:,} requests, {each.added:,} steps added"
        sys.stdout.write(f"{name}: {each.runs:,} runs, {told}, {each.rows:,} rows written\n")
    tell("harvest", results(found, asking), runs=runs)
    first, *others = found
    whole = first.added == runs * STATES and not any(each.rows for each in others)
    return 0 if whole and not wrong else 1


if __name__ == "__main__":
    sys.exit(main())
