"""Whose records, runs and models a batch may speak of."""

from __future__ import annotations

import uuid
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import hpc
from hpc.spooling.files import SpoolWriter
from provenance_store import Batch, encode_batch
from provenance_store.enums import Mark, Role
from provenance_store.recording.recorder import Recorder
from provenance_store.rows import ActionRow, AliasRow, LinkRow, OutcomeRow, RunTagRow, VersionRow
from provenance_store.service import StoreService
from provenance_store.values import Audience
from tests.functional.provider.batches import Job, everything, grown, post, record_of
from tests.functional.provider.house import House, Person, a_body, at_once


class Hers:
    """What ada has recorded, with another job by the provider: a step, a model, live data."""

    def __init__(self, house: House, ada: Person) -> None:
        self.job = Job(run_id="hers")
        recorder = self.job.recorder
        self.live = recorder.data("live", live=True)
        self.step = recorder.step("open step")
        self.model = recorder.model("net")
        assert post(house, ada, self.job.batch()).status_code == 200


@pytest.fixture
def hers(house: House, ada: Person) -> Hers:
    return Hers(house, ada)


def refused(house: House, who: Person, batch: Batch, status: int, says: str) -> None:
    before = house.store.info()["tables"]
    answer = post(house, who, batch)
    assert answer.status_code == status, answer.text
    assert set(answer.json()) == {"code", "description"}
    assert says in answer.json()["description"]
    assert house.store.info()["tables"] == before


def attack(hers: Hers, what: str) -> Batch:
    """A stranger's batch that touches what is hers."""
    job = Job()
    recorder = job.recorder
    live, step = job.knows(hers.live.urn), job.knows(hers.step.urn)
    model = job.knows(hers.model.urn)
    named: list[AliasRow] = []
    mine = recorder.data("mine")
    run: dict[str, Any] = {
        "a tag": lambda: recorder.tag(live, {"sample": "Cu"}),
        "a mark": lambda: recorder.mark(live, Mark.INVALIDATED, "bad"),
        "a promotion": lambda: recorder.promote(live),
        "a digest": lambda: recorder.found_file(live, "file:///x", size=1, digest="sha256:ab"),
        "a URI": lambda: recorder.add(live, uris=["file:///x"]),
        "a dependency": lambda: recorder.add(live, depends_on=[mine]),
        "an input": lambda: recorder.used(step, [mine]),
        "an end": lambda: recorder.finish(step),
        "a document": lambda: recorder.payload(step, "result", {"x": 1}),
        "an output": lambda: recorder.generated(step, [mine]),
        "points": lambda: recorder.log(model, {"epoch": 9, "loss": 0}),
        "an alias": lambda: named.append(AliasRow(model, "champion", job.sink.new_id(), model, 1)),
    }
    run[what]()
    batch = job.batch()
    batch.alias += named
    return job.mentioning(batch)


TOUCHES = ["a tag", "a mark", "a promotion", "a URI", "a dependency", "an input", "an end"]
TOUCHES += ["a document", "an output", "a digest", "points", "an alias"]


@pytest.mark.parametrize("what", TOUCHES)
def test_strangers_add_nothing_to_the_records_of_others(
    house: House, hers: Hers, bob: Person, what: str
) -> None:
    refused(house, bob, attack(hers, what), 422, "which is not in this store")


@pytest.mark.parametrize("what", TOUCHES)
def test_readers_add_nothing_either(house: House, ada: Person, bob: Person, what: str) -> None:
    hers = object.__new__(Hers)
    hers.job = Job(run_id="hers", audience=Audience(ada.urn, readers=(bob.urn,)))
    hers.live = hers.job.recorder.data("live", live=True)
    hers.step = hers.job.recorder.step("open step")
    hers.model = hers.job.recorder.model("net")
    assert post(house, ada, hers.job.batch()).status_code == 200
    refused(house, bob, attack(hers, what), 403, "but not add to it")


def test_what_does_not_exist_and_what_is_not_seen_are_refused_alike(
    house: House, hers: Hers, bob: Person
) -> None:
    nowhere = Job()
    nothing = nowhere.recorder.data("nothing")
    said = []
    for urn in (hers.live.urn, nothing.urn):
        job = Job()
        job.recorder.tag(urn, {"a": 1})
        answer = post(house, bob, job.mentioning(job.batch()))
        said.append((answer.status_code, answer.json()["description"].replace(urn, "X")))
    assert said[0] == said[1]


