"""`braid flow harvest` against the Flows service, through globus-sdk."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from flows.sandbox import Identity, Sandbox
from flows.sandbox.runner import (
    RunOutcome,
    deploy,
    flows_client,
    run_definition,
    specific_flow_client,
)
from provenance_store import open_store
from tests.functional.harvest.proxy import Proxy
from tests.support.command_line import Braid

HELLO = "https://actions.globus.org/hello_world"
LOOP: dict[str, Any] = {
    "StartAt": "Begin",
    "States": {
        "Begin": {"Type": "Pass", "Result": {"n": 0}, "ResultPath": "$.count", "Next": "Count"},
        "Count": {
            "Type": "ExpressionEval",
            "Parameters": {"n.=": "`$.count.n` + 1"},
            "ResultPath": "$.count",
            "Next": "Hello",
        },
        "Hello": {
            "Type": "Action",
            "ActionUrl": HELLO,
            "Parameters": {"echo_string.=": "'round ' + str(`$.count.n`)"},
            "ResultPath": "$.Hello",
            "Next": "Again?",
        },
        "Again?": {
            "Type": "Choice",
            "Choices": [{"Variable": "$.count.n", "NumericLessThan": 30, "Next": "Count"}],
            "Default": "Rest",
        },
        "Rest": {"Type": "Wait", "Seconds": 1, "End": True},
    },
}
"""Thirty rounds: a log of several pages."""
ONE: dict[str, Any] = {
    "StartAt": "Hello",
    "States": {
        "Hello": {
            "Type": "Action",
            "ActionUrl": HELLO,
            "Parameters": {"echo_string.$": "$.word"},
            "ResultPath": "$.Hello",
            "End": True,
        }
    },
}


def run(globus: Sandbox, who: Identity, definition: dict[str, Any], **more: Any) -> RunOutcome:
    return run_definition(definition, {"word": "hello"}, globus, user=who, **more)


def harvested(answer: Any) -> list[dict[str, Any]]:
    assert answer.code == 0, answer.err
    found: list[dict[str, Any]] = json.loads(answer.out)["harvested"]
    return found


def shown(braid: Braid, run_id: str) -> dict[str, Any]:
    answer = braid("run", "show", run_id, "--format", "json")
    assert answer.code == 0, answer.err
    document: dict[str, Any] = json.loads(answer.out)
    return document


def test_a_run_is_harvested_with_all_pages_of_its_log(
    globus: Sandbox, me: Identity, proxy: Proxy, braid: Braid
) -> None:
    outcome = run(globus, me, LOOP, label="Thirty rounds", tags=["loop"])
    run_id = outcome.run["run_id"]
    answer = braid("flow", "harvest", run_id)
    assert answer.code == 0
    assert answer.out == f"{run_id}  SUCCEEDED  92 steps: 92 added, 0 known\n"
    assert answer.err == f"See it: braid run show {run_id}\n"
    assert proxy.asked.count(f"runs/{run_id}/log") == 2  # 186 entries

    with open_store("sqlite:///braid.db") as store:
        document = store.documents().run(run_id, limit=1000)
        assert store.check() == []
    assert (document["label"], document["tags"]) == ("Thirty rounds", ["loop"])
    assert document["run_owner"] == me.urn == document["recorded_by"]
    assert document["start_time"] == outcome.run["start_time"]
    steps = document["steps"]
    rounds = ["Count", "Hello", "Again?"] * 30
    assert [step["name"] for step in steps] == ["Begin", *rounds, "Rest"]
    hellos = [step for step in steps if step["name"] == "Hello"]
    assert [step["parameters"] for step in hellos] == [
        {"echo_string": f"round {n}"} for n in range(1, 31)
    ]
    assert [step["tags"]["next"] for step in steps if step["type"] == "Choice"] == [
        *["Count"] * 29,
        "Rest",
    ]


def test_a_harvested_run_is_not_asked_for_again(
    globus: Sandbox, me: Identity, proxy: Proxy, braid: Braid
) -> None:
    run_id = run(globus, me, ONE).run["run_id"]
    assert harvested(braid("flow", "harvest", run_id, "--format", "json"))[0]["added"] == 1
    proxy.asked.clear()
    (again,) = harvested(braid("flow", "harvest", run_id, "--format", "json"))
    assert again["skipped"]
    assert not proxy.asked
    with open_store("sqlite:///braid.db") as store:
        before = store.info()["tables"]
    (thorough,) = harvested(braid("flow", "harvest", run_id, "--again", "--format", "json"))
    assert (thorough["added"], thorough["known"]) == (0, 1)
    with open_store("sqlite:///braid.db") as store:
        assert store.info()["tables"] == before


def test_an_active_run_is_harvested_as_far_as_it_got_and_then_the_difference(
    globus: Sandbox, me: Identity, braid: Braid
) -> None:
    slow = {
        "StartAt": "First",
        "States": {
            "First": {**ONE["States"]["Hello"], "ResultPath": "$.First", "Next": "Rest"},
            "Rest": {"Type": "Wait", "Seconds": 31_000_000, "Next": "Last"},
            "Last": {**ONE["States"]["Hello"], "ResultPath": "$.Last"},
        },
    }
    del slow["States"]["First"]["End"]  # type: ignore[attr-defined]
    flow_id = deploy(globus, slow, user=me)
    starter, reader = specific_flow_client(globus, me, flow_id), flows_client(globus, me)
    try:
        run_id = starter.run_flow({"word": "hello"})["run_id"]
        deadline = time.monotonic() + 30
        while "Rest" not in reader.get_run_logs(run_id).text:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        (first,) = harvested(braid("flow", "harvest", run_id, "--format", "json"))
        assert (first["status"], first["added"], first["waiting"]) == ("ACTIVE", 1, 1)
        (same,) = harvested(braid("flow", "harvest", run_id, "--format", "json"))
        assert (same["added"], same["known"], same["completed"]) == (0, 1, 0)
        reader.cancel_run(run_id)
    finally:
        starter.transport.session.close()
        reader.transport.session.close()
    (last,) = harvested(braid("flow", "harvest", run_id, "--format", "json"))
    assert (last["status"], last["added"], last["known"], last["waiting"]) == ("FAILED", 1, 1, 0)
    document = shown(braid, run_id)
    assert document["status"] == "FAILED"
    assert [(step["name"], step["status"]) for step in document["steps"]] == [
        ("First", "SUCCEEDED"),
        ("Rest", "FAILED"),
    ]


def test_all_runs_of_a_flow_since_a_time_and_all_of_mine(
    globus: Sandbox, me: Identity, braid: Braid
) -> None:
    mine = [run(globus, me, ONE) for _ in range(2)]
    other = globus.add_identity("somebody@example.org")
    run(globus, other, ONE)
    watched = run(globus, other, ONE, run_monitors=[me.urn])
    flow_id = mine[0].run["flow_id"]
    of_flow = harvested(braid("flow", "harvest", "--flow", flow_id, "--format", "json"))
    assert [one["run_id"] for one in of_flow] == [mine[0].run["run_id"]]
    of_mine = harvested(braid("flow", "harvest", "--mine", "--format", "json"))
    assert [one["run_id"] for one in of_mine] == [one.run["run_id"] for one in mine]
    assert [one["skipped"] for one in of_mine] == [True, False]
    later = mine[1].run["start_time"]
    since = harvested(braid("flow", "harvest", "--mine", "--since", later, "--format", "json"))
    assert [one["run_id"] for one in since] == [mine[1].run["run_id"]]
    theirs = watched.run["flow_id"]
    assert harvested(braid("flow", "harvest", "--flow", theirs, "--format", "json"))
    none = ("flow", "harvest", "--flow", theirs, "--mine")
    assert not harvested(braid(*none, "--format", "json"))
    assert braid(*none).err == "No runs.\n"


def test_what_asks_for_patience_is_waited_out(
    globus: Sandbox, me: Identity, proxy: Proxy, braid: Braid
) -> None:
    run_id = run(globus, me, ONE).run["run_id"]
    proxy.refusals.extend((429, 503, 0, 429, 0, 503))
    assert harvested(braid("flow", "harvest", run_id, "--format", "json"))[0]["added"] == 1
    assert len(proxy.asked) == 3 + 4


def test_a_token_that_is_refused_says_how_to_log_in_again(
    globus: Sandbox, me: Identity, proxy: Proxy, braid: Braid
) -> None:
    proxy.refusals.extend([401] * 4)
    answer = braid("flow", "harvest", "5b0e8f6a-1c0d-4b7e-9a57-6d1f3c2e4a90")
    assert (answer.code, answer.out) == (1, "")
    assert answer.err.count("\n") == 1
    assert "log in again" in answer.err


def test_a_run_that_is_not_kept_any_more_does_not_stop_the_others(
    globus: Sandbox, me: Identity, braid: Braid
) -> None:
    run_id = run(globus, me, ONE).run["run_id"]
    gone = "5b0e8f6a-1c0d-4b7e-9a57-6d1f3c2e4a90"
    answer = braid("flow", "harvest", gone, run_id)
    assert answer.code == 1
    assert answer.out.startswith(f"{run_id}  SUCCEEDED  1 step: 1 added")
    assert f"Globus knows no run {gone}" in answer.err


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("abc", "--mine"),
        ("--log", "log.json"),
        ("--log", "log.json", "--mine"),
        ("--run-id", "abc"),
        ("abc", "--since", "7d"),
        ("--mine", "--since", "yesterday-ish"),
    ],
)
def test_a_call_that_makes_no_sense_is_told_in_one_line(
    arguments: tuple[str, ...], braid: Braid
) -> None:
    Path("log.json").write_text("[]")
    answer = braid("flow", "harvest", *arguments)
    assert (answer.code, answer.out, answer.err.count("\n")) == (2, "", 1), answer.err
