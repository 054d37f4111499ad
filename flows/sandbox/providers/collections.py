"""Folders that act as Globus collections."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from flows.sandbox.providers.base import ActionFailed

__all__ = ["Collection", "Collections"]


@dataclass(frozen=True)
class Collection:
    """A folder under a collection's id and name."""

    id: str
    name: str
    root: Path

    def locate(self, path: str) -> Path:
        """The file or folder behind a path of the collection.

        ``/`` and ``/~/`` are the folder itself. Raises ActionFailed for a path that leads out of
        the folder, be it by ``..`` or through a symbolic link.
        """
        relative = path.removeprefix("/~").removeprefix("~").lstrip("/")
        if "\0" in path:
            raise _outside(self, path)
        found = Path(os.path.normpath(self.root / relative))
        resolved = found.resolve()
        if resolved != self.root and self.root not in resolved.parents:
            raise _outside(self, path)
        return found


def _outside(collection: Collection, path: str) -> ActionFailed:
    text = f"{path!r} is not inside the collection {collection.name}."
    return ActionFailed({"code": "PermissionDenied", "description": text})


class Collections:
    """The collections of one sandbox by id."""

    def __init__(self) -> None:
        self._collections: dict[str, Collection] = {}

    def add(self, name: str, folder: Path, collection_id: str) -> str:
        """Registers a folder, creating it when it is missing; gives the id."""
        folder.mkdir(parents=True, exist_ok=True)
        self._collections[collection_id] = Collection(collection_id, name, folder.resolve())
        return collection_id

    def get(self, collection_id: object) -> Collection:
        """The collection with an id. Raises ActionFailed when there is none."""
        found = self._collections.get(str(collection_id))
        if found is None:
            text = f"There is no collection {collection_id}."
            raise ActionFailed({"code": "EndpointNotFound", "description": text})
        return found

    def all(self) -> list[Collection]:
        """All collections, oldest first."""
        return list(self._collections.values())

    def name_of(self, collection_id: object) -> str | None:
        """The name of the collection with an id, or None when there is none."""
        found = self._collections.get(str(collection_id))
        return found.name if found else None
