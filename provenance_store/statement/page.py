"""A statement on one page: what it concludes, on what basis, what speaks against it, what is not
known, and who and what vouches for it. Its whole account is in `account`."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

from provenance_store.quantities import counted
from provenance_store.statement.around import (
    HOW_TO_CHECK_IT,
    WHO_AND_WHERE,
    people,
    title_of,
)
from provenance_store.statement.claimed import (
    BASIS,
    CONCLUDES,
    what_is_not_proven,
    what_it_is,
    what_it_rests_on,
    what_speaks_against_it,
)
from provenance_store.statement.graph import Leaf
from provenance_store.statement.prose import Item, Line, Section, as_markdown, as_text
from provenance_store.statement.story import Story
from provenance_store.statement.wording import environment_of, label, scores_of, tags_of, time_of

__all__ = ["page"]

MOST_STEPS, MOST_MODELS, MOST_FILES, MOST_NAMED = 12, 4, 3, 3
"""So many are told of each; more steps than that are told by name."""
MOST_LINES = 3
"""Of a gap, what it is about."""


def page(statement: Mapping[str, Any], form: Literal["text", "markdown"] = "text") -> str:
    """The statement as a page of plain text or Markdown. Names in it are not numbered: which of
    several records of a name is meant, the whole account tells."""
    story = Story(statement, numbered=False)
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


def _concludes(story: Story) -> Section:
    root = story.graph.root
    lines = [Line(what_it_is(story)), Line("", root["id"]), *story.files(root, MOST_FILES)]
    if root["tags"]:
        lines.append(Line(f"Tags: {tags_of(root)}"))
    return Section(CONCLUDES, lines)


def _basis(story: Story) -> Section:
    predicate = story.predicate
    items = [*_steps(story, predicate["chain"]), *_models(story, predicate["models"])]
    for title, urns in (
        ("Static facts", predicate["facts"]),
        ("Where it begins", predicate["begins_with"]),
    ):
        if urns:
            items.append(Item(Line(f"{title}: {story.names_of(urns)}")))
    return Section(BASIS, [Line(what_it_rests_on(story))], items)


def _steps(story: Story, chain: Sequence[Mapping[str, Any]]) -> Iterator[Item]:
    """The steps, the earliest first; of many those of one name together."""
    if not chain:
        return
    names: dict[Any, list[Mapping[str, Any]]] = defaultdict(list)
    for number, told in enumerate(chain):
        name = story.graph.records[told["step"]]["name"]
        names[name if len(chain) > MOST_STEPS else number].append(told)
    lines = [_step(story, same) for same in names.values()]
    more = len(lines) - MOST_STEPS
    lines = lines[:MOST_STEPS] + ([Line(f"and {more:,} more")] if more > 0 else [])
    yield Item(Line("How it came about, the earliest step first:"), lines)


def _step(story: Story, same: Sequence[Mapping[str, Any]]) -> Line:
    records = [story.graph.records[told["step"]] for told in same]
    times = f", {len(same):,} times" if len(same) > 1 else ""
    bad = Counter(r["step"]["status"] for r in records if r["step"]["status"] != "SUCCEEDED")
    ended = "".join(f", {number:,} {status}" for status, number in bad.items())
    used, made = (
        list(dict.fromkeys(urn for told in same for urn in told[key])) for key in ("used", "made")
    )
    parts = [f"used {story.names_of(used, MOST_NAMED)}"] if used else []
    parts += [f"made {story.names_of(made, MOST_NAMED)}"] if made else []
    return Line(f"{records[0]['name']}{times}{ended}: {'; '.join(parts) or 'nothing is known'}")


def _models(story: Story, models: Sequence[Mapping[str, Any]]) -> Iterator[Item]:
    """The latest model versions, with what they come from."""
    if not models:
        return
    lines = [_model(story, told) for told in models[-MOST_MODELS:]]
    more = len(models) - len(lines)
    head = f"Models, the latest {MOST_MODELS} of {len(models):,}:" if more else "Models:"
    yield Item(Line(head), lines)


def _model(story: Story, told: Mapping[str, Any]) -> Line:
    record = story.graph.records[told["model"]]
    parts = [
        f"{words} {story.names_of(told[key], MOST_NAMED)}"
        for words, key in (
            ("trained on", "trained_on"),
            ("from", "derived_from"),
            ("continues", "revision_of"),
        )
        if told[key]
    ]
    if scores := record["model"]["scores"]:
        parts.append(f"scores {scores_of(scores)}")
    return Line(f"{label(record)}{': ' if parts else ''}{'; '.join(parts)}")


def _who_and_where(story: Story) -> Section:
    return Section(
        WHO_AND_WHERE, [], [*people(story, MOST_NAMED), *_runs(story), *_environments(story)]
    )


def _how_to_check_it(story: Story) -> Section:
    tree = story.evidence["tree"]
    head = f"As of {time_of(story.evidence['as_of'])}, over {counted(tree['size'], 'record')}."
    digest = Line("Digest of the evidence: SHA-256", tree["root"])
    return Section(HOW_TO_CHECK_IT, [Line(head), digest, Line(HOW_TO_GO_ON)])


HOW_TO_GO_ON = (
    "--full tells all of it, under the same headings. This text is not signed: --sign KEY -o FILE "
    'signs it, and "braid statement verify FILE" checks it.'
)


def _runs(story: Story) -> Iterator[Item]:
    runs = list(story.evidence["runs"].values())
    for run in runs[:MOST_NAMED]:
        title = title_of(run)
        began = f", {time_of(run['start_time'])}" if run["start_time"] else ""
        status = run["status"] or "status unknown"
        yield Item(Line(f"flow run {title}{began}, {status}: run", run["run_id"]))
    if len(runs) > MOST_NAMED:
        yield Item(Line(f"and {len(runs) - MOST_NAMED:,} more flow runs"))


def _environments(story: Story) -> Iterator[Item]:
    used = Counter(_environment(record) for record in story.graph.records.values())
    for digest in story.environments[:MOST_NAMED]:
        told = environment_of(story.evidence["environments"][digest])
        yield Item(Line(f"{counted(used[digest], 'record')} made on: {told}"))
    if len(story.environments) > MOST_NAMED:
        yield Item(Line(f"and {len(story.environments) - MOST_NAMED:,} more environments"))


def _environment(record: Leaf) -> str:
    return str(record.get("environment") or "")
