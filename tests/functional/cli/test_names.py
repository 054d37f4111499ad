"""Records named in every way on the command line; tags, aliases and curves; `braid show`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from provenance_store import Store, open_store
from provenance_store.values import Audience
from tests.support.command_line import Braid


@pytest.fixture(params=["store", "server"])
def where(request: pytest.FixtureRequest) -> list[str]:
    """How the command line says where the history is."""
    if request.param == "store":
        return []
    return ["--server", request.getfixturevalue("server")]


@pytest.fixture
def history(where: list[str], request: pytest.FixtureRequest, braid: Braid) -> Iterator[Store]:
    """A scan in a file, and two versions of a model that was trained on it."""
    Path("scan 17.h5").write_bytes(b"scan")
    for args in (
        ("data", "scan-17", "--file", "scan 17.h5", "--tag", "energy_keV=71.68"),
        ("model", "net", "--trained-on", "scan-17", "--hyperparameters", '{"lr": 0.1}'),
        ("model", "net", "--update", "--trained-on", "scan 17.h5", "--score", "loss=0.2"),
    ):
        answer = braid("record", *args, *where)
        assert (answer.code, answer.err) == (0, "")
    if where:
        yield request.getfixturevalue("its_store")
        return
    with open_store("sqlite:///braid.db") as opened:
        yield opened


def said(braid: Braid, *args: object) -> str:
    answer = braid(*args)
    assert (answer.code, answer.err) == (0, ""), answer.err
    return answer.out


def documented(braid: Braid, *args: object) -> Any:
    return json.loads(said(braid, *args, "--format", "json"))


NAMES = ["net", "net@v1", "net@champion", "urn", "short id"]


@pytest.mark.parametrize("name", NAMES)
def test_commands_take_every_name_of_a_version(
    braid: Braid, where: list[str], history: Store, name: str
) -> None:
    said(braid, "alias", "net@v1", "champion", *where)
    version = history.documents().record("net@v1")
    given = {"urn": version["id"], "short id": version["short_id"]}.get(name, name)
    assert documented(braid, "show", given, *where) == history.documents().model_version(
        version["id"]
    )
    assert documented(braid, "lineage", given, *where)["root"] == version["id"]
    assert version["id"] in said(braid, "statement", given, *where, "--format", "json")
    found = documented(braid, "invalidate", given, "--cause", "x", "--dry-run", *where)
    assert found["record"]["id"] == version["id"]
    assert said(braid, "tag", given, "seen=true", *where).strip() == version["id"]
    step = said(braid, "record", "step", "Use", "--model", given, *where).strip()
    assert history.documents().record(step)["links"][0]["id"] == version["id"]


@pytest.mark.parametrize("name", ["scan 17.h5", "./scan 17.h5", "uri", "scan-17"])
def test_a_file_is_named_by_its_path_or_its_uri(
    braid: Braid, where: list[str], history: Store, name: str
) -> None:
    scan = history.documents().record("scan-17")
    given = scan["uris"][0]["uri"] if name == "uri" else name
    assert documented(braid, "show", given, *where) == scan
    found = documented(braid, "models", "--trained-on", given, *where)["models"]
    assert [model["name"] for model in found] == ["net"]


def test_a_name_of_several_records_is_refused_with_the_choices(
    braid: Braid, where: list[str], history: Store
) -> None:
    other = said(braid, "record", "data", "scan-17", *where).strip()
    refused = braid("show", "scan-17", *where)
    assert (refused.code, refused.out) == (1, "")
    first, *choices = refused.err.splitlines()
    assert first.endswith("'scan-17' names several records; give the id of one:")
    records = {r["short_id"]: r for r in history.documents().records(name="scan-17")["records"]}
    assert len(choices) == len(records) == 2
    for line in choices:
        one = records[line.split()[0]]
        made = one["created_at"][:19].replace("T", " ")
        place = one["uris"][0]["uri"][-20:] if one["uris"] else made
        assert line.strip().startswith(f"{one['short_id']} (data, made {made}")
        assert line.endswith(f"{place})")  # a long place is elided before its end
        assert documented(braid, "show", one["short_id"], *where)["id"] == one["id"]
    assert other in {one["id"] for one in records.values()}


def test_what_names_nothing_is_one_sentence(braid: Braid, where: list[str], history: Store) -> None:
    for args in (("show", "nothing"), ("tag", "nothing", "a=1"), ("alias", "nothing", "x")):
        refused = braid(*args, *where)
        assert (refused.code, refused.out, refused.err.count("\n")) == (1, "", 1)
        assert "no record nothing" in refused.err


# ---- tags and aliases --------------------------------------------------------------------


def test_tags_are_set_and_taken_away(braid: Braid, where: list[str], history: Store) -> None:
    scan = history.documents().record("scan-17")["id"]
    assert said(braid, "tag", "scan-17", "sample=Ni", "run:str=7", *where).strip() == scan
    tags = {"energy_keV": 71.68, "sample": "Ni", "run": "7"}
    assert history.documents().record(scan)["tags"] == tags
    assert said(braid, "untag", "scan-17", "sample", *where).strip() == scan
    assert "sample" not in history.documents().record(scan)["tags"]
    refused = braid("untag", "scan-17", "sample", *where)
    assert (refused.code, "has no tag 'sample'" in refused.err) == (1, True)
    assert history.check() == []


def test_an_alias_goes_from_version_to_version(
    braid: Braid, where: list[str], history: Store
) -> None:
    said(braid, "alias", "net@v0", "champion", "deployed@edge", *where)
    said(braid, "alias", "net", "champion", *where)
    listed = documented(braid, "alias", "net", *where)["aliases"]
    told = [(a["alias"], a["version"]["version"], a["until"] is None) for a in listed]
    assert told == [("champion", 0, False), ("champion", 1, True), ("deployed@edge", 0, True)]
    (model,) = documented(braid, "models", "--alias", "champion", *where)["models"]
    assert (model["match"]["version"], model["match"]["aliases"]) == (1, ["champion"])
    assert documented(braid, "models", "--as-of", "2020-01-01", *where)["models"] == []
    said(braid, "alias", "net", "champion", "--remove", *where)
    refused = braid("alias", "net", "champion", "--remove", *where)
    assert refused.code == 1
    assert "has no alias 'champion'; it has deployed@edge" in refused.err
    assert braid("alias", "net", "v7", *where).code == 2
    assert history.check() == []


def test_a_decision_is_recorded_and_shown_with_its_options(
    braid: Braid, where: list[str], history: Store
) -> None:
    named = ("--option", "net@v0", "--option", "net@v1", "--chosen", "net@v1")
    scores = ("--score", "net@v0=0.5", "--score", "net@v1=2e-1")
    said(braid, "record", "decision", "Deploy", *named, *scores, "--why", "lower loss", *where)
    shown = documented(braid, "show", "Deploy", *where)
    options = [(one["name"], one["score"]) for one in shown["decision"]["options"]]
    assert options == [("net@v0", 0.5), ("net@v1", 0.2)]
    text = said(braid, "show", "Deploy", *where)
    for line in ("chose net v1 [model", "not net v0 [model", "score 0.2", "because: lower loss"):
        assert line in text
    assert {"chose: net v1", "considered: net v0"} <= {
        line.partition(" [")[0].strip() for line in text.partition("Depends on:")[2].splitlines()
    }
    tree = said(braid, "lineage", "Deploy", *where)
    assert ("chose: net v1" in tree, "considered: net v0" in tree) == (True, True)
    of_version = said(braid, "show", "net@v0", *where)
    assert "not chosen by Deploy [" in of_version
    assert "considered by: Deploy" in said(braid, "lineage", "net@v0", "--down", *where)
    wrong = ("--option", "net@v0", "--score", "net@v1=1")
    refused = braid("record", "decision", "Deploy", *wrong, *where)
    assert (refused.code, "net@v1, which is not an option" in refused.err) == (
        2,
        True,
    )
    assert braid("record", "decision", "Deploy", "--option", "nothing", *where).code == 1
    assert history.check() == []


# ---- models ------------------------------------------------------------------------------


def test_a_curve_is_logged_while_a_version_trains(
    braid: Braid, where: list[str], history: Store
) -> None:
    for step, loss in ((500, "0.5"), (1000, '"NaN"')):
        points = f'[{{"epoch": 0.16, "step": {step}, "val": {loss}}}]'
        said(braid, "record", "model", "net@v1", "--log", "--metrics", points, *where)
    found = history.documents().record("net@v1")
    assert found["metrics"] == [
        {"step": 500, "epoch": 0.16, "val": 0.5},
        {"step": 1000, "epoch": 0.16, "val": "NaN"},
    ]
    assert "0.5 to NaN, step 500 to step 1000  DIVERGED" in said(braid, "models", "net@v1", *where)
    assert "diverged" in said(braid, "models", "--best", "val", *where)
    absurd = '[{"step": 500, "norm": 1}, {"step": 1000, "norm": 1e98}]'
    said(braid, "record", "model", "net@v1", "--log", "--metrics", absurd, *where)
    assert "1 to 1e+98, step 500 to step 1000  DIVERGED" in said(braid, "show", "net@v1", *where)


def test_a_script_that_is_run_twice_goes_on(braid: Braid, where: list[str], history: Store) -> None:
    first = said(braid, "record", "model", "new", "--resume", *where)
    assert said(braid, "record", "model", "new", "--resume", *where) == first
    said(braid, "record", "model", "new", "--resume", "--score", "f1=0.5", *where)
    assert history.documents().record("new")["version"] == 1


def test_a_version_of_a_step_that_failed_says_so_and_is_passed_over(
    braid: Braid, where: list[str], history: Store
) -> None:
    owner = history.documents().record("net")["owner"]
    recorder = history.recorder(audience=Audience(owner) if owner else None)
    with pytest.raises(RuntimeError), recorder.step("Train", models=["net"]) as step:
        failed = step.updated("net", metrics=[{"epoch": 1, "loss": 0.4}])
        raise RuntimeError("out of memory")
    resumed = braid("record", "model", "net", "--resume", *where)
    assert resumed.out.strip() == history.documents().record("net@v1")["id"]
    assert (
        f"goes on from v1; 1 later version is passed over because its step failed: {failed.urn}. "
        "To go on from another version, give its ID in place of the name, with --resume"
    ) in resumed.err
    about = documented(braid, "models", "net@v1", *where)
    assert [(one["id"], one["status"]) for one in about["revised_by"]] == [(failed.urn, "FAILED")]
    assert "Status: " not in said(braid, "show", "net", *where)
    for command in (
        ("models",),
        ("models", "net"),
        ("models", "net@v2"),
        ("models", "--best", "loss", "--versions"),
        ("records", "--kind", "model"),
        ("show", "net@v2"),
        ("show", "net"),
        ("lineage", "net@v2", "--role", "revision_of"),
    ):
        assert "FAILED" in said(braid, *command, *where), command


def test_models_are_found_by_parameters_and_tags_of_their_training(
    braid: Braid, where: list[str], history: Store
) -> None:
    def found(*args: str) -> list[str]:
        return [m["name"] for m in documented(braid, "models", *args, *where)["models"]]

    assert found("--where", "lr<=0.1") == ["net"]
    assert found("--where", "lr<0.1") == []
    assert found("--tag", "energy_keV=71.68", "--trained-on", "scan-17") == ["net"]


def test_a_search_lists_every_version_that_fits(
    braid: Braid, where: list[str], history: Store
) -> None:
    for rate in (0.05, 0.01):
        given = ("--hyperparameters", json.dumps({"lr": rate}))
        said(braid, "record", "model", "net", "--update", *given, *where)
    for search in (("--versions",), ("net",), ("net@v1",)):
        out = said(braid, "models", *search, "--where", "lr<0.1", *where).splitlines()
        assert [line.split()[1:4] for line in out] == [
            ["Name", "Version", "lr"],
            ["net", "v3", "0.01"],
            ["net", "v2", "0.05"],
        ]
    refused = braid("models", "net", "--name", "net", *where)
    assert (refused.code, "Give MODEL or --name, not both." in refused.err) == (2, True)


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (["models", "--best", "los"], "There are: loss; did you mean 'loss'?"),
        (["models", "--where", "rate<1"], "No version has a hyperparameter or parameter 'rate'"),
        (["models", "--tag", "energy>1"], "did you mean 'energy_keV'?"),
        (["models", "--alias", "champ"], "There are: champion; did you mean 'champion'?"),
        (["runs", "--status", "Failled"], "SUCCEEDED, FAILED"),
    ],
)
def test_a_value_that_cannot_be_is_refused_with_those_there_are(
    braid: Braid, where: list[str], history: Store, args: list[str], told: str
) -> None:
    said(braid, "alias", "net@v1", "champion", *where)
    refused = braid(*args, *where)
    assert (refused.code, refused.out) == (2, "")
    assert told in refused.err


def test_what_failed_is_found_in_flows_and_scripts(
    braid: Braid, where: list[str], history: Store
) -> None:
    assert braid("exec", "--name", "broken", *where, "--", "false").code == 1
    assert braid("exec", "--name", "fine", *where, "--", "true").code == 0
    said(braid, "record", "step", "Fit", "--run", "run-1", "--status", "FAILED", *where)
    out = said(braid, "records", "--status", "failed", "--since", "1d", *where).splitlines()
    assert [line.split()[1:4] for line in out] == [
        ["Kind", "Name", "Status"],
        ["step", "Fit", "FAILED"],
        ["step", "broken", "FAILED"],
    ]
    assert "run-1" in out[1]
    assert "Status" not in said(braid, "records", "--kind", "data", *where)
    assert "SUCCEEDED" in said(braid, "records", "--kind", "step", "--format", "csv", *where)


def test_a_status_is_taken_in_any_case(braid: Braid, where: list[str], history: Store) -> None:
    said(braid, "record", "step", "Fit", "--run", "run-1", *where)
    history.run("run-1", status="FAILED")
    (run,) = documented(braid, "runs", "--status", "failed", *where)["runs"]
    assert run["run_id"] == "run-1"


@pytest.mark.parametrize(
    ("args", "code", "hint"),
    [
        (("show", "scan_17"), 1, "There is no record scan_17"),
        (("lineage", "Scan-17"), 1, "Did you mean 'scan-17'?"),
        (("show", "nett"), 1, "Did you mean 'net'?"),
        (("models", "nett"), 1, "Did you mean 'net'?"),
        (("show", "net@v7"), 1, "Did you mean 'net@v1'?"),
        (("show", "nett@v0"), 1, "Did you mean 'net@v0'?"),
        (("statement", "net@champoin"), 1, "Did you mean 'net@champion'?"),
        (
            ("records", "--name", "scan17"),
            0,
            "No record is named 'scan17'. Did you mean 'scan-17'?",
        ),
        (
            ("records", "--tag", "energy_kev=71"),
            0,
            "a tag 'energy_kev'. Did you mean 'energy_keV'?",
        ),
        (("runs", "--label", "nigth shift"), 0, "Did you mean 'night shift'?"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_what_is_misspelled_is_answered_with_names_like_it(
    braid: Braid, where: list[str], history: Store, args: tuple[str, ...], code: int, hint: str
) -> None:
    said(braid, "alias", "net@v1", "champion", *where)
    owner = history.documents().record("net")["owner"]
    audience = Audience(owner) if owner else None
    history.run("run-1", label="night shift", audience=audience)
    if owner:  # what others recorded is nobody's to be told
        history.recorder(audience=Audience("urn:globus:auth:identity:other")).data("scan_17b")
    answer = braid(*args, *where)
    assert (answer.code, answer.out) == (code, "")
    assert hint in answer.err
    assert "scan_17b" not in answer.err


# ---- show --------------------------------------------------------------------------------


def test_everything_is_shown_within_eighty_columns(
    braid: Braid, where: list[str], history: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    parameters = json.dumps({"words": "several words " * 20, "deep": {"er": [1, 2]}})
    step = ("record", "step", "Fit", "--input", "scan-17", "--run", "run-1")
    said(braid, *step, "--parameters", parameters, "--model", "net", *where)
    for name, shown in (
        (
            "scan-17",
            ("data scan-17", "energy_keV = 71.68", "trained: net v1 [model", "used by: Fit [step"),
        ),
        ("net@v1", ("model net v1", "loss = 0.2", "trained on: scan-17 [data", "Python 3.")),
        ("Fit", ("step Fit", "used: scan-17 [data", '"deep": {', "Run:")),
    ):
        out = said(braid, "show", name, *where)
        assert all(text in out for text in shown), out
        long = [line for line in out.splitlines() if len(line) > 80]
        assert all(" " not in line.strip() for line in long), long
    out = said(braid, "show", "net@v0", *where)
    assert out.index("Hyperparameters:") < out.index("Environment:")
    assert "(--format json lists the packages)" in " ".join(out.split())
    assert "SQLAlchemy" not in out
    assert "  4 bytes" in said(braid, "show", "scan-17", *where)
    monkeypatch.setenv("COLUMNS", "80")
    out = said(braid, "models", "net@v1", *where)
    assert all(" " not in line[20:].strip() for line in out.splitlines() if len(line) > 80), out
    listed = said(braid, "models", "net", *where).split()
    assert [word for word in listed if word in ("v0", "v1")] == ["v0", "v1"]
    assert "Fit" in said(braid, "show", "run-1", *where)
    assert documented(braid, "show", "run-1", *where) == documented(
        braid, "run", "show", "run-1", *where
    )


def test_show_tells_other_records_of_one_file_and_at_one_place(
    braid: Braid, where: list[str], history: Store
) -> None:
    there = history.documents().record("scan-17")["uris"][0]["uri"]
    again, other = (
        said(braid, "record", "data", *args, *where).strip()
        for args in (("again", "--file", "scan 17.h5"), ("later", "--uri", there, "--run", "run-1"))
    )
    first = history.documents().record("scan-17")
    shown = said(braid, "show", again, *where)
    made = f"made {first['created_at'][:19].replace('T', ' ')}"
    _, _, same = shown.partition("  The same as:\n")
    assert same.startswith(f"    scan-17 [data {first['short_id']}], {made}:")
    assert first["uris"][0]["digest"] in same
    _, _, hints = shown.partition("  At the same place:\n")
    assert f"later [data {history.documents().record(other)['short_id']}]" in hints
    assert "run run-1" in hints
    assert there in hints
