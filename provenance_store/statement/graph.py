"""The records of a statement by URN, and how they hang together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from provenance_store.queries.documents import RESTRICTED

__all__ = ["SAME", "Graph", "Leaf", "with_later_links"]

SAME = "same_as"
"""The role of the link between records that are one thing."""

Leaf = Mapping[str, Any]
"""A record as `statement.leaf` makes it."""


class Graph:
    """Look-ups over gathered evidence; what is not among it is left out."""

    def __init__(self, found: Mapping[str, Any]) -> None:
        self.found = found
        self._any_same = bool(found.get("same_things"))
        self.records = with_later_links(found["records"], found)
        self._made: dict[str, list[str]] = defaultdict(list)
        self._used_by: dict[str, list[str]] = defaultdict(list)
        self._revisions: dict[str, set[str]] = defaultdict(set)
        for record in self.records.values():
            for link in record["links"]:
                if link["role"] == "generated_by":
                    self._made[link["to"]].append(record["id"])
                elif link["role"] in ("used", "deployed"):
                    self._used_by[link["to"]].append(record["id"])
                elif link["role"] == "revision_of":
                    self._revisions[link["to"]].add(record["id"])

    @property
    def root(self) -> Leaf:
        """The record that the statement is about."""
        return self.records[self.found["root"]]

    def of_kind(self, kind: str) -> list[Leaf]:
        """The records of a kind in the order in which they came to be."""
        chosen = (record for record in self.records.values() if record["kind"] == kind)
        return sorted(chosen, key=when)

    def ends(self, record: Leaf, *roles: str) -> list[str]:
        """URNs of what a record depends on in these roles, as far as it is among the evidence."""
        found = (link["to"] for link in record["links"] if link["role"] in roles)
        return [urn for urn in dict.fromkeys(found) if urn in self.records]

    def made_by(self, step: Leaf) -> list[str]:
        """URNs of what a step made."""
        return self._made[step["id"]]

    def used_by(self, record: Leaf) -> list[str]:
        """URNs of the steps that used a record."""
        return self._used_by[record["id"]]

    def revisions_of(self, record: Leaf) -> set[str]:
        """URNs of the next versions of a model version, as far as they are among the evidence."""
        return self._revisions[record["id"]]

    def one_thing(self, record: Leaf) -> list[Leaf]:
        """A record and all others that are one thing with it, as far as they are among the
        evidence."""
        if not self._any_same:
            return [record]
        urns = [record["id"]]
        for urn in urns:
            urns += [other for other in self.ends(self.records[urn], SAME) if other not in urns]
        return [self.records[urn] for urn in urns]

    def own_links(self, record: Leaf) -> list[Mapping[str, str]]:
        """What it depends on itself, and not what it is one thing with."""
        links: list[Mapping[str, str]] = record["links"]
        return [link for link in links if link["role"] != SAME] if self._any_same else links

    def begins(self, record: Leaf) -> bool:
        """Whether nothing says what it came from, nor of a record that is one thing with it."""
        if record["hidden_links"] or self.own_links(record):
            return False
        return not any(self.own_links(r) or r["hidden_links"] for r in self.one_thing(record)[1:])

    def nearest_first(self) -> list[str]:
        """All URNs by their distance from the root, those out of reach last."""
        order = {self.found["root"]: None}
        frontier = [self.found["root"]]
        while frontier:
            ends = {k["to"] for urn in frontier for k in self.records[urn]["links"]}
            frontier = sorted(urn for urn in ends if urn in self.records and urn not in order)
            order |= dict.fromkeys(frontier)
        return [*order, *(urn for urn in self.records if urn not in order)]

    def ordered(self, urns: Sequence[str]) -> list[Leaf]:
        """These records in the order in which they came to be."""
        return sorted((self.records[urn] for urn in urns), key=when)


def with_later_links(records: Iterable[Leaf], evidence: Mapping[str, Any]) -> dict[str, Leaf]:
    """The records by URN, each with the links that were added to it later besides its own, and with
    those to records that are one thing with it."""
    known = {record["id"]: record for record in records}
    same = ({**link, "role": SAME} for link in evidence.get("same_things", ()))
    for link in (*evidence.get("late_links", ()), *same):
        if (record := known.get(link["from"])) is None:
            continue
        if link["to"] == RESTRICTED:
            more: Leaf = {"hidden_links": record["hidden_links"] + 1}
        else:
            more = {"links": [*record["links"], {"role": link["role"], "to": link["to"]}]}
        known[link["from"]] = {**record, **more}
    return known


def when(record: Leaf) -> tuple[str, str]:
    """Where a record stands in time; RFC 3339 in UTC sorts as text."""
    step = record.get("step")
    return (step and step["started_at"]) or record["created_at"], record["id"]
