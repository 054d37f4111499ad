"""Wherever a command takes an ID, it takes each way of naming a record or a run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from braid.cli.arguments import Reference
from provenance_store import open_store
from tests.support.command_line import Braid, every_command

RUN = "6f2e23b7-191e-4c32-b650-8225bb5493a9"
VERSION = ("urn", "short", "net", "net@v1", "net@champion", "uri", "weights.bin", "./weights.bin")
STEP = ("urn", "short", "Train")
LIVE = ("urn", "short", "uri", "log.txt", "./log.txt", "log")

CALLS: dict[str, tuple[tuple[str, ...], str]] = {
    "show reference": (VERSION, "show ID"),
    "tag reference": (VERSION, "tag ID a=1"),
    "untag reference": (VERSION, "untag ID kept"),
    "alias reference": (VERSION, "alias ID best"),
    "models model": (VERSION, "models ID"),
    "models trained_on": (LIVE, "models --trained-on ID"),
    "lineage id_": (VERSION, "lineage ID"),
    "statement make id_": (VERSION, "statement ID"),
    "diff a": (VERSION, "diff ID net@v1"),
    "diff b": (VERSION, "diff net@v1 ID"),
    "verify ids": (VERSION, "verify ID"),
    "export ids": (VERSION, "export ID"),
    "slice ids": (VERSION, "slice ID -o part.db --force"),
    "invalidate id_": (VERSION, "invalidate ID --cause x --dry-run"),
    "record fact depends_on": (VERSION, "record fact f --depends-on ID"),
    "record fact made_by": (STEP, "record fact f --made-by ID"),
    "record data depends_on": (VERSION, "record data d --depends-on ID"),
    "record data made_by": (STEP, "record data d --made-by ID"),
    "record model trained_on": (LIVE, "record model m --trained-on ID"),
    "record model depends_on": (VERSION, "record model m --depends-on ID"),
    "record model made_by": (STEP, "record model m --made-by ID"),
    "record step inputs": (VERSION, "record step s --input ID"),
    "record step models": (VERSION, "record step s --model ID"),
    "record decision inputs": (VERSION, "record decision d --input ID"),
    "record promote reference": (LIVE, "record promote ID"),
    "exec models": (VERSION, "exec --model ID -- true"),
}
"""For each place that takes a record the ways to name one, and a command line."""
OTHERS = {
    "record decision option": (VERSION, "record decision d --option ID"),
    "record decision chosen": (VERSION, "record decision d --chosen ID"),
    "exec input": (VERSION, "exec --input ID -- true"),
    "digest things": (VERSION, "digest ID"),
}
"""Places that take other things too."""
RUNS = (
    *("run show RUN", "show RUN", "records --run RUN", "verify --run RUN", "digest --run RUN"),
    *("export RUN", "export --run RUN", "slice --run RUN -o part.db --force", "diff RUN RUN"),
    *("record fact f --run RUN", "record step s --run RUN", "exec --run RUN -- true"),
)


@pytest.fixture
def named(braid: Braid) -> dict[str, dict[str, str]]:
    """What each way of naming is, for a version of a model, a step of its run, and live data."""
    Path("weights.bin").write_bytes(b"w")
    Path("log.txt").write_bytes(b"l")
    with open_store("sqlite:///braid.db") as store:
        recorder = store.recorder(run_id=RUN)
        recorder.run(RUN, status="SUCCEEDED")
        with recorder.step("Train") as step:
            log = recorder.data("log", live=True, file="log.txt")
            version = recorder.model("net").update([log], file="weights.bin", tags={"kept": True})
        recorder.alias(version, "champion")
        made = {"net": version, "Train": step, "log": log}
        reader = store.documents()
        found = {}
        for name, record in made.items():
            document = reader.record(record)
            uri = document["uris"][0]["uri"] if document["uris"] else ""
            found[name] = {"urn": document["id"], "short": document["short_id"], "uri": uri}
    return found


def places() -> Iterator[str]:
    """The parameters that take a reference, by command and name."""
    for path, command in every_command():
        for parameter in command.params:
            if isinstance(parameter.type, Reference):
                yield f"{path} {parameter.name}"


def test_every_place_that_takes_a_reference_is_tried() -> None:
    assert sorted(places()) == sorted(CALLS)


@pytest.mark.parametrize("place", [*CALLS, *OTHERS])
def test_a_record_is_named_in_each_way(
    braid: Braid, named: dict[str, dict[str, str]], place: str
) -> None:
    ways, line = (CALLS | OTHERS)[place]
    subject = {VERSION: "net", STEP: "Train", LIVE: "log"}[ways]
    for way in ways:
        given = named[subject].get(way, way)
        answer = braid(*(given if word == "ID" else word for word in line.split()))
        # `digest` and `verify` say what they found, `untag` and `promote` that it is done already.
        assert (answer.code == 0) or "already" in answer.err or "has no tag" in answer.err, answer
        assert "There is no" not in answer.err, answer


@pytest.mark.parametrize("line", RUNS)
def test_a_run_is_named_by_its_beginning(
    braid: Braid, named: dict[str, dict[str, str]], line: str
) -> None:
    answer = braid(*(RUN[:8] if word == "RUN" else word for word in line.split()))
    assert answer.code == 0, answer
    with open_store("sqlite:///braid.db") as store:
        assert [run["run_id"] for run in store.documents().runs()["runs"]] == [RUN]


def test_a_beginning_of_several_runs_is_refused_and_makes_none(braid: Braid) -> None:
    for end in ("93", "94"):
        assert braid("record", "data", "x", "--run", f"{RUN[:-2]}{end}").code == 0
    answer = braid("record", "data", "y", "--run", RUN[:8])
    assert (answer.code, answer.out) == (1, "")
    with open_store("sqlite:///braid.db") as store:
        assert len(store.documents().runs()["runs"]) == 2
