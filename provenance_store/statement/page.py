"""A statement as people read it: on one page, or in full."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Literal

from provenance_store.display import counted
from provenance_store.relations import words_of
from provenance_store.statement.format import (
    Item,
    Section,
    TextLine,
    as_markdown,
    as_text,
    environment_of,
    label,
    scores_of,
    tags_of,
    time_of,
)
from provenance_store.statement.graph import Leaf
from provenance_store.statement.sections import (
    BASIS,
    CONCLUDES,
    HOW_TO_CHECK_IT,
    LISTED,
    WHO_AND_WHERE,
    AccountContext,
    dataset_item,
    decision_item,
    decisions_in,
    fact_item,
    how_it_came_about,
    how_to_check_it,
    model_item,
    nearest_records,
    people,
    title_of,
    what_is_not_proven,
    what_it_concludes,
    what_it_is,
    what_it_rests_on,
    what_speaks_against_it,
    who_and_where,
)

__all__ = ["account", "page"]

MOST_STEPS, MOST_MODELS, MOST_FILES, MOST_NAMED = 12, 4, 3, 3
"""So many are told of each; more steps than that are told by name."""
MOST_LINES = 3
"""Of a gap, what it is about."""


def page(statement: Mapping[str, Any], form: Literal["text", "markdown"] = "text") -> str:
    """The statement as a page of plain text or Markdown. Names in it are not numbered: which of
    several records of a name is meant, the whole account tells."""
    story = AccountContext(statement, numbered=False)
    write = as_text if form == "text" else as_markdown
    sections = [
        _concludes(story),
        _basis(story),
        what_speaks_against_it(story, MOST_LINES),
        what_is_not_proven(story, MOST_LINES),
        _who_and_where(story),
        _how_to_check_it(story),
    ]
    return write(f"Statement on {label(story.graph.root)}", sections)


def _concludes(story: AccountContext) -> Section:
    root = story.graph.root
    lines = [TextLine(what_it_is(story)), TextLine("", root["id"]), *story.files(root, MOST_FILES)]
    if root["tags"]:
        lines.append(TextLine(f"Tags: {tags_of(root)}"))
    return Section(CONCLUDES, lines)


def _basis(story: AccountContext) -> Section:
    predicate = story.predicate
    items = [*_steps(story, predicate["chain"]), *_models(story, predicate["models"])]
    for title, urns in (
        ("Static facts", predicate["facts"]),
        ("Where it begins", predicate["begins_with"]),
    ):
        if urns:
            items.append(Item(TextLine(f"{title}: {story.names_of(urns)}")))
    return Section(BASIS, [TextLine(what_it_rests_on(story))], items)


def _steps(story: AccountContext, chain: Sequence[Mapping[str, Any]]) -> Iterator[Item]:
    """The steps, the earliest first; of many those of one name together."""
    if not chain:
        return
    names: dict[Any, list[Mapping[str, Any]]] = defaultdict(list)
    for number, told in enumerate(chain):
        name = story.graph.records[told["step"]]["name"]
        names[name if len(chain) > MOST_STEPS else number].append(told)
    lines = [_step(story, same) for same in names.values()]
    more = len(lines) - MOST_STEPS
    lines = lines[:MOST_STEPS] + ([TextLine(f"and {more:,} more")] if more > 0 else [])
    yield Item(TextLine("How it came about, the earliest step first:"), lines)


def _step(story: AccountContext, same: Sequence[Mapping[str, Any]]) -> TextLine:
    records = [story.graph.records[told["step"]] for told in same]
    times = f", {len(same):,} times" if len(same) > 1 else ""
    bad = Counter(r["step"]["status"] for r in records if r["step"]["status"] != "SUCCEEDED")
    ended = "".join(f", {number:,} {status}" for status, number in bad.items())
    used, made = (
        list(dict.fromkeys(urn for told in same for urn in told[key])) for key in ("used", "made")
    )
    parts = [f"used {story.names_of(used, MOST_NAMED)}"] if used else []
    parts += [f"made {story.names_of(made, MOST_NAMED)}"] if made else []
    return TextLine(f"{records[0]['name']}{times}{ended}: {'; '.join(parts) or 'nothing is known'}")


def _models(story: AccountContext, models: Sequence[Mapping[str, Any]]) -> Iterator[Item]:
    """The latest model versions, with what they come from."""
    if not models:
        return
    lines = [_model(story, told) for told in models[-MOST_MODELS:]]
    more = len(models) - len(lines)
    head = f"Models, the latest {MOST_MODELS} of {len(models):,}:" if more else "Models:"
    yield Item(TextLine(head), lines)


def _model(story: AccountContext, told: Mapping[str, Any]) -> TextLine:
    record = story.graph.records[told["model"]]
    parts = [
        f"{words_of(role)} {story.names_of(told[role], MOST_NAMED)}"
        for role in ("trained_on", "derived_from", "revision_of")
        if told[role]
    ]
    if scores := record["model"]["scores"]:
        parts.append(f"scores {scores_of(scores)}")
    return TextLine(f"{label(record)}{': ' if parts else ''}{'; '.join(parts)}")


def _who_and_where(story: AccountContext) -> Section:
    return Section(
        WHO_AND_WHERE, [], [*people(story, MOST_NAMED), *_runs(story), *_environments(story)]
    )


def _how_to_check_it(story: AccountContext) -> Section:
    tree = story.evidence["tree"]
    head = f"As of {time_of(story.evidence['as_of'])}, over {counted(tree['size'], 'record')}."
    digest = TextLine("Digest of the evidence: SHA-256", tree["root"])
    return Section(HOW_TO_CHECK_IT, [TextLine(head), digest, TextLine(HOW_TO_GO_ON)])


HOW_TO_GO_ON = (
    "--full tells all of it, under the same headings. This text is not signed: --sign KEY -o FILE "
    'signs it, and "braid statement verify FILE" checks it.'
)


def _runs(story: AccountContext) -> Iterator[Item]:
    runs = list(story.evidence["runs"].values())
    for run in runs[:MOST_NAMED]:
        title = title_of(run)
        began = f", {time_of(run['start_time'])}" if run["start_time"] else ""
        status = run["status"] or "status unknown"
        yield Item(TextLine(f"flow run {title}{began}, {status}: run", run["run_id"]))
    if len(runs) > MOST_NAMED:
        yield Item(TextLine(f"and {len(runs) - MOST_NAMED:,} more flow runs"))


def _environments(story: AccountContext) -> Iterator[Item]:
    used = Counter(_environment(record) for record in story.graph.records.values())
    for digest in story.environments[:MOST_NAMED]:
        told = environment_of(story.evidence["environments"][digest])
        yield Item(TextLine(f"{counted(used[digest], 'record')} made on: {told}"))
    if len(story.environments) > MOST_NAMED:
        yield Item(TextLine(f"and {len(story.environments) - MOST_NAMED:,} more environments"))


def _environment(record: Leaf) -> str:
    return str(record.get("environment") or "")


def account(statement: Mapping[str, Any], form: Literal["text", "markdown"] = "text") -> str:
    """The statement as plain text or Markdown."""
    story = AccountContext(statement)
    write = as_text if form == "text" else as_markdown
    return write(f"Statement on {label(story.graph.root)}", list(_sections(story)))


def _sections(story: AccountContext) -> Iterator[Section]:
    predicate = story.predicate
    fact = partial(fact_item, story)
    yield what_it_concludes(story)
    yield Section(BASIS, [TextLine(what_it_rests_on(story)), TextLine(NUMBERS)])
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


NUMBERS = 'Numbers in brackets are those of the list "Records, the nearest first" below.'


def _told(title: str, entries: Sequence[Any], tell: Callable[[Any], Item]) -> Iterator[Section]:
    if not entries:
        return
    items = [tell(entry) for entry in entries[-LISTED:]]
    more = len(entries) - len(items)
    cut = [TextLine(f"The latest {LISTED} of {len(entries):,}; the JSON has all.")] if more else []
    yield Section(title, cut, items)
