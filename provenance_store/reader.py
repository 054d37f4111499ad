"""Questions to a store. Every answer holds only what the viewer may see."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from provenance_store import filters
from provenance_store.errors import NotFound
from provenance_store.exchange.extract import Extract, gather
from provenance_store.filters import RecordFilter, RunFilter
from provenance_store.ids import looks_like_id
from provenance_store.kinds import Kind, Level
from provenance_store.reading import lineage, models, records, runs
from provenance_store.reading.lineage import Direction
from provenance_store.reading.models import Head
from provenance_store.reading.view import View
from provenance_store.sql import made
from provenance_store.viewer import Viewer

if TYPE_CHECKING:
    from provenance_store.store import StoreSink

__all__ = ["Head", "Reader"]


class Reader:
    """Reads on behalf of one viewer. Documents are JSON-ready; lists are pages.

    A page has ``limit``, ``has_next_page`` and ``marker``; the marker is passed back with the
    same filters for the next page. Times are microseconds UTC. What the viewer may not see is
    NotFound. Limits are 1 to 1000, else InvalidInput.
    """

    def __init__(self, sink: StoreSink, viewer: Viewer) -> None:
        self._sink = sink
        self._session = sink.session
        self._prepared = sink.prepared
        self._viewer = viewer

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
        with self._view() as view:
            return runs.list_runs(view, wanted, after, filters.check_limit(limit))

    def run(self, run_id: str, *, limit: int = 100, marker: str | None = None) -> dict[str, Any]:
        """One run with a page of its steps, in the order in which they began.

        Steps have their parameters and error, as far as 4 MiB go; `record` has the result too,
        and whatever else a step's ``left_out`` names.
        """
        after = filters.read_marker(marker, int)
        with self._view() as view:
            return runs.show_run(view, run_id, after, filters.check_limit(limit))

    def run_members(self, run_id: str) -> dict[str, Level] | None:
        """Who may see or manage a run, whoever asks; None when nobody is known to."""
        with self._session.look() as raw:
            rows = self._prepared.run_members(raw, run_id)
        return {principal: Level(level) for principal, level in rows} or None

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
        """Records, newest first, without curves and documents: `record` has them.

        `name` and `uri` may hold ``*``; each of `tags` is a condition such as ``sample=Ni`` or
        ``temperature_K>290``, and all must hold.
        """
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
        with self._view() as view:
            return records.list_records(view, wanted, after, filters.check_limit(limit))

    def record(self, reference: str) -> dict[str, Any]:
        """One record with its links one hop up and down, at most 1000 each way.

        Raises InvalidInput when the reference is no id, NotFound when it names nothing visible.
        """
        record_id = self.resolve(reference)
        with self._view() as view:
            return records.show_record(view, record_id)

    def resolve(self, reference: str) -> int:
        """The local id of a URN or short id; NotFound when it names nothing visible."""
        found = self.resolve_all([reference])
        if reference not in found:
            raise NotFound(f"There is no record {reference} in this store.")
        return found[reference]

    def resolve_all(self, references: Iterable[str]) -> dict[str, int]:
        """The local ids of those URNs and short ids that name something visible."""
        ids = {text: self._sink.locate(text) for text in references}
        with self._session.look() as raw:
            return {
                text: record_id
                for text, record_id in ids.items()
                if record_id is not None and self._prepared.see(raw, self._viewer, record_id)
            }

    def find_uri(self, uri: str, *, run_id: str | None = None) -> int | None:
        """The newest visible record at a URI, one of this run before others; or None."""
        return self.find_uris([uri], run_id=run_id).get(uri)

    def find_uris(self, uris: Iterable[str], *, run_id: str | None = None) -> dict[str, int]:
        """`find_uri` for several; those that are known."""
        with self._session.look() as raw:
            found = {uri: self._prepared.at_uri(raw, self._viewer, uri, run_id) for uri in uris}
        return {uri: record_id for uri, record_id in found.items() if record_id is not None}

    def models(
        self, *, name: str | None = None, limit: int = 25, marker: str | None = None
    ) -> dict[str, Any]:
        """Lines of model versions, newest first, each with its latest version."""
        after = filters.read_marker(marker, int)
        with self._view() as view:
            return models.list_models(view, name, after, filters.check_limit(limit))

    def model(self, reference: str) -> dict[str, Any]:
        """One line, by name or by the id of any of its versions, with all its versions by number.

        Raises NotFound, or Ambiguous with the choices when several lines have the name.
        """
        record_id = self.resolve(reference) if looks_like_id(reference) else None
        with self._view() as view:
            if record_id is None:
                line_id = models.line_named(view, reference)
            else:
                line_id = models.line_of(view, record_id, reference)
            return models.show_line(view, line_id)

    def heads(self, name: str, *, run_id: str | None = None) -> list[Head]:
        """Versions of models of this name that none revises: of this run first, newest first.

        Where the viewer manages some, those that it may only see are left out, and a revision
        that it may not see does not count.
        """
        with self._session.look() as raw:
            rows = self._prepared.heads(raw, self._viewer, name)
        own = [row for row in rows if row[-1]] or rows
        heads = [Head(*row[:-1]) for row in own]
        return sorted(heads, key=lambda head: head.run_id != run_id) if run_id else heads

    def version(self, record_id: int) -> Head | None:
        """The visible model version with this id; None if it is another kind of record."""
        with self._session.look() as raw:
            row = self._prepared.version(raw, self._viewer, record_id)
        return None if row is None else Head(*row)

    def made_by(self, step_id: int, *, limit: int) -> list[tuple[int, Kind]]:
        """Ids and kinds of at most `limit` visible records that a step made, by id."""
        with self._view() as view:
            rows = view.all(made.made_by(step_id, self._viewer, limit))
        return [(row.id, Kind(row.kind)) for row in rows]

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
        with self._view() as view:
            return lineage.show_lineage(view, start, direction=direction, depth=depth, limit=limit)

    def extract(
        self,
        references: Sequence[str] = (),
        *,
        run_ids: Sequence[str] = (),
        everything: bool = False,
        directions: Sequence[Direction] = ("up",),
        depth: int | None = None,
        limit: int = 10_000,
    ) -> Extract:
        """A part of the history to be exported: see `exchange.extract.gather`."""
        ids = [self.resolve(reference) for reference in references]
        with self._view() as view:
            return gather(
                view,
                ids=ids,
                run_ids=run_ids,
                everything=everything,
                directions=directions,
                depth=depth,
                limit=limit,
            )

    @contextmanager
    def _view(self) -> Iterator[View]:
        with self._session.read() as connection:
            yield View(connection, self._viewer, self._sink.urn)
