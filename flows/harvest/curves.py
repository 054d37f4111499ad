"""Metrics and scores as training functions return them, as a record state would send them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from provenance_store.validation.rows import SPELLED

__all__ = ["points_of", "scores_of"]

COUNTERS = ("epoch", "step")
"""Which of the columns of a curve count its points."""

Point = dict[str, Any]


def points_of(value: Any) -> tuple[list[Point], list[str]]:
    """The convergence curve, and a sentence for each column that cannot be part of it.

    A list of points, ``[{"epoch": 1, "loss": 0.3}, ...]``, or a column for each metric,
    ``{"loss": [0.3, ...], "val_loss": [...]}``, where the points are epochs 1, 2, ... unless there
    is a column ``epoch`` or ``step``. What is no number is left out.
    """
    if isinstance(value, Mapping):
        return _of_columns(value)
    if not isinstance(value, list) or not all(isinstance(point, Mapping) for point in value):
        return [], ["is neither a list of points nor a list for each metric."]
    points = [_point(point) for point in value]
    return [point for point in points if point], []


def scores_of(value: Any) -> dict[str, Any] | None:
    """The numbers of an object by name; None of anything else."""
    if not isinstance(value, Mapping):
        return None
    return {name: n for name, n in value.items() if _is_number(n)}


def _of_columns(value: Mapping[str, Any]) -> tuple[list[Point], list[str]]:
    columns = {name: _column(given) for name, given in value.items()}
    columns = {name: column for name, column in columns.items() if column}
    if not columns.keys() - set(COUNTERS):
        return [], ["holds no list of numbers."]
    counter = next((columns[name] for name in COUNTERS if name in columns), None)
    length = len(counter) if counter else max(map(len, columns.values()))
    wrong = [name for name, column in columns.items() if len(column) != length]
    notes = [f"{n} has {len(columns[n])} values for {length} points; left out." for n in wrong]
    fitting = {name: column for name, column in columns.items() if name not in wrong}
    if counter is None:
        fitting = {"epoch": list(range(1, length + 1)), **fitting}
    return [_point({n: c[i] for n, c in fitting.items()}) for i in range(length)], notes


def _column(value: Any) -> list[Any]:
    """The values of a column that holds at least one number; a number alone is one of its own."""
    given = value if isinstance(value, Sequence) and not isinstance(value, str) else [value]
    return list(given) if any(_is_number(item) for item in given) else []


def _point(given: Mapping[str, Any]) -> Point:
    point: Point = {}
    for name, value in given.items():
        if name in COUNTERS and isinstance(value, float) and value.is_integer():
            point[name] = int(value)
        elif _is_number(value) or (value is None and name not in COUNTERS):
            point[name] = value
    return point


def _is_number(value: Any) -> bool:
    """Whether it is a number, or one that is not finite as JSON has it: ``"NaN"``."""
    if isinstance(value, str):
        return value in SPELLED
    return isinstance(value, int | float) and not isinstance(value, bool)
