"""What is exported: a part of the history in memory, as one viewer may see it.

Every format is written from an `Extract`, and none asks the store again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from provenance_store.enums import Kind, Mark, Role, TagType
from provenance_store.errors import InvalidInput, NotFound
from provenance_store.queries import documents
from provenance_store.queries.documents import Details
from provenance_store.queries.view import Row, View
from provenance_store.sql import known_later, select, surrounding_records
from provenance_store.times import format_time

__all__ = ["Extract", "Link", "Way", "gather"]

Way = Literal["up", "down"]
MAX_NODES = 1_000_000
AT_ONCE = 1_000_000
"""How many microseconds after its record was made a tag counts as given with it."""


class Link(NamedTuple):
    """`source` depends on `target`; both are keys of the extract's nodes."""

    source: str
    target: str
    role: Role


class Same(NamedTuple):
    """That a record is one thing with another, as it was said of the record: see `Extract`.

    `id` is the permanent name under which it was said, `at` the time as RFC 3339."""

    record: str
    other: str
    id: str
    at: str
    digest: str


@dataclass(slots=True)
class Extract:
    """A part of the history. Keys of `records`, `stubs` and `hidden` are the nodes' names.

    `records` are the documents of the query API, each with what only an exchange needs: ``marks``
    (oldest first), ``tag_settings``, ``recorded_uris``, ``file_checks``, ``opened_live``,
    ``ordinal``, ``payloads``. `stubs` are nodes
    outside of it that records in it depend on, `hidden` those that the viewer may not see.
    `same` tells of each record that is one thing with another of `records` or `stubs`.
    `readers` are the principals that may see the roots. `truncated` says that there was more than
    `limit` nodes.
    """

    roots: list[str] = field(default_factory=list)
    records: dict[str, dict[str, Any]] = field(default_factory=dict)
    stubs: dict[str, dict[str, Any]] = field(default_factory=dict)
    hidden: set[str] = field(default_factory=set)
    links: list[Link] = field(default_factory=list)
    same: list[Same] = field(default_factory=list)
    runs: dict[str, dict[str, Any]] = field(default_factory=dict)
    environments: dict[str, Any] = field(default_factory=dict)
    readers: list[str] = field(default_factory=list)
    truncated: bool = False

    def links_of(self, *roles: Role) -> list[Link]:
        """The links with one of these roles."""
        return [link for link in self.links if link.role in roles]


def gather(
    view: View,
    *,
    ids: Sequence[int] = (),
    run_ids: Sequence[str] = (),
    everything: bool = False,
    directions: Sequence[Way] = ("up",),
    depth: int | None = None,
    limit: int = 10_000,
) -> Extract:
    """The records with these ids and of these runs, and what they came from (or what came of them).

    A run without `directions` is its own records and what these link to directly. At most `limit`
    nodes. Raises NotFound for a run that is not there.
    """
    if depth is not None and depth < 1:
        raise InvalidInput("The depth must be a whole number of hops, 1 or more.")
    limit = max(1, min(limit, MAX_NODES))
    starts = list(ids)
    for run_id in run_ids:
        if view.first(select.run_by_id(run_id, view.viewer)) is None:
            raise NotFound(f"There is no run {run_id[:80]} in this store.")
        starts += view.connection.scalars(
            surrounding_records.of_run(run_id, view.viewer, limit + 1)
        )
    if everything:
        starts += view.connection.scalars(surrounding_records.all_ids(view.viewer, limit + 1))
    nodes = list(dict.fromkeys(starts))
    truncated = len(nodes) > limit
    walks = [(way == "down", depth) for way in directions] or [(False, 1)]
    for down, hops in () if everything else walks:
        truncated = _reach(view, nodes, down=down, depth=hops, limit=limit) or truncated
    found = _Gathering(view, nodes[:limit]).whole()
    found.roots = [view.urn(record_id) for record_id in ids]
    _add_runs(view, found, run_ids)
    found.readers = _readers(view, ids, run_ids)
    found.truncated = truncated
    return found


def _reach(view: View, nodes: list[int], *, down: bool, depth: int | None, limit: int) -> bool:
    """Add to `nodes` all that can be reached from them; true when there is more than `limit`."""
    seen = set(nodes)
    frontier = list(nodes)
    hops = 0
    any_same = view.first(known_later.any_same()) is not None
    while frontier and (depth is None or hops < depth):
        hops += 1
        links = view.links(frontier, down=down)
        ends = {x.from_id if down else x.to_id for found in links.values() for x in found}
        if any_same:
            ends.update(row.other_id for row in view.chunked(known_later.same_things, frontier))
        frontier = sorted(ends - seen)
        if len(seen) + len(frontier) > limit:
            nodes += frontier[: limit - len(seen)]
            return True
        seen.update(frontier)
        nodes += frontier
    return False


