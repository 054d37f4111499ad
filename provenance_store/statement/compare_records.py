"""One record of a statement beside the same record today, field by field."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from typing import Any

from provenance_store.queries.documents import RESTRICTED
from provenance_store.statement.verify import Difference, same

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
                if name == "model" and key == "curve" and key in before and key in now:
                    yield from _curve(urn, before[key], now[key])
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


def _curve(urn: str, stated: Mapping[str, Any], today: Mapping[str, Any]) -> Iterator[Difference]:
    """Both as far as was stated: points that are gone, or came among them; else changed values.

    A point has no time of its own, so one that was logged late, before the last place that is
    stated, cannot be told from one that somebody made up.
    """
    wrong = []
    if "ends" in stated:
        before, now = (
            {(end["by"], end["name"]): end for end in some.get("ends", ())}
            for some in (stated, today)
        )
        for by, name in sorted(before.keys() | now.keys()):
            one, other = before.get((by, name)), now.get((by, name))
            for key in ("points", "last"):
                told, found = (None if end is None else end[key] for end in (one, other))
                if told != found:
                    last = "" if one is None else f" up to {one['last']}"
                    where = f"model.curve: {key} of {name} by {by}{last}"
                    wrong.append(Difference(urn, where, told, found))
    if not wrong:
        wrong = [
            Difference(urn, f"model.curve.{key}", stated[key], today[key])
            for key in ("values", "digest")
            if not same(stated[key], today[key])
        ]
    yield from wrong


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
