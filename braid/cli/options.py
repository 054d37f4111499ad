"""Options that many commands share, as decorators.

Each takes its options off the command line and passes the command one object instead:
`displays` a `braid.cli.output.Display`; `reads`, `writes`, `loads` and `records` a
`braid.cli.source.Source`; `describes` a `Described`.
"""

from __future__ import annotations

import functools
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Protocol, TypeVar

import click

from braid.cli.arguments import Pair, Reference
from braid.cli.output import Display, printable
from braid.cli.source import Source

__all__ = [
    "Described",
    "Time",
    "changes",
    "describes",
    "displays",
    "format_of",
    "loads",
    "map_option",
    "model_option",
    "pages",
    "port_option",
    "reads",
    "records",
    "run_option",
    "store_option",
    "strict_option",
    "tag_option",
    "time_scale_option",
    "writes",
    "writing_to",
]

Command = TypeVar("Command", bound=Callable[..., None])

STORE_HELP = (
    "The store: the path of its file, or postgresql://USER@HOST/DATABASE. "
    "[default: BRAID_STORE_URL, else braid.db here]"
)
SERVER_HELP = "Ask the query API of this server instead of a store. [default: BRAID_SERVER]"

SPOOL_HELP = (
    "Write into files of this folder instead of a store; `braid spool load` brings them in. "
    "IDs of earlier records must then be full URNs (urn:braid:...)."
)
LOAD_SERVER_HELP = (
    "Load through this server instead of into a store. Records that are new there then belong to "
    "whoever is logged in."
)
CHANGE_SERVER_HELP = (
    "Change it on this server instead of in a store; you must manage the record. "
    "[default: BRAID_SERVER]"
)
RECORD_SERVER_HELP = (
    "Record through this server instead of into a store; what it refuses goes into files of "
    "the folder that BRAID_SPOOL names. While it cannot be reached, IDs of earlier records must "
    "be full URNs "
    "(urn:braid:...)."
)


class Time(click.ParamType[int]):
    """A time as people write it: ``2026-11-01``, RFC 3339, or ``7d`` for seven days ago.

    The command gets microseconds since 1970 UTC.
    """

    name = "TIME"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        from provenance_store.ids import now
        from provenance_store.times import parse_time

        return value if isinstance(value, int) else parse_time(str(value), now=now())


class _Decorator(Protocol):
    def __call__(self, command: Command, /) -> Command: ...


def displays(*formats: str, default: str = "text", table: bool = False) -> _Decorator:
    """Add ``--format``; the command gets ``display``. Commands that show tables, which are those
    with CSV, have ``--columns``, ``--wide`` and ``--output`` too."""
    formats = formats or ("text", "json")

    def decorate(command: Any) -> Any:
        @click.option(
            "--format",
            "format_",
            type=click.Choice(formats),
            default=default,
            show_default=True,
            help="How to show the answer.",
        )
        @functools.wraps(command)
        def wrapper(
            *args: Any,
            format_: str,
            columns: str = "",
            wide: bool = False,
            answer_file: Path | None = None,
            **kwargs: Any,
        ) -> None:
            if answer_file is not None:
                format_ = format_of(answer_file, formats, format_)
            names = tuple(name.strip() for name in columns.split(",") if name.strip())
            if names and format_ not in ("text", "csv"):
                raise click.UsageError("--columns goes with --format text and csv.")
            with writing_to(answer_file):
                display = Display(format_, names, wide, to_file=answer_file is not None)
                command(*args, display=display, **kwargs)

        return _table_options(wrapper, formats) if table or "csv" in formats else wrapper

    return decorate


def _table_options(command: Any, formats: Sequence[str]) -> Any:
    columns = click.option(
        "--columns",
        metavar="NAME,...",
        default="",
        help="The columns of the table, in this order, by their names in CSV.",
    )
    wide = click.option(
        "--wide", is_flag=True, help="All columns of the table and every value whole."
    )
    output = click.option(
        "-o",
        "--output",
        "answer_file",
        metavar="FILE",
        type=click.Path(dir_okay=False, path_type=Path),
        help="Write the answer to this file, in the format that its suffix says: "
        f"{', '.join(_suffixes(formats))}.",
    )
    return output(columns(wide(command)))


