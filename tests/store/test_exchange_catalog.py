"""Crates and catalog documents: they have what their formats ask for, and what the store knows."""

from __future__ import annotations

import hashlib
import itertools
import json
import re
import zipfile
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from provenance_store import Audience, Record, Store
from provenance_store.errors import ConfigurationError, InvalidInput, TooLarge
from provenance_store.exchange.catalog import to_datacite
from provenance_store.exchange.crate.export import write_crate
from provenance_store.exchange.globus_search import MAX_BYTES, ingest_document, to_gmeta
from provenance_store.exchange.prov.importing import import_prov
from tests.support.crate import broken_rules, graph
from tests.support.exchange import OWNER, READER, RUN, some_science
from tests.support.needs import need_module

need_module("rocrate.rocrate")

WHEN = "2026-11-22T00:00:00.000000+00:00"

DATACITE = {
    "type": "object",
    "required": [
        "identifiers",
        "creators",
        "titles",
        "publisher",
        "publicationYear",
        "types",
        "schemaVersion",
    ],
    "properties": {
        "publicationYear": {"type": "integer", "minimum": 1000},
        "publisher": {"type": "object", "required": ["name"]},
        "creators": {
            "type": "array",
            "minItems": 1,
            "items": {"type": "object", "required": ["name"]},
        },
        "titles": {
            "type": "array",
            "minItems": 1,
            "items": {"type": "object", "required": ["title"]},
        },
        "types": {
            "type": "object",
            "required": ["resourceTypeGeneral"],
            "properties": {
                "resourceTypeGeneral": {
                    "enum": ["Collection", "Dataset", "Event", "Model", "Other", "Workflow"]
                }
            },
        },
        "dates": {
            "items": {
                "required": ["date", "dateType"],
                "properties": {"dateType": {"enum": ["Created", "Collected"]}},
            }
        },
        "relatedIdentifiers": {
            "items": {
                "required": ["relatedIdentifier", "relatedIdentifierType", "relationType"],
                "properties": {
                    "relatedIdentifierType": {"const": "URN"},
                    "relationType": {
                        "enum": [
                            "HasPart",
                            "IsDerivedFrom",
                            "IsNewVersionOf",
                            "IsSourceOf",
                            "References",
                        ]
                    },
                },
            }
        },
        "descriptions": {"items": {"required": ["description", "descriptionType"]}},
    },
}
"""What kernel 4.6 asks of the attributes that we use, in our words."""

GINGEST = {
    "type": "object",
    "required": ["@datatype", "@version", "ingest_type", "ingest_data"],
    "properties": {
        "@datatype": {"const": "GIngest"},
        "@version": {"type": "string"},
        "ingest_type": {"enum": ["GMetaEntry", "GMetaList"]},
        "ingest_data": {"type": "object", "required": ["@datatype", "@version"]},
    },
    "additionalProperties": False,
}
ENTRY = {
    "type": "object",
    "required": ["subject", "visible_to", "content"],
    "properties": {
        "visible_to": {"type": "array", "minItems": 1, "items": {"type": "string"}},
        "content": {"type": "object"},
    },
}


def of_run(store: Store) -> Any:
    return store.documents().extract(run_ids=[RUN], directions=())


# ---- crates ----------------------------------------------------------------------------------


def test_the_crate_of_a_run_breaks_no_rule_of_its_profiles(store: Store, tmp_path: Path) -> None:
    some_science(store)
    write_crate(of_run(store), tmp_path / "crate", run_id=RUN, published=WHEN)
    assert broken_rules(tmp_path / "crate") == []


