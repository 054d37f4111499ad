"""Gathering the evidence: everything a record rests on, as far as it may be seen."""

from __future__ import annotations

from collections.abc import Callable, Collection, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import sqlalchemy as sa

from provenance_store.enums import SAME_AS, Kind, Role
from provenance_store.errors import InvalidInput, TooLarge
from provenance_store.ids import SEQUENCE_BITS
from provenance_store.queries import documents
from provenance_store.queries.documents import Details, read_document
from provenance_store.queries.imported import imports_of
from provenance_store.queries.lineage import walk
from provenance_store.queries.validity import validity_of
from provenance_store.queries.view import Row, View, grouped
from provenance_store.sql import known_later, select, surrounding_records
from provenance_store.statement.curve import Ends, points_of_rows
from provenance_store.statement.record_hash import RecordParts, document_part, record_leaf
from provenance_store.times import format_time

__all__ = [
    "LINKS_A_RECORD",
    "MAX_RECORDS",
    "RESTS_ON",
    "added_since",
    "gather",
    "gather_these",
    "unconnected",
]

MAX_RECORDS = 100_000
"""A statement is over at most so many records."""
MAX_LINKS = 1_000_000
"""A statement lists at most so many links: each is 80 bytes of its JSON."""
LINKS_A_RECORD = 20
"""On the way to them at most so many links for each of that limit are followed."""
MAX_UNCONNECTED = 1_000
"""At most so many steps are listed that have nothing to do with the record."""
RESTS_ON = tuple(role for role in Role if role is not Role.CONSIDERED)
"""The roles of the links to what a record rests on: not to options that were not taken, which the
document of a decision names."""
AT_ONCE = 50
"""Documents kept with records have up to 64 KiB each and are hashed, not held."""

T = TypeVar("T", int, str)


def gather(view: View, start: int, *, as_of: int, limit: int) -> dict[str, Any]:
    """What a statement on the record `start` rests on, in JSON.

    `records` are in the order of their URNs; what may not be seen is counted as `restricted`.
    At most `limit` records, nearest first, and `truncated` if there were more. Tags and checks
    of files are those set until `as_of`, in microseconds UTC, and live data is open if it was.
    """
    if not 1 <= limit <= MAX_RECORDS:
        raise InvalidInput(f"The limit of a statement must be from 1 to {MAX_RECORDS}.")
    most_links = LINKS_A_RECORD * limit
    found = walk(
        view,
        start,
        direction="up",
        depth=None,
        limit=limit,
        roles=RESTS_ON,
        most_links=most_links,
        without=added_since(view, as_of),
        same=True,
    )
    return _Gathering(view, as_of).document(found.nodes) | {
        "root": view.urn(start),
        "unconnected": ([] if found.truncated else unconnected(view, start, found.nodes, as_of)),
        "limit": limit,
        "truncated": found.truncated,
    }


def added_since(view: View, as_of: int) -> frozenset[tuple[int, int, int]]:
    """(from_id, to_id, role) of the links that became known later than at a time, those between
    records that are one thing in both directions."""
    links = {tuple(row) for row in view.all(known_later.late_links_after(as_of))}
    for one, other in view.all(known_later.same_after(as_of)):
        links |= {(one, other, SAME_AS.value), (other, one, SAME_AS.value)}
    return frozenset(links)


def unconnected(view: View, start: int, above: Container[int], as_of: int) -> list[dict[str, Any]]:
    """The steps of a record's run that it does not rest on, and that do not follow from it."""
    (run_id,) = (row.run_id for row in view.by_id([start]).values())
    if run_id is None:
        return []
    steps = view.all(known_later.steps_of_run(run_id, as_of, view.viewer))
    left = [row for row in steps if row.id not in above]
    if not left:
        return []
    below = walk(view, start, direction="down", depth=None, limit=MAX_RECORDS, same=True).nodes
    apart = [row for row in left if row.id not in below]
    return [
        {"id": view.urn(row.id), "name": row.name, "status": row.status or "ACTIVE"}
        for row in apart[:MAX_UNCONNECTED]
    ]


def gather_these(
    view: View, ids: Collection[int], *, as_of: int, ends: Mapping[int, Ends] | None = None
) -> dict[str, Any]:
    """The same about these records, wherever they are in the graph.

    Of versions with `ends` of a curve, what these cover; `logged_since` counts the other values.
    """
    gathering = _Gathering(view, as_of, ends or {})
    return gathering.document(ids) | {"logged_since": gathering.logged_since}


