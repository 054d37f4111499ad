"""The convergence curve of a model version as a statement covers it: up to where it had come.

A statement that is made while a model trains stays true while the training goes on. So a leaf says
for each series of the curve how many points it had and where the last one was, and has the digest
of exactly these. What is logged behind them changes nothing; a point that is changed, removed or
put among them does.
"""

from __future__ import annotations

import hashlib
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from provenance_store.enums import CURVES, Series
from provenance_store.queries.documents import shown_number, whole
from provenance_store.values import canonical_json

__all__ = [
    "CurvePoint",
    "Ends",
    "contradictions",
    "covered",
    "number_text",
    "points_of_document",
    "points_of_rows",
    "stated_curve",
]

BY = {Series.METRIC.value: "epoch", Series.STEP.value: "step"}
Ends = Sequence[Mapping[str, Any]]


class CurvePoint(NamedTuple):
    """A value of a curve: `by` says what `at` counts, "epoch" or "step"; `text` is the value."""

    at: float
    name: str
    text: str | None
    by: str


def number_text(value: float | None, special: int | None) -> str | None:
    """A number as a leaf has it: leaves hold no fractions, and None where it is not known."""
    if value is None:
        return shown_number(None, special)  # type: ignore[return-value]
    return repr(float(value))


def points_of_rows(rows: Iterable[Any]) -> list[CurvePoint]:
    """The points among the metric rows of one version."""
    return [
        CurvePoint(whole(row.step), row.name, number_text(row.value, row.special), BY[row.series])
        for row in rows
        if row.series in CURVES
    ]


def points_of_document(metrics: Iterable[Mapping[str, Any]]) -> list[CurvePoint]:
    """The same from the `metrics` of a record document, which a server shows."""
    found = []
    for point in metrics:
        by = "step" if "step" in point else "epoch"
        for name, value in point.items():
            if name != by:
                text = value if value is None or isinstance(value, str) else repr(float(value))
                found.append(CurvePoint(whole(point[by]), name, text, by))
    return found


def stated_curve(points: Iterable[CurvePoint]) -> dict[str, Any]:
    """The curve as a leaf has it: how many values, their digest, and where each series ended."""
    ordered = sorted(points, key=lambda point: (point.at, point.name, point.by == "step"))
    hashed = [
        (point.at, point.name, point.text, *(("step",) if point.by == "step" else ()))
        for point in ordered
    ]
    series: dict[tuple[str, str], list[float]] = defaultdict(list)
    for point in ordered:
        series[point.by, point.name].append(point.at)
    return {
        "values": len(hashed),
        "digest": "sha256:" + hashlib.sha256(canonical_json(hashed)).hexdigest(),
        "ends": [
            {"by": by, "name": name, "points": len(places), "last": _place(places[-1])}
            for (by, name), places in sorted(series.items())
        ],
    }


def covered(points: Iterable[CurvePoint], ends: Ends) -> list[CurvePoint]:
    """The points that a leaf with these `ends` is about: each series up to its last place."""
    last = {(end["by"], end["name"]): float(end["last"]) for end in ends}
    return [p for p in points if p.at <= last.get((p.by, p.name), -math.inf)]


def contradictions(curve: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with a stated curve by itself, in words."""
    ends = curve.get("ends")
    if ends is None:
        return  # earlier versions stated the whole curve, and no ends
    names = [(end["by"], end["name"]) for end in ends]
    if names != sorted(set(names)):
        yield "the series of its curve are not in order, or one is there twice"
    if sum(end["points"] for end in ends) != curve["values"]:
        yield "the series of its curve have another number of values than the curve"
    for end in ends:
        if not _is_place(end["last"]) or end["points"] < 1:
            yield f"the end of its curve of {end['name']:.80} is none"


def _place(at: float) -> str:
    return canonical_json(whole(at)).decode()


def _is_place(text: str) -> bool:
    try:
        at = float(text)
    except ValueError:
        return False
    return math.isfinite(at) and _place(at) == text