def test_the_crate_of_a_run_says_what_was_recorded(store: Store, tmp_path: Path) -> None:
    some_science(store)
    definition = {"StartAt": "Train", "States": {}}
    write_crate(
        of_run(store),
        tmp_path / "crate",
        run_id=RUN,
        published=WHEN,
        definition=definition,
        license="https://spdx.org/licenses/CC-BY-4.0",
    )
    assert broken_rules(tmp_path / "crate") == []
    found = graph(tmp_path / "crate")
    assert json.loads((tmp_path / "crate" / "flow.json").read_text()) == definition
    scan = found["globus://c/scan%201.h5"]
    assert (scan["contentSize"], scan["sha256"]) == ("1024", "ab" * 32)
    steps = {e["name"]: e for e in found.values() if e["@type"] == "CreateAction"}
    assert steps["Infer"]["actionStatus"] == "http://schema.org/FailedActionStatus"
    assert "OutOfMemory" in steps["Infer"]["error"]
    assert steps["Train"]["instrument"] == {"@id": "https://compute.actions.globus.org/v3"}
    assert steps["Train"]["endTime"] == "2025-10-09T08:54:00.123+00:00"
    values = {e["name"]: e["value"] for e in found.values() if e["@type"] == "PropertyValue"}
    assert values == {"epochs": "2", "nested": '{"a": [1, null]}', "flag": "true"}
    assert found[OWNER]["name"] == "ada@example.org"
    assert found["./"]["license"] == {"@id": "https://spdx.org/licenses/CC-BY-4.0"}
    model = next(e for e in found.values() if e.get("additionalType") == "model" and "version" in e)
    said = model["creativeWorkStatus"]
    assert re.fullmatch(r"Invalid since \d{4}-.* UTC: wrong energy \(it began with urn:.*\)", said)


def test_steps_of_a_crate_are_in_the_order_in_which_they_began_however_they_were_recorded(
    store: Store, tmp_path: Path
) -> None:
    recorder = store.recorder(run_id="late", environment=None)
    recorder.run("late", status="SUCCEEDED")
    with recorder.transaction():
        scan = recorder.data("scan")
        recorder.step("Fit", inputs=[scan], started_at=2_000_000).finish()
        recorder.generated(recorder.step("Scan", started_at=1_000_000), [scan])
    found = store.documents().extract(run_ids=["late"], directions=())
    write_crate(found, tmp_path / "crate", run_id="late", published=WHEN)
    assert broken_rules(tmp_path / "crate") == []
    steps = [e for e in graph(tmp_path / "crate").values() if e["@type"] == "HowToStep"]
    assert {e["name"]: e["position"] for e in steps} == {"Scan": "1", "Fit": "2"}


def test_the_history_of_a_record_is_a_crate_of_processes(store: Store, tmp_path: Path) -> None:
    peaks = some_science(store)
    write_crate(
        store.documents().extract([peaks.urn]), tmp_path / "crate", run_id=None, published=WHEN
    )
    assert broken_rules(tmp_path / "crate", run=False) == []
    assert "#" + peaks.urn not in graph(tmp_path / "crate")


def test_each_state_of_an_overwritten_file_is_an_entity_with_its_own_digest(
    store: Store, tmp_path: Path
) -> None:
    def state(name: str, digest: str | None) -> Record:
        return store.data(name, uris=[{"uri": "globus://c/w", "size": 2, "digest": digest}])

    first, second = state("w1", "sha256:" + "01" * 32), state("w2", "sha256:" + "02" * 32)
    again, unknown = state("w1 again", "sha256:" + "01" * 32), state("unread", None)
    last = state("w3", "md5:" + "03" * 16)
    both = store.step("Compare", inputs=[first, second, again, unknown, last])
    write_crate(store.documents().extract([both.urn]), tmp_path / "c", run_id=None, published=WHEN)
    assert broken_rules(tmp_path / "c", run=False) == []
    found = graph(tmp_path / "c")
    files = {e["name"]: e for e in found.values() if e["@type"] == "File" and "dateCreated" in e}
    assert {name: file.get("sha256", file.get("md5")) for name, file in files.items()} == {
        "w1": "01" * 32,
        "w2": "02" * 32,
        "unread": None,
        "w3": "03" * 16,
    }
    assert files["w1"]["identifier"] == [first.urn, again.urn]
    order = [files[name]["@id"] for name in ("w2", "w1", "unread", "w3")]
    assert order == [second.urn, first.urn, unknown.urn, "globus://c/w"]
    for before, after in itertools.pairwise(order):
        assert found[before]["isReplacedBy"] == {"@id": after}
        assert found[after]["replaces"] == {"@id": before}
        assert found[before]["contentUrl"] == "globus://c/w"
    assert sorted(e["@id"] for e in found["#" + both.urn]["object"]) == sorted(order)


