"""What PROV documents of others say is kept and goes out again, in every format."""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from provenance_store import Store, open_store
from provenance_store.errors import InvalidInput, MissingExtra
from provenance_store.exchange.extract import Extract
from provenance_store.exchange.formats import import_file
from provenance_store.exchange.prov.export import to_prov, to_prov_json
from provenance_store.exchange.prov.importing import import_prov
from provenance_store.statement.page import account
from tests.support.exchange import some_science, whole, written
from tests.support.needs import need_module

prov = need_module("prov.model")

DOCUMENTS = Path(sys.modules["prov"].__file__ or "").parent / "tests" / "json"
DIFFER: frozenset[str] = frozenset()
"""Of the documents that `prov` is tested with those that come out different."""

RICH = {
    "prefix": {"ex": "http://example.org/", "q": "http://lab1.org/", "wf": "http://wf.org/"},
    "entity": {
        "ex:in": {
            "q:temp": {"$": "300", "type": "xsd:nonNegativeInteger"},
            "ex:n": [3, 20, 100],
            "prov:label": [{"$": "Zebra", "lang": "en"}, {"$": "Aal", "lang": "de"}],
        },
        "ex:out": [{"ex:a": 1}, {"ex:a": 2}],
        "ex:plan": {"prov:type": {"$": "prov:Plan", "type": "prov:QUALIFIED_NAME"}},
    },
    "activity": {
        "ex:run": [
            {"prov:startTime": "2020-01-01T00:00:00Z"},
            {"prov:startTime": "2020-01-01T00:00:01Z", "prov:endTime": "2020-01-01T01:00:00Z"},
        ]
    },
    "agent": {"ex:ada": {"prov:type": "person"}, "ex:lab": {}, "ex:nobody": {}},
    "used": {
        "_:u": {
            "prov:activity": "ex:run",
            "prov:entity": "ex:in",
            "prov:role": {"$": "wf:trainset", "type": "prov:QUALIFIED_NAME"},
            "prov:time": "2020-01-01T00:10:00Z",
        }
    },
    "wasDerivedFrom": {
        "_:d": {
            "prov:generatedEntity": "ex:out",
            "prov:usedEntity": "ex:in",
            "prov:activity": "ex:run",
            "prov:usage": "_:u",
        }
    },
    "wasAssociatedWith": {
        "_:a": {
            "prov:activity": "ex:run",
            "prov:agent": "ex:ada",
            "prov:plan": "ex:plan",
            "prov:role": "operator",
        }
    },
    "actedOnBehalfOf": {"_:b": {"prov:delegate": "ex:ada", "prov:responsible": "ex:lab"}},
    "wasEndedBy": {"_:e": {"prov:activity": "ex:run", "prov:trigger": "ex:in"}},
    "bundle": {
        "ex:b1": {
            "prefix": {"q": "http://lab2.org/"},
            "entity": {"ex:in": {"q:temp": 27}},
            "activity": {"ex:in": {}},
        },
        "ex:empty": {"prefix": {"ex": "http://example.org/"}},
    },
}


