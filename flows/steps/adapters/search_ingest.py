"""Globus Search ingest: what is described is used, its entry in the index is made.

Reads one entry (``search_index``, ``subject``, ``content``, ``id``), and ``ingest_data`` holding a
GMetaEntry or a GMetaList.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from flows.steps.adapters.base import Action, Derived, NotMine, Thing, items, mapping, tags, text
from flows.steps.uris import is_uri, name_of_uri, tidy_uri
from provenance_store.values import Uri

__all__ = ["SearchIngestAdapter"]


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