SUFFIXES = {
    ".txt": "text",
    ".csv": "csv",
    ".json": "json",
    ".svg": "svg",
    ".png": "png",
    ".pdf": "pdf",
    ".dot": "dot",
    ".gv": "dot",
    ".mmd": "mermaid",
    ".md": "markdown",
    ".provn": "prov-n",
    ".xml": "prov-xml",
    ".jsonld": "prov-jsonld",
    ".zip": "ro-crate",
}
"""Which format a file is written in, where ``--format`` does not say it."""


def _suffixes(formats: Sequence[str]) -> list[str]:
    return [suffix for suffix, name in SUFFIXES.items() if name in formats]


def format_of(file: Path, formats: Sequence[str], given: str) -> str:
    """The format in which a file is to be written: as ``--format`` says, else its suffix. Raises
    UsageError for a suffix of none."""
    context = click.get_current_context()
    if context.get_parameter_source("format_") is click.core.ParameterSource.COMMANDLINE:
        return given
    found = SUFFIXES.get(file.suffix.lower())
    if found not in formats:
        raise click.UsageError(
            f"{file} does not say its format; end its name with {', '.join(_suffixes(formats))}, "
            "or give --format."
        )
    return str(found)


def format_by_name(file: Path, formats: Sequence[str], usual: str) -> str:
    """The format that a file's suffix says, the usual one where it says none. Raises UsageError for
    a format that cannot be written here."""
    suffix = file.suffix.lower()
    found = SUFFIXES.get(suffix, suffix or usual)
    if found not in formats:
        raise click.UsageError(
            f"{file} cannot be written as {found}; end its name with "
            f"{', '.join(_suffixes(formats))}, or give --format."
        )
    return found


@contextmanager
def writing_to(file: Path | None) -> Iterator[None]:
    """Standard output goes into the file, which is written at the end; not if it raises."""
    if file is None:
        yield
        return
    written = io.BytesIO()
    text = io.TextIOWrapper(written, encoding="utf-8", newline="\n")
    ended: click.exceptions.Exit | None = None
    with redirect_stdout(text):
        try:
            yield
        except click.exceptions.Exit as said:  # an answer, with an exit code of its own
            ended = said
        text.flush()
    file.write_bytes(written.getvalue())
    click.echo(printable(f"Wrote {file}."), err=True)
    if ended is not None:
        raise ended


def reads(command: Command) -> Command:
    """Add ``--store`` and ``--server``, one or the other; the command gets ``source``."""

    return _store_or_server(command, SERVER_HELP)


def loads(command: Command) -> Command:
    """Add ``--store`` and ``--server``, one or the other, where the latter is told; the command
    gets ``source``, which it writes to."""
    return _store_or_server(command, LOAD_SERVER_HELP)


def changes(command: Command) -> Command:
    """Add ``--store`` and ``--server``, one or the other; the command gets ``source``, and says
    more of what is there."""
    return _store_or_server(command, CHANGE_SERVER_HELP)


def _store_or_server(command: Command, server_help: str) -> Command:
    @store_option
    @click.option("--server", metavar="URL", help=server_help)
    @functools.wraps(command)
    def wrapper(*args: Any, store: str | None, server: str | None, **kwargs: Any) -> None:
        _one_of({"--store": store, "--server": server})
        command(*args, source=Source(store=store, server=server), **kwargs)

    return wrapper  # type: ignore[return-value]


def writes(command: Command) -> Command:
    """Add ``--store``; the command gets ``source``, which is that store."""

    @store_option
    @functools.wraps(command)
    def wrapper(*args: Any, store: str | None, **kwargs: Any) -> None:
        command(*args, source=Source(store=store), **kwargs)

    return wrapper  # type: ignore[return-value]


def records(command: Command) -> Command:
    """Add ``--store``, ``--server`` and ``--spool``, one of them; the command gets ``source``."""

    @store_option
    @click.option("--server", metavar="URL", help=RECORD_SERVER_HELP)
    @click.option("--spool", type=click.Path(file_okay=False, path_type=Path), help=SPOOL_HELP)
    @functools.wraps(command)
    def wrapper(
        *args: Any, store: str | None, server: str | None, spool: Path | None, **kwargs: Any
    ) -> None:
        _one_of({"--store": store, "--server": server, "--spool": spool})
        command(*args, source=Source(store=store, server=server, spool=spool), **kwargs)

    return wrapper  # type: ignore[return-value]


