"""Tables for people, drawn with rich, and as CSV.

Into a pipe a table is as wide as it is, in plain aligned columns that `grep` and `awk` can read. On
a terminal, or where COLUMNS is set, it fits: cells are folded between words, long words and URIs
lose their middle, and where that is not enough columns are left out, the least important first.
"""

from __future__ import annotations

import csv
import re
import shutil
import sys
import textwrap
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from braid.cli.fields import Document, Field, Form, printable

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.table import Table
    from rich.text import Text

__all__ = [
    "Below",
    "chosen",
    "elided",
    "elided_uri",
    "folded",
    "room",
    "write_csv",
    "write_table",
    "write_trimmed",
]

GAP = 2
"""Spaces between columns."""
INDENT = 7
"""Spaces before what stands below a row."""
MOST_LINES = 3
"""Of a cell that is folded."""
NARROWEST = 10
LONGEST_WORD = 16
"""A column of text is not made so narrow that words of fewer characters lose their middle."""
NARROWEST_OF = {Form.TEXT: LONGEST_WORD, Form.URIS: 32}
NARROWEST_LIST = 24
"""Of names with values, such as tags."""
BEGINNING = 8
"""Characters of a UUID that are shown of it where room is short."""
UUID = re.compile(r"\b([0-9a-f]{8})-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b", re.IGNORECASE)
ELLIPSIS = "\u2026"


def write_csv(found: Iterable[Document], fields: Sequence[Field]) -> None:
    """A header and a row a document, to standard output, every value whole."""
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow([field.name for field in fields])
    writer.writerows([_no_formula(field.of(document)) for field in fields] for document in found)


def chosen(fields: Sequence[Field], names: Sequence[str]) -> list[Field]:
    """The columns of these names in their order. Raises UsageError for a name of none."""
    known = {field.name: field for field in fields}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise click.UsageError(
            f"Unknown column {unknown[0]!r}; the columns are {', '.join(known)}."
        )
    return [known[name] for name in names]


@dataclass(frozen=True)
class Below:
    """What stands below each row of a table that must fit a terminal, and no column is left out
    for: ``lines`` of a document, each a title and a text, in place of the columns ``instead_of``.
    Rows of which the text under the key ``above`` is the same have it as a heading.
    """

    lines: Callable[[Document], Iterable[tuple[str, str]]]
    instead_of: frozenset[str]
    above: str = ""


def write_table(
    found: Sequence[Document],
    fields: Sequence[Field],
    *,
    wide: bool,
    every_column: bool,
    fit: bool,
    below: Below | None = None,
) -> None:
    """The table on standard output, and on standard error which columns had no room.

    ``wide`` shows every value whole, ``every_column`` leaves none out, and nothing is ``below`` the
    rows then. Without ``fit`` it is as wide as it comes, as into a pipe.
    """
    width = room() if fit else None
    if width is not None and below is not None and not every_column:
        rest = [field for field in fields if field.name not in below.instead_of]
        _fitted(found, rest, width, every_column=False, below=below)
    elif width is None:
        rows = [[field.cell(document, whole=wide) for field in fields] for document in found]
        _plain([printable(field.title) for field in fields], rows)
    else:
        _fitted(found, fields, width, every_column=every_column)


def room() -> int | None:
    """The width that a table must fit into; None for a pipe, unless COLUMNS is set."""
    return shutil.get_terminal_size((0, 0)).columns or None


def _no_formula(text: str) -> str:
    """The text so that no spreadsheet takes it for a formula; numbers stay numbers."""
    if not text.startswith(("=", "+", "-", "@")):
        return text
    try:
        float(text)
    except ValueError:
        return f"'{text}"
    return text


