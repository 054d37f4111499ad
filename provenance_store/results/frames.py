"""Results as rows: of data frames, and of the tables that notebooks show."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from enum import IntEnum
from typing import TYPE_CHECKING, Any

import msgspec

from provenance_store.extras import extra
from provenance_store.results.base import RESTRICTED, Result
from provenance_store.times import rfc3339

if TYPE_CHECKING:
    import pandas

__all__ = ["HEADS", "frame", "row", "rows_frame"]

HEADS = {
    "records": ("short_id", "kind", "name", "created_at", "status", "tags", "uris"),
    "runs": ("run_id", "label", "status", "start_time", "completion_time", "flow_title", "tags"),
    "models": ("short_id", "name", "versions", "branches", "latest", "match"),
    "versions": ("short_id", "version", "created_at", "status", "scores", "aliases"),
    "steps": ("short_id", "name", "status", "start_time", "inputs", "outputs", "models"),
}
"""The fields that a notebook shows of each item of a list."""
SPREAD = ("tags", "scores", "hyperparameters", "parameters", "compared", "counts")
"""Fields that have a column for each name."""
OF_MATCH = ("version", "value", "diverged", "compared", "hyperparameters", "scores")
"""What a frame of models has of the version that was looked for."""


def row(item: Result, columns: Sequence[str]) -> list[Any]:
    """These fields of an item as a table shows them."""
    return [_shown(name, getattr(item, name)) for name in columns]


def _shown(name: str, value: Any) -> Any:
    if isinstance(value, datetime):
        return rfc3339(value)[:19].replace("T", " ")
    if isinstance(value, list):
        return [_shown(name, each) for each in value]
    return value.to_dict() if isinstance(value, Result) else _cell(name, value)


def frame(kind: type[Result], items: Iterable[Result]) -> pandas.DataFrame:
    """A data frame with a row for each item, see `Listing.to_dataframe`."""
    rows = [dict(_cells(item)) for item in items]
    place = {name: number for number, name in enumerate(kind.__struct_fields__)}
    found = dict.fromkeys(name for each in rows for name in each) or _always(kind)
    columns = sorted(found, key=lambda name: (place[name.partition(".")[0]], name))
    return rows_frame(columns, rows)


def _always(kind: type[Result]) -> list[str]:
    """The fields that each document of a kind has."""
    return [each.name for each in msgspec.structs.fields(kind) if each.required]


def rows_frame(columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> pandas.DataFrame:
    """A data frame with these columns; those of times hold times in UTC."""
    with extra("frames", "A data frame"):
        import pandas
    found = pandas.DataFrame(rows, columns=list(columns))
    for name in columns:
        if name.endswith(("_at", "_time")) and "." not in name:
            found[name] = pandas.Series(found[name].tolist(), dtype="datetime64[us, UTC]")
    return found


def _cells(item: Result) -> Iterator[tuple[str, Any]]:
    for name, value in item._present():
        if name in SPREAD and isinstance(value, Mapping):
            yield from ((f"{name}.{key}", each) for key, each in value.items())
        else:
            yield name, _cell(name, value)
        if name == "match":
            for each, cell in _cells(value):
                if each.partition(".")[0] in OF_MATCH:
                    yield f"match.{each}", cell


def _cell(name: str, value: Any) -> Any:
    if name == "kind":
        return RESTRICTED if value is None else value.label
    if isinstance(value, IntEnum):
        return value.name.lower()
    if isinstance(value, Result):
        return _named(value)
    if isinstance(value, list):
        return [_named(each) if isinstance(each, Result) else each for each in value]
    return value


def _named(value: Result) -> Any:
    """What stands for a record or a place in one cell."""
    for name in ("id", "uri"):
        if hasattr(value, name):
            return getattr(value, name)
    return value.to_dict()
