"""What `flows` reads from the environment."""

from __future__ import annotations

from provenance_store.settings import Setting, bounded_int

__all__ = ["SETTINGS"]

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

SETTINGS: tuple[Setting[int], ...] = (DEFINITION_LIMIT_BYTES, DEFINITION_DEPTH, LOG_LIMIT_BYTES)
"""What `flows` reads from the environment."""
