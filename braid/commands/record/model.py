"""`braid record model`"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import click

from braid.cli.arguments import JsonText, NumberPair, Reference
from braid.cli.options import Described, describes, displays, records
from braid.cli.output import Display, say
from braid.cli.recording import RecordingTarget, recording
from braid.cli.source import Source

if TYPE_CHECKING:
    from provenance_store.handles import ModelVersion

__all__ = ["command"]

NOTHING_NEW = (
    "{} exists already, newest is v{}: --tag and --depends-on are not recorded, for no version is "
    "made. Give them with --update, or with --trained-on, --file, --hyperparameters or --score."
)


@click.command()
@click.argument("name")
@click.option(
    "--update",
    is_flag=True,
    help="Make the next version: NAME is a model's name, or the version that it continues: its ID, "
    "NAME@v3 or NAME@ALIAS.",
)
@click.option(
    "--resume",
    is_flag=True,
    help="Go on with the model of this name as --update does, or begin it where there is none. "
    "Where nothing is given that makes a version, it is the one that is there.",
)
@click.option(
    "--log",
    is_flag=True,
    help="Append --metrics to the curve of the version that is named, while it trains.",
)
@click.option(
    "--trained-on",
    multiple=True,
    type=Reference(),
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
    resume: bool,
    log: bool,
    trained_on: tuple[str, ...],
    hyperparameters: Any,
    metrics: Any,
    scores: tuple[tuple[str, float], ...],
    described: Described,
    source: Source,
    display: Display,
) -> None:
    """Record a version of a model.

    Without --update or --resume it is the first version of a new model. Prints the version's ID, a
    URN that is valid everywhere. JSON may be in a file: @FILE, or @- for standard input. Points of
    --metrics are at their "step" where they have one, else at their "epoch".

    \b
    braid record model net --trained-on ID --file net.pt --score f1=0.93
    braid record model net@v1 --log --metrics '[{"step": 500, "loss": 0.3}]'
    """
    if update + resume + log > 1:
        raise click.UsageError("Give one of --update, --resume and --log.")
    about: dict[str, Any] = {
        "hyperparameters": _of_type(dict, hyperparameters, "--hyperparameters", "an object"),
        "metrics": _of_type(list, metrics, "--metrics", "a list") or (),
        "scores": dict(scores),
    }
    with recording(
        source, run_id=described.run_id, environment="auto", strict=described.strict
    ) as place:
        recorder = place.recorder
        if log:
            return _log(place, name, about["metrics"], display)
        make = partial(recorder.model, name, trained_on=trained_on, **about)
        there = resume and _is_there(place, name)
        makes = (trained_on, described.uris, described.files, described.made_by, *about.values())
        if there and not any(makes):
            version = _version(place, name)
            if described.tags or described.depends_on:
                say(NOTHING_NEW.format(version.name, version.version))
            return place.show(display, version)
        if update or there:
            make = partial(recorder.update, _version(place, name), trained_on, **about)
        place.show(display, place.make(described, make))


def _log(place: RecordingTarget, reference: str, metrics: Any, display: Display) -> None:
    """Append to the curve of a version."""
    if not metrics:
        raise click.UsageError("--log needs --metrics with the points to append.")
    recorder = place.recorder
    version = recorder.id_of(reference)
    recorder.log(version, metrics)
    urn = recorder.sink.urn(version)
    place.tell(display, urn, kind="model", name=reference)


def _is_there(place: RecordingTarget, name: str) -> bool:
    """Whether there is anything of this name to go on with."""
    if place.history is None:
        raise click.UsageError("--resume looks up the model and cannot be used with --spool.")
    return bool(place.history.named(name)["records"])


def _version(place: RecordingTarget, reference: str) -> ModelVersion:
    """The version that a name or an id stands for; a name must have one newest version."""
    from provenance_store.enums import Kind, not_a_model
    from provenance_store.errors import NotFound
    from provenance_store.handles import ModelVersion
    from provenance_store.queries.documents import ambiguous
    from provenance_store.references import is_name
    from provenance_store.resume_notice import ON_THE_COMMAND_LINE, told_of_resuming

    history, recorder = place.history, place.recorder
    if history is None:
        raise click.UsageError(
            "--update with a name looks up the newest version and cannot be used with --spool; "
            "give its URN."
        )
    named = history.named(reference)["records"]
    found = [each for each in named if each["kind"] == Kind.MODEL.label]
    if named and not found:
        raise click.UsageError(not_a_model(reference, named[0]["kind"]))
    if not found:
        raise NotFound(
            f"There is no model {reference} in this store; leave out --update to begin it."
        )
    if len(found) > 1:
        raise ambiguous(reference, found)
    about = (found[0]["version"], found[0].get("status"), found[0].get("passed_over", ()))
    told = told_of_resuming(reference, *about, ON_THE_COMMAND_LINE)
    if told and is_name(reference):
        say(told)
    ids = recorder.id_of(found[0]["id"]), recorder.id_of(found[0]["line"])
    return ModelVersion(ids[0], Kind.MODEL, found[0]["name"], recorder, ids[1], found[0]["version"])


def _of_type(kind: type, value: Any, option: str, wanted: str) -> Any:
    if value is not None and not isinstance(value, kind):
        raise click.UsageError(f"{option} must be {wanted}.")
    return value
