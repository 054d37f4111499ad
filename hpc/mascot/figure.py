"""The plot of a sweep, beside what was published."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hpc.mascot.sweep import Point
from provenance_store.extras import extra

__all__ = ["PUBLISHED", "draw", "need_matplotlib"]

PUBLISHED = {"none": 97_166, "each": 128}
"""Rows a second of the Braid-DB paper, on an i7-8700, without and with a commit per operation."""
LABELS = {"none": "one transaction", "each": "a commit for each record, with its URIs and links"}
PUBLISHED_LABELS = {"none": "published, no commits", "each": "published, a commit per operation"}
STYLES = {"none": ("#1b6ca8", "o"), "each": ("#c8553d", "s")}
GRAY = "#666666"


def need_matplotlib() -> Any:
    """The module; raises MissingExtra where it is not installed."""
    with extra("plot", "A plot"):
        import matplotlib
    return matplotlib


def draw(points: Sequence[Point], files: Sequence[Path], *, title: str) -> None:
    """Draw rows a second over entries, both axes logarithmic, into files by their suffixes."""
    need_matplotlib()
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    for commit, label in LABELS.items():
        _line(axes, [point for point in points if point.commit == commit], label, *STYLES[commit])
        _published(axes, commit, max(point.entries for point in points))
    _dress(axes, title)
    for file in files:
        figure.savefig(file, dpi=150, metadata=_undated(file))


def _line(axes: Any, points: Sequence[Point], label: str, color: str, marker: str) -> None:
    x = [point.entries for point in points]
    y = [point.rows_per_second for point in points]
    axes.plot(x, y, marker=marker, color=color, label=label)
    below = {"textcoords": "offset points", "ha": "center"}
    axes.annotate(f"{y[-1]:,.0f}", (x[-1], y[-1]), (0, -18), color=color, **below)


def _published(axes: Any, commit: str, right: float) -> None:
    rate, color = PUBLISHED[commit], STYLES[commit][0]
    axes.axhline(rate, color=color, linestyle=":", linewidth=1.5)
    text = f"{PUBLISHED_LABELS[commit]}: {rate:,}"
    place = {"textcoords": "offset points", "ha": "right"}
    axes.annotate(text, (right, rate), (0, -12), color=GRAY, fontsize=9, **place)


def _dress(axes: Any, title: str) -> None:
    from matplotlib.ticker import FuncFormatter

    axes.set(xscale="log", yscale="log", xlabel="entries", ylabel="rows a second", title=title)
    axes.set_ylim(50, axes.get_ylim()[1] * 2)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.grid(visible=True, which="major", color="#dddddd")
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(loc="center", bbox_to_anchor=(0.5, 0.3), facecolor="white", edgecolor="none")


def _undated(file: Path) -> dict[str, Any] | None:
    """The same points make the same file."""
    return {"Date": None} if file.suffix == ".svg" else None
