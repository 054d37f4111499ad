"""`braid record model`"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import click

from braid.options import Described, describes, displays, records
from braid.output import Display
from braid.parameters import JsonText, NumberPair
from braid.recording import Place, recording
from braid.source import Source

if TYPE_CHECKING:
    from provenance_store.handles import ModelVersion

__all__ = ["command"]


@click.command()
@click.argument("name")
@click.option(
    "--update",
    is_flag=True,
    help="Make the next version: NAME is a model's name, or the ID of the version that it "
    "continues.",
)
@click.option(
    "--trained-on",
    multiple=True,
    metavar="ID",
    help="A record that it was trained on; may be repeated.",
)
@click.option("--hyperparameters", type=JsonText(), help='A JSON object such as {"lr": 1e-5}.')
@click.option("--metrics", type=JsonText(), help='A JSON list such as [{"epoch": 1, "loss": 0.3}].')
@click.option(
    "--score",
    "scores",
    multiple=True,
    type=NumberPair(),
    help="A validation score such as f1=0.93; may be repeated. nan and inf are numbers too.",
)
@describes
@records
@displays("text", "json")
def command(
    *,
    name: str,
    update: bool,
    trained_on: tuple[str, ...],
    hyperparameters: Any,
    metrics: Any,
    scores: tuple[tuple[str, float], ...],
    described: Described,
    source: Source,
    display: Display,
) -> None:
    """Record a version of a model.

    Without --update it is the first version of a new model. Prints the version's ID, a URN that
    is valid everywhere. JSON may be in a file: @FILE, or @- for standard input.

    \b
    braid record model net --trained-on ID --file net.pt --score f1=0.93
    """
    about: dict[str, Any] = {
        "hyperparameters": _of_type(dict, hyperparameters, "--hyperparameters", "an object"),
        "metrics": _of_type(list, metrics, "--metrics", "a list") or (),
        "scores": dict(scores),
    }
    with recording(
        source, run_id=described.run_id, environment="auto", strict=described.strict
    ) as place:
        recorder = place.recorder
        make = partial(recorder.model, name, trained_on=trained_on, **about)
        if update:
            make = partial(recorder.update, _version(place, name), trained_on, **about)
        place.show(display, place.make(described, make))


def _version(place: Place, reference: str) -> ModelVersion:
    """The version that a name or an id stands for; a name must have one newest version."""
    from provenance_store.errors import Ambiguous, NotFound
    from provenance_store.handles import ModelVersion
    from provenance_store.ids import looks_like_id
    from provenance_store.kinds import Kind

    history, recorder = place.history, place.recorder
    if history is None:
        raise click.UsageError("--update asks which version is the newest; not with --spool.")
    if not looks_like_id(reference):
        heads = _heads(place, reference)
        if not heads:
            raise NotFound(f"There is no model {reference!r}; leave out --update to begin it.")
        if len(heads) > 1:
            raise Ambiguous(f"{reference!r} has {len(heads)} newest versions.", choices=heads)
        reference = heads[0]
    found = history.record(reference)
    if found["kind"] != Kind.MODEL.label:
        raise click.UsageError(f"{reference} is not a model but a {found['kind']}.")
    ids = recorder.id_of(found["id"]), recorder.id_of(found["line"])
    return ModelVersion(ids[0], Kind.MODEL, found["name"], recorder, ids[1], found["version"])


def _heads(place: Place, name: str) -> list[str]:
    """The ids of the newest versions, on all branches, of the models of a name."""
    if place.store is not None:
        return [place.store.sink.urn(head.id) for head in place.store.reader().heads(name)]
    if place.delivery is None:
        return []
    client = place.delivery.ask()
    page = client.model(name)
    heads = [each["id"] for each in page["versions"] if each["head"]]
    while page["has_next_page"]:
        page = client.model(name, marker=page["marker"])
        heads += [each["id"] for each in page["versions"] if each["head"]]
    return heads


def _of_type(kind: type, value: Any, option: str, wanted: str) -> Any:
    if value is not None and not isinstance(value, kind):
        raise click.UsageError(f"{option} must be {wanted}.")
    return value
