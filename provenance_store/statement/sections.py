"""The sections of a statement's account: what it claims, how it came about, what stands around.

It is made from the statement's JSON alone, so a file can be read like a fresh statement. Long lists
are cut and counted; the JSON has all of them.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from provenance_store.decisions import DOCUMENT
from provenance_store.display import counted
from provenance_store.relations import words_of
from provenance_store.statement.claims import Level
from provenance_store.statement.document import evidence_of
from provenance_store.statement.format import (
    Item,
    Section,
    TextLine,
    capital,
    duration,
    environment_of,
    imported_by,
    is_unknown,
    kind_word,
    label,
    listed,
    quoted,
    short,
    tags_of,
    time_of,
)
from provenance_store.statement.graph import Graph, Leaf

__all__ = [
    "BASIS",
    "CONCLUDES",
    "HOW_TO_CHECK_IT",
    "LISTED",
    "NAMED",
    "WHO_AND_WHERE",
    "AccountContext",
    "dataset_item",
    "decision_item",
    "decisions_in",
    "fact_item",
    "gap_lines",
    "how_it_came_about",
    "how_to_check_it",
    "model_item",
    "nearest_records",
    "people",
    "title_of",
    "what_is_not_proven",
    "what_it_concludes",
    "what_it_is",
    "what_it_rests_on",
    "what_speaks_against_it",
    "who_and_where",
]

LISTED = 100
"""So many records are told one by one."""
NAMED = 5
"""So many are named where they are told of."""


class AccountContext:
    """A statement under way to become prose; records are numbered, the nearest first, unless
    nothing lists them by number."""

    def __init__(self, statement: Mapping[str, Any], *, numbered: bool = True) -> None:
        self.numbered = numbered
        self.predicate = statement["predicate"]
        self.evidence = self.predicate["evidence"]
        self.graph = Graph(evidence_of(statement))
        order = self.graph.nearest_first()
        self.numbers = {urn: number for number, urn in enumerate(order, start=1)}
        owners = {record["owner"] for record in self.graph.records.values()}
        self.several_owners = len(owners) > 1
        self.environments = sorted(self.evidence["environments"])
        imports = self.evidence.get("imports", ())
        self._imported = {urn: one for one in imports for urn in one["records"]}
        unseen = any(self.evidence[key] for key in ("truncated", "stubs", "restricted", "missing"))
        self.at_least = "at least " if unseen else ""
        """Before a number of records that stands for all, where it does not."""

    def named(self, urn: str) -> str:
        """Its label with its number in the list of records."""
        number = f" [{self.numbers[urn]}]" if self.numbered else ""
        return f"{label(self.graph.records[urn])}{number}"

    def names_of(self, urns: Sequence[str], most: int | None = None) -> str:
        """The first of these by name, and how many more there are; `most` is by default more where
        records are numbered, for then all is told."""
        most = most or (LISTED if self.numbered else NAMED)
        times = Counter(map(self.named, urns))
        shown = list(times.items())[:most]
        named = [f"{name} ({number})" if number > 1 else name for name, number in shown]
        more = len(urns) - sum(number for _, number in shown)
        return ", ".join(named) + (f" and {more:,} more" if more else "")

    def is_imported(self, record: Leaf) -> bool:
        """Whether it came by an import."""
        return record["id"] in self._imported

    def who(self, record: Leaf) -> str:
        """Who recorded it: the owner, else what it was imported from, else the account it was
        recorded from."""
        if record["owner"]:
            return str(record["owner"])
        if (one := self._imported.get(record["id"])) is not None:
            return f"nobody here: {imported_by(one)}"
        origin = self.evidence["origins"].get(record["id"].split(":")[2], {})
        who, host = (origin.get(key) or "unknown" for key in ("who", "host"))
        return f"account {who} on {host}"

    def took_place(self, step: Leaf) -> str:
        """When a step began, how long it took, and how it ended."""
        told = step["step"]
        begun, ended = told["started_at"], told["completed_at"]
        text = time_of(begun or step["created_at"])
        if begun and ended:
            text += f", took {duration(begun, ended)}"
        return f"{text}, status {told['status']}"

    def unlisted(self, record: Leaf) -> Iterator[TextLine]:
        """Id and files of a record that is too far away to be in the list of records."""
        if self.numbers[record["id"]] > LISTED:
            yield TextLine("", record["id"])
            yield from self.files(record)

    def files(self, record: Leaf, most: int = NAMED) -> Iterator[TextLine]:
        """Where the record's bytes are, and under each URI size and digest."""
        for uri in record["uris"][:most]:
            yield TextLine("", uri["uri"])
            yield self._content(uri)
        if (more := len(record["uris"]) - most) > 0:
            yield TextLine(f"and {counted(more, 'more file')}")

    def _content(self, uri: Mapping[str, Any]) -> TextLine:
        size, digest, when = uri["size"], uri["digest"], ""
        if uri["checks"] and digest is None:
            found = uri["checks"][0]
            size, digest, when = found["size"], found["digest"], f", found {time_of(found['at'])}"
        told = "of unknown size" if size is None else counted(size, "byte")
        return (
            TextLine(f"{told}{when},", digest) if digest else TextLine(f"{told}, without a digest")
        )


