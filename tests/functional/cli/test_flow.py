"""`braid flow ...` as a flow author would use it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from flows.sandbox import Sandbox
from tests.support.command_line import Braid

URL = "https://braid.example.org/record"
ROOT = Path(__file__).resolve().parents[3]
FLOW: dict[str, Any] = {
    "StartAt": "Move",
    "States": {
        "Move": {
            "Type": "Action",
            "ActionUrl": "https://transfer.actions.globus.org/transfer",
            "Parameters": {
                "source_endpoint.$": "$.from",
                "destination_endpoint.$": "$.to",
                "DATA": [{"source_path": "/scan.h5", "destination_path": "/scan.h5"}],
            },
            "ResultPath": "$.Move",
            "Next": "Fit",
        },
        "Fit": {
            "Type": "Action",
            "ActionUrl": "https://compute.actions.globus.org/v3",
            "Parameters": {
                "endpoint_id": "4b116d3c-1703-4f8f-9f6f-39921e5864df",
                "tasks": [{"function_id": "peaks", "kwargs": {"n": 3}}],
            },
            "ResultPath": "$.Fit",
            "End": True,
        },
    },
}


@pytest.fixture
def flow(tmp_path: Path) -> Path:
    path = tmp_path / "flow.json"
    path.write_text(json.dumps(FLOW))
    (tmp_path / "input.json").write_text('{"from": "a", "to": "b", "definition": 1}')
    (tmp_path / "peaks.py").write_text("def peaks(n):\n    return list(range(n))\n")
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    (tmp_path / "a" / "scan.h5").write_text("scan")
    return path


RUN = (
    *("--input", "input.json", "--collection", "a", "a", "--collection", "b", "b"),
    *("--function", "peaks", "peaks.py"),
)


def test_a_flow_is_instrumented_tried_and_asked_about(
    braid: Braid, flow: Path, tmp_path: Path
) -> None:
    assert braid("flow", "validate", flow).code == 0
    done = braid("flow", "instrument", flow, "-o", "with.json", "--provider-url", URL)
    assert done.code == 0, done.err
    answer = braid("flow", "run", "with.json", *RUN, "--format", "json")
    assert answer.code == 0, answer.err
    run = json.loads(answer.out)
    assert run["status"] == "SUCCEEDED"
    assert run["details"]["output"]["Fit"]["details"]["result"] == [[0, 1, 2]]
    assert (tmp_path / "b" / "scan.h5").read_text() == "scan"
    assert "Recorded: braid run show" in answer.err
    shown = json.loads(braid("run", "show", run["run_id"], "--format", "json").out)
    assert [step["name"] for step in shown["steps"]] == ["Move", "Fit"]
    assert shown["run_owner"] == run["run_owner"]
    assert shown["steps"][0]["outputs"][0]["uris"]


def test_one_state_at_the_end_is_enough_for_the_whole_run(
    braid: Braid, flow: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "conventions").mkdir()
    rule = '[[model]]\nstate = "Fit"\nhow = "trained"\nname = "peaks"\n'
    (tmp_path / "conventions" / "peaks.toml").write_text(rule)
    monkeypatch.setenv("BRAID_HARVEST_CONVENTIONS", str(tmp_path / "conventions"))
    url = URL.replace("/record", "/harvest")
    wanted = ("--mode", "run", "--provider-url", url, "--conventions", "peaks")
    done = braid("flow", "instrument", flow, "-o", "with.json", *wanted)
    assert done.code == 0, done.err
    states = json.loads((tmp_path / "with.json").read_text())["States"]
    failing = {"Braid harvest after a failure", "Braid fail"}
    assert set(states) == {"Move", "Fit", "Braid harvest", "Braid end"} | failing
    answer = braid("flow", "run", "with.json", *RUN, "--label", "mine", "--format", "json")
    assert answer.code == 0, answer.err
    assert "Recorded: braid run show" in answer.err
    run_id = json.loads(answer.out)["run_id"]
    shown = json.loads(braid("run", "show", run_id, "--format", "json").out)
    assert [step["name"] for step in shown["steps"]] == ["Move", "Fit"]
    assert (shown["status"], shown["label"]) == ("SUCCEEDED", "mine")
    assert [model["name"] for model in shown["steps"][1]["models"]] == ["peaks"]


def test_why_a_recording_was_refused_is_told(braid: Braid, flow: Path) -> None:
    url = URL.replace("/record", "/harvest")
    wanted = ("--mode", "run", "--provider-url", url, "--conventions", "peaks")
    assert braid("flow", "instrument", flow, "-o", "with.json", *wanted).code == 0
    answer = braid("flow", "run", "with.json", *RUN)
    assert answer.code == 0
    *_, refused, last = answer.err.splitlines()
    assert refused == (
        "braid: Braid harvest was refused: conventions: "
        "This server has no conventions named 'peaks'."
    )
    assert last == "Nothing was recorded."


def test_whether_a_flow_is_instrumented_can_be_checked(
    braid: Braid, flow: Path, tmp_path: Path
) -> None:
    by_step = ("--provider-url", URL)
    by_run = ("--mode", "run", "--provider-url", URL.replace("/record", "/harvest"))
    before = flow.read_text()
    for wanted, other in ((by_step, by_run), (by_run, by_step)):
        answer = braid("flow", "instrument", flow, "--check", *wanted)
        assert (answer.code, answer.out) == (1, "")
        assert "not instrumented like this" in answer.err
        assert flow.read_text() == before
        assert braid("flow", "instrument", flow, "-o", "with.json", *wanted).code == 0
        answer = braid("flow", "instrument", "with.json", "--check", *wanted)
        assert (answer.code, answer.out, answer.err) == (0, "", "")
        assert braid("flow", "instrument", "with.json", "--check", *other).code == 1
        stripped = braid("flow", "strip", "with.json")
        assert json.loads(stripped.out) == FLOW


def test_title_label_and_tags_of_a_run_are_in_its_history(braid: Braid, flow: Path) -> None:
    titled = ("--provider-url", URL, "--title", "Bragg peaks")
    assert braid("flow", "instrument", flow, "-o", "with.json", *titled).code == 0
    label = "Ni, 300 K, all of the scans of the night shift, and two of the next day"
    about = ("--label", label, "--tag", "nickel", "--tag", "night shift")
    answer = braid("flow", "run", "with.json", *RUN, *about, "--format", "json")
    assert answer.code == 0, answer.err
    (run,) = json.loads(braid("runs", "--tag", "nickel", "--format", "json").out)["runs"]
    assert run["run_id"] == json.loads(answer.out)["run_id"]
    assert (run["flow_title"], run["label"]) == ("Bragg peaks", label)
    assert run["tags"] == ["nickel", "night shift"]
    assert (run["status"], run["recorded_by"]) == ("SUCCEEDED", run["run_owner"])


def test_the_title_in_the_file_is_recorded(braid: Braid, flow: Path) -> None:
    flow.write_text(json.dumps({"title": "Peaks", "definition": FLOW, "input_schema": {}}))
    made = braid("flow", "instrument", flow, "--provider-url", URL)
    states = json.loads(made.out)["definition"]["States"]
    assert states["Braid Fit"]["Parameters"]["run"]["flow_title"] == "Peaks"


def test_without_record_states_nothing_is_recorded(
    braid: Braid, flow: Path, tmp_path: Path
) -> None:
    answer = braid("flow", "run", flow, *RUN)
    assert answer.code == 0, answer.err
    assert answer.out == "SUCCEEDED: Move, Fit\n"
    whole = braid("flow", "run", flow, *RUN, "-v")
    assert json.loads(whole.out)["Fit"]["status"] == "SUCCEEDED"
    assert not (tmp_path / "braid.db").exists()


def test_states_written_by_hand_are_recorded_at_the_address_that_is_named(
    braid: Braid, flow: Path
) -> None:
    record = {
        "Type": "Action",
        "ActionUrl": URL,
        "Parameters": {
            "run": {"run_id.$": "$._context.run_id"},
            "step": {"name": "Fit"},
            "models": [{"name": "network", "how": "trained", "trained_on": []}],
        },
        "ResultPath": "$.provenance",
        "End": True,
    }
    states = {**FLOW["States"], "Record Fit": record}
    states["Fit"] = {**states["Fit"], "Next": "Record Fit"}
    del states["Fit"]["End"]
    flow.write_text(json.dumps({**FLOW, "States": states}))
    unnamed = braid("flow", "run", "flow.json", *RUN)
    assert "Nothing was recorded" in unnamed.err
    assert "--provider-url" in unnamed.err
    for _ in range(2):
        braid("flow", "run", "flow.json", *RUN, "--provider-url", URL)
    versions = json.loads(braid("models", "network", "--format", "json").out)["versions"]
    assert [version["version"] for version in versions] == [0, 1]  # One line, in both runs.


def test_a_run_that_fails_is_a_no(braid: Braid, flow: Path, tmp_path: Path) -> None:
    (tmp_path / "peaks.py").write_text("def peaks(n):\n    raise ValueError(n)\n")
    answer = braid("flow", "run", flow, *RUN)
    assert answer.code == 1
    assert answer.err.splitlines()[-1] == "braid: the run is FAILED: in Fit, ValueError: 3"
    assert "ActionStarted" in answer.err


def test_nothing_is_said_to_be_recorded_when_no_record_state_was_reached(
    braid: Braid, flow: Path
) -> None:
    quiet = ("--no-record-uncaught", "--provider-url", URL)
    braid("flow", "instrument", flow, "-o", "with.json", *quiet)
    answer = braid("flow", "run", "with.json", "--input", "input.json")
    assert answer.code == 1
    assert "Recorded:" not in answer.err
    assert "Nothing was recorded: no record state was reached." in answer.err
    assert "in Move, " in answer.err.splitlines()[-1]


def test_a_run_that_failed_is_in_the_history_with_the_step_that_failed(
    braid: Braid, flow: Path
) -> None:
    braid("flow", "instrument", flow, "-o", "with.json", "--provider-url", URL)
    answer = braid("flow", "run", "with.json", "--input", "input.json")
    assert answer.code == 1
    assert "Recorded: braid run show" in answer.err
    assert "the run is FAILED: in Move, " in answer.err.splitlines()[-1]
    (run,) = json.loads(braid("runs", "--status", "FAILED", "--format", "json").out)["runs"]
    assert run["run_owner"]
    assert run["flow_id"]
    shown = json.loads(braid("run", "show", run["run_id"], "--format", "json").out)
    (step,) = shown["steps"]
    assert (step["name"], step["status"], step["type"]) == ("Move", "FAILED", "Action")
    assert step["action_url"] == FLOW["States"]["Move"]["ActionUrl"]
    assert step["error"]["Error"] == "ActionFailedException"


@pytest.mark.parametrize("result", ["whole", "status"])
def test_a_harvest_adds_to_a_recorded_failure_what_its_state_did_not_send(
    braid: Braid, flow: Path, result: str
) -> None:
    wanted = ("--provider-url", URL, "--result", result)
    braid("flow", "instrument", flow, "-o", "with.json", *wanted)
    answer = braid("flow", "run", "with.json", "--input", "input.json", "--save", "saved")
    (line,) = [each for each in answer.err.splitlines() if each.startswith("Saved: braid ")]
    run_id = json.loads(Path("saved/run.json").read_text())["run_id"]
    (before,) = json.loads(braid("run", "show", run_id, "--format", "json").out)["steps"]
    assert (before["parameters"] is None) == (result == "status")
    harvested = braid(*line.removeprefix("Saved: braid ").split())
    assert harvested.code == 0, harvested.err
    (after,) = json.loads(braid("run", "show", run_id, "--format", "json").out)["steps"]
    assert after["id"] == before["id"]
    assert (after["name"], after["error"]) == ("Move", before["error"])
    assert after["parameters"]["source_endpoint"]


def test_the_document_that_a_definition_is_in_is_kept(
    braid: Braid, flow: Path, tmp_path: Path
) -> None:
    document = {"id": "3f0e5a52-0000-4000-8000-000000000001", "title": "Peaks", "definition": FLOW}
    document |= {"input_schema": {"type": "object"}, "keywords": ["ni"]}
    Path("whole.json").write_text(json.dumps(document))
    braid("flow", "instrument", "whole.json", "-o", "with.json", "--provider-url", URL)
    made = json.loads(Path("with.json").read_text())
    assert {**made, "definition": FLOW} == document
    assert list(made) == list(document)
    assert json.loads(braid("flow", "strip", "with.json").out) == document


def test_how_much_a_definition_grew_is_told(braid: Braid, flow: Path) -> None:
    done = braid("flow", "instrument", flow, "-o", "with.json", "--provider-url", URL)
    (grown,) = [line for line in done.err.splitlines() if "grew" in line]
    was, is_now = (
        len(json.dumps(each, separators=(",", ":")))
        for each in (FLOW, json.loads(Path("with.json").read_text()))
    )
    assert f"from {was:,} to {is_now:,} bytes, {is_now / was:.1f} times" in grown
    again = braid("flow", "instrument", "with.json", "--provider-url", URL)
    assert grown in again.err


def test_choices_are_recorded_when_it_is_asked_for_and_else_it_is_said_that_they_are_not(
    braid: Braid, tmp_path: Path
) -> None:
    rule = {"Variable": "$.n", "IsPresent": True, "Next": "End"}
    which = {"Type": "Choice", "Choices": [rule], "Default": "End"}
    states = {"Which": which, "End": {"Type": "Pass", "End": True}}
    Path("choice.json").write_text(json.dumps({"StartAt": "Which", "States": states}))
    instrument = ("flow", "instrument", "choice.json", "-o", "with.json", "--provider-url", URL)
    assert "--record-choices records it" in braid(*instrument).err
    assert "Braid Which" not in json.loads(Path("with.json").read_text())["States"]
    assert "--record-choices" not in braid(*instrument, "--record-choices").err
    assert "Braid Which" in json.loads(Path("with.json").read_text())["States"]
    asked = (*instrument[:-1], URL.replace("record", "harvest"), "--mode", "run")
    refused = braid(*asked, "--record-choices")
    assert (refused.code, "belongs to --mode step" in refused.err) == (2, True)


def test_steps_to_which_the_same_note_applies_share_a_line(braid: Braid, flow: Path) -> None:
    quiet = ("--no-record-uncaught", "--provider-url", URL)
    done = braid("flow", "instrument", flow, "-o", "with.json", *quiet)
    (note,) = [line for line in done.err.splitlines() if "--record-uncaught" in line]
    assert "$.States.Move, $.States.Fit:" in note


def test_input_that_does_not_fit_the_schema_is_refused(
    braid: Braid, flow: Path, tmp_path: Path
) -> None:
    (tmp_path / "schema.json").write_text('{"type": "object", "required": ["energy"]}')
    answer = braid("flow", "run", flow, "--input-schema", "schema.json")
    assert (answer.code, answer.out) == (2, "")
    assert "energy" in answer.err
    assert answer.err.count("\n") == 1


def test_stripping_gives_the_original_back(braid: Braid, flow: Path) -> None:
    braid("flow", "instrument", flow, "-o", "with.json", "--provider-url", URL)
    assert json.loads(braid("flow", "strip", "with.json").out) == FLOW
    again = braid("flow", "instrument", "with.json", "--provider-url", URL)
    assert json.loads(again.out) == json.loads(Path("with.json").read_text())


def test_the_provider_is_that_of_the_server_by_default(
    braid: Braid, flow: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BRAID_SERVER", "https://braid.example.org/")
    states = json.loads(braid("flow", "instrument", flow).out)["States"].values()
    assert URL in {state.get("ActionUrl") for state in states}


def test_a_flow_document_stays_one(braid: Braid, flow: Path) -> None:
    schema = {"type": "object"}
    flow.write_text(json.dumps({"definition": FLOW, "input_schema": schema}))
    done = json.loads(braid("flow", "instrument", flow, "--provider-url", URL).out)
    assert done["input_schema"] == schema
    assert len(done["definition"]["States"]) > 2


def test_problems_as_text_json_and_exit_code(braid: Braid, flow: Path) -> None:
    broken = {**FLOW, "StartAt": "Gone", "Extra": 1}
    flow.write_text(json.dumps(broken))
    text = braid("flow", "validate", flow)
    assert text.code == 1
    assert "error: $.StartAt: " in text.out
    answer = braid("flow", "validate", flow, "--format", "json")
    assert answer.code == 1
    problems = json.loads(answer.out)["problems"]
    assert {"$.StartAt", "$.Extra"} <= {problem["path"] for problem in problems}
    assert all(problem["advice"] for problem in problems)


def test_every_real_flow_is_validated_and_instrumented_or_refused_with_a_reason(
    braid: Braid, shared_flows: Path
) -> None:
    for path in sorted(shared_flows.glob("*.json")):
        if path.name.count(".") > 1:
            continue
        validated = braid("flow", "validate", path)
        assert validated.code in (0, 1), path.name
        done = braid("flow", "instrument", path, "-o", "with.json", "--provider-url", URL)
        assert done.code in (0, 1), (path.name, done.err)
        if done.code == 1:
            assert done.err.startswith("braid: $"), path.name
            assert done.err.count("\n") == 1, path.name
            continue
        stripped = braid("flow", "strip", "with.json")
        assert json.loads(stripped.out) == json.loads(path.read_text()), path.name


def test_a_flow_is_deployed_and_updated(
    braid: Braid, flow: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Sandbox() as sandbox:
        client = sandbox.add_client("command line")
        for name, value in sandbox.environ().items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("BRAID_LOGIN_CLIENT_ID", client.client_id)
        monkeypatch.setenv("BRAID_LOGIN_CLIENT_SECRET", client.client_secret)
        made = braid("flow", "deploy", flow, "--title", "Fit peaks")
        assert made.code == 0, made.err
        flow_id = made.out.strip()
        changed = braid(
            *("flow", "deploy", flow, "--flow-id", flow_id),
            *("--subtitle", "better", "--format", "json"),
        )
        document = json.loads(changed.out)
        assert (document["id"], document["title"]) == (flow_id, "Fit peaks")
        assert document["subtitle"] == "better"
        gone = braid("flow", "deploy", flow, "--flow-id", "00000000-0000-0000-0000-000000000000")
        assert gone.code == 1
        assert gone.err.count("\n") == 1
        monkeypatch.setenv("BRAID_LOGIN_CLIENT_SECRET", "wrong")
        refused = braid("flow", "deploy", flow, "--title", "Fit peaks")
        assert refused.code == 1
        assert "wrong" not in refused.err


def test_a_definition_with_errors_is_not_run(braid: Braid, tmp_path: Path) -> None:
    bad = tmp_path / "bad.json"
    bad.write_text('{"StartAt": "A", "States": {"B": {"Type": "Pass", "End": true}}}')
    wrong = braid("flow", "validate", str(bad))
    done = braid("flow", "run", str(bad))
    assert (done.code, done.out) == (1, "")
    assert done.err.splitlines() == [
        line for line in wrong.out.splitlines() if line.startswith("error")
    ]


def test_the_example_that_asks_goes_on_from_its_own_first_run(braid: Braid) -> None:
    example = ROOT / "flows" / "examples" / "start"
    line = ("flow", "run", example / "definition.json", "--input", example / "input.json")
    trained = []
    for _ in range(2):
        answer = braid(*line, "--provider-url", URL, "-v")
        assert answer.code == 0, answer.err
        output = json.loads(answer.out)
        assert output["Done"]["deployed"] is True
        trained.append(output["Trained"]["how"])
    assert trained == ["trained", "updated"]


def test_the_flow_on_the_page_about_asking_runs(braid: Braid, tmp_path: Path) -> None:
    page = (ROOT / "docs" / "ask-in-a-flow.md").read_text()
    (tmp_path / "ask.json").write_text(page.split("```json\n")[1].split("```")[0])
    example = ROOT / "flows" / "examples" / "start"
    given = ("--input", example / "input.json", "--provider-url")
    for known in (False, True):
        answer = braid("flow", "run", "ask.json", "-v", *given, "https://braid.example.org/query")
        assert answer.code == 0, answer.err
        output = json.loads(answer.out)
        assert (output["Done"]["deployed"], "NoAnswer" in output) == (known, False)
        assert braid("flow", "run", example / "definition.json", *given, URL).code == 0


RULES = """
[[file]]
state = "Fit"
how = "made"
uri = { collection = "b", path = "$.returned" }

