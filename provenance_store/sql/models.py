"""Model versions: the values they are searched by, and the search.

The table `parameter` is derived from documents, like `taint` from links. It holds the numbers,
texts and truth values in hyperparameters and in the parameters of the step that made a version,
each with its path.
"""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from provenance_store.batch import Batch
from provenance_store.enums import LARGEST, Kind, Role, Series, TagType
from provenance_store.filters import ModelSearch, TagCondition
from provenance_store.ids import SEQUENCE_BITS
from provenance_store.sql import names
from provenance_store.sql.compiled import Insert
from provenance_store.sql.known_later import said_both_ways
from provenance_store.sql.query_parts import chunks
from provenance_store.sql.select import (
    can_see,
    compared,
    is_current_tag,
    record_columns,
    record_conditions,
    tag_holds,
)
from provenance_store.sql.tables import TABLE
from provenance_store.sql.validity import is_invalid
from provenance_store.values import Viewer

__all__ = [
    "HYPERPARAMETERS",
    "ONWARD_FROM_DATA",
    "ONWARD_FROM_MODELS",
    "PARAMETERS",
    "WORST",
    "Parameters",
    "aliases_given",
    "best_of_lines",
    "environment",
    "has_parameter",
    "has_tag",
    "index_all",
    "measures",
    "parameters",
    "tag_names",
    "values_compared",
    "values_of",
]

HYPERPARAMETERS, PARAMETERS = "hyperparameters", "parameters"
MOST, DEEPEST, LONGEST = 200, 6, 256
"""Of one document so many values are searched, so deep in it, with paths and texts of so many
characters."""
_GENERATED_BY = Role.GENERATED_BY.value
_version, _link, _payload, _parameter = (
    TABLE[name] for name in ("version", "link", "payload", "parameter")
)
Row = tuple[int, str, str, str, float | None]


class Parameters:
    """Keeps `parameter` up to date with batches."""

    def __init__(self, dialect: sa.Dialect) -> None:
        self._insert = Insert(_parameter, dialect, passing=True)

    def after(self, connection: sa.Connection, batch: Batch) -> None:
        """Add the values of the versions that a batch makes or documents."""
        given = {row[0]: row[2] for row in batch.payload if row[1] == HYPERPARAMETERS}
        makers: dict[int, int] = {}
        if batch.version:
            made = {row[0] for row in batch.version}
            makers = {
                row[1]: row[0] for row in batch.link if row[2] == _GENERATED_BY and row[1] in made
            }
        if given or makers:
            self._add(connection, given, makers, _documents(batch, set(makers.values())))

    def _add(
        self,
        connection: sa.Connection,
        given: Mapping[int, str],
        makers: Mapping[int, int],
        called_with: dict[int, str],
    ) -> None:
        if missing := set(makers.values()) - called_with.keys():
            called_with |= _stored(connection, sorted(missing), PARAMETERS)
        rows: list[Row] = []
        for version_id in dict.fromkeys((*given, *makers)):
            step_id = makers.get(version_id)
            texts = (given.get(version_id), None if step_id is None else called_with.get(step_id))
            rows += _rows(version_id, [text for text in texts if text is not None])
        if rows:
            self._insert.rows(connection, rows)

    def catch_up(
        self, connection: sa.Connection, *, origins: Collection[int] | None = None
    ) -> None:
        """Add the values of all versions, or of those that these origins made, that have none."""
        has_any = sa.exists().where(_parameter.c.record_id == _version.c.id)
        query = sa.select(_version.c.id).where(~has_any)
        if origins is not None:
            lasts = [(no << SEQUENCE_BITS, (no + 1) << SEQUENCE_BITS) for no in sorted(origins)]
            ranges = [sa.and_(_version.c.id >= low, _version.c.id < high) for low, high in lasts]
            bare = [
                record_id
                for some in chunks(ranges)
                for record_id in connection.execute(query.where(sa.or_(*some))).scalars()
            ]
        else:
            bare = list(connection.execute(query).scalars())
        for ids in chunks(bare):
            query = sa.select(_link.c.from_id, _link.c.to_id).where(
                _link.c.from_id.in_(ids), _link.c.role == _GENERATED_BY
            )
            makers = {row.from_id: row.to_id for row in connection.execute(query)}
            self._add(connection, _stored(connection, ids, HYPERPARAMETERS), makers, {})


def index_all(connection: sa.Connection) -> None:
    """`Parameters.catch_up` inside the caller's transaction."""
    Parameters(connection.dialect).catch_up(connection)


