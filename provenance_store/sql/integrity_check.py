"""Rows that no Braid writes: values of another type, numbers that name nothing, ids of nobody.

One query for each table finds the first such row. SQLite takes any value in any column, so that
a file from elsewhere is looked through before it is merged, and a store when it is checked.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import cache, lru_cache
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite as sqlite_dialect

from provenance_store.enums import Kind, Level, Mark, Role, Series, Special, TagType
from provenance_store.ids import MAX_ORIGIN_NO, MAX_SEQUENCE, SEQUENCE_BITS, now, short_id
from provenance_store.sql.insert import ID_COLUMNS
from provenance_store.sql.query_parts import is_newer
from provenance_store.sql.tables import KEYS, LOCAL, METADATA, TABLE
from provenance_store.validation.limits import (
    AHEAD,
    MAX_DIGEST,
    MAX_INTEGER,
    MAX_MEDIA_TYPE,
    MAX_NAME,
    MAX_NOTE,
    MAX_ORIGIN_FIELD,
    MAX_PRINCIPAL,
    MAX_RUN_FIELD,
    MAX_RUN_ID,
    MAX_RUN_TAG,
    MAX_SMALL,
    MAX_STATUS,
    MAX_STEP_FIELD,
    MAX_TAG_NAME,
    MAX_TAG_TEXT,
    MAX_URI,
    ORDERED_TIMES,
    YEARS,
)

__all__ = [
    "DOCUMENTS",
    "NOT_JSON",
    "QUERIES",
    "Violation",
    "is_unreadable",
    "latest",
    "misshapen",
    "reading_broken_text",
    "wrong_rows",
]

Execute = Callable[[sa.Select[Any]], Sequence[Any] | None]
"""The first row of what a query finds; those of a foreign file have the parameter of `latest`."""
Ranges = tuple[tuple[int, int], ...]

MAX_DOCUMENT = 1 << 24
"""The largest document that any setting lets in."""
RANGES = 8
"""Up to how many ranges of ids an id is compared with, instead of looking its origin up."""
QUERIES = 128
"""So many queries are kept: to make all of a store takes longer than to run them on a small one,
and they are the same for most stores."""

_ENUMS = {
    ("audience_member", "level"): Level,
    ("record", "kind"): Kind,
    ("stub", "kind"): Kind,
    ("link", "role"): Role,
    ("late_link", "role"): Role,
    ("tag", "type"): TagType,
    ("metric", "series"): Series,
    ("metric", "special"): Special,
    ("mark", "mark"): Mark,
}
_BOUNDS = {
    ("origin", "no"): (1, MAX_ORIGIN_NO),
    ("record", "live"): (0, 1),
    ("step", "ordinal"): (0, MAX_SMALL),
    ("version", "depth"): (0, MAX_SMALL),
    ("uri", "size"): (0, MAX_INTEGER),
    ("file_check", "size"): (0, MAX_INTEGER),
    ("metric", "step"): (-MAX_INTEGER, MAX_INTEGER),
}
_LENGTHS = {
    **{("origin", name): MAX_ORIGIN_FIELD for name in ("who", "host", "software")},
    ("environment", "document"): MAX_DOCUMENT,
    ("audience", "owner"): MAX_PRINCIPAL,
    ("audience_member", "principal"): MAX_PRINCIPAL,
    ("record", "name"): MAX_NAME,
    ("record", "run_id"): MAX_RUN_ID,
    **{("step", name): MAX_STEP_FIELD for name in ("type", "action_url", "action_id", "run_as")},
    ("step", "definition_digest"): MAX_STEP_FIELD,
    ("outcome", "status"): MAX_STATUS,
    ("stub", "name"): MAX_NAME,
    ("uri", "uri"): MAX_URI,
    ("uri", "digest"): MAX_DIGEST,
    ("uri", "media_type"): MAX_MEDIA_TYPE,
    ("late_link", "by"): MAX_ORIGIN_FIELD,
    ("late_link", "rule"): MAX_NOTE,
    ("same_as", "digest"): MAX_DIGEST,
    ("alias", "name"): MAX_TAG_NAME,
    ("file_check", "uri"): MAX_URI,
    ("file_check", "digest"): MAX_DIGEST,
    ("tag", "name"): MAX_TAG_NAME,
    ("tag", "text"): MAX_TAG_TEXT,
    ("metric", "name"): MAX_TAG_NAME,
    ("payload", "name"): MAX_TAG_NAME,
    ("payload", "document"): MAX_DOCUMENT,
    ("mark", "note"): MAX_NOTE,
    ("run_event", "run_id"): MAX_RUN_ID,
    **{("run_event", name): MAX_RUN_FIELD for name in ("flow_id", "flow_title", "label")},
    **{("run_event", name): MAX_RUN_FIELD for name in ("status", "run_owner")},
    ("run_tag", "tag"): MAX_RUN_TAG,
}
"""The limits of the gate, which hold for files too."""
_TIMES = frozenset(
    {"started_at", "created_at", "completed_at", "at", "set_at", "start_time", "completion_time"}
)
DOCUMENTS = (("environment", "document"), ("payload", "document"))
_SQLITE = sqlite_dialect.dialect()
_LATEST = "latest"
_LONGEST_INTEGER = len(str(-MAX_INTEGER))
_FLOAT = r"^-?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?$"
_UUID = "-".join("[0-9a-f]" * n for n in (8, 4, 4, 4, 12))


CANNOT_BE, NOT_UTF8, NOT_JSON = "is not valid", "is not UTF-8", "is not JSON, and is shown as text"
_BROKEN = "braid_not_utf8"
"""A function of SQLite connections, see `reading_broken_text`."""


class Violation(NamedTuple):
    """The first wrong row of a table: its key, and the column whose value cannot be, or is what it
    is not."""

    table: str
    column: str
    key: tuple[Any, ...]
    why: str = CANNOT_BE

    def sentence(self) -> str:
        """What is wrong where."""
        key = ", ".join(
            f"{name} {short_id(value)}"
            if isinstance(value, int) and name in ID_COLUMNS[self.table]
            else f"{name} {value!r:.80}"
            for name, value in zip(KEYS[self.table], self.key, strict=True)
        )
        return f"In table {self.table}, the row with {key} has a {self.column} that {self.why}."


def wrong_rows(
    execute: Execute,
    origins: Sequence[int],
    *,
    sqlite: bool,
    tables: Sequence[str] = tuple(TABLE),
    foreign: bool = False,
) -> Iterator[Violation]:
    """The first wrong row of each table that has one; `origins` are the numbers in use.

    With `sqlite`, inside `reading_broken_text` of the connection that executes. Of a `foreign`
    file what readers can show is not told, and times are bounded by ours.
    """
    ranges = _ranges(origins)
    for name in tables:
        query, places = _query(name, ranges, sqlite, foreign)
        if query is not None and (found := execute(query)) is not None:
            *key, place = found
            column, why = places[place]
            yield Violation(name, column, tuple(key), why)


def latest() -> dict[str, int]:
    """The parameter of a foreign file's queries: no time is later."""
    return {_LATEST: now() + AHEAD}


