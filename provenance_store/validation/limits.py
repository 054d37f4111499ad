"""What the store takes: the limits of every text and number, each in one place.

Lengths are in characters, times and durations in microseconds.
"""

from __future__ import annotations

__all__ = [
    "AHEAD",
    "MAX_DIGEST",
    "MAX_INTEGER",
    "MAX_MEDIA_TYPE",
    "MAX_NAME",
    "MAX_NOTE",
    "MAX_ORIGIN_FIELD",
    "MAX_PRINCIPAL",
    "MAX_RUN_FIELD",
    "MAX_RUN_ID",
    "MAX_RUN_TAG",
    "MAX_SMALL",
    "MAX_STATUS",
    "MAX_STEP_FIELD",
    "MAX_TAG_NAME",
    "MAX_TAG_TEXT",
    "MAX_URI",
    "ORDERED_TIMES",
    "YEARS",
]

MAX_NAME = 1024
MAX_URI = 8192
MAX_TAG_NAME = 256
"""Of tags, metrics and documents."""
MAX_TAG_TEXT = 16_384
MAX_NOTE = 16_384
MAX_STEP_FIELD = 8192
MAX_STATUS = 64
MAX_RUN_ID = 64
MAX_RUN_FIELD = 4096
MAX_RUN_TAG = 512
MAX_MEDIA_TYPE = 256
MAX_DIGEST = 256
MAX_PRINCIPAL = 512
MAX_ORIGIN_FIELD = 512
MAX_INTEGER = (1 << 63) - 1
MAX_SMALL = (1 << 31) - 1
"""Places in a run, numbers of versions."""
AHEAD = 24 * 3600 * 1_000_000
"""How far the clock of a machine that records may be ahead of ours."""
ORDERED_TIMES = (("record", "created_at"), ("tag", "set_at"), ("mark", "at"), ("run_event", "at"))
"""Tables and columns of the times of which the latest counts."""
YEARS = range(-62_135_596_800_000_000, 253_402_300_800_000_000)
"""The microseconds since 1970 that can be written as a time: the years 1 to 9999 UTC."""
