"""Running a command for `braid exec`, and the step that is recorded of it."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import FrameType
from typing import TYPE_CHECKING, Any

from braid.settings import JOB_VARIABLES
from provenance_store.display import escaped
from provenance_store.errors import Ambiguous, InvalidInput, NotFound
from provenance_store.files import LINK_TARGET, LocalFile
from provenance_store.validation.uris import normal_uri
from provenance_store.values import DIFFERS

__all__ = ["CommandStep", "Finished", "job_environment", "run"]

NOT_FOUND = 127
NOT_EXECUTABLE = 126

PASSED_ON = (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
"""Sent to us in the command's place: by batch systems, supervisors and people."""
FROM_THE_TERMINAL = (signal.SIGINT, signal.SIGQUIT)
"""The command gets them from the terminal as we do."""


@dataclass(frozen=True)
class Finished:
    """How a command ended; times are microseconds UTC, `code` is as a shell gives it."""

    code: int
    started_at: int
    completed_at: int
    problem: str | None = None
    """Why it could not be started, in a sentence."""


def run(command: Sequence[str]) -> Finished:
    """Run a command to its end, with our own input and output; signals go on to it.

    A command that cannot be started has the code that a shell would give, 126 or 127.
    """
    from provenance_store.ids import now

    start = now()
    problem = None
    try:
        code = _wait_for(command)
    except OSError as error:
        code = NOT_FOUND if isinstance(error, FileNotFoundError) else NOT_EXECUTABLE
        problem = _problem(command[0], error)
    return Finished(128 - code if code < 0 else code, start, now(), problem)