@pytest.fixture(autouse=True)
def without_warnings() -> Iterator[None]:
    """`prov` warns those who write documents of what a later version refuses."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=UserWarning, module="prov|tests")
        warnings.simplefilter("ignore")
        yield


def read(text: str, format: str = "json") -> Any:
    return prov.ProvDocument.deserialize(content=text, format=format)


def named(store: Store, name: str) -> dict[str, Any]:
    (found,) = store.documents().records(name=name)["records"]
    return store.documents().record(found["id"])


def test_all_documents_that_prov_is_tested_with_come_in_and_go_out_equal(tmp_path: Path) -> None:
    """One store, and each document by the records that it brought. DIFFER may only shrink."""
    files = sorted(DOCUMENTS.glob("*.json"))
    assert len(files) > 390
    brought: dict[str, set[str]] = {}
    with open_store(f"sqlite:///{tmp_path / 'braid.db'}") as store:
        for file in files:
            brought.setdefault(str(import_file(store, file)[1].origin), set()).add(file.name)
        assert store.check() == []
        records = store.documents().extract(everything=True, limit=10_000).records
    by_origin: dict[str, dict[str, Any]] = {}
    for urn, record in records.items():
        by_origin.setdefault(urn.split(":")[2], {})[urn] = record
    assert by_origin.keys() == brought.keys()
    differ = {
        name
        for origin, names in brought.items()
        for name in names
        if read(to_prov_json(Extract(records=by_origin[origin])))
        != prov.ProvDocument.deserialize(str(DOCUMENTS / name))
    }
    assert differ == DIFFER


def test_namespaces_types_languages_roles_plans_delegation_and_bundles_are_kept(
    store: Store, other: Store, tmp_path: Path
) -> None:
    imported = import_prov(store, written(tmp_path, RICH))
    assert imported.notes == (
        "1 actedOnBehalfOf relations are kept as they were said, and are no links.",
        "1 wasEndedBy relations are kept as they were said, and are no links.",
        "What is said to be both an entity and an activity is a step here: ex:in.",
    )
    text = whole(store)
    given = {**RICH, "used": {"ex:u": RICH["used"]["_:u"]}}
    given["wasDerivedFrom"] = {"_:d": {**RICH["wasDerivedFrom"]["_:d"], "prov:usage": "ex:u"}}
    document = json.loads(text)
    ((usage, said),) = document.pop("used").items()
    assert document["wasDerivedFrom"].popitem()[1]["prov:usage"] == usage
    document["used"] = {"ex:u": said}
    document["wasDerivedFrom"] = given["wasDerivedFrom"]
    assert read(json.dumps(document)) == read(json.dumps(given))
    assert [b.identifier.uri for b in read(text).bundles] == [
        "http://example.org/b1",
        "http://example.org/empty",
    ]
    tags = named(store, "Zebra")["tags"]
    assert (tags["http://lab1.org/temp"], tags["http://lab2.org/temp"]) == (300, 27)
    assert tags["ex:n"] == "3, 20, 100"
    # What is said again is the same document, wherever it comes in.
    import_prov(other, written(tmp_path, text))
    assert whole(other) == text
    assert import_prov(store, written(tmp_path, text)).records == {}


def test_what_was_said_here_of_imported_records_goes_out_with_their_words(
    store: Store, other: Store, tmp_path: Path
) -> None:
    import_prov(store, written(tmp_path, RICH))
    fit = store.data("fit", depends_on=[named(store, "out")["id"]])
    text = to_prov_json(store.documents().extract([fit.urn]))
    import_prov(other, written(tmp_path, text))
    assert to_prov_json(other.documents().extract([fit.urn])) == text
    activities = json.loads(text)["activity"].values()  # in one bundle it is one
    kept = next(a for a in activities if a.get("prov:label") == "Zebra")
    assert json.loads(kept["document:prov"])["entity"]["ex:in"]["prov:label"][0]["lang"] == "en"


@pytest.mark.parametrize("format_", ["prov-n", "prov-jsonld", "prov-xml"])
@pytest.mark.parametrize("ours", [True, False])
def test_every_format_comes_in_as_it_went_out(
    store: Store, other: Store, tmp_path: Path, format_: str, ours: bool
) -> None:
    if ours:
        some_science(store)
    else:
        import_prov(store, written(tmp_path, RICH))
    extract = store.documents().extract(everything=True)
    if format_ == "prov-xml" and find_spec("lxml") is None:
        with pytest.raises(MissingExtra, match=r"pip install 'prov\[xml\]'"):
            to_prov(extract, format_)
        return
    file = tmp_path / "document"
    file.write_text(to_prov(extract, format_))
    shown = import_file(other, file)[0]
    assert shown.lower() == format_
    assert read(whole(other)) == read(whole(store))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("document\n entity(x)\nendDocument", "this is not PROV: line 2"),
        ("document \udcff", "not text in UTF-8"),
        ('{"@context": [], "@graph": 3}', "this is not PROV"),
        ('<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><x>&a;</x>', "no DOCTYPE"),
    ],
)
def test_what_is_no_prov_in_other_formats_is_refused(
    store: Store, tmp_path: Path, text: str, sentence: str
) -> None:
    file = tmp_path / "document"
    file.write_text(text, errors="surrogateescape")
    before = store.info()
    with pytest.raises(InvalidInput, match=sentence):
        import_file(store, file)
    assert store.info() == before


@pytest.mark.parametrize(
    ("time", "kept", "sentence"),
    [
        ("2016-12-31T23:59:60Z", "2016-12-31T23:59:59.999999+00:00", "microsecond before"),
        ("2026-11-01T24:00:00Z", "2026-11-02T00:00:00.000000+00:00", None),
        ("12026-11-01T12:00:00Z", None, "is not a time in the years 1 to 9999"),
        ("-0044-03-15T00:00:00Z", None, "is not a time"),
        ("0001-01-01T00:00:00+14:00", None, "is not a time"),
        ("noon", None, "is not a time"),
        (["2016-12-31T23:59:60Z"], "2016-12-31T23:59:59.999999+00:00", "microsecond before"),
        (["noon"], None, "is not a time"),
        (5, None, "is not a time"),
        (None, None, "is not a time"),
    ],
)
def test_one_odd_time_costs_no_document(
    store: Store, tmp_path: Path, time: Any, kept: str | None, sentence: str | None
) -> None:
    document = {
        "prefix": {"ex": "http://example.org/", "braid": "http://somebody.else/"},
        "activity": {"ex:odd": {"prov:startTime": time}, "ex:good": {}},
    }
    found = import_prov(store, written(tmp_path, document))
    assert found.records == {"step": 2}
    assert named(store, "odd")["start_time"] == kept
    if sentence is None:
        assert found.notes == ()
        return
    assert sentence in found.notes[0]
    assert "$.activity['ex:odd']['prov:startTime']" in found.notes[0]
    given = time[0] if isinstance(time, list) else time
    text = "null" if given is None else str(given)
    assert json.loads(whole(store))["activity"]["ex:odd"]["braid2:startTime_as_given"] == text


def test_statements_are_kept_in_their_own_words_with_the_prefixes_that_they_need(
    store: Store, tmp_path: Path
) -> None:
    said = {
        "prov:startTime": "2024-01-01T01:00:00+01:00",
        "ex:digest": "sha256:ABCDEF",
        "ex:p": 1.5,
        "q:n": [{"$": 3, "type": "xsd:int"}],
    }
    used = {"_:u": {"prov:activity": "ex:step", "prov:entity": "http://far.org/in"}}
    document = {
        "prefix": {"ex": "http://example.org/", "q": "http://lab.org/", "far": "http://far.org/"}
        | {"none": "http://none.org/"},
        "activity": {"ex:step": said},
        "used": used,
        "bundle": {"ex:b": {"prefix": {"q": "http://2.org/"}, "entity": {"q:x": {"ex:a": 1}}}},
    }
    import_prov(store, written(tmp_path, document))
    kept = {
        record["name"]: record["payloads"]["prov"]
        for record in store.documents().extract(everything=True).records.values()
        if "prov" in record["payloads"]
    }
    prefixes = document["prefix"]
    del prefixes["none"]
    assert kept["step"] == {"prefix": prefixes, "activity": {"ex:step": said}, "used": used}
    bundle = {"prefix": {"q": "http://2.org/"}, "entity": {"q:x": {"ex:a": 1}}}
    assert kept["x"] == {"prefix": {"ex": "http://example.org/"}, "bundle": {"ex:b": bundle}}
    assert read(whole(store)) == read(json.dumps(document))


def test_a_document_without_times_claims_none(store: Store, tmp_path: Path) -> None:
    document = {
        "prefix": {"ex": "http://example.org/"},
        "activity": {"ex:step": {}},
        "used": {"_:u": {"prov:activity": "ex:step", "prov:entity": "ex:a"}},
        "wasGeneratedBy": {"_:g": {"prov:activity": "ex:step", "prov:entity": "ex:b"}},
        "wasInvalidatedBy": {"_:i": {"prov:entity": "ex:a"}},
    }
    import_prov(store, written(tmp_path, document))
    for name in ("a", "b"):
        statement = store.documents().statement(named(store, name)["id"])
        text = account(statement)
        assert "1970" not in text
        assert "at an unknown time" in text
