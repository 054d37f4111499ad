"""Globus Transfer's small operations: what is deleted or listed is used, a new folder is made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from flows.steps.adapters.base import (
    FOLDER,
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
from flows.steps.uris import globus_uri, name_of_uri
from provenance_store.values import Uri

__all__ = ["DeleteAdapter", "ListAdapter", "MakeDirectoryAdapter"]

COLLECTION = ("endpoint_id", "endpoint", "collection_id")


class DeleteAdapter:
    """Deleting: ``items`` are paths, or ``DATA`` has one in each item."""

    def knows(self, operation: str) -> bool:
        return operation == "/transfer/delete"

    def fits(self, parameters: Mapping[str, Any]) -> bool:
        return any(name in parameters for name in COLLECTION) and bool(_paths(parameters))

    def derive(self, action: Action) -> Derived:
        parameters = mapping(action.parameters)
        used = tuple(_place(parameters, path) for path in _paths(parameters))
        if not used:
            raise NotMine
        found = tags({**parameters, **action.details}, "task_id", "label", "recursive")
        return Derived(used, tags={"operation": "delete", **found})


class MakeDirectoryAdapter:
    """Making a folder."""

    def knows(self, operation: str) -> bool:
        return operation == "/transfer/mkdir"

    def fits(self, parameters: Mapping[str, Any]) -> bool:
        return False  # a collection and a path: too little to tell it from other operations

    def derive(self, action: Action) -> Derived:
        parameters = mapping(action.parameters)
        made = (_folder(parameters, text(parameters, "path")),) if action.succeeded else ()
        return Derived((), made, tags={"operation": "mkdir"})


class ListAdapter:
    """Listing a folder."""

    def knows(self, operation: str) -> bool:
        return operation in ("/transfer/ls", "/transfer/stat")

    def fits(self, parameters: Mapping[str, Any]) -> bool:
        return False  # as for making a folder

    def derive(self, action: Action) -> Derived:
        parameters = mapping(action.parameters)
        listed = (_folder(parameters, text(parameters, "path") or "/~/"),)
        return Derived(listed, tags={"operation": "ls", "entries": _count(action.details)})


def _paths(parameters: Mapping[str, Any]) -> list[str]:
    listed = parameters.get("items")
    paths = [p for p in listed if is_told(p)] if isinstance(listed, list) else []
    return paths + [p for i in items(parameters.get("DATA")) if (p := text(i, "path"))]


def _place(parameters: Mapping[str, Any], path: str | None) -> Thing:
    collection = text(parameters, *COLLECTION)
    if collection is None or path is None:
        raise NotMine
    uri = globus_uri(collection, path)
    return Thing(name_of_uri(uri), uris=(Uri(uri),))


def _folder(parameters: Mapping[str, Any], path: str | None) -> Thing:
    """A place to work in: what is in it need not be known."""
    return replace(_place(parameters, path), tags={FOLDER: True})


def _count(details: Mapping[str, Any]) -> int:
    return sum(1 for _ in items(details.get("DATA")))
