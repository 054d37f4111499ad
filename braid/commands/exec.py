"""`braid exec`"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from braid.executing import Finished, job_environment, run
from braid.options import model_option, records, run_option, tag_option
from braid.recording import Place, file_uri, recording
from braid.source import Source

if TYPE_CHECKING:
    from provenance_store.handles import StepHandle

__all__ = ["command"]

FILE = click.Path(path_type=Path)


@click.command(context_settings={"allow_interspersed_args": False})
@click.argument("command_line", nargs=-1, required=True, type=click.UNPROCESSED, metavar="CMD ...")
@click.option("--name", help="The step's name. [default: the command's]")
@click.option("--input", "inputs", multiple=True, metavar="FILE|ID", help="What it uses.")
@click.option("--output", "outputs", multiple=True, type=FILE, help="A file that it makes.")
@model_option
@tag_option
@run_option
@records
@click.pass_context
def command(
    context: click.Context,
    /,
    *,
    command_line: tuple[str, ...],
    name: str | None,
    inputs: tuple[str, ...],
    outputs: tuple[Path, ...],
    models: tuple[str, ...],
    tags: tuple[tuple[str, Any], ...],
    run_id: str | None,
    source: Source,
) -> None:
    """Run a command and record it as a step.

    Recorded are its command line without secrets, exit code, beginning and end, the machine and
    the batch job, and size and SHA-256 of the files it uses and makes. Its exit code is passed
    on, whatever becomes of the record: what a store or a server does not take goes to the folder
    BRAID_SPOOL, with a note on standard error. An input that is not there stops nothing: it is
    recorded without size and digest.

    \b
    braid exec --input scan.h5 --output peaks.h5 -- ./find_peaks scan.h5 peaks.h5
    """
    used = [_input(text) for text in inputs]
    finished = run(command_line)
    if finished.problem:
        click.echo(f"braid: {finished.problem}", err=True)
    made = [_output(path) for path in outputs if path.is_file()]
    for path in outputs:
        if not path.is_file():
            click.echo(f"braid: {path} was not made; it is not recorded.", err=True)
    about = {"models": models, "tags": {**dict(tags), "exit_code": finished.code}}
    done = _Done(
        name or Path(command_line[0]).name or command_line[0],
        command_line,
        finished,
        used,
        made,
        about,
    )
    _record(source, run_id, done)
    context.exit(finished.code)


@dataclasses.dataclass(frozen=True)
class _Done:
    """A command that was run. Inputs are ids, or files described as URIs."""

    name: str
    command_line: Sequence[str]
    finished: Finished
    inputs: Sequence[str | dict[str, Any]]
    outputs: Sequence[dict[str, Any]]
    about: dict[str, Any]


def _input(text: str) -> str | dict[str, Any]:
    from provenance_store.ids import looks_like_id

    if looks_like_id(text) and not Path(text).exists():
        return text
    return _file(Path(text))


def _output(path: Path) -> dict[str, Any]:
    return _file(path)


def _file(path: Path) -> dict[str, Any]:
    """A file as a URI with size and digest; the URI alone when it cannot be read."""
    try:
        return file_uri(path)
    except OSError as error:
        missing = isinstance(error, FileNotFoundError)
        what = "is not there" if missing else f"cannot be read ({error.strerror})"
        click.echo(f"braid: {path} {what}: recorded without size and digest.", err=True)
        return {"uri": path.resolve().as_uri()}


def _record(source: Source, run_id: str | None, done: _Done) -> None:
    """Record into the store, server or spool; what is not taken there into the spool."""
    from hpc.settings import SPOOL

    problem = _try(source, run_id, done)
    if problem is None:
        return
    if source.spool is None:
        folder = Path(SPOOL.get())
        if _try(Source(spool=folder), run_id, done) is None:
            click.echo(f"braid: {problem} The step is kept in {folder}.", err=True)
            click.echo(f"braid: bring it in with `braid spool load {folder}`.", err=True)
            return
    click.echo(f"braid: the step is not recorded: {problem}", err=True)


def _try(source: Source, run_id: str | None, done: _Done) -> str | None:
    """Record; what went wrong in a sentence, for nothing may come between a command and its
    exit code."""
    from braid.errors import describe

    try:
        with recording(source, run_id=run_id, environment=job_environment()) as place:
            with place.recorder.together():
                place.begin_run(done.finished.started_at)
                _write(place, done)
            if kept := place.settle():
                click.echo(f"braid: {kept.message}", err=True)
    except Exception as error:
        return describe(error)
    return None


def _write(place: Place, done: _Done) -> None:
    finished = done.finished
    step: StepHandle = place.recorder.step(
        done.name,
        inputs=[_used(place, each) for each in done.inputs],
        parameters={"command": list(done.command_line), "folder": str(Path.cwd())},
        type="Command",
        started_at=finished.started_at,
        **done.about,
    )
    for uri in done.outputs:
        step.output(_file_name(uri), uris=[uri])
    step.finish(
        "FAILED" if finished.code else "SUCCEEDED",
        completed_at=finished.completed_at,
        result={"exit_code": finished.code},
    )


def _used(place: Place, given: str | dict[str, Any]) -> Any:
    """The record of an input: the known one of the same file with the same content, or new."""
    if isinstance(given, str):
        return given
    for record in _newest(place, given["uri"]):
        known = [uri for uri in record["uris"] if uri["uri"] == given["uri"]]
        if any(uri.get("digest") == given.get("digest") for uri in known):
            return record["id"]
    return place.recorder.data(_file_name(given), uris=[given])


def _newest(place: Place, uri: str) -> list[dict[str, Any]]:
    """The newest record at a URI, if one is known; a server that is away knows none."""
    if place.store is not None:
        found = place.store.reader().find_uri(uri)
        return [] if found is None else [place.store.reader().record(place.store.sink.urn(found))]
    client = place.delivery.client if place.delivery else None
    if client is None or "*" in uri:
        return []
    records: list[dict[str, Any]] = client.records(uri=uri, limit=1)["records"]
    return records


def _file_name(uri: dict[str, Any]) -> str:
    from urllib.parse import unquote

    return unquote(uri["uri"].rpartition("/")[2])[:256] or "file"
