"""Which column each node of a layout is in: right of everything that it depends on.

The first steps of the method of Sugiyama, Tagawa and Toda ("Methods for visual understanding of
hierarchical system structures", IEEE Trans. SMC 11, 1981): links that would close a circle are
turned round, then nodes get columns by the longest way. Everything here takes time linear in nodes
and links.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

__all__ = ["Link", "divided", "forward_links", "longest_way"]

Link = tuple[int, int]
"""The numbers of the dependent node and of what it depends on."""


def forward_links(count: int, links: Sequence[Link]) -> tuple[list[Link], list[bool]]:
    """The links without circles, and which of them were turned round for that."""
    turned = _turned(count, links)
    forward = [(b, a) if back else (a, b) for (a, b), back in zip(links, turned, strict=True)]
    return forward, turned


def _turned(count: int, links: Sequence[Link]) -> list[bool]:
    """Which links to turn round so that no circle is left: those that lead back in a search."""
    onward: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for number, (a, b) in enumerate(links):
        onward[a].append((number, b))
    turned = [False] * len(links)
    state = [0] * count
    for begin in range(count):
        if state[begin]:
            continue
        state[begin] = 1
        waiting = [(begin, iter(onward.get(begin, ())))]
        while waiting:
            node, rest = waiting[-1]
            for number, other in rest:
                if state[other] == 1:
                    turned[number] = True
                elif not state[other]:
                    state[other] = 1
                    waiting.append((other, iter(onward.get(other, ()))))
                    break
            else:
                state[node] = 2
                waiting.pop()
    return turned


def longest_way(count: int, links: Sequence[Link]) -> list[int]:
    """The column of each node: behind all that it depends on, and no further left than need be.

    The links have no circles; those of a node to itself do not count.
    """
    onward: list[list[int]] = [[] for _ in range(count)]
    back: list[list[int]] = [[] for _ in range(count)]
    for a, b in {link for link in links if link[0] != link[1]}:
        onward[a].append(b)
        back[b].append(a)
    left = [len(others) for others in onward]
    columns = [0] * count
    order = [node for node in range(count) if not left[node]]
    for node in order:  # which grows
        after = columns[node] + 1
        for other in back[node]:
            columns[other] = max(columns[other], after)
            left[other] -= 1
            if not left[other]:
                order.append(other)
    for node in reversed(order):
        if back[node] and len(back[node]) >= len(onward[node]):
            columns[node] = min(columns[other] for other in back[node]) - 1
    return columns


def divided(columns: Sequence[int], most: int) -> list[int]:
    """The columns with each that has more nodes than that in several, filled in the order of
    nodes."""
    sizes = Counter(columns)
    parts = {column: -(-size // most) for column, size in sizes.items()}
    first, begin = 0, {}
    for column in sorted(sizes):
        begin[column] = first
        first += parts[column]
    placed: Counter[int] = Counter()
    found = []
    for column in columns:
        found.append(begin[column] + placed[column] * parts[column] // sizes[column])
        placed[column] += 1
    return found
