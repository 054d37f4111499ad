"""Pictures of large lineages take work, and room in the file, that grow with nodes and links.

The measure is the number of calls, as for what comes from outside (`provider/test_http_linear.py`).
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from typing import Any

import pytest

from braid.pictures import coordinates, fitting, ordering
from braid.pictures.alike import folded
from braid.pictures.bends import BENDS_FOR_EACH, FEWEST_BENDS
from braid.pictures.fitting import Shape
from braid.pictures.layout import arrange
from braid.pictures.svg import as_svg
from tests.hazards.provider.test_http_linear import calls
from tools.lineage_shapes import SHAPES

MOST_GROWTH = 2.5
"""Of work when there is twice as much: n log n, and a little for layouts that differ."""
MOST_SLIDE_GROWTH = 8
"""Of a picture that fits a shape when there is four times as much: of what is small fewer ways to
divide it are looked at. The square would be 16."""
SIZE = 250


def tangle(nodes: int) -> dict[str, Any]:
    """A chain in which each node has a link of its own to any of those before: with a bend in each
    column that these cross there would be as many bends as the square of that."""
    chance = random.Random(3)
    ends = [(n, n - 1) for n in range(1, nodes)]
    ends += [(n, chance.randrange(n)) for n in range(2, nodes)]
    about = [
        {"id": f"{n}", "short_id": f"1.{n}", "kind": "data", "name": f"record {n}"}
        for n in reversed(range(nodes))
    ]
    links = [{"from": f"{a}", "to": f"{b}", "role": "derived_from"} for a, b in ends]
    return {"root": about[0]["id"], "direction": "up", "nodes": about, "links": links}


MAKERS: dict[str, Callable[[int], dict[str, Any]]] = {**SHAPES, "a tangle": tangle}


@pytest.fixture(autouse=True)
def as_many_sweeps(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many sweeps and drawings for each size as for what is large: sizes can be compared."""
    monkeypatch.setattr(ordering, "LARGE", 0)
    monkeypatch.setattr(coordinates, "LARGE", 0)
    monkeypatch.setattr(fitting, "MOST_WORK", 0)


@pytest.mark.parametrize("shape", MAKERS)
def test_a_picture_of_twice_as_much_takes_twice_the_work(shape: str) -> None:
    lineages = [MAKERS[shape](SIZE * times) for times in (1, 2, 4)]
    counted = [calls(lambda given=one: list(as_svg(given))) for one in lineages]
    assert counted[1] <= MOST_GROWTH * counted[0]
    assert counted[2] <= MOST_GROWTH * counted[1]
    sizes = [sum(map(len, as_svg(one))) for one in lineages]
    assert sizes[2] <= MOST_GROWTH * sizes[1] <= MOST_GROWTH**2 * sizes[0]


@pytest.mark.parametrize("shape", MAKERS)
def test_a_picture_for_a_slide_does_not_take_the_square(shape: str) -> None:
    slide = Shape.named("16:9")
    lineages = [MAKERS[shape](SIZE * times) for times in (1, 4)]
    counted = [calls(lambda given=one: list(as_svg(given, slide))) for one in lineages]
    assert counted[1] <= MOST_SLIDE_GROWTH * counted[0]


@pytest.mark.parametrize("shape", MAKERS)
def test_nodes_that_are_alike_are_found_in_time_that_grows_with_links(shape: str) -> None:
    lineages = [MAKERS[shape](SIZE * times) for times in (1, 2, 4)]
    counted = [calls(lambda given=one: folded(given)) for one in lineages]
    assert counted[1] <= MOST_GROWTH * counted[0]
    assert counted[2] <= MOST_GROWTH * counted[1]


def test_links_beyond_what_can_be_put_in_order_run_above_all_nodes() -> None:
    count = 3_000
    lineage = tangle(count)
    links = [(count - 1 - int(one["from"]), count - 1 - int(one["to"])) for one in lineage["links"]]
    layout = arrange(count, links)
    lengths = [len(route) for route in layout.routes]
    assert sum(lengths) <= FEWEST_BENDS + (BENDS_FOR_EACH + 4) * (count + len(links))
    top = min(place.y for place in layout.places)
    lanes: dict[float, list[tuple[int, int]]] = {}
    for (a, b), route in zip(links, layout.routes, strict=True):
        assert (route[0], route[-1]) == (layout.places[a], layout.places[b])
        if len(route) == 4 and route[1].column - route[2].column > 1:
            assert route[1].y == route[2].y < top
            lanes.setdefault(route[1].y, []).append((route[2].column, route[1].column))
    assert lanes
    for spans in lanes.values():
        spans.sort()
        assert all(one[1] <= other[0] for one, other in itertools.pairwise(spans))
