"""`braid flow strip`"""

from __future__ import annotations

from pathlib import Path

import click

from braid.cli.files import definition_argument, read_definition, write_definition, written

__all__ = ["command"]


@click.command()
@definition_argument
@written
def command(*, flow: Path, output: Path) -> None:
    """Remove the record states again.

    Gives back the definition as it was before `braid flow instrument`, with what you changed in it
    since, for --mode step and run alike. States that you wrote by hand stay.
    """
    from flows.definition.strip import strip

    document = read_definition(flow)
    write_definition(output, strip(document.definition), document)
