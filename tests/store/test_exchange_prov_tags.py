"""The history of tags goes along in PROV; who may read a record does not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from provenance_store import Audience, Batch, Store
from provenance_store.exchange.prov.importing import import_prov
from provenance_store.ids import now
from provenance_store.rows import TagRow
from tests.support.exchange import whole, written
from tests.support.needs import need_module

need_module("prov.model")

OWNER, READER = "urn:globus:auth:identity:ada", "urn:globus:groups:id:beamline"


def settings_in(text: str) -> list[dict[str, Any]]:
    (entity,) = json.loads(text)["entity"].values()
    found = entity.get("braid:tag_setting", [])
    return [json.loads(each) for each in (found if isinstance(found, list) else [found])]


def test_a_tag_that_was_set_again_goes_along_with_all_its_values(
    store: Store, other: Store, tmp_path: Path
) -> None:
    scan = store.data("scan", tags={"sample": "Ni", "temperature_K": 290.5, "hot": False})
    for value in (300, 310.25):
        store.tag(scan, {"temperature_K": value})
    later = TagRow(scan.id, "checked", store.sink.new_id(), 4, "true", 1.0, now() + 60_000_000)
    store.sink.write(Batch(tag=[later]))
    text = whole(store)
    told = {(each["name"], each["value"]) for each in settings_in(text)}
    assert told == {("temperature_K", 290.5), ("temperature_K", 300), ("temperature_K", 310.25)} | {
        ("checked", True)
    }
    import_prov(other, written(tmp_path, text))
    theirs = other.documents().record(scan.urn)["tags"]
    assert theirs == store.documents().record(scan.urn)["tags"]
    assert whole(other) == text
    assert other.check() == []
    other.tag(scan.urn, {"temperature_K": 320})
    assert other.documents().record(scan.urn)["tags"]["temperature_K"] == 320


def test_what_came_as_prov_and_comes_as_a_slice_has_each_value_once(
    store: Store, other: Store, tmp_path: Path
) -> None:
    scan = store.data("scan")
    for value in range(3):
        store.tag(scan, {"n": value})
    import_prov(other, written(tmp_path, whole(store)))
    store.slice(tmp_path / "slice.db")
    other.merge(tmp_path / "slice.db")
    assert other.info()["tables"]["tag"] == 3
    assert other.documents().record(scan.urn)["tags"] == {"n": 2}


def test_tags_given_when_a_record_was_made_need_no_history(store: Store) -> None:
    store.data("scan", tags={"sample": "Ni", "n": 1})
    assert settings_in(whole(store)) == []


def test_who_else_may_read_a_record_is_not_told(store: Store) -> None:
    audience = Audience(OWNER, readers=(READER,))
    store.recorder(audience=audience).data("scan")
    text = whole(store)
    assert OWNER.rpartition(":")[2] in text
    assert "beamline" not in text
