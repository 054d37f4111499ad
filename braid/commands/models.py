"""`braid models`"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import click

from braid.cli.arguments import Reference
from braid.cli.options import Time, displays, pages, reads
from braid.cli.output import Display, Document, Field, Form, bad_end, cause, ended, marked, validity
from braid.cli.source import Source
from braid.pictures.curve import curves
from provenance_store.display import counted

__all__ = ["command", "environment_in_words"]

NAMED = 8
"""How many of a list a page names; JSON has all."""


def _numbered(of: str | None = None) -> Callable[[Document], str]:
    """The number of a version as it is typed, ``v3``."""
    return lambda row: f"v{(row if of is None else row[of])['version']}"


LINES = [
    Field("Name", "name"),
    Field("Versions", "versions", Form.WHOLE),
    Field("Branches", "branches", Form.WHOLE, rank=3),
    Field("Latest", "latest.version", Form.WHOLE, people=_numbered("latest")),
    ended("latest"),
    Field("Latest ID", "latest.short_id", Form.WHOLE),
    Field("Created at", "latest.created_at", Form.TIME, rank=2),
    Field("Aliases", "latest.aliases", rank=1, sparse=True),
    Field("Scores", "latest.scores", rank=1),
    Field("Latest URN", "latest.id", Form.WHOLE, wide=True),
    validity("latest"),
]
VALUE = Field(
    "Value",
    lambda model: "diverged" if model["match"].get("diverged") else model["match"]["value"],
    Form.WHOLE,
)
MATCHES = [
    Field("ID", "match.short_id", Form.WHOLE),
    Field("Name", "name"),
    Field("Version", "match.version", Form.WHOLE, people=_numbered("match")),
    VALUE,
    ended("match"),
    Field("Matching", "matches", Form.WHOLE, rank=4),
    Field("Latest", "latest.version", Form.WHOLE, rank=4, people=_numbered("latest")),
    Field("Created at", "match.created_at", Form.TIME, rank=2),
    Field("Aliases", "match.aliases", rank=1, sparse=True),
    Field("Scores", "match.scores", rank=1),
    Field("Tags", "match.tags", rank=3),
    Field("URN", "match.id", Form.WHOLE, wide=True),
    validity("match"),
]
MATCHING_VERSIONS = [
    Field("ID", "match.short_id", Form.WHOLE),
    Field("Name", "name"),
    Field("Version", "match.version", Form.WHOLE, people=_numbered("match")),
    VALUE,
    ended("match"),
    Field("Created at", "match.created_at", Form.TIME, rank=2),
    Field("Aliases", "match.aliases", rank=1, sparse=True),
    Field("Scores", "match.scores", rank=1),
    Field("Hyperparameters", "match.hyperparameters", rank=3),
    Field("Tags", "match.tags", rank=4),
    Field("URN", "match.id", Form.WHOLE, wide=True),
    validity("match"),
]
COMPARED_AT = 3
"""What conditions on parameters were compared with is shown from this column on."""
VERSIONS = [
    Field("ID", "short_id", Form.WHOLE),
    Field("Version", "version", Form.WHOLE, people=_numbered()),
    ended(),
    Field("Created at", "created_at", Form.TIME, rank=1),
    Field("Run ID", "run_id", Form.RUN, rank=2),
    Field("Aliases", "aliases", sparse=True),
    Field("Scores", "scores"),
    Field("Hyperparameters", "hyperparameters", rank=3),
    Field("Newest of its branch", "head", Form.WHOLE, rank=2),
    Field("URN", "id", Form.WHOLE, wide=True),
    validity(),
]

EXAMPLES = """
\b
Examples:
  braid models                       all models, newest first
  braid models braggnn               the versions of one
  braid models 3.17                  one version: what made it, its curve, what came of it
  braid models --trained-on globus://c/scan-17.h5 --tag technique=hedm --best val_loss
                                     the best start for fine-tuning
  braid models --best accuracy --highest
  braid models --where 'lr<0.01' --where optimizer.name=adam --versions
                                     every version that fits, with its lr and optimizer
  braid models braggnn --where 'lr<0.01'
                                     those of one model
  braid models --alias champion --as-of 2026-03-01
