"""Queries that read records and runs. None joins two one-to-many tables; all page by key."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from provenance_store.decisions import DOCUMENT
from provenance_store.enums import Kind, Level, Role, Series, TagType
from provenance_store.errors import InvalidInput
from provenance_store.filters import RecordFilter, RunFilter, TagCondition
from provenance_store.rows import MetricRow
from provenance_store.sql.makers import status_of_maker
from provenance_store.sql.query_parts import chunks, is_newer, lies_at, uuid_of
from provenance_store.sql.tables import DID_NOT_SUCCEED, OF_DECISIONS, TABLE
from provenance_store.validation.uris import normal_uri
from provenance_store.values import Viewer

__all__ = [
    "can_see",
    "can_see_run",
    "compared",
    "decisions_about",
    "dependencies",
    "details",
    "heads",
    "is_current_tag",
    "kin",
    "last_records",
    "line_sizes",
    "lines",
    "marks",
    "named",
    "payload_sizes",
    "payloads",
    "points_at",
    "record_columns",
    "record_conditions",
    "records",
    "records_by_id",
    "revised",
    "revises",
    "run_by_id",
    "run_step_lines",
    "run_steps",
    "run_tags",
    "runs",
    "scores",
    "version_lines",
    "versions",
    "who_recorded",
    "with_status",
]

Query = sa.Select[Any]
MOST_STARS, MOST_BEHIND = 8, 128
_TRUTH = {"yes": "true", "true": "true", "no": "false", "false": "false"}
"""What truth values are stored as, by the words that people ask for them with."""
Condition = sa.ColumnElement[bool]

_T = TABLE
_record, _run, _tag, _link = _T["record"], _T["run"], _T["tag"], _T["link"]
_version, _step, _outcome, _mark = _T["version"], _T["step"], _T["outcome"], _T["mark"]
_member, _audience, _uri = _T["audience_member"], _T["audience"], _T["uri"]
_check, _same = _T["file_check"], _T["same_as"]

_RECORD = (
    _record,
    _audience.c.owner,
    _version.c.line_id,
    _version.c.parent_id,
    _version.c.depth,
    _step.c.type,
    _step.c.action_url,
    _step.c.action_id,
    _step.c.run_as,
    _step.c.definition_digest,
    _step.c.ordinal,
    _step.c.started_at,
    _outcome.c.status,
    _outcome.c.completed_at,
)
_FROM = (
    _record.outerjoin(_audience, _audience.c.digest == _record.c.audience)
    .outerjoin(_version, _version.c.id == _record.c.id)
    .outerjoin(_step, _step.c.id == _record.c.id)
    .outerjoin(_outcome, _outcome.c.id == _record.c.id)
)


def record_columns() -> tuple[tuple[Any, ...], sa.FromClause]:
    """What queries for whole records select, and from where."""
    return _RECORD, _FROM


def _audiences(viewer: Viewer) -> sa.Select[Any]:
    return sa.select(_member.c.digest).where(_member.c.principal.in_(sorted(viewer.principals)))


def can_see_run(viewer: Viewer) -> Condition:
    """The condition on `run` that holds for what a viewer may see."""
    return sa.true() if viewer.everything else _run.c.audience.in_(_audiences(viewer))


def can_see(viewer: Viewer, record: sa.FromClause = _record) -> Condition:
    """The condition on `record`: its own audience, or that of its run."""
    if viewer.everything:
        return sa.true()
    return sa.or_(
        record.c.audience.in_(_audiences(viewer)), record.c.run_audience.in_(_audiences(viewer))
    )


def revises(viewer: Viewer, revision: sa.FromClause, revised: sa.FromClause = _record) -> Condition:
    """The condition that a revision of a version counts: it may be seen, and is managed if the
    version is, for who may only read that does not end its line."""
    if viewer.everything:
        return sa.true()
    managed = _audiences(viewer).where(_member.c.level >= Level.MANAGE.value)
    by_viewer = [
        sa.func.coalesce(table.c.audience, "").in_(managed) for table in (revised, revision)
    ]
    return sa.and_(can_see(viewer, revision), sa.or_(~by_viewer[0], by_viewer[1]))


def records_by_id(ids: Sequence[int], viewer: Viewer) -> Query:
    """Whole records with these ids, what is one-to-one with them joined, in no order; of a model
    version also the status of the step that made it, as `ended`, which is a step's own too."""
    ended = sa.case(
        (_step.c.id.is_not(None), sa.func.coalesce(_outcome.c.status, "ACTIVE")),
        (_version.c.id.is_not(None), status_of_maker(_version.c.id)),
    )
    return (
        sa.select(*_RECORD, ended.label("ended"))
        .select_from(_FROM)
        .where(_record.c.id.in_(ids), can_see(viewer))
    )


