"""The values by which model versions are searched: of their hyperparameters, and of what the step
that made them was called with.

The documents stay what counts; the table `parameter` is made of them, like `taint` of links, and
holds the numbers, texts and truth values in them, each with its path.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from provenance_store.batch import Batch
from provenance_store.ids import SEQUENCE_BITS
from provenance_store.kinds import Role
from provenance_store.sql.chunks import chunks
from provenance_store.sql.compiled import Insert
from provenance_store.sql.tables import TABLE

__all__ = ["HYPERPARAMETERS", "PARAMETERS", "Parameters", "index_all", "values_of"]

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
