"""`braid flow deploy`"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from braid.cli.files import JsonFile, definition_argument, offline_option, read_definition
from braid.cli.options import displays
from braid.cli.output import Display, printable
from braid.settings import OFFLINE

__all__ = ["command"]


@click.command()
@definition_argument
@click.option("--title", help="Its title; a new flow needs one.")
@click.option("--flow-id", metavar="ID", help="Update this flow instead of creating one.")
@click.option("--input-schema", type=JsonFile(), help="The JSON Schema of the flow's input.")
@click.option("--subtitle", help="Its subtitle.")
@click.option("--description", help="Its description.")
@click.option("--keyword", "keywords", multiple=True, help="A keyword. May be repeated.")
@click.option(
    "--run-monitor", "run_monitors", multiple=True, metavar="URN", help="Who may see every run."
)
@offline_option
@displays("text", "json")
def command(
    *,
    flow: Path,
    title: str | None,
    flow_id: str | None,
    input_schema: dict[str, Any] | None,
    keywords: tuple[str, ...],
    run_monitors: tuple[str, ...],
    offline: bool,
    display: Display,
    **texts: str | None,
) -> None:
    """Create or update the flow in Globus.

    Logs in to Globus with the client that BRAID_LOGIN_CLIENT_ID names. Prints the flow's id. A
    definition that calls new actions makes Globus ask whoever runs the flow for consent once more.
    The provider that record states call is asked first whether it is one.
    """
    if flow_id is None and not title:
        raise click.UsageError("A new flow needs --title (or give --flow-id to update one).")
    document = read_definition(flow)
    if not (offline or OFFLINE.get()):
        _ask(document.definition)
    from braid.cli.login import globus_app
    from flows.definition.deploy import deploy, flows_client

    made = deploy(
        flows_client(globus_app()),
        document.definition,
        title=title,
        flow_id=flow_id,
        input_schema=input_schema or document.input_schema,
        keywords=keywords or None,
        run_monitors=run_monitors or None,
        **texts,
    )
    if display.format == "json":
        display.json(made)
    else:
        click.echo(made["id"])


def _ask(definition: dict[str, Any]) -> None:
    """Raise InvalidInput when what the record states call is not the provider that they need."""
    from flows.definition.introspection import ask_provider, providers_of, require_known
    from provenance_store.errors import InvalidInput

    for url, name in providers_of(definition):
        asked = ask_provider(url, name)
        if asked.url != url:
            raise InvalidInput(
                f"record states call {url}, and the provider is at {asked.url}; instrument the "
                "flow again with that address.",
                path="provider_url",
            )
        require_known(definition, asked)
        if asked.doubt:
            told = f"{url} could not be asked whether it is Braid's /{name}: {asked.doubt}."
            click.echo(printable(f"note: {told}"), err=True)
