"""`braid flow harvest --log`: one run out of files, asking nobody."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.command_line import Braid

TIME = "2026-11-01T12:00:0{}+00:00"
DEFINITION: dict[str, Any] = {
    "StartAt": "Hello",
    "States": {
        "Hello": {
            "Type": "Action",
            "ActionUrl": "https://actions.globus.org/hello_world",
            "Parameters": {"echo_string.=": "`$.word` + '!'"},
            "ResultPath": "$.Hello",
            "End": True,
        }
    },
}
NAMED = {"state_name": "Hello", "state_type": "Action"}
RESULT = {"action_id": "a-1", "status": "SUCCEEDED", "details": {}, "state_name": "Hello"}
ENTRIES: list[tuple[str, dict[str, Any]]] = [
    ("FlowStarted", {"input": {"word": "hello"}}),
    ("ActionStarted", {**NAMED, "input": {"echo_string.=": "`$.word` + '!'"}}),
    ("ActionCompleted", {**NAMED, "output": {"word": "hello", "Hello": RESULT}}),
    ("FlowSucceeded", {"output": {}}),
]


@pytest.fixture(autouse=True)
def given(tmp_path: Path) -> None:
    log = [
        {"time": TIME.format(n), "code": code, "description": "", "details": details}
        for n, (code, details) in enumerate(ENTRIES)
    ]
    run = {"run_id": "run-1", "flow_id": "flow-1", "label": "Hello", "status": "SUCCEEDED"}
    for name, document in {
        "log.json": {"entries": log, "limit": 100, "has_next_page": False, "marker": None},
        "flow.json": {"flow_id": "flow-1", "definition": DEFINITION, "input_schema": {}},
        "run.json": run,
        "cut.json": log[:2],
        "other.json": {"States": []},
    }.items():
        (tmp_path / name).write_text(json.dumps(document))
    (tmp_path / "torn.json").write_text(json.dumps(log)[:-40])
    (tmp_path / "deep.json").write_text("[" * 50_000)
    (tmp_path / "models.toml").write_text("[[model]]\n")


def test_the_answers_of_the_service_are_taken_as_they_are(braid: Braid) -> None:
    files = ("--log", "log.json", "--definition", "flow.json", "--run", "run.json")
    first = braid("flow", "harvest", *files)
    assert (first.code, first.out) == (0, "run-1  SUCCEEDED  1 step: 1 added, 0 known\n")
    again = braid("flow", "harvest", *files)
    assert again.out == "run-1  SUCCEEDED  1 step: 0 added, 1 known\n"
    shown = json.loads(braid("run", "show", "run-1", "--format", "json").out)
    assert (shown["label"], shown["flow_id"]) == ("Hello", "flow-1")
    (step,) = shown["steps"]
    assert step["parameters"] == {"echo_string": "hello!"}


def test_a_log_alone_grows_into_the_same_run(braid: Braid) -> None:
    both = ("--definition", "flow.json", "--format", "json")
    cut = json.loads(braid("flow", "harvest", "--log", "cut.json", *both).out)["harvested"][0]
    assert (cut["status"], cut["added"], cut["waiting"]) == ("ACTIVE", 0, 1)
    whole = json.loads(braid("flow", "harvest", "--log", "log.json", *both).out)["harvested"][0]
    assert (whole["run_id"], whole["added"]) == (cut["run_id"], 1)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--log", "torn.json", "--definition", "flow.json"), 1, "torn.json: line 1"),
        (("--log", "deep.json", "--definition", "flow.json"), 1, "nested too deeply"),
        (("--log", "run.json", "--definition", "flow.json"), 1, "run.json: $: this is not the log"),
        (("--log", "log.json", "--definition", "run.json"), 1, "no States"),
        (("--log", "log.json", "--definition", "other.json"), 1, "no States"),
        (("--log", "log.json", "--definition", "torn.json"), 1, "torn.json"),
        (("--log", "log.json", "--definition", "flow.json", "--run", "cut.json"), 1, "cut.json"),
        (("--log", "none.json", "--definition", "flow.json"), 2, "none.json"),
        (("--log", "log.json", "--definition", "flow.json", "--run-id", "x" * 65), 2, "64"),
        (
            ("--log", "log.json", "--definition", "flow.json", "--models", "models.toml"),
            1,
            "models.toml: line 1: $.model[0]",
        ),
    ],
)
def test_what_is_wrong_with_a_file_is_told_in_one_line(
    arguments: tuple[str, ...], code: int, words: str, braid: Braid
) -> None:
    answer = braid("flow", "harvest", *arguments)
    assert (answer.code, answer.out, answer.err.count("\n")) == (code, "", 1), answer.err
    assert answer.err.startswith("braid: ")
    assert words in answer.err
    assert "Traceback" not in answer.err
