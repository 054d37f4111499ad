"""`braid flow run`"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from braid.cli.errors import SAID_NO
from braid.cli.failure_reason import reason, refusals
from braid.cli.files import JsonFile, definition_argument, problem_line, read_definition
from braid.cli.options import displays, time_scale_option, writes
from braid.cli.output import Display, Document, json_text, printable
from braid.cli.sandbox_options import answer_option, collection_option, function_option
from braid.cli.source import Source
from provenance_store.extras import require

if TYPE_CHECKING:
    from braid.cli.local_run import Trial

__all__ = ["command"]

LONGEST_TITLE = 128
"""Characters that the title of a flow may have."""


@click.command()
@definition_argument
@click.option("--input", "given", type=JsonFile(), help="The run's input. [default: {}]")
@click.option("--input-schema", type=JsonFile(), help="The JSON Schema that the input must fit.")
@click.option("--label", help="The run's label.")
@click.option("--tag", "tags", multiple=True, help="A tag of the run. May be repeated.")
@collection_option
@function_option
@answer_option
@click.option(
    "--choose",
    "choices",
    multiple=True,
    metavar="VALUE",
    help="Answer the run's web inputs, one after the other, with the option of this value or "
    "label. May be repeated. [default: asked at a terminal]",
)
@click.option(
    "--save",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="FOLDER",
    help="Write the run, its definition and its log there, as `braid flow harvest` takes them.",
)
@click.option(
    "--provider-url",
    "provider_urls",
    multiple=True,
    metavar="URL",
    help="Answer hand-written states that call /record, /query or /harvest at this address from "
    "the store. "
    "Those that `braid flow instrument` made are answered anyway.",
)
@time_scale_option
@click.option(
    "--timeout",
    type=click.FloatRange(0.1, 86400),
    default=600.0,
    show_default=True,
    help="Stop after this many seconds.",
)
@click.option("-v", "--verbose", is_flag=True, help="Print the run's whole final state.")
@writes
@displays("text", "json")
@click.pass_context
def command(
    context: click.Context,
    /,
    *,
    flow: Path,
    given: dict[str, Any] | None,
    input_schema: dict[str, Any] | None,
    label: str | None,
    tags: tuple[str, ...],
    provider_urls: tuple[str, ...],
    save: Path | None,
    verbose: bool,
    source: Source,
    display: Display,
    **how: Any,
) -> None:
    """Run a definition in the local sandbox.

    Transfer copies files between folders, Compute calls Python functions here; any other hosted
    action is answered as --answer says, or with what it was sent. Roles that actions run as are
    people of the sandbox. Record states write into the store, and /query is
    answered from it. Prints how the run ended and which states it came to; its final state with -v,
    the run's whole document with --format json. Exit 1 unless the run succeeded. A definition in
    which `braid flow validate` finds errors is not run.
    """
    document = read_definition(flow)
    if not _is_valid(document.definition):
        context.exit(SAID_NO)
    require("sandbox", "Running a flow here")
    from braid.cli.local_run import Trial, try_flow

    log: list[Document] = []

    def watch(entry: Document) -> None:
        log.append(entry)
        _tell(entry)

    trial = Trial(
        definition=document.definition,
        input_schema=input_schema or document.input_schema or {},
        input=given or {},
        store_url=source.url,
        title=(document.title or flow.stem or "Trial")[:LONGEST_TITLE],
        label=label,
        tags=tags,
        provider_urls=frozenset(provider_urls),
        watch=watch,
        ask=_ask if sys.stdin.isatty() else None,
        **how,
    )
    run = try_flow(trial)
    if save is not None:
        _save(save, run, document.definition, log)
    _show(run, log, document.definition["States"], display, whole=verbose)
    refused = refusals(document.definition["States"], trial.served, log)
    for line in refused:
        click.echo(f"braid: {printable(line)}", err=True)
    _tell_what_was_recorded(run["run_id"], source, trial, reached=bool(refused))
    if run["status"] != "SUCCEEDED":
        told = printable(reason(run, log, document.definition["States"]))
        click.echo(f"braid: the run is {run['status']}: {told}", err=True)
        if run.get("blocking_web_input_id"):
            click.echo("braid: --choose VALUE answers what the run asks.", err=True)
        context.exit(SAID_NO)


def _save(folder: Path, run: Document, definition: dict[str, Any], log: list[Document]) -> None:
    """Write what the Flows service would answer of the run, and how to harvest it."""
    page = {"entries": log, "limit": len(log), "has_next_page": False, "marker": None}
    folder.mkdir(parents=True, exist_ok=True)
    for name, document in (("run", run), ("definition", definition), ("log", page)):
        (folder / f"{name}.json").write_text(json_text(document) + "\n", encoding="utf-8")
    files = " ".join(f"--{name} {folder / f'{name}.json'}" for name in ("log", "definition", "run"))
    click.echo(printable(f"Saved: braid flow harvest {files}"), err=True)


def _is_valid(definition: dict[str, Any]) -> bool:
    """Whether nothing is wrong with it; what is wrong is told as `braid flow validate` does."""
    from flows.definition.problems import Severity
    from flows.definition.validate import validate

    errors = [each for each in validate(definition) if each.severity is Severity.ERROR]
    for problem in errors:
        click.echo(printable(problem_line(problem)), err=True)
    return not errors


def _tell_what_was_recorded(run_id: str, source: Source, trial: Trial, *, reached: bool) -> None:
    """How to see it; or, on standard error too, that there is nothing to see.

    The run's label and tags, and the flow's title where no state sent it, are added to what was
    recorded: an action is not told of them.
    """
    from provenance_store.errors import NotFound

    if not trial.served:
        told = "no state calls a provider; --provider-url names that of states written by hand"
        return click.echo(f"Nothing was recorded: {told}.", err=True)
    with source.open(create=True) as store:
        try:
            known = store.documents().run(run_id)
        except NotFound:
            why = "." if reached else ": no record state was reached."
            return click.echo(f"Nothing was recorded{why}", err=True)
        title = None if known["flow_title"] else trial.title
        if trial.label or trial.tags or title:
            store.run(run_id, flow_title=title, label=trial.label, tags=trial.tags)
    where = f" --store {source.shown}" if source.store else ""
    return click.echo(printable(f"Recorded: braid run show {run_id}{where}"), err=True)


def _ask(question: Mapping[str, Any]) -> str:
    """Which option somebody at the terminal chooses, asked on standard error."""
    context = question["context"]
    rows = [f"  {row['field']}: {row['value']}" for row in context.get("rows", ())]
    for line in (context.get("title"), context.get("text"), *rows):
        if line:
            click.echo(printable(str(line)), err=True)
    offered = {str(option["value"]): option["label"] for option in question["options"]}
    for value, label in offered.items():
        click.echo(printable(f"  {value}: {label}"), err=True)
    return str(click.prompt("Choose", type=click.Choice(list(offered)), err=True))


def _tell(entry: Document) -> None:
    state = entry["details"].get("state_name", "")
    click.echo(printable(f"{entry['time'][11:19]}  {entry['code']:<24}{state}".rstrip()), err=True)


def _show(
    run: Document,
    log: list[Document],
    states: Mapping[str, Any],
    display: Display,
    *,
    whole: bool,
) -> None:
    """How the run ended, and which of the author's states it came to."""
    from flows.definition.strip import injected

    if display.format == "json":
        return display.json(run)
    ours = injected(states)
    entries = (entry["details"] for entry in log if entry["code"].endswith("Started"))
    names = [str(each["state_name"]) for each in entries if "state_name" in each]
    visited = dict(Counter(name for name in names if name not in ours))
    told = (f"{name} ({count} times)" if count > 1 else name for name, count in visited.items())
    click.echo(printable(f"{run['status']}: {', '.join(told)}"), err=whole)
    if whole and run["status"] == "SUCCEEDED":
        click.echo(json_text(run["details"].get("output")))
