"""What differs between two records themselves: their fields, documents, tags and files.

What services number anew each time, the ids of actions and tasks and what people label these with,
says nothing about why two results differ: such changes are told apart as volatile.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import Any, NamedTuple

import msgspec

from provenance_store.kinds import Special
from provenance_store.quantities import counted
from provenance_store.statement.graph import Leaf

__all__ = ["Change", "changes"]

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
