"""Why two results differ: in themselves, and in how they came to be.

Two records are compared and then, in lockstep, what they depend on: the steps that made them, the
inputs, model versions and facts of those, and so on, matched by role, kind and name. A record on
both sides has the same history and is not looked into. What services number anew each time, such as
ids of actions and tasks, says nothing about why results differ and is kept apart as volatile.
"""

from __future__ import annotations

import math
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple

import msgspec

from provenance_store.display import counted
from provenance_store.enums import Special
from provenance_store.queries.documents import RESTRICTED
from provenance_store.relations import words_of
from provenance_store.statement.format import label
from provenance_store.statement.graph import Graph, Leaf

__all__ = ["Change", "Row", "changes", "compare_records", "compare_runs"]

MAX_KEYS = 100
"""Of two documents at most so many keys that differ are told."""
STEP_FIELDS = ("type", "status", "action_url", "run_as", "definition_digest")
DOCUMENTS = ("hyperparameters", "parameters", "error")
VOLATILE = frozenset(
    {
        *("action_id", "execution_id", "request_id", "run_id", "submission_id"),
        *("task_group_id", "task_id", "task_ids"),
    }
)
"""Names of tags of steps, and of what is anywhere in their parameters, that are new each time."""
WORDED = frozenset({"label", "display_status"})
"""Tags and parameters of actions that are there for people to read."""
VOLATILE_URIS = ("globus-compute://task/",)


class Change(NamedTuple):
    """A part of two records, and its value in either, None where there is none.

    It is `volatile` if it differs whenever the same is done again.
    """

    what: str
    one: Any
    other: Any
    volatile: bool = False


def changes(
    one: Leaf, other: Leaf, environments: tuple[Mapping[str, Any], Mapping[str, Any]]
) -> Iterator[Change]:
    """What differs between two leaves of evidence, links aside; `environments` are those of the
    evidence of each, by digest."""
    found: Iterable[Change] = chain(
        _identity(one, other),
        _documents(one, other),
        _environment(one, other, environments),
        _tags(one, other),
        _contents(one, other),
    )
    of_steps = "step" in one and "step" in other
    for change in found:
        if change.one != change.other:
            volatile = change.volatile or (of_steps and _is_volatile(change.what))
            yield change._replace(volatile=volatile)


def _is_volatile(what: str) -> bool:
    part, _, path = what.partition(".")
    if part not in ("tags", "parameters"):
        return False
    return path in WORDED or path.rpartition(".")[2] in VOLATILE


def _identity(one: Leaf, other: Leaf) -> Iterator[Change]:
    yield Change("owner", one["owner"], other["owner"])
    if "model" in one and "model" in other:
        yield from _flat("scores", _numbers(one), _numbers(other))
        curves = [counted(x["model"]["curve"]["values"], "value") for x in (one, other)]
        if one["model"]["curve"] != other["model"]["curve"]:
            same = " (others)" if curves[0] == curves[1] else ""
            yield Change("convergence curve", curves[0], curves[1] + same)
    if "step" in one and "step" in other:
        for name in STEP_FIELDS:
            yield Change(name, one["step"][name], other["step"][name])


def _numbers(model: Leaf) -> dict[str, Any]:
    scores = model["model"]["scores"]
    return {name: None if text is None else _number(text) for name, text in scores.items()}


def _number(text: str) -> float | str:
    """A score; one that is not finite as documents spell it, for NaN is not equal to itself."""
    number = float(text)
    return number if math.isfinite(number) else Special.of(number).text


def _documents(one: Leaf, other: Leaf) -> Iterator[Change]:
    for name in DOCUMENTS:
        parts = [record["documents"].get(name) for record in (one, other)]
        if parts[0] == parts[1]:
            continue
        if all(part is None or "text" in part for part in parts):
            texts = ["{}" if part is None else part["text"] for part in parts]
            yield from _flat(name, *map(msgspec.json.decode, texts))
        else:
            yield Change(name, *(part and part["digest"] for part in parts))


def _environment(
    one: Leaf, other: Leaf, environments: tuple[Mapping[str, Any], Mapping[str, Any]]
) -> Iterator[Change]:
    digests = one["environment"], other["environment"]
    if digests[0] == digests[1]:
        return
    documents = [known.get(d) for known, d in zip(environments, digests, strict=True)]
    if None in documents:
        yield Change("environment", *digests)
    else:
        yield from _flat("environment", *documents)


def _tags(one: Leaf, other: Leaf) -> Iterator[Change]:
    values = [{n: tag["value"] for n, tag in record["tags"].items()} for record in (one, other)]
    yield from _flat("tags", *values)


def _contents(one: Leaf, other: Leaf) -> Iterator[Change]:
    """Files: other bytes where digests are known, else other places."""
    first, second = (sorted(filter(None, map(_digest, r["uris"]))) for r in (one, other))
    if first and second:
        yield Change("content", ", ".join(first), ", ".join(second))
    else:
        first, second = (sorted(uri["uri"] for uri in r["uris"]) for r in (one, other))
        lasting = [[u for u in uris if not u.startswith(VOLATILE_URIS)] for uris in (first, second)]
        texts = [", ".join(uris) or None for uris in (first, second)]
        yield Change("files", texts[0], texts[1], volatile=lasting[0] == lasting[1])


def _digest(uri: Mapping[str, Any]) -> str | None:
    if uri["digest"] is None and uri["checks"]:
        return str(uri["checks"][0]["digest"])
    return None if uri["digest"] is None else str(uri["digest"])


def _flat(name: str, one: Any, other: Any) -> Iterator[Change]:
    """Two documents key by key, with dots between the keys of nested ones, and places in lists of
    documents."""
    first, second = dict(_leaves(name, one)), dict(_leaves(name, other))
    different = [k for k in dict.fromkeys([*first, *second]) if first.get(k) != second.get(k)]
    for key in different[:MAX_KEYS]:
        yield Change(key, first.get(key), second.get(key))
    if len(different) > MAX_KEYS:
        yield Change(name, f"and {len(different) - MAX_KEYS} keys more", None)


def _leaves(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            yield from _leaves(f"{name}.{key}", inner)
    elif isinstance(value, list) and any(isinstance(inner, Mapping) for inner in value):
        for place, inner in enumerate(value):
            yield from _leaves(f"{name}[{place}]", inner)
    elif value != {}:
        yield name, value


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

    Runs are documents of `DocumentReader.run` with all steps, `evidence` what
    `DocumentReader.evidence` says of the steps and of what they used and made.
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
