"""`braid slice`"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from braid.cli.arguments import Reference
from braid.cli.options import displays, writes
from braid.cli.output import Display, Field, Form, in_words
from braid.cli.progress import stage_progress
from braid.cli.source import Source, run_named

__all__ = ["command"]

FIELDS = [
    Field("File", "file"),
    Field("Size", "size", Form.SIZE),
    Field("Records", "records"),
    Field("Stubs", "stubs"),
    Field("With", lambda document: in_words(document["rows"])),
]
RULES = {
    "inputs": "from a step to what it used",
    "steps": "from what was made to the step that made it",
    "sources": "from what was derived to what it was derived from",
    "training": "from a model version to what it was trained on",
    "revisions": "from a model version to the one before it",
    "members": "from a dataset to its members",
    "earlier": "from a step to earlier ones that informed it",
    "same": "from a record to others that are one thing with it",
}
"""The rules by name, and what they follow upwards; a test holds that they are all."""
PARTS = {
    "tags": "tags of records and runs",
    "uris": "URIs with their sizes and digests",
    "documents": "parameters, results, errors and hyperparameters",
}
"""What can be kept out, by name; a test holds that it is all."""


def _flags(
    names: dict[str, str], prefix: str, target: str, help_: str
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """An option without a value for each name; the command gets those given, as a tuple."""

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        for name, what in reversed(names.items()):
            option = click.option(
                f"--{prefix}-{name}",
                target,
                flag_value=name,
                multiple=True,
                help=help_.format(what),
            )
            command = option(command)
        return command

    return decorate


@click.command()
@click.argument("ids", nargs=-1, metavar="[ID]...", type=Reference())
@writes
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="The file.",
)
@click.option("--run", "run_ids", multiple=True, metavar="RUN_ID", help="All of this run.")
@click.option("--flow", "flow_ids", multiple=True, metavar="FLOW_ID", help="All runs of this flow.")
@click.option("--up", is_flag=True, help="What that came from. [default, unless --down]")
@click.option("--down", is_flag=True, help="What came of that; with --up, what all came from.")
@click.option("--depth", type=click.IntRange(0), help="At most this many hops. [default: all]")
@_flags(RULES, "no", "rules", "Do not go {}.")
@_flags(PARTS, "without", "without", "Keep out {}.")
@click.option("--hide-names", is_flag=True, help="Keep out the names of what becomes a stub.")
@click.option("--force", is_flag=True, help="Replace the file if it is there.")
@displays("text", "json")
def command(
    *,
    ids: tuple[str, ...],
    run_ids: tuple[str, ...],
    source: Source,
    output: Path,
    up: bool,
    down: bool,
    display: Display,
    **wanted: Any,
) -> None:
    """Write a part of the history as a store of its own.

    It begins with the records and runs that are named, or with everything when none are. To
    these --down adds all that came of them, and --up all that they came from; each rule that is
    not followed ends the walk there. What is mentioned and not taken becomes a stub: its name,
    its kind and its permanent name.

    The file is a SQLite store: ask it with --store FILE, and bring it into another store with
    `braid merge`. It tells who recorded what, where and when, and who may see it; records and
    runs keep their names. It says what is invalid, also where the reason was left out.

    \b
    braid slice 3.17 -o team.db
    braid slice --run RUN_ID --without-documents -o run.db
    """
    with source.open(create=False) as store, stage_progress() as progress:
        runs = [run_named(store.documents(), text) for text in run_ids]
        done = store.slice(
            output,
            ids,
            run_ids=runs,
            up=up or not down,
            down=down,
            progress=progress,
            **wanted,
        ).to_dict()
    display.details({"file": str(output)} | done, fields=FIELDS)
