"""Rows that earlier versions wrote and nobody could read, and how they are mended.

Repair adds and does not rewrite: a tag gets a newer value over the bad one, under an id that
follows from the bad one's, so that copies of a store are mended alike. Only a time that is kept
as text is rewritten: no list could show it and no statement could hold it.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any, NamedTuple

import sqlalchemy as sa

from provenance_store.errors import InvalidInput
from provenance_store.ids import MAX_SEQUENCE, SEQUENCE_BITS, make_id, short_id
from provenance_store.rows import OriginRow, TagRow
from provenance_store.sql.integrity_check import is_unreadable
from provenance_store.sql.models import index_all
from provenance_store.sql.tables import TABLE
from provenance_store.times import micros
from provenance_store.validation.limits import Gate
from provenance_store.validation.rows import tag_row
from provenance_store.values import tag_value

__all__ = ["Mended", "repair_all"]

_NAMESPACE = uuid.UUID("2c1b7a7e-64a5-5b53-8d6e-0f3d9a1be5c4")
_tag, _origin = TABLE["tag"], TABLE["origin"]
_TIMES = (
    *(("record", "created_at"), ("step", "started_at"), ("outcome", "completed_at")),
    *(("tag", "set_at"), ("mark", "at"), ("file_check", "at"), ("run_event", "at")),
    *(("run_event", "start_time"), ("run_event", "completion_time")),
    *(("run", "start_time"), ("run", "completion_time")),
)


class Mended(NamedTuple):
    """One thing that was mended, or would be: where, what it is, and what it becomes."""

    record: str
    field: str
    before: str
    after: str

    def sentence(self) -> str:
        """For people."""
        return (
            f"{self.field} of {self.record} is {self.before!r:.80}; it becomes {self.after!r:.80}."
        )

    def to_dict(self) -> dict[str, str]:
        """As JSON."""
        return self._asdict()


def repair_all(connection: sa.Connection) -> list[Mended]:
    """Mend everything that is known how to, inside the caller's transaction; again does nothing."""
    times = list(_times(connection))  # first: tags are compared by theirs
    if sa.inspect(connection).has_table("parameter"):  # an older store gets it by its migration
        index_all(connection)
    return [*_tags(connection), *times]


def _tags(connection: sa.Connection) -> Iterator[Mended]:
    """Numbers and truth values that are kept as other text get a newer value."""
    bad = is_unreadable(sqlite=connection.dialect.name == "sqlite")
    query = sa.select(*_tag.columns).where(bad).order_by(_tag.c.record_id, _tag.c.name)
    origins: dict[int, int] = {}
    for found in connection.execute(query).all():
        row = TagRow(*found)
        value = tag_value(row.type, row.text)
        no = row.id >> SEQUENCE_BITS
        if no not in origins:
            origins[no] = _repairer(connection, no)
        new_id = make_id(origins[no], row.id & MAX_SEQUENCE)
        new = tag_row(Gate(), row.record_id, new_id, row.name, value, int(row.set_at) + 1)
        connection.execute(_tag.insert().values(new._asdict()))
        yield Mended(short_id(row.record_id), f"tag {row.name}", row.text, new.text)


def _repairer(connection: sa.Connection, no: int) -> int:
    """The origin of the values that mend those of an origin."""
    from provenance_store.sql.insert import register_origin

    of_row = connection.execute(sa.select(_origin).where(_origin.c.no == no)).first()
    named = str(no) if of_row is None else of_row.uuid
    made = OriginRow(0, str(uuid.uuid5(_NAMESPACE, named)), "", "", 0, "braid store repair", 0)
    return register_origin(connection, made)


def _times(connection: sa.Connection) -> Iterator[Mended]:
    """Times that SQLite kept as text, as Python's driver once wrote a datetime."""
    if connection.dialect.name != "sqlite":
        return
    for name, column in _TIMES:
        table = TABLE[name]
        is_text = sa.func.typeof(table.c[column]) == "text"
        keys = list(table.primary_key)
        shown = sa.cast(table.c[column], sa.Text)
        for *key, text in connection.execute(sa.select(*keys, shown).where(is_text)).all():
            at = _moment(text)
            this_one = sa.and_(*(k == value for k, value in zip(keys, key, strict=True)))
            connection.execute(table.update().where(this_one).values({column: at}))
            record = short_id(key[0]) if isinstance(key[0], int) else str(key[0])
            yield Mended(record, f"{name}.{column}", text, str(at))


def _moment(text: Any) -> int:
    try:
        return micros(text)
    except InvalidInput:
        return 0
