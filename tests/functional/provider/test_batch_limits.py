"""How much a batch may say, how often of one record: the most is taken, one more is refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import pytest

from action_provider.api.batch_authorization import MAX_SAID
from provenance_store import Batch
from provenance_store.enums import Kind, Mark, TagType
from provenance_store.handles import Record
from provenance_store.ids import new_uuid, now
from provenance_store.rows import MarkRow, OriginRow, TagRow
from provenance_store.validation.batches import (
    MAX_HISTORY,
    MAX_INVALIDATED,
    MAX_MARKS,
    MAX_ORIGINS,
    MAX_RUNS,
)
from tests.functional.provider.batches import Job, post, record_of
from tests.functional.provider.house import House, Person


def marks(job: Job, records: list[Record], kind: Mark) -> Iterator[MarkRow]:
    for record in records:
        yield MarkRow(job.sink.new_id(), record.id, kind.value, now(), "bad", record.id)


def tags(job: Job, record: Record, times: int) -> Iterator[TagRow]:
    for number in range(times):
        new_id = job.sink.new_id()
        yield TagRow(record.id, "n", new_id, TagType.INTEGER.value, str(number), number, number)


def invalidations(job: Job, count: int) -> Batch:
    with job.recorder.transaction():
        records = [job.recorder.data(f"scan-{n}") for n in range(count)]
    batch = job.batch()
    batch.mark += marks(job, records, Mark.INVALIDATED)
    return batch


def restorations(job: Job, count: int) -> Batch:
    batch = invalidations(job, count)
    batch.mark = [row._replace(mark=Mark.RESTORED.value) for row in batch.mark]
    return batch


def promotions_of_one(job: Job, count: int) -> Batch:
    scan = job.recorder.data("scan")
    batch = job.batch()
    batch.mark += marks(job, [scan] * count, Mark.PROMOTED)
    return batch


def settings_of_one_tag(job: Job, count: int) -> Batch:
    scan = job.recorder.data("scan")
    batch = job.batch()
    batch.tag += tags(job, scan, count)
    return batch


def mentions_of_origins(job: Job, count: int) -> Batch:
    job.recorder.data("scan")
    batch = job.batch()
    batch.origin += [OriginRow(n + 2, new_uuid(), "", "", 0, "", 0) for n in range(count - 1)]
    return batch


def runs(job: Job, count: int) -> Batch:
    with job.recorder.transaction():
        for number in range(count):
            job.recorder.run(f"{job.sink.origin.uuid[:8]}-{number}")
    return job.batch()


class Limit(NamedTuple):
    """A batch of so many, how many are taken, and how one more is answered."""

    make: Callable[[Job, int], Batch]
    most: int
    status: int
    says: str


LIMITS = [
    Limit(invalidations, MAX_INVALIDATED, 413, "at most 500 records"),
    Limit(restorations, MAX_INVALIDATED, 413, "at most 500 records"),
    Limit(promotions_of_one, MAX_MARKS, 413, "at most 100 times"),
    Limit(settings_of_one_tag, MAX_HISTORY, 413, "at most 1000 times"),
    Limit(mentions_of_origins, MAX_ORIGINS, 422, "at most 1000 origins"),
    Limit(runs, MAX_RUNS, 422, "at most 100 runs"),
]


@pytest.mark.parametrize("limit", LIMITS, ids=lambda limit: limit.make.__name__)
def test_the_most_is_taken_and_one_more_is_refused(house: House, ada: Person, limit: Limit) -> None:
    answer = post(house, ada, limit.make(Job(), limit.most))
    assert answer.status_code == 200, answer.text
    before = house.counts()
    answer = post(house, ada, limit.make(Job(), limit.most + 1))
    assert answer.status_code == limit.status
    assert limit.says in answer.json()["description"]
    assert house.counts() == before


def test_a_tag_is_not_set_without_end_by_one_batch_after_the_other(
    both_houses: House, ada: Person
) -> None:
    house, job = both_houses, Job()
    scan = job.recorder.data("scan")
    other = job.recorder.data("other")
    answers = []
    batch = job.batch()
    for _ in range(MAX_SAID // MAX_HISTORY + 2):
        batch.tag += tags(job, scan, MAX_HISTORY)
        answers.append(post(house, ada, batch).status_code)
        last, batch = batch, job.batch()
    assert answers == [200] * (MAX_SAID // MAX_HISTORY) + [413] * 2
    refused = post(house, ada, last)
    assert scan.urn in refused.json()["description"]
    assert record_of(house, ada, scan)["tags"] == {"n": MAX_HISTORY - 1}
    batch.tag += tags(job, other, 1)
    assert post(house, ada, batch).status_code == 200
    job.recorder.data("better", depends_on=[scan])
    assert post(house, ada, job.batch()).status_code == 200


def test_a_record_is_not_marked_without_end_by_one_batch_after_the_other(
    house: House, ada: Person
) -> None:
    job = Job()
    scan = job.recorder.data("scan")
    batch = job.batch()
    answers = set()
    for _ in range(MAX_SAID // MAX_MARKS):
        batch.mark += marks(job, [scan] * MAX_MARKS, Mark.PROMOTED)
        answers.add(post(house, ada, batch).status_code)
        batch = job.batch()
    assert answers == {200}
    batch.mark += marks(job, [scan], Mark.PROMOTED)
    assert post(house, ada, batch).status_code == 413
    assert record_of(house, ada, scan)["kind"] == Kind.DATA.label
