"""`braid flow instrument`"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from braid.cli.errors import SAID_NO
from braid.cli.files import (
    definition_argument,
    offline_option,
    read_definition,
    write_definition,
    written,
)
from braid.cli.options import map_option
from braid.cli.output import printable
from braid.settings import OFFLINE

if TYPE_CHECKING:
    from flows.definition.introspection import Asked
    from flows.definition.load import Document

__all__ = ["command"]

STEPS_ONLY = (
    "title",
    "on_missing_result_path",
    "on_whole_state",
    "record_end",
    "record_choices",
    "result",
    "collections",
)


@click.command()
@definition_argument
@written
@click.option(
    "--mode",
    type=click.Choice(["step", "run"]),
    default="step",
    show_default=True,
    help="A record state after each step, or one state at the end that asks the server to harvest "
    "the whole run from its log.",
)
@click.option(
    "--provider-url",
    metavar="URL",
    help="The action provider, such as https://braid.example.org/record, or .../harvest with "
    "--mode run; of a server's address alone the rest is known. [default: that of BRAID_SERVER]",
)
@click.option("--provider-scope", metavar="SCOPE", help="Its scope; Globus Flows can look it up.")
@offline_option
@click.option(
    "--title",
    help="With --mode step: the flow's title, to be recorded with each run; a harvest asks Globus "
    "for it. [default: that in the file, if any; "
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
    help="Record how the run ended when its last state is not an action.",
)
@click.option(
    "--record-uncaught/--no-record-uncaught",
    default=True,
    show_default=True,
    help="Record failures that no Catch handles too, then fail the run with the same error.",
)
@click.option(
    "--record-choices",
    is_flag=True,
    help="Record which way each Choice state goes, as a decision, in a state in front of it: one "
    "more action for each visit. A harvest of the run adds them without.",
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
@click.option(
    "--conventions",
    metavar="NAME|FILE.toml",
    help="Rules that say which results are models, and where files are. With --mode run the name "
    "of one of the server's files; with --mode step a file, whose [[file]] rules go into the "
    "record states.",
)
@map_option
@click.option(
    "--check",
    is_flag=True,
    help="Write nothing; exit 1 unless the definition is instrumented like this already.",
)
@click.pass_context
def command(
    context: click.Context,
    /,
    *,
    flow: Path,
    output: Path,
    mode: str,
    check: bool,
    provider_url: str | None,
    provider_scope: str | None,
    offline: bool,
    title: str | None,
    collections: tuple[str, ...],
    conventions: str | None,
    **choices: Any,
) -> None:
    """Add provenance record states to a definition.

    After each action, on each Catch and at each end; or with --mode run a single state that asks
    for the whole run, where it ends. The flow does what it did before, also when the provider is
    away. Doing it again changes nothing; `braid flow strip` undoes it. The provider is asked
    whether it is one: a wrong address would never be noticed.
    """
    _check_together(context, mode)
    from flows.definition.instrument import instrument
    from flows.definition.introspection import completed, require_known

    document = read_definition(flow)
    if mode == "run":
        choices["conventions"] = conventions
    else:
        choices |= {"collections": collections, "files": _file_rules(conventions, document)}
    name = "harvest" if mode == "run" else "record"
    url = completed(provider_url or _default_url(mode), name)
    instrumented = partial(
        instrument,
        document.definition,
        provider_scope=provider_scope,
        flow_title=title or document.title,
    )
    done = instrumented(provider_url=url, options=_options(mode=mode, **choices))
    if not (offline or OFFLINE.get()):
        asked = _ask(url, name, provider_scope)
        if mode == "step" and not _knows(asked, "outcome"):
            told = (
                f"the server at {asked.url} is of an earlier version: failures that nothing "
                "catches are recorded without what the step was called with."
            )
            click.echo(printable(f"note: {told}"), err=True)
            choices["record_either_way"] = False
        done = instrumented(provider_url=asked.url, options=_options(mode=mode, **choices))
        require_known(done.definition, asked)
    if check:
        if done.definition != document.definition:
            click.echo("braid: it is not instrumented like this.", err=True)
            context.exit(SAID_NO)
        return
    write_definition(output, done.definition, document)
    click.echo(_growth(document.definition, done.definition), err=True)
    places: dict[str, list[str]] = {}
    for note in done.notes:
        places.setdefault(note.message, []).append(note.path)
    for message, paths in places.items():
        click.echo(printable(f"note: {', '.join(paths)}: {message}"), err=True)


def _knows(asked: Asked, field: str) -> bool:
    return asked.fields is None or field in asked.fields


def _ask(url: str, name: str, scope: str | None) -> Asked:
    """The provider; raises InvalidInput when it is not there, or has another scope."""
    from flows.definition.introspection import ask_provider
    from provenance_store.errors import InvalidInput

    asked = ask_provider(url, name)
    if asked.doubt:
        told = f"{asked.url} could not be asked whether it is Braid's /{name}: {asked.doubt}."
        click.echo(printable(f"note: {told}"), err=True)
    if scope and asked.scope and scope != asked.scope:
        raise InvalidInput(f"the provider's scope is {asked.scope}.", path="provider_scope")
    return asked


def _growth(before: dict[str, Any], after: dict[str, Any]) -> str:
    """How much larger a definition became, whatever of ours was in it before."""
    from flows.definition.options import size_of
    from flows.definition.strip import strip

    was, is_now = size_of(strip(before)), size_of(after)
    return (
        f"The definition grew from {was:,} to {is_now:,} bytes, {is_now / was:.1f} times "
        "(as JSON without blanks)."
    )


def _check_together(context: click.Context, mode: str) -> None:
    """Refuse what says nothing in this mode."""
    for name in STEPS_ONLY if mode == "run" else ():
        if context.get_parameter_source(name) is not ParameterSource.DEFAULT:
            option = "map" if name == "collections" else name.replace("_", "-")
            raise click.UsageError(f"--{option} belongs to --mode step.")


def _file_rules(
    conventions: str | None, document: Document
) -> Callable[[str], list[dict[str, Any]]] | None:
    """The rules about files of a file, which states on the way cannot be told of otherwise."""
    if conventions is None:
        return None
    if not Path(conventions).is_file():
        raise click.UsageError(
            "--conventions belongs to --mode run, where it names one of the server's files; "
            "with --mode step it is a TOML file here."
        )
    from flows.harvest import read_conventions

    rules = read_conventions(Path(conventions))
    if rules.rules:
        told = f"{conventions}: [[model]] rules are for a harvest; only [[file]] rules are put in."
        click.echo(printable(f"note: {told}"), err=True)
    for name in rules.strangers(document.definition["States"]):
        told = f"{conventions}: no state is named {name!r:.80}; check the rule."
        click.echo(printable(f"note: {told}"), err=True)
    return rules.file_rules_for


def _default_url(mode: str) -> str:
    from braid.settings import SERVER

    server = SERVER.get()
    if server is None:
        raise click.UsageError(f"Give --provider-url, or set {SERVER.name}.")
    return f"{server.rstrip('/')}/{'harvest' if mode == 'run' else 'record'}"


def _options(
    *, mode: str, on_missing_result_path: str, on_whole_state: str, result: str, **others: Any
) -> Any:
    from flows.definition.options import MissingResultPath, Mode, Options, ResultDetail, WholeState

    return Options(
        mode=Mode(mode),
        on_missing_result_path=MissingResultPath(on_missing_result_path),
        on_whole_state=WholeState(on_whole_state),
        result=ResultDetail(result),
        **others,
    )