def records(
    wanted: RecordFilter, viewer: Viewer, after: tuple[int, int] | None, limit: int
) -> Query:
    """A page of records, newest first; `after` is (created_at, id) of the last one before."""
    query = (
        sa.select(*_RECORD)
        .select_from(_FROM)
        .where(can_see(viewer), *record_conditions(wanted, viewer))
    )
    if after is not None:
        here = sa.tuple_(_record.c.created_at, _record.c.id)
        query = query.where(here < sa.tuple_(*map(sa.literal, after)))
    return query.order_by(_record.c.created_at.desc(), _record.c.id.desc()).limit(limit)


def record_conditions(wanted: RecordFilter, viewer: Viewer) -> list[Condition]:
    """Conditions on `record` to be as wanted."""
    conditions: list[Condition] = [
        _record.c.id.in_(sa.select(_tag.c.record_id).where(tag_holds(tag, viewer)))
        for tag in wanted.tags
    ]
    if wanted.kind is not None:
        conditions.append(_record.c.kind == wanted.kind.value)
    if wanted.name is not None:
        conditions.append(_like(_record.c.name, wanted.name))
    if wanted.uri is not None:
        with_uri = sa.select(_uri.c.record_id).where(
            sa.or_(_at(wanted.uri), *(lies_at(_uri, normal_uri(uri)) for uri in wanted.also_at))
        )
        same = sa.select(_same.c.record_id).where(_same.c.other_id.in_(with_uri))
        conditions.append(_record.c.id.in_(with_uri.union(same)))
    if wanted.digest is not None:
        recorded = sa.select(_uri.c.record_id).where(_uri.c.digest == wanted.digest)
        found_later = sa.select(_check.c.record_id).where(_check.c.digest == wanted.digest)
        conditions.append(_record.c.id.in_(recorded.union(found_later)))
    if wanted.run_id is not None:
        conditions.append(_record.c.run_id == wanted.run_id)
    if wanted.owner is not None:
        conditions.append(_audience.c.owner == wanted.owner)
    if wanted.status is None:
        return conditions + _between(_record.c.created_at, wanted.since, wanted.until)
    ended = sa.func.coalesce(_outcome.c.completed_at, _record.c.created_at)
    return [*conditions, _has_status(wanted.status), *_between(ended, wanted.since, wanted.until)]


def _has_status(status: str) -> Condition:
    """The condition of being a step with this status.

    The newest step that succeeded is not far in the order of time; one that did not may be
    anywhere, and those few are found first.
    """
    if status == "SUCCEEDED":
        return _outcome.c.status == status
    if status == "ACTIVE":
        step, end = _step.alias(), _outcome.alias()
        no_end = sa.select(step.c.id).outerjoin(end, end.c.id == step.c.id)
        return _record.c.id.in_(no_end.where(sa.or_(end.c.id.is_(None), end.c.status == status)))
    so = sa.select(_outcome.c.id).where(_outcome.c.status == status, DID_NOT_SUCCEED)
    return _record.c.id.in_(so.correlate(None))


def with_status(status: str, viewer: Viewer) -> Query:
    """A step with this status that the viewer may see."""
    has = (can_see(viewer), _has_status(status))
    return sa.select(_record.c.id).select_from(_FROM).where(*has).limit(1)


def _between(
    column: sa.ColumnElement[Any], since: int | None, until: int | None
) -> list[Condition]:
    first = [] if since is None else [column >= since]
    return first + ([] if until is None else [column < until])


def _at(uri: str) -> Condition:
    """Any spelling of a URI; with ``*`` one that looks so, as given or in its normal form."""
    if "*" not in uri:
        return lies_at(_uri, normal_uri(uri))
    return sa.or_(_like(_uri.c.uri, uri), _like(_uri.c.uri_norm, uri))


def _like(column: sa.ColumnElement[Any], text: str) -> Condition:
    """Equality, or with ``*`` anything in its place.

    Raises InvalidInput for a pattern that would take long: what is behind its first ``*`` is
    compared at every place of every text.
    """
    if "*" not in text:
        return column == text
    _, _, behind = text.partition("*")
    if len(behind) > MOST_BEHIND or behind.count("*") >= MOST_STARS:
        raise InvalidInput(
            f"A pattern has at most {MOST_STARS} *, and {MOST_BEHIND} characters behind the first."
        )
    escaped = text.replace("!", "!!").replace("%", "!%").replace("_", "!_").replace("*", "%")
    return column.like(escaped, escape="!")


