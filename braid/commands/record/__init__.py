"""The `braid record` commands."""

from __future__ import annotations

import click

from braid.cli.lazy_group import LazyGroup

__all__ = ["command"]

COMMANDS = {
    "fact": "Record a fact: something static, such as a setting or a paper.",
    "data": "Record data, and what it was derived from.",
    "model": "Record a version of a model.",
    "promote": "Make live data static.",
    "step": "Record a step with its inputs, outputs and models.",
    "decision": "Record a decision: what could be chosen, what was, and why.",
}


@click.command(cls=LazyGroup, package="braid.commands.record", commands_help=COMMANDS)
def command() -> None:
    """Record a fact, data, a model version, a step or a decision.

    For what no flow and no script records by itself. Each command writes one record, with what it
    came from, and prints its URN, which later commands take as ID. To run a command and record it
    as a step, there is `braid exec`.

    \b
    SETUP=$(braid record fact setup --file setup.toml)
    SCAN=$(braid record data scan-17 --file scan-17.h5 --depends-on $SETUP)
    braid record model net --trained-on $SCAN --file net.pt --score f1=0.93
    braid record step reduce --input $SCAN --output-file peaks.h5
    braid record decision "Model for the edge" --option net@v0 --chosen net@v0
    braid record promote ID           data that was recorded with --live
    """
