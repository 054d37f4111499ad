"""Questions that stand for very much are answered in bounds, or refused in a sentence."""

from __future__ import annotations

import pytest

from provenance_store.enums import Role
from provenance_store.queries.lineage import MOST_KEPT
from provenance_store.rows import LinkRow
from tests.functional.provider.batches import Job, post
from tests.functional.provider.house import House, Person


@pytest.mark.parametrize(("outputs", "status"), [(100, 202), (101, 422), (999, 422)])
def test_models_are_asked_by_receipts_of_up_to_100_records(
    house: House, ada: Person, outputs: int, status: int
) -> None:
    job = Job()
    with job.recorder.transaction():
        step = job.recorder.step("s")
        made = [job.recorder.data("y") for _ in range(outputs)]
        job.recorder.generated(step, made)
        job.recorder.finish(step)
    assert post(house, ada, job.batch()).ok
    receipt = {"step": step.urn, "outputs": [one.urn for one in made], "models": []}
    models = {"request_id": "m", "body": {"ask": "models", "trained_on": receipt}}
    answer = house.post("/query/run", ada, json=models)
    assert answer.status_code == status, answer.text
    assert status == 202 or f"list {outputs} records" in answer.json()["description"]
    validity = {"request_id": "v", "body": {"ask": "validity", "of": receipt}}
    details = house.post("/query/run", ada, json=validity).json()["details"]
    assert (details["valid"], details["count"]) == (True, outputs)


def test_a_lineage_of_some_kinds_is_cut_where_hidden_nodes_multiply_its_links(
    house: House, ada: Person
) -> None:
    job, many = Job(), 500
    with job.recorder.transaction():
        root = job.recorder.data("root")
        above = [job.recorder.data("a") for _ in range(many)]
        hub = job.recorder.fact("hub")
        below = [job.recorder.data("b") for _ in range(many)]
    batch, role = job.batch(), Role.DERIVED_FROM.value
    batch.link += [LinkRow(one.id, root.id, role) for one in above]
    batch.link += [LinkRow(hub.id, one.id, role) for one in above]
    batch.link += [LinkRow(one.id, hub.id, role) for one in below]
    assert post(house, ada, batch).ok
    path = f"/api/v1/records/{root.urn}/lineage?direction=up&kinds=data&limit=100000"
    found = house.get(path, ada).json()
    assert found["truncated"] is True
    assert len(found["links"]) == MOST_KEPT