def values_of(document: object) -> Iterator[tuple[str, str, Any]]:
    """Path, name and value of what can be compared in a document."""
    waiting: list[tuple[str, str, object, int]] = [("", "", document, 0)]
    while waiting:
        path, name, value, depth = waiting.pop()
        if isinstance(value, Mapping):
            if depth < DEEPEST:
                inside = [
                    (f"{path}.{key}" if path else str(key), str(key), item, depth + 1)
                    for key, item in value.items()
                ]
                waiting += reversed(inside)
        elif path and len(path) <= LONGEST and isinstance(value, str | bool | int | float):
            yield path, name, value


def _rows(version_id: int, texts: Iterable[str]) -> list[Row]:
    """The values of documents, of which the first that has a path counts."""
    found: dict[str, Row] = {}
    for text in texts:
        try:
            values = values_of(msgspec.json.decode(text))
        except (ValueError, RecursionError):  # one that no Braid wrote
            continue
        for path, name, value in values:
            if len(found) >= MOST:
                break
            shown = value if isinstance(value, str) else msgspec.json.encode(value).decode()
            if len(shown) <= LONGEST and path not in found:
                number = None if isinstance(value, str) else float(value)
                found[path] = (version_id, path, name, shown, number)
    return list(found.values())


def _documents(batch: Batch, ids: set[int]) -> dict[int, str]:
    return {row[0]: row[2] for row in batch.payload if row[1] == PARAMETERS and row[0] in ids}


def _stored(connection: sa.Connection, ids: Sequence[int], name: str) -> dict[int, str]:
    found: dict[int, str] = {}
    for chunk in chunks(ids):
        query = sa.select(_payload.c.record_id, _payload.c.document).where(
            _payload.c.record_id.in_(chunk), _payload.c.name == name
        )
        found |= {row.record_id: row.document for row in connection.execute(query)}
    return found


WORST = sys.float_info.max
"""Ranks in place of a number that is not finite: behind all others."""
_record, _version, _link, _metric, _tag, _parameter, _alias, _same = (
    TABLE[name]
    for name in ("record", "version", "link", "metric", "tag", "parameter", "alias", "same_as")
)

ONWARD_FROM_DATA = (Role.TRAINED_ON, Role.HAS_MEMBER, Role.USED, Role.GENERATED_BY)
"""A model is trained on a record when links of these roles lead to it, through datasets, through
steps that read the record and what they made, and (`DERIVED_FROM`) through data that derive from
it; a model that only derives from it, such as from a configuration, is not."""
ONWARD_FROM_MODELS = (Role.REVISION_OF, Role.DERIVED_FROM, Role.TRAINED_ON)
"""From there on later versions and models that were made from it count; what such a model was used
to make, and what was trained on that, does not."""


def _trained_on(record_id: int, same: bool) -> sa.Select[Any]:
    """The ids of model versions that were trained on a record, by one recursive query."""
    root = sa.select(_record.c.id, _record.c.kind).where(_record.c.id == record_id)
    exposed = _exposed(root, f"exposed_{record_id}", (), same)
    return sa.select(exposed.c.id).where(
        exposed.c.kind == Kind.MODEL.value, exposed.c.id != record_id
    )


def _told_of(wanted: TagCondition, viewer: Viewer, number: int, same: bool) -> sa.Select[Any]:
    """The ids of model versions that have a tag, or were made by or of what has it: data they were
    trained on and what that came from, facts that they depend on, steps."""
    tagged = sa.select(_tag.c.record_id).where(tag_holds(wanted, viewer))
    root = sa.select(_record.c.id, _record.c.kind).where(
        _record.c.id.in_(tagged), _record.c.kind != Kind.MODEL.value
    )
    exposed = _exposed(root, f"told_{number}", (Role.DERIVED_FROM,), same)
    models = sa.select(exposed.c.id).where(exposed.c.kind == Kind.MODEL.value)
    return tagged.union(models)  # type: ignore[return-value]


