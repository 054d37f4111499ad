"""What an adapter is given, and what it makes of it.

Life cycle: `adapters.derive` asks each adapter in turn whether it `knows` the URL of the action
provider, then whether the parameters look like its own (`fits`), and calls `derive` of the one
that does. An adapter reads documents that others wrote: what it cannot read it leaves out, and
with nothing left it raises NotMine, which hands the step to `generic`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from provenance_store.values import MAX_INTEGER, TagValue, Uri

__all__ = [
    "Action",
    "Adapter",
    "Derived",
    "NotMine",
    "Thing",
    "items",
    "mapping",
    "scalar",
    "tags",
    "text",
]

MAX_TAG = 1024
MAX_ITEMS = 100_000


class NotMine(Exception):
    """The documents are not those of the adapter's action provider."""


@dataclass(frozen=True, slots=True)
class Action:
    """One call of an action provider: secrets are already redacted.

    `called` is false for states that call none.
    """

    name: str
    url: str | None
    parameters: Any
    result: Any
    succeeded: bool
    called: bool = True

    @property
    def details(self) -> Mapping[str, Any]:
        """The provider's own part of the result, {} if there is none."""
        return mapping(mapping(self.result).get("details"))


@dataclass(frozen=True, slots=True)
class Thing:
    """A record to make, or to find again by its URI when it is an input.

    `derived_from` are places among the inputs; `value` is kept with the record as JSON.
    """

    name: str
    kind: str = "data"
    uris: tuple[Uri, ...] = ()
    tags: Mapping[str, TagValue] = field(default_factory=dict)
    derived_from: tuple[int, ...] = ()
    value: Any = None


@dataclass(frozen=True, slots=True)
class Derived:
    """What a step used and made; `models` are names of models that it used, `tags` its own."""

    inputs: tuple[Thing, ...] = ()
    outputs: tuple[Thing, ...] = ()
    models: tuple[str, ...] = ()
    tags: Mapping[str, TagValue] = field(default_factory=dict)


class Adapter(Protocol):
    """Knows the documents of one action provider."""

    def knows(self, host: str, path: str) -> bool:
        """Whether this is where the provider is: lower case host, path without end slash."""

    def fits(self, parameters: Mapping[str, Any]) -> bool:
        """Whether parameters look like those that the provider takes."""

    def derive(self, action: Action) -> Derived:
        """What the step used and made; raises NotMine when it cannot tell."""


def mapping(value: Any) -> Mapping[str, Any]:
    """The value if it is a mapping, else an empty one."""
    return value if isinstance(value, Mapping) else {}


def items(value: Any) -> Iterator[Mapping[str, Any]]:
    """The mappings in a list; none if it is no list."""
    listed = value[:MAX_ITEMS] if isinstance(value, list) else []
    return (item for item in listed if isinstance(item, Mapping))


def text(document: Mapping[str, Any], *names: str) -> str | None:
    """The first of these fields that holds text, None if none does."""
    return next((v for n in names if isinstance(v := document.get(n), str) and v), None)


def scalar(value: Any) -> TagValue | None:
    """The value if it can be a tag: short text, a number or a boolean."""
    if isinstance(value, str):
        return value if len(value) <= MAX_TAG and value else None
    if isinstance(value, bool | float):
        return value
    return value if isinstance(value, int) and abs(value) <= MAX_INTEGER else None


def tags(document: Mapping[str, Any], *names: str) -> dict[str, TagValue]:
    """The named fields of a document that can be tags."""
    found = ((name, scalar(document.get(name))) for name in names)
    return {name: value for name, value in found if value is not None}
