"""Showing less of a lineage: only some kinds of nodes, or one node for all versions of a model."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set

from provenance_store.kinds import Kind, Role
from provenance_store.lineage.columns import Links, Numbered
from provenance_store.lineage.graph import Lineage, Node, Versions

__all__ = ["fold", "keep_kinds"]

THROUGH_MEMBERS = (Role.TRAINED_ON, Role.DERIVED_FROM, Role.USED, Role.HAS_MEMBER)
"""Who has a link of these roles to a dataset has one to what is in it; the most telling first."""
MOST_BITS = 1 << 28
"""Ways through hidden nodes are found in memory of so many bits at most."""


def keep_kinds(lineage: Lineage, kinds: Set[Kind], most_links: int) -> Lineage:
    """Only nodes of these kinds, the root, and placeholders for what may not be seen.

    Where one shown node depends on another only through hidden ones, they are linked: by the role
    that it has towards a hidden dataset which holds the other, such as "trained_on", else by
    "influenced_by". With more than `most_links` links the rest is left out, which is `truncated`.
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
    )


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
    return Lineage(
        direction=lineage.direction,
        depth=lineage.depth,
        nodes=nodes,
        links=Links.of(links),
        truncated=lineage.truncated,
    )


def _one(same: Sequence[Node]) -> Node:
    numbers = [node.version for node in same if node.version is not None]
    versions = Versions(min(numbers), max(numbers), len(same)) if numbers else None
    invalid = next((node.invalidated for node in same if node.invalidated is not None), None)
    status = same[0].status if all(node.status for node in same) else None
    return same[0]._replace(versions=versions, invalidated=invalid, status=status)
