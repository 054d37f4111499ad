"""A lineage drawn: nodes in columns that do not overlap, well-formed SVG."""

from __future__ import annotations

import itertools
from collections import defaultdict
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from braid.pictures import fitting
from braid.pictures.alike import folded
from braid.pictures.fitting import MOST_ROWS, Shape
from braid.pictures.graph import version
from braid.pictures.layout import BEND, ROW, arrange
from braid.pictures.placing import Placement, place_rows
from braid.pictures.svg import MOST_NODES, as_svg
from provenance_store.errors import InvalidInput

SVG = "{http://www.w3.org/2000/svg}"


def node(number: int, kind: str = "data", **more: Any) -> dict[str, Any]:
    about = {"id": f"urn:{number}", "short_id": f"1.{number}", "kind": kind}
    return about | {"name": f"record number {number}", **more}


def lineage(nodes: list[dict[str, Any]], ends: list[tuple[int, int]]) -> dict[str, Any]:
    links = [
        {"from": nodes[a]["id"], "to": nodes[b]["id"], "role": "derived_from"} for a, b in ends
    ]
    return {"root": nodes[0]["id"], "direction": "up", "nodes": nodes, "links": links}


def drawn(document: dict[str, Any], shape: str | None = None) -> ElementTree.Element:
    fit = None if shape is None else Shape.named(shape)
    return ElementTree.fromstring("\n".join(as_svg(document, fit)))


def chain(count: int) -> dict[str, Any]:
    return lineage([node(n) for n in range(count)], [(n, n + 1) for n in range(count - 1)])


def star(count: int) -> dict[str, Any]:
    return lineage([node(n) for n in range(count)], [(0, n) for n in range(1, count)])


def room(picture: ElementTree.Element) -> tuple[float, float]:
    """Width and height of what is to be seen."""
    _, _, width, height = map(float, picture.attrib["viewBox"].split())
    return width, height


def texts(picture: ElementTree.Element) -> list[str]:
    return [text.text or "" for text in picture.iter(f"{SVG}text")]


GRAPHS = st.integers(1, 14).flatmap(
    lambda count: st.tuples(
        st.just(count),
        st.lists(st.tuples(st.integers(0, count - 1), st.integers(0, count - 1)), max_size=30),
    )
)


@given(graph=GRAPHS)
@settings(max_examples=150, deadline=None)
def test_no_two_are_in_the_same_place_and_links_run_from_column_to_column(
    graph: tuple[int, list[tuple[int, int]]],
) -> None:
    count, links = graph
    layout = arrange(count, links)
    assert len(layout.places) == count
    columns = defaultdict(list)
    for place in layout.places:
        columns[place.column].append(place.y)
    for (a, b), route in zip(links, layout.routes, strict=True):
        if a == b:
            assert route == []
            continue
        assert (route[0], route[-1]) == (layout.places[a], layout.places[b])
        steps = {later.column - point.column for point, later in itertools.pairwise(route)}
        assert steps in ({-1}, {1})
        for bend in route[1:-1]:
            near = [abs(bend.y - y) for y in columns[bend.column]]
            assert all(distance >= (ROW + BEND) / 2 - 1e-6 for distance in near)
    for places in columns.values():
        places.sort()
        assert all(b - a >= ROW - 1e-6 for a, b in itertools.pairwise(places))


def test_what_is_depended_on_is_left_of_what_depends_on_it() -> None:
    layout = arrange(4, [(0, 1), (1, 2), (0, 2), (2, 3)])
    assert [place.column for place in layout.places] == [3, 2, 1, 0]
    assert len(layout.routes[2]) == 3


def test_a_tree_is_drawn_without_crossings_and_level() -> None:
    layout = arrange(7, [(0, 1), (0, 2), (1, 3), (1, 4), (2, 5), (2, 6)])
    y = [place.y for place in layout.places]
    assert (y[3] < y[4] < y[5] < y[6]) or (y[3] > y[4] > y[5] > y[6])
    assert y[0] == pytest.approx((y[1] + y[2]) / 2, abs=1)


def test_every_node_is_drawn_with_its_whole_name_as_tooltip() -> None:
    long = node(1, name="grain-map-of-the-whole-sample-2026-11-02.json & <more>")
    root = drawn(lineage([node(0), long, node(2, "model", version=3)], [(0, 1), (0, 2)]))
    titles = [title.text or "" for title in root.iter(f"{SVG}title")]
    assert any("whole-sample-2026-11-02.json & <more>" in title for title in titles)
    texts = [text.text or "" for text in root.iter(f"{SVG}text")]
    assert "record number 2 v3" in texts
    assert any("\u2026" in text for text in texts)
    assert len([p for p in root.iter(f"{SVG}path") if "marker-end" in p.attrib]) == 2 + 1


def test_steps_that_did_not_succeed_are_told_apart_in_the_legend() -> None:
    failed, open_ = node(1, "step", status="FAILED"), node(2, "step", status="ACTIVE")
    root = drawn(lineage([node(0), failed, open_], [(0, 1), (0, 2)]))
    texts = [text.text or "" for text in root.iter(f"{SVG}text")]
    assert {"FAILED step 1.1", "not ended step 1.2", "did not succeed"} <= set(texts)
    assert "invalid" not in texts


