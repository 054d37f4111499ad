"""A statement as people read it: the claim, what is not supported, the chain, the evidence.

Made from the statement's JSON alone, so a file can be read like a fresh one. Long lists are cut
and counted; the JSON has all of them.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

import msgspec

from provenance_store.statement.gaps import Level
from provenance_store.statement.graph import Graph, Leaf
from provenance_store.statement.prose import Item, Line, Section, as_markdown, as_text

__all__ = ["account", "evidence_of"]

STEPS_TOLD = 40
"""More steps than this are told by name, with how often and when."""
LISTED = 100
NAMED = 5
USES = ("used", "deployed")
SHORT = 160
"""Parameters, scores and tags are told in so many characters."""

LEVELS = {
    Level.AGAINST: "Against it",
    Level.UNSEEN: "Not seen",
    Level.UNPROVEN: "Not proven",
}
KINDS = {
    "step": ("step", "steps"),
    "data": ("data record", "data records"),
    "model": ("model version", "model versions"),
    "dataset": ("dataset", "datasets"),
    "fact": ("fact", "facts"),
}


def account(statement: Mapping[str, Any], form: Literal["text", "markdown"] = "text") -> str:
    """The statement as plain text or Markdown."""
    story = _Story(statement)
    write = as_text if form == "text" else as_markdown
    return write(f"Statement on {story.label(story.graph.root)}", list(story.sections()))


def evidence_of(statement: Mapping[str, Any]) -> dict[str, Any]:
    """The evidence of a statement as it was gathered."""
    evidence = dict(statement["predicate"]["evidence"])
    leaves = evidence.pop("leaves")
    evidence.pop("tree")
    return evidence | {"records": [leaf["record"] for leaf in leaves]}


class _Story:
    def __init__(self, statement: Mapping[str, Any]) -> None:
        self.predicate = statement["predicate"]
        self.evidence = self.predicate["evidence"]
        self.graph = Graph(evidence_of(statement))
        order = self.graph.nearest_first()
        self.numbers = {urn: number for number, urn in enumerate(order, start=1)}
        owners = {record["owner"] for record in self.graph.records.values()}
        self.several_owners = len(owners) > 1
        self.environments = sorted(self.evidence["environments"])
        unseen = any(self.evidence[key] for key in ("truncated", "stubs", "restricted", "missing"))
        self.at_least = "at least " if unseen else ""
        """Before a number of records that stands for all, where it does not."""

    def sections(self) -> Iterator[Section]:
        yield self._claim()
        yield self._gaps()
        yield from self._told("Models", self.predicate["models"], self._model)
        yield self._chain()
        yield from self._told("Datasets", self.graph.of_kind("dataset"), self._dataset)
        yield from self._told("Static facts", self.predicate["facts"], self._fact)
        yield from self._told("Where it begins", self.predicate["begins_with"], self._fact)
        yield self._around()
        yield self._records()
        yield self._checking()

    # ---- naming --------------------------------------------------------------------------

    def label(self, record: Leaf) -> str:
        version = f" v{record['model']['version']}" if "model" in record else ""
        return f"{record['name']}{version}"

    def named(self, urn: str) -> str:
        return f"{self.label(self.graph.records[urn])} [{self.numbers[urn]}]"

    def list(self, urns: Sequence[str]) -> str:
        named = [self.named(urn) for urn in urns[:NAMED]]
        more = len(urns) - len(named)
        return ", ".join(named) + (f" and {more:,} more" if more else "")

    # ---- sections ------------------------------------------------------------------------

    def _claim(self) -> Section:
        claim = self.predicate["claim"]
        root = self.graph.root
        sentences = [Line(self._what_it_is(root, claim)), Line("It is", claim["id"])]
        sentences.append(Line("recorded by", self._who(root)))
        sentences += self._files(root)
        if root["tags"]:
            sentences.append(Line(f"Tags: {_tags(root)}"))
        sentences.append(Line(self._what_it_rests_on()))
        sentences.append(Line(self._in_short()))
        return Section("What is claimed", sentences)

    def _what_it_is(self, root: Leaf, claim: Mapping[str, Any]) -> str:
        if "step" in root:
            return f"The step {root['name']}: {self._took_place(root)}."
        what = f"{self.label(root)} ({root['kind']})"
        told = f" It derives from {self.list(claim['derived_from'])}."
        derives = told if claim["derived_from"] else ""
        if not claim["made_by"]:
            made = f"was recorded on {_time(root['created_at'])}; no step is recorded that made it"
            return f"{what} {made}.{derives}"
        step = self.graph.records[claim["made_by"][0]]
        made = f"was made by the step {self.named(step['id'])}, {self._took_place(step)}"
        models = [urn for urn in self.graph.ends(step, *USES) if self._is_model(urn)]
        others = [urn for urn in self.graph.ends(step, *USES) if not self._is_model(urn)]
        used = [f"the model {self.list(models)}"] if models else []
        used += [self.list(others)] if others else []
        return f"{what} {made}." + (f" That step used {_and(used)}." if used else "") + derives

    def _is_model(self, urn: str) -> bool:
        return bool(self.graph.records[urn]["kind"] == "model")

    def _what_it_rests_on(self) -> str:
        counts = dict(self.predicate["counts"]["records"])
        counts[self.graph.root["kind"]] -= 1
        parts = [f"{n:,} {_kind(kind, n)}" for kind, n in counts.items() if n]
        if not parts:
            return "No record that it rests on is among the evidence."
        total = sum(counts.values())
        uris, known = (self.predicate["counts"][k] for k in ("uris", "uris_with_digest"))
        digests = f" Of {uris:,} files, {known:,} have a digest." if uris else ""
        return (
            f"It rests on {self.at_least}{total:,} other {_records(total)}: {_and(parts)}.{digests}"
        )

    def _in_short(self) -> str:
        levels = Counter(gap["level"] for gap in self.predicate["not_supported"])
        if levels[Level.AGAINST]:
            return "There is something AGAINST it: see below."
        if self.at_least:
            return (
                "Nothing that is told here speaks against it. It rests on more than that, and that "
                "may: see below."
            )
        if levels:
            return (
                "Nothing that is recorded speaks against it; what is not seen or not proven is told"
                " below."
            )
        return "Nothing that is recorded speaks against it, and no gap was found in the record."

    def _gaps(self) -> Section:
        gaps = self.predicate["not_supported"]
        items = []
        for level, title in LEVELS.items():
            for gap in (gap for gap in gaps if gap["level"] == level):
                lines = list(self._gap_lines(gap))
                items.append(Item(Line(f"{title}: {gap['text']}"), lines))
        nothing = [Line("Every rule was applied, and found nothing.")]
        return Section("What is not supported", nothing if not items else [], items)

    def _gap_lines(self, gap: Mapping[str, Any]) -> Iterator[Line]:
        here = [urn for urn in gap["records"] if urn in self.graph.records]
        elsewhere = [urn for urn in gap["records"] if urn not in self.graph.records]
        if here:
            yield Line(self.list(here))
        for urn in elsewhere[:NAMED]:
            yield Line("", urn)
        if gap["what"] == "invalidated":
            told = self.evidence["invalidated"].values()
            causes = {(why["at"] or "", why["cause"], why["root"]) for why in told}
            for at, cause, root in sorted(causes)[:NAMED]:
                since = f"since {_time(at)}, " if at else ""
                yield Line(f"{since}because: {cause}; beginning with", root)

    def _model(self, urn_of: Mapping[str, Any]) -> Item:
        model = self.graph.records[urn_of["model"]]
        lines = list(self._unlisted(model))
        for words, key in (
            ("made by", "made_by"),
            ("continues", "revision_of"),
            ("trained on", "trained_on"),
            ("from", "derived_from"),
            ("used by", "used_by"),
        ):
            if urn_of[key]:
                lines.append(Line(f"{words} {self.list(urn_of[key])}"))
        lines += [Line(f"{name} {text}") for name, text in _quoted(model)]
        if scores := model["model"]["scores"]:
            lines.append(Line(f"scores {_short(', '.join(f'{n}={v}' for n, v in scores.items()))}"))
        return Item(Line(self.named(model["id"])), lines)

    def _chain(self) -> Section:
        chain = self.predicate["chain"]
        if not chain:
            return Section("How it came about", [Line("No step is recorded.")])
        if len(chain) <= STEPS_TOLD:
            number = f"{self.at_least}{len(chain)} {_kind('step', len(chain))}"
            first = Line(f"{_capital(number)}, the earliest first.")
            return Section("How it came about", [first], [self._step(s) for s in chain], True)
        number = _capital(f"{self.at_least}{len(chain):,} steps")
        first = Line(f"{number}, by name; the JSON has each of them.")
        return Section("How it came about", [first], list(self._steps_by_name(chain)))

    def _step(self, told: Mapping[str, Any]) -> Item:
        step = self.graph.records[told["step"]]
        lines = []
        if self.several_owners:
            lines.append(Line("recorded by", self._who(step)))
        if where := self._where(step):
            lines.append(where)
        for words, key in (("used", "used"), ("after", "after"), ("made", "made")):
            if told[key]:
                lines.append(Line(f"{words} {self.list(told[key])}"))
        lines += [Line(f"{name} {text}") for name, text in _quoted(step)]
        return Item(Line(f"{self.named(step['id'])}: {self._took_place(step)}"), lines)

    def _steps_by_name(self, chain: Sequence[Mapping[str, Any]]) -> Iterator[Item]:
        by_name: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
        for told in chain:
            by_name[self.graph.records[told["step"]]["name"]].append(told)
        for name, steps in by_name.items():
            records = [self.graph.records[told["step"]] for told in steps]
            begun = sorted(r["step"]["started_at"] or r["created_at"] for r in records)
            status = Counter(r["step"]["status"] for r in records)
            head = f"{name}, {len(steps):,} times: {_time(begun[0])} to {_time(begun[-1])}"
            used, made = (sum(len(told[key]) for told in steps) for key in ("used", "made"))
            yield Item(
                Line(f"{head}; " + ", ".join(f"{n:,} {s}" for s, n in sorted(status.items()))),
                [Line(f"used {used:,} {_records(used)}, made {made:,}")],
            )

    def _took_place(self, step: Leaf) -> str:
        told = step["step"]
        begun, ended = told["started_at"], told["completed_at"]
        text = _time(begun or step["created_at"])
        if begun and ended:
            text += f", took {_duration(begun, ended)}"
        return f"{text}, status {told['status']}"

    def _where(self, step: Leaf) -> Line | None:
        places = []
        if step["environment"] in self.environments:
            places.append(f"environment {self.environments.index(step['environment']) + 1}")
        if step["step"]["run_as"]:
            places.append(f"as {step['step']['run_as']}")
        if step["step"]["definition_digest"]:
            places.append(f"flow definition {step['step']['definition_digest'][:19]}...")
        url = step["step"]["action_url"] or ""
        return Line(", ".join([*places, "at"] if url else places), url) if places or url else None

    def _fact(self, urn: str) -> Item:
        record = self.graph.records[urn]
        lines = list(self._unlisted(record))
        if record["tags"]:
            lines.append(Line(_tags(record)))
        return Item(Line(f"{self.named(urn)}, recorded {_time(record['created_at'])}"), lines)

    def _dataset(self, record: Leaf) -> Item:
        members = self.graph.ends(record, "has_member")
        held = f"holds {len(members):,}: {self.list(members)}" if members else "holds nothing"
        return Item(Line(f"{self.named(record['id'])} {held}"), list(self._unlisted(record)))

    def _unlisted(self, record: Leaf) -> Iterator[Line]:
        """Id and files of a record that is too far away to be in the list of records."""
        if self.numbers[record["id"]] > LISTED:
            yield Line("", record["id"])
            yield from self._files(record)

    def _around(self) -> Section:
        items = [*self._people(), *self._runs(), *self._environments()]
        return Section("Who and where", [], items)

    def _people(self) -> Iterator[Item]:
        who = Counter(self._who(record) for record in self.graph.records.values())
        for name, count in who.most_common(NAMED):
            yield Item(Line(f"{count:,} {_records(count)} recorded by", name))
        if len(who) > NAMED:
            yield Item(Line(f"and {len(who) - NAMED:,} more who recorded something"))

    def _who(self, record: Leaf) -> str:
        if record["owner"]:
            return str(record["owner"])
        origin = self.evidence["origins"].get(record["id"].split(":")[2], {})
        who, host = (origin.get(key) or "unknown" for key in ("who", "host"))
        return f"account {who} on {host}"

    def _runs(self) -> Iterator[Item]:
        runs = list(self.evidence["runs"].values())
        for run in runs[:NAMED]:
            names = [run["flow_title"], run["label"]]
            title = ", ".join(name for name in names if name) or "without a title"
            times = f"{_time(run['start_time'])}" if run["start_time"] else "at an unknown time"
            lines = [Line("run", run["run_id"])]
            if run["flow_id"]:
                lines.append(Line("flow", run["flow_id"]))
            if run["run_owner"]:
                lines.append(Line("run owner, as it was recorded:", run["run_owner"]))
            yield Item(
                Line(f"flow run {title}: {times}, {run['status'] or 'status unknown'}"), lines
            )
        if len(runs) > NAMED:
            yield Item(Line(f"and {len(runs) - NAMED:,} more flow runs"))

    def _environments(self) -> Iterator[Item]:
        for number, digest in enumerate(self.environments[:NAMED], start=1):
            told = _environment(self.evidence["environments"][digest])
            yield Item(Line(f"environment {number}: {told}"), [Line("", digest)])
        if len(self.environments) > NAMED:
            yield Item(Line(f"and {len(self.environments) - NAMED:,} more environments"))

    def _records(self) -> Section:
        urns = list(self.numbers)
        items = [self._record(urn) for urn in urns[:LISTED]]
        sentences = []
        if len(urns) > LISTED:
            kinds = Counter(self.graph.records[urn]["kind"] for urn in urns[LISTED:])
            parts = [f"{n:,} {_kind(kind, n)}" for kind, n in sorted(kinds.items())]
            sentences = [Line(f"The nearest {LISTED}; the JSON lists {_and(parts)} more.")]
        return Section("Records, the nearest first", sentences, items, True)

    def _record(self, urn: str) -> Item:
        record = self.graph.records[urn]
        invalid = " INVALID" if urn in self.evidence["invalidated"] else ""
        head = f"{self.label(record)} ({record['kind']}{invalid})"
        return Item(Line(head, urn), list(self._files(record)))

    def _files(self, record: Leaf) -> Iterator[Line]:
        """Where the record's bytes are, and under each URI size and digest."""
        for uri in record["uris"][:NAMED]:
            yield Line("", uri["uri"])
            yield self._content(uri)
        if len(record["uris"]) > NAMED:
            yield Line(f"and {len(record['uris']) - NAMED:,} more files")

    def _content(self, uri: Mapping[str, Any]) -> Line:
        size, digest, when = uri["size"], uri["digest"], ""
        if uri["checks"] and digest is None:
            found = uri["checks"][0]
            size, digest, when = found["size"], found["digest"], f", found {_time(found['at'])}"
        told = "of unknown size" if size is None else f"{size:,} bytes"
        return Line(f"{told}{when},", digest) if digest else Line(f"{told}, without a digest")

    def _checking(self) -> Section:
        tree = self.evidence["tree"]
        return Section(
            "How to check it",
            [
                Line(
                    f"As of {_time(self.evidence['as_of'])}, over {tree['size']:,} "
                    f"{_records(tree['size'])}. Digest of the evidence (Merkle tree, SHA-256, RFC "
                    "6962):",
                    tree["root"],
                ),
                Line(
                    '"braid statement ID --format json -o FILE" keeps it whole; "braid statement '
                    'verify FILE --store URL" tells whether the records still say the same.'
                ),
            ],
        )

    def _told(
        self, title: str, entries: Sequence[Any], tell: Callable[[Any], Item]
    ) -> Iterator[Section]:
        if not entries:
            return
        items = [tell(entry) for entry in entries[-LISTED:]]
        more = len(entries) - len(items)
        cut = [Line(f"The latest {LISTED} of {len(entries):,}; the JSON has all.")] if more else []
        yield Section(title, cut, items)