MOST_OPTIONS = 20
"""So many options of a decision are told."""


def decisions_in(story: AccountContext) -> list[Leaf]:
    """The steps that decided something, as far as what they say is quoted."""
    return [step for step in story.graph.of_kind("step") if _said(step)]


def decision_item(story: AccountContext, step: Leaf) -> Item:
    """A decision: its options one by one, those that were chosen first."""
    said = _said(step)
    chosen = said.get("chosen")
    taken = set(map(str, chosen)) if isinstance(chosen, list) else set()
    options = said.get("options")
    told = [one for one in (options if isinstance(options, list) else ()) if type(one) is dict]
    told.sort(key=lambda one: str(one.get("id") or one.get("name")) not in taken)
    lines = [_option(story, one, taken) for one in told[:MOST_OPTIONS]]
    if more := len(told) - len(lines):
        lines.append(TextLine(f"and {more:,} more options"))
    for words, name in (("because", "why"), ("decided by", "decider"), ("by the rule", "policy")):
        if said.get(name) is not None:
            lines.append(TextLine(f"{words} {short(str(said[name]))}"))
    head = story.named(step["id"])
    if question := said.get("question"):
        head += f": {short(str(question))}"
    return Item(TextLine(head), lines)


def _said(step: Leaf) -> dict[str, Any]:
    part = step["documents"].get(DOCUMENT)
    if not isinstance(part, Mapping) or "text" not in part:
        return {}
    said = msgspec.json.decode(part["text"])
    return said if isinstance(said, dict) and "_truncated" not in said else {}


def _option(story: AccountContext, option: Mapping[str, Any], taken: set[str]) -> TextLine:
    urn, name = option.get("id"), option.get("name")
    is_here = isinstance(urn, str) and urn in story.graph.records
    named = story.named(str(urn)) if is_here else short(str(name or urn))
    more = "".join(_more(option))
    verb = "chose" if str(urn or name) in taken else "and not"
    return TextLine(f"{verb} {named}{more}")


def _more(option: Mapping[str, Any]) -> Iterator[str]:
    if option.get("score") is not None:
        yield f", score {option['score']}"
    if option.get("why") is not None:
        yield f": {short(str(option['why']))}"


STEPS_TOLD = 40
"""More steps than this are told by name, with how often and when."""


def how_it_came_about(story: AccountContext) -> Section:
    """The steps one by one, or by name where they are many."""
    chain = story.predicate["chain"]
    if not chain:
        return Section("How it came about", [TextLine("No step is recorded.")])
    if len(chain) <= STEPS_TOLD:
        number = f"{story.at_least}{len(chain)} {kind_word('step', len(chain))}"
        first = TextLine(f"{capital(number)}, the earliest first.")
        return Section("How it came about", [first], [_step(story, s) for s in chain])
    number = capital(f"{story.at_least}{len(chain):,} steps")
    first = TextLine(f"{number}, by name; the JSON has each of them.")
    return Section("How it came about", [first], list(_steps_by_name(story, chain)))