@lru_cache(maxsize=QUERIES)
def _query(
    name: str, ranges: Ranges | None, sqlite: bool, foreign: bool
) -> tuple[sa.Select[Any] | None, list[tuple[str, str]]]:
    """What finds a table's first wrong row, with the number of the column and the reason."""
    wrong = _conditions(TABLE[name], ranges, sqlite=sqlite, foreign=foreign)
    if not wrong:
        return None, []
    which = sa.case(*((condition, _literal(i)) for i, (*_, condition) in enumerate(wrong)))
    query = sa.select(*TABLE[name].primary_key, which).where(
        sa.or_(*(condition for *_, condition in wrong))
    )
    if not foreign:  # of a file the driver takes one row, and names what it gives a statement
        query = query.limit(1)
    return query, [(column, why) for column, why, _ in wrong]


@contextmanager
def reading_broken_text(file: sqlite3.Connection) -> Iterator[None]:
    """Text that is not UTF-8 can be looked for, and is read with replacement characters."""
    file.create_function(_BROKEN, 1, _is_broken, deterministic=True)
    before, file.text_factory = file.text_factory, lambda data: data.decode(errors="replace")
    try:
        yield
    finally:
        file.text_factory = before
        file.create_function(_BROKEN, 1, None)


def _is_broken(data: bytes | None) -> bool:
    try:
        return "\x00" in bytes(data or b"").decode()
    except UnicodeDecodeError:
        return True


