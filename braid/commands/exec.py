"""`braid exec`"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from braid.cli.errors import SAID_NO, describe
from braid.cli.options import model_option, records, run_option, strict_option, tag_option
from braid.cli.output import say
from braid.cli.recording import reading, recording
from braid.cli.source import Source
from braid.cli.subprocess_step import Finished, job_environment, run
from provenance_store.display import escaped
from provenance_store.errors import (
    BraidError,
    ConfigurationError,
    InvalidInput,
    SchemaMismatch,
    ServiceUnavailable,
    StoreUnavailable,
)

if TYPE_CHECKING:
    from braid.cli.subprocess_step import CommandStep
    from provenance_store.digests import Progress
    from provenance_store.files import LocalFile

__all__ = ["command"]

LONGEST_RUN_ID = 64
AWAY = (StoreUnavailable, SchemaMismatch, ServiceUnavailable, ConfigurationError, KeyboardInterrupt)
"""What says nothing against the step: it goes elsewhere as it is."""
URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://.")


@click.command(context_settings={"allow_interspersed_args": False})
@click.argument("command_line", nargs=-1, required=True, type=click.UNPROCESSED, metavar="CMD ...")
@click.option("--name", help="The step's name. [default: the command's]")
@click.option(
    "--input",
    "inputs",
    multiple=True,
    metavar="FILE|URI|ID",
    help="What the command uses; read before it runs. May be repeated.",
)
@click.option(
    "--output",
    "outputs",
    multiple=True,
    metavar="FILE|URI",
    help="A file that it makes; read after it ran. May be repeated.",
)
@model_option
@tag_option
@run_option
@strict_option
@records
@click.pass_context
def command(
    context: click.Context,
    /,
    *,
    command_line: tuple[str, ...],
    name: str | None,
    inputs: tuple[str, ...],
    outputs: tuple[str, ...],
    models: tuple[str, ...],
    tags: tuple[tuple[str, Any], ...],
    run_id: str | None,
    strict: bool,
    source: Source,
) -> None:
    """Run a command and record it as a step.

    Put -- before the command. Recorded are its command line without secrets, its exit code, start
    and end, the machine and the batch job, and the size and SHA-256 of its files. Directories,
    FIFOs, devices and missing files are recorded by name and not read. An ID is what
    `braid record` prints.

    The exit code is passed on, and the step is always recorded: a note on standard error and in
    the step says what could not be, such as a link to an unknown ID. What a store or a server
    does not take goes to the folder that BRAID_SPOOL names. With --strict the command runs too,
    but a step that would need a note is not recorded, and exit code 0 becomes 1.

    \b
    braid exec --input scan.h5 --output peaks.h5 -- ./find_peaks scan.h5 peaks.h5
    """
    from braid.cli.subprocess_step import CommandStep

    _check_run_id(run_id)
    notes = _undecoded(command_line)
    folder = _folder(notes)
    used = _inputs(inputs, notes)
    for note in notes:
        say(note)
    finished = run(command_line)
    if finished.problem:
        say(finished.problem)
    made, missing, output_notes = _outputs(outputs)
    for note in (*missing, *output_notes):
        say(note)
    step = CommandStep(
        name=escaped(name or os.path.basename(command_line[0]) or command_line[0] or "command"),
        command_line=[escaped(each) for each in command_line],
        folder=folder,
        inputs=used,
        models=models,
        tags={escaped(tag): _escaped(value) for tag, value in tags},
        notes=notes,
        finished=finished,
        outputs=made,
        missing=missing,
        output_notes=output_notes,
    )
    recorded = _record(source, run_id, step, strict=strict)
    context.exit(_code(finished, recorded or not strict))


def _code(finished: Finished, fine: bool) -> int:
    return finished.code or (0 if fine else SAID_NO)


def _check_run_id(run_id: str | None) -> None:
    if run_id is not None and (len(run_id) > LONGEST_RUN_ID or escaped(run_id) != run_id):
        raise click.UsageError(
            f"--run takes a run's id, UTF-8 text of at most {LONGEST_RUN_ID} characters."
        )


def _undecoded(command_line: Sequence[str]) -> list[str]:
    """A note of the arguments that are not UTF-8, if there are any; the command is number 0."""
    places = [str(n) for n, each in enumerate(command_line) if escaped(each) != each]
    if not places:
        return []
    which = f"argument {places[0]} is" if len(places) == 1 else f"arguments {', '.join(places)} are"
    return [f"{which} not UTF-8; its bytes that are not are recorded as \\xHH."]


def _folder(notes: list[str]) -> str | None:
    try:
        return escaped(os.getcwd())
    except OSError as error:
        notes.append(f"the current folder is not recorded: {error.strerror}.")
        return None


def _inputs(given: Sequence[str], notes: list[str]) -> list[str | LocalFile]:
    """Ids, and files as they are before the command runs."""
    found = _look(given, notes, ids=True)
    for text, each in found:
        if not isinstance(each, str) and each.found.why:
            notes.append(f"{text} {each.found.why}: recorded without size and digest.")
    return [each for _, each in found]


def _outputs(given: Sequence[str]) -> tuple[list[LocalFile], list[str], list[str]]:
    """The files that are there now, notes of those that are not, and notes of the former."""
    from provenance_store.digests import Unread

    made, missing, notes = [], [], list[str]()
    for text, file in _look(given, notes):
        if isinstance(file, str):
            continue
        if file.found.unread is Unread.MISSING:
            absent = os.path.islink(text)
            what = "is a link to a file that was not made" if absent else "was not made"
            missing.append(f"{text} {what}; it is not recorded.")
            continue
        made.append(file)
        if file.found.why:
            notes.append(f"{text} {file.found.why}: recorded without size and digest.")
    return made, missing, notes


def _look(
    given: Sequence[str], notes: list[str], *, ids: bool = False
) -> list[tuple[str, str | LocalFile]]:
    """What each name stands for, with the name as it can be shown: an id, or a file."""
    from provenance_store.references import is_id, parts_of

    if "" in given:
        notes.append("an empty file name is left out.")
    names = [text for text in given if text]
    found: list[tuple[str, str | LocalFile]] = []
    with reading([Path(text) for text in names]) as progress:
        for text in names:
            named = ids and bool(is_id(text) or parts_of(text)) and not os.path.lexists(text)
            found.append((escaped(text), text if named else _file(text, progress)))
    return found


def _file(text: str, progress: Progress) -> LocalFile:
    from provenance_store.digests import Measured
    from provenance_store.files import LocalFile, look

    if URI.match(text) and not os.path.lexists(text):
        # Behind the path of an address there may be a signature.
        path = text.partition("?")[0].partition("#")[0] if text.startswith("http") else text
        name = escaped(path.rstrip("/").rpartition("/")[2] or text)
        return LocalFile(name, escaped(text), None, Measured())
    return look(Path(text), progress=progress)


def _escaped(value: Any) -> Any:
    return escaped(value) if isinstance(value, str) else value


def _record(source: Source, run_id: str | None, step: CommandStep, *, strict: bool) -> bool:
    """Record into the store, server or spool; what is not taken there into the spool. Returns
    whether the step is kept anywhere; never raises, for nothing may come between a command and
    its exit code."""
    problem = _write(source, run_id, step, strict=strict)
    if problem is None:
        return True
    told = _described(problem)
    if strict and not isinstance(problem, AWAY):
        say(f"the step is not recorded, for --strict: {told}")
        return False
    try:
        folder = _spool_folder()
        if source.spool is None or source.spool.absolute() != folder.absolute():
            failed = _write(Source(spool=folder), run_id, step, strict=strict)
            if failed is None:
                say(f"{told} The step is kept in {folder}.")
                say(f"bring it in with `braid spool load {folder}`.")
                return True
            told = f"{told} {_described(failed)}"
    except (BraidError, OSError) as error:
        told = f"{told} {describe(error)}"
    say(f"the step is not recorded: {told}")
    return False


def _spool_folder() -> Path:
    from hpc.settings import SPOOL

    return Path(SPOOL.get())


def _write(
    source: Source, run_id: str | None, step: CommandStep, *, strict: bool
) -> BaseException | None:
    """Record there: whole, or plainly when something of it is refused. What went wrong, if it is
    not recorded there at all."""
    problem = _try(source, run_id, step, strict=strict)
    if problem is None or strict or isinstance(problem, AWAY):
        return problem
    return _try(source, run_id, step, strict=False, refused=_described(problem))


def _try(
    source: Source, run_id: str | None, step: CommandStep, *, strict: bool, refused: str = ""
) -> BaseException | None:
    environment = job_environment()
    try:
        with recording(source, run_id=run_id, environment=environment, strict=strict) as place:
            with place.recorder.transaction():
                place.begin_run(step.finished.started_at)
                notes = step.write_plainly(place, refused) if refused else step.write(place)
                if strict and (doubts := step.doubts(notes)):
                    raise InvalidInput(" ".join(doubts))
            kept = place.settle()
    except (Exception, KeyboardInterrupt) as error:
        return error
    for note in notes:
        say(note)
    if kept is not None:
        say(kept.message)
    return None


def _described(error: BaseException) -> str:
    return "Recording was stopped." if isinstance(error, KeyboardInterrupt) else describe(error)
