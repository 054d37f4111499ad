"""The main job on this machine: a flow is deployed, run, recorded, and asked about afterwards."""

from __future__ import annotations

import io
import json
import shlex
import shutil
import signal
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple, NoReturn

from globus_sdk import AccessTokenAuthorizer
from rich.console import Console
from rich.markup import escape
from rich.padding import Padding

from braid.cli.client import QueryClient
from braid.cli.failure_reason import reason
from braid.cli.tables import write_trimmed
from braid.commands.digest import digest_run
from braid.demo import report
from braid.demo.progress import RunProgress
from braid.demo.provider import ProviderProcess, serving
from flows.definition.deploy import told_plainly
from flows.examples.bragg import example
from flows.sandbox import Identity, Sandbox
from flows.sandbox.runner import RunOutcome, run_definition
from provenance_store.display import counted, shown
from provenance_store.errors import BraidError, InvalidInput
from provenance_store.files import Place
from provenance_store.opening import open_store

__all__ = ["demonstrate", "prepare_folder"]

FLOW_FILE, LOG_FILE = "flow.json", "log.json"
USER = "you@sandbox.example.org"
WIDTH = 100
PIPED = 80
RUN_SECONDS = 300.0
SITES = ("beamline", "cluster", "edge")
"""The collections, each in a folder of its name."""
STEPS_BEFORE, STEPS_OF_A_CYCLE, STEPS_AFTER = 3, 5, 3


class _Seen(NamedTuple):
    """What the user may want to look at again."""

    run_id: str
    result_id: str


class DemoFailed(BraidError):
    """The demo's run did not do what it should."""


def prepare_folder(given: Path | None) -> Path:
    """The folder to work in, made: the one given, which must be empty, else the first of
    ``braid-demo``, ``braid-demo-2``, ... that is not there yet."""
    if given is None:
        number = 1
        while (folder := Path(f"braid-demo-{number}" if number > 1 else "braid-demo")).exists():
            number += 1
        folder.mkdir()
        return folder
    if given.exists() and (not given.is_dir() or any(given.iterdir())):
        raise InvalidInput(f"{given} is not empty; give a folder that is empty or not there yet.")
    given.mkdir(parents=True, exist_ok=True)
    return given


def demonstrate(folder: Path) -> None:
    """Do it all in a folder and show it on standard output.

    Raises BraidError with one sentence when a part of it fails; whatever was started is stopped.
    """
    console = _console()
    store = folder / "braid.db"
    store_url = f"sqlite:///{store}"
    with ExitStack() as stack, told_plainly():
        stack.enter_context(_stopped_by_sigterm())
        _head(console, "Starting a sandbox of Globus and the action provider on this machine")
        sandbox = stack.enter_context(Sandbox())
        starting = stack.enter_context(serving(sandbox, store_url, folder / "provider.log"))
        user = sandbox.add_identity(USER)
        given = example.furnish(sandbox, folder)
        provider = starting.ready()
        console.print(f"  sandbox     {sandbox.url}   (for Globus Auth, Groups, Flows)")
        console.print(
            f"  provider    {provider.url}   (braid serve, over {escape(shown(str(store)))})"
        )
        console.print(f"  collections beamline, cluster and edge, in {escape(str(folder))}/\n")
        flow = example.instrumented(provider.record_url, provider.scope)
        _keep(folder / FLOW_FILE, flow)
        outcome = _run(console, sandbox, provider, user, flow, given)
        _keep(folder / LOG_FILE, {"entries": outcome.log})
        _digest(console, store_url, outcome.run["run_id"], folder, given)
        seen = _show(console, _query_client(sandbox, provider, user), outcome, given)
    _tell_where(console, folder, seen)


def _run(
    console: Console,
    sandbox: Sandbox,
    provider: ProviderProcess,
    user: Identity,
    flow: dict[str, Any],
    given: dict[str, Any],
) -> RunOutcome:
    _head(console, f"Running the flow “{example.TITLE}”, each step recorded as it ends")
    steps = STEPS_BEFORE + given["cycles"] * STEPS_OF_A_CYCLE + STEPS_AFTER
    with RunProgress(console, flow, provider.record_url, expected=steps) as watch:
        outcome = run_definition(
            flow,
            given,
            sandbox,
            input_schema=example.input_schema(),
            title=example.TITLE,
            label="braid demo",
            user=user,
            on_event=watch,
            timeout=RUN_SECONDS,
        )
    if outcome.status != "SUCCEEDED":
        why = reason(outcome.run, outcome.log, flow["States"])
        raise DemoFailed(f"The run ended {outcome.status}: {why}")
    if watch.unrecorded:
        steps_missed = ", ".join(dict.fromkeys(watch.unrecorded))
        raise DemoFailed(f"The run succeeded, but these steps were not recorded: {steps_missed}.")
    console.print()
    return outcome