def test_links_to_what_does_not_exist_and_what_is_not_seen_are_refused_alike(
    both_houses: House, ada: Person, bob: Person
) -> None:
    hers = Hers(both_houses, ada)
    said = []
    for urn in (hers.live.urn, hers.live.urn.rsplit(":", 1)[0] + ":9999"):
        job = Job()
        job.recorder.data("mine", depends_on=[urn])
        answer = post(both_houses, bob, job.mentioning(job.batch()))
        said.append((answer.status_code, answer.json()["description"].replace(urn, "X")))
    assert said == [(422, "The batch links to X, which is not in this store.")] * 2
    assert record_of(both_houses, ada, hers.live)["dependents"] == []


def test_a_batch_that_links_to_what_came_later_and_is_not_seen_is_taken_again(
    house: House, ada: Person, bob: Person
) -> None:
    job, later = Job(), Job()
    scan = later.recorder.data("scan")
    mine = job.recorder.data("mine", depends_on=[scan])
    batch = job.mentioning(job.batch())
    assert post(house, bob, batch).json()["records"] == 1
    assert post(house, ada, later.batch()).status_code == 200
    assert post(house, bob, batch).json()["records"] == 1
    assert [link["kind"] for link in record_of(house, bob, mine)["links"]] == ["restricted"]
    batch.link[0] = batch.link[0]._replace(to_id=batch.link[0].to_id + 1)
    refused(house, bob, batch, 422, "which is not in this store")


def test_an_origin_whose_uuid_is_made_of_a_name_is_not_claimed(house: House, bob: Person) -> None:
    job = Job()
    job.recorder.data("squat")
    batch = job.batch()
    batch.origin[0] = batch.origin[0]._replace(uuid=str(uuid.uuid5(uuid.NAMESPACE_URL, "run-1")))
    refused(house, bob, batch, 422, "not random")


def test_what_was_only_mentioned_is_written_later_by_whoever_made_it(
    house: House, ada: Person, bob: Person
) -> None:
    early, late = Job(), Job()
    scan = late.recorder.data("scan")
    mine = early.recorder.data("mine", depends_on=[scan.urn])
    assert post(house, bob, early.mentioning(early.batch())).status_code == 200
    assert post(house, ada, late.batch()).status_code == 200
    assert record_of(house, ada, scan)["owner"] == ada.urn
    assert record_of(house, bob, mine)["owner"] == bob.urn


def test_an_origin_belongs_to_who_used_it_first(house: House, hers: Hers, bob: Person) -> None:
    more = Recorder(hers.job.sink, environment=None).data("not hers")
    assert more
    refused(house, bob, hers.job.batch(), 403, "somebody else")


@pytest.mark.parametrize("table", ["tag", "mark", "run_event", "file_check"])
def test_ids_of_another_origin_are_not_used_up(
    house: House, hers: Hers, bob: Person, table: str
) -> None:
    job = Job(run_id="mine")
    mine = job.recorder.data("mine", tags={"a": 1})
    job.recorder.promote(mine)
    job.recorder.run("mine")
    job.recorder.found_file(mine, "file:///x", size=1, digest="sha256:ab")
    theirs = job.knows(hers.live.urn) + 1000
    batch = job.mentioning(job.batch())
    rows = getattr(batch, table)
    rows[0] = rows[0]._replace(id=theirs)
    refused(house, bob, batch, 403, "somebody else")


def test_the_servers_own_origin_is_not_spoken_for(house: House, ada: Person) -> None:
    assert house.run(ada, "1").status_code == 202
    step = house.get("/api/v1/runs/run-1", ada).json()["steps"][0]["id"]
    job = Job()
    mine = job.recorder.data("mine")
    theirs = job.knows(step) + 1000
    batch = job.mentioning(job.batch())
    batch.record.append(batch.record[0]._replace(id=theirs))
    assert mine
    refused(house, ada, batch, 403, "somebody else")


