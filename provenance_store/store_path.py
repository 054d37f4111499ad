"""A store that is named by the path of its SQLite file, and not by a URL."""

from __future__ import annotations

import os
import re
from pathlib import Path

__all__ = ["store_path"]

_NO_PATH = re.compile(r"\s*$|:|[\w+.-]+:|[\w-]+=|.*://", re.DOTALL)
"""Nothing, a URL or something like one, and ``host=… password=…`` as PostgreSQL's programs take."""


def store_path(given: str | os.PathLike[str]) -> str | None:
    """The path that is given, of a text with ``~`` filled in; None for what is a URL, or is meant
    as one."""
    if isinstance(given, os.PathLike):
        return os.fsdecode(given)
    if _NO_PATH.match(given) or "\x00" in given:
        return None
    try:
        return str(Path(given).expanduser()) if given.startswith("~/") else given
    except RuntimeError:  # nobody's home
        return given
