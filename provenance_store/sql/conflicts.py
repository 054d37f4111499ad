"""What two stores say differently of the same records."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import sqlalchemy as sa

from provenance_store.ids import short_id
from provenance_store.sql.merge import MERGED, Other
from provenance_store.sql.order import is_newer
from provenance_store.sql.tables import KEYS, TABLE
from provenance_store.sql.write import closed, told

__all__ = ["REPORTED", "conflicts", "tag_differences", "tags_to_settle"]

REPORTED = 10
"""How many differences of one kind are told."""

_record, _stub, _tag = TABLE["record"], TABLE["stub"], TABLE["tag"]
_audience, _member = TABLE["audience"], TABLE["audience_member"]
Row = Any


def conflicts(other: Other) -> Iterator[str]:
    """A sentence for each difference that a merge cannot take, at most ten of a kind.

    Rows with the same key and another content; links that would be added to a record that is
    closed to additions; members that would be added to an audience; stubs that name another
    record than the one that is here.
    """
    for name in MERGED:
        if name not in ("stub", "same_as"):  # two stores may both find that records are one thing
            yield from _changed(other, name)
    yield from _stubs(other)
    yield from _links(other)
    yield from _members(other)


def _changed(other: Other, name: str) -> list[str]:
    ours, theirs = TABLE[name], other.rows(name)
    keys = KEYS[name]
    others = [c for c in told(ours) if c.name not in keys]
    if not others:
        return []
    same_key = sa.and_(*(ours.c[key] == theirs.c[key] for key in keys))
    differs = [c.is_distinct_from(theirs.c[c.name]) for c in others]
    columns = [*told(ours), *(theirs.c[c.name] for c in others)]
    query = sa.select(*columns).join(theirs, same_key).where(sa.or_(*differs)).limit(REPORTED)
    return [_sentence(ours, others, row) for row in other.connection.execute(query)]


def _sentence(ours: sa.Table, others: list[sa.Column[Any]], row: Row) -> str:
    width = len(told(ours))
    stored = dict(zip((c.name for c in told(ours)), row[:width], strict=True))
    given = dict(zip((c.name for c in others), row[width:], strict=True))
    key = stored[KEYS[ours.name][0]]
    field = next(name for name, value in given.items() if value != stored[name])
    return _told(key, f"{ours.name}.{field}", stored[field], given[field])


def _told(key: Any, field: str, stored: Any, given: Any) -> str:
    named = short_id(key) if isinstance(key, int) else str(key)
    return f"{named}: {field} is {stored!r:.80} here, {given!r:.80} there."


def _stubs(other: Other) -> Iterator[str]:
    stubs, records = other.rows("stub"), other.rows("record")
    for ours, theirs, place in (
        (_stub, stubs, "stub"),
        (_record, stubs, "stub"),
        (_stub, records, "record"),
    ):
        names_differ = ours.c.name != theirs.c.name  # unknown where one of them is hidden
        differs = sa.or_(ours.c.kind != theirs.c.kind, names_differ)
        query = (
            sa.select(ours.c.id, ours.c.kind, ours.c.name, theirs.c.kind, theirs.c.name)
            .join(theirs, theirs.c.id == ours.c.id)
            .where(differs)
            .limit(REPORTED)
        )
        for row in other.connection.execute(query):
            yield _told(row[0], place, tuple(row[1:3]), tuple(row[3:5]))


def _links(other: Other) -> list[str]:
    new, late = other.new_links(), other.rows("late_link")
    explained = sa.exists().where(*(late.c[c.name] == c for c in new.columns))
    query = (
        sa.select(new.c.from_id)
        .distinct()
        .join(_record, _record.c.id == new.c.from_id)
        .where(~explained)
    )
    found = other.connection.execute(query).scalars().all()
    added = closed(other.connection, sorted(found))[:REPORTED]
    return [
        f"{short_id(record_id)}: depends on more there than here, and takes no additions."
        for record_id in added
    ]


def _members(other: Other) -> list[str]:
    theirs = other.rows("audience_member")
    new = ~sa.exists().where(
        _member.c.digest == theirs.c.digest, _member.c.principal == theirs.c.principal
    )
    query = (
        sa.select(theirs.c.digest, theirs.c.principal)
        .join(_audience, _audience.c.digest == theirs.c.digest)
        .where(new)
        .limit(REPORTED)
    )
    return [
        f"{row.digest}: {row.principal} is not a member of this audience here."
        for row in other.connection.execute(query)
    ]


def tag_differences(other: Other) -> list[str]:
    """Records whose current tags differ, a sentence each, at most ten."""
    rows = other.connection.execute(_tags_that_differ(other).limit(REPORTED))
    return [_told(row.record_id, f"tag {row.name}", row.ours, row.text) for row in rows]


def tags_to_settle(other: Other) -> Sequence[Row]:
    """(record_id, name, type, text, number) of the other store's current tags that differ."""
    return other.connection.execute(_tags_that_differ(other)).all()


def _tags_that_differ(other: Other) -> sa.Select[Any]:
    theirs = other.rows("tag")
    later = theirs.alias()
    return (
        sa.select(
            theirs.c.record_id,
            theirs.c.name,
            theirs.c.type,
            theirs.c.text,
            theirs.c.number,
            _tag.c.text.label("ours"),
        )
        .join(_tag, sa.and_(*_same_tag(_tag, theirs)))
        .where(
            _is_current(theirs, later),
            _is_current(_tag, _tag.alias()),
            sa.or_(_tag.c.type != theirs.c.type, _tag.c.text != theirs.c.text),
        )
    )


def _same_tag(one: Any, other: Any) -> tuple[sa.ColumnElement[bool], ...]:
    return one.c.record_id == other.c.record_id, one.c.name == other.c.name


def _is_current(tag: Any, later: Any) -> sa.ColumnElement[bool]:
    newer = is_newer(later, tag, "set_at")
    return ~sa.exists().where(*_same_tag(later, tag), newer)