def _step(story: AccountContext, told: Mapping[str, Any]) -> Item:
    step = story.graph.records[told["step"]]
    lines = []
    if story.several_owners:
        lines.append(TextLine("recorded by", story.who(step)))
    if where := _where(story, step):
        lines.append(where)
    for words, key in (("used", "used"), ("informed by", "after"), ("made", "made")):
        if told[key]:
            lines.append(TextLine(f"{words} {story.names_of(told[key])}"))
    lines += [TextLine(f"{name} {text}") for name, text in quoted(step)]
    return Item(TextLine(f"{story.named(step['id'])}: {story.took_place(step)}"), lines)


def _steps_by_name(story: AccountContext, chain: Sequence[Mapping[str, Any]]) -> Iterator[Item]:
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
            TextLine(f"{head}; " + ", ".join(f"{n:,} {s}" for s, n in sorted(status.items()))),
            [TextLine(f"used {counted(used, 'record')}, made {made:,}")],
        )


def _where(story: AccountContext, step: Leaf) -> TextLine | None:
    places = []
    if step["environment"] in story.environments:
        places.append(f"environment {story.environments.index(step['environment']) + 1}")
    if step["step"]["run_as"]:
        places.append(f"as {step['step']['run_as']}")
    if step["step"]["definition_digest"]:
        places.append(f"flow definition {step['step']['definition_digest']}")
    url = step["step"]["action_url"] or ""
    return TextLine(", ".join([*places, "at"] if url else places), url) if places or url else None


def model_item(story: AccountContext, urn_of: Mapping[str, Any]) -> Item:
    """A model version: what made it, and what from."""
    model = story.graph.records[urn_of["model"]]
    lines = list(story.unlisted(model))
    for words, key in (
        (words_of("generated_by"), "made_by"),
        (words_of("revision_of"), "revision_of"),
        (words_of("trained_on"), "trained_on"),
        (words_of("derived_from"), "derived_from"),
        (words_of("used", down=True), "used_by"),
    ):
        if urn_of[key]:
            lines.append(TextLine(f"{words} {story.names_of(urn_of[key])}"))
    lines += [TextLine(f"{name} {text}") for name, text in quoted(model)]
    if scores := model["model"]["scores"]:
        lines.append(TextLine(f"scores {short(', '.join(f'{n}={v}' for n, v in scores.items()))}"))
    return Item(TextLine(story.named(model["id"])), lines)


def fact_item(story: AccountContext, urn: str) -> Item:
    """A fact, or where the history begins."""
    record = story.graph.records[urn]
    lines = list(story.unlisted(record))
    if record["tags"]:
        lines.append(TextLine(tags_of(record)))
    return Item(TextLine(f"{story.named(urn)}, recorded {time_of(record['created_at'])}"), lines)


def dataset_item(story: AccountContext, record: Leaf) -> Item:
    """A dataset and its first members."""
    members = story.graph.ends(record, "has_member")
    number = counted(len(members), "member")
    held = f"has {number}: {story.names_of(members)}" if members else "has no members"
    return Item(TextLine(f"{story.named(record['id'])} {held}"), list(story.unlisted(record)))


USES = ("used", "deployed")
CONCLUDES, BASIS = "What it concludes", "On what basis"


def what_it_concludes(story: AccountContext) -> Section:
    """What the record is, how it was made, and who recorded it."""
    root = story.graph.root
    sentences = [TextLine(what_it_is(story)), TextLine("It is", root["id"])]
    sentences.append(TextLine("recorded by", story.who(root)))
    sentences += story.files(root)
    if root["tags"]:
        sentences.append(TextLine(f"Tags: {tags_of(root)}"))
    return Section(CONCLUDES, sentences)


def what_it_is(story: AccountContext) -> str:
    """What the record is, which step made it, what that used, and whether an import says so."""
    told = _what_it_is(story)
    if (why := story.evidence["invalidated"].get(story.graph.root["id"])) is not None:
        told += f" It is INVALID {_since(why['at'])}because: {why['cause']}."
    return f"{told} It came by an import." if story.is_imported(story.graph.root) else told


