"""Lineages of 300 to 30,000 nodes laid out and written as SVG, beside writing boxes and lines.

Run `python benchmarks/drawing.py`. Shapes are those of `tools/lineage_shapes.py`. The floor writes
as many rectangles with two lines of text, and as many lines, at places that are known: what no
layout is part of. Processor time, the least of `--rounds`. `--most` leaves the larger ones out.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from _results import Result, tell

from braid.pictures.svg import as_svg
from tools.lineage_shapes import SHAPES

SIZES = (300, 1_000, 3_000, 10_000, 30_000)
TOLD = 10_000
"""The size of which the ratio has a budget."""
BUDGET = 40.0
FLOOR_IS = "writing as many SVG boxes with two lines of text, and lines, at known places"


def boxes_and_lines(lineage: dict[str, Any]) -> Iterator[str]:
    """The floor: a grid of boxes, and the links as straight lines between them."""
    place = {node["id"]: number for number, node in enumerate(lineage["nodes"])}
    wide = round(len(place) ** 0.5)
    yield '<svg xmlns="http://www.w3.org/2000/svg">'
    for link in lineage["links"]:
        one, other = place[link["from"]], place[link["to"]]
        yield (
            f'<path d="M{one % wide * 200:.1f} {one // wide * 58:.1f}L{other % wide * 200:.1f} '
            f'{other // wide * 58:.1f}"/>'
        )
    for number, node in enumerate(lineage["nodes"]):
        x, y = number % wide * 200.0, number // wide * 58.0
        yield f'<rect x="{x:.1f}" y="{y:.1f}" width="120" height="38"/>'
        yield f'<text x="{x:.1f}" y="{y - 3:.1f}">{node["name"]}</text>'
        yield f'<text x="{x:.1f}" y="{y + 11:.1f}">{node["kind"]} {node["short_id"]}</text>'
    yield "</svg>"


def seconds(draw: Callable[[], Iterator[str]], rounds: int) -> float:
    """Processor time of the picture as one text, the least of some rounds."""
    times = []
    for _ in range(rounds):
        begun = time.process_time()
        "\n".join(draw())
        times.append(time.process_time() - begun)
    return min(times)


def measure(most: int, rounds: int) -> list[Result]:
    """A figure for each shape and size."""
    results = []
    for size in (size for size in SIZES if size <= most):
        for what, make in SHAPES.items():
            lineage = make(size)
            nodes, links = len(lineage["nodes"]), len(lineage["links"])
            floor = seconds(lambda given=lineage: boxes_and_lines(given), rounds)
            ours = seconds(lambda given=lineage: as_svg(given), rounds)
            results.append(
                Result(
                    what=f"A picture of {what}, {nodes:,} nodes and {links:,} links",
                    ours=ours,
                    unit="s",
                    floor=floor,
                    floor_is=FLOOR_IS,
                    budget=BUDGET if size == TOLD else None,
                )
            )
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--most", type=int, default=max(SIZES), help="nodes of the largest")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    tell("drawing", measure(options.most, options.rounds))


if __name__ == "__main__":
    main()
