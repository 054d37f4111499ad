"""Settings: a name, a default and a help text each, declared once and read nowhere else.

Every package lists its own in a ``settings.py`` like this one; the environment is only ever
read through `Setting.get`, and passed on by `inherited`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from provenance_store.errors import ConfigurationError

__all__ = ["SETTINGS", "Setting", "bounded_int", "inherited", "optional_text"]

T = TypeVar("T")


def inherited(environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """What a process is to be started with: these variables, by default this process's own."""
    return dict(os.environ if environ is None else environ)


@dataclass(frozen=True)
class Setting(Generic[T]):
    """One environment variable: its name, default, meaning and parser."""

    name: str
    default: T
    help: str
    parse: Callable[[str], T]

    def get(self, environ: Mapping[str, str] | None = None) -> T:
        """The value in the environment, or the default when unset or empty.

        Raises ConfigurationError when the value does not parse; the value itself is not
        repeated, for it may be a secret.
        """
        text = (os.environ if environ is None else environ).get(self.name, "")
        if not text:
            return self.default
        try:
            return self.parse(text)
        except ValueError as error:
            raise ConfigurationError(f"{self.name} is not valid: {error}. {self.help}") from None


def bounded_int(low: int, high: int) -> Callable[[str], int]:
    """A parser for whole numbers from low to high, both included."""

    def parse(text: str) -> int:
        if not text.strip().isdecimal() or not low <= int(text) <= high:
            raise ValueError(f"a whole number from {low} to {high} is needed")
        return int(text)

    return parse


def optional_text(text: str) -> str | None:
    """A parser for text that may be absent."""
    return text


def file_mode(text: str) -> str:
    """A parser for permissions of a file, octal as chmod takes them."""
    if not text.strip() or set(text.strip()) - set("01234567") or int(text, 8) > 0o777:
        raise ValueError("an octal number such as 600 or 640 is needed")
    return text.strip()


STORE_URL = Setting(
    "BRAID_STORE_URL",
    "sqlite:///braid.db",
    "Where the store is: sqlite:///FILE, a path, or postgresql://USER@HOST/DATABASE.",
    str,
)
PAGE_CACHE_MB = Setting(
    "BRAID_SQLITE_CACHE_MB",
    64,
    "SQLite page cache of each connection, in MB.",
    bounded_int(1, 65536),
)
BUSY_TIMEOUT_MS = Setting(
    "BRAID_BUSY_TIMEOUT_MS",
    30_000,
    "How long a call waits for the store, in milliseconds: for another writer, for a lock or a "
    "connection, or for a database server that does not answer. `braid serve` waits 5000.",
    bounded_int(0, 3_600_000),
)
SQLITE_MODE = Setting(
    "BRAID_SQLITE_MODE",
    "600",
    "Permissions of a new SQLite file, octal; 600 is for its owner alone. Files that are there "
    "keep theirs.",
    file_mode,
)
MAX_PAYLOAD_BYTES = Setting(
    "BRAID_MAX_PAYLOAD_BYTES",
    65_536,
    "Largest parameters, result or error document kept with a step, in bytes of JSON; "
    "of a larger one the digest, the size and the beginning are kept.",
    bounded_int(1024, 16_777_216),
)
MAX_IMPORT_BYTES = Setting(
    "BRAID_MAX_IMPORT_BYTES",
    64 << 20,
    "Largest document that is imported, in bytes, and how many bytes of the files in an RO-Crate "
    "are read to compare them.",
    bounded_int(1024, 1 << 34),
)

SETTINGS: tuple[Setting[int] | Setting[str], ...] = (
    STORE_URL,
    PAGE_CACHE_MB,
    BUSY_TIMEOUT_MS,
    SQLITE_MODE,
    MAX_PAYLOAD_BYTES,
    MAX_IMPORT_BYTES,
)
"""What `provenance_store` reads from the environment."""
