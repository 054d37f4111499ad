"""Which Globus collection shows the files of which Compute endpoint, as far as somebody said so."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

from flows.settings import ENDPOINT_COLLECTION, ENDPOINT_COLLECTIONS
from flows.steps.run_files import path_key

__all__ = ["CollectionRoot", "Collections", "collections_of_settings", "read_collections"]


class CollectionRoot(NamedTuple):
    """A collection, and the folder of the endpoint's file system that is its root."""

    collection: str
    folder: str

    def below(self, key: str) -> str | None:
        """A path of the file system as the collection has it; None when it is not below the
        root."""
        if not self.folder:
            return key
        if key == self.folder:
            return "/"
        return key.removeprefix(self.folder) if key.startswith(f"{self.folder}/") else None


Collections = Mapping[str, CollectionRoot]
"""Roots by the id of the endpoint."""


@lru_cache(maxsize=64)
def read_collections(given: tuple[str, ...]) -> Collections:
    """Collections by endpoint, from texts such as ``ENDPOINT=COLLECTION:/FOLDER``; what is not of
    this form is left out."""
    found: dict[str, CollectionRoot] = {}
    for text in given:
        if (match := ENDPOINT_COLLECTION.fullmatch(text)) is not None:
            folder = path_key(match[3]) if (match[3] or "").strip("/") else ""
            found[match[1].lower()] = CollectionRoot(match[2].lower(), folder)
    return found


def collections_of_settings() -> Collections:
    """Those that the environment names."""
    return read_collections(ENDPOINT_COLLECTIONS.get())
