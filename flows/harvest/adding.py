"""Adds the visits that are not recorded yet, as their own record actions would have done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from flows.harvest.job import Job
from flows.harvest.links import links_of
from flows.harvest.recorded import is_record_of
from flows.harvest.sources import Taken
from flows.harvest.spoken import SAID, said_of
from flows.harvest.telling import spare_body
from flows.steps.adapters.base import ToldFiles
from flows.steps.body import Body, ModelEntry
from flows.steps.receipt import Receipt
from flows.steps.record import record_step
from provenance_store.errors import InvalidInput
from provenance_store.recorder import Recorder

__all__ = ["Adder"]

LOG = "log"
"""The document of a step that holds the entries whose codes say neither begin nor end."""


class Adder:
    """Records visits of one run, in their order."""

    def __init__(self, job: Job, recorder: Recorder) -> None:
        self._job = job
        self._recorder = recorder
        self._receipts: dict[str, Mapping[str, Any]] = {}
        """What record states that were not answered should have got, by their ResultPaths."""

    def add(
        self, place: int, ordinal: int | None, taken: Sequence[Taken], before: int | None
    ) -> None:
        """Record a visit: with what conventions tell of if that can be recorded, else without;
        without its documents if they cannot be. `before` is the place of the step before it."""
        job = self._job
        links = links_of(job, taken, before)
        body = self._said(place, job.teller.body(place))
        models, files = job.models_of(body), job.files_of(body)
        if models or files.used or files.made:
            try:
                self._record(place, ordinal, body, models, links, files)
            except InvalidInput as error:
                job.note(place, error)
        if place not in job.ids:
            try:
                self._record(place, ordinal, body, (), links)
            except InvalidInput as error:
                job.note(place, error)
                self._record(place, ordinal, spare_body(body, error.message[:1000]), (), links)
        job.report.added += 1

    def _record(
        self,
        place: int,
        ordinal: int | None,
        body: Body,
        models: Sequence[ModelEntry],
        links: tuple[list[int], list[int]],
        files: ToldFiles = ToldFiles(),  # noqa: B008 - it is frozen
    ) -> None:
        job = self._job
        used, informed = links
        job.sink.at(ordinal)
        with self._recorder.together():
            receipt = record_step(
                self._recorder,
                job.lookup,
                body,
                ordinal=ordinal,
                also_used=used,
                informed_by=informed,
                also_models=models,
                collections=job.collections,
                files=files,
            )
            self._keep_others(place, receipt.step)
        job.ids[place] = receipt.step
        job.keep_outputs(place, receipt.outputs)
        self._keep_receipt(place, receipt)

    def _said(self, place: int, body: Body) -> Body:
        """The body with what the author's own record state, which was not answered, says."""
        job = self._job
        try:
            said = said_of(
                place,
                job.visits,
                job.states,
                receipts=self._receipts,
                context=job.facts.context,
            )
        except InvalidInput as error:
            job.note(place, error)
            return body
        if said is None:
            return body
        given = {name: getattr(said, name) for name in SAID}
        more = {name: value for name, value in given.items() if value is not None}
        return msgspec.structs.replace(body, **more)

    def _keep_receipt(self, place: int, receipt: Receipt) -> None:
        """What later record states refer to where this one's receipt should have been."""
        job = self._job
        following = job.visits[place + 1].name if place + 1 < len(job.visits) else ""
        state = job.states.get(following)
        if isinstance(state, dict) and is_record_of(state, job.visits[place].name):
            models = (head.id for head in receipt.models)
            ids = (receipt.step, *receipt.inputs, *receipt.outputs, *models)
            job.lookup_of_then.note({job.store.sink.urn(i): i for i in ids})
            if isinstance(path := state.get("ResultPath"), str):
                self._receipts[path] = receipt.document()

    def _keep_others(self, place: int, step_id: int) -> None:
        if others := self._job.visits[place].others:
            self._recorder.payload(step_id, LOG, [entry.document() for entry in others])
