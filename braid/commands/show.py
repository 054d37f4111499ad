"""`braid show`"""

from __future__ import annotations

import json
import shutil
import sys
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import click

from braid.cli.arguments import Reference
from braid.cli.fields import UNKNOWN
from braid.cli.options import displays, reads
from braid.cli.output import (
    Display,
    Document,
    bad_end,
    cause,
    inert,
    marked,
    seconds_between,
    told_time,
)
from braid.cli.source import Source, is_run, run_named
from braid.commands.models import environment_in_words
from braid.commands.run import show as run_show
from braid.pictures.curve import curves
from provenance_store.display import counted, duration, size
from provenance_store.relations import words_of

__all__ = ["command"]

WIDTH = 80
"""Columns into a pipe, and at the least."""
TOGETHER = "\u00a0"
"""In place of a space at which no line is broken."""
DOCUMENTS = ("hyperparameters", "parameters", "result", "error")
MENTIONS = {
    "links": "Depends on",
    "facts": "Facts behind it",
    "inputs": "Other inputs of the steps that made it",
    "dependents": "What depends on it",
    "produced": "Made by the steps that used it",
}
"""Links first; behind them what a model version has to do with over a step, named once."""
LINES: Mapping[str, str] = {
    "short_id": "ID",
    "id": "URN",
    "type": "Type",
    "status": "Status",
    "owner": "Owner",
    "run_id": "Run",
    "action_url": "Action URL",
    "action_id": "Action ID",
    "run_as": "Run as",
    "definition_digest": "Definition",
    "environment": "Environment",
    "line": "First version",
    "aliases": "Aliases",
    "created_at": "Created at",
    "start_time": "Started",
    "completion_time": "Completed",
    "took": "Took",
}


@click.command()
@click.argument("reference", metavar="ID", type=Reference())
@reads
@displays("text", "json")
def command(*, reference: str, source: Source, display: Display) -> None:
    """Show everything known of one record, model version or run.

    ID is an id (urn:braid:... or 3.17), a URI, a path, a name that one thing alone has, NAME@v3 or
    NAME@ALIAS for a version of a model, or a run's id. JSON is the document of the query API.
    """
    with source.read() as history:
        if is_run(history, reference):
            run = run_show.whole_run(history, run_named(history, reference))
            return run_show.show(run, display)
        record = history.record(reference)
        about = history.model_version(record["id"]) if "line" in record else {}
    if display.format == "json":
        display.json(about or record)
    else:
        display.lines(list(_sheet({**record, **about})))


def _sheet(record: Document) -> Iterator[str]:
    """What is known of a record, within the width of a terminal."""
    number = f" v{record['version']}" if "version" in record else ""
    yield from _folded(f"{record['kind']} {record['name']}{number}", "")
    if why := cause(record):
        yield from _folded(why, "  ")
        root = record["invalidated"]["root"]
        if root not in (record["id"], "restricted"):
            yield f"  That began with {root}."
    took = seconds_between(record)
    record = {**record, "took": None if took is None else duration(took)}
    titles = {key: title for key, title in LINES.items() if record.get(key) not in (None, [], "")}
    if "version" in record and not bad_end(record):
        titles.pop("status", None)  # that is of the step
    if record.get("environment_document"):
        titles.pop("environment", None)  # it is shown below
    width = max(map(len, titles.values())) + 1
    for key, title in titles.items():
        value = told_time(record[key]) if key.endswith(("_at", "_time")) else record[key]
        text = ", ".join(value) if isinstance(value, list) else str(value)
        yield from _folded(text, f"  {title + ':':<{width}} ", " " * (width + 3))
    if one := record.get("imported"):
        who = f" by account {one['by']}" if one["by"] else ""
        came = f"import of {one['format']}{who} on {told_time(one['at'])}"
        yield from _folded(f"It came by an {came}: nobody here saw it happen.", "  ")
    if record.get("live"):
        until = "the step that makes it ends" if "version" in record else "it is promoted"
        yield f"  It is live: open to additions until {until}."
    yield from _part("URIs", (_uri(uri) for uri in record["uris"]))
    for tree in record.get("members") or ():
        yield from _part(f"Files ({tree['count']:,}, {_size(tree['size'])})", _members(tree))
    yield from _part("Tags", _named(record["tags"]))
    yield from _part("Scores", _named(record.get("scores") or {}))
    yield from _part("Curves", (f"{name}: {told}" for name, told in curves(record)))
    yield from _part("Said later", (_said(mark) for mark in record.get("marks", ())))
    if isinstance(decided := record.get("decision"), Mapping):
        told_in = [link for link in record["links"] if not link.get("restricted")]
        names = {link["id"]: _named_in(link) for link in told_in}
        yield from _part("Decided", _decision(decided, names))
    yield from _part("Decisions", map(_decided, record.get("decisions", ())))
    linked = {item["id"] for key in ("links", "dependents") for item in record.get(key) or ()}
    for key, title in MENTIONS.items():
        items = record.get(key) or ()
        down = key == "dependents"
        rest = (item for item in items if "role" in item or item["id"] not in linked)
        yield from _part(title, (_mention(item, down=down) for item in rest))
    yield from _part("The same as", map(_other, record.get("same_as") or ()))
    yield from _part("At the same place", map(_other, record.get("same_uri") or ()))
    if record.get("truncated"):
        yield "  There is more than these lists hold; see `braid lineage`."
    if found := record.get("environment_document"):
        packages = (found.get("software") or {}).get("packages")
        more = " (--format json lists the packages)" if packages else ""
        environment = [f"{environment_in_words(record)}{more}"]
    else:
        environment = []
    for key in DOCUMENTS:
        if record.get(key) not in (None, {}, []):
            yield from _part(key.replace("_", " ").capitalize(), _document(record[key]))
    yield from _part("Environment", environment)


