"""Lineage and models from the command line, on a store and through a server."""

from __future__ import annotations

import csv
import json
import struct
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from braid.commands.lineage import HOLDERS
from braid.pictures.graph import ROLES
from provenance_store import Store, open_store
from provenance_store.handles import Record
from tests.support.command_line import Braid

Names = dict[str, str]


def record_story(store: Store) -> Names:
    """Two cycles of training, of which the first was on a scan that proved bad."""
    code = store.fact("train.py", uris=["git://repo/train.py@abc"])
    scan = store.data("scan", uris=["globus://c/scan.h5"])
    model = first = store.model("braggnn", depends_on=[code])
    made: dict[str, Record] = {"code": code, "scan": scan, "v0": first}
    for cycle in (1, 2):
        labels = store.data(f"labels {cycle}", depends_on=[scan])
        with store.step(f"Train {cycle}", inputs=[labels, code]) as step:
            model = step.updated(
                model,
                [labels],
                hyperparameters={"rate": 0.01},
                metrics=[{"epoch": n, "val_loss": 1 / (n + cycle)} for n in range(50)],
                scores={"accuracy": 0.9 + cycle / 100},
                tags={"technique": "hedm"},
            )
        made |= {f"labels{cycle}": labels, f"train{cycle}": step, f"v{cycle}": model}
    with store.step("Apply", inputs=[scan], models=[model]) as step:
        made["peaks"] = step.output("peaks.csv")
    return {name: record.urn for name, record in made.items()}


@pytest.fixture
def names(braid: Braid) -> Names:
    with open_store("sqlite:///braid.db") as store:
        return record_story(store)


def as_json(braid: Braid, *args: object) -> Any:
    answer = braid(*args, "--format", "json")
    assert answer.code == 0, answer.err
    return json.loads(answer.out)


def shown(document: dict[str, Any]) -> list[str]:
    return [f"{node['name']}" for node in document["nodes"]]


def test_lineage_by_role_and_by_kind(braid: Braid, names: Names) -> None:
    roles = ("--role", "trained_on", "--role", "revision_of")
    found = as_json(braid, "lineage", names["v2"], *roles)
    assert sorted(shown(found)) == ["braggnn"] * 3 + ["labels 1", "labels 2"]
    models = as_json(braid, "lineage", names["peaks"], "--kind", "model")
    assert shown(models) == ["peaks.csv", "braggnn", "braggnn", "braggnn"]
    assert "influenced_by" in {link["role"] for link in models["links"]}
    assert "through Apply: braggnn v2" in braid("lineage", names["peaks"], "--kind", "model").out


def test_folded_there_is_one_node_for_a_model(braid: Braid, names: Names) -> None:
    out = braid("lineage", names["peaks"], "--fold").out
    assert "braggnn v0-v2 (3 versions)" in out
    rows = list(
        csv.DictReader(
            braid("lineage", names["peaks"], "--fold", "--format", "csv").out.splitlines()
        )
    )
    assert [row["version"] for row in rows if row["kind"] == "model"] == ["0-2"]


def test_both_ways_at_once(braid: Braid, names: Names) -> None:
    out = braid("lineage", names["v1"], "--both", "--depth", 1).out
    assert "came from" in out
    assert "gave rise to" in out
    assert "revised by: braggnn v2" in out


def test_more_than_the_limit_is_said_on_standard_error(braid: Braid, names: Names) -> None:
    answer = braid("lineage", names["peaks"], "--limit", 3)
    assert answer.code == 0
    assert "--limit" in answer.err


def test_a_picture_is_svg_and_a_chart_is_mermaid(braid: Braid, names: Names) -> None:
    nodes = len(as_json(braid, "lineage", names["peaks"])["nodes"])
    picture = ElementTree.fromstring(braid("lineage", names["peaks"], "--format", "svg").out)
    groups = picture.findall("{http://www.w3.org/2000/svg}g/{http://www.w3.org/2000/svg}title")
    assert len(groups) == nodes
    chart = braid("lineage", names["peaks"], "--format", "mermaid").out.splitlines()
    assert chart[0] == "flowchart RL"
    assert sum(line.startswith("  n") and "-->" not in line for line in chart) == nodes


@pytest.mark.parametrize(
    ("name", "begins"),
    [
        ("a.svg", b"<svg "),
        ("a.PNG", b"\x89PNG\r\n"),
        ("a.pdf", b"%PDF-"),
        ("a.dot", b"digraph "),
        ("a.mmd", b"flowchart RL"),
        ("a.json", b"{"),
        ("a.csv", b"id,kind,"),
        ("a.txt", b"peaks.csv"),
    ],
)
def test_a_file_is_written_in_the_format_of_its_name(
    braid: Braid, names: Names, name: str, begins: bytes
) -> None:
    answer = braid("lineage", names["peaks"], "-o", name)
    assert (answer.code, answer.out, answer.err) == (0, "", f"Wrote {name}.\n")
    assert Path(name).read_bytes().startswith(begins)


