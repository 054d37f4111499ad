"""Walks over the graph: reachability with a visited set, never an enumeration of paths."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from functools import partial
from itertools import compress
from operator import eq, is_
from typing import Literal, TypeVar

from provenance_store.enums import SAME_AS, Kind, Role
from provenance_store.errors import InvalidInput
from provenance_store.queries.documents import validity
from provenance_store.queries.lineage_graph import Lineage, Node, Nodes, fold, keep_kinds
from provenance_store.queries.validity import Invalidation, validity_of
from provenance_store.queries.view import View
from provenance_store.sql import known_later, traverse
from provenance_store.sql.traverse import Links, Numbered

__all__ = ["Direction", "OneWay", "Walk", "trace", "walk"]

OneWay = Literal["up", "down"]
Direction = Literal["up", "down", "both"]

MAX_NODES = 1_000_000
LINKS_A_NODE = 20
"""A lineage has at most so many links for each node that it may have."""
MOST_KEPT = 200_000
"""With some kinds of nodes only it has at most so many links, however many nodes it may have."""
LEVELS = 64
"""What is more than so many hops away is read at once, and not level by level."""
IDS_AT_ONCE = 10_000
UNBOUNDED = 1 << 40

T = TypeVar("T")


class _Kinds(dict[int, Kind]):
    """Kinds by number; one that this version does not know is named by its number."""

    def __missing__(self, number: int) -> Kind:
        return Kind(number)


_KINDS = _Kinds({kind.value: kind for kind in Kind})


@dataclass(frozen=True, slots=True)
class Walk:
    """What was reached: nodes with their distance in hops, links between them, nearest first."""

    nodes: dict[int, int]
    columns: Links
    truncated: bool

    @property
    def links(self) -> list[Numbered]:
        """(from_id, to_id, role) of each link; `columns` holds the same without objects."""
        return list(zip(*self.columns, strict=True))


def trace(
    view: View,
    start: int,
    *,
    direction: Direction = "up",
    depth: int | None = None,
    roles: Iterable[Role] = (),
    kinds: Iterable[Kind] = (),
    folded: bool = False,
    limit: int,
) -> Lineage:
    """The lineage of a record as the viewer may see it; see `DocumentReader.graph`."""
    roles = tuple(roles)
    most_links = LINKS_A_NODE * limit
    found = walk(
        view,
        start,
        direction=direction,
        depth=depth,
        limit=limit,
        roles=roles,
        most_links=most_links,
        same=not roles,
    )
    nodes, links = _as_seen(view, found)
    lineage = Lineage(
        direction=direction, depth=depth, nodes=nodes, links=links, truncated=found.truncated
    )
    if wanted := frozenset(kinds):
        lineage = keep_kinds(lineage, wanted, min(most_links, MOST_KEPT))
    return fold(lineage) if folded else lineage


# ---- walking ---------------------------------------------------------------------------


def walk(
    view: View,
    start: int,
    *,
    direction: Direction,
    depth: int | None,
    limit: int,
    roles: Sequence[Role] = (),
    most_links: int = UNBOUNDED,
    without: Set[Numbered] = frozenset(),
    same: bool = False,
) -> Walk:
    """Visit everything reachable from `start`, nearest first, each node once.

    At most `limit` nodes and `most_links` links; cycles are harmless. With `roles`, over links of
    these only, and not over those that are to be left out. Links are (from_id, to_id, role). What
    the viewer may not see is walked through. With `same` the walk goes on from records that are
    one thing with those that it has reached, which is a link of the role `SAME_AS`.
    """
    _check(direction, depth, limit)
    same = same and view.first(known_later.any_same()) is not None
    how = (depth, limit, roles, most_links, without, same)
    if direction == "both":
        return _joined(limit, *(_one_way(view, start, down, *how) for down in (False, True)))
    return _one_way(view, start, direction == "down", *how)


def _check(direction: str, depth: int | None, limit: int) -> None:
    if direction not in ("up", "down", "both"):
        raise InvalidInput(
            "The direction must be up (what it depends on), down (what depends on it) or both."
        )
    if depth is not None and not 1 <= depth <= MAX_NODES:
        raise InvalidInput("The depth of a lineage must be a whole number of hops, 1 or more.")
    if not 1 <= limit <= MAX_NODES:
        raise InvalidInput(f"The node limit of a lineage must be from 1 to {MAX_NODES}.")


def _one_way(
    view: View,
    start: int,
    down: bool,
    depth: int | None,
    limit: int,
    roles: Sequence[Role],
    most_links: int,
    without: Set[Numbered],
    same: bool,
) -> Walk:
    read = _Reading(view, down, roles, without, same, limit, most_links)
    on = _Progress(start, down, limit, most_links)
    while on.goes_on(depth or UNBOUNDED):
        on.step(read)
    return Walk(on.nodes, on.links, on.truncated or read.truncated)


@dataclass(slots=True)
class _Reading:
    """Reads the links of one level after another; where it goes deep, of all that lies ahead.

    Records that are one thing are not reached by the query for all that lies ahead: what lies
    behind them is read level by level again, and ahead when that goes deep too, each time after
    twice as many levels, for what lies ahead of one may be what lay ahead of others.
    """

    view: View
    down: bool
    roles: Sequence[Role]
    without: Set[Numbered]
    same: bool
    limit: int
    most_links: int
    truncated: bool = False
    _levels: int = 0
    _deep: int = LEVELS
    _known: dict[int, list[Numbered]] = field(default_factory=dict)
    _ahead: set[int] = field(default_factory=set)
    """The nodes whose links are known."""

    def __call__(self, ids: Sequence[int], most: int) -> Links:
        new = [i for i in ids if i not in self._ahead] if self._ahead else ids
        if new and self._levels == self._deep:
            self._read_ahead(new)
            new = ()
        found = self._one_level(new, most) if new else None
        if found is not None and len(new) == len(ids):
            return found
        links = [link for i in ids for link in self._known.get(i, ())]
        return Links.of([*links, *zip(*(found or ()), strict=True)])

    def _one_level(self, ids: Sequence[int], most: int) -> Links:
        self._levels += 1
        found = _links_of(self.view, ids, self.down, self.roles, most)
        if self.same:
            found = _with_same(self.view, found, ids, self.down, most)
        return _left(found, self.without)

    def _read_ahead(self, ids: Sequence[int]) -> None:
        self._levels, self._deep = 0, 2 * self._deep
        found = traverse.links_within(
            self.view.connection,
            ids,
            down=self.down,
            roles=self.roles,
            nodes=self.limit + 1,
            limit=self.most_links + 1,
        )
        self.truncated |= len(found.role) > self.most_links
        reached = {*ids, *(found.from_id if self.down else found.to_id)} - self._ahead
        if self.same:
            found = _with_same(self.view, found, sorted(reached), self.down, UNBOUNDED)
        known = _by_node(_left(found, self.without), self.down)
        self._known |= {i: links for i, links in known.items() if i in reached}
        self._ahead |= reached


@dataclass(slots=True)
class _Progress:
    """A walk under way: `frontier` are the nodes at `distance`, whose links come next."""

    start: int
    down: bool
    limit: int
    most_links: int
    nodes: dict[int, int] = field(init=False)
    frontier: list[int] = field(init=False)
    links: Links = field(default_factory=lambda: Links([], [], []))
    distance: int = 0
    truncated: bool = False

    def __post_init__(self) -> None:
        self.nodes = {self.start: 0}
        self.frontier = [self.start]

    def goes_on(self, depth: int) -> bool:
        """Whether there is a next level, and it may be visited."""
        return bool(self.frontier) and not self.truncated and self.distance < depth

    def step(self, read: Callable[[Sequence[int], int], Links]) -> None:
        """Visit the next level; `read` gives the links of some nodes, and at most so many."""
        room = self.most_links - len(self.links.role)
        found = read(self.frontier, room + 1)
        cut = len(found.role) > room
        if cut:
            found = Links(*(column[:room] for column in found))
        there = found.from_id if self.down else found.to_id
        reached = sorted(set(there).difference(self.nodes))
        left = self.limit - len(self.nodes)
        self.distance += 1
        self.frontier = reached[:left]
        self.nodes.update(dict.fromkeys(self.frontier, self.distance))
        if len(reached) > left:
            kept = [end in self.nodes for end in there]
            found = Links(*(list(compress(column, kept)) for column in found))
        if self.links.role:
            self.links.extend(found)
        else:
            self.links = found
        self.truncated = cut or len(reached) > left


def _links_of(
    view: View, ids: Sequence[int], down: bool, roles: Sequence[Role], most: int
) -> Links:
    if len(ids) <= IDS_AT_ONCE:
        return traverse.links_of(view.connection, ids, down=down, roles=roles, limit=most)
    columns = Links([], [], [])
    for place in range(0, len(ids), IDS_AT_ONCE):
        some = ids[place : place + IDS_AT_ONCE]
        left = most - len(columns.role)
        columns.extend(traverse.links_of(view.connection, some, down=down, roles=roles, limit=left))
    return columns


def _with_same(view: View, links: Links, ids: Sequence[int], down: bool, most: int) -> Links:
    """The links, and those between these records and others that are one thing with them."""
    found = [*zip(*links, strict=True)]
    for row in view.chunked(known_later.same_things, ids):
        ends = (row.other_id, row.record_id) if down else (row.record_id, row.other_id)
        found.append((*ends, SAME_AS.value))
    return Links.of(found[:most])


def _left(links: Links, without: Set[Numbered]) -> Links:
    """The links without some of them."""
    if not without:
        return links
    return Links.of(link for link in zip(*links, strict=True) if link not in without)


def _by_node(links: Links, down: bool) -> dict[int, list[Numbered]]:
    known: dict[int, list[Numbered]] = defaultdict(list)
    for link in zip(*links, strict=True):
        known[link[1] if down else link[0]].append(link)
    return known


def _joined(limit: int, up: Walk, down: Walk) -> Walk:
    """Both walks as one: of a node that both reach the shorter way counts."""
    nodes = dict(up.nodes)
    for node, distance in down.nodes.items():
        nodes[node] = min(distance, nodes.get(node, distance))
    nearest = dict(sorted(nodes.items(), key=lambda item: item[1])[:limit])
    links = dict.fromkeys(
        link for link in (*up.links, *down.links) if link[0] in nearest and link[1] in nearest
    )
    truncated = up.truncated or down.truncated or len(nearest) < len(nodes)
    return Walk(nearest, Links.of(links), truncated)


# ---- what the viewer may see of it -----------------------------------------------------


def _as_seen(view: View, found: Walk) -> tuple[Sequence[Node], Links]:
    """The nodes with what the viewer may know of them, and the links between them."""
    ids = list(found.nodes)
    seen, kinds, names = traverse.records(view.connection, ids, view.viewer)
    stubs, stub_kinds, stub_names = _stubs(view, ids, seen)
    known = [*seen, *stubs]
    every_kind: Sequence[Kind | None] = [*map(_KINDS.__getitem__, (*kinds, *stub_kinds))]
    every_name: Sequence[str | None] = [*names, *stub_names]
    models = [*compress(known, map(partial(is_, Kind.MODEL), every_kind))]
    versioned, _, numbers = traverse.versions(view.connection, models)
    if known != ids:
        every_kind = _in_order(ids, known, every_kind)
        every_name = _in_order(ids, known, every_name)
    nodes = Nodes(
        ids,
        every_kind,
        every_name,
        _in_order(ids, versioned, numbers),
        list(found.nodes.values()),
        view.urn,
    )
    invalid = validity_of(view, traverse.tainted(view.connection, known))
    steps = [*compress(seen, map(partial(eq, Kind.STEP.value), kinds))]
    bad = traverse.unsuccessful(view.connection, steps)
    bad |= dict.fromkeys(traverse.failed(view.connection, models), "FAILED")
    if len(known) == len(ids) and not stubs and not invalid and not bad:
        return nodes, found.columns
    return _remarked(view, nodes, found.columns, frozenset(stubs), invalid, bad)


def _in_order(ids: Sequence[int], known: Sequence[int], values: Sequence[T]) -> Sequence[T | None]:
    """The values that are known of some of these, in the order of all; None for the others."""
    return list(map(dict(zip(known, values, strict=True)).get, ids))


def _stubs(
    view: View, ids: Sequence[int], seen: Sequence[int]
) -> tuple[Sequence[int], Sequence[int], Sequence[str | None]]:
    """Of those that are no records, what is known of them; a stub has no audience of its own."""
    if len(seen) == len(ids) or not view.viewer.everything:
        return [], [], []
    return traverse.stubs(view.connection, sorted(set(ids).difference(seen)))


def _remarked(
    view: View,
    nodes: Sequence[Node],
    links: Links,
    stubs: Set[int],
    invalid: Mapping[int, Invalidation],
    bad: Mapping[int, str],
) -> tuple[list[Node], Links]:
    """Stubs, invalid nodes, steps that did not succeed and versions of steps that failed marked as
    such, and nothing left of what may not be seen."""
    marked = []
    hidden: dict[int, int] = {}
    for place, node in enumerate(nodes):
        if node.kind is None:
            hidden[node.id] = -place
            marked.append(node._replace(id=-place))
        elif node.id in stubs or node.id in invalid or node.id in bad:
            about = validity(invalid.get(node.id), view.urn).get("invalidated")
            status = bad.get(node.id)
            marked.append(node._replace(stub=node.id in stubs, invalidated=about, status=status))
        else:
            marked.append(node)
    if not hidden:
        return marked, links
    from_id, to_id = (
        [hidden.get(end, end) for end in column] for column in (links.from_id, links.to_id)
    )
    return marked, Links(from_id, to_id, links.role)