def is_current_tag() -> Condition:
    """The condition on `tag` to be the last word on its name."""
    later = _tag.alias()
    newer = is_newer(later, _tag, "set_at")
    return ~sa.exists().where(
        later.c.record_id == _tag.c.record_id, later.c.name == _tag.c.name, newer
    )


def tag_holds(wanted: TagCondition, viewer: Viewer) -> Condition:
    """The condition on `tag` of what the viewer may see for its current value to be as wanted."""
    is_current = is_current_tag()
    if not viewer.everything:
        # First whether it is seen: histories of others, however long, cost nobody time.
        seen, its = _record.alias(), _tag.c.record_id
        is_seen = sa.exists().where(seen.c.id == its, can_see(viewer, seen))
        is_current = sa.case((is_seen, is_current), else_=sa.false())
    has_value = _tag.c.type != TagType.REMOVED.value
    return sa.and_(_tag.c.name == wanted.name, has_value, compared(wanted, _tag), is_current)


def compared(wanted: TagCondition, table: sa.FromClause) -> Condition:
    """The condition on the `text` and `number` of a row to be as wanted."""
    if not wanted.operator:
        return sa.true()
    if wanted.number is not None:
        by_number: Condition = wanted.compare(table.c.number, wanted.number)
        # Tags such as version=1.10 are text: they equal a text, and differ from another one.
        if wanted.operator == "=":
            return sa.or_(by_number, table.c.text == wanted.text)
        if wanted.operator == "!=":
            differs = sa.or_(table.c.number.is_(None), by_number)
            return sa.and_(differs, table.c.text != wanted.text)
        return by_number
    result: Condition = wanted.compare(table.c.text, wanted.text)
    if (truth := _TRUTH.get(wanted.text.lower())) is None or wanted.text == truth:
        return result
    # A truth value may be asked for by another word; a text is equal to itself only.
    is_truth = wanted.compare(table.c.text, truth)
    if "type" in table.c:
        boolean = table.c.type == TagType.BOOLEAN.value
    else:
        boolean = sa.and_(table.c.text.in_(("true", "false")), table.c.number.is_not(None))
    return sa.case((boolean, is_truth), else_=result)


def details(table: str, ids: Sequence[int]) -> Query:
    """All rows of a one-to-many table (uri, tag, metric, payload) of these records, ordered."""
    chosen = _T[table]
    order: list[Any] = list(chosen.primary_key)
    if table == "tag":
        order = [_tag.c.set_at, uuid_of(_tag), _tag.c.id]
    return sa.select(chosen).where(chosen.c.record_id.in_(ids)).order_by(*order)


def marks(ids: Sequence[int]) -> Query:
    """What was said of these records later, oldest first."""
    return sa.select(_mark).where(_mark.c.record_id.in_(ids)).order_by(_mark.c.at, _mark.c.id)


def dependencies(
    ids: Sequence[int], *, down: bool = False, roles: Sequence[Role] = (), limit: int | None = None
) -> Query:
    """Links (from_id, to_id, role) of these nodes to what they depend on; `down`: the reverse."""
    side = _link.c.to_id if down else _link.c.from_id
    query = sa.select(_link.c.from_id, _link.c.to_id, _link.c.role).where(side.in_(ids))
    if roles:
        query = query.where(_link.c.role.in_([role.value for role in roles]))
    query = query.order_by(_link.c.from_id, _link.c.to_id, _link.c.role)
    return query if limit is None else query.limit(limit)


def named(name: str) -> Condition:
    """The condition on `record` to have exactly this name."""
    return _record.c.name == name


def runs(wanted: RunFilter, viewer: Viewer, after: tuple[int, str] | None, limit: int) -> Query:
    """A page of runs, latest start first; `after` is (start_time, run_id) of the last before."""
    conditions = [can_see_run(viewer), *_between(_run.c.start_time, wanted.since, wanted.until)]
    for column, value in (("flow_id", wanted.flow_id), ("status", wanted.status)):
        if value is not None:
            conditions.append(_run.c[column] == value)
    if wanted.owner is not None:
        conditions.append(_run.c.run_owner == wanted.owner)
    if wanted.label is not None:
        conditions.append(_like(_run.c.label, wanted.label))
    if wanted.tag is not None:
        conditions.append(_run_has_tag(wanted.tag, viewer))
    if after is not None:
        here = sa.tuple_(_run.c.start_time, _run.c.run_id)
        conditions.append(here < sa.tuple_(*map(sa.literal, after)))
    query = sa.select(_run).where(*conditions)
    return query.order_by(_run.c.start_time.desc(), _run.c.run_id.desc()).limit(limit)