def test_a_name_that_says_no_format_and_a_call_that_fails_write_nothing(
    braid: Braid, names: Names
) -> None:
    answer = braid("lineage", names["peaks"], "-o", "lineage.jpeg")
    assert (answer.code, answer.out) == (2, "")
    assert ".svg, .png, .pdf" in answer.err
    assert braid("lineage", "nothing", "-o", "a.svg").code == 1
    assert braid("lineage", names["peaks"], "-o", "a.csv", "--fit", "16:9").code == 2
    assert not [*Path().glob("lineage.*"), *Path().glob("a.*")]
    assert braid("diff", names["v1"], names["v2"], "-o", "a.csv").code == 1
    assert Path("a.csv").read_text().startswith("where,what,a,b\n")
    assert braid("lineage", names["peaks"], "-o", "picture", "--format", "svg").code == 0
    assert braid("statement", names["peaks"], "-o", "a.md").code == 0
    assert Path("a.md").read_text().startswith("# Statement on peaks")
    assert braid("export", names["peaks"], "-o", "a.provn").code == 0
    assert Path("a.provn").read_text().startswith("document\n")
    for command in ("export", "statement"):
        refused = braid(command, names["peaks"], "-o", "a.pdf")
        assert (refused.code, "cannot be written as pdf" in refused.err) == (2, True)
        refused = braid(command, names["peaks"], "-o", "a.ttl")
        assert (refused.code, "cannot be written as .ttl" in refused.err) == (2, True)
    assert not [*Path().glob("a.pdf"), *Path().glob("a.ttl")]


def test_a_picture_fits_a_slide(braid: Braid, names: Names) -> None:
    assert braid("lineage", names["peaks"], "--fit", "16:9", "-o", "a.png").code == 0
    data = Path("a.png").read_bytes()
    assert struct.unpack(">II", data[16:24]) == (3200, 1800)


def test_what_could_not_be_read_on_a_slide_is_folded_and_said(braid: Braid, tmp_path: Path) -> None:
    with open_store("sqlite:///braid.db") as store:
        fits = []
        for number in range(16):
            scan = store.data(f"scan-{number}.npy")
            with store.step("Fit", inputs=[scan]) as step:
                fits.append(step.output(f"fit {number}.json", depends_on=[scan]))
        urn = store.data("result", depends_on=fits).urn
    widths = {}
    for options in ((), ("--everything",)):
        answer = braid("lineage", urn, "--fit", "16:9", "--format", "svg", *options)
        assert answer.code == 0
        widths[options] = int(answer.out.split('viewBox="')[1].split()[2])
        assert ("--everything draws all" in answer.err) is not bool(options)
        assert ("16 fit *.json" in answer.out) is not bool(options)
    assert widths[()] * 1.5 < widths["--everything",]
    answer = braid("lineage", urn, "--fit", "16:9", "--kind", "step", "--format", "svg")
    assert ("Fit" in answer.out, "left out" in answer.err) == (True, False)


def test_a_missing_extra_is_told_with_its_name(
    braid: Braid, names: Names, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "cairosvg", None)
    answer = braid("lineage", names["peaks"], "-o", "a.png")
    assert answer.code == 2
    assert "pip install 'braid-provenance[pictures]'" in answer.err


def test_what_is_invalid_is_seen_in_every_format(braid: Braid, names: Names) -> None:
    with open_store("sqlite:///braid.db") as store:
        store.invalidate(names["labels1"], cause="wrong threshold")
    for format_ in ("text", "json", "csv", "dot", "svg", "mermaid"):
        out = braid("lineage", names["peaks"], "--format", format_).out
        assert "wrong threshold" in out, format_


def test_one_version_tells_what_made_it_and_what_came_of_it(braid: Braid, names: Names) -> None:
    out = braid("models", names["v2"]).out
    lines = {line.partition(":")[0]: line.partition(":")[2].strip() for line in out.splitlines()}
    assert lines["Model"] == "braggnn v2"
    assert lines["Made by"].startswith("Train 2 [")
    assert lines["Revision of"].startswith("braggnn v1 [")
    assert lines["Trained on"].startswith("labels 2 [")
    assert lines["Facts"].startswith("train.py [")
    assert lines["Hyperparameters"] == "rate=0.01"
    assert lines["Scores"] == "accuracy=0.92"
    assert lines["Curve of val_loss"].endswith("0.5 to 0.01961, epoch 0 to epoch 49")
    assert lines["Gave rise to"].startswith("peaks.csv [")
    assert "Python" in lines["Environment"]
    document = as_json(braid, "models", names["v2"])
    assert len(document["metrics"]) == 50
    assert document["environment_document"]["software"]["packages"]
    assert [item["id"] for item in document["produced"]] == [names["peaks"]]
    assert [item["id"] for item in document["trained_on"]] == [names["labels2"]]
    (row,) = csv.DictReader(braid("models", names["v2"], "--format", "csv").out.splitlines())
    assert (row["urn"], row["version"]) == (names["v2"], "2")


