"""What a Recorder hands back: small values to depend on, and to go on from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypedDict, Unpack

from provenance_store import processes
from provenance_store.enums import Kind, Role
from provenance_store.ids import short_id
from provenance_store.pickling import arrived
from provenance_store.validation.scalars import one_or_many

if TYPE_CHECKING:
    from provenance_store.recording.recorder import (
        FileLike,
        Files,
        Points,
        Recorder,
        RecordLike,
        Records,
        TimeLike,
        Uris,
    )
    from provenance_store.values import TagValue

__all__ = ["About", "Dataset", "End", "ModelVersion", "Record", "StepHandle", "VersionAbout"]


class About(TypedDict, total=False):
    """What may be said of any record when it is made."""

    depends_on: Records
    uris: Uris
    file: FileLike | None
    files: Files
    tags: Mapping[str, TagValue] | None


class VersionAbout(About, total=False):
    """What may be said of a model version besides."""

    hyperparameters: Mapping[str, Any] | None
    metrics: Points
    scores: Mapping[str, Any] | None


class End(TypedDict, total=False):
    """How a step ended; see `Recorder.finish`."""

    completed_at: TimeLike | None
    result: Any
    error: Any


@dataclass(frozen=True, slots=True)
class Record:
    """A recorded thing. Two handles of one record are equal.

    A handle can be pickled and sent to another process, whose recorder takes it as a dependency;
    only its own methods that record something need a recorder and are refused there.
    """

    id: int
    kind: Kind
    name: str = field(compare=False)
    recorder: Recorder = field(compare=False, repr=False)

    @property
    def urn(self) -> str:
        """The permanent name, ``urn:braid:<origin uuid>:<sequence>``."""
        return self.recorder.sink.urn(self.id)

    def __reduce__(self) -> tuple[Any, ...]:
        urn = self.recorder.sink.travelling(self.id)
        return arrived, (type(self), int(self.kind), self.name, urn)

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, _: object) -> Self:
        return self

    @property
    def short_id(self) -> str:
        """The name to type in this store, such as ``3.17``."""
        return short_id(self.id)

    def tag(self, **tags: TagValue) -> Self:
        """Set tags; the earlier values stay in the history."""
        self.recorder.tag(self, tags)
        return self

    def untag(self, *names: str) -> Self:
        """Take tags away; the history keeps them."""
        self.recorder.untag(self, *names)
        return self

    def add(
        self,
        *,
        depends_on: Records = (),
        uris: Uris = (),
        file: FileLike | None = None,
        files: Files = (),
    ) -> Self:
        """Add to live data; raises Sealed once it is static."""
        self.recorder.add(self, depends_on=depends_on, uris=uris, file=file, files=files)
        return self

    def promote(self, note: str = "") -> Self:
        """Make live data static."""
        self.recorder.promote(self, note)
        return self


@dataclass(frozen=True, slots=True)
class Dataset(Record):
    """A collection of records."""

    def add_members(self, members: Records) -> Self:
        """Add members to a live dataset; raises Sealed once it is static."""
        self.recorder.add(self, members=members)
        return self


@dataclass(frozen=True, slots=True)
class ModelVersion(Record):
    """One version of a model; `version` is its distance from the beginning of its line."""

    line_id: int = field(compare=False)
    version: int = field(compare=False)

    def __reduce__(self) -> tuple[Any, ...]:
        urn, line = map(self.recorder.sink.travelling, (self.id, self.line_id))
        about = (type(self), int(self.kind), self.name, urn)
        return arrived, (*about, line, self.version)

    def add(
        self,
        *,
        depends_on: Records = (),
        uris: Uris = (),
        file: FileLike | None = None,
        files: Files = (),
        scores: Mapping[str, Any] | None = None,
    ) -> Self:
        """Complete it, such as with the weights that were written and the scores: until the step
        that makes it ends. Raises Sealed later, and for a version that no step makes."""
        self.recorder.add(
            self, depends_on=depends_on, uris=uris, file=file, files=files, scores=scores
        )
        return self

    def alias(self, *names: str) -> Self:
        """Give it further names, such as ``champion``, which other versions then have no more."""
        self.recorder.alias(self, *names)
        return self

    def log(
        self, points: Points = (), *, scores: Mapping[str, Any] | None = None, **point: Any
    ) -> Self:
        """Append to its curve while it trains: ``version.log(epoch=3, loss=0.2)``, or points and
        scores as `Recorder.log` takes them."""
        given = [*one_or_many(points, mapping=True), *([point] if point else [])]
        self.recorder.log(self, given, scores=scores)
        return self

    def update(
        self,
        records: Records = (),
        **about: Unpack[VersionAbout],
    ) -> ModelVersion:
        """The next version, exposed to `records`; see `Recorder.update`."""
        return self.recorder.update(self, records, **about)


@dataclass(frozen=True, slots=True)
class StepHandle(Record):
    """A step under way. As a context manager it finishes itself, FAILED if the block raises.

    A child that was forked inside the block and leaves it does not finish the step.
    """

    _entered: list[int] = field(default_factory=list, compare=False, repr=False)

    def used(self, *records: RecordLike, role: Role = Role.USED) -> Self:
        """Further inputs."""
        self.recorder.used(self, records, role)
        return self

    def output(self, name: str, **about: Unpack[About]) -> Record:
        """Record data that this step makes; `about` as `Recorder.data`."""
        with self.recorder.transaction():
            made = self.recorder.data(name, **about)
            self.recorder.generated(self, [made])
        return made

    def updated(
        self,
        version: RecordLike,
        records: Records = (),
        **about: Unpack[VersionAbout],
    ) -> ModelVersion:
        """Record that this step makes the next version of a model; `about` as `Recorder.update`."""
        with self.recorder.transaction():
            made = self.recorder.update(version, records, **about)
            self.recorder.generated(self, [made])
        return made

    def finish(self, status: str = "SUCCEEDED", **how: Unpack[End]) -> None:
        """Record how it ended; `how` as `Recorder.finish`."""
        self.recorder.finish(self, status, **how)

    def __enter__(self) -> Self:
        self._entered.append(processes.process)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._entered.pop() != processes.process:
            return
        if error is None:
            self.finish()
        else:
            self.finish("FAILED", error={"type": type(error).__name__, "message": _said(error)})


def _said(error: BaseException) -> str:
    try:
        return str(error)[:4096]
    except Exception:  # what is raised is the script's own error, not that of its text
        return ""
