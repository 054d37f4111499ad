"""Nodes of a lineage that are alike as one node: the scans of a series, the versions of a model."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Hashable, Mapping, Sequence

from braid.cli.output import Document, bad_end

__all__ = ["folded"]

NUMBER = re.compile("[0-9]+")
MOST_LINKS = 3_000
"""Where there are more, what follows from other links is not looked for: that takes the square."""


def folded(lineage: Document) -> Document:
    """The lineage with one node for several that are alike: of one kind, whose names differ in
    their numbers only, and of which each has the same links as the others, by the same roles, with
    the same nodes or with others that are drawn as one. So every arrow is true of each of them.

    Such a node is named ``3 scan-*.npy``, or as a model with its versions, in the place of the
    first of them. The root stays alone, and so does what is invalid or did not succeed. Links
    within a group are left out, and those of "influenced by" that follow from others.
    """
    group_of = _groups(lineage)
    groups: dict[int, list[Document]] = defaultdict(list)
    for node in lineage["nodes"]:
        groups[group_of[node["id"]]].append(node)
    first = {node["id"]: group[0]["id"] for group in groups.values() for node in group}
    links: dict[tuple[str, str, str], Document] = {}
    for link in lineage["links"]:
        here, there = first[link["from"]], first[link["to"]]
        if here != there:
            key = here, there, link["role"]
            told = links.setdefault(key, {**link, "from": here, "to": there})
            if "through" in told:
                between = [*told["through"], *link.get("through", ())]
                links[key] = {**told, "through": list(dict.fromkeys(between))}
    nodes = [_one(group) for group in groups.values()]
    return {**lineage, "nodes": nodes, "links": _telling(list(links.values()))}


def _groups(lineage: Document) -> dict[str, int]:
    """The number of each node's group. Groups are parted until all nodes of each are linked with
    the same groups, in both directions.

    Of the parts of a group the largest keeps its number, and only neighbours of those that get a
    new one are looked at again: each node gets a new number at most log n times (Paige and Tarjan,
    "Three partition refinement algorithms", SIAM J. Comput. 16, 1987).
    """
    numbers: dict[Hashable, int] = {}
    group_of = {
        node["id"]: numbers.setdefault(_sort(node, lineage["root"]), len(numbers))
        for node in lineage["nodes"]
    }
    members: list[set[str]] = [set() for _ in numbers]
    for name, group in group_of.items():
        members[group].add(name)
    beside: dict[str, list[tuple[str, str, str]]] = defaultdict(list)
    for link in lineage["links"]:
        beside[link["from"]].append((link["role"], "to", link["to"]))
        beside[link["to"]].append((link["role"], "from", link["from"]))
    again = set(group_of)
    while again:
        parts: dict[int, dict[Hashable, set[str]]] = defaultdict(lambda: defaultdict(set))
        for node in again:
            if len(members[group_of[node]]) > 1:
                linked = frozenset(
                    (role, end, group_of[other]) for role, end, other in beside[node]
                )
                parts[group_of[node]][linked].add(node)
        again = set()
        for group, alike in parts.items():
            # Those not looked at are one part: their neighbours' numbers are as they were.
            rest = members[group]
            for part in alike.values():
                rest -= part
            *leaving, members[group] = sorted((rest, *alike.values()), key=len)
            for part in filter(None, leaving):
                group_of.update(dict.fromkeys(part, len(members)))
                members.append(part)
                again.update(other for node in part for _, _, other in beside[node])
    return group_of


def _telling(links: Sequence[Document]) -> list[Document]:
    """The links without the influences that a way over others tells as well."""
    onward: dict[str, dict[str, int]] = defaultdict(dict)
    for link in links:
        onward[link["from"]][link["to"]] = onward[link["from"]].get(link["to"], 0) + 1
    kept = []
    for link in links:
        here, there = link["from"], link["to"]
        if link["role"] == "influenced_by" and len(links) <= MOST_LINKS:
            onward[here][there] -= 1
            if _leads(onward, here, there):
                continue
            onward[here][there] += 1
        kept.append(link)
    return kept


def _leads(onward: Mapping[str, Mapping[str, int]], here: str, there: str) -> bool:
    seen, waiting = {here}, [here]
    while waiting:
        node = waiting.pop()
        for other, many in onward.get(node, {}).items():
            if many and other == there:
                return True
            if many and other not in seen:
                seen.add(other)
                waiting.append(other)
    return False


def _sort(node: Document, root: str) -> Hashable:
    if node["id"] == root or "invalidated" in node or bad_end(node) or node.get("restricted"):
        return str(node["id"])
    return (node["kind"], NUMBER.sub("*", node["name"] or ""), bool(node.get("stub")))


def _one(group: Sequence[Document]) -> Document:
    node = group[0]
    if len(group) == 1:
        return node
    more: Mapping[str, object] = {}
    if all("version" in one or "versions" in one for one in group):
        ranges = [one.get("versions") or _range(one["version"]) for one in group]
        more = {
            "versions": {
                "first": min(one["first"] for one in ranges),
                "last": max(one["last"] for one in ranges),
                "count": sum(one["count"] for one in ranges),
            }
        }
        name = node["name"]
    else:
        name = f"{len(group):,} {NUMBER.sub('*', node['name'] or '(no name)')}"
    short = f"{node['short_id']}\u2026" if node.get("short_id") else node.get("short_id")
    return {**node, "name": name, "short_id": short, **more}


def _range(version: int) -> Document:
    return {"first": version, "last": version, "count": 1}
