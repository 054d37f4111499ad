"""Questions to a store. Every answer holds only what the viewer may see."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

from provenance_store import filters
from provenance_store.enums import Kind
from provenance_store.errors import NotFound
from provenance_store.filters import ModelSearch, RecordFilter, RunFilter
from provenance_store.ids import now, short_id
from provenance_store.queries import documents, models, records, runs
from provenance_store.queries.prefetch import URIS, documents_key, heads_key
from provenance_store.queries.records import candidates, not_found, one_of, told_apart
from provenance_store.queries.runs import Call, RunPlace, RunStep, run_steps
from provenance_store.queries.suggestions import did_you_mean, records_near
from provenance_store.queries.validity import validity_of
from provenance_store.queries.view import Row, View
from provenance_store.references import (
    Head,
    Reference,
    has_scheme,
    is_id,
    is_name,
    several,
    spelled,
    spellings_of,
)
from provenance_store.sinks.database import DatabaseSink
from provenance_store.sql import harvest, inspect, step_queries, traverse
from provenance_store.sql.dialects import driver
from provenance_store.sql.query_parts import chunks
from provenance_store.validation.scalars import one_or_many
from provenance_store.validation.uris import normal_uri
from provenance_store.values import Uri, Viewer

if TYPE_CHECKING:
    from provenance_store.exchange.extract import Extract
    from provenance_store.queries.lineage import Direction, OneWay
    from provenance_store.queries.lineage_graph import Lineage
    from provenance_store.statement.compare import Present

__all__ = ["LAST", "Call", "DocumentReader", "Head", "LineageOptions", "RunPlace", "RunStep"]

LAST = (1 << 63) - 1
"""A time that nothing is later than."""


class LineageOptions(TypedDict, total=False):
    """How a lineage is asked for; all of it may be left out."""

    depth: int | None
    """At most so many hops, steps included; by default all."""
    roles: Iterable[str]
    """Only links of these roles are walked, such as ``trained_on``; by default all."""
    kinds: Iterable[str]
    """Only nodes of these kinds are shown, the root and placeholders besides; the others are
    walked through. Where nothing but such a way leads from one to another, they are linked with
    the role None, in documents "influenced_by"; by ``trained_on``, ``derived_from``, ``used`` or
    ``has_member`` where one has the other through datasets."""
    folded: bool
    """One node for all versions of the models of one name, with the range of the versions."""
    limit: int
    """At most so many nodes are visited, and 20 links for each, by default 10,000 nodes;
    ``truncated`` says whether there was more."""


class DocumentReader:
    """Reads on behalf of one viewer. Documents are JSON-ready; lists are pages.

    A page has ``limit``, ``has_next_page`` and ``marker``; the marker is passed back with the
    same filters for the next page. Times are microseconds UTC. What the viewer may not see is
    NotFound. Limits are 1 to 1000, else InvalidInput.

    What only some questions need (lineage, statements, extracts) is imported when they are asked.
    """

    def __init__(self, sink: DatabaseSink, viewer: Viewer) -> None:
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
        """Runs, latest start first. `status` is one of `enums.RUN_STATUSES`. `label` may hold
        ``*``; `tag` is a tag of the run, or a condition on a tag of one of its steps such as
        ``temperature_K>290``."""
        condition = None if tag is None else filters.parse_tag(tag)
        status = None if status is None else filters.parse_status(status)
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

    def run_steps(self, run_id: str) -> list[RunStep]:
        """All steps of a run in the order in which they began, in brief; none without a run."""
        with self._view() as view:
            return run_steps(view, run_id)

    def last_step(self, run_id: str) -> int | None:
        """The id of the step of a run that was recorded last, of its last 1,000 records; None
        without any."""
        with self._session.look() as raw:
            return self._prepared.last_step(raw, self._viewer, run_id)

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
        status: str | None = None,
        limit: int = 25,
        marker: str | None = None,
    ) -> dict[str, Any]:
        """Records, newest first, without curves and documents: `record` has them.

        `name` and `uri` may hold ``*``; each of `tags` is a condition such as ``sample=Ni`` or
        ``temperature_K>290``, and all must hold. `status` is that of steps: FAILED, SUCCEEDED,
        ACTIVE for those that have no end, or any other that a step has. `since` and `until` are
        then about when a step ended, or began if it has not.
        """
        wanted = RecordFilter(
            kind=None if kind is None else filters.parse_kind(kind),
            name=name,
            uri=uri,
            also_at=self._also_at(uri),
            digest=digest,
            tags=tuple(filters.parse_tag(tag) for tag in tags),
            run_id=run_id,
            owner=owner,
            since=since,
            until=until,
            status=None if status is None else filters.parse_step_status(status),
        )
        after = filters.read_marker(marker, int)
        with self._view() as view:
            return records.list_records(view, wanted, after, filters.check_limit(limit))

    def record(self, reference: Reference) -> dict[str, Any]:
        """One record with its links one hop up and down, at most 1000 each way.

        Raises NotFound when the reference names nothing visible, Ambiguous for a name of several.
        """
        record_id = self.resolve(reference)
        with self._view() as view:
            return records.show_record(view, record_id)

    def resolve(self, reference: Reference) -> int:
        """The local id of what a reference names (see `references`).

        Raises NotFound when it names nothing visible, Ambiguous for a name that several have.
        """
        text = spelled(reference)
        if not is_id(text):
            with self._view() as view:
                return self._found(view, text)
        found = self.resolve_all([text])
        if text not in found:
            raise not_found(text)
        return found[text]

    def named(self, reference: Reference) -> dict[str, Any]:
        """What a reference names, in brief: ``records``, the newest first, one where it is clear
        and none where there is nothing, then with a ``hint`` where names are like it. Of a model
        version also its ``line``, and where later ones of steps that failed were ``passed_over``,
        these; of several records also when they were made, where they lie and in which run."""
        text = spelled(reference)
        ids = list(self.resolve_all([text]).values()) if is_id(text) else None
        with self._view() as view:
            if ids is None:
                ids = list(candidates(view, self._prepared, text))
            rows = view.by_id(ids)
            found = [rows[i] for i in ids if i in rows]
            if not found and not is_id(text) and not has_scheme(text):
                near = did_you_mean(records_near(view, text)).strip()
                return {"records": []} | ({"hint": near} if near else {})
            hidden = view.hidden(row.line_id for row in found if row.line_id is not None)
            told = {} if len(ids) < 2 else {one["id"]: one for one in told_apart(view, ids)}
            failed = self._passed_over(view, found) if is_name(text) else {}
            return {
                "records": [
                    documents.brief(row, view.urn)
                    | told.get(view.urn(row.id), {})
                    | (
                        {}
                        if row.line_id is None or row.line_id in hidden
                        else {"line": view.urn(row.line_id)}
                    )
                    | failed.get(row.id, {})
                    for row in found
                ]
            }

    def _passed_over(self, view: View, rows: Sequence[Row]) -> dict[int, dict[str, Any]]:
        with driver(view.connection) as raw:
            found = {
                row.id: self._prepared.failed_revisions(raw, self._viewer, row.id)
                for row in rows
                if row.line_id is not None
            }
        return {i: {"passed_over": [view.urn(f) for f in ids]} for i, ids in found.items() if ids}

    def resolve_all(self, references: Iterable[str]) -> dict[str, int]:
        """The local ids of those URNs and short ids that name something visible."""
        ids = {text: self._sink.locate(text) for text in references}
        with self._session.look() as raw:
            return {
                text: record_id
                for text, record_id in ids.items()
                if record_id is not None and self._prepared.see(raw, self._viewer, record_id)
            }

    def sees(self, ids: Iterable[int]) -> set[int]:
        """Those of these records that are here and may be seen."""
        with self._view() as view:
            return set(traverse.records(view.connection, sorted(set(ids)), self._viewer)[0])

    def find_uri(self, uri: str, *, run_id: str | None = None) -> int | None:
        """The newest visible record at a URI, one of this run before others; or None."""
        return self.find_uris([uri], run_id=run_id).get(uri)

    def find_uris(self, uris: Iterable[str], *, run_id: str | None = None) -> dict[str, int]:
        """`find_uri` for several; those that are known."""
        spelled: dict[str, list[str]] = {}
        for uri in uris:
            spelled.setdefault(normal_uri(uri), []).append(uri)
        found: dict[str, int] = {}
        # Which of them are known at all is asked for all of them at once: most are new.
        for norm in self._session.look_up_all(URIS, spelled, self._prepared.known_uris):
            with self._session.look() as raw:
                record_id = self._prepared.at_uri(raw, self._viewer, norm, run_id)
            if record_id is not None:
                found.update(dict.fromkeys(spelled[norm], record_id))
        return found

    def run_files(self, run_id: str, document: str, *, until: int = LAST) -> list[RunPlace]:
        """Where the records of a run are, and those documents of its steps, whoever asks: of the
        last 1,000 and the first 200 records until a time in microseconds UTC."""
        with self._session.look() as raw:
            rows = self._prepared.run_files(raw, run_id, document, until)
        return [RunPlace(*row) for row in rows if row[2] is not None or row[5] is not None]

    def models(
        self,
        *,
        name: str | None = None,
        trained_on: Reference | Sequence[Reference] = (),
        tags: str | Iterable[str] = (),
        where: str | Iterable[str] = (),
        alias: str | None = None,
        as_of: int | None = None,
        best: str | None = None,
        highest: bool = False,
        valid: bool = False,
        model: Reference | None = None,
        versions: bool = False,
        limit: int = 25,
        marker: str | None = None,
    ) -> dict[str, Any]:
        """Lines of model versions, newest first, each with its latest version.

        With any of what follows only lines that have versions as wanted, and with each the best or
        newest of these as ``match``, how many there are as ``matches``; with `versions` each
        version that fits is an item of its own. `model` is a name, or names any version of a model:
        only versions of that one are looked at. `trained_on` are ids or
        URIs of records, all of which the version must have been trained on: directly, through
        datasets, through steps that read the record and what they made, or as a later version of,
        or made from, a model that was. `tags` are conditions on tags of the version, or of what it
        was trained on and what that came from, facts that it depends on and steps that made it.
        `where` are conditions on its hyperparameters, or on parameters of the step that made it,
        such as ``lr<0.01``; a path (``optimizer.lr``) or its end will do, and the match's
        ``compared`` has the values by name. `alias` wants the version
        that has this alias. With `as_of`, microseconds UTC, only what was made before counts, and
        aliases as they were then. `best` names a validation score, or else a metric, whose last
        value counts: the lowest is first, with `highest` (or a ``-`` before the name) the highest;
        the value is the match's ``value``, and versions without one are left out. Where it is not
        finite, or beyond single precision, the match has ``diverged``, and is last. Invalid
        versions are marked, and left out with `valid`. Raises InvalidInput for a score, parameter,
        tag or alias that nothing has.
        """
        size = filters.check_limit(limit)
        references = several(trained_on)
        conditions = tuple(filters.parse_tag(tag) for tag in one_or_many(tags))
        parameters = tuple(
            filters.parse_tag(text, "a condition on a parameter") for text in one_or_many(where)
        )
        asked = (references, conditions, parameters, alias, best, valid, as_of, model, versions)
        if not any(asked):
            after = filters.read_marker(marker, int)
            with self._view() as view:
                return models.list_models(view, name, after, size)
        wanted = ModelSearch(
            RecordFilter(kind=Kind.MODEL, name=name),
            tuple(self.resolve(reference) for reference in references),
            conditions,
            parameters,
            alias,
            as_of,
            (best or "").removeprefix("-"),
            highest or (best or "").startswith("-"),
            valid,
            None if model is None else self._line(model),
            versions,
        )
        place = filters.read_marker(marker, float)
        with self._view(as_of) as view:
            return models.find_models(view, wanted, place, size)

    def model(
        self, reference: Reference, *, limit: int = 100, marker: str | None = None
    ) -> dict[str, Any]:
        """One line, by name or by any of its versions, with a page of its versions by number.
        Versions come without their curves: `record` has them.

        Raises NotFound, or Ambiguous with the choices when several lines have the name.
        """
        after = filters.read_marker(marker, int)
        line_id = self._line(reference)
        with self._view() as view:
            return models.show_line(view, line_id, after, filters.check_limit(limit))

    def _line(self, reference: Reference) -> int:
        """The line of a model: by its name, or by any of its versions."""
        text = spelled(reference)
        record_id = None if is_name(text) else self.resolve(text)
        with self._view() as view:
            if record_id is None:
                return models.line_named(view, text)
            return models.line_of(view, record_id, text)

    def model_version(self, reference: Reference) -> dict[str, Any]:
        """One model version: data, facts, steps and environment that made it, its curve and scores,
        what it was made from, what it was used for and what came of that.

        Raises NotFound, or InvalidInput when the record is no model.
        """
        from provenance_store.queries.models import show_version

        record_id = self.resolve(reference)
        with self._view() as view:
            return show_version(view, record_id, spelled(reference))

    def heads(self, name: str, *, run_id: str | None = None) -> list[Head]:
        """Versions of models of this name that none revises: of this run first, newest first.
        Those of steps that FAILED are passed over, unless there is no other.

        Where some are the viewer's own, the others are left out, else those that it may only see
        where it manages some. A revision that it may not see does not count, nor one that it may
        only see of a version that it manages.
        """
        from provenance_store.redaction import scrub_text

        rows = self._session.look_up(
            heads_key(self._viewer, name),
            lambda raw: self._prepared.nearest_heads(raw, self._viewer, scrub_text(name)),
        )
        heads = [Head(*row) for row in rows]
        return sorted(heads, key=lambda head: head.run_id != run_id) if run_id else heads

    def version(self, record_id: int) -> Head | None:
        """The visible model version with this id; None if it is another kind of record."""
        with self._session.look() as raw:
            row = self._prepared.version(raw, self._viewer, record_id)
        return None if row is None else Head(*row)

    def invalid(self, ids: Iterable[int]) -> list[dict[str, Any]]:
        """Those of these records that are invalid, in brief with ``at``, ``cause`` and ``root``
        of that; in the order given, without those that may not be seen."""
        wanted = list(dict.fromkeys(ids))
        with self._view() as view:
            found = validity_of(view, wanted)
            rows = view.by_id(found)
            return [
                documents.brief(rows[i], view.urn)
                | documents.validity(found[i], view.urn)["invalidated"]
                for i in wanted
                if i in rows
            ]

    def makers(self, record_id: int, run_id: str, functions: str) -> list[Call]:
        """The steps that made a record, in brief and compared with those of a run, whoever asks;
        `functions` is how the URIs of functions begin."""
        with self._session.look() as raw:
            return [
                Call(
                    step_id,
                    name,
                    frozenset(self._prepared.called_by(raw, step_id, functions)),
                    bool(same_flow),
                )
                for step_id, name, same_flow in self._prepared.makers(raw, record_id, run_id)
            ]

    def places(self, ids: Collection[int]) -> dict[int, list[Uri]]:
        """Where the bytes of these records are, and what they were when that was recorded,
        whoever asks."""
        found: dict[int, list[Uri]] = {record_id: [] for record_id in ids}
        with self._session.look() as raw:
            for record_id, *place in self._prepared.places(raw, sorted(found)):
                found[record_id].append(Uri(*place))
        return found

    def has_documents(self, run_id: str, name: str) -> bool:
        """Whether a step of a run has a document of that name, whoever asks."""
        return bool(
            self._session.look_up_all(
                documents_key(name),
                [run_id],
                lambda raw, asked: self._prepared.documented(raw, asked, name),
            )
        )

    def called(self, run_id: str, functions: str, *, until: int = LAST) -> set[int]:
        """The functions that a run had called by a time, in microseconds UTC, whoever asks;
        `functions` is how their URIs begin."""
        with self._view() as view:
            return {row[0] for row in view.all(step_queries.called(run_id, functions, until))}

    def document(self, step_id: int, name: str) -> str | None:
        """The document of that name that is kept with a step, whoever asks."""
        with self._view() as view:
            row = view.first(harvest.document(step_id, name))
        return None if row is None else row[0]

    def used_elsewhere(self, ids: Collection[int], run_id: str) -> set[int]:
        """Those of these records that something outside of this run derives from, or used."""
        with self._view() as view:
            return {
                row[0]
                for chunk in chunks(sorted(ids))
                for row in view.all(step_queries.used_elsewhere(chunk, run_id))
            }

    def made_by(self, step_id: int, *, limit: int) -> list[tuple[int, Kind]]:
        """Ids and kinds of at most `limit` visible records that a step made, by id."""
        with self._view() as view:
            rows = view.all(step_queries.made_by(step_id, self._viewer, limit))
        return [(row.id, Kind(row.kind)) for row in rows]

    def lineage(
        self,
        reference: Reference,
        direction: Direction = "up",
        **options: Unpack[LineageOptions],
    ) -> dict[str, Any]:
        """The JSON-ready document of `graph`."""
        return self.graph(reference, direction, **options).to_dict()

    def graph(
        self,
        reference: Reference,
        direction: Direction = "up",
        *,
        depth: int | None = None,
        roles: Iterable[str] = (),
        kinds: Iterable[str] = (),
        folded: bool = False,
        limit: int = 10_000,
    ) -> Lineage:
        """Everything a record depends on (up), everything that depends on it (down), or both.

        The options are those of `LineageOptions`. A node the viewer may not see is a placeholder,
        whatever its kind. Raises InvalidInput for options that make no sense, NotFound when the
        reference names nothing visible.
        """
        from provenance_store.queries.lineage import trace

        wanted_roles = tuple(filters.parse_role(role) for role in roles)
        wanted_kinds = frozenset(filters.parse_kind(kind) for kind in kinds)
        with self._view() as view:
            return trace(
                view,
                self._seen(view, reference),
                direction=direction,
                depth=depth,
                roles=wanted_roles,
                kinds=wanted_kinds,
                folded=folded,
                limit=limit,
            )

    def statement(
        self, reference: Reference, *, limit: int = 10_000, as_of: int | None = None
    ) -> dict[str, Any]:
        """A statement on how a record came to be: an in-toto Statement, in JSON.

        It is over the record and at most `limit` of what it depends on, nearest first. Tags and
        checks of files are those of the time `as_of`, in microseconds UTC, by default now.
        """
        from provenance_store.statement import evidence
        from provenance_store.statement.document import state

        start = self.resolve(reference)
        with self._view() as view:
            at = now() if as_of is None else as_of
            return state(evidence.gather(view, start, as_of=at, limit=limit))

    def evidence(self, references: Iterable[str], *, as_of: int) -> dict[str, Any]:
        """What is known today of the records of a statement made at a time, to compare it with."""
        from provenance_store.statement import evidence

        located = (self._sink.locate(reference) for reference in references)
        ids = {record_id for record_id in located if record_id is not None}
        with self._view() as view:
            return evidence.gather_these(view, ids, as_of=as_of)

    def evidence_again(self, stated: Mapping[str, Any]) -> Present:
        """What is known today, and was at its time, of all that a statement's evidence tells."""
        from provenance_store.statement.compare import look_again

        with self._view() as view:
            return look_again(view, stated, self._sink.locate)

    def extract(
        self,
        references: Reference | Sequence[Reference] = (),
        *,
        run_ids: Sequence[str] = (),
        everything: bool = False,
        directions: Sequence[OneWay] = ("up",),
        depth: int | None = None,
        limit: int = 10_000,
    ) -> Extract:
        """A part of the history to be exported: see `exchange.extract.gather`."""
        from provenance_store.exchange.extract import gather

        ids = [self.resolve(each) for each in several(references)]
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

    def _also_at(self, uri: str | None) -> tuple[str, ...]:
        """Other spellings of a place that is asked for; of a pattern there are none."""
        if uri is None or "*" in uri:
            return ()
        return tuple(dict.fromkeys(spellings_of(uri, here=self._viewer.everything)))

    def _seen(self, view: View, reference: Reference) -> int:
        """`resolve` inside a read that is under way."""
        text = spelled(reference)
        if not is_id(text):
            return self._found(view, text)
        record_id = self._sink.locate(text)
        if record_id is not None:
            with driver(view.connection) as raw:
                if self._prepared.see(raw, self._viewer, record_id):
                    return record_id
        raise not_found(text)

    def _found(self, view: View, text: str) -> int:
        """What a URI or a name stands for; the error for one that is unknown has names like it."""
        ids = candidates(view, self._prepared, text)
        if not ids:
            raise not_found(
                text, "" if has_scheme(text) else did_you_mean(records_near(view, text))
            )
        return one_of(view, ids, text)

    @contextmanager
    def _view(self, as_of: int | None = None) -> Iterator[View]:
        self._sink.flush()  # points of curves that are logged here wait up to a second
        with self._session.read() as connection, inspect.explaining(connection):
            yield View(connection, self._viewer, self.urn, as_of)

    def urn(self, record_id: int) -> str:
        """The URN of a record, or the short id of one whose origin is not there: no Braid wrote it,
        and it must not stand in the way of the others."""
        try:
            return self._sink.urn(record_id)
        except NotFound:
            return short_id(record_id)
