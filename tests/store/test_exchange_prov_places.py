"""Wrong PROV documents: the sentence names the statement, and where it can the attribute."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from provenance_store import Store
from provenance_store.errors import InvalidInput
from provenance_store.exchange.prov.importing import import_prov
from provenance_store.exchange.prov.names import NAMESPACES
from tests.support.needs import need_module

need_module("prov.model")

URN = "urn:braid:0b2f9f1c-11a4-4a2e-9d9f-3f1f5a0e6d11:"
PREFIX = {"ex": "http://example.org/", "o": URN} | {
    name: NAMESPACES[name] for name in ("braid", "tag", "document")
}
GOOD: dict[str, Any] = {
    "prov:label": "x",
    "prov:type": {"$": "braid:Data", "type": "xsd:QName"},
    "braid:created_at": {"$": "2024-01-01T00:00:00Z", "type": "xsd:dateTime"},
}


def own(**attributes: Any) -> dict[str, Any]:
    """A record of ours beside a good one; underscores in the first place stand for colons."""
    named = {name.replace("_", ":", 1): value for name, value in attributes.items()}
    return {"entity": {"o:1": GOOD, "o:2": GOOD | named}}


def setting(**about: Any) -> str:
    good = {"id": f"{URN}9", "name": "a", "value": 1, "at": "2024-01-01T00:00:00Z"}
    return json.dumps({k: v for k, v in (good | about).items() if v is not None})


O2 = "$.entity['o:2']"
BAD = [
    ({"entity": {"ex:a": {}, "no:b": {}}}, "$.entity['no:b']", "prefix 'no' is not declared"),
    ({"entity": {"ex:a": {"no:b": 1}}}, "$.entity['ex:a']", "no:b"),
    ({"bundle": {"no:b": {"entity": {}}}}, "$.bundle['no:b']", "prefix 'no' is not declared"),
    (
        {"bundle": {"ex:b": {"entity": {"ex:c": {}, "no:d": {}}}}},
        "$.bundle['ex:b'].entity['no:d']",
        "prefix 'no' is not declared",
    ),
    ({"prefix": {"ex": ""}, "entity": {}}, "$.prefix['ex']", "URI"),
    ({"used": {"_:u": {"prov:activity": ["ex:a", "ex:b"]}}}, "$.used['_:u']", "takes one"),
    (own(prov_label=""), f"{O2}['prov:label']", "must not be empty"),
    (own(braid_file="[]"), f"{O2}['braid:file']", "The URI must be text"),
    (own(braid_mark="{}"), f"{O2}['braid:mark']", "braid:mark has id"),
    (own(braid_invalidated='{"at": "x"}'), f"{O2}['braid:invalidated']", "not a time"),
    (own(document_x="{"), f"{O2}['document:x']", "JSON in text"),
    (own(braid_tag_setting="{}"), f"{O2}['braid:tag_setting']", "id, name, value and at"),
    (own(braid_tag_setting=setting(at="x")), f"{O2}['braid:tag_setting']", "not a time"),
    (own(braid_tag_setting=setting(id="x")), f"{O2}['braid:tag_setting']", "not the URN"),
    (own(braid_tag_setting=setting(name="")), f"{O2}['braid:tag_setting']", "not be empty"),
    (own(braid_tag_setting=setting(value=[])), f"{O2}['braid:tag_setting']", "A tag is text"),
    (own(braid_tag_setting=setting(name=None)), f"{O2}['braid:tag_setting']", "id, name, value"),
    (
        {"bundle": {"ex:b": own(prov_label=5)}},
        "$.bundle['ex:b'].entity['o:2']['prov:label']",
        "The name must be text",
    ),
]


@pytest.mark.parametrize(("document", "place", "sentence"), BAD)
def test_what_is_wrong_in_a_document_is_told_with_its_place(
    store: Store, tmp_path: Path, document: dict[str, Any], place: str, sentence: str
) -> None:
    file = tmp_path / "document.json"
    file.write_text(json.dumps({"prefix": PREFIX} | document))
    before = store.info()
    with pytest.raises(InvalidInput) as caught:
        import_prov(store, file)
    assert caught.value.path.startswith(f"{file}: $")
    assert caught.value.path.endswith(place)
    assert sentence in caught.value.message
    assert store.info() == before


def test_one_statement_among_many_that_cannot_be_read_is_named(
    store: Store, tmp_path: Path
) -> None:
    file = tmp_path / "document.json"
    for place in (0, 1234, 2999):
        names = [f"ex:{n}" for n in range(3000)]
        names[place] = "no:such"
        file.write_text(json.dumps({"prefix": PREFIX, "entity": {key: {} for key in names}}))
        with pytest.raises(InvalidInput, match=r"\$\.entity\['no:such'\]"):
            import_prov(store, file)