def test_the_check_sees_what_is_broken(store: Store, tmp_path: Path) -> None:
    some_science(store)
    write_crate(of_run(store), tmp_path / "crate", run_id=RUN, published=WHEN)
    file = tmp_path / "crate" / "ro-crate-metadata.json"
    document = json.loads(file.read_text())
    for entity in document["@graph"]:
        for key in ("hasPart", "workExample", "object", "instrument"):
            if entity["@id"] != "./":
                entity.pop(key, None)
    file.write_text(json.dumps(document))
    assert len(broken_rules(tmp_path / "crate")) > 5


def test_a_zipped_crate_holds_the_same_and_the_history_in_it_can_be_imported(
    store: Store, tmp_path: Path
) -> None:
    some_science(store)
    before = store.info()
    write_crate(of_run(store), tmp_path / "crate.zip", run_id=RUN, published=WHEN)
    with zipfile.ZipFile(tmp_path / "crate.zip") as archive:
        archive.extractall(tmp_path / "crate")
    assert broken_rules(tmp_path / "crate") == []
    assert [file.name for file in tmp_path.glob(".*.part")] == []
    found = import_prov(store, tmp_path / "crate" / "provenance.prov.json")
    assert found.records == {}
    assert store.info() == before


def test_a_crate_of_an_unfinished_run_without_flow_or_owner_breaks_no_rule(
    store: Store, tmp_path: Path
) -> None:
    recorder = store.recorder(run_id="r 1/ü")
    recorder.run("r 1/ü")
    recorder.step("Look", parameters=[1, 2])
    recorder.data("here", uris=["no scheme", "file:///a b"], tags={"x": "y"})
    found = store.documents().extract(run_ids=["r 1/ü"], directions=())
    write_crate(found, tmp_path / "crate", run_id="r 1/ü", published=WHEN)
    assert broken_rules(tmp_path / "crate") == []


def test_a_crate_is_not_written_over_what_is_there(store: Store, tmp_path: Path) -> None:
    some_science(store)
    (tmp_path / "crate").mkdir()
    (tmp_path / "crate" / "mine").write_text("x")
    with pytest.raises(InvalidInput, match="is there already"):
        write_crate(of_run(store), tmp_path / "crate", run_id=RUN, published=WHEN)
    assert [file.name for file in (tmp_path / "crate").iterdir()] == ["mine"]