@dataclass
class _Gathering:
    view: View
    as_of: int
    ends: Mapping[int, Ends] = field(default_factory=dict)
    logged_since: dict[str, int] = field(default_factory=dict)

    def document(self, ids: Collection[int]) -> dict[str, Any]:
        rows = self.view.by_id(ids)
        order = sorted(rows, key=self.view.urn)
        late, one_thing = self._late(order), self._one_thing(order)
        parts = self._parts(order, late)
        shown = self._shown(
            parts, rows, [*(x.to_id for x in late), *(x.other_id for x in one_thing)]
        )
        records = [
            record_leaf(rows[i], parts, urn=self.view.urn, shown=shown, ends=self.ends.get(i))
            for i in order
        ]
        self._count_logged(records, parts)
        return {
            "as_of": format_time(self.as_of),
            "scope": "everything" if self.view.viewer.everything else "restricted",
            "records": records,
            "late_links": [
                {
                    "from": self.view.urn(row.from_id),
                    "to": self.view.urn(row.to_id) if shown(row.to_id) else documents.RESTRICTED,
                    "role": Role(row.role).label,
                    "at": format_time(row.at),
                    "by": row.by,
                    "rule": row.rule,
                }
                for row in late
                if row.at <= self.as_of
            ],
            "same_things": [
                {
                    "from": self.view.urn(row.record_id),
                    "to": self.view.urn(row.other_id)
                    if shown(row.other_id)
                    else documents.RESTRICTED,
                    "digest": row.digest,
                    "at": format_time(row.at),
                }
                for row in one_thing
            ],
            "imports": self._imports(order),
            **self._not_here(ids, rows),
            **self._said_later(order, rows),
            **self._around(records, rows),
        }

    def _count_logged(self, records: Sequence[Mapping[str, Any]], parts: RecordParts) -> None:
        of = {self.view.urn(i): i for i in self.ends}
        for record in records:
            if record["id"] in of and "model" in record:
                points = points_of_rows(parts.metric.get(of[record["id"]], ()))
                if more := len(points) - record["model"]["curve"]["values"]:
                    self.logged_since[record["id"]] = more

    def _late(self, ids: Sequence[int]) -> list[Row]:
        """The links that came late, oldest first."""
        rows = self.view.chunked(known_later.late_links, ids)
        return sorted(rows, key=lambda row: (row.at, self.view.urn(row.id)))

    def _one_thing(self, ids: Sequence[int]) -> list[Row]:
        """Which of the records were one thing with others at that time, in the order of URNs."""
        if self.view.first(known_later.any_same()) is None:
            return []
        since = added_since(self.view, self.as_of)
        rows = self.view.chunked(known_later.same_things, ids)
        then = (x for x in rows if (x.record_id, x.other_id, SAME_AS.value) not in since)
        return sorted(then, key=lambda x: (self.view.urn(x.record_id), self.view.urn(x.other_id)))

    def _imports(self, ids: Sequence[int]) -> list[dict[str, Any]]:
        """The imports that brought records until that time, each with those that it brought."""
        return [
            about | {"records": sorted(map(self.view.urn, those))}
            for at, about, those in imports_of(self.view, ids)
            if at <= self.as_of
        ]

    def _shown(
        self, parts: RecordParts, rows: Mapping[int, Row], others: Iterable[int]
    ) -> Callable[[int], bool]:
        """Which ends of links may be named: all, here or not, for who may see everything."""
        if self.view.viewer.everything:
            return lambda _: True
        ends = {link.to_id for links in parts.links.values() for link in links}
        ends |= {*others}
        ends |= {i for row in rows.values() for i in (row.line_id, row.parent_id) if i is not None}
        visible = rows.keys() | self.view.by_id(ends - rows.keys()).keys()
        return visible.__contains__

    def _parts(self, ids: Sequence[int], late: Sequence[Row]) -> RecordParts:
        return RecordParts(
            uri=self._many("uri", ids),
            check=self._until_then(self._many("file_check", ids), "at"),
            tag=self._until_then(self._many("tag", ids), "set_at"),
            metric=self._many("metric", ids),
            documents=self._documents(ids),
            links=self._links(ids, late),
        )

    def _links(self, ids: Sequence[int], late: Sequence[Row]) -> dict[int, list[Row]]:
        """The links that records had when they were closed: no leaf changes by others."""
        count = sum(row.links for row in self.view.chunked(surrounding_records.link_count, ids))
        if count > MAX_LINKS:
            raise TooLarge(
                f"These records have {count:,} links, and a statement lists at most "
                f"{MAX_LINKS:,}; make it over fewer records."
            )
        links = {
            i: [link for link in some if link.role in RESTS_ON]
            for i, some in self.view.links(ids).items()
        }
        ends = {(row.from_id, row.to_id, row.role) for row in late}
        for record_id in {row.from_id for row in late}:
            own = links.get(record_id, ())
            links[record_id] = [k for k in own if (record_id, k.to_id, k.role) not in ends]
        return links

    def _many(self, table: str, ids: Sequence[int]) -> dict[int, list[Row]]:
        rows = self.view.chunked(lambda chunk: select.details(table, chunk), ids)
        return grouped(rows, lambda row: row.record_id)

    def _until_then(self, rows: Mapping[int, list[Row]], column: str) -> dict[int, list[Row]]:
        return {
            i: [row for row in some if getattr(row, column) <= self.as_of]
            for i, some in rows.items()
        }

    def _documents(self, ids: Sequence[int]) -> dict[int, dict[str, Any]]:
        kept: dict[int, dict[str, Any]] = {}
        for row in self._rows(lambda chunk: select.details("payload", chunk), ids):
            part = document_part(row.name, row.document)
            kept.setdefault(row.record_id, {})[row.name] = part
        return kept

    def _rows(
        self, query: Callable[[Sequence[T]], sa.Select[Any]], keys: Sequence[T]
    ) -> Iterator[Row]:
        """The rows of a query about these keys, asked for a few of them at a time."""
        for start in range(0, len(keys), AT_ONCE):
            yield from self.view.all(query(keys[start : start + AT_ONCE]))

    def _not_here(self, ids: Collection[int], rows: Mapping[int, Row]) -> dict[str, Any]:
        """What was reached and has no record: hidden, left out of a slice, or lost."""
        others = [i for i in ids if i not in rows]
        if not self.view.viewer.everything:
            return {"restricted": len(others), "stubs": [], "missing": []}
        stubs = {row.id: row for row in self.view.chunked(surrounding_records.stubs, others)}
        return {
            "restricted": 0,
            "stubs": [
                {"id": self.view.urn(i), "kind": Kind(row.kind).label, "name": row.name}
                for i, row in sorted(stubs.items(), key=lambda item: self.view.urn(item[0]))
            ],
            "missing": sorted(self.view.urn(i) for i in others if i not in stubs),
        }

    def _said_later(self, ids: Sequence[int], rows: Mapping[int, Row]) -> dict[str, Any]:
        marks = grouped(self.view.chunked(select.marks, ids), lambda row: row.record_id)
        about = Details(mark=marks, invalid=validity_of(self.view, ids))
        then = Details(mark=self._until_then(marks, "at"))
        urn = self.view.urn
        said = {
            urn(i): documents.validity(about.invalid.get(i), urn) | about.reduced(i) for i in ids
        }
        return {
            **{
                name: {i: told[name] for i, told in said.items() if name in told}
                for name in ("invalidated", "reduced")
            },
            "open": [urn(i) for i in ids if then.is_live(rows[i])],
        }

    def _around(
        self, records: Sequence[Mapping[str, Any]], rows: Mapping[int, Row]
    ) -> dict[str, Any]:
        """The runs, environments and writing sessions that the records name."""
        digests = sorted({r["environment"] for r in records if r["environment"]})
        run_ids = sorted({r["run_id"] for r in records if r["run_id"]})
        numbers = sorted({record_id >> SEQUENCE_BITS for record_id in rows})
        return {
            "runs": {run["run_id"]: run for run in self._runs(run_ids)},
            "environments": {
                row.digest: read_document(row.document)
                for row in self._rows(surrounding_records.environments, digests)
            },
            "origins": dict(self._origins(numbers)),
        }

    def _runs(self, run_ids: Sequence[str]) -> Iterator[dict[str, Any]]:
        for row in self._rows(
            lambda chunk: surrounding_records.runs(chunk, self.view.viewer), run_ids
        ):
            yield documents.run_document(row, (), row.owner)

    def _origins(self, numbers: Sequence[int]) -> Iterator[tuple[str, dict[str, Any]]]:
        """Writing sessions; accounts and hosts, which may be a server's own, are for those who
        may see everything."""
        told = self.view.viewer.everything
        for row in self.view.chunked(surrounding_records.origins, numbers):
            yield (
                row.uuid,
                {
                    "who": row.who or None if told else None,
                    "host": row.host or None if told else None,
                    "process": row.process if told else None,
                    "software": row.software or None,
                    "started_at": format_time(row.started_at),
                },
            )
