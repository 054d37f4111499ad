"""`braid lineage`"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal

import click

from braid.cli.arguments import Reference
from braid.cli.options import displays, reads
from braid.cli.output import Display, Document, Field, Form
from braid.cli.source import Source
from braid.pictures.alike import folded as alike_folded
from braid.pictures.fitting import Shape
from braid.pictures.graph import ROLES, as_dot, as_mermaid, as_tree
from braid.pictures.rendering import rendered
from braid.pictures.svg import Picture
from provenance_store.display import counted
from provenance_store.errors import InvalidInput

__all__ = ["command"]

NODES = [
    Field("ID", "id", Form.WHOLE, people=lambda node: node.get("short_id") or node["id"]),
    Field("Kind", "kind", Form.WHOLE),
    Field("Name", "name"),
    Field("Version", lambda node: _numbers(node), Form.WHOLE, sparse=True),
    Field("Distance", "distance", Form.WHOLE),
    Field("Invalid", "invalidated.cause", sparse=True),
    Field("Invalid since", "invalidated.at", Form.TIME, sparse=True),
    Field("Status", "status", Form.WHOLE, sparse=True),
]

STEPS, MODELS = (("step",), "steps"), (("model",), "model versions")
HOLDERS = {
    "used": STEPS,
    "deployed": STEPS,
    "informed_by": STEPS,
    "chosen": STEPS,
    "considered": STEPS,
    "trained_on": MODELS,
    "revision_of": MODELS,
    "has_member": (("dataset",), "datasets"),
    "generated_by": (("data", "dataset", "fact", "model"), "records that a step made"),
    "derived_from": (("data", "dataset", "fact", "model"), "records that derive from others"),
}
"""Which kinds of records have links of a role, and in words; a test holds that it is all roles."""

DRAWN: dict[str, Callable[[Document], Iterator[str]]] = {
    "dot": as_dot,
    "mermaid": as_mermaid,
}
WITHOUT_STEPS = ("fact", "data", "model", "dataset")
PICTURES = ("svg", "png", "pdf")

EXAMPLES = """
\b
Examples:
  braid lineage 3.17                           what 3.17 came from, as a tree
  braid lineage 3.17 --down --depth 2          what came of it, two hops
  braid lineage 3.17 --kind model --kind data  models and data, steps left out
  braid lineage net@v3 --kind dataset --kind data
                                               which data a model was trained on
  braid lineage 3.17 --role trained_on --role revision_of
                                               only what models were trained on
  braid lineage 3.17 --both --fold -o lineage.svg
  braid lineage 3.17 --fit 16:9 -o slide.png   a picture for a slide
