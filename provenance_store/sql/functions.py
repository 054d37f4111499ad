"""Functions of ours inside SQLite statements, for rows that never come to Python."""

from __future__ import annotations

import sqlite3
from typing import Any

from provenance_store import redaction
from provenance_store.validation.uris import normal_uri

__all__ = ["SCRUBBED", "URI_NORM", "add_functions"]

SCRUBBED = "braid_scrubbed"
"""A text without secrets."""

URI_NORM = "braid_uri_norm"
"""The normal form of a URI."""


def add_functions(connection: sqlite3.Connection) -> None:
    """Make the functions known to a connection."""
    connection.create_function(URI_NORM, 1, _norm, deterministic=True)
    connection.create_function(SCRUBBED, 1, _scrubbed, deterministic=True)


def _scrubbed(text: Any) -> Any:
    return redaction.scrub_text(text) if isinstance(text, str) else text


def _norm(uri: object) -> str:
    return normal_uri(uri if isinstance(uri, str) else str(uri))
