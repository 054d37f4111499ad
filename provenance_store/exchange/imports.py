"""Imports can be listed, and taken back as a whole while nothing here depends on them."""

from __future__ import annotations

import itertools
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from provenance_store.errors import Ambiguous, Conflict, NotFound
from provenance_store.sql import imports
from provenance_store.sql.imports import ImportEntry, Needs
from provenance_store.times import format_time

if TYPE_CHECKING:
    import sqlalchemy as sa

    from provenance_store.store import Store

__all__ = ["Undone", "list_imports", "undo_import"]

NAMED = 3
"""So many records that stand in the way are named."""


@dataclass(frozen=True)
class Undone:
    """What was taken back, or would be: the import, and rows by table."""

    entry: Mapping[str, Any]
    rows: Mapping[str, int]

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {**self.entry, "rows": dict(self.rows)}


def list_imports(store: Store) -> list[dict[str, Any]]:
    """The imports into a store that can be taken back, the oldest first.

    Each with ``id``, ``at``, ``by`` (the account), ``file``, ``format``, and how many ``records``
    and ``runs`` it brought.
    """
    with store.sink.session.read() as connection:
        return [_document(entry) for entry in imports.entries(connection)]


def undo_import(store: Store, id_: str, *, dry_run: bool = False, force: bool = False) -> Undone:
    """Take an import back: its records with all that belongs to them, its runs and its marks.

    `id_` is the id of the import, or its beginning. With `dry_run` nothing changes. Raises NotFound
    or Ambiguous for an id that is no import's, Conflict when something that it did not bring needs
    a record of it, or when somebody else said something of one that counts today: with `force`,
    that goes too.
    """
    session = store.sink.session
    with session.change() as connection:
        entry = _entry(connection, id_)
        _refuse_needed(store, connection, entry, force=force)
        rows = imports.remove(connection, entry)
        if dry_run:
            connection.rollback()
    return Undone(_document(entry), rows)


def _entry(connection: sa.Connection, id_: str) -> ImportEntry:
    found = imports.entries(connection, id_.lower()) if id_ else []
    if not found:
        raise NotFound(f"There is no import {id_[:80]} here; `braid import --list` has them all.")
    if len(found) > 1:
        raise Ambiguous(
            f"{id_[:80]} is the beginning of {len(found)} imports.",
            choices=[entry.uuid for entry in found],
            told=[f"{entry.uuid} of {entry.file}" for entry in found],
        )
    return found[0]


def _refuse_needed(
    store: Store, connection: sa.Connection, entry: ImportEntry, *, force: bool
) -> None:
    every = imports.dependents(connection, entry)
    wanted = (one for one in every if not (force and one.is_said))
    found = sorted(itertools.islice(wanted, 1000), key=lambda one: (one.is_said, one.record_id))
    if not found:
        return
    whys: dict[int, str] = {}
    for one in found:
        whys.setdefault(one.record_id, one.why)
    several = [f"{store.sink.urn(i)} {why}" for i, why in list(whys.items())[:NAMED]]
    more = f", and {len(whys) - NAMED} more" if len(whys) > NAMED else ""
    raise Conflict(
        f"The import {entry.uuid} cannot be taken back, nothing has changed: "
        f"{'; '.join(several)}{more}. {_way_out(store, connection, found)}"
    )


def _way_out(store: Store, connection: sa.Connection, found: Sequence[Needs]) -> str:
    """What makes it possible to take an import back, or is left to do where nothing does."""
    needing = {one.record_id for one in found if not one.is_said}
    if not needing:
        told = next((one for one in found if one.undone_by), None)
        if told is None or told.undone_by is None:
            return "Give --force to lose what was said here with it."
        command, *words = told.undone_by
        how = shlex.join(["braid", command, store.sink.urn(told.record_id), *words])
        return f"Take back what was said (`{how}`), or give --force to lose it with the import."
    brought = imports.of_records(connection, needing)
    if brought.keys() == needing:
        first = min(brought.values(), key=lambda entry: (entry.at, entry.uuid))
        return f"An import brought that: take it back first, `braid import --undo {first.uuid}`."
    return (
        "A record here is never removed, so the import stays; where it is wrong, mark its records "
        "with `braid invalidate`."
    )


def _document(entry: ImportEntry) -> dict[str, Any]:
    return {
        "id": entry.uuid,
        "at": format_time(entry.at),
        "by": entry.by,
        "file": entry.file,
        "format": entry.format,
        "records": entry.count(),
        "runs": len(entry.runs),
    }
