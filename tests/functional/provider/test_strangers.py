"""What strangers do at the same time, or under the same names, does not touch one's own."""

from __future__ import annotations

import base64
from functools import partial
from typing import Any

import msgspec

from provenance_store import Batch
from provenance_store.batch import TABLES
from provenance_store.values import Audience
from tests.functional.provider.batches import Job, post, record_of
from tests.functional.provider.house import House, Person, a_body, at_once


def step(run_id: str, **more: Any) -> dict[str, Any]:
    """A step without records."""
    return {"run": {"run_id": run_id}, "step": {"name": "Train"}, "inputs": [], **more}


def test_of_two_strangers_who_begin_a_run_at_once_one_has_it(
    both_houses: House, ada: Person, bob: Person
) -> None:
    for turn in range(6):
        run_id = f"contested-{turn}"
        body = a_body(run_id=run_id, models=[])
        answers = at_once(
            partial(both_houses.run, ada, f"ada {run_id}", body=body),
            partial(both_houses.run, bob, f"bob {run_id}", body=body),
        )
        codes = [answer.status_code for answer in answers]
        assert sorted(codes) == [202, 403]
        winner, loser = (ada, bob) if codes[0] == 202 else (bob, ada)
        where = f"/api/v1/runs/{run_id}"
        assert len(both_houses.get(where, winner).json()["steps"]) == 1
        assert both_houses.get(where, loser).status_code == 404


def test_a_run_that_was_recorded_on_the_spot_is_not_taken_over(house: House, bob: Person) -> None:
    house.store.run("local", label="of the beamline")
    house.store.recorder(run_id="bare").step("Measure", parameters={"energy": 61})
    for run_id in ("local", "bare"):
        assert house.run(bob, f"take {run_id}", body=step(run_id)).status_code == 403
        assert house.get(f"/api/v1/runs/{run_id}", bob).status_code == 404
    assert house.store.info()["tables"]["action"] == 0


def test_a_reader_who_updates_a_model_does_not_end_its_line_for_the_owner(
    house: House, ada: Person, bob: Person
) -> None:
    trained = step("ada-1", models=[{"name": "braggnn", "how": "trained"}])
    assert house.run(ada, "1", body=trained, monitor_by=[bob.urn]).status_code == 202
    updated = [{"name": "braggnn", "how": "updated"}]
    assert house.run(bob, "2", body=step("bob-1", models=updated)).status_code == 202
    answer = house.run(ada, "3", body=step("ada-2", models=updated))
    assert answer.status_code == 202
    assert answer.json()["details"]["models"][0]["version"] == 1
    listed = house.get("/api/v1/models?name=braggnn", ada).json()["models"]
    assert [(m["versions"], m["branches"]) for m in listed] == [(2, 1)]


def test_what_others_show_me_does_not_stand_in_for_my_own(
    house: House, ada: Person, bob: Person
) -> None:
    uri = "globus://c/scan-9.h5"
    mine = step("ada-1", outputs=[{"name": "mine", "uri": uri}])
    mine["models"] = [{"name": "m2", "how": "trained"}]
    assert house.run(ada, "1", body=mine).status_code == 202
    planted = step("bob-1", outputs=[{"name": "planted", "uri": uri}])
    planted["models"] = [{"name": "m2", "how": "trained"}]
    assert house.run(bob, "2", body=planted, monitor_by=[ada.urn]).status_code == 202
    later = step("ada-2", inputs=[uri], models=[{"name": "m2", "how": "updated"}])
    answer = house.run(ada, "3", body=later)
    assert answer.status_code == 202, answer.json()
    used = house.get("/api/v1/runs/ada-2", ada).json()["steps"][0]["inputs"]
    assert [record["name"] for record in used] == ["mine"]


def test_a_version_that_is_not_seen_is_not_named_by_the_next_one(
    both_houses: House, ada: Person, bob: Person
) -> None:
    house = both_houses
    job = Job(audience=Audience(ada.urn))
    secret = job.recorder.model("base")
    assert post(house, ada, job.batch()).status_code == 200
    job.recorder.audience = Audience(ada.urn, readers=(bob.urn,))
    shared = secret.update([])
    assert post(house, ada, job.batch()).status_code == 200

    shown = record_of(house, bob, shared)
    assert (shown["line"], shown["parent"]) == ("restricted", "restricted")
    hers = record_of(house, ada, shared)
    assert (hers["line"], hers["parent"]) == (secret.urn, secret.urn)
    where = (
        f"/api/v1/records/{shared.urn}",
        f"/api/v1/records/{shared.urn}/statement",
        f"/api/v1/records/{shared.urn}/lineage",
        f"/api/v1/models/{shared.urn}",
        f"/api/v1/models/{shared.urn}/version",
        "/api/v1/models?valid=true",
    )
    for path in where:
        answer = house.get(path, bob)
        assert secret.urn not in answer.text, path
        assert answer.status_code == 200 or path.endswith("/version"), path
    assert house.get("/api/v1/models?valid=true", bob).json()["models"][0]["id"] == "restricted"
    assert house.get(f"/api/v1/models/{shared.urn}", ada).json()["id"] == secret.urn


