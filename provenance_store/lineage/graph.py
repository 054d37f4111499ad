"""What a question for a lineage is answered with."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property, partial
from itertools import repeat
from typing import TYPE_CHECKING, Any, NamedTuple, overload

from provenance_store.extras import extra
from provenance_store.ids import short_id
from provenance_store.kinds import SAME_AS, Kind, Role
from provenance_store.lineage.columns import Links
from provenance_store.quantities import counted
from provenance_store.relations import INFLUENCED_BY

if TYPE_CHECKING:
    import networkx  # type: ignore[import-untyped]

__all__ = ["Lineage", "Link", "Node", "Nodes", "Versions"]

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

    def document(self) -> dict[str, Any]:
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
    ) -> None:
        self.direction = direction
        self.depth = depth
        self.nodes = nodes
        self.truncated = truncated
        self.columns = links
        """`links` without an object for each; the role is a number, 0 for None."""

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

    def document(self) -> dict[str, Any]:
        """The answer of the query API."""
        nodes = [node.document() for node in self.nodes]
        urns = {node.id: about["id"] for node, about in zip(self.nodes, nodes, strict=True)}
        labels = {0: INFLUENCED_BY, **{number: role.label for number, role in _ROLES.items()}}
        return {
            "root": nodes[0]["id"],
            "direction": self.direction,
            "depth": self.depth,
            "nodes": nodes,
            "links": [
                {"from": urns[frm], "to": urns[to], "role": labels.get(role) or Role(role).label}
                for frm, to, role in zip(*self.columns, strict=True)
            ],
            "truncated": self.truncated,
        }

    def to_networkx(self) -> networkx.MultiDiGraph[str]:
        """The same as a graph of networkx: nodes are URNs, attributes as in the document; the key
        of an edge is its role. Raises MissingExtra where networkx is not installed."""
        with extra("graph", "This form of a lineage"):
            import networkx
        found = self.document()
        about = {name: found[name] for name in ("root", "direction", "depth", "truncated")}
        graph: networkx.MultiDiGraph[str] = networkx.MultiDiGraph(**about)
        graph.add_nodes_from((node.pop("id"), node) for node in found["nodes"])
        graph.add_edges_from(
            (link["from"], link["to"], link["role"], {"role": link["role"]})
            for link in found["links"]
        )
        return graph
