"""A lineage as a small graph: nodes, links, what was left out; JSON-ready, or for networkx."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from functools import cached_property, partial
from itertools import repeat
from typing import TYPE_CHECKING, Any, NamedTuple, overload

from provenance_store.display import counted
from provenance_store.enums import SAME_AS, Kind, Role
from provenance_store.extras import extra
from provenance_store.ids import short_id
from provenance_store.relations import INFLUENCED_BY
from provenance_store.results.drawing import drawn
from provenance_store.results.frames import rows_frame
from provenance_store.results.html import table
from provenance_store.sql.traverse import Links, Numbered

__all__ = ["Lineage", "Link", "Node", "Nodes", "Versions", "fold", "keep_kinds"]

if TYPE_CHECKING:
    import networkx  # type: ignore[import-untyped]
    import pandas

MOST_SHOWN = 20
"""Nodes that a notebook lists where the lineage cannot be drawn."""

_ROLES = {role.value: role for role in (*Role, SAME_AS)}


class Versions(NamedTuple):
    """Which versions of a model a folded node stands for, and how many of them."""

    first: int
    last: int
    number: int


class Node(NamedTuple):
    """A node of a lineage, so many hops from the root.

    `kind` is None for one that the viewer may not see: its id is then only a negative number, and
    it has no name. `version` is the number of a model version. A stub is one that a slice left
    out: its name may be None. `invalidated` is as in documents, None for what is valid. `status` is
    that of a step which did not succeed, or has not ended ("ACTIVE"), and "FAILED" of a model
    version whose step failed; None for all else.
    """

    id: int
    kind: Kind | None
    name: str | None
    version: int | None
    distance: int
    urn_of: Callable[[int], str]
    invalidated: dict[str, Any] | None = None
    stub: bool = False
    versions: Versions | None = None
    status: str | None = None

    @property
    def urn(self) -> str:
        """The permanent name; ``restricted:<number>`` for what the viewer may not see."""
        return f"restricted:{-self.id}" if self.kind is None else self.urn_of(self.id)

    def to_dict(self) -> dict[str, Any]:
        """The node as JSON has it."""
        about: dict[str, Any] = {"id": self.urn}
        if self.kind is None:
            about |= {"kind": "restricted", "name": None, "restricted": True}
        elif self.stub:
            about |= {"kind": self.kind.label, "name": self.name, "stub": True}
        else:
            about |= {"short_id": short_id(self.id), "kind": self.kind.label, "name": self.name}
        if self.version is not None:
            about["version"] = self.version
        if self.versions is not None:
            first, last, number = self.versions
            about["versions"] = {"first": first, "last": last, "count": number}
        if self.status is not None:
            about["status"] = self.status
        if self.invalidated is not None:
            about["invalidated"] = self.invalidated
        about["distance"] = self.distance
        return about


class Nodes(Sequence[Node]):
    """Nodes of which each is made when it is looked at: tens of thousands cost little."""

    def __init__(
        self,
        ids: Sequence[int],
        kinds: Sequence[Kind | None],
        names: Sequence[str | None],
        versions: Sequence[int | None],
        distances: Sequence[int],
        urn_of: Callable[[int], str],
    ) -> None:
        self._columns = (ids, kinds, names, versions, distances)
        self._urn_of = urn_of

    def _made(self, columns: Iterable[Sequence[Any]]) -> Iterator[Node]:
        rest = (self._urn_of, *Node._field_defaults.values())
        return map(partial(tuple.__new__, Node), zip(*columns, *map(repeat, rest), strict=False))

    def __len__(self) -> int:
        return len(self._columns[0])

    def __iter__(self) -> Iterator[Node]:
        return self._made(self._columns)

    @overload
    def __getitem__(self, place: int) -> Node: ...

    @overload
    def __getitem__(self, place: slice) -> list[Node]: ...

    def __getitem__(self, place: int | slice) -> Node | list[Node]:
        if isinstance(place, slice):
            return list(self._made([column[place] for column in self._columns]))
        ids, kinds, names, versions, distances = self._columns
        about = (kinds[place], names[place], versions[place], distances[place])
        return Node(ids[place], *about, self._urn_of)


class Link(NamedTuple):
    """The node `from_id` depends on the node `to_id`.

    `role` is None for a way through nodes that are not shown.
    """

    from_id: int
    to_id: int
    role: Role | None

    @property
    def label(self) -> str:
        """The role in documents."""
        return INFLUENCED_BY if self.role is None else self.role.label


class Lineage:
    """What a record came from, what came of it, or both, as one viewer may see it.

    `nodes` are nearest first, the root before all; `truncated` says whether there is more than
    the limit allowed.
    """

    def __init__(
        self,
        *,
        direction: str,
        depth: int | None,
        nodes: Sequence[Node],
        links: Links,
        truncated: bool,
        through: Mapping[tuple[int, int], Sequence[Node]] | None = None,
    ) -> None:
        self.direction = direction
        self.depth = depth
        self.nodes = nodes
        self.truncated = truncated
        self.columns = links
        """`links` without an object for each; the role is a number, 0 for None."""
        self.through = through or {}
        """Of links without a role the nodes that are not shown between their ends, where one is
        enough to come from one end to the other: mostly a step."""

    def __repr__(self) -> str:
        return (
            f"<Lineage {self.direction} of {self.root.name!r}: {counted(len(self.nodes), 'node')}, "
            f"{counted(len(self.columns.role), 'link')}{', truncated' if self.truncated else ''}>"
        )

    @property
    def root(self) -> Node:
        """Where it begins."""
        return self.nodes[0]

    @cached_property
    def links(self) -> list[Link]:
        """Links between the nodes; each points from what depends to what it depends on."""
        return [
            Link(frm, to, _ROLES.get(role)) for frm, to, role in zip(*self.columns, strict=True)
        ]

    def to_dict(self) -> dict[str, Any]:
        """The document of the query API.

        >>> document = reader.lineage("peaks-17", depth=1).to_dict()
        >>> [link["role"] for link in document["links"]]
        ['generated_by']
        """
        nodes = [node.to_dict() for node in self.nodes]
        urns = {node.id: about["id"] for node, about in zip(self.nodes, nodes, strict=True)}
        labels = {0: INFLUENCED_BY, **{number: role.label for number, role in _ROLES.items()}}
        return {
            "root": nodes[0]["id"],
            "direction": self.direction,
            "depth": self.depth,
            "nodes": nodes,
            "links": [
                {"from": urns[frm], "to": urns[to], "role": labels.get(role) or Role(role).label}
                | (self._through(frm, to) if role == 0 and self.through else {})
                for frm, to, role in zip(*self.columns, strict=True)
            ],
            "truncated": self.truncated,
        }

    def _through(self, frm: int, to: int) -> dict[str, Any]:
        between = self.through.get((frm, to), ())
        names = [
            node.name if node.version is None else f"{node.name} v{node.version}"
            for node in between
            if node.name is not None
        ]
        return {"through": list(dict.fromkeys(names))} if names else {}

    def to_dataframe(self) -> pandas.DataFrame:
        """The nodes, nearest first, as a pandas data frame; times are in UTC. Raises MissingExtra
        where pandas is not installed.

        >>> frame = reader.lineage("scan-17", "down").to_dataframe()
        >>> frame.groupby("kind").size().to_dict()
        {'data': 2, 'model': 2, 'step': 2}
        """
        columns = ("id", "short_id", "kind", "name", "version", "status", "distance")
        return rows_frame(columns, [node.to_dict() for node in self.nodes])

    def _repr_html_(self) -> str:
        """A picture where one can be drawn, else the nodes."""
        document = self.to_dict()
        if (picture := drawn(document)) is not None:
            return picture
        columns = ("distance", "kind", "name", "version", "status", "id")
        nodes = document["nodes"]
        more = len(nodes) - MOST_SHOWN
        return table(
            columns,
            ([node.get(name) for name in columns] for node in nodes[:MOST_SHOWN]),
            below=f"and {counted(more, 'more node')}" if more > 0 else "",
        )

    def to_networkx(self) -> networkx.MultiDiGraph[str]:
        """The same as a graph of networkx: nodes are URNs, attributes as in the document; the key
        of an edge is its role. Raises MissingExtra where networkx is not installed.

        >>> import networkx
        >>> graph = reader.lineage("braggnn@champion").to_networkx()
        >>> scan = reader.resolve("scan-17")
        >>> way = networkx.shortest_path(graph, graph.graph["root"], scan.urn)
        >>> [graph.nodes[urn]["name"] for urn in way]
        ['braggnn', 'peaks-17', 'Find peaks', 'scan-17']
        """
        with extra("graph", "This form of a lineage"):
            import networkx
        found = self.to_dict()
        about = {name: found[name] for name in ("root", "direction", "depth", "truncated")}
        graph: networkx.MultiDiGraph[str] = networkx.MultiDiGraph(**about)
        graph.add_nodes_from((node.pop("id"), node) for node in found["nodes"])
        graph.add_edges_from(
            (link["from"], link["to"], link["role"], {"role": link["role"]})
            for link in found["links"]
        )
        return graph


THROUGH_MEMBERS = (Role.TRAINED_ON, Role.DERIVED_FROM, Role.USED, Role.HAS_MEMBER)
"""Who has a link of these roles to a dataset has one to what is in it; the most telling first."""
MOST_BITS = 1 << 28
"""Ways through hidden nodes are found in memory of so many bits at most."""


def keep_kinds(lineage: Lineage, kinds: Set[Kind], most_links: int) -> Lineage:
    """Only nodes of these kinds, the root, and placeholders for what may not be seen.

    Where one shown node depends on another only through hidden ones, they are linked: by the role
    that it has towards a hidden dataset which holds the other, such as "trained_on", else by
    "influenced_by", with the node between the two where one is. With more than `most_links` links
    the rest is left out, which is `truncated`.
    """
    root = lineage.root.id
    nodes = [
        node for node in lineage.nodes if node.id == root or node.kind is None or node.kind in kinds
    ]
    shown = {node.id: number for number, node in enumerate(nodes)}
    every = list(zip(*lineage.columns, strict=True))
    links = [link for link in every if link[0] in shown and link[1] in shown]
    truncated = lineage.truncated
    if (len(lineage.nodes) - len(nodes)) * len(nodes) > MOST_BITS:
        truncated = True
    else:
        for link in _around(every, shown, {(f, t) for f, t, _ in links}):
            if len(links) >= most_links:
                truncated = True
                break
            links.append(link)
    return Lineage(
        direction=lineage.direction,
        depth=lineage.depth,
        nodes=nodes,
        links=Links.of(links),
        truncated=truncated,
        through=_between(lineage.nodes, every, shown, links),
    )


def _between(
    nodes: Sequence[Node],
    every: Sequence[Numbered],
    shown: Mapping[int, int],
    links: Sequence[Numbered],
) -> dict[tuple[int, int], list[Node]]:
    """Of links without a role the hidden nodes that are linked with both ends."""
    wanted = {(frm, to) for frm, to, role in links if role == 0}
    if not wanted:
        return {}
    onward: dict[int, set[int]] = defaultdict(set)
    back: dict[int, set[int]] = defaultdict(set)
    for frm, to, _ in every:
        if to not in shown and frm in shown:
            onward[frm].add(to)
        if frm not in shown and to in shown:
            back[to].add(frm)
    found = {(frm, to): onward[frm] & back[to] for frm, to in wanted}
    hidden = set().union(*found.values())
    named = {node.id: node for node in nodes if node.id in hidden and node.kind is not None}
    return {
        pair: [named[one] for one in sorted(ids) if one in named] for pair, ids in found.items()
    }


def _around(
    links: Sequence[Numbered], shown: Mapping[int, int], direct: Set[tuple[int, int]]
) -> Iterator[Numbered]:
    """Links between shown nodes for the ways through hidden ones; one is enough for two nodes."""
    onward: dict[int, list[int]] = defaultdict(list)
    members: dict[int, list[int]] = defaultdict(list)
    begun: dict[tuple[int, int], list[int]] = defaultdict(list)
    for frm, to, role in links:
        if frm not in shown or to not in shown:
            onward[frm].append(to)
            begun[frm, role].append(to)
            if frm not in shown and role == Role.HAS_MEMBER:
                members[frm].append(to)
    reach, held = _reach(onward, shown), _reach(members, shown)
    ids = list(shown)
    for frm in ids:
        told = 0
        for role in THROUGH_MEMBERS:
            bits = _all(held, begun.get((frm, role), ())) & ~told
            yield from ((frm, to, int(role)) for to in _others(bits, ids, frm, direct))
            told |= bits
        bits = _all(reach, onward.get(frm, ())) & ~told
        yield from ((frm, to, 0) for to in _others(bits, ids, frm, direct))


def _all(reach: Mapping[int, int], nodes: Iterable[int]) -> int:
    """What any of these leads to."""
    bits = 0
    for node in nodes:
        bits |= reach.get(node, 0)
    return bits


def _others(bits: int, ids: Sequence[int], frm: int, direct: Set[tuple[int, int]]) -> Iterator[int]:
    """The nodes of these bits to which there is no link yet."""
    found = (ids[number] for number in _ones(bits))
    return (to for to in found if to != frm and (frm, to) not in direct)


def _reach(onward: Mapping[int, Sequence[int]], shown: Mapping[int, int]) -> dict[int, int]:
    """For each hidden node the shown ones that it leads to through hidden ones, as bits.

    Nodes come after those that they lead to, so that one round is enough but for cycles.
    """
    order = _last_first(onward, shown)
    reach = dict.fromkeys(order, 0)
    changed = True
    while changed:
        changed = False
        for node in order:
            bits = reach[node]
            for to in onward.get(node, ()):
                bits |= 1 << shown[to] if to in shown else reach[to]
            if bits != reach[node]:
                reach[node] = bits
                changed = True
    return reach


def _last_first(onward: Mapping[int, Sequence[int]], shown: Mapping[int, int]) -> list[int]:
    """The hidden nodes in the order in which a search in depth leaves them."""
    order: list[int] = []
    entered: set[int] = set()
    for begin in onward:
        waiting = [] if begin in shown or begin in entered else [(begin, iter(onward[begin]))]
        entered.add(begin)
        while waiting:
            node, rest = waiting[-1]
            following = next((to for to in rest if to not in shown and to not in entered), None)
            if following is None:
                order.append(node)
                waiting.pop()
            else:
                entered.add(following)
                waiting.append((following, iter(onward.get(following, ()))))
    return order


def _ones(bits: int) -> Iterator[int]:
    """The places of the ones in a number, from the lowest."""
    text = bin(bits)[:1:-1]
    place = text.find("1")
    while place >= 0:
        yield place
        place = text.find("1", place + 1)


def fold(lineage: Lineage) -> Lineage:
    """One node for all versions of the models of one name, in the place of the nearest of them.

    It is invalid when one of them is. Cycles between models and data appear; links of a model to
    itself are left out.
    """
    by_name: dict[str, list[Node]] = defaultdict(list)
    for node in lineage.nodes:
        if node.kind is Kind.MODEL and node.name is not None:
            by_name[node.name].append(node)
    place = {node.id: same[0].id for same in by_name.values() for node in same}
    folded = {same[0].id: _one(same) for same in by_name.values()}
    nodes = [
        folded.get(node.id, node)
        for node in lineage.nodes
        if place.get(node.id, node.id) == node.id
    ]
    moved = (
        (place.get(frm, frm), place.get(to, to), role)
        for frm, to, role in zip(*lineage.columns, strict=True)
    )
    links = dict.fromkeys(link for link in moved if link[0] != link[1])
    through: dict[tuple[int, int], list[Node]] = defaultdict(list)
    for (frm, to), between in lineage.through.items():
        through[place.get(frm, frm), place.get(to, to)] += between
    return Lineage(
        direction=lineage.direction,
        depth=lineage.depth,
        nodes=nodes,
        links=Links.of(links),
        truncated=lineage.truncated,
        through=through,
    )


def _one(same: Sequence[Node]) -> Node:
    numbers = [node.version for node in same if node.version is not None]
    versions = Versions(min(numbers), max(numbers), len(same)) if numbers else None
    invalid = next((node.invalidated for node in same if node.invalidated is not None), None)
    status = same[0].status if all(node.status for node in same) else None
    return same[0]._replace(versions=versions, invalidated=invalid, status=status)