"""


class Fit(click.ParamType[Shape]):
    """A shape such as ``16:9``."""

    name = "W:H|A4"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Shape:
        return value if isinstance(value, Shape) else Shape.named(str(value))


@click.command(epilog=EXAMPLES)
@click.argument("id_", metavar="ID", type=Reference())
@click.option(
    "--up", "direction", flag_value="up", default="up", help="What it came from. [default]"
)
@click.option("--down", "direction", flag_value="down", help="What came of it.")
@click.option("--both", "direction", flag_value="both", help="Both.")
@click.option("--depth", type=click.IntRange(1), help="At most this many hops. [default: all]")
@click.option(
    "--role",
    "roles",
    multiple=True,
    type=click.Choice(ROLES),
    metavar="ROLE",
    help=f"Go over links of this role only; may be repeated. Roles: {', '.join(ROLES)}.",
)
@click.option(
    "--kind",
    "kinds",
    multiple=True,
    type=click.Choice(["fact", "data", "model", "dataset", "step"]),
    metavar="KIND",
    help="Show nodes of this kind only, going through the others; may be repeated. "
    "Kinds: fact, data, model, dataset, step.",
)
@click.option("--fold", "folded", is_flag=True, help="One node for all versions of a model.")
@click.option(
    "--limit",
    type=click.IntRange(1, 1_000_000),
    default=10_000,
    show_default=True,
    help="Visit at most this many nodes.",
)
@reads
@click.option(
    "--fit",
    "shape",
    type=Fit(),
    help="svg, png, pdf: lay it out for this shape, such as 16:9, 4:3 or A4. A long lineage "
    "goes on in rows, and long columns become several. Where the text would be too small to be "
    "read, steps are left out unless --kind is given, and nodes that are alike become one.",
)
@click.option("--everything", is_flag=True, help="With --fit: draw all, however small.")
@displays("text", "json", "csv", "svg", "png", "pdf", "dot", "mermaid")
def command(
    *,
    id_: str,
    direction: Literal["up", "down", "both"],
    depth: int | None,
    roles: tuple[str, ...],
    kinds: tuple[str, ...],
    folded: bool,
    limit: int,
    shape: Shape | None,
    everything: bool,
    source: Source,
    display: Display,
) -> None:
    """Show what a record came from, or what came of it.

    ID is a permanent name (urn:braid:...) or, in one store, the short form such as 3.17. Text is a
    tree, dot is for Graphviz, mermaid for Markdown, svg a picture; CSV lists the nodes by distance.
    In pictures arrows point from what was made to what it came from. -o FILE takes the format from
    the name: .svg, .png, .pdf, .dot, .mmd, .csv, .json or .txt.
    """
    if shape is not None and display.format not in PICTURES:
        raise click.UsageError("--fit goes with --format svg, png and pdf.")
    with source.read() as history:

        def ask(kinds: Sequence[str]) -> Document:
            return history.lineage(
                id_,
                direction=direction,
                depth=depth,
                roles=roles,
                kinds=kinds,
                folded=folded,
                limit=limit,
            )

        found, picture = ask(kinds), None
        if shape is not None and not everything:
            found, picture, told = _legible(
                found, shape, None if kinds else lambda: ask(WITHOUT_STEPS)
            )
            if told:
                click.echo(told, err=True)
    if display.format in PICTURES:
        _draw(picture or Picture(found, shape), display)
    else:
        _show(found, display)
    if roles and len(found["nodes"]) == 1:
        click.echo(_nothing_linked(found, roles), err=True)
    if found["truncated"]:
        click.echo("Not everything is shown: --limit was reached. Raise it to see more.", err=True)


def _legible(
    found: Document, shape: Shape, without_steps: Callable[[], Document] | None
) -> tuple[Document, Picture | None, str]:
    """As much of a lineage as can be read in the shape, its picture where it can be drawn, and in a
    sentence what is not drawn."""
    picture = _picture(found, shape)
    size = first = picture.points(shape) if picture else 0.0
    less = []

    def leaves_out(other: Document, words: Callable[[int], str]) -> None:
        nonlocal found, picture, size
        if out := len(found["nodes"]) - len(other["nodes"]):
            less.append(words(out))
            found, picture = other, _picture(other, shape)
            size = picture.points(shape) if picture else 0.0

    if size < shape.least and without_steps is not None:
        leaves_out(without_steps(), lambda out: f"{counted(out, 'step')} left out")
    if size < shape.least:
        leaves_out(
            alike_folded(found),
            lambda out: f"{counted(out, 'node')} drawn as one with others that are alike",
        )
    if not less and size >= shape.least:
        return found, picture, ""
    told = f"Text of {first:.0f} points" if first else "More than a picture holds"
    done = f": {' and '.join(less)}; --everything draws all." if less else "."
    still = f" The text now has {size:.0f} points." if less else ""
    more = " --kind model or --depth 3 draws less." if size < shape.least else ""
    told = f"{told} would be drawn, where {shape.least:.0f} can be read{done}{still}{more}"
    return found, picture, told


def _picture(found: Document, shape: Shape) -> Picture | None:
    """The picture in the shape; None for more than can be drawn."""
    try:
        return Picture(found, shape)
    except InvalidInput:
        return None


def _nothing_linked(found: Document, roles: Sequence[str]) -> str:
    """That the record stands alone; and what has such links, if nothing of its kind does."""
    holders = [HOLDERS[role] for role in roles]
    told = "Nothing is linked to it by these roles"
    kind = found["nodes"][0]["kind"]
    if found["direction"] != "up" or any(kind in kinds for kinds, _ in holders):
        return f"{told}."
    return f"{told}; {' and '.join(dict.fromkeys(words for _, words in holders))} are."


def _numbers(node: Document) -> str:
    """The number of a version, or the range that a folded node stands for."""
    if "versions" in node:
        first, last = node["versions"]["first"], node["versions"]["last"]
        return str(first) if first == last else f"{first}-{last}"
    return str(node.get("version", ""))


def _draw(picture: Picture, display: Display) -> None:
    if display.format == "svg":
        display.lines(list(picture.lines()))
    else:
        display.data(rendered("\n".join(picture.lines()), display.format))


def _show(found: Document, display: Display) -> None:
    if display.format == "text" and not display.is_table:
        display.tree(as_tree(found))
    elif display.format in DRAWN:
        display.lines(list(DRAWN[display.format](found)))
    else:
        display.table(found, rows="nodes", fields=NODES)
