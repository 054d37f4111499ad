"""What an adapter is given, and what it makes of it.

Life cycle: `adapters.derive` asks each adapter in turn whether it `knows` the hosted action
provider, then whether the parameters look like its own (`fits`), and calls `derive` of the one
that does. An adapter reads documents that others wrote: what it cannot read it leaves out, and
with nothing left it raises NotMine, which hands the step to `generic`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any, NamedTuple, Protocol, TypeGuard

from flows.definition.parameter_capture import NOT_RECORDED
from flows.steps.decision import StepDecision
from provenance_store.redaction import REDACTED
from provenance_store.validation.limits import MAX_INTEGER, MAX_NAME, MAX_TAG_NAME, MAX_URI
from provenance_store.validation.uris import normal_uri
from provenance_store.values import TagValue, Uri

__all__ = [
    "FOLDER",
    "FUNCTIONS",
    "RECURSIVE",
    "Action",
    "Adapter",
    "BarePath",
    "Derived",
    "NotMine",
    "Thing",
    "ToldFiles",
    "clean",
    "is_told",
    "items",
    "mapping",
    "scalar",
    "tags",
    "text",
    "tidied",
    "tidied_tags",
]

MAX_TAG = 1024
MAX_TAGS = 64
MAX_ITEMS = 100_000
FOLDER = "folder"
"""The tag of a record that is a place to work in, which somebody made or listed."""
FUNCTIONS = "globus-compute://function/"
"""How the URIs of functions begin."""
RECURSIVE = "recursive"
"""The tag of a record that was moved with all that is in it."""
LEFT_OUT = frozenset({REDACTED, NOT_RECORDED})


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

    @property
    def place(self) -> str:
        """The normal form of its first URI, empty without any."""
        return normal_uri(self.uris[0].uri) if self.uris else ""


class BarePath(NamedTuple):
    """A path without a scheme that a step was given or returned, and whose machine it is of; or a
    ``globus://`` URI that it was given to write to."""

    path: str
    endpoint: str
    """The id of the Compute endpoint, empty where it is not said."""
    returned: bool
    written: bool = False
    """Whether it is an argument whose name says that it is written to, such as ``out``."""


@dataclass(frozen=True, slots=True)
class Derived:
    """What a step used and made; `models` are names of models that it used, `tags` its own.

    `paths` may be files of the run; only what is known of the run can tell. `decision` is what it
    decided, where it did.
    """

    inputs: tuple[Thing, ...] = ()
    outputs: tuple[Thing, ...] = ()
    models: tuple[str, ...] = ()
    tags: Mapping[str, TagValue] = field(default_factory=dict)
    paths: tuple[BarePath, ...] = ()
    decision: StepDecision | None = None

    @property
    def functions(self) -> list[str]:
        """The URIs of the functions that it called."""
        return [thing.place for thing in self.inputs if thing.place.startswith(FUNCTIONS)]


@dataclass(frozen=True, slots=True)
class ToldFiles:
    """Files that a step used and made as rules tell, each at one place."""

    used: tuple[Thing, ...] = ()
    made: tuple[Thing, ...] = ()


class Adapter(Protocol):
    """Knows the documents of one action provider."""

    def knows(self, operation: str) -> bool:
        """Whether the operation is its own: a hosted provider's such as ``/transfer/ls``."""

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


def is_told(value: Any) -> TypeGuard[str]:
    """Whether a value is text, and not what stands for one that was left out of a record."""
    return isinstance(value, str) and value != "" and value not in LEFT_OUT


def text(document: Mapping[str, Any], *names: str) -> str | None:
    """The first of these fields that holds text, None if none does."""
    return next((v for n in names if is_told(v := document.get(n))), None)


def scalar(value: Any) -> TagValue | None:
    """The value if it can be a tag: short text, a number or a boolean."""
    if isinstance(value, str):
        return value if len(value) <= MAX_TAG and is_told(value) else None
    if isinstance(value, bool) or (isinstance(value, float) and math.isfinite(value)):
        return value
    return value if isinstance(value, int) and abs(value) <= MAX_INTEGER else None


def clean(value: str, longest: int = MAX_NAME) -> str:
    """Text that a database can hold: no NUL, no lone surrogates, not too long."""
    if value.isascii() and "\x00" not in value and len(value) <= longest:
        return value
    return value.replace("\x00", "").encode(errors="replace").decode()[:longest]


def tidied(thing: Thing) -> Thing:
    """The thing as a store can hold it, whatever somebody put into a document."""
    uris = tuple(
        Uri(uri.uri, uri.size, uri.digest, uri.media_type)
        for uri in thing.uris
        if len(uri.uri) <= MAX_URI and clean(uri.uri, MAX_URI) == uri.uri
    )
    name = clean(thing.name) or "unnamed"
    return replace(thing, name=name, uris=uris, tags=tidied_tags(thing.tags))


def tidied_tags(found: Mapping[str, TagValue]) -> dict[str, TagValue]:
    """The tags as a store can hold them; of very many the first ones."""
    return {
        clean(name, MAX_TAG_NAME) or "unnamed": clean(value, MAX_TAG)
        if isinstance(value, str)
        else value
        for name, value in islice(found.items(), MAX_TAGS)
    }


def tags(document: Mapping[str, Any], *names: str) -> dict[str, TagValue]:
    """The named fields of a document that can be tags."""
    found = ((name, scalar(document.get(name))) for name in names)
    return {name: value for name, value in found if value is not None}
