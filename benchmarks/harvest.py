"""Many runs harvested from the sandbox, twice: time and requests.

    python -m benchmarks.harvest --runs 1000

Each run has 20 states, four of which are actions. The second harvest must write nothing; with
`--again` a third reads all logs once more, as if nothing were known of them.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import globus_sdk

from flows.harvest import harvest, is_harvested
from flows.harvest.service import FlowsLogs
from flows.sandbox import Identity, Sandbox
from flows.sandbox.runner import deploy, flows_client, specific_flow_client
from provenance_store import Store, open_store

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


def once(store: Store, client: globus_sdk.FlowsClient, *, again: bool = False) -> dict[str, Any]:
    """Harvest all runs; what it took."""
    logs = FlowsLogs(client)
    began, added, found = time.perf_counter(), 0, 0
    for run in list(logs.runs(mine=True)):
        found += 1
        if again or not is_harvested(store, run["run_id"]):
            added += harvest(store, logs.log_of(run)).added
    seconds = round(time.perf_counter() - began, 2)
    rows = sum(store.info()["tables"].values())
    told = {"runs": found, "steps_added": added, "seconds": seconds, "requests": logs.requests}
    return told | {"rows_in_store": rows}


def main() -> None:
    """Print one line of JSON for each harvest."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--store", help="Another store than a SQLite file.")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, Sandbox(time_scale=0.0001) as sandbox:
        who = sandbox.add_identity("ada@example.org")
        began = time.perf_counter()
        run_all(sandbox, who, given.runs)
        print(f"{given.runs} runs took {time.perf_counter() - began:.1f} s in the sandbox")
        client = flows_client(sandbox, who)
        with open_store(given.store or f"sqlite:///{Path(folder) / 'store.db'}") as store:
            for name in ("first", "second", "third, all logs read again"):
                found = once(store, client, again=name.startswith("third"))
                print(json.dumps({"harvest": name, **found}))
        client.transport.session.close()


if __name__ == "__main__":
    main()
