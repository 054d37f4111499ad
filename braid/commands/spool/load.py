"""`braid spool load`"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from braid.cli.errors import SAID_NO
from braid.cli.options import displays, loads
from braid.cli.output import Display, say
from braid.cli.source import Source
from provenance_store.display import counted

if TYPE_CHECKING:
    from hpc.spooling.load import Intake, Loaded
    from provenance_store.store import Store

__all__ = ["command"]


@click.command()
@click.argument("directory", type=click.Path(path_type=Path))
@click.option("--delete", is_flag=True, help="Delete loaded files instead of moving them to done/.")
@click.option(
    "--unfinished",
    is_flag=True,
    help="Load also files that their writers left unfinished, once the job has ended.",
)
@loads
@displays("text", "json")
@click.pass_context
def command(
    context: click.Context,
    /,
    *,
    directory: Path,
    delete: bool,
    unfinished: bool,
    source: Source,
    display: Display,
) -> None:
    """Load the files of a spool folder into a store, or through a server.

    Loading twice changes nothing. Files that are torn, damaged or refused are set aside in bad/,
    each with a line on standard error; the exit code is then 1.
    """
    from hpc.spooling.load import load_spool, waiting_files

    files = waiting_files(directory, unfinished=unfinished)
    with (
        _intake(source, directory) as intake,
        _progress(sum(file.lstat().st_size for file in files)) as advance,
    ):
        loaded = load_spool(
            intake, directory, delete=delete, unfinished=unfinished, progress=advance
        )
    _show(display, loaded, source.server or source.shown, directory)
    context.exit(SAID_NO if loaded.bad else 0)


def _intake(source: Source, directory: Path) -> AbstractContextManager[Store | Intake]:
    if source.server is None:
        return source.open(create=True)
    from braid.cli.delivery import taking

    return taking(source.server, directory)


def _show(display: Display, loaded: Loaded, into: str, directory: Path) -> None:
    from hpc.spooling.load import files_in

    for bad in loaded.bad:
        say(f"{bad.path}: {bad.reason}")
    if loaded.unfinished:
        click.echo(
            f"Unfinished in tmp/: {counted(loaded.unfinished, 'file')}, whose writers are at work "
            "or died; --unfinished loads what is whole in them.",
            err=True,
        )
    if display.format == "json":
        display.json(
            {
                "files": loaded.files,
                "batches": loaded.batches,
                "records": loaded.records,
                "unfinished": loaded.unfinished,
                "bad": [{"file": str(bad.path), "reason": bad.reason} for bad in loaded.bad],
            }
        )
    else:
        click.echo(f"Files loaded into {into}: {loaded.files}, records: {loaded.records}.")
        done = 0 if loaded.files else len(files_in(directory, "done"))
        if done:
            click.echo(
                f"Nothing is new in {directory}; {counted(done, 'file')} in done/ loaded before. "
                "Move what is there to new/ to load it into another store.",
                err=True,
            )


@contextmanager
def _progress(total: int) -> Iterator[Callable[[int], None]]:
    """A bar on standard error when that is a terminal."""
    if not sys.stderr.isatty():
        yield lambda size: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn

    columns = ("Loading", BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("Loading", total=total)
        yield lambda size: bar.advance(task, size)