def test_the_versions_of_a_model_are_listed_by_its_name_or_by_an_id(
    braid: Braid, names: Names
) -> None:
    line = as_json(braid, "models", "braggnn")
    assert [version["version"] for version in line["versions"]] == [0, 1, 2]
    assert as_json(braid, "models", names["v1"], "--versions") == line


def test_the_best_start_for_fine_tuning_is_found(braid: Braid, names: Names) -> None:
    with open_store("sqlite:///braid.db") as store:
        store.model("other").update([names["scan"]], metrics=[{"epoch": 1, "val_loss": 0.5}])
    search = ("models", "--trained-on", "globus://c/scan.h5", "--best", "val_loss")
    best = as_json(braid, *search)["models"]
    assert [(model["name"], model["match"]["version"]) for model in best] == [
        ("braggnn", 2),
        ("other", 1),
    ]
    out = braid(*search, "--tag", "technique=hedm").out
    assert "braggnn" in out
    assert "other" not in out
    highest = as_json(braid, "models", "--best", "accuracy", "--highest")["models"]
    assert [model["match"]["id"] for model in highest] == [names["v2"]]
    refused = braid("models", "--best", "nothing")
    assert (refused.code, "There are: accuracy, val_loss." in refused.err) == (2, True)
    none = braid("models", "--best", "val_loss", "--tag", "technique=no such")
    assert none.err.startswith("No models; --invalid-too ")


@pytest.mark.parametrize(
    "wrong",
    [
        ("models", "braggnn", "--name", "bragg*"),
        ("models", "--highest"),
        ("lineage", "1.1", "--role", "eats"),
        ("lineage", "1.1", "--kind", "thing"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_read(
    braid: Braid, wrong: tuple[str, ...]
) -> None:
    answer = braid(*wrong)
    assert (answer.code, answer.out) == (2, "")


def test_on_every_kind_of_store(braid: Braid, store_url: str) -> None:
    with open_store(store_url) as store:
        names = record_story(store)
    where = ("--store", store_url)
    assert "braggnn v0-v2" in braid("lineage", names["peaks"], "--fold", *where).out
    assert "Curve of val_loss" in braid("models", names["v2"], *where).out
    found = as_json(braid, "models", "--trained-on", names["scan"], "--best", "val_loss", *where)
    assert [model["match"]["id"] for model in found["models"]] == [names["v2"]]


def test_what_is_invalid_is_no_best_start_unless_it_is_asked_for(
    braid: Braid, names: Names
) -> None:
    search = ("models", "--trained-on", names["scan"], "--best", "val_loss")
    with open_store("sqlite:///braid.db") as store:
        store.invalidate(names["v2"], cause="a bad split")
    (found,) = as_json(braid, *search)["models"]
    assert found["match"]["id"] == names["v1"]
    (found,) = as_json(braid, *search, "--invalid-too")["models"]
    assert found["match"]["id"] == names["v2"]
    assert "a bad split" in braid(*search, "--invalid-too").out
    (line,) = as_json(braid, "models")["models"]
    assert line["latest"]["id"] == names["v2"]
    with open_store("sqlite:///braid.db") as store:
        store.invalidate(names["scan"], cause="misaligned")
    assert "--invalid-too" in braid(*search).err


def test_a_lineage_by_roles_that_a_record_has_not_says_what_has_them(
    braid: Braid, names: Names
) -> None:
    assert set(HOLDERS) == set(ROLES)
    told = "Nothing is linked to it by these roles"
    answer = braid("lineage", names["scan"], "--role", "trained_on")
    assert (answer.code, answer.err) == (0, f"{told}; model versions are.\n")
    both = ("--role", "revision_of", "--role", "used")
    assert braid("lineage", names["scan"], *both).err == f"{told}; model versions and steps are.\n"
    assert braid("lineage", names["v0"], "--role", "trained_on").err == f"{told}.\n"
    assert braid("lineage", names["v0"], "--down", "--role", "trained_on").err == f"{told}.\n"
    assert braid("lineage", names["v2"], "--role", "trained_on").err == ""
    assert braid("lineage", names["scan"]).err == ""
