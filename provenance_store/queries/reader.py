"""Questions to a store, as Python asks them: typed answers, times as datetimes, any reference."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any
from uuid import UUID

from provenance_store.enums import Kind, Role
from provenance_store.queries.document_reader import DocumentReader
from provenance_store.references import Reference, spelled
from provenance_store.results.base import read
from provenance_store.results.listing import Ask, Listing
from provenance_store.results.models import LineBrief, Model, ModelVersion, Version
from provenance_store.results.records import Candidate, Record, RecordDetail
from provenance_store.results.runs import Run, RunLike, RunWithSteps, StepDetail, run_id_of
from provenance_store.results.statement import Statement
from provenance_store.times import TimeLike, micros
from provenance_store.validation.scalars import is_a, one_or_many

if TYPE_CHECKING:
    from provenance_store.queries.lineage import Direction
    from provenance_store.queries.lineage_graph import Lineage
    from provenance_store.recording.recorder import Records

__all__ = ["Reader"]


class Reader:
    """Reads on behalf of one viewer, whose answers hold only what that one may see.

    Wherever a record is named, what a recorder or a reader returned will do, an id, a URN, a URI,
    a `Path`, a name, ``NAME@v3`` or ``NAME@ALIAS``. Times are datetimes with a time zone, RFC 3339
    text, or microseconds since 1970 UTC. What the viewer may not see is NotFound.

    `Listing` is what lists are: all items, read page by page as they are looked at. Each result has
    `to_dict`, the document of the query API.
    """

    def __init__(self, documents: DocumentReader) -> None:
        self._documents = documents

    def record(self, reference: Reference) -> RecordDetail:
        """One record with its links one hop up and down, at most 1000 each way.

        Raises NotFound when the reference names nothing visible, Ambiguous for a name of several.

        >>> peaks = reader.record("peaks-17")
        >>> [(link.role.name, link.name) for link in peaks.links]
        [('GENERATED_BY', 'Find peaks')]
        """
        return read(self._documents.record(reference), RecordDetail)

    def records(
        self,
        *,
        kind: Kind | str | None = None,
        name: str | None = None,
        uri: Reference | None = None,
        digest: str | None = None,
        tags: str | Iterable[str] = (),
        run_id: RunLike | None = None,
        owner: str | None = None,
        since: TimeLike | None = None,
        until: TimeLike | None = None,
        status: str | None = None,
        limit: int | None = None,
    ) -> Listing[Record]:
        """Records, newest first, at most `limit` of them; `record` has curves and documents too.

        `name` and `uri` may hold ``*``, and `uri` may be a `Path`; each of `tags` is a condition
        such as ``sample=Ni`` or ``temperature_K>290``, and all must hold. `status` is that of
        steps: FAILED, SUCCEEDED, ACTIVE for those that have no end, or any other that a step has.
        `since` and `until` are then about when a step ended, or began if it has not; else about
        when a record was made.

        >>> from datetime import UTC, datetime, timedelta
        >>> week_ago = datetime.now(UTC) - timedelta(days=7)
        >>> for step in reader.records(status="FAILED", since=week_ago):
        ...     print(step.name, reader.record(step).error["message"])
        Find peaks the scan has no frames
        >>> [scan.name for scan in reader.records(tags="temperature_K<300")]
        ['scan-17']
        """
        wanted: dict[str, Any] = {
            "kind": _label(kind),
            "name": name,
            "uri": None if uri is None else spelled(uri),
            "digest": digest,
            "tags": list(one_or_many(tags)),
            "run_id": None if run_id is None else run_id_of(run_id),
            "owner": owner,
            "since": _micros(since),
            "until": _micros(until),
            "status": status,
        }
        return Listing("records", Record, _pages(self._documents.records, wanted), limit)

    def runs(
        self,
        *,
        flow_id: str | UUID | None = None,
        status: str | None = None,
        owner: str | None = None,
        label: str | None = None,
        tag: str | None = None,
        since: TimeLike | None = None,
        until: TimeLike | None = None,
        limit: int | None = None,
    ) -> Listing[Run]:
        """Flow runs, latest start first, at most `limit` of them.

        `status` is ACTIVE, INACTIVE, SUCCEEDED, FAILED, or ENDED where it is not known how.
        `label` may hold ``*``; `tag` is a tag of the run, or a condition on a tag of one of its
        steps such as ``temperature_K>290``. `since` and `until` are about when it began.

        >>> for run in reader.runs(label="hedm*", status="SUCCEEDED"):
        ...     print(run.label, run.run_id)
        hedm-17 8c1f2d3e-5a0f-4f3b-9c39-6f1c1a7f0d11
        """
        wanted: dict[str, Any] = {
            "flow_id": None if flow_id is None else str(flow_id),
            "status": status,
            "owner": owner,
            "label": label,
            "tag": tag,
            "since": _micros(since),
            "until": _micros(until),
        }
        return Listing("runs", Run, _pages(self._documents.runs, wanted), limit)

    def run(self, run_id: RunLike) -> RunWithSteps:
        """One flow run; its `steps` are in the order in which they began.

        Steps have their parameters and error, as far as 4 MiB go on a page; `record` has the
        result too, and whatever else a step's `left_out` names. Of an id the beginning will do, 4
        characters or more. Raises NotFound, or Ambiguous when several runs begin so.

        >>> for step in reader.run("8c1f2d3e").steps:
        ...     print(step.name, step.status, [part.name for part in step.inputs])
        Find peaks SUCCEEDED ['scan-17']
        Train SUCCEEDED ['peaks-17']
        """
        text = run_id_of(run_id)

        def ask(size: int, marker: str | None) -> dict[str, Any]:
            return self._documents.run(text, limit=size, marker=marker)

        steps = Listing("steps", StepDetail, ask)
        return read(steps.to_dict(), RunWithSteps)._with(steps)

    def models(
        self,
        *,
        name: str | None = None,
        trained_on: Records = (),
        tags: str | Iterable[str] = (),
        where: str | Iterable[str] = (),
        alias: str | None = None,
        as_of: TimeLike | None = None,
        best: str | None = None,
        highest: bool = False,
        valid: bool = False,
        model: Reference | None = None,
        versions: bool = False,
        limit: int | None = None,
    ) -> Listing[LineBrief]:
        """Models, newest first, each with its `latest` version; at most `limit` of them.

        With any of what follows only models that have versions as wanted, and with each the best
        or newest of these as `match`, how many there are as `matches`; with `versions` each
        version that fits is an item of its own. `model` is a name, or names any version of a
        model: only versions of that one are looked at. `trained_on` are records, all of which the
        version must have been trained on: directly, through datasets, through steps that read the
        record and what they made, or as a later version of, or made from, a model that was. `tags`
        are conditions on tags of the version, or of what it was trained on and what that came
        from, facts that it depends on and steps that made it. `where` are conditions on its
        hyperparameters, or on parameters of the step that made it, such as ``lr<0.01``; a path
        (``optimizer.lr``) or its end will do, and the match's `compared` has the values by name.
        `alias` wants the version that has this alias. With `as_of` only what was made before
        counts, and aliases as they were then. `best` names a validation score, or else a metric,
        whose last value counts: the lowest is first, with `highest` the highest; the value is the
        match's `value`, and versions without one are left out. Where it is not finite, or beyond
        single precision, the match has `diverged`, and is last. Invalid versions are marked, and
        left out with `valid`. Raises InvalidInput for a score, parameter, tag or alias that
        nothing has.

        >>> best = reader.models(trained_on="scan-17", best="mae").first()
        >>> best.match.version, best.match.value
        (2, 0.28)
        >>> small = reader.models(where="lr<0.005").first()
        >>> small.match.version, small.match.compared
        (2, {'lr': 0.001})
        """
        wanted: dict[str, Any] = {
            "name": name,
            "trained_on": trained_on,
            "tags": tags,
            "where": where,
            "alias": alias,
            "as_of": _micros(as_of),
            "best": best,
            "highest": highest,
            "valid": valid,
            "model": None if model is None else _line(model),
            "versions": versions,
        }
        return Listing("models", LineBrief, _pages(self._documents.models, wanted), limit)

    def model(self, reference: Reference) -> Model:
        """One model, by name or by any of its versions; its `versions` are in order of their
        number, without their curves: `model_version` has them.

        Raises NotFound, or Ambiguous with the choices when several models have the name.

        >>> for version in reader.model("braggnn").versions:
        ...     print(version.version, version.scores, version.aliases)
        0 {} []
        1 {'mae': 0.41} []
        2 {'mae': 0.28} ['champion']
        """
        text = _line(reference)

        def ask(size: int, marker: str | None) -> dict[str, Any]:
            return self._documents.model(text, limit=size, marker=marker)

        versions = Listing("versions", Version, ask)
        return read(versions.to_dict(), Model)._with(versions)

    def model_version(self, reference: Reference) -> ModelVersion:
        """One model version: data, facts, steps and environment that made it, its curve and scores,
        what it was made from, what it was used for and what came of that.

        Raises NotFound, or InvalidInput when the record is no model.

        >>> champion = reader.model_version("braggnn@champion")
        >>> [record.name for record in champion.trained_on]
        ['peaks-17']
        >>> champion.metrics[-1]
        {'epoch': 2, 'loss': 0.3}
        """
        return read(self._documents.model_version(reference), ModelVersion)

    def lineage(
        self,
        reference: Reference,
        direction: Direction = "up",
        *,
        depth: int | None = None,
        roles: Role | str | Iterable[Role | str] = (),
        kinds: Kind | str | Iterable[Kind | str] = (),
        folded: bool = False,
        limit: int = 10_000,
    ) -> Lineage:
        """Everything a record depends on (up), everything that depends on it (down), or both.

        At most `depth` hops away, steps included. Only links of the `roles` are walked, and only
        nodes of the `kinds` are shown, the record and placeholders for what may not be seen
        besides: the others are walked through. Where nothing but such a way leads from one to
        another, they are linked with the role None; by TRAINED_ON, DERIVED_FROM, USED or
        HAS_MEMBER where one has the other through datasets. With `folded` one node stands for all
        versions of the models of one name. At most `limit` nodes are visited, and 20 links for
        each; `truncated` says whether there was more. Raises InvalidInput for options that make no
        sense, NotFound when the reference names nothing visible.

        >>> down = reader.lineage("scan-17", "down", kinds=["data", "model"])
        >>> [(node.name, node.version) for node in down.nodes]
        [('scan-17', None), ('peaks-17', None), ('braggnn', 1), ('braggnn', 2)]
        """
        return self._documents.graph(
            reference,
            direction,
            depth=depth,
            roles=[_label(role) for role in one_or_many(roles)],
            kinds=[_label(kind) for kind in one_or_many(kinds)],
            folded=folded,
            limit=limit,
        )

    def statement(
        self, reference: Reference, *, limit: int = 10_000, as_of: TimeLike | None = None
    ) -> Statement:
        """A statement on how a record came to be, an in-toto Statement.

        It is over the record and at most `limit` of what it depends on, nearest first. Tags and
        checks of files are those of the time `as_of`, by default now.

        >>> statement = reader.statement("braggnn@champion")
        >>> for gap in statement.predicate["not_supported"][:2]:
        ...     print(gap["text"])
        4 records name no file at all.
        One record is said to derive from others, without a step that made it.
        """
        return Statement(self._documents.statement(reference, limit=limit, as_of=_micros(as_of)))

    def resolve(self, reference: Reference) -> Candidate:
        """Which record a reference names, in brief.

        Raises NotFound when it names nothing visible, Ambiguous for a name that several have.

        >>> reader.resolve("braggnn@champion").version
        2
        """
        found = self._documents.named(self._documents.resolve(reference))
        (record,) = found["records"]
        return read(record, Candidate)


def _pages(ask: Any, wanted: Mapping[str, Any]) -> Ask:
    return lambda size, marker: ask(**wanted, limit=size, marker=marker)


def _micros(given: TimeLike | None) -> int | None:
    return None if given is None else micros(given)


def _label(given: Any) -> Any:
    """The name of a kind or a role in documents."""
    return given.label if is_a(given, Kind | Role) else given


def _line(given: Reference) -> str:
    """The text of a reference to a model: any of its versions will do, or the model itself."""
    return given.urn if is_a(given, Model | LineBrief) else spelled(given)  # type: ignore[union-attr]