def misshapen(file: sqlite3.Connection) -> str | None:
    """The name of a table that is not there, or that is a view or has other columns than ours."""
    for name, shape in _shapes().items():
        kind = file.execute("SELECT type FROM sqlite_master WHERE name = ?", (name,)).fetchone()
        if kind != ("table",) or _shape(file, name) != shape:
            return name
    return None


@cache
def _shapes() -> dict[str, list[tuple[Any, ...]]]:
    """The shape of each table of ours, as SQLite tells it."""
    with closing(sqlite3.connect(":memory:")) as model:
        for table in METADATA.sorted_tables:
            model.execute(str(sa.schema.CreateTable(table).compile(dialect=_SQLITE)))
        return {name: _shape(model, name) for name in TABLE}


def _shape(file: sqlite3.Connection, name: str) -> list[tuple[Any, ...]]:
    """Name, type, NOT NULL, place in the key and hiddenness of each column."""
    found = file.execute(f"PRAGMA table_xinfo({name})")
    return [(row[1], row[2].upper(), row[3], row[5], row[6]) for row in found]


def _conditions(
    table: sa.Table, ranges: Ranges | None, *, sqlite: bool, foreign: bool
) -> list[tuple[str, str, sa.ColumnElement[bool]]]:
    """For each column, in words and in SQL, how it is wrong; a value that is missing is not."""
    found: list[tuple[str, str, sa.ColumnElement[bool]]] = []
    for column in table.columns:
        if column.name in LOCAL.get(table.name, ()):
            continue
        conditions = list(_values(table.name, column, ranges, sqlite=sqlite, foreign=foreign))
        if sqlite and (mistyped := _mistyped(table, column)) is not None:
            conditions.insert(0, mistyped)
        if sqlite and not foreign and (table.name, column.name) in DOCUMENTS:
            found.append((column.name, NOT_JSON, sa.func.json_valid(column) == _literal(0)))
        if conditions:
            found.append((column.name, CANNOT_BE, sa.or_(*conditions)))
        if sqlite and isinstance(column.type, sa.Text):
            broken = getattr(sa.func, _BROKEN)(sa.cast(column, sa.LargeBinary))
            found.append((column.name, NOT_UTF8, broken == _literal(1)))
    return found


def _mistyped(table: sa.Table, column: sa.Column[Any]) -> sa.ColumnElement[bool] | None:
    """On SQLite a column of numbers may hold text, and one of text bytes."""
    if isinstance(column.type, sa.Text):
        wanted = "text"
    elif isinstance(column.type, sa.Double):
        wanted = "real"
    elif list(table.primary_key) == [column]:
        return None  # the row id is a whole number in any case
    else:
        wanted = "integer"
    kind = sa.func.typeof(column)
    if column.nullable:
        return sa.and_(kind != _text(wanted), column.is_not(None))
    return kind != _text(wanted)


