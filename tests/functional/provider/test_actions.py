"""Actions as Globus Flows drives them: run, repeat, look, release."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from provenance_store.ids import now
from provenance_store.service import StoreService
from tests.functional.provider.house import (
    House,
    Person,
    Town,
    a_body,
    serving,
    with_a_near_deadline,
)

DAY = 86_400 * 1_000_000


def test_a_step_is_recorded_inside_the_request(both_houses: House, ada: Person) -> None:
    answer = both_houses.run(ada, "r1", label="first", monitor_by=[ada.urn])
    assert answer.status_code == 202
    status = answer.json()
    assert status["status"] == "SUCCEEDED"
    assert status["creator_id"] == ada.urn
    assert status["label"] == "first"
    assert status["monitor_by"] == [ada.urn]
    assert status["release_after"] == "P30D"
    assert status["start_time"]
    assert status["completion_time"]
    receipt = status["details"]
    assert set(receipt) == {"step", "inputs", "outputs", "models"}
    assert len(receipt["inputs"]) == 2
    assert receipt["models"][0]["version"] >= 0
    record = both_houses.get(f"/api/v1/records/{receipt['step']}", ada).json()
    assert record["owner"] == ada.urn


@pytest.mark.parametrize("path", ["/record/run", "/record/actions"])
def test_a_repeated_request_is_answered_with_the_same_action(
    both_houses: House, ada: Person, path: str
) -> None:
    first = both_houses.post(path, ada, json={"request_id": "r1", "body": a_body()})
    before = both_houses.counts()
    again = dict(reversed(list({"request_id": "r1", "body": a_body()}.items())))
    second = both_houses.post("/record/run", ada, json=again)
    assert (first.status_code, second.status_code) == (202, 200)
    assert first.json() == second.json()
    assert both_houses.counts() == before


@pytest.mark.parametrize(
    "change", [{"body": a_body(step="Other")}, {"label": "x"}, {"release_after": "P1D"}]
)
def test_a_request_id_with_another_content_is_refused(
    both_houses: House, ada: Person, change: dict[str, object]
) -> None:
    both_houses.run(ada, "r1")
    before = both_houses.counts()
    answer = both_houses.run(ada, "r1", **change)
    assert answer.status_code == 409
    assert answer.json()["code"] == "Conflict"
    assert both_houses.counts() == before


def test_two_callers_may_use_the_same_request_id(house: House, ada: Person, bob: Person) -> None:
    mine = house.run(ada, "same", body=a_body(run_id="a"))
    theirs = house.run(bob, "same", body=a_body(run_id="b"))
    assert (mine.status_code, theirs.status_code) == (202, 202)
    assert mine.json()["action_id"] != theirs.json()["action_id"]


def test_both_route_styles_give_the_same(house: House, ada: Person) -> None:
    status = house.run(ada, "r1").json()
    action = status["action_id"]
    assert house.get(f"/record/{action}/status", ada).json() == status
    assert house.get(f"/record/actions/{action}", ada).json() == status
    logs = [house.get(f"/record/{p}/log", ada).json() for p in (action, f"actions/{action}")]
    assert logs[0] == logs[1]
    assert logs[0]["entries"][0]["details"] == status["details"]
    for path in (f"/record/{action}/resume", f"/record/actions/{action}/resume"):
        assert house.post(path, ada).json() == status
    for path in (f"/record/{action}/cancel", f"/record/actions/{action}/cancel"):
        assert house.post(path, ada).status_code == 409


@pytest.mark.parametrize("style", ["old", "new"])
def test_a_released_action_is_gone_and_its_records_stay(
    both_houses: House, ada: Person, style: str
) -> None:
    status = both_houses.run(ada, "r1").json()
    action = status["action_id"]
    method, path = {
        "old": ("POST", f"/record/{action}/release"),
        "new": ("DELETE", f"/record/actions/{action}"),
    }[style]
    answer = both_houses.call(method, path, ada)
    assert (answer.status_code, answer.json()) == (200, status)
    assert both_houses.get(f"/record/{action}/status", ada).status_code == 404
    assert both_houses.call(method, path, ada).status_code == 404
    assert both_houses.get(f"/api/v1/records/{status['details']['step']}", ada).status_code == 200


def test_after_the_release_a_request_id_is_new_again(house: House, ada: Person) -> None:
    first = house.run(ada, "r1").json()
    house.post(f"/record/{first['action_id']}/release", ada)
    answer = house.run(ada, "r1", body=a_body(step="Another"))
    assert answer.status_code == 202
    assert answer.json()["action_id"] != first["action_id"]


def test_release_after_is_honoured(both_houses: House, ada: Person) -> None:
    gone = both_houses.run(ada, "r1", release_after="PT0S").json()
    kept = both_houses.run(ada, "r2", release_after="P2D").json()
    assert kept["release_after"] == "P2D"
    assert both_houses.get(f"/record/{gone['action_id']}/status", ada).status_code == 404
    assert both_houses.run(ada, "r1").status_code == 202
    assert StoreService(both_houses.store).actions.purge(now() + DAY) == 0
    assert StoreService(both_houses.store).actions.purge(now() + 3 * DAY) == 1
    assert both_houses.get(f"/record/{kept['action_id']}/status", ada).status_code == 404


def test_a_release_after_of_seconds_is_taken_too(house: House, ada: Person) -> None:
    assert house.run(ada, "r1", release_after=90).json()["release_after"] == "PT1M30S"
    assert house.run(ada, "r2", release_after="P1M").json()["release_after"] == "P31D"


def test_a_repeat_after_its_deadline_is_still_answered(house: House, ada: Person) -> None:
    soon, first = with_a_near_deadline(lambda soon: house.run(ada, "r1", deadline=soon))
    assert first.status_code == 202
    while datetime.now(UTC).isoformat() < soon:
        house.get("/healthz")
    assert house.run(ada, "r1", deadline=soon).json() == first.json()
    assert house.run(ada, "r2", deadline=soon).status_code == 422


def test_null_optional_fields_say_nothing(house: House, ada: Person) -> None:
    nothing = dict.fromkeys(
        ("label", "monitor_by", "manage_by", "allowed_clients", "deadline", "release_after")
    )
    assert house.run(ada, "r1", **nothing).status_code == 202
    assert house.run(ada, "r1").status_code == 200


def test_actions_outlive_the_server(town: Town, ada: Person, store_url: str) -> None:
    with serving(store_url, town.environ()) as house:
        status = house.run(ada, "r1").json()
    with serving(store_url, town.environ()) as house:
        assert house.get(f"/record/{status['action_id']}/status", ada).json() == status
        assert house.run(ada, "r1").json() == status


def test_actions_are_listed_by_status_and_role_in_pages(
    house: House, ada: Person, bob: Person
) -> None:
    mine = [house.run(ada, f"r{i}").json()["action_id"] for i in range(5)]
    shared = house.run(bob, "x", body=a_body(run_id="bobs"), monitor_by=[ada.urn]).json()
    assert house.get("/record/actions", ada).json()["actions"] == []
    seen = []
    query = {"status": "succeeded", "limit": 2}
    while True:
        page = house.get("/record/actions", ada, params=query).json()
        seen += [action["action_id"] for action in page["actions"]]
        if not page["has_next_page"]:
            break
        query["marker"] = page["marker"]
    assert seen == list(reversed(mine))
    monitored = house.get("/record/actions?status=SUCCEEDED&roles=monitor_by", ada).json()
    assert [action["action_id"] for action in monitored["actions"]] == [shared["action_id"]]


def test_the_description_says_what_flows_needs(house: House, town: Town) -> None:
    for path in ("/record", "/record/"):
        answer = house.get(path)
        assert answer.status_code == 200
        document = answer.json()
        assert document["globus_auth_scope"] == town.scope
        assert document["synchronous"] is True
        assert document["log_supported"] is True
        assert document["types"] == ["ACTION"]
        assert document["input_schema"]["required"] == ["run", "step"]


def test_introspection_answers_a_browsers_preflight(house: House) -> None:
    answer = house.call("OPTIONS", "/record/")
    assert answer.status_code == 204
    assert answer.headers["Access-Control-Allow-Origin"] == "*"


def test_a_receipt_is_a_later_steps_input(house: House, ada: Person) -> None:
    first = house.run(ada, "r1").json()
    body = a_body(step="Apply", inputs=[first], outputs=[], models=[])
    answer = house.run(ada, "r2", body=body)
    assert answer.status_code == 202
    assert set(first["details"]["outputs"]) <= set(answer.json()["details"]["inputs"])


def test_what_a_step_says_of_its_run_again_is_not_recorded_again(house: House, ada: Person) -> None:
    for number in range(3):
        assert house.run(ada, f"r{number}").status_code == 202
    assert house.store.info()["tables"]["run_event"] == 1
    body = a_body()
    body["run"]["status"] = "SUCCEEDED"
    assert house.run(ada, "last", body=body).status_code == 202
    assert house.store.info()["tables"]["run_event"] == 2
    assert house.get("/api/v1/runs/run-1", ada).json()["status"] == "SUCCEEDED"


def test_two_servers_over_one_store_agree_on_what_was_said_last_of_a_run(
    town: Town, ada: Person, store_url: str
) -> None:
    def body(label: str) -> dict[str, Any]:
        return a_body(run={"run_id": "run-1", "label": label})

    with (
        serving(store_url, town.environ()) as one,
        serving(store_url, town.environ()) as other,
    ):
        for number, (house, label) in enumerate(((one, "A"), (one, "A"), (other, "B"), (one, "A"))):
            assert house.run(ada, f"r{number}", body=body(label)).status_code == 202
            assert other.get("/api/v1/runs/run-1", ada).json()["label"] == label
        assert one.counts()["run_event"] == 3
