"""`braid flow watch`: harvesting again and again."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import pytest

from flows.harvest.service import FlowsLogs
from flows.harvest.watching import HarvestWatch
from flows.sandbox import Identity, Sandbox
from flows.sandbox.runner import deploy, flows_client, specific_flow_client
from provenance_store import open_store
from provenance_store.ids import now
from tests.functional.harvest.proxy import Proxy
from tests.functional.harvest.test_service import ONE, run
from tests.support.command_line import Braid


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def until(condition: Callable[[], bool], timeout: float = 60) -> None:
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def test_a_round_takes_what_has_come_and_asks_for_nothing_twice(
    globus: Sandbox, tmp_path: Path
) -> None:
    who = globus.add_identity(f"{os.urandom(4).hex()}@example.org")
    first = run(globus, who, ONE).run["run_id"]
    client = flows_client(globus, who)
    logs = FlowsLogs(client)
    with open_store(f"sqlite:///{tmp_path / 'store.db'}") as store:
        watch = HarvestWatch(store, logs, mine=True)
        assert [one.run_id for one in watch.round(now()).harvested] == [first]
        asked = logs.requests
        second = watch.round(now())
        assert (second.listed, second.harvested, logs.requests - asked) == (1, [], 1)
        third = run(globus, who, ONE).run["run_id"]
        assert [one.run_id for one in watch.round(now()).harvested] == [third]
        restarted = HarvestWatch(store, logs, mine=True)
        assert restarted.round(now()).harvested == []
    client.transport.session.close()


def test_a_run_that_goes_on_is_looked_at_however_old_it_is(globus: Sandbox, tmp_path: Path) -> None:
    who = globus.add_identity(f"{os.urandom(4).hex()}@example.org")
    rest = {"Type": "Wait", "Seconds": 31_000_000, "End": True}
    flow_id = deploy(globus, {"StartAt": "Rest", "States": {"Rest": rest}}, user=who)
    starter, client = specific_flow_client(globus, who, flow_id), flows_client(globus, who)
    run_id = starter.run_flow({})["run_id"]
    try:
        with open_store(f"sqlite:///{tmp_path / 'store.db'}") as store:
            watch = HarvestWatch(store, FlowsLogs(client), mine=True)
            for _ in range(2):
                done = watch.round(now() + 7_200_000_000)
                assert (done.listed, done.active) == (1, 1)
            client.cancel_run(run_id)
            assert watch.round(now() + 7_200_000_000).added == 1
    finally:
        for each in (starter, client):
            each.transport.session.close()


def size(path: str) -> str:
    return f"{path} is large"


def test_a_watch_knows_the_collections_of_endpoints_that_it_is_told(
    globus: Sandbox, me: Identity, tmp_path: Path
) -> None:
    (tmp_path / "scan.h5").write_bytes(b"scan")
    there, lab = (tmp_path / name for name in ("there", "lab"))
    lab.mkdir()
    there.mkdir()
    (there / "scan.h5").write_bytes(b"scan")
    source, cluster = globus.collection("there", there), globus.collection("lab", lab)
    endpoint, function = str(uuid4()), globus.register_function(size)
    moves = {
        "source_endpoint": source,
        "destination_endpoint": cluster,
        "DATA": [{"source_path": "/scan.h5", "destination_path": "/in/scan.h5"}],
    }
    task = {"function_id": function, "args": ["/lab/in/scan.h5"], "kwargs": {}}
    states = {
        "Move": {
            "Type": "Action",
            "ActionUrl": "https://transfer.actions.globus.org/transfer",
            "Parameters": moves,
            "ResultPath": "$.Moved",
            "Next": "Fit",
        },
        "Fit": {
            "Type": "Action",
            "ActionUrl": "https://compute.actions.globus.org/v3",
            "Parameters": {"endpoint": endpoint, "tasks": [task]},
            "ResultPath": "$.Fitted",
            "End": True,
        },
    }
    run_id = run(globus, me, {"StartAt": "Move", "States": states}).run["run_id"]
    command = (sys.executable, "-m", "braid", "flow", "watch", "--every", "1h")
    told = ("--map", f"{endpoint}={cluster}:/lab")
    used: list[list[str]] = []
    for more in ((), told):
        folder = tmp_path / f"with {len(more)}"
        folder.mkdir()
        with subprocess.Popen(
            (*command, *more), cwd=folder, stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            assert f"{run_id}  SUCCEEDED" in process.stdout.readline()
            process.send_signal(signal.SIGTERM)
        with open_store(f"sqlite:///{folder / 'braid.db'}") as store:
            (fit,) = (
                step for step in store.documents().run(run_id)["steps"] if step["name"] == "Fit"
            )
            used.append([one["name"] for one in fit["inputs"] if one["kind"] == "data"])
    assert used == [[], ["scan.h5"]]


def test_the_command_watches_through_failures_until_it_is_stopped(
    globus: Sandbox, me: Identity, proxy: Proxy, tmp_path: Path
) -> None:
    first = run(globus, me, ONE).run["run_id"]
    port = free_port()
    command = (sys.executable, "-m", "braid", "flow", "watch", "--every", "1s")
    with subprocess.Popen(
        (*command, "--metrics-port", str(port)),
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:

            def metrics() -> str:
                try:
                    url = f"http://127.0.0.1:{port}/metrics"
                    with urllib.request.urlopen(url, timeout=5) as answer:
                        return str(answer.read().decode())
                except (urllib.error.URLError, ConnectionError):
                    return ""

            until(lambda: "braid_harvest_steps_total 1.0" in metrics())
            proxy.refusals.extend([503] * 4)
            until(lambda: not proxy.refusals)
            second = run(globus, me, ONE).run["run_id"]
            until(lambda: "braid_harvest_steps_total 2.0" in metrics())
            assert "braid_harvest_lag_seconds" in metrics()
        finally:
            process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=30)
    assert process.returncode == 0, err
    assert "Trying again in 1 s." in err
    assert "Stopped." in err
    assert [line.split()[1] for line in out.splitlines()] == [first, second]
    with open_store(f"sqlite:///{tmp_path / 'braid.db'}") as store:
        assert len(store.documents().runs()["runs"]) == 2


@pytest.mark.parametrize("every", ["0s", "soon", "2d", "-5m"])
def test_a_pause_that_makes_no_sense_is_told(every: str, braid: Braid) -> None:
    answer = braid("flow", "watch", "--every", every)
    assert (answer.code, answer.out, answer.err.count("\n")) == (2, "", 1)