def _plain(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    widths = [max(map(len, column)) for column in zip(titles, *rows, strict=True)]
    for row in [titles, *rows]:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        click.echo("  ".join(cells).rstrip())


# ---- on a terminal ---------------------------------------------------------------------


@dataclass
class _Column:
    """A column with its cells, how wide it would be, and how narrow it may become."""

    field: Field
    cells: list[str]
    widest: int
    narrowest: int
    width: int = 0


def _fitted(
    found: Sequence[Document],
    fields: Sequence[Field],
    width: int,
    *,
    every_column: bool,
    below: Below | None = None,
) -> None:
    from rich.console import Console

    columns = [_column(found, field) for field in fields]
    columns = [each for each in columns if every_column or any(each.cells)]
    left_out = [] if every_column else _left_out(columns, width)
    columns = [each for each in columns if each not in left_out]
    _share(columns, width)
    # With a height too, for else rich takes a dumb terminal to be 80 columns wide.
    console = Console(width=max(width, _needed(columns)), height=len(found) + 1, highlight=False)
    rows = list(zip(*(each.cells for each in columns), strict=True))
    if below is None:
        write_trimmed(console, _table(console, columns, rows))
    else:
        heading = None
        if below.above:
            write_trimmed(console, _table(console, columns, []))
        for number, (document, row) in enumerate(zip(found, rows, strict=True)):
            if below.above and document[below.above] != heading:
                heading = document[below.above]
                click.echo("\n" + folded("", heading, width, hang=2))
            write_trimmed(
                console, _table(console, columns, [row], titled=not number and not below.above)
            )
            for title, text in below.lines(document):
                click.echo(folded(f"{' ' * INDENT}{title}  ", text, width))
    if left_out:
        names = ", ".join(each.field.name for each in left_out)
        told = f"{names}. --wide shows all, --columns chooses."
        click.echo(folded(f"Left out to fit {width} columns: ", told, width, hang=2), err=True)


def write_trimmed(console: Console, content: RenderableType) -> None:
    """What rich draws, without the spaces that it ends lines with."""
    from rich.segment import Segment, Segments

    trimmed: list[Segment] = []
    for line in console.render_lines(content, pad=False):
        while line and not line[-1].text.strip(" "):
            line.pop()
        if line:
            line[-1] = line[-1]._replace(text=line[-1].text.rstrip(" "))
        trimmed += [*line, Segment.line()]
    console.print(Segments(trimmed), end="")


def _table(
    console: Console,
    columns: Sequence[_Column],
    rows: Sequence[Sequence[str]],
    *,
    titled: bool = True,
) -> Table:
    from rich.table import Table

    about: dict[str, Any] = {"show_header": titled, "header_style": "bold"}
    table = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0), **about)
    for each in columns:
        title = printable(each.field.title)
        table.add_column(title, width=each.width, overflow="ellipsis")
    for row in rows:
        cells = zip(columns, row, strict=True)
        table.add_row(*(_folded(console, each, cell) for each, cell in cells))
    return table


def folded(begin: str, text: str, width: int, *, hang: int | None = None) -> str:
    """The text behind a beginning, in lines of a width that are broken between words, each under
    the first, or `hang` spaces from the left; a longer word is left to the terminal."""
    return textwrap.fill(
        printable(text),
        width=max(width, len(begin) + LONGEST_WORD) if hang is None else width,
        initial_indent=begin,
        subsequent_indent=" " * (len(begin) if hang is None else hang),
        break_long_words=False,
        break_on_hyphens=False,
    )


def _column(found: Sequence[Document], field: Field) -> _Column:
    from rich.cells import cell_len

    cells = [field.cell(document) for document in found]
    if field.form is Form.RUN:
        cells = _beginnings(cells)
    title = _narrowest_title(printable(field.title))
    widest = max(title, *map(cell_len, cells))
    if field.form not in NARROWEST_OF:
        return _Column(field, cells, widest, widest)
    least = NARROWEST_OF[field.form]
    if field.form is Form.TEXT:
        is_list = any(isinstance(field.raw(document), dict) for document in found)
        words = (cell_len(word) for cell in cells for word in cell.split())
        least = NARROWEST_LIST if is_list else max(NARROWEST, min(least, max(words, default=0)))
    return _Column(field, cells, widest, min(widest, max(title, least)))