"""


@click.command(epilog=EXAMPLES)
@click.argument("model", required=False, type=Reference())
@click.option(
    "--versions",
    is_flag=True,
    help="List versions, and not models: all that fit, or with an id those of its model.",
)
@click.option("--name", metavar="NAME", help="Only models of this name; * is anything.")
@click.option(
    "--trained-on",
    "trained_on",
    multiple=True,
    type=Reference(),
    help="Only versions trained on this record, or the newest at this URI or path: directly, "
    "through datasets and steps, or as a later version of one that was. May be repeated: on all "
    "of them.",
)
@click.option(
    "--tag",
    "tags",
    multiple=True,
    metavar="CONDITION",
    help="Only versions with this tag, or made of what has it: sample, sample=Ni, "
    "temperature_K>290. Looked for in the version, what it was trained on and what that came from, "
    "facts that it depends on and steps that made it. May be repeated.",
)
@click.option(
    "--where",
    multiple=True,
    metavar="CONDITION",
    help="Only versions with this hyperparameter, or made by a step with this parameter: lr<0.01, "
    "optimizer.name=adam. May be repeated.",
)
@click.option(
    "--alias",
    metavar="ALIAS",
    help="Only versions with this alias, such as champion; invalid ones too.",
)
@click.option(
    "--as-of",
    type=Time(),
    help="What was made before this time, and aliases as they were then: 2026-03-01, or 7d.",
)
@click.option(
    "--best",
    metavar="METRIC",
    help="Rank by this validation score, else by the last value of this metric, lowest first.",
)
@click.option("--highest", is_flag=True, help="With --best: highest first.")
@click.option(
    "--valid/--invalid-too",
    default=None,
    help="Search among versions that are not invalid, or among all. [default: --valid]",
)
@pages
@reads
@displays("text", "json", "csv")
def command(
    *,
    model: str | None,
    versions: bool,
    name: str | None,
    trained_on: tuple[str, ...],
    tags: tuple[str, ...],
    where: tuple[str, ...],
    alias: str | None,
    as_of: int | None,
    best: str | None,
    highest: bool,
    valid: bool | None,
    limit: int,
    marker: str | None,
    source: Source,
    display: Display,
) -> None:
    """List models, find the best, show the versions of one, or one version.

    MODEL is a name, or one version: its id (urn:braid:... or 3.17), NAME@v3 or NAME@ALIAS, the URI
    or path of its weights. A search shows of each model that has such versions the best one, or
    without --best the newest; with --versions all of them, and with MODEL those of that model. It
    passes over invalid versions unless --invalid-too is given. With --best, versions whose value is
    not finite, or beyond single precision (3.4e38), have diverged, and are last. A name stands for
    the newest version whose step did not fail; those of steps that failed are marked FAILED.
    """
    from provenance_store.references import is_name

    filters: dict[str, Any] = {
        "name": name,
        "trained_on": trained_on,
        "tags": tags,
        "where": where,
        "alias": alias,
        "as_of": as_of,
        "best": best,
    }
    searching = valid is not None or any(filters.values())
    if model is not None and name is not None:
        raise click.UsageError("Give MODEL or --name, not both.")
    if highest and not best:
        raise click.UsageError("--highest goes with --best METRIC.")
    only_valid = valid or (valid is None and any((trained_on, tags, where, best)))
    with source.read() as history:
        if model is None or searching:
            each = versions or model is not None
            filters |= {"highest": highest, "valid": only_valid, "model": model, "versions": each}
            found = history.models(**filters, limit=limit, marker=marker)
            more = "; --invalid-too searches invalid versions too" if only_valid else ""
            empty = f"No {'versions' if each else 'models'}{more}."
            _list(found, display, compared=where, each=each, empty=empty)
        elif not is_name(model) and not versions:
            _version(history.model_version(model), display)
        else:
            line = history.model(model, limit=limit, marker=marker)
            display.table(line, rows="versions", fields=VERSIONS)


def _list(
    found: Document, display: Display, *, compared: Sequence[str], each: bool, empty: str
) -> None:
    searched = any("match" in model for model in found["models"])
    columns = (MATCHING_VERSIONS if each else MATCHES) if searched else LINES
    asked = [*_compared(compared)] if searched else []
    fields = [*columns[:COMPARED_AT], *asked, *columns[COMPARED_AT:]]
    display.table(found, rows="models", fields=fields, empty=empty)


def _compared(conditions: Sequence[str]) -> Iterator[Field]:
    """A column for each parameter that was compared."""
    from provenance_store.filters import parse_tag

    for name in dict.fromkeys(parse_tag(condition).name for condition in conditions):
        yield Field(name, _value_of(name))


def _value_of(name: str) -> Callable[[Document], object]:
    return lambda model: model["match"]["compared"].get(name)


OF_A_LIST = ("newest_of_its_branch", "validity")
"""Columns of a list of versions that the document of one version says in another way."""

# ---- one version -----------------------------------------------------------------------


def _version(version: Document, display: Display) -> None:
    if display.format == "csv":
        fields = [field for field in VERSIONS if field.name not in OF_A_LIST]
        display.table({"versions": [version]}, rows="versions", fields=fields)
    else:
        display.details(version, fields=[*ABOUT, *_curves(version), *CAME_OF_IT])


def _is_parent(version: Document, item: Document) -> bool:
    return bool(item["id"] == version.get("parent"))


def _is_no_parent(version: Document, item: Document) -> bool:
    return not _is_parent(version, item)


def _mentions(
    part: str, wanted: Callable[[Document, Document], bool] | None = None
) -> Callable[[Document], str]:
    """The first of a list of records, all of it or those that are wanted of the version, and how
    many there are besides."""

    def value(version: Document) -> str:
        found = [item for item in version[part] if wanted is None or wanted(version, item)]
        named = ", ".join(_mention(item) for item in found[:NAMED])
        return named + (f" and {len(found) - NAMED} more" if len(found) > NAMED else "")

    return value


def _mention(item: Document) -> str:
    if item.get("restricted"):
        return "(not yours to see)"
    number = f" v{item['version']}" if "version" in item else ""
    return marked(f"{item['name']}{number} [{item['short_id']}]", item)


def environment_in_words(version: Document) -> str:
    """Host, software and code of the environment in a line; JSON has all of it."""
    found = version["environment_document"] or {}
    hardware, software, code = (
        part if isinstance(part := found.get(name), Mapping) else {}
        for name in ("hardware", "software", "code")
    )
    packages = software.get("packages") or {}
    parts = [
        software.get("service"),
        hardware.get("host"),
        hardware.get("machine"),
        hardware.get("cpu_count") and f"{hardware['cpu_count']} CPUs",
        software.get("python") and f"Python {software['python']}",
        software.get("system"),
        packages and counted(len(packages), "package"),
        code.get("script"),
        code.get("digest"),
    ]
    return ", ".join(str(part) for part in parts if part) or str(version["environment"] or "")


def _curves(version: Document) -> Iterator[Field]:
    """A line for each metric."""
    for name, told in curves(version):
        yield Field(f"Curve of {name}", _always(told))


def _always(text: str) -> Callable[[Document], str]:
    return lambda _: text


ABOUT = [
    Field("Model", lambda version: f"{version['name']} v{version['version']}"),
    Field("ID", lambda version: f"{version['short_id']}  {version['id']}"),
    Field("Validity", cause),
    Field("Status", bad_end),
    Field("Created at", "created_at", Form.TIME),
    Field("Owner", "owner"),
    Field("Run ID", "run_id"),
    Field("Made by", _mentions("made_by")),
    Field("Revision of", _mentions("fine_tuned_from", _is_parent)),
    Field("Derived from", _mentions("fine_tuned_from", _is_no_parent)),
    Field("Trained on", _mentions("trained_on")),
    Field("Facts", _mentions("facts")),
    Field("Other inputs", _mentions("inputs")),
    Field("Hyperparameters", "hyperparameters"),
    Field("Environment", environment_in_words),
    Field("Tags", "tags"),
    Field("URIs", lambda version: ", ".join(uri["uri"] for uri in version["uris"])),
    Field("Aliases", "aliases"),
    Field("Scores", "scores"),
]
CAME_OF_IT = [
    Field("Revised by", _mentions("revised_by")),
    Field("Used by", _mentions("used_by")),
    Field("Gave rise to", _mentions("produced")),
]
