"""Merging stores: identities are kept, twice changes nothing, a difference stops everything."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from provenance_store.errors import Conflict
from provenance_store.sql.merge import MERGED, Other, beside
from provenance_store.sql.session import Session
from provenance_store.sql.write import Statements

__all__ = ["MergeConflict", "Merged", "merge_file"]


class MergeConflict(Conflict):
    """The stores say different things of the same records; nothing was merged."""

    def __init__(self, differences: Iterable[str]) -> None:
        self.differences = tuple(differences)
        super().__init__(
            "The stores say different things of the same records, so nothing was merged: "
            + " ".join(self.differences)
        )


@dataclass(frozen=True)
class Merged:
    """What a merge added: new origins, and new rows by table (tables without any left out)."""

    origins: int
    rows: Mapping[str, int] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {"origins": self.origins, "rows": dict(self.rows)}


def merge_file(
    session: Session, statements: Statements, file: Path, *, dry_run: bool = False
) -> Merged:
    """Merge the store in a SQLite file into ours, in one transaction.

    With `dry_run` nothing is kept, and the answer says what would have been added. Raises
    MergeConflict with a report when a record of both differs, InvalidInput when the file is no
    store, SchemaMismatch when it is of another version.
    """
    with session.translated(), beside(session.engine, file) as (connection, other):
        origins = other.register_origins()
        if other.known_before:
            _refuse_differences(other)
        rows = {name: other.insert(name) for name in MERGED}
        statements.project(connection, other.run_ids())
        if not dry_run:
            connection.commit()
    return Merged(origins, {name: count for name, count in rows.items() if count})


def _refuse_differences(other: Other) -> None:
    found = [text for name in MERGED for text in other.differences(name)]
    if found:
        raise MergeConflict(found)
