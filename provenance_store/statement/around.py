"""What stands around a statement's records: people, runs, environments; the list, the digest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from provenance_store.quantities import counted
from provenance_store.statement.prose import Item, Line, Section
from provenance_store.statement.story import LISTED, NAMED, Story
from provenance_store.statement.wording import (
    environment_of,
    kind_word,
    label,
    listed,
    time_of,
)

__all__ = [
    "HOW_TO_CHECK_IT",
    "WHO_AND_WHERE",
    "how_to_check_it",
    "nearest_records",
    "people",
    "title_of",
    "who_and_where",
]

WHO_AND_WHERE, HOW_TO_CHECK_IT = "Who and where", "How to check it"


def who_and_where(story: Story) -> Section:
    """People, flow runs and environments, the first few of each."""
    items = [*people(story, NAMED), *_runs(story), *_environments(story)]
    return Section(WHO_AND_WHERE, [], items)


def people(story: Story, most: int) -> Iterator[Item]:
    """Those who recorded most, at most so many, and how many more there are."""
    who = Counter(story.who(record) for record in story.graph.records.values())
    for name, count in who.most_common(most):
        yield Item(Line(f"{counted(count, 'record')} recorded by", name))
    if len(who) > most:
        yield Item(Line(f"and {len(who) - most:,} more who recorded something"))


def title_of(run: Mapping[str, Any]) -> str:
    """What a flow run is called."""
    names = (run["flow_title"], run["label"])
    return ", ".join(name for name in names if name) or "without a title"


def _runs(story: Story) -> Iterator[Item]:
    runs = list(story.evidence["runs"].values())
    for run in runs[:NAMED]:
        title = title_of(run)
        times = f"{time_of(run['start_time'])}" if run["start_time"] else "at an unknown time"
        lines = [Line("run", run["run_id"])]
        if run["flow_id"]:
            lines.append(Line("flow", run["flow_id"]))
        if run["run_owner"]:
            lines.append(Line("run owner, as it was recorded:", run["run_owner"]))
        yield Item(Line(f"flow run {title}: {times}, {run['status'] or 'status unknown'}"), lines)
    if len(runs) > NAMED:
        yield Item(Line(f"and {len(runs) - NAMED:,} more flow runs"))


def _environments(story: Story) -> Iterator[Item]:
    for number, digest in enumerate(story.environments[:NAMED], start=1):
        told = environment_of(story.evidence["environments"][digest])
        yield Item(Line(f"environment {number}: {told}"), [Line("", digest)])
    if len(story.environments) > NAMED:
        yield Item(Line(f"and {len(story.environments) - NAMED:,} more environments"))


def nearest_records(story: Story) -> Section:
    """The list of records with their ids and files; the rest is counted."""
    urns = list(story.numbers)
    items = [_record(story, urn) for urn in urns[:LISTED]]
    sentences = []
    if len(urns) > LISTED:
        kinds = Counter(story.graph.records[urn]["kind"] for urn in urns[LISTED:])
        parts = [f"{n:,} {kind_word(kind, n)}" for kind, n in sorted(kinds.items())]
        sentences = [Line(f"The nearest {LISTED}; the JSON lists {listed(parts)} more.")]
    return Section("Records, the nearest first", sentences, items, True)


def _record(story: Story, urn: str) -> Item:
    record = story.graph.records[urn]
    invalid = " INVALID" if urn in story.evidence["invalidated"] else ""
    head = f"{label(record)} ({record['kind']}{invalid})"
    return Item(Line(head, urn), list(story.files(record)))


def how_to_check_it(story: Story) -> Section:
    """The digest of the evidence, and what checks it."""
    tree = story.evidence["tree"]
    return Section(
        HOW_TO_CHECK_IT,
        [
            Line(
                f"As of {time_of(story.evidence['as_of'])}, over "
                f"{counted(tree['size'], 'record')}. "
                "Digest of the evidence (Merkle tree, SHA-256, RFC 6962):",
                tree["root"],
            ),
            Line(
                '"braid statement ID --format json -o FILE" keeps it whole; "braid statement '
                'verify FILE --store URL" tells whether the records still say the same.'
            ),
        ],
    )
