"""How commands show what they found: tables and details for people, JSON or CSV for programs.

JSON is the document itself, the very one the query API answers with. On a terminal tables are
drawn with rich; into a pipe they are plain aligned columns that `grep` and `awk` can read.

Names, notes and errors come from others: what could drive a terminal, or show text in another
order than it has, is escaped here (`printable`, `json_text`) before it is written anywhere.
"""

from __future__ import annotations

import csv
import json
import re
import sys
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.tree import Tree

__all__ = [
    "Display",
    "Document",
    "Field",
    "as_recorded",
    "in_words",
    "inert",
    "json_text",
    "printable",
    "say",
    "short_time",
]

Document = Mapping[str, Any]

ROWS = {
    "record": "records",
    "link": "links",
    "late_link": "links that became known later",
    "same_as": "records that are one thing, in both directions",
    "alias": "aliases of model versions",
    "tag": "tags",
    "uri": "files and URIs",
    "file_check": "later digests of files",
    "metric": "metric values",
    "payload": "documents",
    "parameter": "searchable parameters",
    "version": "model versions",
    "step": "steps",
    "outcome": "ends of steps",
    "stub": "stubs",
    "mark": "marks",
    "run": "runs",
    "run_event": "reports on runs",
    "run_tag": "tags of runs",
    "environment": "environments",
    "origin": "origins",
    "audience": "audiences",
    "audience_member": "members of audiences",
    "taint": "known to be invalid",
}
"""What the rows of the store's tables are to people; a test holds that it is all of them."""
LONGEST_LIST = 80
"""In a table, of names with values (tags, scores) those within so many characters are shown."""
WHOLE_FIRST, WHOLE = 40, 19
"""Cells that a terminal table does not fold: of the first column, which names the row, and of the
others, up to so many characters; an id can then be copied, and a time stays on its line."""
NARROWEST = 10
"""What is left to a column that is folded, in characters."""
SILENT = 3_600
"""Seconds after which a run that goes on is shown with when it was last heard of."""
TREE_WIDTH = 10_000
"""Where lines of a tree are cut, in characters."""


BLANKS = frozenset("\t\n\r")
JOINERS = frozenset("\u200c\u200d")
"""Invisible, but Persian and Hindi cannot be written without them, nor many emoji."""
UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff"
    "\U000e0000-\U000e007f]"
)
"""What may be in a document's strings and a terminal may obey: control characters, what sets the
direction of text, line separators, lone surrogates (no UTF-8 file holds them), invisible tags."""


@dataclass(frozen=True)
class Field:
    """A column or a line: its title, and where its value is in a document.

    ``value`` is a key (``"run.label"`` for one inside another) or a function of the document;
    What is ``wide`` is for CSV only; all else CSV and text show alike.
    """

    title: str
    value: str | Callable[[Document], object]
    wide: bool = False

    def of(self, document: Document) -> str:
        """The value as one line of text; empty when there is none."""
        return _text(self.raw(document))

    def brief(self, document: Document) -> str:
        """The value for a table: of many names with values the first ones."""
        value, text = self.raw(document), self.of(document)
        if not isinstance(value, Mapping) or len(text) <= LONGEST_LIST:
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


@dataclass(frozen=True)
class Display:
    """Writes documents to standard output in the format that was asked for."""

    format: str = "text"

    def table(
        self, document: Document, *, rows: str, fields: Sequence[Field], empty: str = "None."
    ) -> None:
        """Show the list under ``rows``; text says ``empty`` when there is nothing in it."""
        found: Sequence[Document] = document[rows]
        if self.format == "json":
            return self.json(document)
        if self.format == "csv":
            return _csv(found, fields)
        if found:
            _table(found, [field for field in fields if not field.wide])
        else:
            click.echo(empty, err=True)
        if document.get("has_next_page"):
            click.echo(printable(f"More: --marker {document.get('marker')}"), err=True)

    def details(self, document: Document, *, fields: Sequence[Field]) -> None:
        """Show one document, a line a field; lines without a value are left out."""
        if self.format == "json":
            return self.json(document)
        titles = [printable(f"{field.title}:") for field in fields]
        width = max(map(len, titles))
        for title, field in zip(titles, fields, strict=True):
            if text := field.of(document):
                click.echo(f"{title:<{width}} {text}")

    def lines(self, texts: Sequence[str], *, empty: str = "None.") -> None:
        """A line each; ``empty`` on standard error when there is none."""
        for text in texts:
            click.echo(printable(text))
        if not texts:
            click.echo(empty, err=True)

    def tree(self, tree: Tree) -> None:
        """A tree, drawn; long lines are left to the terminal to fold."""
        from rich.console import Console

        Console(highlight=False, width=TREE_WIDTH).print(tree, soft_wrap=True)

    def json(self, document: object) -> None:
        """The document as it is, indented, keys in their own order."""
        click.echo(json_text(document))


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