def test_what_was_loaded_on_the_spot_is_not_taken_over(house: House, ada: Person) -> None:
    job, batch = everything(run_id=None)
    StoreService(house.store).write(batch)
    refused(house, ada, batch, 403, "somebody else")
    job.recorder.data("more")
    refused(house, ada, job.batch(), 403, "somebody else")


def test_what_a_server_has_taken_is_loaded_from_the_spool_without_a_conflict(
    both_houses: House, ada: Person, tmp_path: Path
) -> None:
    _, batch = everything()
    assert post(both_houses, ada, batch).status_code == 200
    before = both_houses.counts()
    spooled(tmp_path / "spool", batch)
    assert hpc.load_spool(both_houses.store, tmp_path / "spool").bad == []
    assert grown(before, both_houses.counts()) == {}


def test_what_a_known_recorder_spooled_is_its_owners(
    both_houses: House, ada: Person, bob: Person, tmp_path: Path
) -> None:
    job, batch = everything(run_id=None)
    assert post(both_houses, ada, batch).status_code == 200
    late = job.recorder.data("late")
    spooled(tmp_path / "spool", job.batch())
    assert hpc.load_spool(both_houses.store, tmp_path / "spool").records == 1
    assert record_of(both_houses, ada, late)["owner"] == ada.urn
    assert both_houses.get(f"/api/v1/records/{late.urn}", bob).status_code == 404


def spooled(folder: Path, batch: Batch) -> None:
    """Put a batch into a spool folder."""
    writer = SpoolWriter(folder)
    writer.append(encode_batch(batch))
    writer.finish()


def test_nobody_writes_in_anothers_name(house: House, ada: Person, bob: Person) -> None:
    job = Job(audience=Audience(ada.urn, managers=(bob.urn,)))
    job.recorder.data("as if of ada")
    refused(house, bob, job.batch(), 403, "another owner")


def test_the_audience_of_another_is_not_widened(
    house: House, hers: Hers, ada: Person, bob: Person
) -> None:
    stored = Audience(ada.urn).rows()[0]
    job = Job(audience=Audience(bob.urn))
    job.recorder.data("mine")
    batch = job.batch()
    batch.audience_member.append(batch.audience_member[0]._replace(digest=stored.digest))
    refused(house, bob, batch, 422, "does not carry")
    batch.audience.append(stored)
    refused(house, bob, batch, 422, "under their digest")
    batch.audience[-1] = stored._replace(owner=bob.urn)
    refused(house, bob, batch, 422, "under their digest")
    assert house.get(f"/api/v1/records/{hers.live.urn}", bob).status_code == 404


@pytest.mark.parametrize("how", ["a record", "an event", "a tag"])
def test_strangers_stay_out_of_runs(both_houses: House, ada: Person, bob: Person, how: str) -> None:
    Hers(both_houses, ada)
    assert both_houses.run(ada, "1", body=a_body(run_id="flow-run")).status_code == 202
    for run_id in ("hers", "flow-run"):
        job = Job(run_id=run_id if how == "a record" else None)
        job.recorder.data("planted")
        if how == "an event":
            job.recorder.run(run_id, label="taken over")
        batch = job.batch()
        if how == "a tag":
            batch.run_tag.append(RunTagRow(run_id, "taken"))
        refused(both_houses, bob, batch, 403, "recorded by somebody else")


def test_a_run_is_not_tagged_before_it_is_there(house: House, bob: Person) -> None:
    refused(house, bob, Batch(run_tag=[RunTagRow("future", "mine")]), 422, "no run future")


def a_scan(run_id: str) -> Batch:
    """A batch with one record, of a run."""
    job = Job(run_id=run_id)
    job.recorder.data("scan")
    return job.batch()


def test_of_two_strangers_who_begin_a_run_at_once_one_has_it(
    both_houses: House, ada: Person, bob: Person
) -> None:
    for turn in range(6):
        run_id = f"contested-{turn}"
        answers = at_once(
            partial(post, both_houses, ada, a_scan(run_id)),
            partial(post, both_houses, bob, a_scan(run_id)),
        )
        codes = [answer.status_code for answer in answers]
        assert sorted(codes) == [200, 403]
        winner, loser = (ada, bob) if codes[0] == 200 else (bob, ada)
        where = f"/api/v1/runs/{run_id}"
        assert both_houses.get(where, winner).status_code == 200
        assert both_houses.get(where, loser).status_code == 404


