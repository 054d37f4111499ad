"""`braid verify`"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from braid.cli.arguments import Reference
from braid.cli.errors import SAID_NO
from braid.cli.file_map import files_of, maps, of_run, short_ids
from braid.cli.options import displays, reads
from braid.cli.output import Display, Document, Field, Form, printable
from braid.cli.progress import bytes_progress
from braid.cli.source import Source, run_named
from provenance_store.display import counted

if TYPE_CHECKING:
    from provenance_store.files import Place

__all__ = ["command"]


def _name(file: Document) -> str:
    """As tables of records have it."""
    return str(file["name"]) + ("" if file["version"] is None else f" v{file['version']}")


FIELDS = [
    Field("State", "state", Form.WHOLE),
    Field("ID", "short_id", Form.WHOLE, people=lambda file: file["short_id"] or file["id"]),
    Field("Record", "name", people=_name),
    Field("Version", "version", Form.WHOLE, wide=True),
    Field("URI", "uri", Form.URIS, rank=1),
    Field("Expected", "expected", rank=2),
    Field("Found", "found", rank=2),
    Field("Path", "path", wide=True),
    Field("URN", "id", Form.WHOLE, wide=True),
]
WRONG = ("changed", "missing")
ORDER = ("changed", "missing", "ok", "no digest", "not local")
"""Which states are shown first."""
PLACE = re.compile(r"(?!globus-compute:)[\w+.-]+://[^/]+/")
MOST_PLACES = 3
"""So many places are named for which no folder was given."""
UNCHECKED = {"not local": "not local", "no digest": "without a digest"}
"""States of files that were not compared with anything, and how they are counted in words."""


@click.command()
@click.argument("ids", metavar="[ID]...", nargs=-1, type=Reference())
@click.option("--run", "run_id", metavar="RUN_ID", help="All records of this run.")
@click.option("--up", is_flag=True, help="And of everything that they came from.")
@maps
@reads
@displays("text", "json", "csv")
@click.pass_context
def command(
    context: click.Context,
    /,
    *,
    ids: tuple[str, ...],
    run_id: str | None,
    up: bool,
    places: tuple[Place, ...],
    source: Source,
    display: Display,
) -> None:
    """Check that files are still as recorded; exit 1 if not.

    For each file of the records, what is wrong first: changed, missing, ok, "no digest" when none
    was ever recorded (`braid digest` does), or "not local". When none could be checked it exits 1
    too. Nothing is written.

    Files are read on this machine only. A record names its file by URI, such as
    globus://COLLECTION/scans/7.h5; where the files of that collection are in a folder here, --map
    says in which, and the rest of the URI is the path below it.

    \b
    braid verify 3.17
    braid verify 3.17 --up --map globus://COLLECTION/=/mnt/data
    """
    if not ids and not run_id:
        raise click.UsageError("Give records by ID, or a run with --run.")
    with source.read() as history:
        wanted = [*ids, *(of_run(history, run_named(history, run_id)) if run_id else ())]
        found = list(files_of(history, wanted, limit=100_000 if up else 1))
        short = short_ids(history, {record["id"] for record, _ in found})
    checked = sorted(_checked(found, places, short), key=lambda file: ORDER.index(file["state"]))
    display.table({"files": checked}, rows="files", fields=FIELDS, empty="No files are named.")
    if checked:
        click.echo(_summary(checked), err=True)
        if told := _where_to_look(checked):
            click.echo(printable(told), err=True)
        wrong = any(document["state"] in WRONG for document in checked)
        none = all(document["state"] in UNCHECKED for document in checked)
        context.exit(SAID_NO if wrong or none else 0)


def _summary(files: Sequence[Document]) -> str:
    """How many of the files were compared, what came of that, and why not of the others."""
    states = Counter(document["state"] for document in files)
    count = len(files) - sum(states[state] for state in UNCHECKED)
    parts = [f"{states[state]} {state}" for state in ("ok", *WRONG) if states[state]]
    parts += [f"{states[state]} {words}" for state, words in UNCHECKED.items() if states[state]]
    nothing = "" if count else "Nothing was checked: "
    return f"{nothing}{count} of {counted(len(files), 'file')} checked; {', '.join(parts)}."


def _where_to_look(files: Sequence[Document]) -> str:
    """For files of collections and servers of which no folder is known: what says it."""
    away = (file["uri"] for file in files if file["state"] == "not local")
    places = Counter(match[0] for uri in away if (match := PLACE.match(uri)))
    if not places:
        return ""
    named = [
        f"--map {place}=FOLDER ({counted(number, 'file')})"
        for place, number in places.most_common()
    ]
    more = f" and {len(named) - MOST_PLACES:,} more" if len(named) > MOST_PLACES else ""
    return f"Where these are in a folder here, say so: {', '.join(named[:MOST_PLACES])}{more}."


def _checked(
    found: Sequence[tuple[Document, Document]], places: Sequence[Place], short: Mapping[str, str]
) -> Iterator[dict[str, Any]]:
    from provenance_store.files import check

    total = sum(uri["size"] or 0 for _, uri in found)
    with bytes_progress(total, "Reading files") as progress:
        for record, uri in found:
            state, path, expected, now = check(uri, places, progress=progress)
            yield {
                "state": state.value,
                "id": record["id"],
                "short_id": short.get(record["id"]),
                "name": record["name"],
                "version": (record.get("model") or {}).get("version"),
                "uri": uri["uri"],
                "path": None if path is None else str(path),
                "expected": expected,
                "found": now,
            }
