"""One record as a statement lists it, beside the same record today."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from typing import Any

from provenance_store.documents import RESTRICTED
from provenance_store.statement.differences import Difference, same

__all__ = ["compare_records"]

Leaf = Mapping[str, Any]

DROPPED_BY_AGE = ("tags", "documents")
ABOUT_A_FILE = ("size", "digest", "media_type", "checks")


def compare_records(
    stated: Leaf, today: Leaf, *, reduced: bool, known: Set[str], saw_less: bool
) -> Iterator[Difference]:
    """Each field that differs.

    `reduced`: what goes with age may be gone. With `saw_less`, whoever made the statement did not
    see all, and ends of links that are not `known`, the statement's records, may be hidden.
    """
    urn = stated["id"]
    yield from _links(stated, today, known)
    for name in sorted((stated.keys() | today.keys()) - {"links", "hidden_links"}):
        before, now = stated.get(name), today.get(name)
        if same(before, now):
            continue
        if name == "uris":
            yield from _uris(urn, before, now)
        elif isinstance(before, dict) and isinstance(now, dict):
            for key in sorted(before.keys() | now.keys()):
                if same(before.get(key), now.get(key)) or (reduced and _dropped(name, key, now)):
                    continue
                if saw_less and _is_hidden(key, before, now, known):
                    continue
                yield Difference(urn, f"{name}.{key}", before.get(key), now.get(key))
        else:
            yield Difference(urn, name, before, now)


def _dropped(name: str, key: str, now: Mapping[str, Any]) -> bool:
    """Whether this is gone from a record, and not another now, where things were dropped by age."""
    if name == "model":
        return (key == "scores" and not now[key]) or (key == "curve" and now[key]["values"] == 0)
    return name in DROPPED_BY_AGE and key not in now


def _is_hidden(
    key: str, before: Mapping[str, Any], now: Mapping[str, Any], known: Set[str]
) -> bool:
    """Whether one of both sides may not see the first version or the parent of a model."""
    if key not in ("line", "parent"):
        return False
    told, is_so = before.get(key), now.get(key)
    return is_so == RESTRICTED or (told == RESTRICTED and is_so is not None and is_so not in known)


def _uris(urn: str, told: Any, found: Any) -> Iterator[Difference]:
    stated, today = ({uri["uri"]: uri for uri in some or ()} for some in (told, found))
    for uri in sorted(stated.keys() | today.keys()):
        if uri not in today or uri not in stated:
            where = "stated only" if uri in stated else "in the store only"
            yield Difference(urn, f"the file {uri} is {where}")
            continue
        for key in ABOUT_A_FILE:
            before, now = stated[uri].get(key), today[uri].get(key)
            if key in ("digest", "checks"):
                before, now = _spelled(before), _spelled(now)
            if not same(before, now):
                yield Difference(urn, f"{key} of {uri}", before, now)


def _spelled(value: Any) -> Any:
    """A digest in lower case, as records of before may not have it; and so in checks."""
    if isinstance(value, list):
        return [{**check, "digest": _spelled(check["digest"])} for check in value]
    return value.lower() if isinstance(value, str) else value


def _links(stated: Leaf, today: Leaf, known: Set[str]) -> Iterator[Difference]:
    """Links that are gone; and new ones, beyond those that whoever asked could not see."""
    urn = stated["id"]
    before = {(link["role"], link["to"]) for link in stated["links"]}
    now = {(link["role"], link["to"]) for link in today["links"]}
    gone, added = sorted(before - now), sorted(now - before)
    if len(gone) <= today["hidden_links"]:
        gone = []  # whoever asks today may not see them
    if len(added) <= stated["hidden_links"] and not any(to in known for _, to in added):
        added = []  # whoever made the statement did not see them
    for role, to in gone:
        yield Difference(urn, f"the link {role} {to} is stated only")
    for role, to in added:
        yield Difference(urn, f"the link {role} {to} is in the store only")
    hidden = len(now) + today["hidden_links"] - len(before)
    if not gone and not added and hidden != stated["hidden_links"]:
        yield Difference(urn, "the number of hidden links", stated["hidden_links"], hidden)