def _values(
    table: str, column: sa.Column[Any], ranges: Ranges | None, *, sqlite: bool, foreign: bool
) -> Iterator[sa.ColumnElement[bool]]:
    place = (table, column.name)
    if column.name in ID_COLUMNS[table]:
        yield _of_nobody(column, ranges)
    elif place in _ENUMS:
        numbers = [member.value for member in _ENUMS[place]]
        yield _outside(column, min(numbers), max(numbers))
    elif place in _BOUNDS:
        yield _outside(column, *_BOUNDS[place])
    elif column.name in _TIMES:
        if foreign and place in ORDERED_TIMES:
            last: sa.ColumnElement[Any] = sa.literal_column(f":{_LATEST}")
            yield sa.not_(column.between(_literal(YEARS[0]), last))
        else:
            yield _outside(column, YEARS[0], YEARS[-1])
    elif place in _LENGTHS:
        yield sa.func.length(column) > _literal(_LENGTHS[place])
    elif place == ("origin", "uuid") and sqlite:
        yield ~column.op("GLOB", is_comparison=True)(_text(_UUID))
    if place == ("link", "to_id"):
        yield column == TABLE["link"].c.from_id
    if place == ("version", "parent_id"):
        yield column == TABLE["version"].c.id


def _outside(column: sa.ColumnElement[Any], low: int, high: int) -> sa.ColumnElement[bool]:
    return sa.not_(column.between(_literal(low), _literal(high)))


def _ranges(origins: Sequence[int]) -> Ranges | None:
    """The numbers as ranges; None where there are too many."""
    ranges: list[tuple[int, int]] = []
    for number in sorted(origins):
        if ranges and number == ranges[-1][1] + 1:
            ranges[-1] = (ranges[-1][0], number)
        else:
            ranges.append((number, number))
    return tuple(ranges) if len(ranges) <= RANGES else None


def _of_nobody(column: sa.ColumnElement[Any], ranges: Ranges | None) -> sa.ColumnElement[bool]:
    """The condition to be an id of an origin that is not registered."""
    if ranges is None:
        no = column.op(">>")(_literal(SEQUENCE_BITS))
        return sa.and_(column.is_not(None), no.not_in(sa.select(TABLE["origin"].c.no)))
    if not ranges:
        return column.is_not(None)
    return sa.and_(
        *(
            _outside(column, low << SEQUENCE_BITS, high << SEQUENCE_BITS | MAX_SEQUENCE)
            for low, high in ranges
        )
    )


def is_unreadable(*, sqlite: bool) -> sa.ColumnElement[bool]:
    """The condition on `tag` that its text is no value of its type, and that it is what counts.

    Readers show such a value as text, so that it stands in nobody's way. Under a newer value of
    the same name it is history.
    """
    tag = TABLE["tag"]
    later = tag.alias()
    is_old = sa.exists().where(
        later.c.record_id == tag.c.record_id,
        later.c.name == tag.c.name,
        is_newer(later, tag, "set_at"),
    )
    return sa.and_(_not_of_its_type(sqlite=sqlite), ~is_old)


def _not_of_its_type(*, sqlite: bool) -> sa.ColumnElement[bool]:
    text, kind = TABLE["tag"].c.text, TABLE["tag"].c.type
    if sqlite:
        # What consists of these characters, and is JSON, is a number.
        other = text.op("GLOB", is_comparison=True)
        is_number = sa.func.json_valid(text) == _literal(1)
        is_integer = sa.and_(~other(_text("*[^-0-9]*")), is_number)
        is_float = sa.and_(~other(_text("*[^-+.0-9eE]*")), is_number)
    else:
        is_integer = text.regexp_match(_text("^-?[0-9]+$"))
        is_float = text.regexp_match(_text(_FLOAT))
    is_float = sa.or_(is_float, text.in_([_text(special.text) for special in Special]))
    is_short = sa.func.length(text) <= _literal(_LONGEST_INTEGER)
    return sa.case(
        (kind == _literal(TagType.STRING), sa.false()),
        (kind == _literal(TagType.INTEGER), sa.not_(sa.and_(is_short, is_integer))),
        (kind == _literal(TagType.FLOAT), sa.not_(is_float)),
        (kind == _literal(TagType.BOOLEAN), text.not_in([_text("true"), _text("false")])),
        else_=sa.false(),
    )


def _literal(number: int) -> sa.ColumnElement[Any]:
    return sa.literal_column(str(int(number)))


def _text(text: str) -> sa.ColumnElement[Any]:
    return sa.literal_column("'" + text + "'")
