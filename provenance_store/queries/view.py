"""One state of the store as one viewer may see it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import sqlalchemy as sa

from provenance_store import filters
from provenance_store.enums import Role
from provenance_store.queries import documents
from provenance_store.queries.documents import Details
from provenance_store.queries.validity import Invalidation, validity_of
from provenance_store.sql import names, select, step_queries, traverse
from provenance_store.sql.query_parts import chunks
from provenance_store.values import Viewer

__all__ = ["MENTIONED", "Row", "View", "grouped", "page"]

MENTIONED = 1000
"""How many inputs, outputs or links of one record a document lists at most."""

Row = Any
"""A row of a query in `sql.select`."""


@dataclass(frozen=True, slots=True)
class View:
    """A connection inside one read transaction, the viewer, and how ids are named."""

    connection: sa.Connection
    viewer: Viewer
    urn: Callable[[int], str]
    as_of: int | None = None
    """The time at which aliases of models are looked at; None is now."""

    def all(self, query: sa.Select[Any]) -> Sequence[Row]:
        """The rows of a query."""
        return self.connection.execute(query).all()

    def first(self, query: sa.Select[Any]) -> Row | None:
        """The first row of a query, or None."""
        return self.connection.execute(query).first()

    def by_id(self, ids: Iterable[int]) -> dict[int, Row]:
        """Those of these records that the viewer may see."""
        return {
            row.id: row
            for chunk in chunks(sorted(ids))
            for row in self.all(select.records_by_id(chunk, self.viewer))
        }

    def chunked(
        self, query: Callable[[Sequence[int]], sa.Select[Any]], ids: Sequence[int]
    ) -> Iterator[Row]:
        """The rows of a query about these ids, asked for some of them at a time."""
        return (row for chunk in chunks(ids) for row in self.all(query(chunk)))

    def details(self, ids: Sequence[int]) -> Details:
        """URIs, tags, metrics, payloads and marks of records that the viewer may see."""
        tables = {
            table: grouped(
                (row for chunk in chunks(ids) for row in self.all(select.details(table, chunk))),
                lambda row: row.record_id,
            )
            for table in ("uri", "file_check", "tag", "metric", "payload")
        }
        marks = (row for chunk in chunks(ids) for row in self.all(select.marks(chunk)))
        by_record = grouped(marks, lambda row: row.record_id)
        return Details(
            **tables,
            mark=by_record,
            alias=self._aliases(ids),
            invalid=validity_of(self, ids),
            made=self._made(ids),
            unseen=self._unseen(ids),
        )

    def outlines(self, ids: Sequence[int]) -> Details:
        """URIs, tags, scores and marks of records: `details` without curves and documents."""
        queries: dict[str, Callable[[Sequence[int]], sa.Select[Any]]] = {
            "uri": lambda chunk: select.details("uri", chunk),
            "file_check": lambda chunk: select.details("file_check", chunk),
            "tag": lambda chunk: select.details("tag", chunk),
            "metric": select.scores,
            "mark": select.marks,
        }
        return Details(
            **{
                table: grouped(self.chunked(query, ids), lambda row: row.record_id)
                for table, query in queries.items()
            },
            alias=self._aliases(ids),
            invalid=validity_of(self, ids),
            made=self._made(ids),
            unseen=self._unseen(ids),
        )

    def _aliases(self, ids: Sequence[int]) -> dict[int, list[Row]]:
        rows = self.chunked(lambda chunk: names.of_versions(chunk, self.as_of), ids)
        return grouped(rows, lambda row: row.version_id)

    def _made(self, ids: Sequence[int]) -> dict[int, str | None]:
        return {row.id: row.status for row in self.chunked(step_queries.statuses, ids)}

    def hidden(self, ids: Iterable[int]) -> frozenset[int]:
        """Those of these that are no records which the viewer may see."""
        if self.viewer.everything:
            return frozenset()
        all_ = frozenset(ids)
        return all_.difference(traverse.records(self.connection, sorted(all_), self.viewer)[0])

    def _unseen(self, ids: Sequence[int]) -> frozenset[int]:
        """The first versions and the parents of these, if models, that the viewer may not see."""
        if self.viewer.everything:
            return frozenset()
        kin = self.chunked(select.kin, ids)
        return self.hidden(i for row in kin for i in row if i is not None)

    def links(
        self,
        ids: Sequence[int],
        *,
        down: bool = False,
        roles: Sequence[Role] = (),
        limit: int | None = None,
    ) -> dict[int, list[Row]]:
        """Links by the record that depends; `down`: by the record that is depended on."""
        rows = (
            row
            for chunk in chunks(ids)
            for row in self.all(select.dependencies(chunk, down=down, roles=roles, limit=limit))
        )
        return grouped(rows, lambda row: row.to_id if down else row.from_id)

    def brief(
        self,
        record: Row | None,
        number: int,
        invalid: Mapping[int, Invalidation] = MappingProxyType({}),
    ) -> dict[str, Any]:
        """What stands for a record elsewhere: a numbered placeholder where it is not seen.

        `invalid` is what `validity_of` found of it and others.
        """
        if record is None:
            return documents.restricted(number)
        return documents.brief(record, self.urn) | documents.validity(
            invalid.get(record.id), self.urn
        )


def grouped(rows: Iterable[Row], key: Callable[[Row], int]) -> dict[int, list[Row]]:
    """Rows by a key; a key without rows has an empty list."""
    groups: dict[int, list[Row]] = defaultdict(list)
    for row in rows:
        groups[key(row)].append(row)
    return groups


def page(
    name: str,
    items: list[dict[str, Any]],
    rows: Sequence[Row],
    limit: int,
    key: Callable[[Row], tuple[int, int | str]],
) -> dict[str, Any]:
    """A page of items; `rows` has one more than `limit` when there is a next page."""
    more = len(rows) > limit
    marker = filters.write_marker(*key(rows[limit - 1])) if more else None
    return {name: items, "limit": limit, "has_next_page": more, "marker": marker}