def _kind(kind: str, number: int) -> str:
    return KINDS[kind][number != 1]


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _records(number: int) -> str:
    return "record" if number == 1 else "records"


def _and(parts: Sequence[str]) -> str:
    return " and ".join([", ".join(parts[:-1]), parts[-1]]) if len(parts) > 1 else parts[0]


def _time(text: str) -> str:
    return f"{text[:10]} {text[11:19]} UTC"


def _duration(begun: str, ended: str) -> str:
    seconds = (datetime.fromisoformat(ended) - datetime.fromisoformat(begun)).total_seconds()
    if seconds < 120:
        return f"{seconds:.1f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def _tags(record: Leaf) -> str:
    return _short(", ".join(f"{name}={tag['value']}" for name, tag in record["tags"].items()))


def _quoted(record: Leaf) -> Iterator[tuple[str, str]]:
    """What is quoted of the documents kept with a record, in brief."""
    for name in ("hyperparameters", "parameters", "error"):
        part = record["documents"].get(name)
        if part is None:
            continue
        if "text" not in part:
            yield name, f"of {part['bytes']:,} bytes with {part['digest']}"
            continue
        value = msgspec.json.decode(part["text"])
        if isinstance(value, Mapping):
            yield name, _short(", ".join(f"{k}={_inner(v)}" for k, v in value.items()))
        else:
            yield name, _short(_inner(value))


def _inner(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _short(text: str) -> str:
    return text if len(text) <= SHORT else text[: SHORT - 4].rstrip(", ") + " ..."


def _environment(document: Any) -> str:
    if not isinstance(document, Mapping):
        return "in a form of its own"
    parts = [_of(document, "hardware", "host", "machine"), _of(document, "software", "system")]
    software = document.get("software")
    if isinstance(software, Mapping):
        if python := software.get("python"):
            parts.append(f"Python {python}")
        if isinstance(packages := software.get("packages"), Mapping):
            parts.append(f"{len(packages):,} packages")
    parts.append(_of(document, "code", "script", "digest"))
    return ", ".join(filter(None, parts)) or f"{', '.join(map(str, document))}"


def _of(document: Mapping[str, Any], part: str, *names: str) -> str:
    inner = document.get(part)
    if not isinstance(inner, Mapping):
        return ""
    values: Iterable[Any] = (inner.get(name) for name in names)
    return " ".join(str(value) for value in values if value)
