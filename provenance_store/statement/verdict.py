"""Whether a statement holds, all told."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from provenance_store.statement import envelope as dsse
from provenance_store.statement.compare import Present, against_store
from provenance_store.statement.envelope import read_json
from provenance_store.statement.verify import Difference, against_itself, read_statement

__all__ = ["Verdict", "judge", "opened"]

Signature = Literal["none", "unchecked", "holds", "broken"]


@dataclass(frozen=True)
class Verdict:
    """What was checked and what came of it.

    `altered` are differences of the statement with itself, `changed` those with a store, which
    is None when there was none to compare with.
    """

    root: str
    records: int
    signature: Signature
    signature_wanted: bool
    altered: tuple[Difference, ...]
    changed: tuple[Difference, ...] | None
    notes: tuple[str, ...]

    @property
    def is_whole(self) -> bool:
        """Whether it follows from itself."""
        return not self.altered

    @property
    def compared(self) -> bool:
        """Whether there was a store to compare with."""
        return self.changed is not None

    @property
    def is_same(self) -> bool:
        """Whether a store says the same today."""
        return not self.changed

    @property
    def holds(self) -> bool:
        """Whether nothing that was checked failed."""
        signed = self.signature == "holds" or not self.signature_wanted
        return self.is_whole and self.is_same and signed

    @property
    def differences(self) -> tuple[Difference, ...]:
        """All of them."""
        return self.altered + (self.changed or ())

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "holds": self.holds,
            "root": self.root,
            "records": self.records,
            "signature": self.signature,
            "altered": [one.document() for one in self.altered],
            "changed": None if self.changed is None else [one.document() for one in self.changed],
            "notes": list(self.notes),
        }


def opened(document: Any, *, path: str = "") -> tuple[dict[str, Any], Mapping[str, Any] | None]:
    """The statement in a document, and the envelope that it came in, if it is signed.

    Raises BadFile, with the path that the document has, when it is neither.
    """
    if not isinstance(document, dict) or not dsse.is_envelope(document):
        return read_statement(document, path=path), None
    inside = read_json(dsse.payload_of(document), path=f"{path}: payload" if path else "payload")
    return read_statement(inside, path=path), document


def judge(
    statement: Mapping[str, Any],
    envelope: Mapping[str, Any] | None,
    *,
    public_key: bytes | None = None,
    look: Callable[[], Present] | None = None,
) -> Verdict:
    """Check a statement against itself, its signature, and what a store says at present.

    `look` is called for that, if the statement is whole: `DocumentReader.evidence_again`. With a
    `public_key` (PEM) a statement that is not signed does not hold.
    """
    evidence = statement["predicate"]["evidence"]
    altered = tuple(against_itself(statement))
    changed: list[Difference] | None = None
    notes: list[str] = []
    if look is not None and not altered:
        changed, notes = against_store(statement, look())
    return Verdict(
        root=evidence["root"],
        records=len(evidence["leaves"]),
        signature=_signature(envelope, public_key),
        signature_wanted=public_key is not None,
        altered=altered,
        changed=None if changed is None else tuple(changed),
        notes=tuple(notes),
    )


def _signature(envelope: Mapping[str, Any] | None, public_key: bytes | None) -> Signature:
    if envelope is None:
        return "none"
    if public_key is None:
        return "unchecked"
    return "holds" if dsse.signed_by(envelope, public_key) else "broken"
