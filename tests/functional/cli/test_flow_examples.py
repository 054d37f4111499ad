"""Flows of the shapes that Globus gives as examples, tried in the sandbox from the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from braid.cli.local_run import Trial, try_flow
from tests.support.command_line import Braid

TRANSFER = "https://transfer.actions.globus.org"
COMPUTE = "https://compute.actions.globus.org/v3"
ENDPOINT = "4b116d3c-1703-4f8f-9f6f-39921e5864df"
PACK = "6f0d5c1e-0000-4000-8000-000000000001"
RECORD = "https://braid.example.org/record"

State = dict[str, Any]


def acts(path: str, place: str, following: str | None, **parameters: Any) -> State:
    end = {"Next": following} if following else {"End": True}
    url = path if path.startswith("https:") else f"{TRANSFER}/{path}"
    return {
        "Type": "Action",
        "ActionUrl": url,
        "Parameters": parameters,
        "ResultPath": place,
        **end,
    }


def stat_of(name: str, following: str) -> State:
    given = {"path.$": f"$.{name}.path", "endpoint_id.$": f"$.{name}.id"}
    return acts("stat", f"$.{name}_stat", following, **given)


def copy_of(source: str, destination: str, following: str | None, **changes: Any) -> State:
    """A transfer that leaves it to Transfer whether the source is a folder."""
    item = {"source_path.$": f"$.{source}.path", "destination_path.$": f"$.{destination}.path"}
    given = {
        "source_endpoint.$": f"$.{source}.id",
        "destination_endpoint.$": f"$.{destination}.id",
        "DATA": [item | changes],
    }
    return acts("transfer", "$.copied", following, **given)


def move() -> State:
    """Asks what is where before it copies and deletes."""
    looks = {
        "from_folder.=": "source_stat.details.type == 'dir'",
        "to_folder.=": "'type' in destination_stat.details and "
        "destination_stat.details.type == 'dir'",
        "is_there.=": "'code' not in destination_stat.details or "
        "destination_stat.details.code != 'NotFound'",
    }
    onto = [
        {"Variable": "$.looks.is_there", "BooleanEquals": True},
        {"Variable": "$.looks.from_folder", "BooleanEquals": True},
        {"Variable": "$.looks.to_folder", "BooleanEquals": False},
    ]
    return {
        "StartAt": "LookAtSource",
        "States": {
            "LookAtSource": stat_of("source", "LookAtDestination"),
            "LookAtDestination": stat_of("destination", "Compare"),
            "Compare": {
                "Type": "ExpressionEval",
                "Parameters": looks,
                "ResultPath": "$.looks",
                "Next": "Check",
            },
            "Check": {
                "Type": "Choice",
                "Choices": [{"And": onto, "Next": "FolderOntoFile"}],
                "Default": "Copy",
            },
            "FolderOntoFile": {"Type": "Fail", "Error": "FolderOntoFile", "Cause": "It is a file."},
            "Copy": copy_of("source", "destination", "Remove"),
            "Remove": acts(
                "delete",
                "$.removed",
                None,
                **{"endpoint.$": "$.source.id", "recursive": True},
                DATA=[{"path.$": "$.source.path"}],
            ),
        },
    }


@pytest.fixture
def places(tmp_path: Path) -> dict[str, Path]:
    """Two collections, ``a`` with a file and a folder, and ``b`` with a file."""
    folders = {name: tmp_path / name for name in "ab"}
    (folders["a"] / "scan").mkdir(parents=True)
    (folders["a"] / "scan" / "1.h5").write_text("one")
    (folders["a"] / "scan" / "2.h5").write_text("two")
    (folders["a"] / "single.h5").write_text("single")
    folders["b"].mkdir()
    (folders["b"] / "there.h5").write_text("old")
    return folders


def given(file: str, document: Any) -> str:
    Path(file).write_text(json.dumps(document))
    return file


def between(source: str, destination: str) -> dict[str, Any]:
    return {"source": {"id": "a", "path": source}, "destination": {"id": "b", "path": destination}}


def run(braid: Braid, definition: State, body: Any, *options: str) -> Any:
    flow, wanted = given("flow.json", definition), given("input.json", body)
    folders = ("--collection", "a", "a", "--collection", "b", "b")
    return braid("flow", "run", flow, "--input", wanted, *folders, *options)


@pytest.mark.parametrize(
    ("source", "destination", "moved"),
    [
        ("/scan/", "/kept/scan/", "kept/scan/2.h5"),
        ("/scan", "/kept", "kept/1.h5"),
        ("/single.h5", "/kept.h5", "kept.h5"),
        ("/single.h5", "/there.h5", "there.h5"),
    ],
)
def test_a_flow_that_moves_asks_first_what_is_where(
    braid: Braid, places: dict[str, Path], source: str, destination: str, moved: str
) -> None:
    done = run(braid, move(), between(source, destination))
    assert done.code == 0, done.err
    assert (places["b"] / moved).read_text() in ("one", "two", "single")
    assert not (places["a"] / source.strip("/")).exists()


def test_a_flow_that_moves_a_folder_onto_a_file_fails_as_its_author_wants(
    braid: Braid, places: dict[str, Path]
) -> None:
    done = run(braid, move(), between("/scan/", "/there.h5"))
    assert done.code == 1
    assert "FolderOntoFile" in done.err or "It is a file." in done.err
    assert (places["a"] / "scan" / "1.h5").exists()


def test_a_folder_that_is_said_to_be_none_is_not_copied(
    braid: Braid, places: dict[str, Path]
) -> None:
    definition = {
        "StartAt": "Copy",
        "States": {"Copy": copy_of("source", "destination", None, recursive=False)},
    }
    done = run(braid, definition, between("/scan/", "/kept/"))
    assert done.code == 1
    assert "needs recursive" in done.err


def test_a_flow_of_two_hops_goes_by_a_folder_of_its_own(
    braid: Braid, places: dict[str, Path], tmp_path: Path
) -> None:
    (tmp_path / "middle" / "staging").mkdir(parents=True)
    paths = {
        "id.$": "$.middle.id",
        "folder.=": "middle.path.rstrip('/') + '/' + _context.run_id + '/'",
        "path.=": "middle.path.rstrip('/') + '/' + _context.run_id + '/' + "
        "(source.path.split('/')[-2] if source_stat.details.type == 'dir' "
        "else source.path.rpartition('/')[2])",
    }
    definition = {
        "StartAt": "LookAtSource",
        "States": {
            "LookAtSource": stat_of("source", "LookBetween"),
            "LookBetween": stat_of("middle", "Check"),
            "Check": {
                "Type": "Choice",
                "Choices": [
                    {
                        "Variable": "$.middle_stat.details.type",
                        "StringEquals": "dir",
                        "Next": "Name",
                    }
                ],
                "Default": "NoFolder",
            },
            "NoFolder": {"Type": "Fail", "Error": "NoFolder", "Cause": "There is no folder."},
            "Name": {
                "Type": "ExpressionEval",
                "Parameters": paths,
                "ResultPath": "$.hop",
                "Next": "Make",
            },
            "Make": acts(
                "mkdir",
                "$.made",
                "First",
                **{"endpoint_id.$": "$.hop.id", "path.$": "$.hop.folder"},
            ),
            "First": copy_of("source", "hop", "Second"),
            "Second": copy_of("hop", "destination", "Tidy"),
            "Tidy": acts(
                "delete",
                "$.tidied",
                None,
                **{"endpoint.$": "$.hop.id", "recursive": True},
                DATA=[{"path.$": "$.hop.folder"}],
            ),
        },
    }
    body = between("/scan/", "/kept/") | {"middle": {"id": "m", "path": "/staging/"}}
    done = run(braid, definition, body, "--collection", "m", "middle")
    assert done.code == 0, done.err
    assert sorted(path.name for path in (places["b"] / "kept").iterdir()) == ["1.h5", "2.h5"]
    assert list((tmp_path / "middle" / "staging").iterdir()) == []


PACKING = """
def helper(path):
    return path.rpartition("/")[2]