def test_a_marker_tells_nothing_of_a_record_that_is_not_seen(
    house: House, ada: Person, bob: Person
) -> None:
    job, mine = Job(), Job()
    secret = job.recorder.data("secret")
    assert post(house, ada, job.batch()).status_code == 200
    line = mine.recorder.model("mine")
    for _ in range(3):
        line.update([])
    assert post(house, bob, mine.batch()).status_code == 200
    key = (1, house.store.sink.locate(secret.urn))
    marker = base64.urlsafe_b64encode(msgspec.json.encode(key)).decode().rstrip("=")
    page = house.get(f"/api/v1/models/{line.urn}?marker={marker}", bob).json()
    assert page["versions"] == []
    first = house.get(f"/api/v1/models/{line.urn}?limit=2", bob).json()
    rest = house.get(f"/api/v1/models/{line.urn}?limit=2&marker={first['marker']}", bob).json()
    assert [v["version"] for v in first["versions"] + rest["versions"]] == [0, 1, 1, 1]


def models_of(answer: Any) -> list[str]:
    """The ids of the models in an answer to a step."""
    assert answer.status_code == 202, answer.text
    return [model["id"] for model in answer.json()["details"]["models"]]


def test_what_a_stranger_has_me_manage_does_not_stand_in_for_my_own(
    both_houses: House, ada: Person, bob: Person
) -> None:
    house, uri = both_houses, "globus://c/scan-9.h5"
    mine = step("ada-1", outputs=[{"name": "mine", "uri": uri}])
    mine["models"] = [{"name": "m2", "how": "trained"}]
    (model,) = models_of(house.run(ada, "1", body=mine))
    job = Job(audience=Audience(bob.urn, managers=(ada.urn,)))
    job.recorder.data("planted", uris=[uri])
    job.recorder.model("m2")
    batch = job.batch()
    later = [row._replace(created_at=row.created_at + 3_600_000_000) for row in batch.record]
    batch.record = later
    assert post(house, bob, batch).status_code == 200
    used = step("ada-2", inputs=[uri], models=[{"name": "m2", "how": "deployed"}])
    assert models_of(house.run(ada, "2", body=used)) == [model]
    inputs = house.get("/api/v1/runs/ada-2", ada).json()["steps"][0]["inputs"]
    assert [record["name"] for record in inputs if record["kind"] == "data"] == ["mine"]


def test_the_records_of_strangers_do_not_hide_my_own_at_a_uri(
    both_houses: House, ada: Person, bob: Person
) -> None:
    house, uri = both_houses, "globus://c/scan-9.h5"
    mine = step("ada-1", outputs=[{"name": "mine", "uri": uri}], models=[])
    assert house.run(ada, "1", body=mine).status_code == 202
    for readers in ((), (ada.urn,)):
        job = Job(audience=Audience(bob.urn, readers=readers))
        with job.recorder.transaction():
            for _ in range(1001):
                job.recorder.data("planted", uris=[uri])
        assert post(house, bob, job.batch()).status_code == 200
    body = step("ada-2", inputs=[uri], models=[])
    assert house.run(ada, "2", body=body).status_code == 202
    inputs = house.get("/api/v1/runs/ada-2", ada).json()["steps"][0]["inputs"]
    assert [record["name"] for record in inputs] == ["mine"]


def test_nothing_is_recorded_as_of_years_to_come(house: House, bob: Person) -> None:
    job = Job(run_id="later")
    job.recorder.run("later")
    job.recorder.data("late")
    batch = job.batch()
    for name, column in (("record", "created_at"), ("run_event", "at")):
        late = Batch(**{table: list(getattr(batch, table)) for table in TABLES})
        rows = getattr(late, name)
        rows[0] = rows[0]._replace(**{column: 253_402_300_799_999_999})
        answer = post(house, bob, late)
        assert (answer.status_code, "in the future" in answer.text) == (422, True)
    assert post(house, bob, batch).status_code == 200


def test_a_reader_who_shows_me_a_next_version_does_not_end_my_line(
    both_houses: House, ada: Person, bob: Person
) -> None:
    house = both_houses
    (model,) = models_of(
        house.run(
            ada,
            "1",
            body=step("ada-1", models=[{"name": "net", "how": "trained"}]),
            monitor_by=[bob.urn],
        )
    )
    updated = step("bob-1", models=[{"name": "net", "how": "updated"}])
    (planted,) = models_of(house.run(bob, "2", body=updated, monitor_by=[ada.urn]))
    deployed = step("ada-2", models=[{"name": "net", "how": "deployed"}])
    assert models_of(house.run(ada, "3", body=deployed)) == [model]
    (line,) = house.get("/api/v1/models?name=net", ada).json()["models"]
    assert line["branches"] == 2
    versions = house.get(f"/api/v1/models/{model}", ada).json()["versions"]
    assert [(v["id"], v["head"]) for v in versions] == [(model, True), (planted, True)]
    body = step("ada-3", models=[{"name": "net", "how": "updated"}])
    (next_one,) = models_of(house.run(ada, "4", body=body))
    assert models_of(house.run(ada, "5", body={**deployed, "run": {"run_id": "ada-4"}})) == [
        next_one
    ]


def test_who_manages_a_run_too_does_not_take_it_over(
    both_houses: House, ada: Person, bob: Person, carol: Person
) -> None:
    house = both_houses
    assert house.run(ada, "1", body=step("shared"), manage_by=[bob.urn]).status_code == 202
    job = Job(run_id="shared", audience=Audience(bob.urn, readers=(carol.urn,)))
    job.recorder.run("shared", label="of bob")
    job.recorder.data("bob's")
    batch = job.batch()
    batch.run_event = [row._replace(at=0) for row in batch.run_event]
    assert post(house, bob, batch).status_code == 200
    assert house.get("/api/v1/runs/shared", ada).json()["recorded_by"] == ada.urn
    assert house.get("/api/v1/runs/shared", carol).status_code == 404
    assert house.run(ada, "2", body=step("shared")).status_code == 202
