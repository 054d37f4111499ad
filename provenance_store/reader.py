"""Questions to a store. Every answer holds only what the viewer may see."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import sqlalchemy as sa

from provenance_store import documents, filters
from provenance_store.documents import Details
from provenance_store.errors import Ambiguous, InvalidInput, NotFound
from provenance_store.filters import RecordFilter, RunFilter
from provenance_store.ids import looks_like_id
from provenance_store.kinds import Kind, Level, Role
from provenance_store.lineage import Direction, walk
from provenance_store.sql import read
from provenance_store.viewer import Viewer

if TYPE_CHECKING:
    from provenance_store.store import StoreSink

__all__ = ["Head", "Reader"]

MENTIONED = 1000
"""How many inputs, outputs or links of one record a document lists at most."""
CHUNK = 500


class Head(NamedTuple):
    """A model version that none revises."""

    id: int
    line_id: int
    version: int
    name: str
    run_id: str | None


class Reader:
    """Reads on behalf of one viewer. Documents are JSON-ready; lists are pages.

    A page has ``limit``, ``has_next_page`` and ``marker``; the marker is passed back with the
    same filters for the next page. Times are microseconds UTC. What the viewer may not see is
    NotFound. Limits are 1 to 1000, else InvalidInput.
    """

    def __init__(self, sink: StoreSink, viewer: Viewer) -> None:
        self._sink = sink
        self._session = sink.session
        self._viewer = viewer

    # ---- runs ----------------------------------------------------------------------------

    def runs(
        self,
        *,
        flow_id: str | None = None,
        status: str | None = None,
        owner: str | None = None,
        label: str | None = None,
        tag: str | None = None,
        since: int | None = None,
        until: int | None = None,
        limit: int = 25,
        marker: str | None = None,
    ) -> dict[str, Any]:
        """Runs, latest start first. `label` may hold ``*``; `tag` is a tag of the run, or a
        condition on a tag of one of its steps such as ``temperature_K>290``."""
        condition = None if tag is None else filters.parse_tag(tag)
        wanted = RunFilter(flow_id, status, owner, label, condition, since, until)
        after = filters.read_marker(marker, str)
        filters.check_limit(limit)
        with self._session.read() as connection:
            rows = connection.execute(read.runs(wanted, self._viewer, after, limit + 1)).all()
            tags = _run_tags(connection, [row.run_id for row in rows[:limit]])
        items = [documents.run_document(row, tags[row.run_id]) for row in rows[:limit]]
        return _page("runs", items, rows, limit, lambda row: (row.start_time, row.run_id))

    def run(self, run_id: str) -> dict[str, Any]:
        """One run with its steps in the order in which they began."""
        with self._session.read() as connection:
            row = connection.execute(read.run_by_id(run_id, self._viewer)).first()
            if row is None:
                raise NotFound(f"There is no run {run_id[:80]}.")
            tags = _run_tags(connection, [run_id])[run_id]
            steps = connection.execute(read.run_steps(run_id, self._viewer)).all()
            step_documents = self._steps(connection, steps)
        return documents.run_document(row, tags) | {"steps": step_documents}

    def run_members(self, run_id: str) -> dict[str, Level] | None:
        """Who may see or manage a run, whoever asks; None when the run is not known."""
        with self._session.read() as connection:
            rows = connection.execute(read.run_members(run_id)).all()
        return {row.principal: Level(row.level) for row in rows} or None

    def _steps(self, connection: sa.Connection, steps: Sequence[Any]) -> list[dict[str, Any]]:
        ids = [step.id for step in steps]
        used = _links(connection, ids, down=False)
        made = _links(connection, ids, down=True, roles=(Role.GENERATED_BY,))
        others = {to for links in used.values() for _, to, _ in links[:MENTIONED]}
        others |= {frm for links in made.values() for frm, _, _ in links[:MENTIONED]}
        known = self._by_id(connection, others)
        about = self._details(connection, [*ids, *known])
        return [
            self._step(step, used[step.id], made[step.id], known, about, MENTIONED)
            for step in steps
        ]

    def _step(
        self,
        step: Any,
        used: Sequence[Any],
        made: Sequence[Any],
        known: dict[int, Any],
        about: Details,
        limit: int,
    ) -> dict[str, Any]:
        parts: dict[str, list[dict[str, Any]]] = {"inputs": [], "outputs": [], "models": []}
        hidden = 0
        for _, to_id, role in used[:limit]:
            if role == Role.INFORMED_BY:
                continue
            record = known.get(to_id)
            hidden += record is None
            is_model = record is not None and record.kind == Kind.MODEL
            place = "models" if is_model else "inputs"
            parts[place].append(self._mention(record, about, Role(role).label, hidden))
        for from_id, _, _ in made[:limit]:
            record = known.get(from_id)
            hidden += record is None
            is_model = record is not None and record.kind == Kind.MODEL
            how = _made_how(record)
            parts["models" if is_model else "outputs"].append(
                self._mention(record, about, how, hidden)
            )
        counts = {name: len(items) for name, items in parts.items()}
        if len(used) > limit or len(made) > limit:
            counts |= {"links_used": len(used), "links_made": len(made)}
        return documents.step_document(step, about, self._sink.urn, **parts, counts=counts)

    def _mention(self, record: Any, about: Details, how: str, number: int) -> dict[str, Any]:
        if record is None:
            return documents.restricted(number) | {"how": how}
        extra: dict[str, Any] = {"how": how, "uris": about.uris(record.id)}
        if record.kind == Kind.MODEL:
            extra["scores"] = about.scores(record.id)
        else:
            extra["tags"] = about.tags(record.id)
        return documents.brief(record, self._sink.urn) | extra

    # ---- records -------------------------------------------------------------------------

    def records(
        self,
        *,
        kind: str | None = None,
        name: str | None = None,
        uri: str | None = None,
        digest: str | None = None,
        tags: Iterable[str] = (),
        run_id: str | None = None,
        owner: str | None = None,
        since: int | None = None,
        until: int | None = None,
        limit: int = 25,
        marker: str | None = None,
    ) -> dict[str, Any]:
        """Records, newest first. `name` and `uri` may hold ``*``; each of `tags` is a
        condition such as ``sample=Ni`` or ``temperature_K>290``, and all must hold."""
        wanted = RecordFilter(
            kind=None if kind is None else filters.parse_kind(kind),
            name=name,
            uri=uri,
            digest=digest,
            tags=tuple(filters.parse_tag(tag) for tag in tags),
            run_id=run_id,
            owner=owner,
            since=since,
            until=until,
        )
        after = filters.read_marker(marker, int)
        filters.check_limit(limit)
        with self._session.read() as connection:
            rows = connection.execute(read.records(wanted, self._viewer, after, limit + 1)).all()
            about = self._details(connection, [row.id for row in rows[:limit]])
        items = [documents.record_document(r, about, self._sink.urn) for r in rows[:limit]]
        return _page("records", items, rows, limit, lambda row: (row.created_at, row.id))

    def record(self, reference: str) -> dict[str, Any]:
        """One record with its links one hop up and down, at most 1000 each way.

        Raises InvalidInput when the reference is no id, NotFound when it names nothing visible.
        """
        record_id = self.resolve(reference)
        with self._session.read() as connection:
            row = connection.execute(read.records_by_id([record_id], self._viewer)).one()
            about = self._details(connection, [record_id])
            up = _links(connection, [record_id], down=False, limit=MENTIONED + 1)[record_id]
            down = _links(connection, [record_id], down=True, limit=MENTIONED + 1)[record_id]
            known = self._by_id(connection, {i for f, t, _ in (*up, *down) for i in (f, t)})
        document = documents.record_document(row, about, self._sink.urn)
        return document | {
            "links": self._ends([(to, role) for _, to, role in up], known),
            "dependents": self._ends([(frm, role) for frm, _, role in down], known),
            "truncated": max(len(up), len(down)) > MENTIONED,
        }

    def _ends(self, ends: Sequence[tuple[int, int]], known: dict[int, Any]) -> list[dict[str, Any]]:
        result = []
        for number, (other, role) in enumerate(ends[:MENTIONED], start=1):
            record = known.get(other)
            document = (
                documents.restricted(number)
                if record is None
                else documents.brief(record, self._sink.urn)
            )
            result.append({"role": Role(role).label} | document)
        return result

    def resolve(self, reference: str) -> int:
        """The local id of a URN or short id; NotFound when it names nothing visible."""
        record_id = self._sink.resolve(reference)
        with self._session.read() as connection:
            if connection.execute(read.records_by_id([record_id], self._viewer)).first() is None:
                raise NotFound(f"There is no record {reference} in this store.")
        return record_id

    def find_uri(self, uri: str, *, run_id: str | None = None) -> int | None:
        """The newest visible record at a URI, one of this run before others; or None."""
        query = read.newest_with_uri(uri, self._viewer)
        with self._session.read() as connection:
            if run_id is not None:
                same_run = query.where(read.in_run(run_id)).limit(1)
                if (found := connection.execute(same_run).first()) is not None:
                    return int(found.id)
            found = connection.execute(query.limit(1)).first()
        return None if found is None else int(found.id)

    # ---- models --------------------------------------------------------------------------

    def models(
        self, *, name: str | None = None, limit: int = 25, marker: str | None = None
    ) -> dict[str, Any]:
        """Lines of model versions, newest first, each with its latest version."""
        after = filters.read_marker(marker, int)
        filters.check_limit(limit)
        with self._session.read() as connection:
            rows = connection.execute(read.lines(self._viewer, name, after, limit + 1)).all()
            items = self._lines(connection, rows[:limit])
        return _page("models", items, rows, limit, lambda row: (row.created_at, row.id))

    def _lines(self, connection: sa.Connection, rows: Sequence[Any]) -> list[dict[str, Any]]:
        ids = [row.id for row in rows]
        if not ids:
            return []
        counted = connection.execute(read.line_sizes(ids, self._viewer))
        sizes = {row.line_id: row.versions for row in counted}
        ends = connection.execute(read.heads(self._viewer, line_ids=ids)).all()
        by_line = _grouped(ends, lambda head: head.line_id)
        about = self._details(connection, [head.id for head in ends])
        items = []
        for row in rows:
            latest = max(by_line[row.id], key=lambda v: (v.depth, v.created_at, v.id), default=row)
            document = documents.record_document(latest, about, self._sink.urn)
            items.append(
                documents.brief(row, self._sink.urn)
                | {"versions": sizes.get(row.id, 0), "branches": len(by_line[row.id])}
                | {"latest": document}
            )
        return items

    def model(self, reference: str) -> dict[str, Any]:
        """One line, by name or by the id of any of its versions, with all its versions by number.

        Raises NotFound, or Ambiguous with the choices when several lines have the name.
        """
        with self._session.read() as connection:
            line_id = self._line(connection, reference)
            rows = connection.execute(read.versions(line_id, self._viewer)).all()
            about = self._details(connection, [row.id for row in rows])
        parents = {row.parent_id for row in rows}
        items = [
            documents.version_document(row, about, self._sink.urn, head=row.id not in parents)
            for row in rows
        ]
        return {"id": self._sink.urn(line_id), "name": rows[0].name, "versions": items}

    def _line(self, connection: sa.Connection, reference: str) -> int:
        if looks_like_id(reference):
            query = read.records_by_id([self.resolve(reference)], self._viewer)
            row = connection.execute(query).one()
            if row.line_id is None:
                raise InvalidInput(f"{reference} is not a model but a {Kind(row.kind).label}.")
            return int(row.line_id)
        rows = connection.execute(
            read.lines(self._viewer, None, None, 51).where(read.named(reference))
        ).all()
        if not rows:
            raise NotFound(f"There is no model {reference[:80]!r}.")
        if len(rows) > 1:
            choices = [self._sink.urn(row.id) for row in rows]
            message = f"{len(rows)} models are called {reference[:80]!r}; give one's id: "
            raise Ambiguous(message + ", ".join(choices[:5]), choices=choices)
        return int(rows[0].id)

    def heads(self, name: str, *, run_id: str | None = None) -> list[Head]:
        """Versions of models of this name that none revises: of this run first, newest first."""
        with self._session.read() as connection:
            rows = connection.execute(read.heads(self._viewer, name=name)).all()
        ordered = sorted(rows, key=lambda row: row.run_id != run_id) if run_id else rows
        return [Head(row.id, row.line_id, row.depth, row.name, row.run_id) for row in ordered]

    # ---- lineage -------------------------------------------------------------------------

    def lineage(
        self,
        reference: str,
        *,
        direction: Direction = "up",
        depth: int | None = None,
        limit: int = 10_000,
    ) -> dict[str, Any]:
        """Everything a record depends on (up), or everything that depends on it (down).

        `depth` counts hops, steps included; at most `limit` nodes are visited and ``truncated``
        says whether there was more. A node the viewer may not see is a placeholder.
        """
        start = self.resolve(reference)
        with self._session.read() as connection:
            found = walk(connection, start, direction=direction, depth=depth, limit=limit)
            known = self._by_id(connection, found.nodes)
        names = {}
        nodes: list[dict[str, Any]] = []
        for record_id, distance in found.nodes.items():
            record = known.get(record_id)
            document = (
                documents.restricted(len(nodes))
                if record is None
                else documents.brief(record, self._sink.urn)
            )
            names[record_id] = document["id"]
            nodes.append(document | {"distance": distance})
        links = [
            {"from": names[frm], "to": names[to], "role": Role(role).label}
            for frm, to, role in found.links
        ]
        return {
            "root": names[start],
            "direction": direction,
            "depth": depth,
            "nodes": nodes,
            "links": links,
            "truncated": found.truncated,
        }

    # ---- rows ----------------------------------------------------------------------------

    def _by_id(self, connection: sa.Connection, ids: Iterable[int]) -> dict[int, Any]:
        found = {}
        for chunk in _chunks(sorted(ids)):
            for row in connection.execute(read.records_by_id(chunk, self._viewer)):
                found[row.id] = row
        return found

    def _details(self, connection: sa.Connection, ids: Sequence[int]) -> Details:
        about = Details()
        for table in ("uri", "tag", "metric", "payload"):
            rows: list[Any] = []
            for chunk in _chunks(ids):
                rows.extend(connection.execute(read.details(table, chunk)))
            setattr(about, table, _grouped(rows, lambda row: row.record_id))
        said = [row for chunk in _chunks(ids) for row in connection.execute(read.marks(chunk))]
        about.mark = _grouped(said, lambda row: row.record_id)
        return about


def _made_how(record: Any) -> str:
    if record is None or record.kind != Kind.MODEL:
        return Role.GENERATED_BY.label
    return "updated" if record.parent_id is not None else "trained"


def _links(
    connection: sa.Connection,
    ids: Sequence[int],
    *,
    down: bool,
    roles: Sequence[Role] = (),
    limit: int | None = None,
) -> dict[int, list[Any]]:
    rows: list[Any] = []
    for chunk in _chunks(ids):
        rows.extend(
            connection.execute(read.dependencies(chunk, down=down, roles=roles, limit=limit))
        )
    return _grouped(rows, lambda row: row.to_id if down else row.from_id)


def _run_tags(connection: sa.Connection, run_ids: Sequence[str]) -> dict[str, list[str]]:
    tags: dict[str, list[str]] = defaultdict(list)
    for row in connection.execute(read.run_tags(run_ids)) if run_ids else ():
        tags[row.run_id].append(row.tag)
    return tags


def _grouped(rows: Iterable[Any], key: Callable[[Any], int]) -> dict[int, list[Any]]:
    groups: dict[int, list[Any]] = defaultdict(list)
    for row in rows:
        groups[key(row)].append(row)
    return groups


def _page(
    name: str,
    items: list[dict[str, Any]],
    rows: Sequence[Any],
    limit: int,
    key: Callable[[Any], tuple[int, int | str]],
) -> dict[str, Any]:
    more = len(rows) > limit
    marker = filters.write_marker(*key(rows[limit - 1])) if more else None
    return {name: items, "limit": limit, "has_next_page": more, "marker": marker}


def _chunks(items: Sequence[int]) -> Iterator[Sequence[int]]:
    return (items[i : i + CHUNK] for i in range(0, len(items), CHUNK))
