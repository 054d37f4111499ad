"""`braid record decision`"""

from __future__ import annotations

from typing import Any

import click

from braid.cli.arguments import NumberPair, Reference
from braid.cli.options import Time, displays, records, run_option, strict_option, tag_option
from braid.cli.output import Display
from braid.cli.recording import recording
from braid.cli.source import Source

__all__ = ["command"]


@click.command()
@click.argument("name")
@click.option(
    "--option",
    "options",
    multiple=True,
    metavar="ID",
    help="A record that could have been chosen; may be repeated.",
)
@click.option(
    "--chosen",
    multiple=True,
    metavar="ID",
    help="What was chosen, one of the options or another record; may be repeated. Without it none "
    "of them was.",
)
@click.option("--why", metavar="TEXT", help="The reason.")
@click.option("--question", metavar="TEXT", help="What there was to decide.")
@click.option(
    "--score",
    "scores",
    multiple=True,
    type=NumberPair(),
    metavar="ID=NUMBER",
    help="A number by which an option was compared, such as braggnn@v3=0.93; may be repeated.",
)
@click.option("--decider", metavar="TEXT", help="The person, program or model that decided.")
@click.option("--policy", metavar="TEXT", help="The rule it went by.")
@click.option(
    "--input",
    "inputs",
    multiple=True,
    type=Reference(),
    help="A record that it looked at besides; may be repeated. The decision rests on it.",
)
@tag_option
@click.option("--at", type=Time(), help="When it was decided. [default: now]")
@run_option
@strict_option
@records
@displays("text", "json")
def command(
    *,
    name: str,
    options: tuple[str, ...],
    chosen: tuple[str, ...],
    why: str | None,
    question: str | None,
    scores: tuple[tuple[str, float], ...],
    decider: str | None,
    policy: str | None,
    inputs: tuple[str, ...],
    tags: tuple[tuple[str, Any], ...],
    at: int | None,
    run_id: str | None,
    strict: bool,
    source: Source,
    display: Display,
) -> None:
    """Record a decision: what could be chosen, what was, and why.

    It rests on what was chosen and on its inputs. When an option that was not taken is
    invalidated later, nothing follows from that.

    \b
    braid record decision "Model for the edge" --why "lowest error" \\
        --option braggnn@v3 --score braggnn@v3=0.02 \\
        --option resnet@v1 --score resnet@v1=0.05 --chosen braggnn@v3
    """
    from provenance_store.decisions import Option

    known = dict(scores)
    if unknown := [option for option in known if option not in (*options, *chosen)]:
        raise click.UsageError(
            f"--score names {unknown[0]}, which is not an option; write it as in --option."
        )
    named = dict.fromkeys((*options, *chosen))
    with recording(source, run_id=run_id, environment="auto", strict=strict) as place:
        with place.recorder.transaction():
            place.begin_run(at)
            step = place.recorder.decide(
                name,
                [Option(option, score=known.get(option)) for option in named],
                chosen,
                why=why,
                question=question,
                decider=decider,
                policy=policy,
                inputs=inputs,
                tags=dict(tags),
                decided_at=at,
            )
        place.show(display, step)
