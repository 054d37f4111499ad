"""Recording a case of `values` and reading back what was kept of it."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from provenance_store import Store, Uri
from provenance_store.handles import Record
from provenance_store.queries.documents import shown_number, whole
from provenance_store.recording.recorder import NOTE_TAG, Recorder
from provenance_store.sql.tables import TABLE
from provenance_store.values import tag_value
from tests.support.values import LEFT_OUT, Case

__all__ = ["kept_of", "noted", "record"]

OF_FILES = ("size", "digest", "media_type")
OF_STEPS = ("type", "ordinal")


def record(recorder: Recorder, case: Case) -> Record:
    """Record something with the value in its field."""
    value = case.value
    if case.field == "tag":
        return recorder.data("x", tags={"t": value})
    if case.field == "name":
        return recorder.data(value)
    if case.field == "tag name":
        return recorder.data("x", tags={value: 1})
    if case.field == "uri":
        return recorder.data("x", uris=[value])
    if case.field in OF_FILES:
        return recorder.data("x", uris=[Uri("file:///x", **{case.field: value})])
    if case.field == "metric":
        return recorder.model("m", metrics=[{"epoch": 0, "loss": value}])
    if case.field == "epoch":
        return recorder.model("m", metrics=[{"epoch": value, "loss": 1.0}])
    if case.field == "document":
        return recorder.step("s", parameters=value)
    if case.field == "time":
        return recorder.step("s", started_at=value)
    if case.field == "status":
        step = recorder.step("s")
        step.finish(value)
        return step
    return recorder.step("s", **{case.field: value})


def kept_of(store: Store, urn: str, field: str) -> Any:
    """What is kept in the field of a case, from the rows of the store."""
    record_id = store.sink.resolve(urn)
    if field == "name":
        return _one(store, "record", record_id).name
    if field in ("tag", "tag name"):
        tags = [row for row in _rows(store, "tag", record_id) if row.name != NOTE_TAG]
        (tag,) = [row for row in tags if row.name not in ("imported_from",)]
        return tag_value(tag.type, tag.text) if field == "tag" else tag.name
    if field == "uri":
        return _one(store, "uri", record_id).uri
    if field in OF_FILES:
        return getattr(_one(store, "uri", record_id), field)
    if field in ("metric", "epoch"):
        rows = _rows(store, "metric", record_id)
        if not rows:
            return LEFT_OUT
        return (
            shown_number(rows[0].value, rows[0].special)
            if field == "metric"
            else whole(rows[0].step)
        )
    if field == "document":
        (step,) = [store.documents().record(urn)]
        return step["parameters"]
    if field == "status":
        return _one(store, "outcome", record_id).status
    row = _one(store, "step", record_id)
    return row.started_at if field == "time" else getattr(row, field)


def noted(store: Store, urn: str) -> str | None:
    """The note that was recorded with a record, None if there is none."""
    tags = store.documents().record(urn)["tags"]
    note: str | None = tags.get(NOTE_TAG)
    return note


def _rows(store: Store, name: str, record_id: int) -> list[Any]:
    table = TABLE[name]
    column = table.c.record_id if "record_id" in table.c else table.c.id
    with store.sink.session.read() as connection:
        return list(connection.execute(sa.select(table).where(column == record_id)).all())


def _one(store: Store, name: str, record_id: int) -> Any:
    (row,) = _rows(store, name, record_id)
    return row