def _since(at: str | None) -> str:
    return f"since {time_of(at)}, " if at and not is_unknown(at) else ""


def _what_it_is(story: AccountContext) -> str:
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


def _is_model(story: AccountContext, urn: str) -> bool:
    return bool(story.graph.records[urn]["kind"] == "model")


def what_it_rests_on(story: AccountContext) -> str:
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


def what_speaks_against_it(story: AccountContext, most: int | None = None) -> Section:
    """What was found that speaks against the record, with so many lines of each at the most."""
    items = [_gap(story, gap, most) for gap in _of_level(story, Level.AGAINST)]
    seen = "Nothing that is told here; it rests on more than that." if story.at_least else ""
    nothing = [] if items else [TextLine(seen or "Nothing that is recorded.")]
    return Section("What speaks against it", nothing, items)


def what_is_not_proven(story: AccountContext, most: int | None = None) -> Section:
    """Every other gap that a rule found, with the records it is about."""
    gaps = [*_of_level(story, Level.UNSEEN), *_of_level(story, Level.UNPROVEN)]
    nothing = [] if gaps else [TextLine("None: every rule was applied, and found nothing.")]
    items = [_gap(story, gap, most) for gap in gaps]
    return Section("What is not seen or not proven", nothing, items)


def _of_level(story: AccountContext, level: Level) -> list[Mapping[str, Any]]:
    return [gap for gap in story.predicate["not_supported"] if gap["level"] == level]


def _gap(story: AccountContext, gap: Mapping[str, Any], most: int | None) -> Item:
    lines = list(gap_lines(story, gap))
    more = 0 if most is None else len(lines) - most
    cut = [*lines[:most], TextLine(f"and {more:,} more")] if more > 0 else lines
    return Item(TextLine(gap["text"]), cut)


def gap_lines(story: AccountContext, gap: Mapping[str, Any]) -> Iterator[TextLine]:
    """What a gap is about: the records, and what is known of each."""
    here = [urn for urn in gap["records"] if urn in story.graph.records]
    elsewhere = [urn for urn in gap["records"] if urn not in story.graph.records]
    if gap["what"] == "imported":
        for one in story.evidence["imports"][:LISTED]:
            number = counted(len(one["records"]), "record")
            yield TextLine(f"{number}: {imported_by(one)},", one["id"])
    elif here and gap["what"] != "same_things":  # each pair of which is named below
        yield TextLine(story.names_of(here))
    if gap["what"] == "unconnected_steps":
        apart = {step["id"]: step for step in story.evidence["unconnected"]}
        for urn in elsewhere[:LISTED]:
            yield TextLine(f"{apart[urn]['name']}, status {apart[urn]['status']},", urn)
    else:
        most = LISTED if story.numbered else NAMED
        for urn in elsewhere[:most]:
            yield TextLine("", urn)
        if len(elsewhere) > most:
            yield TextLine(f"and {len(elsewhere) - most:,} more")
    if gap["what"] == "added_later":
        for link in story.evidence["late_links"][:LISTED]:
            yield TextLine(_late(story, link))
    if gap["what"] == "same_things":
        pairs = {tuple(sorted((k["from"], k["to"]))): k for k in story.evidence["same_things"]}
        for link in [*pairs.values()][:LISTED]:
            ends = [_named(story, urn) for urn in (link["from"], link["to"])]
            since = f"known since {time_of(link['at'])}; both have the digest"
            yield TextLine(f"{ends[0]} is one thing with {ends[1]}, {since}", link["digest"])
    if gap["what"] == "invalidated":
        told = story.evidence["invalidated"].values()
        causes = {(why["at"] or "", why["cause"], why["root"]) for why in told}
        for at, cause, root in sorted(causes)[: LISTED if story.numbered else NAMED]:
            yield TextLine(f"{_since(at)}because: {cause}; beginning with", root)


def _named(story: AccountContext, urn: str) -> str:
    return story.named(urn) if urn in story.graph.records else urn


