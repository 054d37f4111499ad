"""`braid diff`: two results, two runs, two model versions."""

from __future__ import annotations

import json
from typing import Any

import pytest

from provenance_store import open_store
from tests.support.command_line import Braid


@pytest.fixture
def urns(braid: Braid) -> list[str]:
    made = []
    with open_store("sqlite:///braid.db") as store:
        for number in (1, 2):
            recorder = store.recorder(run_id=f"run-{number}", environment=None)
            recorder.run(f"run-{number}", flow_title="Peaks")
            scan = recorder.data(f"scan-{number}")
            with recorder.step("Fit", inputs=[scan], parameters={"order": number}) as step:
                made.append(step.output("fit").urn)
    return made


def differences(braid: Braid, *args: str) -> list[dict[str, Any]]:
    answer = braid("diff", *args, "--format", "json")
    assert (answer.code, answer.err) == (1, "")
    found: list[dict[str, Any]] = json.loads(answer.out)["differences"]
    return found


def test_two_results_are_compared(braid: Braid, urns: list[str]) -> None:
    found = differences(braid, *urns)
    assert {"where": "Fit", "what": "parameters.order", "a": 1, "b": 2} in found
    assert {"where": "Fit", "what": "used", "a": "scan-1", "b": "scan-2"} in found
    text = braid("diff", *urns)
    assert text.code == 1
    assert "parameters.order" in text.out
    csv = braid("diff", *urns, "--format", "csv").out.splitlines()
    assert csv[0] == "where,what,a,b"


def test_two_runs_are_compared(braid: Braid, urns: list[str]) -> None:
    found = differences(braid, "run-1", "run-2")
    assert {"where": "Fit", "what": "parameters.order", "a": 1, "b": 2} in found
    assert {"where": "Fit", "what": "used", "a": "scan-1", "b": "scan-2"} in found


def test_what_is_the_same_does_not_differ(braid: Braid, urns: list[str]) -> None:
    for one in (urns[0], "run-1"):
        answer = braid("diff", one, one)
        assert (answer.code, answer.out) == (0, "")
        assert "Nothing differs" in answer.err


WRONG = [
    ("diff", 2, "Missing argument"),
    ("diff 1.3", 2, "Missing argument"),
    ("diff 1.3 9.9", 1, "There is no record 9.9"),
    ("diff 1.3 run-1", 2, "two records, or of two runs"),
    ("diff run-1 run-9", 1, "There is no record or run run-9"),
    ("diff 1.3 1.3 --limit 0", 2, "--limit"),
    ("diff 1.3 1.3 --store none.db", 1, "There is no store"),
]


@pytest.mark.parametrize(("line", "code", "sentence"), WRONG, ids=[w[0] for w in WRONG])
def test_a_wrong_call_is_answered_in_a_sentence(
    braid: Braid, urns: list[str], line: str, code: int, sentence: str
) -> None:
    answer = braid(*line.split())
    assert (answer.code, answer.out) == (code, "")
    assert sentence in answer.err
    assert answer.err.count("\n") == 1


def test_ids_of_tasks_are_counted_and_not_listed(braid: Braid) -> None:
    with open_store("sqlite:///braid.db") as store:
        made = []
        for number in (1, 2):
            with store.step("Copy", tags={"task_id": f"t{number}"}) as step:
                made.append(step.output("scan").urn)
    answer = braid("diff", *made)
    assert (answer.code, answer.out) == (0, "")
    assert "1 id or label of actions put aside" in answer.err
    found = json.loads(braid("diff", *made, "--format", "json").out)
    assert found["differences"] == []
    assert [row["what"] for row in found["put_aside"]] == ["tags.task_id"]


def test_a_long_value_is_cut_in_its_middle_in_the_table_and_whole_elsewhere(braid: Braid) -> None:
    folder = "globus://6c54cade-bde5-45c1-bdea-f4bd71dba2cc/" + "experiment/" * 30
    with open_store("sqlite:///braid.db") as store:
        made = []
        for name in ("scan-1.h5", "scan-2.h5"):
            with store.step("Fit", parameters={"file": folder + name}) as step:
                made.append(step.output("fit").urn)
    table = braid("diff", *made).out
    assert "scan-1.h5  globus://6c54cade" in table
    assert "scan-2.h5\n" in table
    assert "..." in table
    assert folder not in table
    assert folder + "scan-2.h5" in braid("diff", *made, "--format", "csv").out


def test_the_table_shows_where_long_values_differ(braid: Braid) -> None:
    with open_store("sqlite:///braid.db") as store:
        made = []
        for width in (64, 128):
            layers = [64] * 17 + [width] + [64] * 12
            with store.step("Fit", parameters={"layers": layers}) as step:
                made.append(step.output("fit").urn)
    (line,) = [line for line in braid("diff", *made).out.splitlines() if "layers" in line]
    assert line.count("64, 64, 64, 64, 64, ...") == 2
    assert "128" in line
    assert len(line) < 160


def test_truth_values_are_spelled_as_they_are_searched(braid: Braid) -> None:
    for word in ("true", "false"):
        assert braid("record", "data", f"beam-{word}", "--tag", f"ok:bool={word}").code == 0
    text = braid("diff", "beam-true", "beam-false").out
    assert text.splitlines()[-1].split() == [
        "beam-true",
        "/",
        "beam-false",
        "tags.ok",
        "true",
        "false",
    ]
    assert "ok=true" in braid("records", "--name", "beam-true").out
    for condition in ("ok=yes", "ok=true", "ok!=no", "ok!=false"):
        found = braid("records", "--tag", condition).out
        assert ("beam-true" in found, "beam-false" in found) == (True, False), condition
