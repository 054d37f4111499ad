"""A lineage is told as a story: steps stand beside what they made, nothing is told twice."""

from __future__ import annotations

import io
from typing import Any

from rich.console import Console

from braid.demo.report import tell


def node(name: str, kind: str = "data", **more: Any) -> dict[str, Any]:
    return {"id": name, "short_id": "1.1", "kind": kind, "name": name, "distance": 0, **more}


def lineage(root: str, nodes: list[dict[str, Any]], *links: tuple[str, str, str]) -> dict[str, Any]:
    told = [{"from": a, "role": role, "to": b} for a, role, b in links]
    return {"root": root, "direction": "up", "nodes": nodes, "links": told, "truncated": False}


def story(document: dict[str, Any], places: dict[str, str] | None = None) -> list[str]:
    console = Console(file=io.StringIO(), width=80)
    console.print(tell(document, place_of=lambda node_id: (places or {}).get(node_id, "")))
    assert isinstance(console.file, io.StringIO)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


def test_what_a_step_used_is_told_of_what_it_made() -> None:
    nodes = [node("result"), node("Apply", "step"), node("frame"), node("net", "model", version=2)]
    document = lineage(
        "result",
        nodes,
        ("result", "generated_by", "Apply"),
        ("Apply", "used", "frame"),
        ("Apply", "used", "net"),
    )
    assert story(document, {"frame": "edge"}) == [
        "result  by the step Apply",
        "├── used frame  at the edge",
        "└── used net v2  model",
    ]


def test_what_a_thing_says_of_itself_is_told_instead_of_what_its_step_used() -> None:
    nodes = [node("copy"), node("Copy", "step"), node("original"), node("another")]
    document = lineage(
        "copy",
        nodes,
        ("copy", "derived_from", "original"),
        ("copy", "generated_by", "Copy"),
        ("Copy", "used", "original"),
        ("Copy", "used", "another"),
    )
    assert story(document) == ["copy  by the step Copy", "└── derived from original"]


def test_what_was_told_is_named_again_but_not_told_again() -> None:
    nodes = [node(name) for name in ("a", "b", "c", "d")]
    document = lineage(
        "a",
        nodes,
        ("a", "derived_from", "b"),
        ("a", "derived_from", "c"),
        ("b", "derived_from", "c"),
        ("c", "derived_from", "d"),
    )
    assert story(document) == [
        "a",
        "├── derived from b",
        "│   └── derived from c",
        "│       └── derived from d",
        "└── derived from c  (see above)",
    ]


def test_a_cycle_of_names_ends() -> None:
    document = lineage(
        "a", [node("a"), node("b")], ("a", "derived_from", "b"), ("b", "derived_from", "a")
    )
    assert story(document) == ["a", "└── derived from b", "    └── derived from a  (see above)"]


def test_a_name_with_markup_or_control_characters_is_told_as_it_is() -> None:
    document = lineage("x", [node("x") | {"name": "[red]x[/]\x1b[2J"}])
    (line,) = story(document)
    assert line.startswith("[red]x[/]")
    assert "\x1b" not in line
