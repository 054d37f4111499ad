"""What all parts of a statement's account need: the evidence, and how its records are named."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from provenance_store.quantities import counted
from provenance_store.statement.document import evidence_of
from provenance_store.statement.graph import Graph, Leaf
from provenance_store.statement.prose import Line
from provenance_store.statement.wording import duration, imported_by, label, time_of

__all__ = ["LISTED", "NAMED", "Story"]

LISTED = 100
"""So many records are told one by one."""
NAMED = 5
"""So many are named where they are told of."""


class Story:
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

    def names_of(self, urns: Sequence[str], most: int = NAMED) -> str:
        """The first of these by name, and how many more there are."""
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

    def unlisted(self, record: Leaf) -> Iterator[Line]:
        """Id and files of a record that is too far away to be in the list of records."""
        if self.numbers[record["id"]] > LISTED:
            yield Line("", record["id"])
            yield from self.files(record)

    def files(self, record: Leaf, most: int = NAMED) -> Iterator[Line]:
        """Where the record's bytes are, and under each URI size and digest."""
        for uri in record["uris"][:most]:
            yield Line("", uri["uri"])
            yield self._content(uri)
        if (more := len(record["uris"]) - most) > 0:
            yield Line(f"and {counted(more, 'more file')}")

    def _content(self, uri: Mapping[str, Any]) -> Line:
        size, digest, when = uri["size"], uri["digest"], ""
        if uri["checks"] and digest is None:
            found = uri["checks"][0]
            size, digest, when = found["size"], found["digest"], f", found {time_of(found['at'])}"
        told = "of unknown size" if size is None else counted(size, "byte")
        return Line(f"{told}{when},", digest) if digest else Line(f"{told}, without a digest")
