"""Merging stores: identities are kept, twice changes nothing, a difference stops everything.

Records, links, marks and runs of both stores come together; a record takes the place of a stub.
What a store may say differently is the value of a tag, for tags have a history: a named policy
says which value counts. Invalidity is followed into what was recorded here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from provenance_store.enums import Mark
from provenance_store.errors import Conflict, InvalidInput
from provenance_store.ids import now
from provenance_store.rows import TagRow
from provenance_store.sinks.database import DatabaseSink
from provenance_store.sql.insert import fill_stubs
from provenance_store.sql.load import indexed_later
from provenance_store.sql.merge import (
    MERGED,
    OtherStore,
    beside,
    conflicts,
    tag_differences,
    tags_to_settle,
)
from provenance_store.sql.tables import TABLE
from provenance_store.sql.validity import follow_all, taint_size

__all__ = ["TAGS", "MergeConflict", "Merged", "merge_file"]

TAGS: Mapping[str, str] = {
    "latest": "both histories are kept, and the value that was set last counts",
    "ours": "a tag that a record has here stays as it is",
    "theirs": "the other store's value is set here again, so that it counts",
    "refuse": "a tag with another value stops the merge",
}
"""What happens to a tag that both stores have with another value, by the name of the policy."""

LARGE = 512 << 20
"""From how many bytes on SQLite's index of links, in a store without any yet, is made at the end:
while it fits into memory it is cheaper to make it on the way."""


class MergeConflict(Conflict):
    """The stores say different things of the same records; nothing was merged."""

    def __init__(self, differences: Iterable[str]) -> None:
        self.differences = tuple(differences)
        super().__init__(
            "The stores say different things of the same records, so nothing was merged: "
            + " ".join(self.differences)
        )


@dataclass(frozen=True)
class Merged:
    """What a merge added: new origins, and new rows by table (tables without any left out).

    `filled` is how many stubs have become records; `tainted` how many (record, invalid root)
    became known, `same` how many pairs of records turned out to be one thing, be they of one store
    or of both.
    """

    origins: int
    rows: Mapping[str, int] = field(default_factory=dict)
    filled: int = 0
    tainted: int = 0
    same: int = 0

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "origins": self.origins,
            "rows": dict(self.rows),
            "filled": self.filled,
            "tainted": self.tainted,
            "same": self.same,
        }


def merge_file(
    sink: DatabaseSink,
    file: Path,
    *,
    dry_run: bool = False,
    tags: str = "latest",
    progress: Callable[[str], object] = lambda what: None,
) -> Merged:
    """Merge the store in a SQLite file into ours, in one transaction; see `Store.merge`."""
    if tags not in TAGS:
        raise InvalidInput(f"{tags!r:.80} is not a policy for tags: {', '.join(TAGS)}.")
    if tags == "theirs":
        sink.new_id()  # registers the origin before the merge takes the write lock
    with sink.session.translated(), beside(sink.session.engine, file) as other:
        merge = _Merge(sink, other, tags, progress)
        merged = merge.done(dry_run, size=file.stat().st_size)
        if not dry_run:
            other.connection.commit()
    return merged


class _Merge:
    """One merge, inside its transaction."""

    def __init__(
        self, sink: DatabaseSink, other: OtherStore, tags: str, progress: Callable[[str], object]
    ) -> None:
        self._sink = sink
        self._other = other
        self._connection = other.connection
        self._tags = tags
        self._progress = progress

    def done(self, dry_run: bool, *, size: int) -> Merged:
        large = self._connection.dialect.name != "sqlite" or size > LARGE
        tainted = taint_size(self._connection)
        origins = self._other.register_origins()
        overlap = bool(self._other.known_before)
        if overlap:
            self._progress("differences")
            self._refuse_differences()
        with indexed_later(self._connection) if large else nullcontext():
            rows = {name: self._insert(name) for name in MERGED}
        if overlap and self._tags == "theirs":
            rows["tag"] += self._set_theirs(dry_run)
        self._progress("what follows")
        filled = fill_stubs(self._connection, self._other.rows("stub"))
        statements, numbers = self._sink.writer.statements, self._other.numbers()
        same = 0
        if rows["uri"] or rows["file_check"]:
            same = statements.same.catch_up(self._connection, numbers, any_owner=True)
        follow_all(self._connection)
        statements.parameters.catch_up(self._connection, origins=numbers)
        tainted = taint_size(self._connection) - tainted
        del rows["taint"]
        if rows["run_event"]:
            statements.project(self._connection, self._other.run_ids())
        if rows["record"]:
            self._other.tell_records()
        added = {name: count for name, count in rows.items() if count}
        return Merged(origins, added, filled, tainted, same)

    def _refuse_differences(self) -> None:
        found = list(conflicts(self._other))
        if self._tags == "refuse":
            found += tag_differences(self._other)
        if found:
            raise MergeConflict(found)

    def _insert(self, name: str) -> int:
        self._progress(name)
        if name == "link" and self._other.known_before:
            return self._other.insert_new_links()
        conditions: list[Any] = []
        if self._other.known_before:
            conditions = self._conditions(name)
        return self._other.insert(name, *conditions)

    def _conditions(self, name: str) -> list[Any]:
        """What keeps rows of a table out although we do not have them."""
        if name == "mark":
            return [_not_reduced_elsewhere]
        if name == "stub":
            return [_not_here]
        conditions: list[Any] = []
        if name in ("tag", "metric", "payload") and self._has_reduced():
            conditions.append(_not_reduced_here)
        if name == "tag" and self._tags == "ours":
            conditions.append(_not_tagged)
        return conditions

    def _has_reduced(self) -> bool:
        query = sa.select(_mark.c.id).where(_mark.c.mark == Mark.REDUCED.value).limit(1)
        return self._connection.execute(query).first() is not None

    def _set_theirs(self, dry_run: bool) -> int:
        """Set the other store's tags anew where they would not count."""
        found: Sequence[Any] = tags_to_settle(self._other)
        if dry_run:
            return len(found)
        at, new_id = now(), self._sink.new_id
        rows = [
            TagRow(row.record_id, row.name, new_id(), row.type, row.text, row.number, at)
            for row in found
        ]
        self._sink.writer.statements.insert(self._connection, "tag", rows)
        return len(rows)


_mark, _record, _tag = TABLE["mark"], TABLE["record"], TABLE["tag"]


def _not_reduced_elsewhere(marks: Any) -> sa.ColumnElement[bool]:
    """That a record lost its payload there says nothing of the one that is here."""
    here = sa.exists().where(_record.c.id == marks.c.record_id)
    return sa.or_(marks.c.mark != Mark.REDUCED.value, ~here)


def _not_here(stubs: Any) -> sa.ColumnElement[bool]:
    return ~sa.exists().where(_record.c.id == stubs.c.id)


def _not_reduced_here(rows: Any) -> sa.ColumnElement[bool]:
    """What was dropped here by age does not come back."""
    dropped = [_mark.c.record_id == rows.c.record_id, _mark.c.mark == Mark.REDUCED.value]
    if "set_at" in rows.c:
        dropped.append(rows.c.set_at <= _mark.c.at)
    return ~sa.exists().where(*dropped)


def _not_tagged(tags: Any) -> sa.ColumnElement[bool]:
    ours = _tag.alias()
    return ~sa.exists().where(
        ours.c.record_id == tags.c.record_id, ours.c.name == tags.c.name, ours.c.id != tags.c.id
    )
