"""What does not hold of a statement, one thing at a time."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import msgspec

from provenance_store.values import canonical_json

__all__ = ["Difference", "same"]

MAX_SHOWN = 200


class Difference(NamedTuple):
    """What does not hold: which record (or part of the statement), which field, and both values
    where there are two."""

    record: str
    field: str
    stated: object = None
    found: object = None

    def sentence(self) -> str:
        """For people."""
        if self.stated is None and self.found is None:
            return f"{self.record}: {self.field}."
        return f"{self.record}: {self.field} is stated as {_brief(self.stated)}, but is " + (
            f"{_brief(self.found)}."
        )

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "record": self.record,
            "field": self.field,
            "stated": self.stated,
            "found": self.found,
        }


def same(one: Any, other: Any) -> bool:
    """Whether two values are the same JSON: to Python true is 1, and 1 is 1.0."""
    return one == other and canonical_json(one) == canonical_json(other)


def _brief(value: object) -> str:
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    text = re.sub(r"\s+", " ", text)
    return text if len(text) <= MAX_SHOWN else text[: MAX_SHOWN - 4] + " ..."
