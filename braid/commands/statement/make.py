"""`braid statement make`"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from braid.cli.arguments import Reference
from braid.cli.files import LARGEST_KEY, read_given
from braid.cli.options import format_by_name, reads
from braid.cli.output import Document, json_text, printable
from braid.cli.source import Source, is_run
from braid.commands.run.show import whole_run
from provenance_store.errors import InvalidInput, NotFound

__all__ = ["KEY", "command", "signed", "tell"]

FORMATS = ("text", "markdown", "json")

KEY = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@click.argument("id_", metavar="ID", type=Reference())
@click.option(
    "--format",
    "format_",
    type=click.Choice(FORMATS),
    help="How to write it. [default: text; with --sign json]",
)
@click.option("--full", is_flag=True, help="Text and Markdown: all of it, not one page.")
@click.option(
    "--sign",
    "key",
    metavar="KEY",
    type=KEY,
    help="Sign it with the private key in this PEM file: ed25519 or ECDSA P-256.",
)
@click.option(
    "-o",
    "--output",
    "file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write it to this file; .md is Markdown, .json JSON.",
)
@click.option(
    "--limit",
    type=click.IntRange(1, 100_000),
    default=10_000,
    show_default=True,
    help="Use at most this many records, the nearest.",
)
@reads
def command(
    *,
    id_: str,
    format_: str | None,
    full: bool,
    key: Path | None,
    file: Path | None,
    limit: int,
    source: Source,
) -> None:
    """State how a result came to be; what `braid statement ID` does.

    On one page: what it concludes, on what basis, what speaks against it, what is not seen or not
    proven, and who recorded it, when and where. --full tells each step, model version and fact, and
    lists the records with their ids, URIs, sizes and digests. Text and Markdown cut long lists;
    JSON has everything and is what `braid statement verify` takes: an in-toto Statement with a
    Merkle digest over the records. With --sign it comes in a DSSE envelope. To make a key:

    \b
      openssl genpkey -algorithm ed25519 -out key.pem
      openssl pkey -in key.pem -pubout -out pub.pem
    """
    if key is not None and format_ not in (None, "json"):
        raise click.UsageError("--sign writes JSON; leave --format away.")
    if format_ is None and file is not None and key is None:
        format_ = format_by_name(file, FORMATS, "text")
    with source.read() as history:
        try:
            statement = history.statement(id_, limit=limit)
        except NotFound:
            if is_run(history, id_):
                raise InvalidInput(_instead_of_run(whole_run(history, id_))) from None
            raise
    text = signed(statement, key) if key else _written(statement, format_ or "text", full=full)
    tell(text, file)


MOST_NAMED = 5
"""So many results of a run are named."""


def _instead_of_run(run: Document) -> str:
    """What to give where a run was given: what its steps made and none of them used."""
    used = {item["id"] for step in run["steps"] for item in [*step["inputs"], *step["models"]]}
    made = [item for step in run["steps"] for item in step["outputs"]]
    ends = [item for item in made if item["id"] not in used and "short_id" in item]
    named = ", ".join(f"{item['short_id']} ({item['name']})" for item in ends[-MOST_NAMED:])
    which = f" Made in it and not used in it: {named}." if named else ""
    return (
        f"{run['run_id']} is a run, and a statement is about one result; give the id of a "
        f"record.{which} `braid run show {run['run_id'][:8]}` lists all."
    )


def tell(text: str, file: Path | None) -> None:
    """Print a text, or write it to a file and say so."""
    if file is None:
        click.echo(text, nl=False)
    else:
        file.write_text(text, encoding="utf-8")
        click.echo(printable(f"Wrote {file}."), err=True)


def signed(statement: Document, key: Path) -> str:
    """The envelope around a statement, signed with the private key in a PEM file, as JSON."""
    from provenance_store.statement.envelope import sign

    payload = json.dumps(statement, ensure_ascii=False, separators=(",", ":")).encode()
    return _json(sign(payload, read_given(key, most=LARGEST_KEY)))


def _written(statement: Document, form: str, *, full: bool) -> str:
    if form == "json":
        return _json(statement)
    from provenance_store.statement.page import account, page

    return (account if full else page)(statement, "markdown" if form == "markdown" else "text")


def _json(document: Any) -> str:
    return json_text(document) + "\n"