def _part(title: str, lines: Iterable[str]) -> Iterator[str]:
    """A list under its title; nothing of an empty one."""
    listed = list(lines)
    if listed:
        yield f"  {title}:"
        for line in listed:
            yield from _folded(line, "    ")


def _named(values: Mapping[str, Any]) -> Iterator[str]:
    return (f"{name} = {_text(value)}" for name, value in values.items())


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _uri(uri: Document) -> str:
    known = (uri["size"] is not None and _size(uri["size"]), uri["digest"], uri["media_type"])
    return "  ".join([uri["uri"], *(str(part).replace(" ", TOGETHER) for part in known if part)])


def _size(count: int) -> str:
    exact = counted(count, "byte")
    return exact if count < 1000 else f"{size(count)} ({exact})"


def _members(tree: Document) -> Iterator[str]:
    for file in tree["files"]:
        rest = f"-> {file['target']}" if "target" in file else size(file["size"])
        yield f"{file['path']}  {rest}"
    if tree["truncated"]:
        yield f"and {tree['count'] - len(tree['files']):,} more"


def _said(mark: Document) -> str:
    note = f": {mark['note']}" if mark["note"] else ""
    return f"{told_time(mark['at'])}  {mark['mark']}{note}"


def _decision(decision: Document, names: Mapping[str, str]) -> Iterator[str]:
    """What a decision was about, its options, and why; `names` are those of records by id."""
    if decision.get("question"):
        yield str(decision["question"])
    options, chosen = decision.get("options"), decision.get("chosen") or ()
    for option in options if isinstance(options, list) else ():
        if isinstance(option, Mapping):
            taken = (option.get("id") or option.get("name")) in chosen
            named = names.get(str(option.get("id"))) or option.get("name") or option.get("id")
            yield f"{'chose' if taken else 'not'} {named}{_reasons(option)}"
    for words, key in (("because:", "why"), ("by", "decider"), ("rule:", "policy")):
        if decision.get(key):
            yield f"{words} {_text(decision[key])}"


def _decided(decision: Document) -> str:
    """A decision that a record was an option of."""
    verb = "chosen" if decision["chosen"] else "not chosen"
    named = f"{decision['name']} [{decision['short_id']}]"
    return f"{told_time(decision['at'])}  {verb} by {named}{_reasons(decision)}"


def _reasons(of: Document) -> str:
    score = f", score {_text(of['score'])}" if of.get("score") is not None else ""
    return score + (f": {_text(of['why'])}" if of.get("why") else "")


def _mention(item: Document, *, down: bool = False) -> str:
    """Another record, with how this one stands to it where that is not said by the title; `down`:
    one that depends on it."""
    named = "(not yours to see)" if item.get("restricted") else marked(_named_in(item), item)
    return f"{words_of(item['role'], down=down)}: {named}" if "role" in item else named


def _other(item: Document) -> str:
    """Another record of one file, or at one place: which, when it was made, and where."""
    run = f", run {item['run_id']}" if item.get("run_id") else ""
    by = f": {item['digest']}" if "digest" in item else f": {item['uri']}"
    return f"{_named_in(item)}, made {told_time(item['created_at'] or UNKNOWN)}{run}{by}"


def _named_in(item: Document) -> str:
    number = f" v{item['version']}" if "version" in item else ""
    return f"{item['name']}{number} [{item['kind']} {item['short_id']}]"


def _document(document: Any) -> Iterator[str]:
    """JSON, indented, a line a value."""
    return iter(inert(json.dumps(document, indent=2, ensure_ascii=False)).splitlines())


def _folded(text: str, first: str, later: str | None = None) -> Sequence[str]:
    """A line in as many as it takes; ids, URIs and digests stay whole."""
    if len(first) + len(text) > WIDTH and " " not in text.strip() and later is not None:
        return [first.rstrip(), f"    {text.strip()}"]
    columns = shutil.get_terminal_size((WIDTH, 24)).columns if sys.stdout.isatty() else WIDTH
    inside = len(text) - len(text.lstrip(" "))
    margin = (later if later is not None else first) + " " * (inside + (2 if later is None else 0))
    lines = textwrap.wrap(
        text.strip(),
        width=max(columns, WIDTH),
        initial_indent=first + " " * inside,
        subsequent_indent=margin,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return [line.replace(TOGETHER, " ") for line in lines] or [first.rstrip()]
