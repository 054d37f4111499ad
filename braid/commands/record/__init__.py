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
    """Record a fact, data, a model version, a step or a decision."""
