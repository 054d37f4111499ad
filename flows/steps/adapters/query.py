"""A question to a `/query` provider: what it looked at, and what its answer rests on.

Reads the answers to ``models``, ``records`` and ``validity``. The first thing that is listed is the
one that a flow goes on with; of things that are asked whether they hold, those that do.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from flows.steps.adapters.base import Action, Derived, NotMine, is_told, items, mapping, text
from flows.steps.decision import Decided, DecidedOption

__all__ = ["QueryAdapter"]

LISTS = {"models": ("models", "best"), "records": ("records", "newest")}
"""By what is asked: the lists of an answer, and the thing in it that comes first."""
ASKED = frozenset({*LISTS, "validity"})


class QueryAdapter:
    """Knows no hosted provider: every Braid server answers questions at an address of its own."""

    def knows(self, operation: str) -> bool:
        return False

    def fits(self, parameters: Mapping[str, Any]) -> bool:
        return text(parameters, "ask") in ASKED

    def derive(self, action: Action) -> Derived:
        parameters, details = mapping(action.parameters), action.details
        ask = text(parameters, "ask") or ""
        if not action.succeeded or details.get("ask") != ask:
            raise NotMine
        decide = _validity if ask == "validity" else _search
        return Derived(decision=decide(ask, parameters, details, action.url))


def _search(
    ask: str, parameters: Mapping[str, Any], details: Mapping[str, Any], url: str | None
) -> Decided:
    name, first = LISTS[ask]
    order, best = text(parameters, "best"), mapping(details.get(first))
    policy = "newest"
    if order is not None:
        policy = f"{'highest' if parameters.get('highest') is True else 'lowest'} {order}"
    return Decided(
        question=f"Which of these {ask}?",
        policy=policy,
        decider=url,
        options=tuple(_option(item) for item in items(details.get(name))),
        chosen=tuple(_ids([best])),
    )


def _validity(
    _: str, __: Mapping[str, Any], details: Mapping[str, Any], url: str | None
) -> Decided:
    asked = details.get("of")
    told = {one: item for item in items(details.get("invalid")) for one in _ids([item])}
    ids = [one for one in asked if is_told(one)] if isinstance(asked, list) else []
    options = (
        DecidedOption(id=one, why=_why(told[one])) if one in told else DecidedOption(id=one)
        for one in dict.fromkeys([*ids, *told])
    )
    return Decided(
        question="Which of these can be relied on?",
        policy="not invalidated, nor derived from what is",
        decider=url,
        options=tuple(options),
        chosen=tuple(one for one in ids if one not in told),
    )


def _option(item: Mapping[str, Any]) -> DecidedOption:
    value, version = item.get("value"), item.get("version")
    name = text(item, "name")
    return DecidedOption(
        id=next(_ids([item]), None),
        name=f"{name}@v{version}" if name and type(version) is int else name,
        score=value if isinstance(value, int | float) and type(value) is not bool else None,
        why="invalidated" if item.get("valid") is False else None,
    )


def _why(invalid: Mapping[str, Any]) -> str | None:
    cause = text(mapping(invalid.get("invalidated")) or invalid, "cause")
    return f"invalidated: {cause}" if cause else "invalidated"


def _ids(found: list[Mapping[str, Any]]) -> Iterator[str]:
    return (one for item in found if (one := text(item, "id")) is not None)