def pack(src_paths, dest_path, gcs_base_path):
    import pathlib
    import tarfile
    root = pathlib.Path(gcs_base_path)
    packed = root / dest_path.strip("/") / "packed.tar.gz"
    with tarfile.open(packed, "w:gz") as tar:
        for path in src_paths:
            tar.add(root / path.strip("/"), arcname=path.strip("/"))
    return dest_path + packed.name

def unpack(path):
    raise NotImplementedError
"""


def test_a_flow_that_packs_before_it_transfers_calls_the_function_that_is_named(
    braid: Braid, places: dict[str, Path]
) -> None:
    Path("packing.py").write_text(PACKING)
    definition = {
        "StartAt": "Set",
        "States": {
            "Set": {
                "Type": "ExpressionEval",
                "Parameters": {
                    "folder.=": "'/' + _context.run_id + '/'",
                    "is_valid.=": "['~' in p or p == '/' for p in paths] == [False] * len(paths)",
                },
                "ResultPath": "$.vars",
                "Next": "Check",
            },
            "Check": {
                "Type": "Choice",
                "Choices": [
                    {"Variable": "$.vars.is_valid", "BooleanEquals": False, "Next": "Invalid"}
                ],
                "Default": "Make",
            },
            "Invalid": {"Type": "Fail", "Error": "Invalid", "Cause": "A path is not allowed."},
            "Make": acts(
                "mkdir", "$.made", "Pack", **{"endpoint_id": "a", "path.$": "$.vars.folder"}
            ),
            "Pack": acts(
                COMPUTE,
                "$.packed",
                "Name",
                endpoint_id=ENDPOINT,
                tasks=[
                    {
                        "function_id": PACK,
                        "args": [],
                        "kwargs": {
                            "src_paths.$": "$.paths",
                            "dest_path.$": "$.vars.folder",
                            "gcs_base_path": str(places["a"]),
                        },
                    }
                ],
            ),
            "Name": {
                "Type": "ExpressionEval",
                "Parameters": {
                    "path.=": "getattr('wanted', '/~/' + pathsplit(packed.details.result[0])[1])"
                },
                "ResultPath": "$.to",
                "Next": "Copy",
            },
            "Copy": acts(
                "transfer",
                "$.copied",
                None,
                source_endpoint="a",
                destination_endpoint="b",
                DATA=[
                    {
                        "source_path.=": "packed.details.result[0]",
                        "destination_path.$": "$.to.path",
                    }
                ],
            ),
        },
    }
    options = ("--function", PACK, "packing.py:pack")
    done = run(braid, definition, {"paths": ["/scan", "/single.h5"]}, *options)
    assert done.code == 0, done.err
    assert (places["b"] / "packed.tar.gz").stat().st_size > 0
    wrong = run(braid, definition, {"paths": []}, "--function", PACK, "packing.py:nothing")
    assert wrong.code == 2
    assert "no function 'nothing'; it has helper, pack, unpack" in wrong.err


ASKING: State = {
    "StartAt": "Info",
    "States": {
        "Info": acts("collection_info", "$.info", "Ask", **{"endpoint_id.$": "$.settings.source"}),
        "Ask": {
            "Type": "CreateWebInput",
            "Parameters": {
                "InputType": "Selection",
                "Context": {
                    "PresentationStyle": "Table",
                    "Title": "Somebody wants to copy",
                    "Rows": [
                        {"Field": "Who", "Value.=": "`$._context.username`"},
                        {"Field": "From", "Value.=": "`$.info.details.display_name`"},
                    ],
                },
                "Options": [
                    {"Value": "approve", "Label": "Approve", "Description": "Let them."},
                    {"Value": "deny", "Label": "Deny", "Description": "Do not."},
                ],
                "RespondentUrns": ["urn:globus:groups:id:1f0d5c1e-0000-4000-8000-000000000001"],
            },
            "ResultPath": "$.asked",
            "Next": "Wait",
        },
        "Wait": {
            "Type": "AwaitWebInput",
            "Parameters": {"web_input_id.$": "$.asked.web_input_id"},
            "ResultPath": "$.answered",
            "Next": "Which",
        },
        "Which": {
            "Type": "Choice",
            "Choices": [
                {"Variable": "$.answered.response", "StringEquals": "approve", "Next": "Done"}
            ],
            "Default": "Denied",
        },
        "Denied": {"Type": "Fail", "Error": "Denied", "Cause": "It was not approved."},
        "Done": {"Type": "Pass", "End": True},
    },
}


@pytest.mark.parametrize(
    ("choice", "code", "said"),
    [("approve", 0, ""), ("Approve", 0, ""), ("deny", 1, "not approved")],
)
def test_a_question_of_a_run_is_answered_from_the_command_line(
    braid: Braid, places: dict[str, Path], choice: str, code: int, said: str
) -> None:
    done = run(braid, ASKING, {"settings": {"source": "a"}}, "--choose", choice)
    assert done.code == code, done.err
    assert said in done.err


def test_somebody_at_the_terminal_is_asked(places: dict[str, Path]) -> None:
    questions: list[Any] = []

    def ask(question: Any) -> str:
        questions.append(question)
        return "deny"

    done = try_flow(
        Trial(
            definition=ASKING,
            input_schema={},
            input={"settings": {"source": "a"}},
            store_url="sqlite:///:memory:",
            collections=[("a", places["a"])],
            ask=ask,
        )
    )
    assert done["status"] == "FAILED"
    (question,) = questions
    assert question["context"]["title"] == "Somebody wants to copy"
    assert [row["value"] for row in question["context"]["rows"]][1] == "a"
    assert [option["value"] for option in question["options"]] == ["approve", "deny"]


def test_a_question_that_nobody_answers_leaves_the_run_waiting(
    braid: Braid, places: dict[str, Path]
) -> None:
    done = run(braid, ASKING, {"settings": {"source": "a"}})
    assert done.code == 1
    assert "INACTIVE" in done.err
    assert "--choose VALUE answers" in done.err
    wrong = run(braid, ASKING, {"settings": {"source": "a"}}, "--choose", "perhaps")
    assert wrong.code == 2
    assert "'perhaps' is not one of the options: 'approve', 'deny'." in wrong.err


def test_actions_run_as_a_role_of_the_flow(braid: Braid, places: dict[str, Path]) -> None:
    hello = acts("https://actions.globus.org/hello_world", "$.hello", None, echo_string="hi")
    definition = {"StartAt": "Hello", "States": {"Hello": hello | {"RunAs": "curator"}}}
    done = run(braid, definition, {}, "--format", "json")
    assert done.code == 0, done.err
    output = json.loads(done.out)["details"]["output"]
    assert output["hello"]["status"] == "SUCCEEDED"
    assert "_tokens" not in output


SUBMIT: State = {
    "StartAt": "Submit",
    "States": {
        "Submit": acts("https://ingest.example.org/deriva/run", "$.sent", "Done", a=1),
        "Done": {"Type": "Pass", "End": True},
    },
}


def test_other_providers_answer_what_a_file_says(braid: Braid, places: dict[str, Path]) -> None:
    good = given("good.json", {"submission_id": 17})
    bad = given("bad.json", {"status": "FAILED", "details": {"description": "It is full."}})
    url = "https://ingest.example.org/"
    done = run(braid, SUBMIT, {}, "-v", "--answer", url, good)
    assert json.loads(done.out)["sent"]["details"] == {"submission_id": 17}
    failed = run(braid, SUBMIT, {}, "--answer", url, bad)
    assert failed.code == 1
    assert failed.err.splitlines()[-1].endswith("in Submit, It is full.")


def test_an_answer_is_given_instead_of_a_provider_of_the_sandbox(
    braid: Braid, places: dict[str, Path]
) -> None:
    answer = given("stat.json", {"type": "dir", "name": "elsewhere"})
    definition = {"StartAt": "Look", "States": {"Look": stat_of("source", "Done")}}
    definition["States"]["Done"] = {"Type": "Pass", "End": True}
    body = {"source": {"id": "nowhere", "path": "/"}}
    done = run(braid, definition, body, "-v", "--answer", f"{TRANSFER}/stat", answer)
    assert json.loads(done.out)["source_stat"]["details"]["name"] == "elsewhere"


def test_a_run_that_is_saved_can_be_harvested(braid: Braid, places: dict[str, Path]) -> None:
    done = run(braid, move(), between("/scan/", "/kept/"), "--save", "saved", "--label", "mine")
    (line,) = [line for line in done.err.splitlines() if line.startswith("Saved: braid ")]
    harvested = braid(*line.removeprefix("Saved: braid ").split())
    assert harvested.code == 0, harvested.err
    run_id = json.loads(Path("saved/run.json").read_text())["run_id"]
    shown = json.loads(braid("run", "show", run_id, "--format", "json").out)
    assert (shown["status"], shown["label"]) == ("SUCCEEDED", "mine")
    names = [step["name"] for step in shown["steps"]]
    assert names == ["LookAtSource", "LookAtDestination", "Compare", "Check", "Copy", "Remove"]


def test_flows_of_these_shapes_are_recorded_as_they_run(
    braid: Braid, places: dict[str, Path]
) -> None:
    given("plain.json", move())
    made = ("flow", "instrument", "plain.json", "-o", "with.json", "--provider-url", RECORD)
    assert braid(*made).code == 0
    woven = json.loads(Path("with.json").read_text())
    done = run(braid, woven, between("/scan/", "/kept/"), "--format", "json")
    assert done.code == 0, done.err
    run_id = json.loads(done.out)["run_id"]
    shown = json.loads(braid("run", "show", run_id, "--format", "json").out)
    names = [step["name"] for step in shown["steps"]]
    assert names == ["LookAtSource", "LookAtDestination", "Copy", "Remove"]
    assert shown["status"] == "SUCCEEDED"