def _exposed(root: sa.Select[Any], name: str, to_models: Sequence[Role], same: bool) -> sa.CTE:
    """What has to do with these records by training; `to_models` are further roles by which
    something leads to a model. With `same` also what has to do with records that are one thing with
    any of these: only where there are such records, for it costs more."""
    exposed = root.cte(name, recursive=True)
    later = _record.alias()
    was, becomes = exposed.c.kind == Kind.MODEL.value, later.c.kind == Kind.MODEL.value
    leads_on = sa.or_(
        sa.and_(~was, _link.c.role.in_((*ONWARD_FROM_DATA, *to_models))),
        sa.and_(~was, ~becomes, _link.c.role == Role.DERIVED_FROM),
        sa.and_(was, becomes, _link.c.role.in_(ONWARD_FROM_MODELS)),
    )
    if same:
        # Each record twice: once its links are followed, and once what it is one thing with.
        both = [sa.select(sa.literal_column(way, sa.Integer).label("way")) for way in "01"]
        ways = sa.union_all(*both).subquery(f"ways_of_{name}")
        over_links = sa.and_(ways.c.way == 0, _link.c.to_id == exposed.c.id)
        over_same = sa.and_(ways.c.way == 1, _same.c.record_id == exposed.c.id, said_both_ways())
        return exposed.union(
            sa.select(later.c.id, later.c.kind)
            .select_from(exposed)
            .join(ways, sa.true())
            .outerjoin(_link, over_links)
            .outerjoin(_same, over_same)
            .join(later, later.c.id == sa.func.coalesce(_link.c.from_id, _same.c.other_id))
            .where(sa.or_(leads_on, ways.c.way == 1))
        )
    return exposed.union(
        sa.select(later.c.id, later.c.kind)
        .select_from(exposed)
        .join(_link, _link.c.to_id == exposed.c.id)
        .join(later, later.c.id == _link.c.from_id)
        .where(leads_on)
    )


def _where(wanted: TagCondition) -> sa.Select[Any]:
    """The ids of versions with such a parameter."""
    return sa.select(_parameter.c.record_id).where(_called(wanted), compared(wanted, _parameter))


def _called(wanted: TagCondition) -> sa.ColumnElement[bool]:
    """The condition on `parameter` to be named so: by its path, or by the end of it."""
    name = wanted.name.rpartition(".")[2]
    is_it = _parameter.c.name == name
    return is_it if name == wanted.name else sa.and_(is_it, _parameter.c.path == wanted.name)


def values_compared(wanted: TagCondition, ids: Sequence[int]) -> sa.Select[Any]:
    """(record_id, text, number) of the parameters of these versions that are as wanted."""
    return (
        sa.select(_parameter.c.record_id, _parameter.c.text, _parameter.c.number)
        .where(_parameter.c.record_id.in_(ids), _called(wanted), compared(wanted, _parameter))
        .order_by(_parameter.c.record_id, _parameter.c.path)
    )


def _value(name: str, *, upwards: bool) -> sa.ScalarSelect[Any]:
    """How well a version does: its score of this name, else the last value of the metric.

    The last value is the last: where it is not finite, or beyond single precision, the version
    diverged, and is the worst.
    """
    worst = sa.literal(WORST if upwards else -WORST)
    is_finite = _metric.c.value.between(-LARGEST, LARGEST)  # which is not true of NULL
    scores_first = _metric.c.series == Series.SCORE.value
    return (
        sa.select(sa.case((is_finite, _metric.c.value), else_=worst))
        .where(_metric.c.record_id == _record.c.id, _metric.c.name == name)
        .order_by(scores_first.desc(), _metric.c.series.desc(), _metric.c.step.desc())
        .limit(1)
        .scalar_subquery()
    )


def _newest(viewer: Viewer, limit: int, *conditions: sa.ColumnElement[bool]) -> sa.Select[Any]:
    """Ids of the newest records that a viewer may see."""
    return (
        sa.select(_record.c.id)
        .where(can_see(viewer), *conditions)
        .order_by(_record.c.created_at.desc())
        .limit(limit)
    )


_IS_MODEL = _record.c.kind == Kind.MODEL.value


def has_parameter(wanted: TagCondition, viewer: Viewer) -> sa.Select[Any]:
    """A version that has a parameter of this name, whatever its value."""
    query = sa.select(_parameter.c.record_id).where(_called(wanted))
    return _one_seen(query, _parameter, viewer)


def has_tag(wanted: TagCondition, viewer: Viewer) -> sa.Select[Any]:
    """A record that has a tag of this name, whatever its value."""
    holds = tag_holds(TagCondition(wanted.name), viewer)
    return _one_seen(sa.select(_tag.c.record_id).where(holds), _tag, viewer)


def _one_seen(query: sa.Select[Any], table: sa.Table, viewer: Viewer) -> sa.Select[Any]:
    if not viewer.everything:
        query = query.join(_record, _record.c.id == table.c.record_id).where(can_see(viewer))
    return query.limit(1)


