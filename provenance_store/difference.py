"""Why two results differ: what is not the same in how they came to be.

Two records are compared and then, in lockstep, what they depend on: the steps that made them,
the inputs, model versions and facts of those, and so on, matched by role, kind and name. The
same record on both sides has the same history and is not looked into.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from provenance_store.changes import changes
from provenance_store.documents import RESTRICTED
from provenance_store.relations import words_of
from provenance_store.statement.graph import Graph, Leaf
from provenance_store.statement.wording import label

__all__ = ["Row", "compare_records", "compare_runs"]

MAX_PAIRS = 10_000
FIELDS_OF_RUNS = ("flow_id", "flow_title", "label", "status", "run_owner", "tags")
FOLLOWED = (
    "generated_by",
    "used",
    "deployed",
    "trained_on",
    "derived_from",
    "revision_of",
    "has_member",
)


class Row(NamedTuple):
    """Something that differs: `where` is a step or record by name, `what` the part of it.

    `one` and `other` are its values on either side, None where there is none.
    """

    where: str
    what: str
    one: Any
    other: Any

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {"where": self.where, "what": self.what, "a": self.one, "b": self.other}


class _Side(NamedTuple):
    graph: Graph
    environments: Mapping[str, Any]


class _Pair(NamedTuple):
    one: str
    other: str


def compare_records(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """What differs between two records and in what they came from, nearest first.

    Each side is the evidence of a statement on the record (`statement.document.evidence_of`).
    The answer has ``a`` and ``b`` (the records in brief), ``differences``, what was ``put_aside``
    for it differs each time, how many pairs of records were ``compared``, and ``truncated`` when
    there was more than was looked at.
    """
    comparison = _Comparison(_side(one), _side(other))
    rows = list(comparison.follow([_Pair(one["root"], other["root"])]))
    return {
        "a": _brief(comparison.one.graph.root),
        "b": _brief(comparison.other.graph.root),
        "differences": [row.document() for row in rows],
        "put_aside": [row.document() for row in comparison.put_aside],
        "compared": comparison.compared,
        "truncated": comparison.truncated or one["truncated"] or other["truncated"],
    }


def compare_runs(
    one: Mapping[str, Any], other: Mapping[str, Any], evidence: Mapping[str, Any]
) -> dict[str, Any]:
    """What differs between two runs: their steps by name, each with what it used and made.

    Runs are documents of `Reader.run` with all steps, `evidence` what `Reader.evidence` says of
    the steps and of what they used and made.
    """
    side = _side({"root": "", **evidence})
    comparison = _Comparison(side, side, deep=False)
    rows = [
        Row("run", name, one.get(name), other.get(name))
        for name in FIELDS_OF_RUNS
        if one.get(name) != other.get(name)
    ]
    pairs, alone = _steps(one["steps"], other["steps"])
    rows += alone
    rows += comparison.follow(pairs)
    return {
        "a": {"run_id": one["run_id"], "label": one["label"]},
        "b": {"run_id": other["run_id"], "label": other["label"]},
        "differences": [row.document() for row in rows],
        "put_aside": [row.document() for row in comparison.put_aside],
        "compared": comparison.compared,
        "truncated": comparison.truncated,
    }


def _side(evidence: Mapping[str, Any]) -> _Side:
    return _Side(Graph(evidence), evidence["environments"])


def _steps(
    one: Sequence[Mapping[str, Any]], other: Sequence[Mapping[str, Any]]
) -> tuple[list[_Pair], list[Row]]:
    """Steps of one name are matched in the order in which they began."""
    sides: list[dict[str, list[str]]] = []
    for steps in (one, other):
        by_name: dict[str, list[str]] = defaultdict(list)
        for step in steps:
            by_name[step["name"]].append(step["id"])
        sides.append(by_name)
    pairs, alone = [], []
    for name in dict.fromkeys([*sides[0], *sides[1]]):
        ones, others = sides[0].get(name, []), sides[1].get(name, [])
        pairs += [_Pair(*ids) for ids in zip(ones, others, strict=False)]
        if len(ones) != len(others):
            alone.append(Row(name, "times", len(ones), len(others)))
    return pairs, alone


class _Comparison:
    """Two graphs side by side; `deep` follows what things came from to the beginning."""

    def __init__(self, one: _Side, other: _Side, *, deep: bool = True) -> None:
        self.one = one
        self.other = other
        self.deep = deep
        self.compared = 0
        self.truncated = False
        self.put_aside: list[Row] = []

    def follow(self, pairs: Iterable[_Pair]) -> Iterator[Row]:
        """The differences of these pairs, and of what they depend on, nearest first."""
        waiting = deque((pair, 0) for pair in pairs)
        for pair, _ in waiting:
            one, other = self.one.graph.records[pair.one], self.other.graph.records[pair.other]
            for name in ("kind", "name"):
                if one[name] != other[name]:
                    yield Row(label(one), name, one[name], other[name])
            versions = [record["model"]["version"] for record in (one, other) if "model" in record]
            if len(set(versions)) > 1:
                yield Row(label(one), "version", *versions)
        seen = {pair for pair, _ in waiting}
        while waiting:
            if self.compared >= MAX_PAIRS:
                self.truncated = True
                return
            pair, level = waiting.popleft()
            if pair.one == pair.other:
                continue
            self.compared += 1
            one = self.one.graph.records[pair.one]
            other = self.other.graph.records[pair.other]
            yield from self._of_pair(one, other)
            if not self.deep and level:
                continue
            for role in FOLLOWED:
                found, alone = self._matched(one, other, role)
                yield from alone
                new = [pair for pair in found if pair not in seen]
                seen.update(new)
                waiting.extend((pair, level + 1) for pair in new)

    def _matched(self, one: Leaf, other: Leaf, role: str) -> tuple[list[_Pair], list[Row]]:
        """What both depend on in a role, by kind and name; and what is another, or on one side
        only."""
        if role == "revision_of" and _same_line(one, other):
            return [], []
        ones, others = self._ends(self.one, one, role), self._ends(self.other, other, role)
        if not self.deep and role == "generated_by":
            ones, others = self._made(self.one, one), self._made(self.other, other)
        named, left, right = _by_key(ones, others, _key)
        alike, left, right = _by_key(left, right, lambda record: record["kind"])
        where = label(one)
        words = "made" if not self.deep and role == "generated_by" else words_of(role)
        pairs = named + alike
        ends = [
            (label(self.one.graph.records[p.one]), label(self.other.graph.records[p.other]))
            for p in pairs
        ]
        rows = [Row(where, words, *labels) for labels in ends if labels[0] != labels[1]]
        rows += [Row(where, words, label(record), None) for record in left]
        rows += [Row(where, words, None, label(record)) for record in right]
        return pairs, rows

    @staticmethod
    def _ends(side: _Side, record: Leaf, role: str) -> list[Leaf]:
        return [side.graph.records[urn] for urn in side.graph.ends(record, role)]

    @staticmethod
    def _made(side: _Side, record: Leaf) -> list[Leaf]:
        return side.graph.ordered(side.graph.made_by(record))

    def _of_pair(self, one: Leaf, other: Leaf) -> Iterator[Row]:
        where = label(one) if one["name"] == other["name"] else f"{label(one)} / {label(other)}"
        environments = self.one.environments, self.other.environments
        for change in changes(one, other, environments):
            row = Row(where, change.what, change.one, change.other)
            if change.volatile:
                self.put_aside.append(row)
            else:
                yield row


def _by_key(
    ones: Sequence[Leaf], others: Sequence[Leaf], key: Any
) -> tuple[list[_Pair], list[Leaf], list[Leaf]]:
    """Pairs of the same key in their order, and what is left of each side."""
    waiting: dict[Any, deque[Leaf]] = defaultdict(deque)
    same = {record["id"] for record in ones} & {record["id"] for record in others}
    for record in others:
        if record["id"] not in same:
            waiting[key(record)].append(record)
    pairs, left = [], []
    for record in ones:
        if record["id"] in same:
            continue
        found = waiting[key(record)]
        if found:
            pairs.append(_Pair(record["id"], found.popleft()["id"]))
        else:
            left.append(record)
    return pairs, left, [record for some in waiting.values() for record in some]


def _key(record: Leaf) -> tuple[str, str]:
    return record["kind"], record["name"]


def _same_line(one: Leaf, other: Leaf) -> bool:
    models = [record["model"] for record in (one, other) if "model" in record]
    if len(models) < 2 or models[0]["line"] == RESTRICTED:
        return False
    return bool(models[0]["line"] == models[1]["line"])


def _brief(record: Leaf) -> dict[str, Any]:
    brief = {name: record[name] for name in ("id", "kind", "name")}
    return brief | ({"version": record["model"]["version"]} if "model" in record else {})
