"""How a statement's record came about: the steps, and the models, datasets and facts in them."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from provenance_store.quantities import counted
from provenance_store.statement.graph import Leaf
from provenance_store.statement.prose import Item, Line, Section
from provenance_store.statement.story import Story
from provenance_store.statement.wording import (
    capital,
    kind_word,
    quoted,
    short,
    tags_of,
    time_of,
)

__all__ = ["dataset_item", "fact_item", "how_it_came_about", "model_item"]

STEPS_TOLD = 40
"""More steps than this are told by name, with how often and when."""


def how_it_came_about(story: Story) -> Section:
    """The steps one by one, or by name where they are many."""
    chain = story.predicate["chain"]
    if not chain:
        return Section("How it came about", [Line("No step is recorded.")])
    if len(chain) <= STEPS_TOLD:
        number = f"{story.at_least}{len(chain)} {kind_word('step', len(chain))}"
        first = Line(f"{capital(number)}, the earliest first.")
        return Section("How it came about", [first], [_step(story, s) for s in chain])
    number = capital(f"{story.at_least}{len(chain):,} steps")
    first = Line(f"{number}, by name; the JSON has each of them.")
    return Section("How it came about", [first], list(_steps_by_name(story, chain)))


def _step(story: Story, told: Mapping[str, Any]) -> Item:
    step = story.graph.records[told["step"]]
    lines = []
    if story.several_owners:
        lines.append(Line("recorded by", story.who(step)))
    if where := _where(story, step):
        lines.append(where)
    for words, key in (("used", "used"), ("after", "after"), ("made", "made")):
        if told[key]:
            lines.append(Line(f"{words} {story.names_of(told[key])}"))
    lines += [Line(f"{name} {text}") for name, text in quoted(step)]
    return Item(Line(f"{story.named(step['id'])}: {story.took_place(step)}"), lines)


def _steps_by_name(story: Story, chain: Sequence[Mapping[str, Any]]) -> Iterator[Item]:
    by_name: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for told in chain:
        by_name[story.graph.records[told["step"]]["name"]].append(told)
    for name, steps in by_name.items():
        records = [story.graph.records[told["step"]] for told in steps]
        begun = sorted(r["step"]["started_at"] or r["created_at"] for r in records)
        status = Counter(r["step"]["status"] for r in records)
        head = f"{name}, {len(steps):,} times: {time_of(begun[0])} to {time_of(begun[-1])}"
        used, made = (sum(len(told[key]) for told in steps) for key in ("used", "made"))
        yield Item(
            Line(f"{head}; " + ", ".join(f"{n:,} {s}" for s, n in sorted(status.items()))),
            [Line(f"used {counted(used, 'record')}, made {made:,}")],
        )


def _where(story: Story, step: Leaf) -> Line | None:
    places = []
    if step["environment"] in story.environments:
        places.append(f"environment {story.environments.index(step['environment']) + 1}")
    if step["step"]["run_as"]:
        places.append(f"as {step['step']['run_as']}")
    if step["step"]["definition_digest"]:
        places.append(f"flow definition {step['step']['definition_digest'][:19]}...")
    url = step["step"]["action_url"] or ""
    return Line(", ".join([*places, "at"] if url else places), url) if places or url else None


def model_item(story: Story, urn_of: Mapping[str, Any]) -> Item:
    """A model version: what made it, and what from."""
    model = story.graph.records[urn_of["model"]]
    lines = list(story.unlisted(model))
    for words, key in (
        ("made by", "made_by"),
        ("continues", "revision_of"),
        ("trained on", "trained_on"),
        ("from", "derived_from"),
        ("used by", "used_by"),
    ):
        if urn_of[key]:
            lines.append(Line(f"{words} {story.names_of(urn_of[key])}"))
    lines += [Line(f"{name} {text}") for name, text in quoted(model)]
    if scores := model["model"]["scores"]:
        lines.append(Line(f"scores {short(', '.join(f'{n}={v}' for n, v in scores.items()))}"))
    return Item(Line(story.named(model["id"])), lines)


def fact_item(story: Story, urn: str) -> Item:
    """A fact, or where the history begins."""
    record = story.graph.records[urn]
    lines = list(story.unlisted(record))
    if record["tags"]:
        lines.append(Line(tags_of(record)))
    return Item(Line(f"{story.named(urn)}, recorded {time_of(record['created_at'])}"), lines)


def dataset_item(story: Story, record: Leaf) -> Item:
    """A dataset and its first members."""
    members = story.graph.ends(record, "has_member")
    held = f"holds {len(members):,}: {story.names_of(members)}" if members else "holds nothing"
    return Item(Line(f"{story.named(record['id'])} {held}"), list(story.unlisted(record)))