def say(text: str) -> None:
    """A line on standard error, ``braid: text``, without secrets. Never raises: whoever closed it
    wants none."""
    from provenance_store.redaction import scrub_text

    text = scrub_text(text)
    with suppress(OSError, ValueError):
        click.echo(f"braid: {printable(text)}", err=True)


def in_words(rows: Mapping[str, int]) -> str:
    """Rows by table, in people's words: ``12 records, 3 tags``."""
    return ", ".join(f"{rows[name]:,} {words}" for name, words in ROWS.items() if rows.get(name))


UNKNOWN = "1970-01-01T00:00:00.000000+00:00"


def short_time(key: str) -> Callable[[Document], str]:
    """A field's value: the RFC 3339 time under ``key``, to the second, in UTC."""

    def value(document: Document) -> str:
        text = str(document.get(key) or "")
        # What was imported from a document without times has none.
        return "unknown" if text == UNKNOWN else text[:19].replace("T", " ")

    return value


def run_status(run: Document) -> str:
    """A run's status; of one that goes on and was silent for an hour, since when."""
    status, heard = str(run.get("status") or ""), run.get("last_heard_at")
    if not isinstance(heard, str):
        return status
    silent = (datetime.now(UTC) - datetime.fromisoformat(heard)).total_seconds()
    return status if silent < SILENT else f"{status}, last heard of {ago(silent)}"


def ago(seconds: float) -> str:
    """How long ago, in the largest unit of which there is one: ``3 days ago``."""
    for size, name in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if (number := int(seconds // size)) > 0:
            return f"{number} {name}{'' if number == 1 else 's'} ago"
    return "just now"


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return printable(", ".join(f"{key}={_inner(item)}" for key, item in value.items()))
    if isinstance(value, list | tuple):
        return printable(", ".join(_text(item) for item in value))
    return printable(str(value))


def _inner(value: object) -> str:
    """A value beside others: what has parts of its own is told as JSON."""
    if isinstance(value, Mapping | list | tuple):
        return inert(json.dumps(value, ensure_ascii=False))
    return _text(as_recorded(value))


def as_recorded(value: object) -> object:
    """A value that somebody recorded: truth values are spelled as they are searched and in JSON."""
    return str(value).lower() if isinstance(value, bool) else value


def _csv(found: Iterable[Document], fields: Sequence[Field]) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow([printable(field.title).lower().replace(" ", "_") for field in fields])
    writer.writerows([_inert(field.of(document)) for field in fields] for document in found)


def _inert(text: str) -> str:
    """The text so that no spreadsheet takes it for a formula; numbers stay numbers."""
    if not text.startswith(("=", "+", "-", "@")):
        return text
    try:
        float(text)
    except ValueError:
        return f"'{text}"
    return text


def _table(found: Sequence[Document], fields: Sequence[Field]) -> None:
    rows = [[field.brief(document) for field in fields] for document in found]
    titles = [printable(field.title) for field in fields]
    if sys.stdout.isatty():
        _rich_table(titles, rows)
    else:
        _plain_table(titles, rows)


def _plain_table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    widths = [max(map(len, column)) for column in zip(titles, *rows, strict=True)]
    for row in [titles, *rows]:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        click.echo("  ".join(cells).rstrip())


def _rich_table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    titles, rows = _filled_columns(titles, rows)
    whole = _whole_columns(titles, rows, console.width)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for place, title in enumerate(titles):
        table.add_column(title, overflow="fold", no_wrap=place in whole)
    for row in rows:
        table.add_row(*map(Text, row))
    console.print(table)


def _filled_columns(
    titles: Sequence[str], rows: Sequence[Sequence[str]]
) -> tuple[list[str], list[list[str]]]:
    """The table without columns in which no row has anything: a terminal has no room for them."""
    kept = [place for place, column in enumerate(zip(*rows, strict=True)) if any(column)]
    return [titles[place] for place in kept], [[row[place] for place in kept] for row in rows]


def _whole_columns(titles: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> set[int]:
    """The columns that are not folded, as far as there is room for them, from the left."""
    longest = [max(map(len, column)) for column in zip(titles, *rows, strict=True)]
    room = width + 2 - sum(min(length, NARROWEST) + 2 for length in longest)
    whole = set()
    for place, length in enumerate(longest):
        more = length - min(length, NARROWEST)
        if length <= (WHOLE if place else WHOLE_FIRST) and more <= room:
            whole.add(place)
            room -= more
    return whole
