"""What the gate wants of a whole batch: each row by itself, and the rows beside each other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping
from operator import itemgetter
from typing import Any

from provenance_store.batch import ID_PLACES, TABLES, Batch, origins_of
from provenance_store.enums import Kind, Level, Mark, Role, Series, Special, TagType
from provenance_store.errors import InvalidInput, TooLarge
from provenance_store.ids import MAX_SEQUENCE, SEQUENCE_BITS, short_id
from provenance_store.rows import ROWS, AudienceMemberRow, LinkRow
from provenance_store.validation.checked import checked
from provenance_store.validation.limits import MAX_INTEGER, MAX_SMALL, YEARS, Gate
from provenance_store.values import Audience

__all__ = [
    "TAKEN",
    "additions",
    "check_kinds",
    "check_sound",
    "check_whole",
    "gated",
    "leave_out_cycles",
    "spoken_runs",
]

TAKEN = tuple(name for name in TABLES if name not in ("stub", "action"))
"""The tables that recorders write; the others are the store's and the server's own."""
MAX_ORIGINS = 1_000
MAX_RUNS = 100
MAX_INVALIDATED = 500
"""How many records a batch invalidates or restores: all that derives from one follows it."""
MAX_HISTORY = 1_000
"""How often a batch sets one tag of one record: each value is compared with the later ones."""
MAX_MARKS = 100
"""How many marks a batch makes of one record, which lists them all."""
SPOKEN = {
    **dict.fromkeys(("outcome", "uri", "file_check", "tag", "metric", "payload"), 0),
    **dict.fromkeys(("late_link", "same_as", "alias"), 0),
    **dict.fromkeys(("mark", "link"), 1),
}
"""Where the rows of these tables name the record that they add to."""
_SPOKEN_ALWAYS = tuple(name for name in SPOKEN if name != "mark")
_NUMBERS: tuple[tuple[str, str, Container[object]], ...] = (
    ("record", "kind", frozenset(map(int, Kind))),
    ("record", "live", frozenset((0, 1))),
    ("link", "role", frozenset(map(int, Role))),
    ("late_link", "role", frozenset(map(int, Role))),
    ("tag", "type", frozenset(map(int, TagType))),
    ("metric", "series", frozenset(map(int, Series))),
    ("metric", "special", frozenset(map(int, Special))),
    ("mark", "mark", frozenset(map(int, Mark))),
    ("audience_member", "level", frozenset(map(int, Level))),
    ("step", "ordinal", range(MAX_SMALL + 1)),
    ("version", "depth", range(MAX_SMALL + 1)),
    ("uri", "size", range(MAX_INTEGER + 1)),
    ("file_check", "size", range(MAX_INTEGER + 1)),
    ("record", "created_at", YEARS),
    ("step", "started_at", YEARS),
    ("outcome", "completed_at", YEARS),
    ("file_check", "at", YEARS),
    ("tag", "set_at", YEARS),
    ("mark", "at", YEARS),
    *((name, "at", YEARS) for name in ("late_link", "same_as", "alias")),
    *(("run_event", column, YEARS) for column in ("at", "start_time", "completion_time")),
)
"""What the numbers of these columns can be."""
_KIND = itemgetter(0, 1)
DEPENDENT: Mapping[int, Kind] = {
    Role.USED: Kind.STEP,
    Role.DEPLOYED: Kind.STEP,
    Role.INFORMED_BY: Kind.STEP,
    Role.CHOSEN: Kind.STEP,
    Role.CONSIDERED: Kind.STEP,
    Role.TRAINED_ON: Kind.MODEL,
    Role.REVISION_OF: Kind.MODEL,
    Role.HAS_MEMBER: Kind.DATASET,
}
"""What only one kind of record can be to another."""
_GENERATED_BY, _STEP = int(Role.GENERATED_BY), int(Kind.STEP)


# ---- each row ----------------------------------------------------------------------------


def gated(gate: Gate, batch: Batch, *, limit: int, leave_out: bool = False) -> Batch:
    """A batch of a recorder elsewhere as the gate lets it in.

    The notes of the gate name the row. What nothing can stand in for is an InvalidInput with the
    path of the row; with `leave_out` the row is left out with a note instead, and with a record
    everything that is said of it.
    """
    result = Batch(parts=batch.parts)
    for name in TABLES:
        rows = getattr(batch, name)
        if name in TAKEN and rows:
            rows = [*_each(gate, name, rows, limit, leave_out=leave_out)]
        setattr(result, name, rows)
    _rename_environments(batch, result)
    leave_out_cycles(gate, result)
    if len(result) == len(batch):
        return result
    if len(parts := batch.parted()) > 1:
        return _part_by_part(batch, parts, limit)
    result.parts = []
    _leave_out(result, _missing(batch, [result]))
    return result


def _part_by_part(batch: Batch, given: Iterable[Batch], limit: int) -> Batch:
    """The batch of which rows are left out, as parts that are smaller by them."""
    parts = [gated(Gate(), part, limit=limit, leave_out=True) for part in given]
    missing = _missing(batch, parts)
    for part in parts:
        _leave_out(part, missing)
    return Batch.joined(parts)


def _each(
    gate: Gate, name: str, rows: Iterable[Any], limit: int, *, leave_out: bool
) -> Iterator[Any]:
    for place, row in enumerate(rows):
        before = len(gate.notes)
        try:
            yield checked(gate, name, row, limit=limit)
        except InvalidInput as error:
            where = f"{name}[{place}]" + (f".{error.path}" if error.path else "")
            message = error.message.removeprefix(f"{error.path}: ")
            if not leave_out:
                raise type(error)(message, path=where) from None
            gate.notes.append(f"{where}: {message} It is left out.")
        else:
            gate.notes[before:] = [f"{name}[{place}].{note}" for note in gate.notes[before:]]


def _rename_environments(before: Batch, after: Batch) -> None:
    """Records name their environment by its digest, which is another one without its secrets."""
    if len(before.environment) != len(after.environment):
        kept = {row.digest for row in after.environment}
        after.record = [
            row if row.environment in kept else row._replace(environment=None)
            for row in after.record
        ]
        return
    names = {b.digest: a.digest for b, a in zip(before.environment, after.environment, strict=True)}
    for place, row in enumerate(after.record):
        if row.environment is None or names.get(row.environment) == row.environment:
            continue
        if row.environment not in names:
            raise InvalidInput(
                "The batch does not carry the environment that this names.",
                path=f"record[{place}].environment",
            )
        after.record[place] = row._replace(environment=names[row.environment])


def _missing(before: Batch, after: Iterable[Batch]) -> set[int]:
    made = {row.id for row in before.record}
    return made.difference(row.id for each in after for row in each.record)


def _leave_out(batch: Batch, ids: set[int]) -> None:
    for name, places in ID_PLACES.items():
        if rows := getattr(batch, name):
            pick = [itemgetter(place) for place in places]
            setattr(batch, name, [row for row in rows if not any(p(row) in ids for p in pick)])


# ---- all of them -------------------------------------------------------------------------


def check_whole(batch: Batch) -> None:
    """Raise InvalidInput when the batch is not whole in itself, whatever the store holds, or
    more than a server takes of one caller at once."""
    check_sound(batch)
    if len(batch.origin) > MAX_ORIGINS:
        raise InvalidInput(f"A batch mentions at most {MAX_ORIGINS} origins.", path="origin")
    _check_histories(batch)
    if len(spoken_runs(batch)) > MAX_RUNS:
        raise InvalidInput(f"A batch speaks of at most {MAX_RUNS} runs.", path="run_event")


def check_sound(batch: Batch) -> None:
    """Raise InvalidInput when rows of a batch do not go together, whatever the store holds."""
    _check_origins(batch)
    _check_numbers(batch)
    _check_ids(batch)
    _check_audiences(batch)
    _check_parts(batch)
    _check_versions(batch)


def spoken_runs(batch: Batch) -> set[str]:
    """The ids of the runs that the batch records something of."""
    runs = {row.run_id for row in batch.record if row.run_id is not None}
    runs.update(row.run_id for row in batch.run_event)
    return runs.union(row.run_id for row in batch.run_tag)


def additions(batch: Batch) -> set[int]:
    """The ids of records that the batch adds to, or speaks of, without making them.

    A step is spoken of by what it is said to have made. What is only depended on is not.
    """
    spoken: set[int] = set()
    for name, place in SPOKEN.items():
        if rows := getattr(batch, name):
            spoken.update(map(itemgetter(place), rows))
    spoken.update(_makers(batch))
    return spoken.difference(map(itemgetter(0), batch.record))


def check_kinds(batch: Batch, known: Mapping[int, Kind]) -> None:
    """Raise InvalidInput for a row that its record's kind cannot have, or without its record.

    `known` are the kinds of the records that the batch adds to. A step may come after what it
    made, and a record after what is said against it.
    """
    kinds: dict[int, int] = {**known, **dict(map(_KIND, batch.record))}
    for name in _SPOKEN_ALWAYS:
        if rows := getattr(batch, name):
            owners = map(itemgetter(SPOKEN[name]), rows)
            if not kinds.keys() >= set(owners):
                missing = next(n for n, row in enumerate(rows) if row[SPOKEN[name]] not in kinds)
                record = short_id(rows[missing][SPOKEN[name]])
                message = f"{record} is not a record of this store."
                raise InvalidInput(message, path=f"{name}[{missing}]")
    for place, outcome in enumerate(batch.outcome):
        _require(kinds[outcome[0]], Kind.STEP, f"outcome[{place}]")
    for place, alias in enumerate(batch.alias):
        _require(kinds[alias[0]], Kind.MODEL, f"alias[{place}]")
    if batch.metric and {kinds[i] for i in set(map(itemgetter(0), batch.metric))} != {Kind.MODEL}:
        for place, point in enumerate(batch.metric):
            _require(kinds[point[0]], Kind.MODEL, f"metric[{place}]")
    wrong = {
        (role, kind)
        for role, kind in {(role, kinds[from_id]) for _, from_id, role in batch.link}
        if kind != DEPENDENT.get(role, kind)
    }
    no_steps = {i for i in _makers(batch) if kinds.get(i, _STEP) != _STEP}
    if wrong or no_steps:
        for place, (to_id, from_id, role) in enumerate(batch.link):
            if role == _GENERATED_BY and to_id in no_steps:
                _require(kinds[to_id], Kind.STEP, f"link[{place}]")
            elif (role, kinds[from_id]) in wrong:
                _require(kinds[from_id], DEPENDENT[role], f"link[{place}]")


def _makers(batch: Batch) -> set[int]:
    """The ids of what the batch says to have made something."""
    if _GENERATED_BY not in set(map(itemgetter(2), batch.link)):
        return set()
    return {to_id for to_id, _, role in batch.link if role == _GENERATED_BY}


def closing_links(batch: Batch) -> set[LinkRow]:
    """Links without which no record of a batch would derive from itself."""
    made = {row[0] for row in batch.record}
    if not any(to_id > from_id and to_id in made for to_id, from_id, _ in batch.link):
        return set()  # around a cycle the ids cannot fall all the way
    onward: dict[int, list[LinkRow]] = {}
    for row in batch.link:
        onward.setdefault(row[1], []).append(row)
    closing: set[LinkRow] = set()
    is_open: dict[int, bool] = {}
    for start in onward:
        if start in is_open:
            continue
        is_open[start] = True
        path = [(start, iter(onward[start]))]
        while path:
            here, links = path[-1]
            if (link := next(links, None)) is None:
                is_open[here] = False
                path.pop()
            elif link[0] not in is_open:
                is_open[link[0]] = True
                path.append((link[0], iter(onward.get(link[0], ()))))
            elif is_open[link[0]]:  # it is on the way that leads here
                closing.add(link)
    return closing


def leave_out_cycles(gate: Gate, batch: Batch) -> None:
    """Leave out links by which a record would derive from itself, which is noted."""
    if closing := closing_links(batch):
        for place, row in enumerate(batch.link):
            if row in closing:
                message = "With this link a record would derive from itself; it is left out."
                gate.instead(None, message, path=f"link[{place}]")
        batch.link = [row for row in batch.link if row not in closing]


def _require(kind: int, wanted: Kind, path: str) -> None:
    if kind != wanted:
        told = f"Only a {wanted.label} has this, not a {Kind(kind).label}."
        raise InvalidInput(told, path=path)


def _check_origins(batch: Batch) -> None:
    for column in ("no", "uuid"):
        if len({getattr(row, column) for row in batch.origin}) < len(batch.origin):
            raise InvalidInput(f"Two origins have the same {column}.", path="origin")


def _check_numbers(batch: Batch) -> None:
    """Kinds, roles and times, of all rows at once: a look at each row is for `checked`."""
    for name, column, allowed in _NUMBERS:
        if rows := getattr(batch, name):
            place = ROWS[name]._fields.index(column)  # type: ignore[attr-defined]
            values = set(map(itemgetter(place), rows))
            values.discard(None)
            for value in _ends(values) if isinstance(allowed, range) else values:
                if value not in allowed:
                    number = next(n for n, row in enumerate(rows) if row[place] == value)
                    message = f"The {column} cannot be {value!r:.40}."
                    raise InvalidInput(message, path=f"{name}[{number}].{column}")


def _ends(values: set[int]) -> set[int]:
    """The lowest and the highest: where they are right, those between them need no look."""
    return {min(values), max(values)} if values else set()


def _check_histories(batch: Batch) -> None:
    if sum(row.mark in (Mark.INVALIDATED, Mark.RESTORED) for row in batch.mark) > MAX_INVALIDATED:
        raise TooLarge(
            f"A batch invalidates or restores at most {MAX_INVALIDATED} records.", path="mark"
        )
    marked = Counter(row.record_id for row in batch.mark)
    if max(marked.values(), default=0) > MAX_MARKS:
        raise TooLarge(f"A batch marks a record at most {MAX_MARKS} times.", path="mark")
    times_set = Counter((row.record_id, row.name) for row in batch.tag)
    if max(times_set.values(), default=0) > MAX_HISTORY:
        raise TooLarge(f"A batch sets a tag of a record at most {MAX_HISTORY} times.", path="tag")


def _check_ids(batch: Batch) -> None:
    carried = {row.no for row in batch.origin}
    for name, places in ID_PLACES.items():
        rows = getattr(batch, name)
        for where in places if rows else ():
            ids = set(map(itemgetter(where), rows))
            ids.discard(None)
            if len(origins_of(ids)) == 1:
                ids = _ends(ids)  # all are of one origin, and the others are between these
            if wrong := {
                i for i in ids if not (i >> SEQUENCE_BITS in carried and i & MAX_SEQUENCE)
            }:
                place = next(n for n, row in enumerate(rows) if row[where] in wrong)
                column = ROWS[name]._fields[where]  # type: ignore[attr-defined]
                message = "This id is of no origin that the batch carries."
                raise InvalidInput(message, path=f"{name}[{place}].{column}")


def _check_audiences(batch: Batch) -> None:
    members: dict[str, set[AudienceMemberRow]] = {row.digest: set() for row in batch.audience}
    for place, member in enumerate(batch.audience_member):
        if member.digest not in members:
            raise InvalidInput(
                "The batch does not carry this audience.", path=f"audience_member[{place}]"
            )
        members[member.digest].add(member)
    for place, row in enumerate(batch.audience):
        given = members[row.digest]
        made = Audience(
            row.owner,
            readers=tuple(m.principal for m in given if m.level == Level.READ),
            managers=tuple(m.principal for m in given if m.level == Level.MANAGE),
        ).rows()
        if made[0] != row or set(made[1]) != given:
            raise InvalidInput(
                "An audience is its owner and its members, kept under their digest.",
                path=f"audience[{place}]",
            )
    for name in ("record", "run_event"):
        for place, row in enumerate(getattr(batch, name)):
            if row.audience is not None and row.audience not in members:
                raise InvalidInput(
                    "The batch does not carry this audience.", path=f"{name}[{place}].audience"
                )


def _check_parts(batch: Batch) -> None:
    """Steps, versions and numbers are written with their record, never later."""
    made: dict[int, set[int]] = {kind: set() for kind in Kind}
    for place, row in enumerate(batch.record):
        if row.kind not in made:
            raise InvalidInput(f"There is no kind {row.kind}.", path=f"record[{place}]")
        made[row.kind].add(row.id)
    for name, kind in (("step", Kind.STEP), ("version", Kind.MODEL)):
        parts = [row.id for row in getattr(batch, name)]
        _require_made(parts, made[kind], name, kind)
        if missing := made[kind].difference(parts):
            place = next(i for i, row in enumerate(batch.record) if row.id in missing)
            raise InvalidInput(
                f"A {kind.label} has a row of its own in the table {name}.", path=f"record[{place}]"
            )


def _require_made(ids: Iterable[int], made: set[int], name: str, kind: Kind) -> None:
    for place, record_id in enumerate(ids):
        if record_id not in made:
            raise InvalidInput(
                f"It belongs to a {kind.label} that the batch makes.", path=f"{name}[{place}]"
            )


def _check_versions(batch: Batch) -> None:
    versions = {row.id: row for row in batch.version}
    for place, row in enumerate(batch.version):
        parent = None if row.parent_id is None else versions.get(row.parent_id)
        if parent and (parent.line_id, parent.depth + 1) != (row.line_id, row.depth):
            raise InvalidInput(
                "A version is of its parent's line, and the next one in it.",
                path=f"version[{place}]",
            )
