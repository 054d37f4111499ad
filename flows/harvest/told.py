"""The files that a flow's conventions tell of, as records beside those that adapters find."""

from __future__ import annotations

from flows.harvest.job import Job
from flows.steps.adapters.base import Thing
from flows.steps.body import Body
from flows.steps.outcome import outcome_of
from flows.steps.receipt import Receipt
from flows.steps.things import Things
from provenance_store.recorder import Recorder

__all__ = ["ToldFiles"]


class ToldFiles:
    """Of one step: ask for `used` before it is recorded, `make` the others after."""

    def __init__(self, job: Job, body: Body) -> None:
        self._job = job
        self._used, self._made, notes = job.conventions.files_of(body)
        job.report.notes += [f"{body.step.name}: {note}" for note in notes]
        if not outcome_of(body).succeeded:
            self._made = []

    def __bool__(self) -> bool:
        return bool(self._used or self._made)

    def used(self, recorder: Recorder) -> list[int]:
        """The records of the files that the step used, found or made."""
        things = Things(recorder, self._job.lookup)
        found = [things.derived_input(thing) for thing in self._used]
        things.note()
        return list(dict.fromkeys(found))

    def make(self, recorder: Recorder, receipt: Receipt) -> None:
        """Record the files that the step made, but not those that its own documents told of."""
        things = Things(recorder, self._job.lookup)
        known = {*receipt.outputs, *(head.id for head in receipt.models)}
        new = [thing for thing in self._made if things.known(_place(thing)) not in known]
        made = [things.derived(thing, ()) for thing in new]
        recorder.generated(receipt.step, made)
        things.note()


def _place(thing: Thing) -> str:
    return thing.uris[0].uri