[[file]]
state = "Nobody"
uri = "globus://b/x"

[[model]]
state = "Fit"
name = "peaks"
"""


def test_rules_about_files_go_into_the_record_states(
    braid: Braid, flow: Path, tmp_path: Path
) -> None:
    (tmp_path / "rules.toml").write_text(RULES)
    (tmp_path / "peaks.py").write_text("def peaks(n):\n    return '/out/peaks.csv'\n")
    done = braid(
        *("flow", "instrument", flow, "-o", "with.json", "--provider-url", URL),
        *("--conventions", "rules.toml", "--map", "4b116d3c-1703-4f8f-9f6f-39921e5864df=b:/lab"),
    )
    assert done.code == 0, done.err
    assert "only [[file]] rules are put in" in done.err
    assert "no state is named 'Nobody'" in done.err
    states = json.loads((tmp_path / "with.json").read_text())["States"]
    assert "files" not in states["Braid Move"]["Parameters"]
    about = states["Braid Fit"]["Parameters"]
    assert len(about["files"]) == 1
    assert about["collections"] == ["4b116d3c-1703-4f8f-9f6f-39921e5864df=b:/lab"]
    answer = braid("flow", "run", "with.json", *RUN, "--format", "json")
    assert answer.code == 0, answer.err
    run_id = json.loads(answer.out)["run_id"]
    shown = json.loads(braid("run", "show", run_id, "--format", "json").out)
    uris = [uri["uri"] for output in shown["steps"][1]["outputs"] for uri in output["uris"]]
    assert uris[-1] == "globus://b/out/peaks.csv"
    assert braid("flow", "strip", "with.json", "-o", "again.json").code == 0
    assert json.loads((tmp_path / "again.json").read_text()) == FLOW


@pytest.mark.parametrize("wrong", ["e", "e=", "e=c:folder", "e=c=d"])
def test_a_mapping_that_is_none_is_refused(braid: Braid, flow: Path, wrong: str) -> None:
    done = braid("flow", "instrument", flow, "--provider-url", URL, "--map", wrong)
    assert (done.code, "ENDPOINT=COLLECTION" in done.err) == (2, True), done.err
    assert "Traceback" not in done.err