class _Gathering:
    """Reads what is to be known of some nodes."""

    def __init__(self, view: View, ids: Sequence[int]) -> None:
        self._view = view
        self._ids = ids
        self._rows = view.by_id(ids)
        self._names: dict[int, str] = {}
        self._found = Extract()

    def whole(self) -> Extract:
        """The nodes with their details, the links between them, and what these lead to."""
        visible = sorted(self._rows)
        details = self._view.details(visible)
        for record_id in visible:
            name = self._names[record_id] = self._view.urn(record_id)
            self._found.records[name] = self._record(self._rows[record_id], details)
        links = [x for found in self._view.links(visible).values() for x in found]
        same = [*self._view.chunked(known_later.same_things, visible)]
        others = {row.other_id for row in same}
        self._name_others({x.to_id for x in links} | others | set(self._ids))
        self._found.same = sorted(
            Same(name, other, self._view.urn(row.id), str(format_time(row.at)), row.digest)
            for row in same
            for name, other in [(self._names[row.record_id], self._names[row.other_id])]
            if other not in self._found.hidden
        )
        self._found.links = sorted(
            Link(self._names[x.from_id], self._names[x.to_id], Role(x.role)) for x in links
        )
        self._environments()
        return self._found

    def _record(self, row: Row, details: Details) -> dict[str, Any]:
        view = self._view
        marks = [
            {
                "id": view.urn(mark.id),
                "mark": Mark(mark.mark).label,
                "at": format_time(mark.at),
                "note": mark.note,
                "cause": None if mark.cause_id is None else view.urn(mark.cause_id),
            }
            for mark in details.mark.get(row.id, ())
        ]
        return documents.record_document(row, details, view.urn) | {
            "created_at": format_time(row.created_at),
            "marks": marks,
            "tag_settings": self._tag_settings(row, details),
            "recorded_uris": [
                {"uri": u.uri, "size": u.size, "digest": u.digest, "media_type": u.media_type}
                for u in details.uri.get(row.id, ())
            ],
            "file_checks": [
                {
                    "id": view.urn(check.id),
                    "uri": check.uri,
                    "at": format_time(check.at),
                    "size": check.size,
                    "digest": check.digest,
                }
                for check in details.file_check.get(row.id, ())
            ],
            "opened_live": bool(row.live),
            "ordinal": row.ordinal,
            "ended": row.status is not None,
            "payloads": details.payloads(row.id),
            **({"type": "unknown"} if row.kind == Kind.STEP and row.type is None else {}),
        }

    def _tag_settings(self, row: Row, details: Details) -> list[dict[str, Any]]:
        """Every value that a tag had, of tags that were not just given when the record was made."""
        history: dict[str, list[Any]] = {}
        for tag in details.tag.get(row.id, ()):
            history.setdefault(tag.name, []).append(tag)
        return [
            {
                "id": self._view.urn(tag.id),
                "name": tag.name,
                "value": None
                if tag.type == TagType.REMOVED
                else documents.shown_tag(tag.type, tag.text),
                "at": format_time(tag.set_at),
            }
            for settings in history.values()
            if len(settings) > 1 or abs(settings[0].set_at - row.created_at) > AT_ONCE
            for tag in settings
        ]

    def _name_others(self, ids: set[int]) -> None:
        """Name what is no record that the viewer may see: outside the part, left out, or hidden."""
        outside = sorted(ids - self._names.keys())
        seen = self._view.by_id([i for i in outside if i not in set(self._ids)])
        stubs = {row.id: row for row in self._view.chunked(surrounding_records.stubs, outside)}
        for number, record_id in enumerate(outside, start=1):
            about = seen.get(record_id) or stubs.get(record_id)
            if about is None:
                name = f"hidden:{number}"
                self._found.hidden.add(name)
            else:
                name = self._view.urn(record_id)
                self._found.stubs[name] = {"kind": Kind(about.kind).label, "name": about.name}
            self._names[record_id] = name

    def _environments(self) -> None:
        digests = sorted({row.environment for row in self._rows.values()} - {None})
        for start in range(0, len(digests), 500):
            for row in self._view.all(
                surrounding_records.environments(digests[start : start + 500])
            ):
                self._found.environments[row.digest] = documents.read_document(row.document)


def _add_runs(view: View, found: Extract, run_ids: Iterable[str]) -> None:
    named = {record["run_id"] for record in found.records.values()} - {None}
    wanted = sorted(named | set(run_ids))
    for start in range(0, len(wanted), 500):
        chunk = wanted[start : start + 500]
        tags: dict[str, list[str]] = {}
        for row in view.all(select.run_tags(chunk)):
            tags.setdefault(row.run_id, []).append(row.tag)
        for row in view.all(surrounding_records.runs(chunk, view.viewer)):
            about = documents.run_document(row, tags.get(row.run_id, ()), row.owner)
            found.runs[row.run_id] = about


def _readers(view: View, ids: Sequence[int], run_ids: Sequence[str]) -> list[str]:
    """Who may see all of the roots: the members of the audiences of each, or of its run."""
    rows = view.by_id(ids).values()
    runs = {row.run_id for row in rows if row.run_id} | set(run_ids)
    of_run = {
        row.run_id: row.audience
        for row in view.all(surrounding_records.runs(sorted(runs), view.viewer))
    }
    wanted = [{row.audience, of_run.get(row.run_id)} for row in rows]
    wanted += [{of_run.get(run_id)} for run_id in run_ids]
    digests = sorted({digest for group in wanted for digest in group if digest})
    members: dict[str, set[str]] = {}
    for row in view.all(surrounding_records.members(digests)) if digests else ():
        members.setdefault(row.digest, set()).add(row.principal)
    allowed = [set().union(*(members.get(d, set()) for d in group if d)) for group in wanted]
    return sorted(set.intersection(*allowed)) if allowed else []
