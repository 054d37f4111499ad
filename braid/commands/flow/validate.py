"""`braid flow validate`"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import click

from braid.cli.errors import SAID_NO
from braid.cli.files import definition_argument, problem_line, read_definition
from braid.cli.options import displays
from braid.cli.output import Display, Field, Form

__all__ = ["command"]

FIELDS = [
    Field("Severity", "severity", Form.WHOLE),
    Field("Path", "path"),
    Field("Message", "message"),
    Field("Advice", "advice", rank=1),
]


@click.command()
@definition_argument
@click.option("--strict", is_flag=True, help="Exit 1 for warnings too.")
@displays("text", "json", "csv")
@click.pass_context
def command(context: click.Context, /, *, flow: Path, strict: bool, display: Display) -> None:
    """List what is wrong with a definition; exit 1 if anything is.

    All problems at once, each with its JSON path and with what to do. Errors are what Globus Flows
    would refuse or what would fail a run; warnings are allowed, but rarely meant.
    """
    from flows.definition.problems import Severity
    from flows.definition.validate import validate

    problems = validate(read_definition(flow).definition)
    found = [_document(dataclasses.asdict(problem)) for problem in problems]
    if display.format == "text" and not display.is_table:
        display.lines([problem_line(problem) for problem in problems], empty="Nothing is wrong.")
    else:
        display.table({"problems": found}, rows="problems", fields=FIELDS)
    bad = [problem for problem in problems if strict or problem.severity is Severity.ERROR]
    context.exit(SAID_NO if bad else 0)


def _document(problem: dict[str, Any]) -> dict[str, Any]:
    return {"severity": problem.pop("severity").value, **problem}
