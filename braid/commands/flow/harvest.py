"""`braid flow harvest`"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from braid.cli.errors import SAID_NO, describe
from braid.cli.files import JsonFile, read_definition
from braid.cli.options import Time, displays, map_option, writes
from braid.cli.output import Display, printable
from braid.cli.progress import rows_progress
from braid.cli.source import Source
from provenance_store.display import counted

if TYPE_CHECKING:
    from flows.harvest import Conventions, Harvested, RunLog
    from flows.harvest.service import FlowsLogs
    from provenance_store.store import Store

__all__ = ["command"]

FILE = click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path)


@click.command()
@click.argument("run_ids", nargs=-1, metavar="[RUN_ID]...")
@click.option(
    "--flow",
    "flow_ids",
    multiple=True,
    metavar="FLOW_ID",
    help="All runs of this flow that you may see. May be repeated.",
)
@click.option("--mine", is_flag=True, help="All your own runs, or those of --flow.")
@click.option(
    "--since",
    type=Time(),
    help="Only runs that started at this time or later: a date, "
    "RFC 3339, or 7d for seven days ago.",
)
@click.option("--until", type=Time(), help="Only runs that started before this time.")
@click.option("--log", type=FILE, help="Read the log of one run from this file.")
@click.option(
    "--definition",
    type=FILE,
    help="The flow's definition as it was when that run started, for --log.",
)
@click.option("--run", type=JsonFile(), help="The run object, for --log: who, when, which flow.")
@click.option("--run-id", help="The id of the run, for --log without --run.")
@click.option(
    "--models",
    type=FILE,
    metavar="FILE.toml",
    help="Which results are models, and where files are: rules per state or function, as above.",
)
@map_option
@click.option("--again", is_flag=True, help="Read also logs of which all is harvested already.")
@writes
@displays("text", "json")
@click.pass_context
def command(
    context: click.Context,
    /,
    *,
    run_ids: tuple[str, ...],
    flow_ids: tuple[str, ...],
    mine: bool,
    since: int | None,
    until: int | None,
    log: Path | None,
    definition: Path | None,
    run: dict[str, Any] | None,
    run_id: str | None,
    models: Path | None,
    collections: tuple[str, ...],
    again: bool,
    source: Source,
    display: Display,
) -> None:
    """Record runs from their logs, without changing the flow.

    Globus keeps a run and its log for 90 days at most. Each state that a run went through becomes
    a step with what it used and made, as a record state would have recorded it. What is recorded
    already, by the flow itself or by an earlier harvest, is found again and only completed: so a
    run may be harvested as often as you like, also while it is active.

    \b
      braid flow harvest 2f3b...             one run, or several
      braid flow harvest --flow 7a1c... --since 30d
      braid flow harvest --mine
      braid flow harvest --log log.json --definition flow.json --run run.json

    The first three log in to Globus with the client that BRAID_LOGIN_CLIENT_ID names, and wait
    when Globus asks for patience. The last one asks nobody: its files are the answers of
    get_run_logs (entries of all pages, in any order), get_run_definition and get_run.

    A log does not say which results are models; a TOML file of rules does (--models). Paths in
    it begin with $.arguments, $.returned, $.parameters or $.result; docs/harvest.md tells all, and
    flows/examples/harvest has examples.

    \b
      [[model]]
      state = "Train*"                    # or function = "<id>"
      how = "trained"                     # or used, updated, deployed
      name = "braggnn"
      uri = {collection = "<id>", path = "$.returned.weights"}
      scores.mae = "$.returned.mae"
    """
    asked = bool(run_ids) + bool(flow_ids or mine) + (log is not None)
    if asked != 1:
        raise click.UsageError("Give run ids, --flow or --mine, or --log with --definition.")
    if log is None and (definition or run or run_id):
        raise click.UsageError("--definition, --run and --run-id belong to --log.")
    if not (flow_ids or mine) and not (since is None and until is None):
        raise click.UsageError("--since and --until belong to --flow and --mine.")
    from flows.harvest import Conventions, read_conventions

    conventions = Conventions() if models is None else read_conventions(models)
    told = _HarvestOptions(conventions, collections)
    states: set[str] = set()
    if log is not None:
        found = [_offline(log, definition, run, run_id, told, source, states)]
        refused = 0
    else:
        from braid.cli.login import globus_app
        from flows.harvest.service import FlowsLogs, reading_client

        logs = FlowsLogs(reading_client(globus_app()))
        runs: list[Any] = list(run_ids)
        if not runs:
            runs = list(logs.runs(flow_ids=flow_ids, mine=mine, since=since, until=until))
        found, refused = _online(logs, runs, again, told, source, states)
    _show(found, refused, display, source)
    for name in conventions.strangers(states) if states else ():
        message = f"{models}: no state of what was harvested is named {name!r:.80}; check the rule."
        click.echo(printable(f"braid: {message}"), err=True)
    if refused:
        context.exit(SAID_NO)


class _HarvestOptions(NamedTuple):
    """What is said of the flows besides their logs."""

    conventions: Conventions
    collections: tuple[str, ...]

    def harvest(self, store: Store, given: RunLog) -> Harvested:
        """Harvest one run."""
        from flows.harvest import harvest
        from flows.steps.collections import read_collections

        known = read_collections(self.collections)
        return harvest(store, given, conventions=self.conventions, collections=known)


def _offline(
    log: Path,
    definition: Path | None,
    run: dict[str, Any] | None,
    run_id: str | None,
    told: _HarvestOptions,
    source: Source,
    states: set[str],
) -> Harvested:
    if definition is None:
        raise click.UsageError("--log needs --definition: it tells where results are.")
    from flows.harvest import RunLog, check_definition
    from flows.harvest.log import load_log
    from flows.steps.validation_errors import within
    from provenance_store.errors import InvalidInput

    flow = read_definition(definition).definition
    try:
        check_definition(flow)
    except InvalidInput as error:
        raise within(error, f"{definition}: {error.path}") from None
    given = RunLog(load_log(log), flow, run, run_id)
    states |= _states(given.definition)
    with source.open(create=True) as store:
        return told.harvest(store, given)


def _online(
    logs: FlowsLogs,
    runs: list[Any],
    again: bool,
    told: _HarvestOptions,
    source: Source,
    states: set[str],
) -> tuple[list[Harvested], int]:
    """What was harvested, and how many runs could not be."""
    from provenance_store.errors import InvalidInput, NotFound

    found: list[Harvested] = []
    refused = 0
    with source.open(create=True) as store, rows_progress(len(runs), "harvesting") as advance:
        for run in runs:
            try:
                found.append(_one(store, logs, run, again, told, states))
            except (NotFound, InvalidInput) as error:
                refused += 1
                click.echo(printable(f"braid: {describe(error)}"), err=True)
            advance(1)
    return found, refused


def _one(
    store: Store,
    logs: FlowsLogs,
    run: Any,
    again: bool,
    told: _HarvestOptions,
    states: set[str],
) -> Harvested:
    from flows.harvest import Harvested, is_harvested

    run_id = run if isinstance(run, str) else str(run["run_id"])
    if not again and is_harvested(store, run_id):
        return Harvested(run_id, "", skipped=True)
    given = logs.log_of(logs.run(run_id) if isinstance(run, str) else run)
    states |= _states(given.definition)
    return told.harvest(store, given)


def _states(definition: Mapping[str, Any]) -> set[str]:
    found = definition.get("States")
    return set(found) if isinstance(found, dict) else set()


def _show(found: list[Harvested], refused: int, display: Display, source: Source) -> None:
    if display.format == "json":
        return display.json({"harvested": [one.document() for one in found]})
    for line in _lines(found):
        click.echo(printable(line))
    if not found and not refused:
        click.echo("No runs.", err=True)
    for one in found:
        for note in one.notes:
            click.echo(printable(f"braid: {one.run_id}: {note}"), err=True)
    if len(found) == 1:
        where = f" --store {source.shown}" if source.store else ""
        click.echo(f"See it: braid run show {found[0].run_id}{where}", err=True)
    return None


def _lines(found: list[Harvested]) -> Iterator[str]:
    for one in found:
        if one.skipped:
            yield f"{one.run_id}  harvested before"
        else:
            waiting = f", {one.waiting} under way" if one.waiting else ""
            waiting += f", {counted(one.linked, 'link')} added" if one.linked else ""
            yield (
                f"{one.run_id}  {one.status}  {counted(one.steps, 'step')}: {one.added} added, "
                f"{one.known} known{waiting}"
            )
    if len(found) > 1:
        added, skipped = sum(one.added for one in found), sum(one.skipped for one in found)
        steps, runs = counted(added, "step"), counted(skipped, "run")
        yield f"{len(found)} runs: {steps} added, {runs} harvested before"