def _run_has_tag(wanted: TagCondition, viewer: Viewer) -> Condition:
    of_steps = sa.select(_record.c.run_id).where(
        _record.c.id.in_(sa.select(_tag.c.record_id).where(tag_holds(wanted, viewer)))
    )
    if wanted.operator:
        return _run.c.run_id.in_(of_steps)
    run_tag = _T["run_tag"]
    of_run = sa.select(run_tag.c.run_id).where(run_tag.c.tag == wanted.name)
    return sa.or_(_run.c.run_id.in_(of_run), _run.c.run_id.in_(of_steps))


def run_by_id(run_id: str, viewer: Viewer) -> Query:
    """One run."""
    return sa.select(_run).where(_run.c.run_id == run_id, can_see_run(viewer))


def runs_beginning(text: str, viewer: Viewer, limit: int) -> Query:
    """Runs whose id begins so, in the order of ids."""
    beginning = sa.func.substr(_run.c.run_id, 1, len(text)) == text
    return (
        sa.select(_run).where(beginning, can_see_run(viewer)).order_by(_run.c.run_id).limit(limit)
    )


def run_tags(run_ids: Sequence[str]) -> Query:
    """(run_id, tag) of these runs, in alphabetical order."""
    table = _T["run_tag"]
    return sa.select(table).where(table.c.run_id.in_(run_ids)).order_by(*table.c)


def run_steps(run_id: str, viewer: Viewer) -> Query:
    """The steps of a run in the order in which they began."""
    began = sa.func.coalesce(_step.c.started_at, _record.c.created_at)
    return (
        sa.select(*_RECORD)
        .select_from(_FROM)
        .where(_record.c.run_id == run_id, _record.c.kind == Kind.STEP.value, can_see(viewer))
        .order_by(began, _record.c.id)
    )


def lines(
    viewer: Viewer, name: str | None, after: tuple[int, int] | None, limit: int | None
) -> Query:
    """First versions (of lines) of models, newest first."""
    query = (
        sa.select(*_RECORD)
        .select_from(_FROM)
        .where(_version.c.id == _version.c.line_id, can_see(viewer))
    )
    if name is not None:
        query = query.where(_like(_record.c.name, name))
    if after is not None:
        here = sa.tuple_(_record.c.created_at, _record.c.id)
        query = query.where(here < sa.tuple_(*map(sa.literal, after)))
    query = query.order_by(_record.c.created_at.desc(), _record.c.id.desc())
    return query if limit is None else query.limit(limit)


def line_sizes(line_ids: Sequence[int], viewer: Viewer) -> Query:
    """(line_id, versions: how many) of lines."""
    return (
        sa.select(_version.c.line_id, sa.func.count().label("versions"))
        .join(_record, _record.c.id == _version.c.id)
        .where(_version.c.line_id.in_(line_ids), can_see(viewer))
        .group_by(_version.c.line_id)
    )


def versions(line_id: int, viewer: Viewer) -> Query:
    """All versions of a line by number, branches of one number by age."""
    return (
        sa.select(*_RECORD)
        .select_from(_FROM)
        .where(_version.c.line_id == line_id, can_see(viewer))
        .order_by(_version.c.depth, _record.c.created_at, _record.c.id)
    )


def heads(viewer: Viewer, line_ids: Sequence[int]) -> Query:
    """Versions of these lines that none revises which the viewer may see."""
    child, revision, of_lines = _version.alias(), _record.alias(), _version.alias()
    return (
        sa.select(*_RECORD)
        .select_from(_FROM)
        .where(
            # Named by id: for the line alone SQLite would look at every record.
            _record.c.id.in_(sa.select(of_lines.c.id).where(of_lines.c.line_id.in_(line_ids))),
            ~sa.exists().where(
                child.c.parent_id == _version.c.id,
                revision.c.id == child.c.id,
                revises(viewer, revision),
            ),
            can_see(viewer),
        )
    )


_record, _step, _metric = TABLE["record"], TABLE["step"], TABLE["metric"]
_payload, _audience, _version = TABLE["payload"], TABLE["audience"], TABLE["version"]


def run_step_lines(
    run_id: str, viewer: Viewer, after: tuple[int, int] | None, limit: int
) -> sa.Select[Any]:
    """A page of the steps of a run, in the order in which they began; `after` is (began, id)."""
    query = run_steps(run_id, viewer)
    if after is not None:
        began = sa.func.coalesce(_step.c.started_at, _record.c.created_at)
        here = sa.tuple_(began, _record.c.id)
        query = query.where(here > sa.tuple_(*map(sa.literal, after)))
    return query.limit(limit)