def _problem(program: str, error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return f"{program}: the command was not found."
    return f"{program}: the command cannot be run: {error.strerror}."


def _wait_for(command: Sequence[str]) -> int:
    """Run it. What is not ignored already (`nohup`, a job in the background) is handled here for
    so long: the record is written after a signal too."""
    running: list[subprocess.Popen[bytes]] = []
    early: list[int] = []

    def pass_on(number: int, frame: FrameType | None) -> None:
        if number in PASSED_ON:
            running[0].send_signal(number) if running else early.append(number)

    numbers = (*PASSED_ON, *FROM_THE_TERMINAL)
    handled = [number for number in numbers if signal.getsignal(number) != signal.SIG_IGN]
    before = {number: signal.signal(number, pass_on) for number in handled}
    try:
        # What the shell opened for the command stays open: `<(...)` is a file descriptor.
        running.append(subprocess.Popen(command, close_fds=False))
        for number in early:
            running[0].send_signal(number)
        return running[0].wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def job_environment() -> dict[str, Any]:
    """Where the command ran: machine, system, and what the batch system says of the job.

    Never raises: a part that cannot be read says why in ``unreadable``.
    """
    from provenance_store.recording.environment import hardware, read_parts, system

    return read_parts({"hardware": hardware, "software": lambda: {"system": system()}, "job": _job})


def _job() -> dict[str, Any]:
    job = {setting.name: setting.get() for setting in JOB_VARIABLES}
    return {name: escaped(value) for name, value in job.items() if value}


if TYPE_CHECKING:
    from braid.cli.recording import RecordingTarget

LONGEST_NAME = 1000
LONGEST_QUESTION = 1000
"""No tag condition that is asked for has more characters."""


@dataclass(frozen=True)
class CommandStep:
    """A command that was run, as its caller described it.

    `inputs` are ids, or files; `notes` are about what it was called with, `output_notes` about
    what it made. All texts are what a database can hold.
    """

    name: str
    command_line: Sequence[str]
    folder: str | None
    inputs: Sequence[str | LocalFile]
    models: Sequence[str]
    tags: Mapping[str, Any]
    notes: Sequence[str]
    finished: Finished
    outputs: Sequence[LocalFile]
    missing: Sequence[str]
    """Notes of outputs that were not made."""
    output_notes: Sequence[str]

    def doubts(self, noted: Sequence[str]) -> list[str]:
        """All that is not recorded as it was called for; `noted` was seen when it was written."""
        return [*self.notes, *noted, *self.missing, *self.output_notes]

    def write(self, place: RecordingTarget) -> list[str]:
        """Record it with its files and links. What a place does not know is left out; returns a
        note of each such thing, which are recorded too."""
        notes: list[str] = []
        used = [_input(place, each, notes) for each in self.inputs]
        models = [_model(place, each, notes) for each in self.models]
        parameters = self._called_with([*self.notes, *notes])
        step = place.recorder.step(
            self.name,
            inputs=[each for each in used if each is not None],
            models=[each for each in models if each is not None],
            parameters=parameters,
            tags={**self.tags, "exit_code": self.finished.code},
            type="Command",
            started_at=self.finished.started_at,
        )
        for file in self.outputs:
            step.output(file.name, files=[file])
        self._finish(place, step)
        return notes

    def write_plainly(self, place: RecordingTarget, why: str) -> list[str]:
        """Record it without files, links and tags, which are kept as text: the last resort when
        one of them is refused, which `why` tells."""
        note = f"Recorded without links, tags and files of its own: {why}"
        given = {
            "name": self.name,
            "inputs": [each if isinstance(each, str) else each.place for each in self.inputs],
            "models": list(self.models),
            "tags": {name: str(value) for name, value in self.tags.items()},
            "outputs": [file.place for file in self.outputs],
        }
        step = place.recorder.step(
            self.name[:LONGEST_NAME],
            parameters=self._called_with([*self.notes, note]) | {"given": given},
            tags={"exit_code": self.finished.code},
            type="Command",
            started_at=self.finished.started_at,
        )
        self._finish(place, step)
        return [note]

    def _called_with(self, notes: Sequence[str]) -> dict[str, Any]:
        about = {"command": list(self.command_line), "folder": self.folder, "notes": list(notes)}
        return {name: value for name, value in about.items() if value}

    def _finish(self, place: RecordingTarget, step: Any) -> None:
        code = self.finished.code
        told = [*self.missing, *self.output_notes]
        notes = {"notes": told} if told else {}
        place.recorder.finish(
            step,
            "FAILED" if code else "SUCCEEDED",
            completed_at=self.finished.completed_at,
            result={"exit_code": code} | notes,
        )


def _input(place: RecordingTarget, given: str | LocalFile, notes: list[str]) -> Any:
    if isinstance(given, str):
        return _reference(place, "--input", given, notes)
    for known in _known(place, given):
        return known
    before = next((r["id"] for r in _newest(place, given.uri) if _differs(r, given)), None)
    tags = None if before is None else {DIFFERS: before}
    return place.recorder.data(given.name, files=[given], tags=tags)


def _model(place: RecordingTarget, reference: str, notes: list[str]) -> Any:
    return _reference(place, "--model", reference, notes, kind="model")


def _reference(
    place: RecordingTarget, option: str, reference: str, notes: list[str], *, kind: str = ""
) -> int | None:
    """The record that an id stands for; with a note, None where there is none."""
    try:
        known = place.known(reference)
        found = place.recorder.id_of(reference if known is None else known["id"])
    except (InvalidInput, NotFound, Ambiguous) as error:
        notes.append(f"{option} {escaped(reference)} is recorded as text only: {error.message}")
        return None
    if kind and known is not None and known["kind"] != kind:
        notes.append(f"{option} {reference} is recorded as an input: its kind is {known['kind']}.")
    return found


def _known(place: RecordingTarget, file: LocalFile) -> Iterator[str]:
    """The record of an input, if one is there: of the same file with the same content, then of
    what its name links to, then of a link to it."""
    digest = file.found.digest
    for record in _newest(place, file.uri):
        if _holds(record, digest, file.uri) and not _differs(record, file):
            yield record["id"]
    if digest is None:
        return
    for record in _newest(place, file.target) if file.target else ():
        if _holds(record, digest, file.target):
            yield record["id"]
    for record in _links_to(place, file.uri):
        if _holds(record, digest):
            yield record["id"]


def _holds(record: Mapping[str, Any], digest: str | None, uri: str | None = None) -> bool:
    """Whether a record is of such content, at that URI if one is given."""
    return any(each.get("digest") == digest for each in _places(record, uri))


def _differs(record: Mapping[str, Any], file: LocalFile) -> bool:
    """Whether a record is of other content at the place of a file."""
    pairs = [
        (getattr(file.found, name), each.get(name))
        for each in _places(record, file.uri)
        for name in ("size", "digest")
    ]
    return any(None not in pair and pair[0] != pair[1] for pair in pairs)


def _places(record: Mapping[str, Any], uri: str | None) -> list[Mapping[str, Any]]:
    wanted = None if uri is None else normal_uri(uri)
    return [each for each in record["uris"] if wanted in (None, normal_uri(each["uri"]))]


def _newest(place: RecordingTarget, uri: str) -> list[Any]:
    """The newest record at a URI, if one is known; a server that is away knows none."""
    if place.store is not None:
        found = place.store.documents().find_uri(uri)
        return (
            [] if found is None else [place.store.documents().record(place.store.sink.urn(found))]
        )
    client = place.delivery.client if place.delivery else None
    if client is None or "*" in uri:
        return []
    return list(client.records(uri=uri, limit=1)["records"])


def _links_to(place: RecordingTarget, uri: str) -> list[Any]:
    """The newest record whose name was a link to what has that URI, if one is known."""
    condition = f"{LINK_TARGET}={uri}"
    history = place.store.documents() if place.store is not None else None
    client = place.delivery.client if place.delivery else None
    asked = history or client
    if asked is None or len(condition) > LONGEST_QUESTION:
        return []
    return list(asked.records(tags=[condition], limit=1)["records"])
