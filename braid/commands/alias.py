"""`braid alias`"""

from __future__ import annotations

import click

from braid.cli.arguments import Reference
from braid.cli.options import displays, records
from braid.cli.output import Display, Document, Field, Form
from braid.cli.recording import RecordingTarget, recording
from braid.cli.source import Source

__all__ = ["command"]

FIELDS = [
    Field("Alias", "alias"),
    Field("Version", "version.version", Form.WHOLE),
    Field("ID", "version.short_id", Form.WHOLE),
    Field("Since", "since", Form.TIME),
    Field("Until", "until", Form.TIME),
    Field("URN", "version.id", Form.WHOLE, wide=True),
]


@click.command()
@click.argument("reference", metavar="MODEL", type=Reference())
@click.argument("names", metavar="[ALIAS]...", nargs=-1)
@click.option("--remove", is_flag=True, help="Take the aliases away from the model instead.")
@records
@displays("text", "json", "csv")
def command(
    *,
    reference: str,
    names: tuple[str, ...],
    remove: bool,
    source: Source,
    display: Display,
) -> None:
    """Give a model version a name such as champion.

    MODEL is a version: its id, NAME@v3, NAME@ALIAS, or NAME for the newest one. Within its model
    one version has an alias at a time: the one that had it before has it no more, and the history
    keeps when it did. Everywhere else NAME@ALIAS names the version then. Prints its URN. Without
    an ALIAS the aliases of the model are listed, with their history.

    \b
    braid alias braggnn@v3 champion deployed@edge
    braid models --alias champion --as-of 2026-03-01
    """
    if remove and not names:
        raise click.UsageError("--remove needs the aliases to remove.")
    from provenance_store.references import is_name

    with recording(source, strict=True, create=False) as place:
        if not names:
            found = {"aliases": _known(place, reference)["aliases"]}
            return display.table(found, rows="aliases", fields=FIELDS, empty="No aliases.")
        recorder = place.recorder
        version = recorder.id_of(reference)
        if remove:
            urn = recorder.sink.urn(version)
            _check_there(_known(place, urn), names, None if is_name(reference) else urn)
            recorder.unalias(version, *names)
        else:
            recorder.alias(version, *names)
        place.tell(display, recorder.sink.urn(version))


def _known(place: RecordingTarget, reference: str) -> Document:
    """The model, with all its aliases."""
    if place.history is None:
        raise click.UsageError("A spool cannot list aliases; give --store or --server.")
    return place.history.model(reference, limit=1)


def _check_there(model: Document, names: tuple[str, ...], urn: str | None) -> None:
    """Raise NotFound for an alias that no version has, or another one than that of a URN."""
    from provenance_store.errors import NotFound

    there = {each["alias"]: each["version"] for each in model["aliases"] if each["until"] is None}
    for name in names:
        if name not in there:
            listed = ", ".join(sorted(there)) or "none"
            raise NotFound(f"{model['name']} has no alias {name!r}; it has {listed}.")
        if urn is not None and there[name]["id"] != urn:
            number = there[name].get("version")
            raise NotFound(
                f"The alias {name!r} is that of {model['name']} v{number}, not of this version; "
                f"give the name of the model: braid alias {model['name']} {name} --remove."
            )
