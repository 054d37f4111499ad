"""What tables and details show of a document: the columns, the text of their values, safe to
write anywhere.

A value has one text for people, in which times, sizes, durations and long numbers are short, and
one for CSV, which has it whole. Names, notes and errors come from others: what could drive a
terminal, or show text in another order than it has, is escaped.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from provenance_store.display import duration, rounded, size

__all__ = ["UNKNOWN", "Document", "Field", "Form", "inert", "json_text", "printable", "told_time"]

BLANKS = frozenset("\t\n\r")
JOINERS = frozenset("\u200c\u200d")
"""Invisible, but Persian and Hindi cannot be written without them, nor many emoji."""
UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff"
    "\U000e0000-\U000e007f]"
)
"""What may be in a document's strings and a terminal may obey: control characters, what sets the
direction of text, line separators, lone surrogates (no UTF-8 file holds them), invisible tags."""


def json_text(document: object) -> str:
    """The document as indented JSON in which nothing can drive a terminal."""
    return inert(json.dumps(document, indent=2, ensure_ascii=False))


def inert(text: str) -> str:
    r"""JSON or PROV-N with its unsafe characters, all inside strings, as ``\uXXXX``."""
    return UNSAFE.sub(_escape, text)


def _escape(found: re.Match[str]) -> str:
    # json.dumps leaves DEL, which is ASCII, as it is.
    return "\\u007f" if found[0] == "\x7f" else json.dumps(found[0])[1:-1]


def printable(text: str) -> str:
    r"""The text on one line, with what could drive a terminal escaped as ``\x9b`` or ``\u202e``."""
    return text if text.isprintable() else "".join(map(_shown, text))


def _shown(character: str) -> str:
    if character.isprintable() or character in JOINERS:
        return character
    if character in BLANKS or unicodedata.category(character) == "Zs":
        return " "
    code = ord(character)
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


Document = Mapping[str, Any]
UNKNOWN = "1970-01-01T00:00:00.000000+00:00"
"""The time of what was imported from a document without times."""
LONGEST_LIST = 80
"""In a table, of names with values (tags, scores) those within so many characters are shown."""


class Form(Enum):
    """What a value is, and so how people read it and whether a narrow table may shorten it."""

    TEXT = auto()
    """Folded between words; a longer word loses its middle."""
    WHOLE = auto()
    """An id, a status or a number: never shortened."""
    TIME = auto()
    """RFC 3339, to the second in UTC."""
    RUN = auto()
    """The id of a run: of a UUID its beginning, where that names one run of the table alone."""
    SIZE = auto()
    """Bytes."""
    SECONDS = auto()
    """A duration."""
    URIS = auto()
    """One or several: the first, without its middle where room is short, and how many more."""


@dataclass(frozen=True)
class Field:
    """A column or a line: its title, and where its value is in a document.

    ``value`` is a key (``"run.label"`` for one inside another) or a function of the document, and
    ``people`` one for text where that shows something else than CSV. Where a table is too wide for
    a terminal, columns of a high ``rank`` are left out first. Text has what is ``wide`` only when
    asked for it, and what is ``sparse`` only where any row has it.
    """

    title: str
    value: str | Callable[[Document], object]
    form: Form = Form.TEXT
    rank: int = 0
    wide: bool = False
    sparse: bool = False
    people: Callable[[Document], object] | None = None

    @property
    def name(self) -> str:
        """What CSV and ``--columns`` call it."""
        return printable(self.title).lower().replace(" ", "_")

    def of(self, document: Document) -> str:
        """The value as one line of text, whole; empty when there is none."""
        return _text(self.raw(document))

    def told(self, document: Document) -> str:
        """The value for people; nothing is left out of it but fractions of seconds and bytes."""
        return self._formed(self._for_people(document))

    def cell(self, document: Document, *, whole: bool = False) -> str:
        """The value for a table: long numbers rounded, and unless ``whole`` of many names with
        values the first ones."""
        value = self._for_people(document)
        text = self._formed(value, short=True)
        if whole or not isinstance(value, Mapping) or len(text) <= LONGEST_LIST:
            return text
        shown = text[: LONGEST_LIST - 5].rpartition(", ")[0] or text[: LONGEST_LIST - 5]
        return f"{shown}, ..."

    def raw(self, document: Document) -> object:
        if callable(self.value):
            return self.value(document)
        found: object = document
        for key in self.value.split("."):
            found = found.get(key) if isinstance(found, Mapping) else None
        return found

    def _for_people(self, document: Document) -> object:
        return self.raw(document) if self.people is None else self.people(document)

    def _formed(self, value: object, *, short: bool = False) -> str:
        if self.form is Form.TIME and isinstance(value, str):
            return told_time(value)
        if self.form is Form.SIZE and isinstance(value, int):
            return size(value)
        if self.form is Form.SECONDS and isinstance(value, int | float):
            return duration(value)
        return _text(value, short=short)


def told_time(text: object) -> str:
    """An RFC 3339 time as people read it: to the second, in UTC; empty when there is none."""
    if text == UNKNOWN:
        return "unknown"
    return printable(str(text or "")[:19].replace("T", " "))


def _text(value: object, *, short: bool = False) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()  # as it is searched, and in JSON
    if isinstance(value, float) and short:
        return rounded(value)
    if isinstance(value, Mapping):
        pairs = (f"{key}={_inner(item, short=short)}" for key, item in value.items())
        return printable(", ".join(pairs))
    if isinstance(value, list | tuple):
        return printable(", ".join(_text(item, short=short) for item in value))
    return printable(str(value))


def _inner(value: object, *, short: bool) -> str:
    """A value beside others: what has parts of its own is told as JSON."""
    if isinstance(value, Mapping | list | tuple):
        return inert(json.dumps(value, ensure_ascii=False))
    return _text(value, short=short)
