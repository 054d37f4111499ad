"""`braid export` and `braid import`, as somebody types them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from provenance_store import Record, Store, open_store
from tests.support.command_line import Braid
from tests.support.crate import broken_rules
from tests.support.exchange import RUN, braid_db, some_science
from tests.support.needs import need_module

need_module("prov.model")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(f"sqlite:///{tmp_path / 'braid.db'}") as opened:
        yield opened


@pytest.fixture
def peaks(store: Store) -> Record:
    return some_science(store)


def test_a_record_goes_out_as_prov_and_comes_in_elsewhere(
    braid: Braid, peaks: Record, tmp_path: Path
) -> None:
    code, _, err = braid("export", peaks.short_id, "-o", "peaks.json")
    assert (code, err) == (0, "Wrote peaks.json.\n")
    answer = braid("import", "peaks.json", "--store", "new.db")
    assert answer.code == 0
    assert "fact=1, data=2, model=2, dataset=1, step=2" in answer.out
    again = braid("import", "peaks.json", "--store", "new.db", "--format", "json")
    (document,) = json.loads(again.out)["imported"]
    assert (document["records"], document["known"]) == ({}, 8)
    out = braid("export", peaks.urn, "--store", "new.db").out
    assert out == (tmp_path / "peaks.json").read_text()


def test_prov_n_is_written_for_people(braid: Braid, peaks: Record) -> None:
    answer = braid("export", peaks.urn, "--format", "prov-n", "--depth", 1)
    assert answer.code == 0
    assert answer.out.startswith("document\n")
    assert "wasGeneratedBy(" in answer.out
    assert "braid:Stub" in answer.out


def test_what_came_of_a_record_goes_out_with_down(
    braid: Braid, store: Store, peaks: Record
) -> None:
    (fact,) = store.documents().records(kind="fact")["records"]
    alone = json.loads(braid("export", fact["id"]).out)
    assert [e["prov:label"] for e in alone["entity"].values() if "braid:created_at" in e] == [
        "setup.cfg"
    ]
    down = json.loads(braid("export", fact["id"], "--down").out)
    assert "peaks" in {e.get("prov:label") for e in down["entity"].values()}


def test_a_run_goes_out_as_a_crate(braid: Braid, peaks: Record, tmp_path: Path) -> None:
    (tmp_path / "def.json").write_text('{"StartAt": "Train", "States": {}}')
    options = ("--format", "ro-crate", "--definition", "def.json")
    assert braid("export", RUN, *options, "-o", "crate").code == 0
    assert broken_rules(tmp_path / "crate") == []
    assert (tmp_path / "crate" / "flow.json").is_file()
    assert braid("export", "--run", RUN, "--format", "ro-crate", "-o", "crate.zip").code == 0
    assert (tmp_path / "crate.zip").is_file()
    refused = braid("export", RUN, "--format", "ro-crate", "-o", "crate")
    assert (refused.code, refused.out) == (2, "")
    assert "is there already" in refused.err


def test_a_zipped_crate_comes_in_elsewhere(braid: Braid, peaks: Record, tmp_path: Path) -> None:
    assert braid("export", "--run", RUN, "--format", "ro-crate", "-o", "crate.zip").code == 0
    taken = braid("import", "crate.zip", "--store", "new.db")
    assert (taken.code, taken.err) == (0, "braid: there was no store at new.db; one was made.\n")
    assert "RO-Crate" in taken.out
    (listed,) = json.loads(braid("import", "--list", "--store", "new.db", "--format", "json").out)[
        "imports"
    ]
    assert (listed["format"], listed["file"]) == ("RO-Crate", "crate.zip")
    shutil.unpack_archive(tmp_path / "crate.zip", tmp_path / "crate")
    again = braid("import", "crate", "--store", "new.db", "--format", "json")
    assert json.loads(again.out)["imported"][0]["records"] == {}


def test_catalog_documents_go_to_standard_output(braid: Braid, peaks: Record) -> None:
    datacite = braid("export", peaks.urn, "--format", "datacite", "--publisher", "APS")
    assert json.loads(datacite.out)["data"]["attributes"]["publisher"] == {"name": "APS"}
    gmeta = braid("export", peaks.urn, RUN, "--format", "gmeta", "--visible-to", "public")
    entries = json.loads(gmeta.out)["ingest_data"]["gmeta"]
    assert [entry["subject"] for entry in entries] == [peaks.urn, f"urn:braid:run:{RUN}"]


def test_a_whole_store_goes_out(braid: Braid, peaks: Record) -> None:
    document = json.loads(braid("export", "--all").out)
    assert len(document["activity"]) == 3
    answer = braid("export", "--all", "--limit", 2)
    assert answer.code == 0
    assert "--limit was reached" in answer.err


@pytest.mark.parametrize(
    ("args", "code", "sentence"),
    [
        ((), 2, "Give records or runs"),
        (("--all", "1.1"), 2, "Give records or runs"),
        (("--server", "https://x.example", "1.1"), 2, "give --store"),
        (("9.9",), 1, "There is no record 9.9"),
        (("no-such-run",), 1, "There is no record or run no-such-run"),
        (("--all", "--format", "gmeta"), 2, "instead of --all"),
        (("--all", "--format", "ro-crate"), 2, "give -o"),
        ((RUN, RUN, "--format", "ro-crate", "-o", "c"), 2, "one run"),
        ((RUN, RUN, "--format", "datacite"), 2, "give one only"),
        (("--all", "--format", "ro-crate", "-o", "c", "--definition", "d.json"), 2, "with a run"),
    ],
)
def test_a_wrong_call_is_one_sentence(
    braid: Braid, peaks: Record, tmp_path: Path, args: tuple[str, ...], code: int, sentence: str
) -> None:
    (tmp_path / "d.json").write_text("{}")
    answer = braid("export", *args)
    assert (answer.code, answer.out) == (code, "")
    assert sentence in answer.err
    assert len(answer.err.splitlines()) == 1


def test_a_server_in_the_environment_is_not_passed_over(
    braid: Braid, peaks: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BRAID_SERVER", "https://x.example")
    assert "give --store" in braid("export", peaks.urn).err
    assert braid("export", peaks.urn, "--store", "braid.db").code == 0


def test_a_database_of_braid_db_comes_in_with_notes(
    braid: Braid, store: Store, tmp_path: Path
) -> None:
    when = "2022-11-01 12:00:00"
    braid_db(
        tmp_path / "old.db",
        records=[(1, "CFG 1", when, None), (2, "scan", when, None)],
        derivations=[(2, 1, when)],
    )
    dry = braid("import", "old.db", "--dry-run")
    assert (dry.code, "--source-first" in dry.err) == (0, True)
    assert store.documents().records()["records"] == []
    answer = braid("import", "old.db", "--reversed")
    assert (answer.code, answer.err) == (0, "")
    assert "fact=1, data=1" in answer.out


def test_an_import_is_listed_and_taken_back_by_command(
    braid: Braid, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (braid("import", "--list").code, braid("import", "--list").err) == (0, "No imports.\n")
    (tmp_path / "one.json").write_text('{"entity": {"prov:thing": {}}}')
    made = braid("import", "one.json", "--format", "json")
    origin = json.loads(made.out)["imported"][0]["origin"]
    monkeypatch.setenv("COLUMNS", "80")
    narrow = braid("import", "--list")
    assert (origin in narrow.out, "Left out" in narrow.err) == (True, True)
    wide = braid("import", "--list", "--wide")
    assert (wide.err, "Runs" in wide.out) == ("", True)
    assert braid("import", "--list", "--columns", "format,import").out.split()[-1] == origin
    assert "nobody here saw it happen" in " ".join(braid("show", "thing").out.split())
    dry = braid("import", "--undo", origin[:8])
    assert (dry.code, "add --yes" in dry.err, "1 record" in dry.out) == (0, True, True)
    assert len(store.documents().records()["records"]) == 1
    done = json.loads(braid("import", "--undo", origin, "--yes", "--format", "json").out)
    assert (done["undone"], done["rows"]["record"]) == (True, 1)
    assert store.documents().records()["records"] == []
    for wrong in (
        ("--list", "--force"),
        ("one.json", "--wide"),
        (),
        ("one.json", "--list"),
        ("--yes", "one.json"),
        ("--list", "--undo", "x"),
    ):
        assert braid("import", *wrong).code == 2
    gone = braid("import", "--undo", origin)
    assert (gone.code, "There is no import" in gone.err) == (1, True)


def test_a_bad_file_is_one_sentence_with_its_place(braid: Braid, tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_text('{"entity": {"ex:a": 3}}')
    answer = braid("import", "bad.json")
    assert (answer.code, answer.out) == (1, "")
    assert answer.err == "braid: bad.json: $.entity['ex:a']: an object is needed here.\n"
    assert braid("import", "absent.json").code == 2