def test_steps_of_flows_and_batches_of_jobs_share_a_run(house: House, ada: Person) -> None:
    assert house.run(ada, "1", body=a_body(run_id="shared")).status_code == 202
    job = Job(run_id="shared")
    job.recorder.step("Simulate")
    assert post(house, ada, job.batch()).status_code == 200
    assert house.run(ada, "2", body=a_body("After", run_id="shared")).status_code == 202
    steps = house.get("/api/v1/runs/shared", ada).json()["steps"]
    assert [step["name"] for step in steps] == ["Train", "Simulate", "After"]


def test_strangers_add_no_versions_to_a_model(
    house: House, hers: Hers, ada: Person, bob: Person
) -> None:
    for urn in (hers.model.urn, Job().recorder.model("net").urn):
        job = Job(audience=Audience(bob.urn, readers=(ada.urn,)))
        line = job.knows(urn)
        mine = job.recorder.model("net")
        batch = job.mentioning(job.batch())
        batch.version[0] = VersionRow(mine.id, line, line, 1)
        refused(house, bob, batch, 422, "revises")


@pytest.mark.parametrize(("depth", "status"), [(1, 200), (2, 422)])
def test_readers_add_versions_that_are_the_next_ones(
    house: House, ada: Person, bob: Person, depth: int, status: int
) -> None:
    job = Job(audience=Audience(ada.urn, readers=(bob.urn,)))
    model = job.recorder.model("net")
    assert post(house, ada, job.batch()).status_code == 200
    other = Job()
    other.recorder.update(model)
    batch = other.mentioning(other.batch())
    batch.version[0] = batch.version[0]._replace(depth=depth)
    assert post(house, bob, batch).status_code == status


def test_actions_are_the_servers_own(house: House, bob: Person) -> None:
    row = ActionRow("a", bob.urn, "r", "d", "SUCCEEDED", "{}", None, "x", 0, 1 << 60)
    refused(house, bob, Batch(action=[row]), 422, "action")


def test_an_end_said_again_otherwise_is_a_conflict(house: House, ada: Person) -> None:
    job = Job()
    step = job.recorder.step("train")
    step.finish()
    assert post(house, ada, job.batch()).status_code == 200
    again = job.batch()
    again.outcome.append(OutcomeRow(step.id, "FAILED", 7))
    refused(house, ada, again, 409, "outcome.status")


def test_an_addition_to_static_data_is_refused_as_sealed(house: House, ada: Person) -> None:
    job = Job()
    scan = job.recorder.data("scan")
    assert post(house, ada, job.batch()).status_code == 200
    job.recorder.add(scan, uris=["file:///more"])
    refused(house, ada, job.batch(), 409, "no additions")


def test_an_output_of_a_step_that_is_no_step_is_refused(house: House, ada: Person) -> None:
    job = Job()
    scan = job.recorder.data("scan")
    assert post(house, ada, job.batch()).status_code == 200
    made = job.recorder.data("made")
    batch = job.batch()
    batch.link.append(LinkRow(scan.id, made.id, Role.GENERATED_BY))
    refused(house, ada, batch, 422, "Only a step")


def test_a_refused_batch_claims_no_origin(house: House, ada: Person, bob: Person) -> None:
    job, batch = everything()
    batch.record[0] = batch.record[0]._replace(kind=99)
    assert post(house, bob, batch).status_code == 422
    job.recorder.data("hers")
    assert post(house, ada, job.batch()).status_code == 200


def test_an_alias_is_of_a_version_of_its_own_model(house: House, ada: Person) -> None:
    job = Job()
    one, other = job.recorder.model("one"), job.recorder.model("other")
    batch = job.batch()
    batch.alias.append(AliasRow(one.id, "champion", job.sink.new_id(), other.id, 1))
    refused(house, ada, batch, 422, "a version of its own model")
    batch.alias[0] = AliasRow(one.id, "champion", job.sink.new_id(), one.id, 1)
    assert post(house, ada, batch).status_code == 200
    assert house.store.documents().record("one@champion")["id"] == one.urn
