"""Batches as a recorder makes them, and posting them: what the tests of this folder share."""

from __future__ import annotations

from typing import Any

import requests

from provenance_store import Batch, encode_batch
from provenance_store.enums import Role
from provenance_store.handles import Record
from provenance_store.recording.recorder import Recorder
from provenance_store.rows import LinkRow, OriginRow, SameAsRow
from provenance_store.sink import MemorySink
from provenance_store.values import Audience
from tests.functional.provider.house import House, Person

MEDIA_TYPE = "application/msgpack"


class Job:
    """A job elsewhere that records, and takes along what it recorded as one batch."""

    def __init__(self, *, run_id: str | None = None, audience: Audience | None = None) -> None:
        self.sink = MemorySink()
        self.recorder = Recorder(self.sink, run_id=run_id, audience=audience, environment=None)

    def batch(self) -> Batch:
        """What was recorded since the last time."""
        _ = self.sink.origin
        batch = self.sink.batch
        self.sink.batches.clear()
        return batch

    def knows(self, urn: str) -> int:
        """The id by which this job mentions a record of another origin."""
        return self.sink.resolve(urn)

    def mentioning(self, batch: Batch) -> Batch:
        """The batch with the origins of others that it mentions."""
        own = self.sink.origin
        for uuid, no in self.sink._numbers.items():
            if uuid != own.uuid:
                batch.origin.append(OriginRow(no, uuid, "", "", 0, "", 0))
        return batch

    def link(self, from_id: int, to_id: int, role: Role) -> Batch:
        """A batch with a link and nothing else."""
        batch = self.mentioning(self.batch())
        batch.link.append(LinkRow(to_id, from_id, role.value))
        return batch


def post(
    house: House, who: Person | None, batch: Batch | bytes, **options: Any
) -> requests.Response:
    """Send a batch."""
    data = batch if isinstance(batch, bytes) else encode_batch(batch)
    headers = {"Content-Type": MEDIA_TYPE, **options.pop("headers", {})}
    return house.post("/api/v1/batches", who, data=data, headers=headers, **options)


def everything(run_id: str | None = "job-1") -> tuple[Job, Batch]:
    """A batch with rows in every table that recorders write."""
    job = Job(run_id=run_id)
    recorder = job.recorder
    with recorder.transaction() as batch:
        if run_id:
            recorder.run(run_id, label="Ni, 300 K", tags=["nickel"])
        fact = recorder.fact("calibration")
        scan = recorder.data("scan", uris=["file:///scan.h5"], tags={"sample": "Ni", "hot": True})
        scans = recorder.dataset("scans", [scan], tags={"temperature_K": 300.5, "count": 1})
        step = recorder.step("train", inputs=[scan, fact], parameters={"epochs": 3})
        model = recorder.model("net", trained_on=[scan], hyperparameters={"rate": 0.1})
        better = model.update([scan], metrics=[{"epoch": 1, "loss": 0.5}], scores={"mae": 0.1})
        recorder.generated(step, [model, better])
        recorder.finish(step, result={"ok": True})
        recorder.promote(scan, "checked")
        recorder.found_file(scan, "file:///scan.h5", size=7, digest="sha256:ab")
        recorder.alias(better, "champion")
        recorder.link_later(step, [scans], rule="found in its log")
        for one, other in ((scan, scans), (scans, scan)):
            row = SameAsRow(one.id, other.id, recorder.sink.new_id(), 1, "sha256:ab")
            batch.same_as.append(row)
    return job, job.batch()


def record_of(house: House, who: Person, record: Record | str) -> dict[str, Any]:
    """The document of a record."""
    urn = record if isinstance(record, str) else record.urn
    answer = house.get(f"/api/v1/records/{urn}", who)
    assert answer.status_code == 200, answer.text
    document: dict[str, Any] = answer.json()
    return document


def grown(before: dict[str, int], after: dict[str, int]) -> dict[str, int]:
    return {name: after[name] - n for name, n in before.items() if after[name] != n}
