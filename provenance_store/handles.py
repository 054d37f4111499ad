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
    file: Files | None
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
        """Set tags; the earlier values stay in the history. Returns the record.

        >>> scan = store.data("scan-18").tag(sample="Ni", temperature_K=293.5)
        """
        self.recorder.tag(self, tags)
        return self

    def untag(self, *names: str) -> Self:
        """Remove tags; the history keeps them. Returns the record.

        >>> scan = scan.tag(sample="Ni").untag("sample")
        """
        self.recorder.untag(self, *names)
        return self

    def add(
        self,
        *,
        depends_on: Records = (),
        uris: Uris = (),
        file: Files | None = None,
        files: Files = (),
    ) -> Self:
        """Add to live data. Returns the record; raises Sealed once it is static.

        >>> log = store.data("detector log", live=True)
        >>> log = log.add(uris=["globus://collection/detector-1.log"])
        """
        self.recorder.add(self, depends_on=depends_on, uris=uris, file=file, files=files)
        return self

    def promote(self, note: str = "") -> Self:
        """Make live data static. Returns the record.

        >>> log = store.data("detector log", live=True)
        >>> log = log.promote("end of the beam time")
        """
        self.recorder.promote(self, note)
        return self


@dataclass(frozen=True, slots=True)
class Dataset(Record):
    """A collection of records."""

    def add_members(self, members: Records) -> Self:
        """Add members to a live dataset. Returns the dataset; raises Sealed once it is static.

        >>> frames = store.dataset("frames", live=True)
        >>> frames = frames.add_members([scan])
        """
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
        file: Files | None = None,
        files: Files = (),
        scores: Mapping[str, Any] | None = None,
    ) -> Self:
        """Add what is known only after the training, such as the weights and the scores.

        It works until the step that makes the version ends. Returns the version; raises Sealed
        later, and for a version that no step makes.

        >>> with store.step("Train", inputs=[scan], models=[model]) as step:
        ...     version = step.updated(model, [scan])
        ...     version = version.add(file="weights.pt", scores={"mae": 0.28})
        """
        self.recorder.add(
            self, depends_on=depends_on, uris=uris, file=file, files=files, scores=scores
        )
        return self

    def alias(self, *names: str) -> Self:
        """Give it further names, such as ``champion``, which other versions lose. Returns the
        version.

        >>> version = version.alias("champion", "production")
        """
        self.recorder.alias(self, *names)
        return self

    def log(
        self, points: Points = (), *, scores: Mapping[str, Any] | None = None, **point: Any
    ) -> Self:
        """Append to its curve while it trains: one point by its names, or as `Recorder.log`.

        >>> for epoch, loss in enumerate([0.5, 0.3, 0.2]):
        ...     version = version.log(epoch=epoch, loss=loss)
        """
        given = [*one_or_many(points, mapping=True), *([point] if point else [])]
        self.recorder.log(self, given, scores=scores)
        return self

    def update(
        self,
        trained_on: Records = (),
        **about: Unpack[VersionAbout],
    ) -> ModelVersion:
        """Make the next version, which has learned from `trained_on`; see `Recorder.update`.

        >>> second = version.update([scan], file="weights.pt", scores={"mae": 0.28})
        >>> second.version
        2
        """
        return self.recorder.update(self, trained_on, **about)


@dataclass(frozen=True, slots=True)
class StepHandle(Record):
    """A step under way. As a context manager it finishes itself, FAILED if the block raises.

    A child that was forked inside the block and leaves it does not finish the step.
    """

    _entered: list[int] = field(default_factory=list, compare=False, repr=False)

    def used(self, *records: Records, role: Role = Role.USED) -> Self:
        """Link further inputs, once they are known, one by one or in lists. Returns the step.

        >>> with store.step("Find peaks") as step:
        ...     step = step.used(scan, version)
        """
        given = (
            records[0]
            if len(records) == 1
            else [one for each in records for one in one_or_many(each, mapping=True)]
        )
        self.recorder.used(self, given, role)
        return self

    def output(self, name: str, **about: Unpack[About]) -> Record:
        """Record data that this step makes; arguments as for `Recorder.data`.

        >>> with store.step("Find peaks", inputs=[scan]) as step:
        ...     peaks = step.output("peaks-17", tags={"peaks": 12})
        """
        with self.recorder.transaction():
            made = self.recorder.data(name, **about)
            self.recorder.generated(self, [made])
        return made

    def updated(
        self,
        version: RecordLike,
        trained_on: Records = (),
        **about: Unpack[VersionAbout],
    ) -> ModelVersion:
        """Record that this step makes the next version of a model; arguments as for
        `Recorder.update`.

        >>> with store.step("Train", inputs=[scan], models=[version]) as step:
        ...     second = step.updated(version, [scan], hyperparameters={"lr": 0.001})
        >>> second.version
        2
        """
        with self.recorder.transaction():
            made = self.recorder.update(version, trained_on, **about)
            self.recorder.generated(self, [made])
        return made

    def finish(self, status: str = "SUCCEEDED", **how: Unpack[End]) -> None:
        """Record how it ended; arguments as for `Recorder.finish`.

        >>> step = store.step("Find peaks", inputs=[scan])
        >>> step.finish(result={"peaks": 12})
        """
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