def _one_of(given: Mapping[str, object]) -> None:
    names = [name for name, value in given.items() if value]
    if len(names) > 1:
        raise click.UsageError(f"{' and '.join(names)} exclude each other; give one of them.")


store_option = click.option("--store", metavar="STORE", help=STORE_HELP)
run_option = click.option(
    "--run", "run_id", metavar="RUN_ID", help="The flow run that this belongs to."
)
model_option = click.option(
    "--model",
    "models",
    multiple=True,
    type=Reference(),
    help="A model version that it used: its ID, NAME, NAME@v3 or NAME@ALIAS; may be repeated.",
)
tag_option = click.option(
    "--tag",
    "tags",
    multiple=True,
    type=Pair(),
    help="A tag such as temperature_K=293.5; may be repeated. Numbers in their shortest form, true "
    "and false keep their type, all else is text (1.10, 7e10, 007). TYPE says otherwise: str, "
    "int, float or bool, as in lr:float=1e-5.",
)
strict_option = click.option(
    "--strict",
    is_flag=True,
    help="Refuse what cannot be recorded as it is, instead of recording it with a note.",
)


@dataclass(frozen=True)
class Described:
    """What the options of `describes` say of a record."""

    uris: tuple[str, ...]
    files: tuple[Path, ...]
    tags: tuple[tuple[str, Any], ...]
    depends_on: tuple[str, ...]
    made_by: str | None
    run_id: str | None
    strict: bool


def describes(command: Command) -> Command:
    """Add what every record may carry; the command gets ``described``."""

    @click.option(
        "--uri",
        "uris",
        multiple=True,
        help="Where it is, such as globus://COLLECTION/scan.h5. May be repeated.",
    )
    @click.option(
        "--file",
        "files",
        multiple=True,
        type=click.Path(exists=True, path_type=Path),
        help="A local file or directory that holds it; may be repeated. Its URI, size and digest "
        "are recorded, of a directory over all files in it. Of a FIFO or device only the URI is, "
        "with a note.",
    )
    @tag_option
    @click.option(
        "--depends-on",
        multiple=True,
        type=Reference(),
        help="A record that it depends on; may be repeated.",
    )
    @click.option("--made-by", type=Reference(), help="The step that made it.")
    @run_option
    @strict_option
    @functools.wraps(command)
    def wrapper(*args: Any, **kwargs: Any) -> None:
        described = Described(*(kwargs.pop(field.name) for field in fields(Described)))
        command(*args, described=described, **kwargs)

    return wrapper  # type: ignore[return-value]


def port_option(default: int) -> Callable[[Command], Command]:
    """``--port``, by default that one."""
    return click.option(
        "--port",
        type=click.IntRange(0, 65535),
        default=default,
        show_default=True,
        help="Port to listen on; 0 takes any free one.",
    )


class EndpointCollection(click.ParamType[str]):
    """Which collection has the files of a Compute endpoint."""

    name = "ENDPOINT=COLLECTION[:/FOLDER]"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        from flows.settings import endpoint_collections

        try:
            (given,) = endpoint_collections(str(value))
        except ValueError:
            self.fail(f"{value!r:.200}: write {self.name}.", param, ctx)
        return given


map_option = click.option(
    "--map",
    "collections",
    multiple=True,
    type=EndpointCollection(),
    help="The collection that has the files of a Compute endpoint, and the folder that is its "
    "root. May be repeated. [default: what BRAID_ENDPOINT_COLLECTIONS says, else assumed from the "
    "run]",
)
"""The command gets texts as ``collections``."""

time_scale_option = click.option(
    "--time-scale",
    type=click.FloatRange(0, 1000),
    default=0.01,
    show_default=True,
    help="How many real seconds each second of waiting takes.",
)


def pages(command: Command) -> Command:
    """Add ``--limit`` and ``--marker``."""
    limit = click.option(
        "--limit",
        type=click.IntRange(1, 1000),
        default=25,
        show_default=True,
        help="Show at most this many.",
    )
    marker = click.option(
        "--marker", help="Continue from the marker that the last answer ended with."
    )
    return limit(marker(command))
