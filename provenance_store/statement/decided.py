"""The decisions in a statement: what was chosen, what was not, and why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from provenance_store.decisions import DOCUMENT
from provenance_store.statement.graph import Leaf
from provenance_store.statement.prose import Item, Line
from provenance_store.statement.story import Story
from provenance_store.statement.wording import short

__all__ = ["decision_item", "decisions_in"]

MOST_OPTIONS = 20
"""So many options of a decision are told."""


def decisions_in(story: Story) -> list[Leaf]:
    """The steps that decided something, as far as what they say is quoted."""
    return [step for step in story.graph.of_kind("step") if _said(step)]


def decision_item(story: Story, step: Leaf) -> Item:
    """A decision: its options one by one, those that were chosen first."""
    said = _said(step)
    chosen = said.get("chosen")
    taken = set(map(str, chosen)) if isinstance(chosen, list) else set()
    options = said.get("options")
    told = [one for one in (options if isinstance(options, list) else ()) if type(one) is dict]
    told.sort(key=lambda one: str(one.get("id") or one.get("name")) not in taken)
    lines = [_option(story, one, taken) for one in told[:MOST_OPTIONS]]
    if more := len(told) - len(lines):
        lines.append(Line(f"and {more:,} more options"))
    for words, name in (("since", "why"), ("decided by", "decider"), ("by the rule", "policy")):
        if said.get(name) is not None:
            lines.append(Line(f"{words} {short(str(said[name]))}"))
    head = story.named(step["id"])
    if question := said.get("question"):
        head += f": {short(str(question))}"
    return Item(Line(head), lines)


def _said(step: Leaf) -> dict[str, Any]:
    part = step["documents"].get(DOCUMENT)
    if not isinstance(part, Mapping) or "text" not in part:
        return {}
    said = msgspec.json.decode(part["text"])
    return said if isinstance(said, dict) and "_truncated" not in said else {}


def _option(story: Story, option: Mapping[str, Any], taken: set[str]) -> Line:
    urn, name = option.get("id"), option.get("name")
    is_here = isinstance(urn, str) and urn in story.graph.records
    named = story.named(str(urn)) if is_here else short(str(name or urn))
    more = "".join(_more(option))
    verb = "chose" if str(urn or name) in taken else "and not"
    return Line(f"{verb} {named}{more}")


def _more(option: Mapping[str, Any]) -> Iterator[str]:
    if option.get("score") is not None:
        yield f", score {option['score']}"
    if option.get("why") is not None:
        yield f": {short(str(option['why']))}"
