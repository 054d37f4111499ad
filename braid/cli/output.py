"""How commands show what they found: tables and details for people, JSON or CSV for programs."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from braid.cli.fields import Document, Field, Form, inert, json_text, printable, told_time
from braid.cli.tables import Below, chosen, folded, room, write_csv, write_table, write_trimmed
from provenance_store.display import counted

__all__ = [
    "Display",
    "Document",
    "Field",
    "Form",
    "ago",
    "bad_end",
    "brief_cause",
    "cause",
    "ended",
    "in_words",
    "inert",
    "json_text",
    "marked",
    "printable",
    "run_status",
    "say",
    "seconds_between",
    "told_time",
    "validity",
]


def cause(document: Document) -> str:
    """Since when a record is invalid (UTC), and why; empty when it is not."""
    return _invalid(document, told_time)


def brief_cause(document: Document) -> str:
    """`cause` with the day alone."""
    return _invalid(document, lambda at: told_time(at)[:10])


def _invalid(document: Document, told: Callable[[str], str]) -> str:
    found = document.get("invalidated")
    if not found:
        return ""
    since = f" since {told(found['at'])}" if found.get("at") else ""
    return f"INVALID{since}: {found['cause']}"


def bad_end(document: Document) -> str:
    """How a step ended that did not succeed, or the one that made a model version, such as FAILED;
    "not ended" where it goes on, empty for all else."""
    status = document.get("status")
    words = {"ACTIVE": "not ended", "SUCCEEDED": ""}
    return words.get(status, str(status)) if status else ""


def marked(text: str, document: Document) -> str:
    """What stands for a record, and that its step did not succeed, or since when and why it is
    invalid."""
    marks = [*filter(None, (bad_end(document), brief_cause(document)))]
    return f"{text} ({', '.join(marks)})" if marks else text


def ended(of: str | None = None) -> Field:
    """The column for how the steps of model versions ended, or of what each row has under the key
    `of`: in text only where any did not succeed."""

    def version(row: Document) -> Document:
        return row if of is None else row[of]

    return Field(
        "Status",
        lambda row: version(row).get("status"),
        Form.WHOLE,
        sparse=True,
        people=lambda row: bad_end(version(row)),
    )


def validity(of: str | None = None) -> Field:
    """The column for since when and why rows are invalid, or what each has under the key `of`: in
    text only where any is, and with the day alone."""

    def one(row: Document) -> Document:
        return row if of is None else row[of]

    return Field(
        "Validity",
        lambda row: cause(one(row)),
        sparse=True,
        people=lambda row: brief_cause(one(row)),
    )


if TYPE_CHECKING:
    from rich.tree import Tree

ROWS: Mapping[str, tuple[str, str]] = {
    "record": ("record", "records"),
    "link": ("link", "links"),
    "late_link": ("link that became known later", "links that became known later"),
    "same_as": ("record that is one thing with another", "records that are one thing with others"),
    "alias": ("alias of a model version", "aliases of model versions"),
    "tag": ("tag", "tags"),
    "uri": ("file or URI", "files and URIs"),
    "file_check": ("later digest of a file", "later digests of files"),
    "metric": ("metric value", "metric values"),
    "payload": ("document", "documents"),
    "parameter": ("searchable parameter", "searchable parameters"),
    "version": ("model version", "model versions"),
    "step": ("step", "steps"),
    "outcome": ("end of a step", "ends of steps"),
    "stub": ("stub", "stubs"),
    "mark": ("mark", "marks"),
    "run": ("run", "runs"),
    "run_event": ("report on a run", "reports on runs"),
    "run_tag": ("tag of a run", "tags of runs"),
    "environment": ("environment", "environments"),
    "origin": ("origin", "origins"),
    "audience": ("audience", "audiences"),
    "audience_member": ("member of an audience", "members of audiences"),
    "taint": ("record known to be invalid", "records known to be invalid"),
}
"""What one row, and several, of the store's tables are to people; a test holds that it is all."""
SILENT = 3_600
"""Seconds after which a run that goes on is shown with when it was last heard of."""
TREE_WIDTH = 10_000
"""Where lines of a tree are cut in a pipe, in characters."""
BRANCH, NARROWEST_LABEL = 4, 28
"""Columns of each level of a tree, and those that its texts have at the least, on a terminal."""


