"""The rules of a conventions file, as they are written, and what may not stand in them."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal, get_args

import msgspec

from flows.harvest.template import problem_of
from provenance_store.errors import InvalidInput

__all__ = ["MAKING", "PLACES", "FileRule", "PlaceRule", "Places", "Rule", "check"]

How = Literal["used", "trained", "updated", "deployed"]
MAKING = ("trained", "updated")
_FILE_HOWS = ("used", "made")
_FILE_KINDS = ("data", "fact")
_OF_VERSIONS = ("new", "hyperparameters", "metrics", "scores", "trained_on", "depends_on")
"""What only a model that is trained or updated can have."""


class PlaceRule(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Where bytes are: a path on a collection, or a URI. A path to a list of them means all."""

    collection: str | None = None
    path: str | None = None
    root: str | None = None
    """The folder that is the root of the collection, taken off the beginning of the path."""
    uri: str | None = None
    size: str | int | None = None
    digest: str | None = None
    media_type: str | None = None


Places = str | PlaceRule | list[str | PlaceRule]
PLACES = ("uri", "uris", "trained_on", "depends_on")


class _Rule(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Which steps a rule speaks of, and where it finds what it speaks of."""

    state: str | list[str] | None = None
    function: str | list[str] | None = None
    how: str = "used"
    each: str | None = None
    """A path to a list: one for each item, which paths find at ``$.item``."""
    uri: str | PlaceRule | None = None
    uris: Places | None = None

    @property
    def states(self) -> list[str]:
        """The patterns of names of states that it speaks of."""
        return _listed(self.state)

    @property
    def functions(self) -> list[str]:
        """The functions that it speaks of."""
        return _listed(self.function)

    def fits(self, name: str, functions: Sequence[str]) -> bool:
        """Whether it speaks of a state of that name that calls these Compute functions."""
        wanted = self.functions
        return self.names(name) and (not wanted or any(each in functions for each in wanted))

    def names(self, state: str) -> bool:
        """Whether it may speak of a state of that name, whatever that calls."""
        patterns = self.states
        return not patterns or any(fnmatch.fnmatchcase(state, pattern) for pattern in patterns)


class FileRule(_Rule, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """One ``[[file]]``."""

    name: str | None = None
    """Without it, the last part of the path."""
    kind: str = "data"
    tags: dict[str, str | int | float | bool] | None = None


class Rule(_Rule, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """One ``[[model]]``."""

    name: str
    new: bool | None = None
    version: str | int | float | None = None
    """Kept as the tag ``version``: a flow's own name for it, Braid counts by itself."""
    digest: str | None = None
    size: str | int | None = None
    hyperparameters: str | dict[str, Any] | None = None
    metrics: str | dict[str, str] | None = None
    scores: str | dict[str, str | int | float] | None = None
    trained_on: Places | None = None
    """Without it, all that the step used."""
    depends_on: Places | None = None
    """What the version builds on otherwise, such as the weights that training began with."""
    tags: dict[str, str | int | float | bool] | None = None


def _listed(value: str | list[str] | None) -> list[str]:
    return [] if value is None else value if isinstance(value, list) else [value]


# ---- checks ------------------------------------------------------------------------------


def check(rule: Rule | FileRule, path: Callable[[], str]) -> None:
    """Raise InvalidInput with the place of what makes no sense, `path` telling the rule's own."""
    for field, message in _problems(rule):
        raise InvalidInput(message, path=f"{path()}.{field}" if field else path())


def _problems(rule: Rule | FileRule) -> Iterator[tuple[str, str]]:
    if not rule.states and not rule.functions:
        yield "", "say of which state or function this is."
    hows = get_args(How) if isinstance(rule, Rule) else _FILE_HOWS
    if rule.how not in hows:
        yield "how", f"must be one of {', '.join(hows)}; got {rule.how!r:.80}."
    if rule.name is not None and not rule.name.strip():
        yield "name", "must not be empty."
    yield from _problems_of_model(rule) if isinstance(rule, Rule) else _problems_of_file(rule)
    for name in ("each", "hyperparameters", "metrics"):
        value = getattr(rule, name, None)
        if isinstance(value, str) and not value.startswith("$."):
            yield name, f"{value!r:.80} is not a path such as $.returned.history."
    yield from _problems_of_paths(rule)
    yield from _problems_of_places(rule)


def _problems_of_model(rule: Rule) -> Iterator[tuple[str, str]]:
    for name in _OF_VERSIONS if rule.how not in MAKING else ():
        if getattr(rule, name) is not None:
            yield name, 'belongs to a model that is made: say how = "trained" or "updated".'
    if rule.new and rule.how != "trained":
        yield "new", 'belongs to how = "trained": what is updated is there already.'
    if rule.size is not None and rule.uri is None and rule.uris is None and rule.digest is None:
        yield "size", "is said of bytes: give their uri or digest too."


def _problems_of_file(rule: FileRule) -> Iterator[tuple[str, str]]:
    if rule.uri is None and rule.uris is None:
        yield "", "say where the file is: give its uri."
    if rule.kind not in _FILE_KINDS:
        yield "kind", f"must be one of {', '.join(_FILE_KINDS)}; got {rule.kind!r:.80}."


_LISTS = ("each", "metrics", "uris", "trained_on", "depends_on")
"""Where a path may find several values."""


def _problems_of_paths(rule: Rule | FileRule) -> Iterator[tuple[str, str]]:
    for field in rule.__struct_fields__:
        if field in ("state", "function"):
            continue
        for name, text in _texts(msgspec.to_builtins(getattr(rule, field)), field):
            problem = problem_of(
                text,
                lists=field in _LISTS,
                each=rule.each is not None and field != "each",
            )
            if problem is not None:
                yield name, problem


def _texts(value: Any, name: str) -> Iterator[tuple[str, str]]:
    """The texts in a value, with the names of their places."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _texts(item, f"{name}.{key}")
    elif isinstance(value, list):
        for place, item in enumerate(value):
            yield from _texts(item, f"{name}[{place}]")
    elif isinstance(value, str):
        yield name, value


def _problems_of_places(rule: Rule | FileRule) -> Iterator[tuple[str, str]]:
    for field in PLACES:
        given = getattr(rule, field, None)
        for number, place in enumerate(given if isinstance(given, list) else [given]):
            if isinstance(place, PlaceRule) and (problem := _problem_of_place(place)):
                yield (f"{field}[{number}]" if isinstance(given, list) else field), problem


def _problem_of_place(place: PlaceRule) -> str | None:
    if place.uri is None and (place.collection is None or place.path is None):
        return "give a collection and a path, or a uri."
    if place.uri is not None and (place.collection or place.path or place.root):
        return "give a collection and a path, or a uri, not both."
    return None