def parameters(viewer: Viewer, limit: int) -> sa.Select[Any]:
    """Paths of the parameters of the newest versions that a viewer may see."""
    newest = _newest(viewer, limit, _IS_MODEL)
    query = sa.select(_parameter.c.path.label("name"))
    return query.where(_parameter.c.record_id.in_(newest)).distinct().order_by("name")


def tag_names(viewer: Viewer, limit: int) -> sa.Select[Any]:
    """Names of the tags of the newest records that a viewer may see."""
    had = (_tag.c.record_id.in_(_newest(viewer, limit)), _tag.c.type != TagType.REMOVED.value)
    return sa.select(_tag.c.name).where(*had, is_current_tag()).distinct().order_by(_tag.c.name)


def aliases_given(viewer: Viewer, as_of: int | None) -> sa.Select[Any]:
    """The aliases that versions have, or had at a time, as far as a viewer may see them."""
    return (
        sa.select(_alias.c.name)
        .join(_record, _record.c.id == _alias.c.version_id)
        .where(names.counts(as_of), can_see(viewer))
        .distinct()
        .order_by(_alias.c.name)
    )


def measures(viewer: Viewer, limit: int) -> sa.Select[Any]:
    """Names of the scores and metrics of the newest versions that a viewer may see."""
    newest = _newest(viewer, limit, _IS_MODEL)
    return (
        sa.select(_metric.c.name)
        .where(
            _metric.c.record_id.in_(newest),
            ~sa.and_(_metric.c.series == Series.STEP.value, _metric.c.name == "epoch"),
        )
        .distinct()
        .order_by(_metric.c.name)
    )


def best_of_lines(
    wanted: ModelSearch,
    viewer: Viewer,
    after: tuple[int, float] | None,
    limit: int,
    *,
    same: bool = False,
) -> sa.Select[Any]:
    """Of each line that has versions as wanted the best, else the newest, or all of them: whole
    records with `rank_value` and `matches`, the number of such versions; best, else newest, first.
    What diverged has the value WORST, positive or negative, and is last.

    `after` is (id, value or time of making) of the last one before. With `same` what versions were
    trained on goes through records that are one thing.
    """
    upwards = bool(wanted.best) and not wanted.highest
    value = _value(wanted.best, upwards=upwards) if wanted.best else _record.c.created_at
    rank = value.label("rank_value")
    found = (
        sa.select(_record.c.id, _version.c.line_id, rank)
        .join(_version, _version.c.id == _record.c.id)
        .where(
            can_see(viewer),
            *record_conditions(wanted.record, viewer),
            *(_record.c.id.in_(_trained_on(one, same)) for one in wanted.trained_on),
            *(_record.c.id.in_(_told_of(t, viewer, n, same)) for n, t in enumerate(wanted.tags)),
            *(_record.c.id.in_(_where(condition)) for condition in wanted.where),
            *((_record.c.created_at < wanted.as_of,) if wanted.as_of is not None else ()),
            *((names.has(_record.c.id, wanted.alias, wanted.as_of),) if wanted.alias else ()),
            *((~is_invalid(),) if wanted.valid else ()),
            *((_version.c.line_id == wanted.line_id,) if wanted.line_id is not None else ()),
        )
        .subquery()
    )
    order = [
        (column.asc() if upwards else column.desc()) for column in (found.c.rank_value, found.c.id)
    ]
    line = found.c.line_id
    ranked = (
        sa.select(
            found.c.id,
            found.c.rank_value,
            sa.func.row_number().over(partition_by=line, order_by=order).label("place"),
            sa.func.count().over(partition_by=line).label("matches"),
        )
        .where(found.c.rank_value.is_not(None))
        .subquery()
    )
    columns, tables = record_columns()
    query = (
        sa.select(*columns, ranked.c.rank_value, ranked.c.matches)
        .select_from(tables.join(ranked, ranked.c.id == _record.c.id))
        .where(sa.true() if wanted.versions else ranked.c.place == 1)
    )
    key = sa.tuple_(ranked.c.rank_value, ranked.c.id)
    if after is not None:
        place = after[1] if wanted.best else int(after[1])
        here = sa.tuple_(sa.literal(place), sa.literal(after[0]))
        query = query.where(key > here if upwards else key < here)
    ends = (ranked.c.rank_value, ranked.c.id)
    return query.order_by(*(end.asc() if upwards else end.desc() for end in ends)).limit(limit)


def environment(digests: Sequence[str]) -> sa.Select[Any]:
    """(digest, document) of these environments."""
    table = TABLE["environment"]
    return sa.select(table).where(table.c.digest.in_(digests))
