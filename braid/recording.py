"""What the `braid record` commands share: options that describe a record, and their values."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from braid.output import Display, Document

if TYPE_CHECKING:
    from provenance_store.recorder import Recorder
    from provenance_store.store import Store

__all__ = ["JsonText", "Pair", "all_uris", "begin_run", "describes", "file_uri", "show_record"]

Command = TypeVar("Command", bound=Callable[..., None])


class Pair(click.ParamType[tuple[str, Any]]):
    """``NAME=VALUE``: a number, true or false is taken as such, anything else as text.

    A value in double quotes is text whatever it looks like.
    """

    name = "NAME=VALUE"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, Any]:
        name, equals, text = str(value).partition("=")
        if not (name and equals):
            self.fail(f"{value!r} is not NAME=VALUE.", param, ctx)
        try:
            found = json.loads(text, parse_constant=_refuse)
        except ValueError:
            return name, text
        return name, found if isinstance(found, str | int | float | bool) else text


class JsonText(click.ParamType[Any]):
    """JSON as it is, or ``@FILE`` that holds it (``@-``: standard input)."""

    name = "JSON|@FILE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        text = str(value)
        try:
            if text == "@-":
                text = sys.stdin.read()
            elif text.startswith("@"):
                text = Path(text[1:]).read_text(encoding="utf-8")
            return json.loads(text, parse_constant=_refuse)
        except OSError as error:
            self.fail(f"{text[1:]}: {error.strerror}.", param, ctx)
        except (ValueError, RecursionError) as error:
            self.fail(f"{str(value)[:40]!r} does not hold JSON: {error}.", param, ctx)


def describes(command: Command) -> Command:
    """Add what every record may carry: ``uris``, ``files``, ``tags``, ``depends_on``, ``run``."""
    options = (
        click.option("--uri", "uris", multiple=True, help="Where it is; may be repeated."),
        click.option(
            "--file",
            "files",
            multiple=True,
            type=click.Path(exists=True, dir_okay=False, path_type=Path),
            help="A local file that holds it: its URI, size and SHA-256 are recorded.",
        ),
        click.option(
            "--tag",
            "tags",
            multiple=True,
            type=Pair(),
            help="A tag; numbers, true and false keep their type. May be repeated.",
        ),
        click.option(
            "--depends-on", multiple=True, metavar="ID", help="A record that it depends on."
        ),
        click.option("--run", "run_id", metavar="RUN_ID", help="The flow run that it belongs to."),
    )
    for option in reversed(options):
        command = option(command)
    return command


def begin_run(store: Store, recorder: Recorder) -> None:
    """Make the recorder's run known, as beginning now, when nothing was recorded of it before."""
    run_id = recorder.run_id
    if run_id and not store.reader().records(run_id=run_id, limit=1)["records"]:
        recorder.run(run_id, start_time=recorder.clock())


def file_uri(path: Path) -> dict[str, Any]:
    """A file as a URI with its size in bytes and its digest."""
    with path.open("rb") as opened:
        digest = hashlib.file_digest(opened, "sha256").hexdigest()
    return {
        "uri": path.resolve().as_uri(),
        "size": path.stat().st_size,
        "digest": f"sha256:{digest}",
    }


def all_uris(uris: Sequence[str], files: Sequence[Path]) -> list[str | Mapping[str, Any]]:
    """URIs as given, then those of the files."""
    return [*uris, *map(file_uri, files)]


def show_record(display: Display, document: Document) -> None:
    """Show a record that was just made: its document, or in text only its permanent name."""
    if display.format == "json":
        display.json(document)
    else:
        click.echo(document["id"])


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")