def _digest(
    console: Console, store_url: str, run_id: str, folder: Path, given: dict[str, Any]
) -> None:
    """What `braid digest` does: files that were only moved have no digest yet."""
    _head(console, "Reading the files that were moved, for their digests (braid digest)")
    places = [Place(f"globus://{given[name]['collection']}/", folder / name) for name in SITES]
    with open_store(store_url, create=False) as store:
        count = digest_run(store, run_id, places)
    console.print(f"  {counted(count, 'file')} read\n")


def _show(
    console: Console, client: QueryClient, outcome: RunOutcome, given: dict[str, Any]
) -> _Seen:
    run = client.run(outcome.run["run_id"])
    _head(console, "The history of runs")
    report.show_runs(console, client)
    _head(console, "The steps of this run")
    report.show_steps(console, run)
    collections = {given[name]["collection"]: name for name in SITES}
    _head(console, "Where the final result comes from")
    result = client.record(_final_result(run))
    report.show_lineage(console, client, result, collections=collections)
    _head(console, f"The versions of the model {example.MODEL}")
    report.show_models(console, client, example.MODEL)
    compared = outcome.output["Compared"]["details"]["result"][0]
    write_trimmed(
        console,
        Padding(
            f"On {given['new_scan']}, which it never saw, the network on the edge computer found "
            f"{compared['peaks']} peaks; {compared['within_0.1_px_percent']:g} % of them are "
            "within 0.1 pixel of the conventional fit.",
            (0, 0, 1, 2),
        ),
    )
    client.transport.session.close()
    return _Seen(run["run_id"], result["short_id"])


def _final_result(run: dict[str, Any]) -> str:
    """The id of what the step Apply made."""
    made = [item for step in run["steps"] if step["name"] == "Apply" for item in step["outputs"]]
    if not made:
        raise DemoFailed("The result of the step Apply is not in the history.")
    return str(made[-1]["id"])


def _query_client(sandbox: Sandbox, provider: ProviderProcess, user: Identity) -> QueryClient:
    """The query API as the user sees it, who has a token for the provider's scope."""
    token = sandbox.token_for(user, provider.scope)
    return QueryClient(base_url=provider.url, authorizer=AccessTokenAuthorizer(token))


def _tell_where(console: Console, folder: Path, seen: _Seen) -> None:
    _head(console, "Look for yourself")
    store = shlex.quote(str(folder / "braid.db"))
    for question in (
        "runs",
        f"run show {seen.run_id}",
        f"models {example.MODEL}",
        f"lineage {seen.result_id}",
        f"statement {seen.result_id}",
        "records --tag 'peaks>100'",
    ):
        console.print(f"  {_braid()} {question} --store {store}", soft_wrap=True, markup=False)
    kept = f"The flow as it ran is {folder / FLOW_FILE}, its own log {folder / LOG_FILE}."
    console.print(f"  {kept}", markup=False, soft_wrap=True)


def _braid() -> str:
    """How to call `braid` from this shell."""
    beside = Path(sys.executable).parent / "braid"
    if shutil.which("braid") or not beside.exists():
        return "braid"
    here = Path.cwd()
    return shlex.quote(str(beside.relative_to(here) if here in beside.parents else beside))


def _keep(file: Path, document: dict[str, Any]) -> None:
    file.write_text(json.dumps(document, indent=1), encoding="utf-8")


def _head(console: Console, text: str) -> None:
    console.print(f"[bold]{escape(text)}[/]")


def _console() -> Console:
    """Standard output, as wide as the terminal, or COLUMNS, but WIDTH at the most; PIPED into a
    file or a pipe."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # Where the locale knows no arrows and bars.
    console = Console(highlight=False)
    console.width = min(shutil.get_terminal_size((PIPED, 24)).columns, WIDTH)
    return console


@contextmanager
def _stopped_by_sigterm() -> Iterator[None]:
    """While this lasts, SIGTERM ends the demo as Ctrl-C does, so that nothing is left running."""

    def stop(number: int, frame: FrameType | None) -> NoReturn:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