def _narrowest_title(title: str) -> int:
    """How wide a column must be for its title to take two lines at most."""
    longest = max(map(len, title.split()), default=0)
    fits = (width for width in range(longest, len(title)) if len(textwrap.wrap(title, width)) <= 2)
    return next(fits, len(title))


def _beginnings(ids: Sequence[str]) -> list[str]:
    """Of UUIDs the beginnings, if they tell the ids of the table apart."""
    short = [UUID.sub(r"\1", text) if UUID.fullmatch(text) else text for text in ids]
    return short if len(set(short)) == len(set(ids)) else list(ids)


def _needed(columns: Sequence[_Column]) -> int:
    return sum(each.width or each.narrowest for each in columns) + GAP * (len(columns) - 1)


def _left_out(columns: Sequence[_Column], width: int) -> list[_Column]:
    """The columns for which there is no room; the first one always stays."""
    stay = list(columns)
    while len(stay) > 1 and _needed(stay) > width:
        stay.remove(max(reversed(stay[1:]), key=lambda each: each.field.rank))
    return [each for each in columns if each not in stay]


def _share(columns: Sequence[_Column], width: int) -> None:
    """Give the room that is left to those that want more, the most modest first."""
    room = width - _needed(columns)
    modest_first = sorted(columns, key=lambda each: each.widest - each.narrowest)
    for place, each in enumerate(modest_first):
        share = max(room, 0) // (len(columns) - place)
        more = min(each.widest - each.narrowest, share)
        each.width = each.narrowest + more
        room -= more


def _folded(console: Console, column: _Column, text: str) -> Text:
    """A cell in at most MOST_LINES lines; no word is broken."""
    from rich.cells import cell_len
    from rich.text import Text

    width = column.width
    if column.field.form is Form.URIS:
        return Text(_uris(text, width))
    words = (elided(word, width) for word in text.split(" "))
    lines = [line.plain.rstrip() for line in Text(" ".join(words)).wrap(console, width)]
    if len(lines) > MOST_LINES:
        last = lines[MOST_LINES - 1]
        while last and cell_len(last) > width - 2:
            last = last.rpartition(" ")[0]
        lines[MOST_LINES - 1 :] = [f"{last} {ELLIPSIS}".lstrip()]
    return Text("\n".join(lines))


def _uris(text: str, width: int) -> str:
    from rich.cells import cell_len

    uris = text.split(", ")
    more = f" +{len(uris) - 1}" if len(uris) > 1 else ""
    return text if cell_len(text) <= width else elided_uri(uris[0], width - len(more)) + more


def elided(text: str, width: int) -> str:
    """A word without its middle if it is wider than that: names often differ at the end."""
    from rich.cells import cell_len, set_cell_size

    if cell_len(text) > width:
        text = UUID.sub(rf"\1{ELLIPSIS}", text)
    if cell_len(text) <= width:
        return text
    behind = max(width - 1, 0) // 2
    end = text[len(text) - behind :]
    while cell_len(end) > behind:
        end = end[1:]
    return f"{set_cell_size(text, width - 1 - cell_len(end)).rstrip()}{ELLIPSIS}{end}"


def elided_uri(uri: str, width: int) -> str:
    """A URI in so many characters: UUIDs by their beginnings, then without folders from the front,
    so that the place and the name of the file are left."""
    from rich.cells import cell_len

    if cell_len(uri) <= width:
        return uri
    short = UUID.sub(rf"\1{ELLIPSIS}", uri)
    scheme, mark, rest = short.partition("://")
    host, *folders = rest.split("/")
    begin = f"{scheme}{mark}{host}/{ELLIPSIS}/"
    while cell_len(short) > width and len(folders) > 1:
        folders.pop(0)
        short = begin + "/".join(folders)
    if cell_len(short) > width and folders:
        begin = f"{scheme}{mark}{ELLIPSIS}/"
        short = begin + elided(folders[-1], max(width - cell_len(begin), 1))
    return elided(short, width)