def test_what_is_invalid_or_not_to_be_seen_is_told_apart_in_the_legend() -> None:
    hidden = {"id": "restricted:1", "kind": "restricted", "name": None, "restricted": True}
    bad = node(2, invalidated={"cause": "beam dump"})
    root = drawn(lineage([node(0), hidden, bad], [(0, 1), (0, 2)]))
    texts = [text.text or "" for text in root.iter(f"{SVG}text")]
    assert "not yours to see" in texts
    assert "invalid" in texts
    assert "INVALID data 1.2" in texts


def test_why_nodes_are_invalid_is_read_below_the_picture() -> None:
    long = "the beam was lost " * 12
    bad = [node(n, invalidated={"cause": "beam <dump>"}) for n in range(1, 12)]
    worse = node(12, invalidated={"cause": long})
    root = drawn(lineage([node(0), *bad, worse], [(0, n) for n in range(1, 13)]))
    texts = [text.text or "" for text in root.iter(f"{SVG}text")]
    names = ", ".join(f"1.{n}" for n in range(1, 9))
    below = " ".join(texts[texts.index("derived from") + 1 :])
    assert below == f"INVALID {names} and 3 more: beam <dump> INVALID 1.12: {long.strip()}"


def test_what_could_not_be_read_as_a_picture_is_refused_with_a_way_out() -> None:
    many = [node(number) for number in range(MOST_NODES + 1)]
    with pytest.raises(InvalidInput, match="--depth"):
        list(as_svg(lineage(many, [])))


@pytest.mark.parametrize(("shape", "ratio"), [("16:9", 16 / 9), ("4:3", 4 / 3), ("A4", 297 / 210)])
@pytest.mark.parametrize("document", [chain(40), star(200)], ids=["long", "many"])
def test_a_picture_is_laid_out_for_its_shape(
    document: dict[str, Any], shape: str, ratio: float
) -> None:
    picture = drawn(document, shape)
    width, height = room(picture)
    assert width / height == pytest.approx(ratio, rel=0.01)
    whole, tall = room(drawn(document))
    assert width < 0.7 * max(whole, tall * ratio)
    assert {f"record number {n}" for n in range(len(document["nodes"]))} <= set(texts(picture))
    assert len([p for p in picture.iter(f"{SVG}path") if "marker-end" in p.attrib]) == (
        len(document["links"]) + 1
    )


def test_a_long_lineage_goes_on_in_rows_with_copies_of_what_is_above() -> None:
    said = texts(drawn(chain(40), "16:9"))
    copies = [text for text in said if text.endswith(", above")]
    assert copies
    assert not [text for text in said if text.endswith(", below")]
    for copy in copies:
        assert copy.removesuffix(", above") in said


def test_one_hop_of_hundreds_is_no_tower() -> None:
    layout = arrange(201, [(0, n) for n in range(1, 201)], kinds=["m"] * 200, most=MOST_ROWS)
    assert max(point.y for point in layout.places) < (MOST_ROWS + 2) * ROW
    width, height = room(drawn(star(201)))
    assert height < 3 * width


@pytest.mark.parametrize("shape", ["wide", "16:0", "0:9", "1:200", "16/9", "A5"])
def test_what_is_no_shape_is_refused(shape: str) -> None:
    with pytest.raises(InvalidInput, match="16:9"):
        Shape.named(shape)


def test_of_what_is_large_few_drawings_are_made_to_find_one_that_fits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = []

    def counted(*args: Any, **options: Any) -> Placement:
        made.append(options)
        return place_rows(*args, **options)

    monkeypatch.setattr(fitting, "place_rows", counted)
    ends = [(n % 300, 300 + (n * 7 + n // 300) % 300) for n in range(3000)]
    document = lineage([node(n) for n in range(600)], ends)
    wide, high = room(drawn(document, "16:9"))
    assert len(made) <= 1 + fitting.MOST_WORK // 600 // 5
    assert wide == pytest.approx(high * 16 / 9, abs=2)
    made.clear()
    drawn(star(60), "16:9")
    assert len(made) > 1


def test_nodes_with_the_same_links_become_one_and_no_arrow_says_more_than_is_true() -> None:
    scans = [node(n, name=f"scan-{n}.npy") for n in range(1, 5)]
    fits = [node(n, name=f"fit of scan {n}") for n in range(5, 8)]
    versions = [node(n, "model", name="net", version=n - 8) for n in range(8, 10)]
    bad = node(10, name="scan-9.npy", invalidated={"cause": "x", "reason": ""})
    document = lineage(
        [node(0), *scans, *fits, *versions, bad],
        [(5, 1), (6, 2), (7, 3), (8, 5), (8, 6), (8, 7), (9, 8), (0, 9), (0, 4), (0, 10)],
    )
    document["links"].append({"from": "urn:0", "to": "urn:8", "role": "influenced_by"})
    document["links"].append({"from": "urn:0", "to": "urn:99", "role": "influenced_by"})
    document["nodes"].append(node(99, "fact"))
    found = folded(document)
    names = {one["id"]: f"{one['name']}{version(one)}" for one in found["nodes"]}
    assert sorted(names.values()) == [
        *("3 fit of scan *", "3 scan-*.npy", "net v0", "net v1"),  # v0 is from fits, v1 from v0
        *("record number 0", "record number 99", "scan-4.npy", "scan-9.npy"),
    ]
    links = {(names[one["from"]], one["role"], names[one["to"]]) for one in found["links"]}
    assert ("3 fit of scan *", "derived_from", "3 scan-*.npy") in links
    assert ("record number 0", "derived_from", "scan-4.npy") in links  # which no fit is from
    influences = [link[2] for link in links if link[1] == "influenced_by"]
    assert influences == ["record number 99"]
