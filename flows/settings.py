"""What `flows` reads from the environment."""

from __future__ import annotations

import re
from typing import Any

from provenance_store.settings import Setting, bounded_int

__all__ = ["ENDPOINT_COLLECTION", "SETTINGS", "endpoint_collections"]

ENDPOINT_COLLECTION = re.compile(r"([\w.-]+)=([\w.-]+)(?::(/[^\x00-\x1f,]*))?")
"""A Compute endpoint, the collection of its files, and the folder that is the collection's root."""


def endpoint_collections(text: str) -> tuple[str, ...]:
    """A parser for several `ENDPOINT_COLLECTION`, with commas between them."""
    given = tuple(part for each in text.split(",") if (part := each.strip()))
    for part in given:
        if not ENDPOINT_COLLECTION.fullmatch(part):
            raise ValueError("it must be ENDPOINT=COLLECTION or ENDPOINT=COLLECTION:/FOLDER")
    return given


DEFINITION_LIMIT_BYTES = Setting(
    "BRAID_DEFINITION_LIMIT_BYTES",
    2_097_152,
    "Largest flow definition file that is read, in bytes.",
    bounded_int(1024, 67_108_864),
)
DEFINITION_DEPTH = Setting(
    "BRAID_DEFINITION_DEPTH",
    64,
    "Deepest nesting of objects and lists in a flow definition file.",
    bounded_int(8, 256),
)
LOG_LIMIT_BYTES = Setting(
    "BRAID_LOG_LIMIT_BYTES",
    536_870_912,
    "Largest log of a flow run that is read, from a file or from Globus, in bytes.",
    bounded_int(1024, 17_179_869_184),
)
ENDPOINT_COLLECTIONS: Setting[tuple[str, ...]] = Setting(
    "BRAID_ENDPOINT_COLLECTIONS",
    (),
    "Which collection has the files of which Compute endpoint: ENDPOINT=COLLECTION, or "
    "ENDPOINT=COLLECTION:/FOLDER with the folder that is the collection's root; several with "
    "commas. Where nothing is said, it is assumed from the run.",
    endpoint_collections,
)

SETTINGS: tuple[Setting[Any], ...] = (
    DEFINITION_LIMIT_BYTES,
    DEFINITION_DEPTH,
    LOG_LIMIT_BYTES,
    ENDPOINT_COLLECTIONS,
)
"""What `flows` reads from the environment."""