@dataclass(frozen=True)
class Display:
    """Writes documents to standard output in the format that was asked for.

    ``columns`` are those of a table that were asked for, none for the usual ones; ``wide`` is
    whether a table has all columns, and every value whole; in a file, which ``to_file`` is for,
    it need fit no terminal.
    """

    format: str = "text"
    columns: tuple[str, ...] = ()
    wide: bool = False
    to_file: bool = False

    @property
    def is_table(self) -> bool:
        """Whether a table was asked for where text is usually something else."""
        return bool(self.columns) or self.wide

    def table(
        self,
        document: Document,
        *,
        rows: str,
        fields: Sequence[Field],
        empty: str = "None.",
        below: Below | None = None,
    ) -> None:
        """Show the list under ``rows``; text says ``empty`` when there is nothing in it, with
        the document's ``hint`` if it has one. On a terminal a row may have lines ``below`` it.

        Raises UsageError for columns that are none.
        """
        found: Sequence[Document] = document[rows]
        if self.format == "json":
            return self.json(document)
        asked = chosen(fields, self.columns)
        if self.format == "csv":
            return write_csv(found, asked or fields)
        if found:
            shown = asked or [field for field in fields if self._has(field, found)]
            fit = not (self.wide or self.to_file)
            about = {"wide": self.wide, "every_column": bool(asked), "fit": fit}
            write_table(found, shown, **about, below=below)
        else:
            hint = document.get("hint")
            click.echo(f"{empty} {printable(hint)}" if hint else empty, err=True)
        if document.get("has_next_page"):
            click.echo(printable(f"More: --marker {document.get('marker')}"), err=True)

    def _has(self, field: Field, found: Sequence[Document]) -> bool:
        """Whether a column is shown that nobody asked for by its name."""
        if field.sparse:
            return any(map(field.told, found))
        return self.wide or not field.wide

    def details(self, document: Document, *, fields: Sequence[Field]) -> None:
        """Show one document, a line a field, folded between words on a terminal; lines without a
        value are left out."""
        if self.format == "json":
            return self.json(document)
        titles = [printable(f"{field.title}:") for field in fields]
        width = max(map(len, titles))
        columns = None if self.to_file else room()
        for title, field in zip(titles, fields, strict=True):
            if text := field.told(document):
                begin = f"{title:<{width}} "
                click.echo(f"{begin}{text}" if columns is None else folded(begin, text, columns))

    def lines(self, texts: Sequence[str], *, empty: str = "None.") -> None:
        """A line each; ``empty`` on standard error when there is none."""
        for text in texts:
            click.echo(printable(text))
        if not texts:
            click.echo(empty, err=True)

    def tree(self, tree: Tree) -> None:
        """A tree, drawn; on a terminal long lines are folded between words, beside the branches."""
        from rich.console import Console

        columns = None if self.to_file else room()
        if columns is None:
            return Console(highlight=False, width=TREE_WIDTH).print(tree, soft_wrap=True)
        deepest, waiting = 0, [(tree, 0)]
        while waiting:
            branch, level = waiting.pop()
            deepest = max(deepest, level)
            waiting += [(child, level + 1) for child in branch.children]
        width = max(columns, BRANCH * deepest + NARROWEST_LABEL)
        return write_trimmed(Console(highlight=False, width=width, height=1), tree)

    def data(self, content: bytes) -> None:
        """Bytes that are no text. Raises UsageError rather than write them on a terminal."""
        if sys.stdout.isatty():
            raise click.UsageError(f"A {self.format.upper()} is not text; give -o FILE.")
        sys.stdout.flush()
        sys.stdout.buffer.write(content)

    def json(self, document: object) -> None:
        """The document as it is, indented, keys in their own order."""
        click.echo(json_text(document))


def say(text: str) -> None:
    """A line on standard error, ``braid: text``, without secrets. Never raises: whoever closed it
    wants none."""
    from provenance_store.redaction import scrub_text

    text = scrub_text(text)
    with suppress(OSError, ValueError):
        click.echo(f"braid: {printable(text)}", err=True)


def in_words(rows: Mapping[str, int]) -> str:
    """Rows by table, in people's words: ``12 records, 3 tags``."""
    return ", ".join(counted(rows[name], *words) for name, words in ROWS.items() if rows.get(name))


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
            return f"{counted(number, name)} ago"
    return "just now"


def seconds_between(document: Document) -> float | None:
    """How long a run or a step took; None while it goes on."""
    begun, ended = document.get("start_time"), document.get("completion_time")
    if not begun or not ended:
        return None
    return (datetime.fromisoformat(ended) - datetime.fromisoformat(begun)).total_seconds()