def last_records(run_ids: Sequence[str]) -> sa.Select[Any]:
    """(run_id, at) of these runs: when the last record of each was made."""
    at = sa.func.max(_record.c.created_at).label("at")
    query = sa.select(_record.c.run_id, at).where(_record.c.run_id.in_(run_ids))
    return query.group_by(_record.c.run_id)


def version_lines(
    line_id: int, viewer: Viewer, after: tuple[int, int] | None, limit: int
) -> sa.Select[Any]:
    """A page of the versions of a line by number, branches of one number by age; `after` is
    (number, id) of the last one before."""
    query = versions(line_id, viewer)
    if after is not None:
        depth, last = after
        other, of_line = _record.alias(), _version.alias()
        made = (
            sa.select(other.c.created_at)
            .join(of_line, of_line.c.id == other.c.id)
            .where(other.c.id == last, of_line.c.line_id == line_id, can_see(viewer, other))
            .scalar_subquery()
        )
        here = sa.tuple_(_version.c.depth, _record.c.created_at, _record.c.id)
        query = query.where(here > sa.tuple_(sa.literal(depth), made, sa.literal(last)))
    return query.limit(limit)


def kin(ids: Sequence[int]) -> sa.Select[Any]:
    """(line_id, parent_id) of those of these records that are model versions."""
    return sa.select(_version.c.line_id, _version.c.parent_id).where(_version.c.id.in_(ids))


def revised(ids: Sequence[int], viewer: Viewer) -> sa.Select[Any]:
    """(parent_id) of those of these versions that another one revises, as the viewer sees it."""
    revision = _record.alias()
    return (
        sa.select(_version.c.parent_id)
        .join(revision, revision.c.id == _version.c.id)
        .join(_record, _record.c.id == _version.c.parent_id)
        .where(_version.c.parent_id.in_(ids), revises(viewer, revision))
        .distinct()
    )


def scores(ids: Sequence[int]) -> sa.Select[Any]:
    """The validation scores of these records, without their curves."""
    return details("metric", ids).where(_metric.c.series == Series.SCORE.value)


def payload_sizes(ids: Sequence[int]) -> sa.Select[Any]:
    """(record_id, name, size) of the documents kept with these records, by record and name."""
    size = sa.func.length(_payload.c.document).label("size")
    return (
        sa.select(_payload.c.record_id, _payload.c.name, size)
        .where(_payload.c.record_id.in_(ids))
        .order_by(_payload.c.record_id, _payload.c.name)
    )


def payloads(ids: Sequence[int], names: Sequence[str]) -> sa.Select[Any]:
    """The documents of these names that are kept with these records."""
    return details("payload", ids).where(_payload.c.name.in_(names))


def who_recorded(audiences: Sequence[str]) -> sa.Select[Any]:
    """(digest, owner) of these audiences."""
    return sa.select(_audience.c.digest, _audience.c.owner).where(_audience.c.digest.in_(audiences))


_record, _step, _link, _payload = (TABLE[n] for n in ("record", "step", "link", "payload"))


def decisions_about(record_id: int, viewer: Viewer, limit: int) -> sa.Select[Any]:
    """(id, name, at, role, document) of the decisions that a record was an option of, the newest
    first. A record may have very many dependents: these are found by an index of their own."""
    of_decision = sa.and_(_payload.c.record_id == _record.c.id, _payload.c.name == DOCUMENT)
    at = sa.func.coalesce(_step.c.started_at, _record.c.created_at)
    return (
        sa.select(_record.c.id, _record.c.name, at.label("at"), _link.c.role, _payload.c.document)
        .join(_link, _link.c.from_id == _record.c.id)
        .join(_step, _step.c.id == _record.c.id)
        .outerjoin(_payload, of_decision)
        .where(_link.c.to_id == record_id, OF_DECISIONS, can_see(viewer))
        .order_by(at.desc(), _record.c.id.desc())
        .limit(limit)
    )


_metric = TABLE["metric"]
_KEY = (_metric.c.record_id, _metric.c.series, _metric.c.name, _metric.c.step)


def points_at(connection: sa.Connection, rows: Sequence[MetricRow]) -> list[MetricRow]:
    """What stands at the places of these points."""
    found: list[MetricRow] = []
    for chunk in chunks([row[:4] for row in rows]):
        query = sa.select(_metric).where(sa.tuple_(*_KEY).in_(chunk))
        found += [MetricRow(*row) for row in connection.execute(query)]
    return found
