"""A statement as people read it: the claim, what is not supported, the chain, the evidence.

Made from the statement's JSON alone, so a file can be read like a fresh one. Long lists are cut
and counted; the JSON has all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Literal

from provenance_store.statement.around import how_to_check_it, nearest_records, who_and_where
from provenance_store.statement.came_about import (
    dataset_item,
    fact_item,
    how_it_came_about,
    model_item,
)
from provenance_store.statement.claimed import (
    BASIS,
    what_is_not_proven,
    what_it_concludes,
    what_it_rests_on,
    what_speaks_against_it,
)
from provenance_store.statement.decided import decision_item, decisions_in
from provenance_store.statement.prose import Item, Line, Section, as_markdown, as_text
from provenance_store.statement.story import LISTED, Story
from provenance_store.statement.wording import label

__all__ = ["account"]


def account(statement: Mapping[str, Any], form: Literal["text", "markdown"] = "text") -> str:
    """The statement as plain text or Markdown."""
    story = Story(statement)
    write = as_text if form == "text" else as_markdown
    return write(f"Statement on {label(story.graph.root)}", list(_sections(story)))


def _sections(story: Story) -> Iterator[Section]:
    predicate = story.predicate
    fact = partial(fact_item, story)
    yield what_it_concludes(story)
    yield Section(BASIS, [Line(what_it_rests_on(story))])
    yield what_speaks_against_it(story)
    yield what_is_not_proven(story)
    yield from _told("Models", predicate["models"], partial(model_item, story))
    yield from _told("Decisions", decisions_in(story), partial(decision_item, story))
    yield how_it_came_about(story)
    yield from _told("Datasets", story.graph.of_kind("dataset"), partial(dataset_item, story))
    yield from _told("Static facts", predicate["facts"], fact)
    yield from _told("Where it begins", predicate["begins_with"], fact)
    yield who_and_where(story)
    yield nearest_records(story)
    yield how_to_check_it(story)


def _told(title: str, entries: Sequence[Any], tell: Callable[[Any], Item]) -> Iterator[Section]:
    if not entries:
        return
    items = [tell(entry) for entry in entries[-LISTED:]]
    more = len(entries) - len(items)
    cut = [Line(f"The latest {LISTED} of {len(entries):,}; the JSON has all.")] if more else []
    yield Section(title, cut, items)
