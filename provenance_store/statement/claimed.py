"""What a statement claims, what it rests on, and what it does not support."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from provenance_store.quantities import counted
from provenance_store.relations import words_of
from provenance_store.statement.gaps import Level
from provenance_store.statement.prose import Item, Line, Section
from provenance_store.statement.story import LISTED, NAMED, Story
from provenance_store.statement.wording import (
    imported_by,
    is_unknown,
    kind_word,
    label,
    listed,
    short,
    tags_of,
    time_of,
)

__all__ = [
    "BASIS",
    "CONCLUDES",
    "gap_lines",
    "what_is_not_proven",
    "what_it_concludes",
    "what_it_is",
    "what_it_rests_on",
    "what_speaks_against_it",
]

USES = ("used", "deployed")
CONCLUDES, BASIS = "What it concludes", "On what basis"


def what_it_concludes(story: Story) -> Section:
    """What the record is, how it was made, and who recorded it."""
    root = story.graph.root
    sentences = [Line(what_it_is(story)), Line("It is", root["id"])]
    sentences.append(Line("recorded by", story.who(root)))
    sentences += story.files(root)
    if root["tags"]:
        sentences.append(Line(f"Tags: {tags_of(root)}"))
    return Section(CONCLUDES, sentences)


def what_it_is(story: Story) -> str:
    """What the record is, which step made it, what that used, and whether an import says so."""
    told = _what_it_is(story)
    return f"{told} It came by an import." if story.is_imported(story.graph.root) else told


def _what_it_is(story: Story) -> str:
    root, claim = story.graph.root, story.predicate["claim"]
    if "step" in root:
        return f"The step {root['name']}: {story.took_place(root)}."
    what = f"{label(root)} ({root['kind']})"
    told = f" It derives from {story.names_of(claim['derived_from'])}."
    derives = told if claim["derived_from"] else ""
    if same := claim.get("same_as"):
        derives += f" It is one thing with {story.names_of(same)}."
    if not claim["made_by"]:
        at = root["created_at"]
        when = time_of(at) if is_unknown(at) else f"on {time_of(at)}"
        made = f"was recorded {when}; no step is recorded that made it"
        return f"{what} {made}.{derives}"
    step = story.graph.records[claim["made_by"][0]]
    made = f"was made by the step {story.named(step['id'])}, {story.took_place(step)}"
    models = [urn for urn in story.graph.ends(step, *USES) if _is_model(story, urn)]
    others = [urn for urn in story.graph.ends(step, *USES) if not _is_model(story, urn)]
    used = [f"the model {story.names_of(models)}"] if models else []
    used += [story.names_of(others)] if others else []
    return f"{what} {made}." + (f" That step used {listed(used)}." if used else "") + derives


def _is_model(story: Story, urn: str) -> bool:
    return bool(story.graph.records[urn]["kind"] == "model")


def what_it_rests_on(story: Story) -> str:
    """How many records it depends on, by kind, and how many of their files have a digest."""
    counts = dict(story.predicate["counts"]["records"])
    counts[story.graph.root["kind"]] -= 1
    parts = [f"{n:,} {kind_word(kind, n)}" for kind, n in counts.items() if n]
    if not parts:
        return "No record that it rests on is among the evidence."
    total = sum(counts.values())
    uris, known = (story.predicate["counts"][k] for k in ("uris", "uris_with_digest"))
    have = "has" if known == 1 else "have"
    digests = f" Of {counted(uris, 'file')}, {known:,} {have} a digest." if uris else ""
    others = f"{story.at_least}{counted(total, 'other record')}"
    return f"It rests on {others}: {listed(parts)}.{digests}"


def what_speaks_against_it(story: Story, most: int | None = None) -> Section:
    """What was found that speaks against the record, with so many lines of each at the most."""
    items = [_gap(story, gap, most) for gap in _of_level(story, Level.AGAINST)]
    seen = "Nothing that is told here; it rests on more than that." if story.at_least else ""
    nothing = [] if items else [Line(seen or "Nothing that is recorded.")]
    return Section("What speaks against it", nothing, items)


def what_is_not_proven(story: Story, most: int | None = None) -> Section:
    """Every other gap that a rule found, with the records it is about."""
    gaps = [*_of_level(story, Level.UNSEEN), *_of_level(story, Level.UNPROVEN)]
    nothing = [] if gaps else [Line("None: every rule was applied, and found nothing.")]
    items = [_gap(story, gap, most) for gap in gaps]
    return Section("What is not seen or not proven", nothing, items)


def _of_level(story: Story, level: Level) -> list[Mapping[str, Any]]:
    return [gap for gap in story.predicate["not_supported"] if gap["level"] == level]


def _gap(story: Story, gap: Mapping[str, Any], most: int | None) -> Item:
    lines = list(gap_lines(story, gap))
    more = 0 if most is None else len(lines) - most
    cut = [*lines[:most], Line(f"and {more:,} more")] if more > 0 else lines
    return Item(Line(gap["text"]), cut)


def gap_lines(story: Story, gap: Mapping[str, Any]) -> Iterator[Line]:
    """What a gap is about: the records, and what is known of each."""
    here = [urn for urn in gap["records"] if urn in story.graph.records]
    elsewhere = [urn for urn in gap["records"] if urn not in story.graph.records]
    if gap["what"] == "imported":
        for one in story.evidence["imports"][:LISTED]:
            number = counted(len(one["records"]), "record")
            yield Line(f"{number}: {imported_by(one)},", one["id"])
    elif here and gap["what"] != "same_things":  # each pair of which is named below
        yield Line(story.names_of(here))
    if gap["what"] == "unconnected_steps":
        apart = {step["id"]: step for step in story.evidence["unconnected"]}
        for urn in elsewhere[:LISTED]:
            yield Line(f"{apart[urn]['name']}, status {apart[urn]['status']},", urn)
    else:
        for urn in elsewhere[:NAMED]:
            yield Line("", urn)
    if gap["what"] == "added_later":
        for link in story.evidence["late_links"][:LISTED]:
            yield Line(_late(story, link))
    if gap["what"] == "same_things":
        pairs = {tuple(sorted((k["from"], k["to"]))): k for k in story.evidence["same_things"]}
        for link in [*pairs.values()][:LISTED]:
            ends = [_named(story, urn) for urn in (link["from"], link["to"])]
            since = f"known since {time_of(link['at'])}; both have the digest"
            yield Line(f"{ends[0]} is one thing with {ends[1]}, {since}", link["digest"])
    if gap["what"] == "invalidated":
        told = story.evidence["invalidated"].values()
        causes = {(why["at"] or "", why["cause"], why["root"]) for why in told}
        for at, cause, root in sorted(causes)[:NAMED]:
            since = f"since {time_of(at)}, " if at and not is_unknown(at) else ""
            yield Line(f"{since}because: {cause}; beginning with", root)


def _named(story: Story, urn: str) -> str:
    return story.named(urn) if urn in story.graph.records else urn


def _late(story: Story, link: Mapping[str, Any]) -> str:
    ends = [_named(story, urn) for urn in (link["from"], link["to"])]
    role = words_of(link["role"])
    return (
        f"{ends[0]} {role} {ends[1]}: added on {time_of(link['at'])} by {link['by']}; "
        f"{short(link['rule'])}"
    )
