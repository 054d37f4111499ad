"""`braid flow instrument`"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from braid.flowfile import definition_argument, read_definition, write_definition, written

__all__ = ["command"]


@click.command()
@definition_argument
@written
@click.option(
    "--provider-url",
    metavar="URL",
    help="The action provider, such as https://braid.example.org/record. "
    "[default: BRAID_SERVER/record]",
)
@click.option("--provider-scope", metavar="SCOPE", help="Its scope; Globus Flows can look it up.")
@click.option(
    "--title",
    help="The flow's title, to be recorded with each run. [default: that in the file, if any; "
    "`braid flow deploy` puts in its own]",
)
@click.option(
    "--on-missing-result-path",
    type=click.Choice(["refuse", "set", "skip"]),
    default="refuse",
    show_default=True,
    help="What to do with a step whose result replaces the run's state: refuse the flow, set a "
    "ResultPath, or leave the step unrecorded.",
)
@click.option(
    "--on-whole-state",
    type=click.Choice(["refuse", "accept"]),
    default="refuse",
    show_default=True,
    help="What to do with a state that reads the whole of the run's state.",
)
@click.option(
    "--record-end/--no-record-end",
    default=True,
    show_default=True,
    help="Record how the run ended when its last state is no action.",
)
@click.option(
    "--record-uncaught",
    is_flag=True,
    help="Record failures that no Catch handles too, then fail the run as before.",
)
@click.option(
    "--result",
    type=click.Choice(["whole", "status"]),
    default="whole",
    show_default=True,
    help="How much of each step's result is sent.",
)
@click.option(
    "--run-as", default="User", show_default=True, help="Who the record states run as: a role."
)
@click.option(
    "--wait",
    "wait_seconds",
    type=click.IntRange(1, 3600),
    default=60,
    show_default=True,
    help="How long a run waits for the provider, in seconds, before it goes on without.",
)
def command(
    *,
    flow: Path,
    output: Path,
    provider_url: str | None,
    provider_scope: str | None,
    title: str | None,
    **choices: Any,
) -> None:
    """Add provenance record states to a definition.

    After each action, on each Catch and at each end. The flow does what it did before, also when
    the provider is away. Doing it again changes nothing; `braid flow strip` undoes it.
    """
    from flows.definition.instrument import instrument

    document = read_definition(flow)
    done = instrument(
        document.definition,
        provider_url=provider_url or _default_url(),
        provider_scope=provider_scope,
        flow_title=title or document.title,
        options=_options(**choices),
    )
    write_definition(output, done.definition, document)
    places: dict[str, list[str]] = {}
    for note in done.notes:
        places.setdefault(note.message, []).append(note.path)
    for message, paths in places.items():
        click.echo(f"note: {', '.join(paths)}: {message}", err=True)


def _default_url() -> str:
    from braid.settings import SERVER

    server = SERVER.get()
    if server is None:
        raise click.UsageError(f"Give --provider-url, or set {SERVER.name}.")
    return f"{server.rstrip('/')}/record"


def _options(
    *, on_missing_result_path: str, on_whole_state: str, result: str, **others: Any
) -> Any:
    from flows.definition.options import MissingResultPath, Options, ResultDetail, WholeState

    return Options(
        on_missing_result_path=MissingResultPath(on_missing_result_path),
        on_whole_state=WholeState(on_whole_state),
        result=ResultDetail(result),
        **others,
    )
