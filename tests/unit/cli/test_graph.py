"""A lineage as a tree and as a Graphviz graph."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from braid.cli.output import Display
from braid.pictures.appearance import EDGES, FILLS, STROKES
from braid.pictures.graph import (
    MAX_LEVELS,
    MERMAID,
    ROLES,
    SAME,
    SHAPES,
    as_dot,
    as_mermaid,
    as_tree,
)
from provenance_store.enums import Kind, Role
from provenance_store.relations import INFLUENCED_BY, WORDS


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
    assert tuple(role.label for role in Role) == ROLES
    assert set(WORDS) == {*ROLES, INFLUENCED_BY, SAME}
    kinds = {kind.label for kind in Kind} | {"restricted"}
    assert set(SHAPES) == set(MERMAID) == set(FILLS) == set(EDGES) == kinds
    assert set(STROKES) == set(WORDS)


def test_what_was_shown_is_not_unfolded_again(capsys: pytest.CaptureFixture[str]) -> None:
    Display().tree(as_tree(DIAMOND))
    out = capsys.readouterr().out
    assert out.count("[fact") == 1
    assert out.count("(see above)") == 1
    assert "b v2" in out


def test_a_node_is_unfolded_where_it_is_first_read(capsys: pytest.CaptureFixture[str]) -> None:
    Display().tree(as_tree(DIAMOND))
    lines = capsys.readouterr().out.splitlines()
    mentions = [place for place, line in enumerate(lines) if " c  [data" in line]
    assert len(mentions) == 2
    assert "(see above)" not in lines[mentions[0]]
    assert "a  [fact" in lines[mentions[0] + 1]
    assert "(see above)" in lines[mentions[1]]


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


def test_both_ways_are_two_branches(capsys: pytest.CaptureFixture[str]) -> None:
    Display().tree(as_tree(DIAMOND | {"direction": "both", "root": "urn:b"}))
    out = capsys.readouterr().out
    assert "came from" in out
    assert "trained on: c" in out
    assert "gave rise to: d" in out


def test_what_is_folded_left_out_or_invalid_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    versions = {"first": 0, "last": 3, "count": 4}
    bad = {"at": "2026-11-01T00:00:00.000000+00:00", "cause": "bad scan", "root": "urn:a"}
    nodes = [
        node("d", invalidated=bad),
        node("m", "model", version=3, versions=versions),
        {"id": "urn:s", "kind": "data", "name": None, "stub": True},
    ]
    links = [
        {"from": "urn:d", "to": "urn:m", "role": "derived_from"},
        {"from": "urn:d", "to": "urn:s", "role": "influenced_by"},
    ]
    lineage = DIAMOND | {"nodes": nodes, "links": links}
    Display().tree(as_tree(lineage))
    out = capsys.readouterr().out
    assert "m v0-v3 (4 versions)" in out
    assert "INVALID since 2026-11-01: bad scan" in out
    assert "through records not shown: (no name)  [data, left out of this slice]" in out
    assert "color=red" in "\n".join(as_dot(lineage))


def test_steps_that_did_not_succeed_say_so(capsys: pytest.CaptureFixture[str]) -> None:
    nodes = [node("d"), node("f", "step", status="FAILED"), node("g", "step", status="ACTIVE")]
    links = [{"from": "urn:d", "to": f"urn:{end}", "role": "generated_by"} for end in "fg"]
    lineage = DIAMOND | {"nodes": nodes, "links": links}
    Display().tree(as_tree(lineage))
    out = capsys.readouterr().out
    assert "made by: f  [step 1.1]  FAILED" in out
    assert "made by: g  [step 1.1]  not ended" in out
    assert "\n".join(as_dot(lineage)).count('color="#b85c00"') == 2
    assert "  class n1,n2 bad" in as_mermaid(lineage)


def test_mermaid_is_escaped_and_names_no_node_by_its_label() -> None:
    nasty = node('say "hi" `x` #1 <b> \\ end', "step", invalidated={"cause": "x"})
    lines = list(as_mermaid(DIAMOND | {"nodes": [nasty, *DIAMOND["nodes"][1:]], "links": []}))
    assert lines[0] == "flowchart RL"
    assert lines[1].startswith(
        '  n0["say #quot;hi#quot; #96;x#96; #35;1 #lt;b#gt; #92; end  [step 1.'
    )
    assert lines[2].startswith('  n1{{"b v2  [model')
    assert lines[-1] == "  class n0 invalid"


def test_mermaid_links_are_labelled() -> None:
    lines = list(as_mermaid(DIAMOND))
    assert '  n0 -->|"derived from"| n1' in lines
    assert sum("-->" in line for line in lines) == len(DIAMOND["links"])


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_a_tree_keeps_to_the_terminal_and_a_pipe_gets_whole_lines(
    columns: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = {"at": "2026-11-01T00:00:00.000000+00:00", "cause": "the beam was lost", "root": "u"}
    names = [f"peaks of scan number {n} of the day" for n in range(6)]
    nodes = [node(name, invalidated=bad) for name in names]
    links = [
        {"from": f"urn:{a}", "to": f"urn:{b}", "role": "derived_from"}
        for a, b in itertools.pairwise(names)
    ]
    lineage = DIAMOND | {"nodes": nodes, "links": links, "root": f"urn:{names[0]}"}
    Display().tree(as_tree(lineage))
    whole = capsys.readouterr().out.splitlines()
    assert len(whole) == len(names)
    monkeypatch.setenv("COLUMNS", str(columns))
    Display().tree(as_tree(lineage))
    folded = capsys.readouterr().out.splitlines()
    assert max(map(len, folded)) <= columns
    assert [line for line in folded if line.endswith(" ")] == []
    words = " ".join(line.strip("│├└─ ") for line in folded).split()
    assert words == " ".join(line.strip("│├└─ ") for line in whole).split()
