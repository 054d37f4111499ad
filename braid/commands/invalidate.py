"""`braid invalidate`"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import click

from braid.cli.arguments import Reference
from braid.cli.files import JsonFile
from braid.cli.options import changes, displays
from braid.cli.output import Display, Document, Field, printable
from braid.cli.source import Source
from provenance_store.display import counted

__all__ = ["command"]

MOST_IDS = 1000
"""How many of the affected records a flow is told by name."""


def _affected(document: Document) -> str:
    """``5 records: 2 data records, 1 model version, 1 dataset, 1 step``"""
    from provenance_store.statement.format import kind_word

    found = document["affected"]
    kinds = (f"{count:,} {kind_word(kind, count)}" for kind, count in found["kinds"].items())
    told = counted(found["count"], "record")
    return f"{told}: {', '.join(kinds)}" if found["count"] else "nothing"


def _name(record: Document) -> str:
    version = f" v{record['version']}" if "version" in record else ""
    return f"{record['name']}{version} [{record['kind']} {record['short_id']}]"


def _first(document: Document) -> str:
    found = document["affected"]
    names = [_name(record) for record in found["first"][:10]]
    more = found["count"] - len(names)
    rest = f" and {more:,} more: braid lineage {document['record']['short_id']} --down"
    return ", ".join(names) + (rest if more else "")


FIELDS = [
    Field("Record", lambda document: _name(document["record"])),
    Field("Cause", "cause"),
    Field("Invalid so far", lambda document: document.get("before")),
    Field("Derived from it", _affected),
    Field("The nearest", _first),
    Field("Run started", "run_id"),
]


@click.command()
@click.argument("id_", metavar="ID", type=Reference())
@changes
@click.option("--cause", metavar="TEXT", help="Why: shown with all that derives from it.")
@click.option("--undo", is_flag=True, help="Take it back: --cause then says why, if given.")
@click.option("--dry-run", is_flag=True, help="Say what would be invalid, and change nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--start-flow", metavar="FLOW_ID", help="Then start this Globus flow.")
@click.option(
    "--flow-input",
    type=JsonFile(),
    metavar="FILE",
    help="The flow's input: JSON in which {record}, {cause}, {affected} (how many) and "
    "{affected_ids} are filled in.",
)
@displays("text", "json")
def command(
    *,
    id_: str,
    source: Source,
    cause: str | None,
    undo: bool,
    dry_run: bool,
    yes: bool,
    start_flow: str | None,
    flow_input: dict[str, Any] | None,
    display: Display,
) -> None:
    """Mark a record, and all that derives from it, as invalid.

    First shows what that is, and asks. Nothing is deleted: the record gets a mark, and whatever
    derives from it - by a step that used it, a model trained on it, a dataset it is a member of,
    however many hops away, now or later, here or in stores that this one is merged into - is
    shown as invalid with the cause and the record that it began with. --undo takes it back, and
    both stay in the record's history.

    With --start-flow a Globus flow is started afterwards, to tell people or to compute again.
    Without one, a table of what is reached may be sent to them.

    \b
    braid invalidate 3.17 --cause "beam was off" --dry-run
    braid invalidate 3.17 --cause "beam was off"
    braid lineage 3.17 --down -o reached.csv
    """
    _check(cause, undo, flow_input, start_flow)
    with source.change() as history:
        say = partial(_told, history.restore if undo else history.invalidate, id_, cause or "")
        told = say(dry_run=True)
        if dry_run:
            display.details(told | {"dry_run": True}, fields=FIELDS)
            return _say("Nothing was marked (dry run).", display)
        if not yes:
            _ask(told, undo)
        start = _starter(start_flow, flow_input, told)
        done = say(dry_run=False)
    if start is not None:
        done["run_id"] = start(done)
    if yes or display.format == "json":
        display.details(done, fields=FIELDS)
    elif start is not None:
        _say(f"Run started: {done['run_id']}", display)
    _say(_done(done, undo), display)


def _told(say: Callable[..., Any], id_: str, cause: str, *, dry_run: bool) -> dict[str, Any]:
    """The document of what a store, or a server, was told to say."""
    told = say(id_, cause=cause, dry_run=dry_run, named=MOST_IDS)
    return dict(told) if isinstance(told, Mapping) else dict(told.to_dict())


def _check(cause: str | None, undo: bool, flow_input: object, start_flow: str | None) -> None:
    if not undo and not cause:
        raise click.UsageError("Give the reason with --cause.")
    if flow_input is not None and start_flow is None:
        raise click.UsageError("--flow-input goes with --start-flow.")


def _ask(told: Document, undo: bool) -> None:
    Display("text").details(told, fields=FIELDS)
    if not sys.stdin.isatty():
        raise click.UsageError("Give --yes to go ahead without being asked.")
    question = "Take the invalidation back?" if undo else "Mark all of this as invalid?"
    click.confirm(question, abort=True, err=True)


def _starter(flow_id: str | None, template: dict[str, Any] | None, told: Document) -> Any:
    """What starts the flow; whatever can go wrong before goes wrong before anything is marked."""
    if flow_id is None:
        return None
    from braid.cli.trigger import filled, flow_starter

    filled(template or {}, dict(told))
    start = flow_starter(flow_id, f"{told['record']['name']}: {told['cause']}")
    return lambda done: start(filled(template or {}, done))


def _done(done: Document, undo: bool) -> str:
    """What was said of the record, in a sentence."""
    count = done["affected"]["count"]
    derive = "derives" if count == 1 else "derive"
    rest = f", and {counted(count, 'record')} that {derive} from it" if count else ""
    if undo:
        return f"Restored {_name(done['record'])}{rest}."
    again = "Marked once more" if "before" in done else "Marked"
    return f"{again} as invalid: {_name(done['record'])}{rest}."


def _say(sentence: str, display: Display) -> None:
    if display.format == "text":
        click.echo(printable(sentence))
