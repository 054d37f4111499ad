"""Adapters of small providers: DataCite, `/query`, Search ingest, and any other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from flows.steps.adapters.base import (
    Action,
    Derived,
    NotMine,
    Thing,
    is_told,
    items,
    mapping,
    tags,
    text,
)
from flows.steps.decision import DecidedOption, StepDecision
from flows.steps.uris import is_uri, name_of_uri, tidy_uri
from provenance_store.values import TagValue, Uri

__all__ = ["DataciteAdapter", "GenericAdapter", "QueryAdapter", "SearchIngestAdapter"]


class DataciteAdapter:
    """Knows the hosted minting provider, whose body holds ``Doi`` as DataCite's JSON API does."""

    def knows(self, operation: str) -> bool:
        return operation == "/datacite/mint" or operation.startswith("/datacite/mint/")

    def fits(self, parameters: Mapping[str, Any]) -> bool:
        return bool(_attributes(mapping(parameters.get("Doi"))))

    def derive(self, action: Action) -> Derived:
        asked = _attributes(mapping(mapping(action.parameters).get("Doi")))
        given = _attributes(action.details) or _attributes(mapping(action.details.get("data")))
        if not asked:
            raise NotMine
        url = text(asked, "url")
        inputs = (_page(url),) if url and is_uri(url) else ()
        doi = text(given, "doi") or text(asked, "doi")
        if doi is None or not action.succeeded:
            return Derived(inputs)
        return Derived(inputs, (_doi(doi, asked, tuple(range(len(inputs)))),))


def _attributes(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """The attributes of a DOI document, its own id standing in for a ``doi`` that they lack."""
    attributes = mapping(document.get("attributes"))
    own = text(document, "id")
    return {"doi": own, **attributes} if attributes and own else attributes


def _page(url: str) -> Thing:
    uri = tidy_uri(url)
    return Thing(name_of_uri(uri), uris=(Uri(uri),))


def _doi(doi: str, attributes: Mapping[str, Any], derived_from: tuple[int, ...]) -> Thing:
    titles = (text(item, "title") for item in items(attributes.get("titles")))
    title = next((title for title in titles if title), f"DOI {doi}")
    found: dict[str, TagValue] = {"doi": doi, **tags(attributes, "publisher", "publicationYear")}
    uri = Uri(f"https://doi.org/{quote(doi.lower(), safe='/()<>;:.-_')}")
    return Thing(title, uris=(uri,), tags=found, derived_from=derived_from)


LISTS = {"models": ("models", "best"), "records": ("records", "newest")}
"""By what is asked: the lists of an answer, and the thing in it that comes first."""
ASKED = frozenset({*LISTS, "validity"})


class QueryAdapter:
    """Knows no hosted provider: every Braid server answers questions at an address of its own."""

    def knows(self, operation: str) -> bool:
        return False

    def fits(self, parameters: Mapping[str, Any]) -> bool:
        return text(parameters, "ask") in ASKED

    def derive(self, action: Action) -> Derived:
        parameters, details = mapping(action.parameters), action.details
        ask = text(parameters, "ask") or ""
        if not action.succeeded or details.get("ask") != ask:
            raise NotMine
        decide = _validity if ask == "validity" else _search
        return Derived(decision=decide(ask, parameters, details, action.url))


def _search(
    ask: str, parameters: Mapping[str, Any], details: Mapping[str, Any], url: str | None
) -> StepDecision:
    name, first = LISTS[ask]
    order, best = text(parameters, "best"), mapping(details.get(first))
    policy = "newest"
    if order is not None:
        policy = f"{'highest' if parameters.get('highest') is True else 'lowest'} {order}"
    return StepDecision(
        question=f"Which of these {ask}?",
        policy=policy,
        decider=url,
        options=tuple(_option(item) for item in items(details.get(name))),
        chosen=tuple(_ids([best])),
    )


def _validity(
    _: str, __: Mapping[str, Any], details: Mapping[str, Any], url: str | None
) -> StepDecision:
    asked = details.get("of")
    told = {one: item for item in items(details.get("invalid")) for one in _ids([item])}
    ids = [one for one in asked if is_told(one)] if isinstance(asked, list) else []
    options = (
        DecidedOption(id=one, why=_why(told[one])) if one in told else DecidedOption(id=one)
        for one in dict.fromkeys([*ids, *told])
    )
    return StepDecision(
        question="Which of these can be relied on?",
        policy="not invalidated, nor derived from what is",
        decider=url,
        options=tuple(options),
        chosen=tuple(one for one in ids if one not in told),
    )


def _option(item: Mapping[str, Any]) -> DecidedOption:
    value, version = item.get("value"), item.get("version")
    name = text(item, "name")
    return DecidedOption(
        id=next(_ids([item]), None),
        name=f"{name}@v{version}" if name and type(version) is int else name,
        score=value if isinstance(value, int | float) and type(value) is not bool else None,
        why="invalidated" if item.get("valid") is False else None,
    )


def _why(invalid: Mapping[str, Any]) -> str | None:
    cause = text(mapping(invalid.get("invalidated")) or invalid, "cause")
    return f"invalidated: {cause}" if cause else "invalidated"


def _ids(found: list[Mapping[str, Any]]) -> Iterator[str]:
    return (one for item in found if (one := text(item, "id")) is not None)


class SearchIngestAdapter:
    """Knows the hosted ingest provider."""

    def knows(self, operation: str) -> bool:
        return operation == "/search/ingest"

    def fits(self, parameters: Mapping[str, Any]) -> bool:
        return "search_index" in parameters and any(_entries(parameters))

    def derive(self, action: Action) -> Derived:
        parameters = mapping(action.parameters)
        index, entries = text(parameters, "search_index"), list(_entries(parameters))
        if not index or not entries:
            raise NotMine
        inputs: list[Thing] = []
        outputs: list[Thing] = []
        for entry in entries:
            place: tuple[int, ...] = ()
            if is_uri(subject := entry["subject"]):
                place = (len(inputs),)
                uri = tidy_uri(subject)
                inputs.append(Thing(name_of_uri(uri), uris=(Uri(uri),)))
            if action.succeeded:
                outputs.append(_entry(index, entry, place))
        found = tags(parameters, "search_index") | tags(action.details, "task_id")
        return Derived(tuple(inputs), tuple(outputs), tags=found)


def _entries(parameters: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The entries with a subject, in whichever form they are given."""
    data = mapping(parameters.get("ingest_data"))
    listed = items(data.get("gmeta"))
    return (entry for entry in (parameters, data, *listed) if text(entry, "subject"))


def _entry(index: str, entry: Mapping[str, Any], derived_from: tuple[int, ...]) -> Thing:
    subject, entry_id = entry["subject"], text(entry, "id")
    end = f"#{quote(entry_id, safe='')}" if entry_id else ""
    uri = Uri(f"globus-search://{quote(index.lower(), safe='')}/{quote(subject, safe='')}{end}")
    found = tags(entry, "subject", "id")
    return Thing(f"entry {subject}", uris=(uri,), tags=found, derived_from=derived_from)


class GenericAdapter:
    """Fits everything and never fails."""

    def knows(self, operation: str) -> bool:
        return True

    def fits(self, parameters: Mapping[str, Any]) -> bool:
        return True

    def derive(self, action: Action) -> Derived:
        """The label and display status of the action as tags of the step."""
        return Derived(tags=tags(mapping(action.result), "label", "display_status"))
