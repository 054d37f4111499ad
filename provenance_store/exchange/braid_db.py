"""Importing a database that the published Braid-DB made.

It keeps no kinds: they are inferred by `infer_kind`. Its derivations name the source first and what
derives from it second; the example workflows that come with it write them the other way round.
Which of the two a database does is decided by its times before anything is written.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from provenance_store.batch import Batch
from provenance_store.display import counted
from provenance_store.enums import Kind, Mark, Role
from provenance_store.errors import InvalidInput
from provenance_store.exchange.import_target import Imported, Numbers, known_kinds, take_in
from provenance_store.exchange.parsing import micros, plain_value, sentence
from provenance_store.exchange.prov.foreign import IMPORTED
from provenance_store.redaction import scrub_text
from provenance_store.rows import (
    LinkRow,
    MarkRow,
    OutcomeRow,
    RecordRow,
    StepRow,
    TagRow,
    UriRow,
    VersionRow,
)
from provenance_store.sql.braid_db import BraidDb, opened
from provenance_store.validation.limits import MAX_NAME, MAX_NOTE, Gate
from provenance_store.validation.rows import note_text, tag_row, uri_row
from provenance_store.validation.texts import check_text

if TYPE_CHECKING:
    from provenance_store.store import Store

__all__ = ["import_braid_db", "infer_kind"]

STEPS: Final = re.compile(r"Action Step |Globus Transfer task ")
MODELS: Final = re.compile(r"(?<![a-z])model(?![a-z])", re.IGNORECASE)
WEIGHTS: Final = re.compile(r"\.(pt|pth|onnx|ckpt|keras|safetensors|tflite)$", re.IGNORECASE)
FACTS: Final = re.compile(
    r"(?<![a-z])(cfg|config|configuration|settings|setup|software)(?![a-z])", re.IGNORECASE
)
FACT_FILES: Final = re.compile(r"\.(cfg|conf|ini|toml|ya?ml|phil)$", re.IGNORECASE)

CLEAR: Final = 0.6
"""The share of derivations whose times have to agree on the direction of all."""
HIGHEST = 1 << 30
"""Ids of Braid-DB are numbers within an origin here: those of tags after those of records, and
those of marks after both."""
INTEGER, FLOAT = 2, 3


@dataclass(slots=True)
class Old:
    """A record of Braid-DB, with the ids of what it derives from."""

    id: int
    name: str
    at: int
    invalidation: str | None
    uris: list[str] = field(default_factory=list)
    sources: set[int] = field(default_factory=set)


def infer_kind(record: Old) -> Kind:
    """What kind a record of Braid-DB was, in this order.

    ======== ==============================================================================
    step     its name begins as those of Braid-DB's functions for flow steps do:
             ``Action Step`` or ``Globus Transfer task``
    model    its name has the word model, a URI ends like weights (``.pt``, ``.onnx`` …), or it
             derives from a record that is newer than itself: only models are updated
    fact     it derives from nothing, and its name or a URI speaks of a configuration, settings
             or software
    data     all else
    ======== ==============================================================================
    """
    if STEPS.match(record.name):
        return Kind.STEP
    updated = any(source > record.id for source in record.sources)
    if updated or MODELS.search(record.name) or any(map(WEIGHTS.search, record.uris)):
        return Kind.MODEL
    speaks = FACTS.search(record.name) or any(map(FACT_FILES.search, record.uris))
    return Kind.FACT if speaks and not record.sources else Kind.DATA


def import_braid_db(
    store: Store, file: Path, *, dry_run: bool = False, reverse: bool | None = None
) -> Imported:
    """Import a database of Braid-DB in one transaction; again adds what was added to it since.

    `reverse` reads its derivations as the derived record first; None as its times say. Raises
    InvalidInput when it is no such database, has a value that is not of its type, or times that do
    not say which way its derivations go; Conflict when it was imported the other way before.
    Nothing is then written.
    """
    with opened(file) as database:
        try:
            found = _Import(database, reverse=reverse)
            batch = found.batch(store)
        except InvalidInput as error:
            raise type(error)(sentence(error), path=f"{file}: $") from None
    return take_in(
        store, batch, found.numbers, found.notes, file=file, dry_run=dry_run, additions=True
    )


class _Import:
    """Makes the batch of one database."""

    def __init__(self, database: BraidDb, *, reverse: bool | None) -> None:
        self.notes: list[str] = []
        self._database = database
        self._records = {row[0]: _record(row) for row in database.records()}
        self._lost = 0
        self._derivations(database.derivations(), reverse=reverse)
        for number, record_id, uri in database.uris():
            record = self._of(record_id)
            if record is not None:
                record.uris.append(_text(uri, f"uris {number}: uri", 8192))
        first = next(iter(self._records.values()), None)
        content = "empty" if first is None else f"{first.id} {first.name} {first.at}"
        self.numbers = Numbers(f"braid-db {content}", "Braid-DB")
        self._kinds: dict[int, Kind] = {}
        self._batch = Batch()

    def batch(self, store: Store) -> Batch:
        known = known_kinds(store, self.numbers, list(self._records))
        self._kinds = {i: known.get(i) or infer_kind(r) for i, r in self._records.items()}
        for record in self._records.values():
            self._record(record)
        self._tags(self._database.tags())
        self._links()
        self._invalidations(self._database.invalidations())
        if self._lost:
            self.notes.append(f"Left out: {counted(self._lost, 'row')} of unknown records.")
        return self._batch

    def _derivations(self, rows: Sequence[tuple[Any, ...]], *, reverse: bool | None) -> None:
        if self._is_reversed(rows, reverse):
            rows = [(derived, source, at) for source, derived, at in rows]
        for source, derived, _ in rows:
            if self._of(source) is not None and (record := self._of(derived)) is not None:
                record.sources.add(source)

    def _is_reversed(self, rows: Sequence[tuple[Any, ...]], asked: bool | None) -> bool:
        """Whether derivations name the derived record first: what is older cannot derive from it.

        Of two records of one time the one with the smaller number is older. Models are updated with
        newer records, so a few may say otherwise.
        """
        ends = [(self._records.get(row[0]), self._records.get(row[1])) for row in rows]
        pairs = [(a, b) for a, b in ends if a is not None and b is not None and a is not b]
        agree = sum((first.at, first.id) < (second.at, second.id) for first, second in pairs)
        against = len(pairs) - agree
        if asked is None:
            if pairs and max(agree, against) < CLEAR * len(pairs):
                raise InvalidInput(
                    f"its derivations do not say which way they go: in {agree} of {len(pairs)} the "
                    f"first record is older, in {against} the second. Give --source-first if the "
                    "first is the source, or --reversed if it is what derives from the other."
                )
            asked = against > agree
            if asked:
                self.notes.append(
                    f"In {against} of {len(pairs)} derivations the second record is older, so that "
                    "they are read as the derived record first; --source-first reads them the "
                    "other way round."
                )
        elif (contradicted := agree if asked else against) * 2 > len(pairs):
            self.notes.append(
                f"In {contradicted} of {len(pairs)} derivations, read as you say, a record derives "
                "from one that is newer than itself."
            )
        return asked

    def _of(self, record_id: Any) -> Old | None:
        record = self._records.get(record_id)
        self._lost += record is None
        return record

    def _record(self, old: Old) -> None:
        kind = self._kinds[old.id]
        record_id = self.numbers.named(old.id)
        # Records of Braid-DB take additions for ever, and so do these.
        row = RecordRow(record_id, kind.value, old.name, old.at, 1, None, None, None)
        self._batch.record.append(row)
        uris: dict[str, UriRow] = {}
        for text in old.uris:
            made = uri_row(Gate(), record_id, text)
            uris[made.uri] = made
        self._batch.uri.extend(uris.values())
        self._batch.tag.append(tag_row(Gate(), record_id, record_id, IMPORTED, "Braid-DB", old.at))
        if kind is Kind.STEP:
            row_ = StepRow(record_id, "Action", None, None, None, None, None, old.at)
            self._batch.step.append(row_)
        elif kind is Kind.MODEL:
            self._batch.version.append(VersionRow(record_id, record_id, None, 0))

    def _tags(self, rows: Sequence[tuple[Any, ...]]) -> None:
        ended: dict[int, OutcomeRow] = {}
        for number, record_id, key, value, kind in rows:
            old = self._of(record_id)
            if old is None:
                continue
            change = self.numbers.named(HIGHEST + _id(number, "tags"))
            name = _text(key, f"tags {number}: key", 256)
            typed = _typed(value, kind)
            made = self.numbers.named(old.id)
            row: TagRow = tag_row(Gate(), made, change, name, typed, old.at)
            self._batch.tag.append(row)
            if name == "status" and self._kinds[old.id] is Kind.STEP and row.text:
                ended[old.id] = OutcomeRow(made, row.text[:64], None)
        self._batch.outcome.extend(ended.values())

    def _links(self) -> None:
        for old in self._records.values():
            for source in sorted(old.sources - {old.id}):
                ends = (self.numbers.named(source), self.numbers.named(old.id))
                role = _role(self._kinds[old.id], self._kinds[source])
                self._batch.link.append(LinkRow(*ends, role.value))

    def _invalidations(self, rows: Sequence[tuple[Any, ...]]) -> None:
        """A mark for each record whose invalidation is not passed on by what it derives from."""
        causes = {str(row[0]): row for row in rows}
        invalid = {r.id for r in self._records.values() if r.invalidation is not None}
        for record_id in sorted(invalid):
            old = self._records[record_id]
            cause = causes.get(old.invalidation or "")
            follows = cause is not None and cause[1] is not None
            if follows and self._derives_from(old, invalid, causes):
                continue
            made = self.numbers.named(record_id)
            note = "Invalidated in Braid-DB" if cause is None else str(cause[2] or "")
            at = old.at if cause is None else _time(cause[3], "invalidations: time")
            mark = self.numbers.named(2 * HIGHEST + record_id)
            note = note_text(Gate(), note[:MAX_NOTE])
            self._batch.mark.append(MarkRow(mark, made, Mark.INVALIDATED.value, at, note, made))

    def _derives_from(
        self, old: Old, invalid: set[int], causes: Mapping[str, tuple[Any, ...]]
    ) -> bool:
        """Whether it derives, through invalid records, from one whose invalidation is a root."""
        seen, waiting = {old.id}, [old.id]
        while waiting:
            for source in self._records[waiting.pop()].sources & invalid - seen:
                cause = causes.get(self._records[source].invalidation or "")
                if cause is None or cause[1] is None:
                    return True
                seen.add(source)
                waiting.append(source)
        return False


def _role(derived: Kind, source: Kind) -> Role:
    if source is Kind.STEP:
        return Role.INFORMED_BY if derived is Kind.STEP else Role.GENERATED_BY
    if derived is Kind.STEP:
        return Role.USED
    trained = derived is Kind.MODEL and source is not Kind.MODEL
    return Role.TRAINED_ON if trained else Role.DERIVED_FROM


def _record(row: tuple[Any, ...]) -> Old:
    record_id = _id(row[0], "records")
    name = row[1] if row[1] not in (None, "") else f"record {record_id}"
    text = _text(name, f"records {record_id}: name", 1 << 20)
    text = (scrub_text(text) if "://" in text else text)[:MAX_NAME]
    at = _time(row[2], f"records {record_id}: time")
    return Old(record_id, text, at, None if row[3] is None else str(row[3]))


def _id(value: Any, table: str) -> int:
    if type(value) is not int or not 0 < value < HIGHEST:
        raise InvalidInput(
            f"{table}: {value!r:.40} is not an id, a number from 1 to {HIGHEST - 1}."
        )
    return value


def _text(value: Any, what: str, longest: int) -> str:
    if not isinstance(value, str):
        raise InvalidInput(f"{what} is text, not {value!r:.40}.")
    return check_text(value, what, longest)


def _time(value: Any, what: str) -> int:
    """Microseconds of a time as Braid-DB keeps it, without an offset; taken as UTC."""
    try:
        found = micros(datetime.fromisoformat(value))
    except (TypeError, ValueError):
        found = None
    if found is None:
        raise InvalidInput(f"{what} is a time such as 2022-11-01 12:00:00, not {value!r:.40}.")
    return found


def _typed(value: Any, kind: Any) -> str | int | float | bool:
    """The value of a tag in its type; what does not read as one stays text."""
    try:
        if kind == INTEGER:
            return plain_value(int(value))
        if kind == FLOAT and math.isfinite(float(value)):
            return float(value)
    except (TypeError, ValueError):
        pass
    return "" if value is None else str(value)[:16384]
