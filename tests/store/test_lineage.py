"""Lineage over what was recorded: by role, kind and depth, folded and unrolled, for each viewer."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any, NamedTuple

import networkx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from provenance_store import Audience, Store, Viewer
from provenance_store.batch import Batch
from provenance_store.enums import Kind, Level, Role
from provenance_store.errors import InvalidInput
from provenance_store.handles import ModelVersion, Record
from provenance_store.queries import lineage as walking
from provenance_store.queries.lineage import Direction
from provenance_store.queries.lineage_graph import Lineage
from provenance_store.rows import AudienceMemberRow, AudienceRow, LinkRow, RecordRow
from provenance_store.sql import traverse

ALICE, BOB = "urn:globus:auth:identity:alice", "urn:globus:auth:identity:bob"


def names(found: Lineage) -> list[str]:
    return [
        f"{node.name} v{node.version}" if node.version is not None else str(node.name)
        for node in found.nodes
    ]


def links(found: Lineage) -> set[tuple[str, str, str]]:
    about = {node.id: name for node, name in zip(found.nodes, names(found), strict=True)}
    return {(about[link.from_id], link.label, about[link.to_id]) for link in found.links}


class Story(NamedTuple):
    """A detector model that is deployed, whose output trains its next version, three times."""

    scan: Record
    versions: list[ModelVersion]
    labels: list[Record]
    report: Record


@pytest.fixture
def story(store: Store) -> Story:
    config = store.fact("setup.cfg")
    scan = store.data("scan", depends_on=[config])
    versions = [store.model("detector", depends_on=[config])]
    labels = []
    for cycle in range(3):
        with store.step(f"Label {cycle}", inputs=[scan]) as step:
            step.used(versions[-1], role=Role.DEPLOYED)
            labels.append(step.output(f"labels {cycle}"))
        with store.step(f"Train {cycle}", inputs=[labels[-1]]) as step:
            versions.append(step.updated(versions[-1], [labels[-1]]))
    report = store.data("report", depends_on=[versions[-1]])
    return Story(scan, versions, labels, report)


def test_three_cycles_of_model_and_data_are_unrolled_by_version(store: Store, story: Story) -> None:
    found = store.reader().lineage(story.report.urn)
    assert not found.truncated
    models = [name for name in names(found) if name.startswith("detector")]
    assert models == ["detector v3", "detector v2", "detector v1", "detector v0"]
    assert len(found.nodes) == 1 + 4 + 3 + 6 + 2
    assert networkx.is_directed_acyclic_graph(found.to_networkx())
    assert ("detector v2", "trained_on", "labels 1") in links(found)
    assert ("labels 2", "generated_by", "Label 2") in links(found)
    assert ("Label 2", "deployed", "detector v2") in links(found)


def test_folded_by_name_the_cycles_appear_and_do_no_harm(store: Store, story: Story) -> None:
    found = store.reader().lineage(story.report.urn, folded=True)
    (model,) = [node for node in found.nodes if node.kind is Kind.MODEL]
    assert model.versions == (0, 3, 4)
    assert model.id == story.versions[-1].id
    assert model.to_dict()["versions"] == {"first": 0, "last": 3, "count": 4}
    graph = found.to_networkx()
    assert not networkx.is_directed_acyclic_graph(graph)
    assert graph.has_edge(model.urn, story.labels[0].urn)
    assert graph.has_edge(story.report.urn, model.urn)
    assert not any(one == other for one, other in graph.edges())
    assert store.reader().lineage(story.scan.urn, "down", folded=True).truncated is False


def test_only_links_of_the_roles_asked_for_are_walked(store: Store, story: Story) -> None:
    found = store.reader().lineage(story.versions[3].urn, roles=["revision_of", "trained_on"])
    assert set(names(found)) == {
        *(f"detector v{n}" for n in range(4)),
        *(f"labels {n}" for n in range(3)),
    }
    assert {link.role for link in found.links} == {Role.REVISION_OF, Role.TRAINED_ON}
    alone = store.reader().lineage(story.versions[3].urn, roles=["has_member"])
    assert names(alone) == ["detector v3"]


def test_other_kinds_are_walked_through_and_not_shown(store: Store, story: Story) -> None:
    found = store.reader().lineage(story.report.urn, kinds=["data"])
    assert set(names(found)) == {"report", "scan", "labels 0", "labels 1", "labels 2"}
    assert {role for _, role, _ in links(found)} == {"influenced_by"}
    assert ("report", "influenced_by", "labels 2") in links(found)
    assert ("labels 1", "influenced_by", "labels 0") in links(found)
    assert ("labels 0", "influenced_by", "labels 1") not in links(found)
    assert found.nodes[-1].distance == max(node.distance for node in found.nodes)


def test_what_is_trained_on_through_datasets_is_called_so(store: Store) -> None:
    scans = [store.data(f"scan {n}") for n in range(2)]
    inner = store.dataset("inner", [scans[1]])
    model = store.model("net").update([store.dataset("outer", [scans[0], inner])])
    found = store.reader().lineage(model, kinds=["model", "data"])
    assert links(found) == {
        ("net v1", "revision_of", "net v0"),
        *(("net v1", "trained_on", scan.name) for scan in scans),
    }
    held = store.reader().lineage(scans[1], "down", kinds=["dataset"], roles=["has_member"])
    assert ("outer", "has_member", "inner") in links(held)


def test_a_direct_link_is_shown_as_what_it_is(store: Store, story: Story) -> None:
    found = store.reader().lineage(story.versions[1].urn, kinds=["model", "data"])
    assert ("detector v1", "trained_on", "labels 0") in links(found)
    assert ("detector v1", "revision_of", "detector v0") in links(found)
    assert ("labels 0", "influenced_by", "scan") in links(found)
    assert ("labels 0", "influenced_by", "detector v0") in links(found)


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ({"depth": 1}, {"detector v1", "detector v0", "labels 0", "Train 0"}),
        ({"depth": 1, "roles": ["revision_of"]}, {"detector v1", "detector v0"}),
        ({"depth": 2, "kinds": ["step"]}, {"detector v1", "Train 0", "Label 0"}),
        ({"depth": 1, "kinds": ["fact"]}, {"detector v1"}),
        (
            {"roles": ["trained_on", "generated_by", "deployed"], "kinds": ["model"]},
            {"detector v1", "detector v0"},
        ),
        ({"kinds": ["model"], "folded": True}, {"detector v1"}),
    ],
)
def test_depth_roles_kinds_and_folding_go_together(
    store: Store, story: Story, how: dict[str, Any], expected: set[str]
) -> None:
    assert set(names(store.reader().lineage(story.versions[1].urn, **how))) == expected


def test_both_ways_is_what_it_came_from_and_what_came_of_it(store: Store, story: Story) -> None:
    up = store.reader().lineage(story.labels[1].urn)
    down = store.reader().lineage(story.labels[1].urn, "down")
    both = store.reader().lineage(story.labels[1].urn, "both")
    assert set(names(both)) == set(names(up)) | set(names(down))
    assert links(both) == links(up) | links(down)
    assert both.to_dict()["direction"] == "both"
    assert len(store.reader().lineage(story.labels[1].urn, "both", limit=3).nodes) == 3


def test_what_is_too_much_is_left_out_farthest_first(store: Store, story: Story) -> None:
    whole = store.reader().lineage(story.report.urn)
    for limit in range(1, len(whole.nodes) + 1):
        found = store.reader().lineage(story.report.urn, limit=limit)
        assert len(found.nodes) == limit
        assert found.truncated == (limit < len(whole.nodes))
        distances = [node.distance for node in found.nodes]
        assert distances == [node.distance for node in whole.nodes][:limit]
        known = {node.id for node in found.nodes}
        assert all(link.from_id in known and link.to_id in known for link in found.links)


def test_links_are_limited_too(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walking, "LINKS_A_NODE", 1)
    scans = [store.data(f"scan {n}") for n in range(6)]
    model = store.model("m").update(scans)
    store.model("n", depends_on=scans)
    assert store.reader().lineage(model.urn, limit=8).truncated is False
    second = store.model("both", depends_on=[model, *scans])
    cut = store.reader().lineage(second.urn, limit=10)
    assert (len(cut.links), cut.truncated) == (10, True)


def test_what_the_viewer_may_not_see_is_a_placeholder_whatever_is_asked(store: Store) -> None:
    alice, bob = (store.recorder(audience=Audience(who)) for who in (ALICE, BOB))
    raw = bob.data("raw")
    secret = alice.model("secret model", depends_on=[raw])
    hidden = secret.update([raw])
    result = bob.data("result", depends_on=[hidden])
    viewer = Viewer(frozenset({BOB}))
    for how in ({}, {"kinds": ["data"]}, {"folded": True}, {"kinds": ["fact"], "folded": True}):
        found = store.reader(viewer).lineage(result.urn, **how)
        assert "secret" not in str(found.to_dict())
        assert hidden.urn not in str(found.to_dict())
        assert str(hidden.id) not in str([*found.nodes, *found.links])
        unseen = [node for node in found.nodes if node.kind is None]
        assert len(unseen) == 2
        assert {node.urn.partition(":")[0] for node in unseen} == {"restricted"}
        assert found.to_dict()["nodes"][1]["restricted"] is True
    mine = store.reader(Viewer(frozenset({ALICE, BOB}))).lineage(result.urn)
    assert mine.to_dict() == store.reader().lineage(result.urn).to_dict()


def test_what_is_invalid_is_marked(store: Store, story: Story) -> None:
    store.invalidate(story.labels[0].urn, cause="wrong threshold")
    found = store.reader().lineage(story.report.urn)
    invalid = {name for name, node in zip(names(found), found.nodes, strict=True) if node[6]}
    assert {"labels 0", "detector v1", "labels 1", "report"} <= invalid
    assert {"scan", "detector v0"}.isdisjoint(invalid)
    about = found.root.to_dict()["invalidated"]
    assert (about["cause"], about["root"]) == ("wrong threshold", story.labels[0].urn)
    folded = store.reader().lineage(story.report.urn, folded=True)
    assert all(node.invalidated for node in folded.nodes if node.kind is Kind.MODEL)


def test_a_lineage_goes_to_networkx_as_the_document_has_it(store: Store, story: Story) -> None:
    found = store.reader().lineage(story.report.urn, "both")
    graph, document = found.to_networkx(), found.to_dict()
    assert graph.graph["root"] == story.report.urn
    assert [{"id": urn, **about} for urn, about in graph.nodes(data=True)] == document["nodes"]
    assert graph.number_of_edges() == len(document["links"])
    assert graph.nodes[story.scan.urn]["kind"] == "data"


@pytest.mark.parametrize(
    "how", [{"roles": ["eats"]}, {"kinds": ["thing"]}, {"depth": 0}, {"limit": 0}]
)
def test_what_there_is_not_is_refused_in_a_sentence(store: Store, how: dict[str, Any]) -> None:
    scan = store.data("scan")
    with pytest.raises(InvalidInput, match=r"\.$"):
        store.reader().lineage(scan.urn, **how)


def test_a_chain_of_three_thousand_is_walked_to_its_end(store: Store) -> None:
    with store.transaction():
        record = first = store.data("0")
        for n in range(1, 3_001):
            record = store.data(str(n), depends_on=[record])
    for urn, way, last in ((record.urn, "up", "0"), (first.urn, "down", "3000")):
        found = store.reader().lineage(urn, way, limit=20_000)  # type: ignore[arg-type]
        assert (len(found.nodes), found.nodes[-1].name) == (3_001, last)
        assert [node.distance for node in found.nodes] == list(range(3_001))
        assert not found.truncated
        assert len(store.reader().lineage(urn, way, depth=900).nodes) == 901  # type: ignore[arg-type]
        cut = store.reader().lineage(urn, way, limit=500)  # type: ignore[arg-type]
        assert (len(cut.nodes), cut.truncated) == (500, True)


@pytest.mark.parametrize("between", [0, 50, 1], ids=["one range", "ranges", "one by one"])
def test_a_wide_level_is_whole_whatever_was_recorded_between(store: Store, between: int) -> None:
    scans = []
    with store.transaction():
        config = store.fact("setup.cfg")
        for n in range(200):
            scans.append(store.data(f"scan {n}", depends_on=[config]))
            if between and n % between == 0:
                store.data(f"other {n}", depends_on=[scans[0]])
        everything = store.data("everything", depends_on=scans)
    with store.transaction():
        reports = [store.data(f"report {n}", depends_on=[everything]) for n in range(100)]
    ids = [scan.id for scan in scans]
    assert (traverse.ranges_of(ids) is None) is (between == 1)
    up = store.reader().lineage(everything.urn)
    assert names(up) == ["everything", *(f"scan {n}" for n in range(200)), "setup.cfg"]
    assert {(link.from_id, link.to_id) for link in up.links} == {
        *((everything.id, i) for i in ids),
        *((i, config.id) for i in ids),
    }
    down = store.reader().lineage(everything.urn, "down")
    assert [node.id for node in down.nodes] == [everything.id, *(one.id for one in reports)]


@given(ids=st.sets(st.integers(0, 400), min_size=traverse.FEW + 1))
def test_ranges_hold_just_the_ids_that_they_stand_for(ids: set[int]) -> None:
    found = traverse.ranges_of(list(ids))
    if found is not None:
        assert [*itertools.chain(*map(range, found[0], [n + 1 for n in found[1]]))] == sorted(ids)
        assert len(found[0]) <= 1 + len(ids) // traverse.IDS_A_RANGE


# ---- against networkx ------------------------------------------------------------------

ROLES = [Role.DERIVED_FROM, Role.TRAINED_ON, Role.USED]


class Drawn(NamedTuple):
    """Nodes 0 to `count` - 1, each a fact or data, Alice's or Bob's, with links between them."""

    facts: list[bool]
    of_bob: list[bool]
    links: set[tuple[int, int, Role]]

    @property
    def count(self) -> int:
        return len(self.facts)

    @property
    def bobs(self) -> set[int]:
        """Bob's; the first is Alice's, who is to see it."""
        return {n for n, of_bob in enumerate(self.of_bob) if of_bob and n}


@st.composite
def drawn_graphs(draw: st.DrawFn) -> Drawn:
    count = draw(st.integers(1, 9))
    node = st.integers(0, count - 1)
    links = st.sets(st.tuples(node, node, st.sampled_from(ROLES)), max_size=24)
    flags = st.lists(st.booleans(), min_size=count, max_size=count)
    return Drawn(draw(flags), draw(flags), draw(links))


def record(store: Store, drawn: Drawn) -> list[Record]:
    """The graph as it is drawn, circles and links to itself included."""
    audiences = [AudienceRow(who, who) for who in (ALICE, BOB)]
    members = [AudienceMemberRow(who, who, Level.MANAGE) for who in (ALICE, BOB)]
    made = []
    for n, is_fact in enumerate(drawn.facts):
        kind = Kind.FACT if is_fact else Kind.DATA
        made.append(Record(store.sink.new_id(), kind, f"n{n}", store))
    rows = [
        RecordRow(one.id, one.kind, one.name, n, 0, None, None, BOB if n in drawn.bobs else ALICE)
        for n, one in enumerate(made)
    ]
    links = [LinkRow(made[to].id, made[frm].id, role) for frm, to, role in drawn.links]
    batch = Batch(audience=audiences, audience_member=members, record=rows, link=links)
    with store.sink.session.change() as connection:  # links of any role, whatever the kinds
        store.sink.writer.statements.insert_all(connection, batch)
    return made


def reference(
    drawn: Drawn, way: str, depth: int | None, roles: set[Role]
) -> tuple[dict[int, int], set[tuple[int, int, str]]]:
    """Distances of what is reached from node 0, and the links walked, as networkx has it."""
    graph: Any = networkx.MultiDiGraph()
    graph.add_nodes_from(range(drawn.count))
    for frm, to, role in drawn.links:
        if not roles or role in roles:
            graph.add_edge(*((frm, to) if way == "up" else (to, frm)), role=role.label)
    distances = networkx.single_source_shortest_path_length(graph, 0, cutoff=depth)
    walked = {
        (a, b, role) if way == "up" else (b, a, role)
        for a, b, role in graph.edges(data="role")
        if a in distances and (depth is None or distances[a] < depth)
    }
    return dict(distances), walked


def around(links: set[tuple[int, int, str]], shown: set[int]) -> set[tuple[int, int, str]]:
    """The links that stand for ways through what is not shown."""
    hidden: Any = networkx.DiGraph((a, b) for a, b, _ in links if not {a, b} <= shown)
    direct = {(a, b) for a, b, _ in links if {a, b} <= shown}
    found = set()
    for a, b in itertools.permutations(shown & set(hidden), 2):
        through = hidden.subgraph(set(hidden) - shown | {a, b})
        if (a, b) not in direct and networkx.has_path(through, a, b):
            found.add((a, b, next(held_by(links, shown, a, b), "influenced_by")))
    return found


def held_by(links: set[tuple[int, int, str]], shown: set[int], a: int, b: int) -> Iterator[str]:
    """By which roles `a` has a hidden dataset in which `b` is, be it in one within."""
    members: Any = networkx.DiGraph(
        (frm, to)
        for frm, to, role in links
        if role == "has_member" and frm not in shown and (to not in shown or to == b)
    )
    for role in ("trained_on", "derived_from", "used", "has_member"):
        begun = {to for frm, to, of in links if (frm, of) == (a, role) and to not in shown}
        if any(
            to in members and b in members and networkx.has_path(members, to, b) for to in begun
        ):
            yield role


def found_in(lineage: Lineage, made: list[Record]) -> tuple[dict[int, int], Any]:
    number = {one.id: n for n, one in enumerate(made)}
    distances = {number[node.id]: node.distance for node in lineage.nodes}
    return distances, {(number[k.from_id], number[k.to_id], k.label) for k in lineage.links}


def told(lineage: Lineage) -> dict[str, Any]:
    """The document, its links in one order: the database gives them in any."""
    document = lineage.to_dict()
    links = sorted(document["links"], key=lambda link: sorted(link.items()))
    return {**document, "links": links}


@given(
    drawn=drawn_graphs(),
    levels=st.integers(0, 3),
    depth=st.none() | st.integers(1, 4),
    way=st.sampled_from(["up", "down"]),
    roles=st.sets(st.sampled_from(ROLES), max_size=2),
)
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_what_is_reached_is_what_networkx_reaches(
    store: Store,
    drawn: Drawn,
    levels: int,
    depth: int | None,
    way: Direction,
    roles: set[Role],
) -> None:
    made = record(store, drawn)
    walking.LEVELS, usual = levels, walking.LEVELS
    try:
        how = {"depth": depth, "roles": [role.label for role in roles]}
        whole = store.reader().lineage(made[0].urn, way, **how)
        both_eyes = store.reader(Viewer(frozenset({ALICE, BOB}))).lineage(made[0].urn, way, **how)
        alone = store.reader(Viewer(frozenset({ALICE}))).lineage(made[0].urn, way, **how)
        facts = store.reader().lineage(made[0].urn, way, kinds=["fact"], **how)
    finally:
        walking.LEVELS = usual
    distances, links = reference(drawn, way, depth, roles)
    assert found_in(whole, made) == (distances, links)
    assert told(both_eyes) == told(whole)
    unseen = [node.kind is None for node in alone.nodes]
    bobs = {made[n].id for n in drawn.bobs}
    assert unseen == [node.id in bobs for node in whole.nodes]
    assert [node.distance for node in alone.nodes] == [node.distance for node in whole.nodes]
    shown = {n for n in distances if n == 0 or drawn.facts[n]}
    direct = {link for link in links if {link[0], link[1]} <= shown}
    assert found_in(facts, made) == (
        {n: distances[n] for n in shown},
        direct | around(links, shown),
    )


def test_a_way_through_one_hidden_step_names_it(store: Store, story: Story) -> None:
    document = store.reader().lineage(story.versions[1].urn, kinds=["model", "data"]).to_dict()
    names_of = {node["id"]: node["name"] for node in document["nodes"]}
    through = {
        (names_of[link["from"]], names_of[link["to"]]): link.get("through")
        for link in document["links"]
        if link["role"] == "influenced_by"
    }
    assert through["labels 0", "scan"] == ["Label 0"]
    assert through["labels 0", "detector"] == ["Label 0"]
    data = store.reader().lineage(story.versions[2].urn, kinds=["data"])
    urns = {node.name: node.urn for node in data.nodes}
    (link,) = (
        link
        for link in data.to_dict()["links"]
        if (link["from"], link["to"]) == (story.versions[2].urn, urns["labels 0"])
    )
    assert link["through"] == ["detector v1"]