def test_a_missing_library_is_one_sentence_that_names_the_extra(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    some_science(store)
    monkeypatch.setitem(sys.modules, "rocrate.rocrate", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'braid-provenance\[exchange\]'"):
        write_crate(of_run(store), tmp_path / "crate", run_id=RUN, published=WHEN)
    assert not (tmp_path / "crate").exists()


# ---- DataCite --------------------------------------------------------------------------------


def test_a_datacite_document_has_what_the_kernel_asks_for(store: Store) -> None:
    peaks = some_science(store)
    for document in (
        json.loads(to_datacite(store.documents().extract([peaks.urn]))),
        json.loads(to_datacite(of_run(store), run_id=RUN)),
    ):
        assert document["data"]["type"] == "dois"
        jsonschema.validate(document["data"]["attributes"], DATACITE)


def test_a_datacite_document_tells_what_a_record_came_from(store: Store) -> None:
    peaks = some_science(store)
    text = to_datacite(
        store.documents().extract([peaks.urn]),
        publisher="A light source",
        doi="10.5072/x",
        license="https://spdx.org/licenses/CC0-1.0",
    )
    about = json.loads(text)["data"]["attributes"]
    assert about["titles"] == [{"title": "peaks"}]
    assert about["creators"][0]["name"] == "ada@example.org"
    assert about["creators"][0]["nameIdentifiers"][0]["nameIdentifier"] == OWNER
    assert {r["resourceTypeGeneral"] for r in about["relatedIdentifiers"]} == {"Dataset", "Model"}
    assert about["contentUrl"] == ["globus://c/peaks.csv"]
    assert "wrong energy" in about["descriptions"][0]["description"]
    assert "braggnn version 1" in about["descriptions"][1]["description"]
    assert (about["doi"], about["publisher"]) == ("10.5072/x", {"name": "A light source"})


# ---- Globus Search -----------------------------------------------------------------------------


def test_a_search_entry_is_seen_by_those_who_may_see_the_record(store: Store) -> None:
    peaks = some_science(store)
    entry = to_gmeta(store.documents().extract([peaks.urn]))
    jsonschema.validate(entry, ENTRY)
    assert entry["subject"] == peaks.urn
    assert set(entry["visible_to"]) == {OWNER, READER}
    lineage = entry["content"]["lineage"]
    assert {key: lineage["counts"][key] for key in ("step", "data", "model", "fact")} == {
        "step": 2,
        "data": 1,
        "model": 2,
        "fact": 1,
    }
    assert [fact["name"] for fact in lineage["facts"]] == ["setup.cfg"]
    assert {(m["name"], m["version"]) for m in lineage["models"]} == {
        ("braggnn", 0),
        ("braggnn", 1),
    }
    assert [run["label"] for run in lineage["runs"]] == ["night shift"]
    assert entry["content"]["invalidated"]["cause"] == "wrong energy"


def test_several_entries_are_one_list_and_the_sdk_takes_it(store: Store) -> None:
    import globus_sdk

    peaks = some_science(store)
    entries = [
        to_gmeta(store.documents().extract([peaks.urn])),
        to_gmeta(of_run(store), run_id=RUN, visible_to=["public"]),
    ]
    document = json.loads(ingest_document(entries))
    jsonschema.validate(document, GINGEST)
    assert document["ingest_type"] == "GMetaList"
    assert [e["visible_to"] for e in document["ingest_data"]["gmeta"]][1] == ["public"]
    assert json.loads(ingest_document(entries[:1]))["ingest_data"] == entries[0]
    sent: list[Any] = []

    class Client(globus_sdk.SearchClient):
        def request(self, method: str, path: str, **how: Any) -> Any:
            sent.append((method, path, how["data"]))

    Client().ingest("an-index", document)
    ((method, path, data),) = sent
    assert (method, path) == ("POST", "/v1/index/an-index/ingest")
    assert data == document


def test_a_record_that_nobody_may_see_is_not_published_by_accident(store: Store) -> None:
    record = store.data("mine alone")
    found = store.documents().extract([record.urn])
    with pytest.raises(InvalidInput, match="--visible-to"):
        to_gmeta(found)
    assert to_gmeta(found, visible_to=["public"])["visible_to"] == ["public"]


def test_only_who_may_see_all_of_it_finds_it(store: Store) -> None:
    a = store.recorder(audience=Audience("urn:x:a", readers=("urn:x:b",))).data("a")
    b = store.recorder(audience=Audience("urn:x:b")).data("b")
    assert store.documents().extract([a.urn]).readers == ["urn:x:a", "urn:x:b"]
    assert store.documents().extract([a.urn, b.urn]).readers == ["urn:x:b"]


def test_a_long_history_gives_a_short_entry(store: Store) -> None:
    with store.transaction():
        facts = [store.fact(f"fact {i}", uris=[f"globus://c/{i}"]) for i in range(300)]
    record = store.data("made of many", depends_on=facts)
    entry = to_gmeta(store.documents().extract([record.urn]), visible_to=["public"])
    lineage = entry["content"]["lineage"]
    assert (lineage["counts"]["fact"], len(lineage["facts"])) == (300, 100)
    assert len(ingest_document([entry])) < 100_000
    with pytest.raises(TooLarge, match="fewer records"):
        ingest_document([entry] * (MAX_BYTES // len(json.dumps(entry)) + 1))


def test_a_crate_does_not_hold_the_bytes_of_the_files(store: Store, tmp_path: Path) -> None:
    local = tmp_path / "scan.h5"
    local.write_bytes(b"x" * 10)
    digest = "sha256:" + hashlib.sha256(b"x" * 10).hexdigest()
    recorder = store.recorder(run_id="r")
    recorder.run("r")
    uri = {"uri": local.as_uri(), "size": 10, "digest": digest}
    recorder.step("Look", inputs=[recorder.data("scan", uris=[uri])]).finish()
    found = store.documents().extract(run_ids=["r"], directions=())
    write_crate(found, tmp_path / "crate", run_id="r", published=WHEN)
    names = {file.name for file in (tmp_path / "crate").iterdir()}
    assert names == {"ro-crate-metadata.json", "provenance.prov.json", "flow-as-recorded.json"}
    assert graph(tmp_path / "crate")[local.as_uri()]["sha256"] == digest.partition(":")[2]
