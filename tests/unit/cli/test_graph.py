"""A lineage as a tree and as a Graphviz graph."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from braid.graph import INVERSE, MAX_LEVELS, SHAPES, as_dot, as_tree
from braid.output import Display
from provenance_store.kinds import Kind, Role


def node(name: str, kind: str = "data", **more: Any) -> dict[str, Any]:
    return {"id": f"urn:{name}", "short_id": f"1.{len(name)}", "kind": kind, "name": name, **more}


DIAMOND: dict[str, Any] = {
    "root": "urn:d",
    "direction": "up",
    "nodes": [node("d"), node("b", "model", version=2), node("c"), node("a", "fact")],
    "links": [
        {"from": "urn:d", "to": "urn:b", "role": "derived_from"},
        {"from": "urn:d", "to": "urn:c", "role": "derived_from"},
        {"from": "urn:b", "to": "urn:c", "role": "trained_on"},
        {"from": "urn:c", "to": "urn:a", "role": "derived_from"},
    ],
}


def test_every_role_reads_from_the_other_end_too_and_every_kind_has_a_shape() -> None:
    assert set(INVERSE) == {role.label for role in Role}
    assert set(SHAPES) == {kind.label for kind in Kind} | {"restricted"}


def test_what_was_shown_is_not_unfolded_again(capsys: pytest.CaptureFixture[str]) -> None:
    Display().tree(as_tree(DIAMOND))
    out = capsys.readouterr().out
    assert out.count("[fact") == 1
    assert out.count("(see above)") == 1
    assert "b v2" in out


def test_a_cycle_ends(capsys: pytest.CaptureFixture[str]) -> None:
    links = [*DIAMOND["links"], {"from": "urn:a", "to": "urn:d", "role": "derived_from"}]
    Display().tree(as_tree(DIAMOND | {"links": links}))
    assert capsys.readouterr().out.count("(see above)") >= 1


def test_a_very_deep_lineage_is_cut_with_a_word_about_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    names = [f"n{number}" for number in range(3000)]
    chain = {
        "root": "urn:n0",
        "direction": "up",
        "nodes": [node(name) for name in names],
        "links": [
            {"from": f"urn:{one}", "to": f"urn:{two}", "role": "derived_from"}
            for one, two in itertools.pairwise(names)
        ],
    }
    Display().tree(as_tree(chain))
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == MAX_LEVELS + 2
    assert lines[-1].endswith("--format csv lists all")
    assert max(map(len, lines)) < 300


def test_downwards_the_roles_are_turned_round(capsys: pytest.CaptureFixture[str]) -> None:
    Display().tree(as_tree(DIAMOND | {"direction": "down", "root": "urn:a"}))
    assert "gave rise to: c" in capsys.readouterr().out


def test_dot_is_quoted() -> None:
    lines = "\n".join(as_dot(DIAMOND | {"nodes": [node('say "hi"\\')], "links": []}))
    assert r'label="say \"hi\"\\' in lines
    assert lines.startswith("digraph lineage {")


def test_what_may_not_be_seen_is_a_placeholder(capsys: pytest.CaptureFixture[str]) -> None:
    hidden = {"id": "restricted:0", "kind": "restricted", "name": None, "restricted": True}
    nodes = [node("d"), hidden]
    links = [{"from": "urn:d", "to": "restricted:0", "role": "used"}]
    Display().tree(as_tree(DIAMOND | {"nodes": nodes, "links": links}))
    assert "not yours to see" in capsys.readouterr().out
