"""The coordinates of a picture, as data: boxes do not overlap, and links meet where they join."""

from __future__ import annotations

import itertools
from collections import defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from braid.cli.output import Document
from braid.pictures.appearance import BOLD, FONT, HEIGHT, SMALL, text_width
from braid.pictures.fitting import Shape, place
from braid.pictures.ordering import _inversions
from braid.pictures.placing import PlacedLink, Placement
from tools.lineage_shapes import SHAPES

SLIDE = Shape.named("16:9")
PLACED = [
    pytest.param(make(size), shape, id=f"{name}, {size}{', slide' if shape else ''}")
    for name, make in SHAPES.items()
    for size, shape in ((60, None), (60, SLIDE), (400, None), (1000, SLIDE))
]


@pytest.mark.parametrize(("lineage", "shape"), PLACED)
def test_boxes_are_inside_and_do_not_overlap(lineage: Document, shape: Shape | None) -> None:
    found = place(lineage, shape)
    assert {node.document["id"] for node in found.nodes} == {n["id"] for n in lineage["nodes"]}
    middles = defaultdict(list)
    for node in found.nodes:
        assert 0 <= node.x - node.width / 2 <= node.x + node.width / 2 <= found.width
        assert 0 <= node.y - HEIGHT / 2 <= node.y + HEIGHT / 2 <= found.height
        middles[round(node.y / HEIGHT)].append(node)
    for level, nodes in middles.items():
        below = middles.get(level + 1, [])
        for one, other in itertools.chain(
            itertools.combinations(nodes, 2), itertools.product(nodes, below)
        ):
            apart = abs(one.x - other.x) - (one.width + other.width) / 2
            assert apart >= 0 or abs(one.y - other.y) >= HEIGHT


def test_text_is_inside_of_its_box() -> None:
    names = ["W" * 26, "m" * 26, "\u6f22" * 26, "i" * 26, "-", "peaks of scan-4", "A" * 200]
    nodes = [
        {"id": name, "short_id": "1.1000000", "kind": "data", "name": name, "status": "FAILED"}
        for name in names
    ]
    found = place({"root": names[0], "nodes": nodes, "links": []})
    for node in found.nodes:
        first, second = node.texts
        bold = BOLD if node.document["id"] == names[0] else 1.0
        assert text_width(first) * bold < node.width - 8
        assert text_width(second) * SMALL / FONT < node.width - 8


@pytest.mark.parametrize(("lineage", "shape"), PLACED)
def test_a_link_that_joins_another_meets_it_and_ends_with_it(
    lineage: Document,
    shape: Shape | None,
) -> None:
    found = place(lineage, shape)
    for link in found.links:
        if link.whole < 0:
            assert link.has_arrow
            continue
        whole = found.links[link.whole]
        assert whole.whole < 0
        assert whole.document["role"] == link.document["role"]
        shared = "to" if link.document["to"] == whole.document["to"] else "from"
        assert link.document[shared] == whole.document[shared]
        assert _meets(link, whole, found)


def _meets(link: PlacedLink, whole: PlacedLink, found: Placement) -> bool:
    """Whether an end of the link is on the way of the other, or at the node that they share."""
    ways = list(itertools.pairwise(whole.stops))
    ends = (link.stops[0], link.stops[-1])
    on_way = any(
        abs(y - one[1]) < 0.01 and min(one[0], two[0]) - 0.01 <= x <= max(one[0], two[0]) + 0.01
        for x, y in ends
        for one, two in ways
        if one[1] == two[1]
    )
    return on_way or bool({whole.stops[0], whole.stops[-1]} & set(ends))


@given(st.lists(st.integers(0, 2000), max_size=60))
def test_crossings_are_counted_as_pairs_out_of_order(ends: list[int]) -> None:
    pairs = sum(one > other for one, other in itertools.combinations(ends, 2))
    assert _inversions(ends, 2001) == pairs
