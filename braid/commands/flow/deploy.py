"""`braid flow deploy`"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from braid.flowfile import JsonFile, definition_argument, read_definition
from braid.options import displays
from braid.output import Display

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
@displays("text", "json")
def command(
    *,
    flow: Path,
    title: str | None,
    flow_id: str | None,
    input_schema: dict[str, Any] | None,
    keywords: tuple[str, ...],
    run_monitors: tuple[str, ...],
    display: Display,
    **texts: str | None,
) -> None:
    """Create or update the flow in Globus.

    Logs in to Globus with the client that BRAID_LOGIN_CLIENT_ID names. Prints the flow's id. A
    definition that calls new actions makes Globus ask whoever runs the flow for consent once more.
    """
    if flow_id is None and not title:
        raise click.UsageError("A new flow needs --title (or give --flow-id to update one).")
    document = read_definition(flow)
    from braid.login import globus_app
    from flows.definition.deploy import deploy
    from flows.definition.login import flows_client

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