def _late(story: AccountContext, link: Mapping[str, Any]) -> str:
    ends = [_named(story, urn) for urn in (link["from"], link["to"])]
    role = words_of(link["role"])
    return (
        f"{ends[0]} {role} {ends[1]}: added on {time_of(link['at'])} by {link['by']}; "
        f"{short(link['rule'])}"
    )


WHO_AND_WHERE, HOW_TO_CHECK_IT = "Who and where", "How to check it"


def who_and_where(story: AccountContext) -> Section:
    """People, flow runs and environments, the first few of each."""
    items = [*people(story, NAMED), *_runs(story), *_environments(story)]
    return Section(WHO_AND_WHERE, [], items)


def people(story: AccountContext, most: int) -> Iterator[Item]:
    """Those who recorded most, at most so many, and how many more there are."""
    who = Counter(story.who(record) for record in story.graph.records.values())
    for name, count in who.most_common(most):
        yield Item(TextLine(f"{counted(count, 'record')} recorded by", name))
    if len(who) > most:
        yield Item(TextLine(f"and {len(who) - most:,} more who recorded something"))


def title_of(run: Mapping[str, Any]) -> str:
    """What a flow run is called."""
    names = (run["flow_title"], run["label"])
    return ", ".join(name for name in names if name) or "without a title"


def _runs(story: AccountContext) -> Iterator[Item]:
    runs = list(story.evidence["runs"].values())
    for run in runs[:NAMED]:
        title = title_of(run)
        times = f"{time_of(run['start_time'])}" if run["start_time"] else "at an unknown time"
        lines = [TextLine("run", run["run_id"])]
        if run["flow_id"]:
            lines.append(TextLine("flow", run["flow_id"]))
        if run["run_owner"]:
            lines.append(TextLine("run owner, as it was recorded:", run["run_owner"]))
        yield Item(
            TextLine(f"flow run {title}: {times}, {run['status'] or 'status unknown'}"), lines
        )
    if len(runs) > NAMED:
        yield Item(TextLine(f"and {len(runs) - NAMED:,} more flow runs"))


def _environments(story: AccountContext) -> Iterator[Item]:
    for number, digest in enumerate(story.environments[:NAMED], start=1):
        told = environment_of(story.evidence["environments"][digest])
        yield Item(TextLine(f"environment {number}: {told}"), [TextLine("", digest)])
    if len(story.environments) > NAMED:
        yield Item(TextLine(f"and {len(story.environments) - NAMED:,} more environments"))


def nearest_records(story: AccountContext) -> Section:
    """The list of records with their ids and files; the rest is counted."""
    urns = list(story.numbers)
    items = [_record(story, urn) for urn in urns[:LISTED]]
    sentences = []
    if len(urns) > LISTED:
        kinds = Counter(story.graph.records[urn]["kind"] for urn in urns[LISTED:])
        parts = [f"{n:,} {kind_word(kind, n)}" for kind, n in sorted(kinds.items())]
        sentences = [TextLine(f"The nearest {LISTED}; the JSON lists {listed(parts)} more.")]
    return Section("Records, the nearest first", sentences, items, True)


def _record(story: AccountContext, urn: str) -> Item:
    record = story.graph.records[urn]
    invalid = " INVALID" if urn in story.evidence["invalidated"] else ""
    head = f"{label(record)} ({record['kind']}{invalid})"
    return Item(TextLine(head, urn), list(story.files(record)))


def how_to_check_it(story: AccountContext) -> Section:
    """The digest of the evidence, and what checks it."""
    tree = story.evidence["tree"]
    return Section(
        HOW_TO_CHECK_IT,
        [
            TextLine(
                f"As of {time_of(story.evidence['as_of'])}, over "
                f"{counted(tree['size'], 'record')}. "
                "Digest of the evidence (Merkle tree, SHA-256, RFC 6962):",
                tree["root"],
            ),
            TextLine(
                '"braid statement ID --format json -o FILE" keeps it whole; "braid statement '
                'verify FILE --store STORE" tells whether the records still say the same.'
            ),
            TextLine(
                'What ends with "... (N characters)" is cut here, and lists of more than '
                f'{LISTED} end with "and N more"; the JSON has all of it.'
            ),
        ],
    )
