"""PROV: what is exported is whole, and comes back as it was; what others wrote is taken in."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from provenance_store import Store, open_store
from provenance_store.enums import Kind, Mark, Role
from provenance_store.errors import Conflict, InvalidInput, NotFound, TooLarge
from provenance_store.exchange.catalog import to_datacite
from provenance_store.exchange.crate.export import write_crate
from provenance_store.exchange.formats import import_file
from provenance_store.exchange.prov.export import RELATIONS, to_prov, to_prov_json
from provenance_store.exchange.prov.importing import import_prov
from provenance_store.values import Viewer
from tests.support.exchange import OWNER, RUN, graphs, record_graph, some_science, whole, written
from tests.support.needs import need_module

prov = need_module("prov.model")

FOREIGN = {
    "prefix": {"ex": "http://example.org/", "ml": "http://ml.example/#"},
    "entity": {
        "ex:scan": {"prov:label": "the scan", "ex:frames": {"$": "12", "type": "xsd:int"}},
        "ex:net1": {"prov:type": {"$": "ml:Model", "type": "xsd:QName"}},
        "ex:net2": {"prov:type": {"$": "ml:NeuralNetwork", "type": "xsd:QName"}},
        "ex:code": {"prov:type": {"$": "ml:Software", "type": "xsd:QName"}},
        "ex:all": {"prov:type": {"$": "prov:Collection", "type": "xsd:QName"}},
    },
    "activity": {
        "ex:train": {
            "prov:startTime": "2024-01-01T10:00:00+01:00",
            "prov:endTime": "2024-01-01T11:00:00+01:00",
        }
    },
    "agent": {"ex:ada": {"prov:label": "Ada"}},
    "used": {"_:u": {"prov:activity": "ex:train", "prov:entity": "ex:scan"}},
    "wasGeneratedBy": {
        "_:g": {
            "prov:entity": "ex:net2",
            "prov:activity": "ex:train",
            "prov:time": "2024-01-01T10:30:00Z",
        }
    },
    "wasDerivedFrom": {
        "_:d": {
            "prov:generatedEntity": "ex:net2",
            "prov:usedEntity": "ex:net1",
            "prov:type": {"$": "prov:Revision", "type": "xsd:QName"},
        }
    },
    "hadMember": {"_:m": {"prov:collection": "ex:all", "prov:entity": "ex:scan"}},
    "wasAssociatedWith": {"_:w": {"prov:activity": "ex:train", "prov:agent": "ex:ada"}},
    "wasInvalidatedBy": {"_:i": {"prov:entity": "ex:scan", "prov:time": "2024-02-01T00:00:00Z"}},
    "alternateOf": {"_:a": {"prov:alternate1": "ex:net1", "prov:alternate2": "ex:net2"}},
}


def named(store: Store, name: str) -> dict[str, Any]:
    (found,) = store.documents().records(name=name)["records"]
    return store.documents().record(found["id"])


def test_every_role_has_a_relation() -> None:
    assert set(RELATIONS) == set(Role)


def test_a_record_is_exported_with_all_that_it_came_from(store: Store) -> None:
    peaks = some_science(store)
    document = json.loads(to_prov_json(store.documents().extract([peaks.urn])))
    labels = {e["prov:label"] for e in document["entity"].values() if "braid:created_at" in e}
    assert labels == {"peaks", "scan-1", "setup.cfg", "training pair", "braggnn"}
    assert {a["prov:label"] for a in document["activity"].values()} == {
        "Train",
        "Infer",
        "night shift",
    }
    assert document["prefix"][peaks_prefix(document)] == peaks.urn.rpartition(":")[0] + ":"
    assert any("prov:role" in use for use in document["used"].values())
    assert len(document["wasInvalidatedBy"]) > 1
    assert document["agent"] == {"identity:" + OWNER.rpartition(":")[2]: {}}


def peaks_prefix(document: dict[str, Any]) -> str:
    (name,) = (n for n, e in document["entity"].items() if e.get("prov:label") == "peaks")
    return str(name).partition(":")[0]


def test_prov_reads_what_is_exported_and_writes_the_same(store: Store) -> None:
    some_science(store)
    text = whole(store)
    document = prov.ProvDocument.deserialize(content=text, format="json")
    again = prov.ProvDocument.deserialize(content=document.serialize(format="json"), format="json")
    assert document == again
    assert document.unified() == document
    assert "wasDerivedFrom" in to_prov(store.documents().extract(everything=True), "prov-n")


def test_an_export_imported_elsewhere_is_exported_as_the_same_document(
    store: Store, other: Store, tmp_path: Path
) -> None:
    peaks = some_science(store)
    text = whole(store)
    imported = import_prov(other, written(tmp_path, text))
    assert imported.notes == ()
    assert imported.records == {"fact": 1, "data": 2, "model": 2, "dataset": 1, "step": 2}
    assert whole(other) == text
    assert other.check() == []
    theirs = other.documents().record(peaks.urn)
    assert theirs["name"] == "peaks"
    assert "root" in theirs["invalidated"]
    assert other.documents().run(RUN)["recorded_by"] == OWNER
    assert other.documents(Viewer(frozenset({OWNER}))).run(RUN)["label"] == "night shift"


@pytest.mark.parametrize("depth", [None, 1], ids=["whole", "stub"])
def test_records_that_are_one_thing_are_alternates_and_are_one_thing_where_it_is_imported(
    store: Store, other: Store, tmp_path: Path, depth: int | None
) -> None:
    place = {"uri": "globus://c/scan.h5", "size": 3, "digest": "sha256:" + "5" * 64}
    beam = store.data("beam")
    one = store.data("scan", uris=[place, "globus://c/copy.h5"], depends_on=[beam])
    two = store.data("copy", uris=[place])
    made = store.data("made", depends_on=[two])
    found = store.documents().extract([made.urn], depth=depth)
    text = to_prov_json(found)
    document = prov.ProvDocument.deserialize(content=text, format="json")
    assert len(list(document.get_records(prov.ProvAlternate))) == 1
    imported = import_prov(other, written(tmp_path, text))
    assert imported.notes == ()
    assert other.check() == []
    if depth is None:
        assert to_prov_json(other.documents().extract([made.urn])) == text
        import_prov(other, written(tmp_path, text))
        assert to_prov_json(other.documents().extract([made.urn])) == text
        up = {node["id"] for node in other.documents().lineage(made.urn)["nodes"]}
        assert up == {each.urn for each in (beam, one, two, made)}
        write_crate(found, tmp_path / "crate", run_id=None, published="2026-01-01")
        crate = json.loads((tmp_path / "crate" / "ro-crate-metadata.json").read_text())
        named = {e["name"]: e for e in crate["@graph"] if "identifier" in e}
        assert named["copy"]["sameAs"] == {"@id": named["scan"]["@id"]}
        related = json.loads(to_datacite(store.documents().extract([two.urn])))["data"][
            "attributes"
        ]
        same = {(r["relationType"], r["relatedIdentifier"]) for r in related["relatedIdentifiers"]}
        assert same == {("IsIdenticalTo", one.urn)}
    near = to_prov_json(store.documents().extract([two.urn], depth=1))
    import_prov(other, written(tmp_path, near))
    assert other.check() == []
    assert [o["id"] for o in other.documents().record(two.urn)["same_as"]] == [one.urn]


def test_importing_twice_and_where_it_came_from_changes_nothing(
    store: Store, other: Store, tmp_path: Path
) -> None:
    some_science(other)
    file = written(tmp_path, whole(other))
    import_prov(store, file)
    before = store.info()
    again = import_prov(store, file)
    assert (again.records, again.links, again.known) == ({}, 0, 8)
    assert store.info() == before
    at_home = other.info()
    import_prov(other, file)
    assert other.info() == at_home


def test_a_dry_run_writes_nothing(store: Store, other: Store, tmp_path: Path) -> None:
    some_science(other)
    before = store.info()
    found = import_prov(store, written(tmp_path, whole(other)), dry_run=True)
    assert found.records["data"] == 2
    assert store.info() == before


def test_a_later_export_brings_what_was_invalidated_since(
    store: Store, other: Store, tmp_path: Path
) -> None:
    scan = other.data("scan")
    result = other.data("result", depends_on=[scan])
    import_prov(store, written(tmp_path, whole(other)))
    assert "invalidated" not in store.documents().record(result.urn)
    other.mark(scan, Mark.INVALIDATED, "beam was off")
    import_prov(store, written(tmp_path, whole(other)))
    assert store.documents().record(scan.urn)["invalidated"]["cause"] == "beam was off"


def test_a_record_that_is_something_else_here_is_a_conflict(
    store: Store, other: Store, tmp_path: Path
) -> None:
    scan = other.data("scan")
    text = whole(other)
    import_prov(store, written(tmp_path, text))
    with pytest.raises(Conflict, match=scan.urn):
        import_prov(store, written(tmp_path, text.replace('"scan"', '"another"')))


def test_what_lies_beyond_the_depth_is_named_and_linked_to(
    store: Store, other: Store, tmp_path: Path
) -> None:
    peaks = some_science(store)
    found = store.documents().extract([peaks.urn], depth=1)
    assert {stub["name"] for stub in found.stubs.values()} == {"setup.cfg", "Train", "braggnn"}
    text = to_prov_json(found)
    import_prov(other, written(tmp_path, text))
    assert other.check() == []
    again = to_prov_json(other.documents().extract([peaks.urn]))
    assert json.loads(again)["entity"].keys() == json.loads(text)["entity"].keys()


def test_what_is_invalid_stays_so_where_its_cause_is_left_out(
    store: Store, other: Store, tmp_path: Path
) -> None:
    bad = store.data("bad scan")
    store.mark(bad, Mark.INVALIDATED, "beam was off")
    between = store.data("between", depends_on=[bad])
    result = store.data("result", depends_on=[between])
    step = store.step("Look", inputs=[result])
    made = step.output("made")
    file = written(tmp_path, to_prov_json(store.documents().extract([made.urn], depth=2)))
    import_prov(other, file)
    for record in (result, step, made):
        cause = other.documents().record(record.urn)["invalidated"]["cause"]
        assert cause == f"beam was off (because of {bad.urn})"
    before = other.info()
    import_prov(other, file)
    assert other.info() == before
    at_home = store.info()
    import_prov(store, file)
    assert store.info() == at_home


def test_who_may_not_see_a_record_gets_a_placeholder_in_its_place(
    store: Store, other: Store, tmp_path: Path
) -> None:
    from provenance_store import Audience

    secret = store.recorder(audience=Audience("urn:x:them")).data("secret")
    mine = store.recorder(audience=Audience("urn:x:me"))
    seen = mine.data("seen", depends_on=[secret])
    text = to_prov_json(store.documents(Viewer(frozenset({"urn:x:me"}))).extract([seen.urn]))
    assert "secret" not in text
    assert secret.urn not in text
    assert "hidden:1" in text
    imported = import_prov(other, written(tmp_path, text))
    assert imported.records == {"data": 1}
    assert any("left out" in note for note in imported.notes)


def test_a_whole_run_is_exported_with_what_it_used(store: Store) -> None:
    outside = store.fact("a constant")
    recorder = store.recorder(run_id="run-1")
    recorder.run("run-1", status="SUCCEEDED")
    recorder.step("Look", inputs=[outside]).finish()
    found = store.documents().extract(run_ids=["run-1"], directions=())
    assert {r["name"] for r in found.records.values()} == {"Look", "a constant"}
    with pytest.raises(NotFound, match="no run nothing"):
        store.documents().extract(run_ids=["nothing"])


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(nodes=graphs())
def test_any_graph_survives_the_round_trip(
    nodes: list[dict[str, Any]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("graph")
    with (
        open_store(f"sqlite:///{folder / 'a.db'}") as here,
        open_store(f"sqlite:///{folder / 'b.db'}") as there,
    ):
        record_graph(here, nodes)
        text = whole(here)
        document = prov.ProvDocument.deserialize(content=text, format="json")
        again = document.serialize(format="json")
        assert prov.ProvDocument.deserialize(content=again, format="json") == document
        import_prov(there, written(folder, text))
        assert whole(there) == text
        import_prov(there, written(folder, again))
        assert whole(there) == text
        assert there.check() == []


# ---- what others wrote --------------------------------------------------------------------------


def test_a_document_of_others_becomes_records_with_inferred_kinds(
    store: Store, tmp_path: Path
) -> None:
    imported = import_prov(store, written(tmp_path, FOREIGN))
    assert imported.records == {"fact": 1, "data": 1, "model": 2, "dataset": 1, "step": 1}
    assert imported.notes == (
        "1 alternateOf relations are kept as they were said, and are no links.",
    )
    scan = named(store, "the scan")
    assert scan["kind"] == "data"
    assert [u["uri"] for u in scan["uris"]] == ["http://example.org/scan"]
    assert scan["tags"] == {"imported": "PROV", "ex:frames": 12}
    assert scan["invalidated"]["at"].startswith("2024-02-01")
    net = named(store, "net2")
    assert (net["version"], net["created_at"][:19]) == (1, "2024-01-01T10:30:00")
    assert {(x["role"], x["name"]) for x in net["links"]} == {
        ("revision_of", "net1"),
        ("generated_by", "train"),
    }
    step = named(store, "train")
    assert step["tags"]["wasAssociatedWith"] == "Ada (http://example.org/ada)"
    assert (step["status"], step["start_time"][:19]) == ("ENDED", "2024-01-01T09:00:00")
    assert store.check() == []


def test_a_document_of_others_imported_twice_changes_nothing_whatever_its_spelling(
    store: Store, tmp_path: Path
) -> None:
    import_prov(store, written(tmp_path, FOREIGN))
    before = store.info()
    turned = {key: FOREIGN[key] for key in reversed(FOREIGN)}
    again = import_prov(store, written(tmp_path, json.dumps(turned, indent=4)))
    assert (again.records, again.known) == ({}, 6)
    assert store.info() == before


def test_things_in_bundles_and_things_only_spoken_of_are_taken_in(
    store: Store, tmp_path: Path
) -> None:
    document = {
        "prefix": {"ex": "http://example.org/"},
        "bundle": {
            "ex:b": {
                "entity": {"ex:a": {"ex:note": ["one", "two"]}},
                "wasDerivedFrom": {
                    "_:1": {"prov:generatedEntity": "ex:a", "prov:usedEntity": "ex:unsaid"}
                },
            }
        },
    }
    imported = import_prov(store, written(tmp_path, document))
    assert imported.records == {"data": 2}
    assert imported.links == 1
    assert named(store, "a")["tags"]["ex:note"] == "one, two"


def test_what_others_derive_from_our_records_is_linked_to_them(
    store: Store, tmp_path: Path
) -> None:
    scan = store.data("scan")
    origin, _, number = scan.urn.rpartition(":")
    document = {
        "prefix": {"ex": "http://example.org/", "o": f"{origin}:"},
        "wasDerivedFrom": {
            "_:1": {"prov:generatedEntity": "ex:fit", "prov:usedEntity": f"o:{number}"},
            "_:2": {"prov:generatedEntity": f"o:{number}", "prov:usedEntity": "ex:other"},
        },
    }
    imported = import_prov(store, written(tmp_path, document))
    assert (imported.records, imported.links) == ({"data": 2}, 1)
    assert imported.notes == (
        "1 wasDerivedFrom relations of records that are not described were left out.",
    )
    assert [link["id"] for link in named(store, "fit")["links"]] == [scan.urn]
    assert store.info()["tables"]["stub"] == 0


def test_revisions_in_a_circle_are_harmless(store: Store, tmp_path: Path) -> None:
    model = {"prov:type": "a model"}
    revision = {"$": "prov:Revision", "type": "xsd:QName"}
    document = {
        "prefix": {"ex": "http://example.org/"},
        "entity": {"ex:a": model, "ex:b": model},
        "wasDerivedFrom": {
            "_:1": {
                "prov:generatedEntity": "ex:a",
                "prov:usedEntity": "ex:b",
                "prov:type": revision,
            },
            "_:2": {
                "prov:generatedEntity": "ex:b",
                "prov:usedEntity": "ex:a",
                "prov:type": revision,
            },
        },
    }
    imported = import_prov(store, written(tmp_path, document))
    assert (imported.records, imported.links) == ({"model": 2}, 1)
    assert "derive from itself" in imported.notes[-1]
    assert {named(store, n)["version"] for n in ("a", "b")} == {0, 1}


def test_secrets_in_documents_of_others_are_redacted(store: Store, tmp_path: Path) -> None:
    document = {
        "prefix": {"ex": "http://example.org/"},
        "entity": {"ex:a": {"ex:password": "hunter2", "prov:location": "https://u:hunter2@h/x"}},
    }
    import_prov(store, written(tmp_path, document))
    assert "hunter2" not in json.dumps(named(store, "a"))


# ---- what is refused ---------------------------------------------------------------------------

OWN = "urn:braid:0b2f9f1c-11a4-4a2e-9d9f-3f1f5a0e6d11:"


def own(**attributes: Any) -> dict[str, Any]:
    about = {
        "prov:label": "x",
        "prov:type": {"$": "braid:Data", "type": "xsd:QName"},
        "braid:created_at": {"$": "2024-01-01T00:00:00Z", "type": "xsd:dateTime"},
    }
    about |= {f"braid:{name}": value for name, value in attributes.items()}
    return {
        "prefix": {"braid": "urn:braid:terms:", "o": OWN},
        "entity": {"o:1": {k: v for k, v in about.items() if v is not None}},
    }


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        ("", "the file is empty"),
        ("{", "line 1 column 2: this is not JSON"),
        ("[1, 2]", r"\$: a PROV-JSON document is an object"),
        ('{"a": 1}', "none of the parts of PROV-JSON"),
        ('{"entity": 3}', r"\$.entity: an object is needed"),
        ('{"entity": {"ex:a": 3}}', r"\$.entity\['ex:a'\]: an object is needed"),
        ('{"entity": {"ex:a": {"ex:b": null}}}', r"\['ex:b'\]: a value is text"),
        ('{"entity": {"ex:a": {"ex:b": {"$": []}}}}', r"\['ex:b'\]: a typed value"),
        ('{"prefix": {"ex": 1}, "entity": {}}', "the URI of a prefix is text"),
        ('{"entity": {}, "entity": {}}', "the key 'entity' is given twice"),
        ('{"entity": {"nowhere:a": {}}}', "the prefix 'nowhere' is not declared"),
        ('{"entity": {"a": {"b": NaN}}}', "NaN is not a JSON number"),
        ("[" * 100_000, "levels deep"),
        ('{"x": ' * 70 + "1" + "}" * 70, "levels deep"),
        (own(created_at=3), r"\$.entity\['o:1'\]: braid:created_at is a time"),
        (own(version=-1), "prov:type says|braid:version"),
        (own(mark="{}"), "braid:mark has id"),
        (own(mark="nothing"), "braid:mark is JSON in text"),
        (own(file='{"uri": 3}'), "The URI must be text"),
        (own(environment="x"), "which is not described"),
    ],
)
def test_what_is_no_prov_is_refused_with_its_place_and_nothing_is_written(
    store: Store, tmp_path: Path, document: Any, sentence: str
) -> None:
    if isinstance(document, dict) and "braid:version" in document["entity"]["o:1"]:
        document["entity"]["o:1"]["prov:type"]["$"] = "braid:Model"
    before = store.info()
    with pytest.raises(InvalidInput, match=sentence) as caught:
        import_file(store, written(tmp_path, document))
    assert str(tmp_path) in caught.value.message
    assert store.info() == before


def places(value: Any, here: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in inner:
        yield (*here, key)
        if isinstance(item, dict | list):
            yield from places(item, (*here, key))


ODD = st.sampled_from(
    [
        None,
        0,
        True,
        1e300,
        10**30,
        "",
        "x" * 20_000,
        "\x00",
        "_:b",
        "ex:a b",
        f"{OWN}7",
        {},
        [],
        [1, "a"],
        "{}",
        '{"id": 1}',
        {"$": "x", "type": "xsd:int"},
        {"$": "ex:a", "type": "xsd:QName"},
        {"$": "2024-13-45T", "type": "xsd:dateTime"},
    ]
)


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_whatever_a_document_holds_it_is_imported_or_refused_with_a_sentence(
    data: st.DataObject, exported: str, odd_store: Store, tmp_path: Path
) -> None:
    document = json.loads(exported) if data.draw(st.booleans()) else json.loads(json.dumps(FOREIGN))
    for _ in range(data.draw(st.integers(1, 3))):
        *path, last = data.draw(st.sampled_from(sorted(places(document), key=str)))
        inner = document
        for key in path:
            inner = inner[key]
        # A copy: the same empty list or object put into itself would be no document.
        inner[last] = copy.deepcopy(data.draw(ODD))
    try:
        import_file(odd_store, written(tmp_path, document))
    except (Conflict, InvalidInput) as error:
        assert "\n" not in error.message
    assert odd_store.check() == []


@pytest.fixture
def odd_store(tmp_path: Path) -> Iterator[Store]:
    """One store for all documents of a test, each imported into what the others left."""
    with open_store(f"sqlite:///{tmp_path / 'odd.db'}") as store:
        yield store


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> str:
    file = tmp_path_factory.mktemp("exported") / "braid.db"
    with open_store(f"sqlite:///{file}") as store:
        some_science(store)
        return whole(store)


def test_a_file_that_is_too_large_is_refused(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BRAID_MAX_IMPORT_BYTES", "2048")
    with pytest.raises(TooLarge, match="more than 2048 bytes"):
        import_prov(store, written(tmp_path, {"entity": {"a": {"b": "x" * 4096}}}))


def test_parts_that_are_not_of_prov_are_left_out_and_told(store: Store, tmp_path: Path) -> None:
    document = FOREIGN | {"something": {"else": 1}}
    imported = import_prov(store, written(tmp_path, document))
    assert "$.something is not a part of PROV-JSON and was left out." in imported.notes
    assert imported.records[Kind.STEP.label] == 1
