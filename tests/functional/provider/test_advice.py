"""The action provider at /query: small answers that a flow can act on, of what its caller sees."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

import jsonschema
import pytest

from action_provider.providers.query.actions import MAX_ANSWER_BYTES
from provenance_store.values import Audience
from tests.functional.provider.batches import Job, post
from tests.functional.provider.house import House, Person, a_body, at_once


def ask(house: House, who: Person, request_id: str = "q", **body: Any) -> dict[str, Any]:
    """The details of an answer."""
    answer = house.post("/query/run", who, json={"request_id": request_id, "body": body})
    assert answer.status_code == 202, answer.text
    document = answer.json()
    assert document["status"] == "SUCCEEDED"
    details: dict[str, Any] = document["details"]
    return details


def recorded(house: House, who: Person, run_id: str = "run-1", **body: Any) -> dict[str, Any]:
    """The receipt of a recorded step."""
    answer = house.run(who, f"record {run_id}", body=a_body(run_id=run_id, **body))
    assert answer.status_code == 202, answer.text
    receipt: dict[str, Any] = answer.json()["details"]
    return receipt


# ---- as an action provider ---------------------------------------------------------------------


def test_it_describes_itself_and_its_questions(house: House) -> None:
    description = house.get("/query/").json()
    assert description["synchronous"] is True
    schema = description["input_schema"]
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft7Validator.check_schema(schema)
    for good in (
        {"ask": "models"},
        {"ask": "records", "kind": "data", "tags": ["sample=Ni"], "limit": 1},
        {"ask": "validity", "of": "3.1"},
        {"ask": "validity", "of": ["3.1", {"uri": "file:///x"}], "model": "net"},
    ):
        jsonschema.validate(good, schema)
    for bad in ({}, {"ask": "weather"}, {"ask": "models", "limit": 99}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(bad, schema)


@pytest.mark.parametrize("style", ["old", "new"])
def test_both_route_styles_answer(both_houses: House, ada: Person, style: str) -> None:
    path = "/query/run" if style == "old" else "/query/actions"
    request = {"request_id": "q", "body": {"ask": "records"}, "label": "asking"}
    answer = both_houses.post(path, ada, json=request)
    assert answer.status_code == 202
    action = answer.json()
    assert (action["label"], action["creator_id"]) == ("asking", ada.urn)
    where = f"/query/{action['action_id']}/status"
    if style == "new":
        where = f"/query/actions/{action['action_id']}"
    assert both_houses.get(where, ada).json() == action


def test_a_repeated_request_has_the_same_answer_whatever_was_recorded_since(
    both_houses: House, ada: Person
) -> None:
    request = {"request_id": "q", "body": {"ask": "records", "name": "report.txt"}}
    first = both_houses.post("/query/run", ada, json=request)
    recorded(both_houses, ada)
    again = both_houses.post("/query/run", ada, json=request)
    assert (first.status_code, again.status_code) == (202, 200)
    assert first.json() == again.json()
    assert again.json()["details"]["found"] is False
    other = both_houses.post("/query/run", ada, json={**request, "body": {"ask": "models"}})
    assert (other.status_code, other.json()["code"]) == (409, "Conflict")
    assert ask(both_houses, ada, "q2", ask="records", name="report.txt")["found"] is True


def test_the_same_request_at_once_is_one_action(both_houses: House, ada: Person) -> None:
    request = {"request_id": "q", "body": {"ask": "records"}}
    answers = at_once(*[partial(both_houses.post, "/query/run", ada, json=request)] * 4)
    assert sorted(answer.status_code for answer in answers) == [200, 200, 200, 202]
    assert len({answer.json()["action_id"] for answer in answers}) == 1


def test_the_two_providers_do_not_share_requests_or_actions(house: House, ada: Person) -> None:
    step = house.run(ada, "same").json()["action_id"]
    question = house.post("/query/run", ada, json={"request_id": "same", "body": {"ask": "models"}})
    assert question.status_code == 202
    action_id = question.json()["action_id"]
    assert house.get(f"/query/{step}/status", ada).status_code == 404
    assert house.get(f"/record/{action_id}/status", ada).status_code == 404
    for provider, own in (("query", action_id), ("record", step)):
        listed = house.get(f"/{provider}/actions?status=succeeded", ada).json()["actions"]
        assert [action["action_id"] for action in listed] == [own]


def test_actions_are_seen_by_whom_they_name_and_released(
    house: House, ada: Person, bob: Person, carol: Person
) -> None:
    request = {"request_id": "q", "body": {"ask": "models"}, "monitor_by": [bob.urn]}
    action_id = house.post("/query/run", ada, json=request).json()["action_id"]
    statuses = [house.get(f"/query/{action_id}/status", p).status_code for p in (ada, bob, carol)]
    assert statuses == [200, 200, 404]
    assert house.post(f"/query/{action_id}/release", bob).status_code == 403
    assert house.post(f"/query/{action_id}/cancel", ada).status_code == 409
    assert house.post(f"/query/{action_id}/resume", ada).status_code == 200
    entry = house.get(f"/query/{action_id}/log", bob).json()["entries"][0]
    assert (entry["code"], entry["details"]["ask"]) == ("QuestionAnswered", "models")
    assert house.post(f"/query/{action_id}/release", ada).status_code == 200
    assert house.get(f"/query/{action_id}/status", ada).status_code == 404
    assert house.post("/query/run", ada, json=request).status_code == 202


def test_asking_changes_nothing_that_was_recorded(house: House, ada: Person) -> None:
    receipt = recorded(house, ada)
    before = house.counts()
    ask(house, ada, "1", ask="models")
    ask(house, ada, "2", ask="records")
    ask(house, ada, "3", ask="validity", of=receipt)
    after = house.counts()
    changed = {name for name, n in before.items() if after[name] != n}
    assert changed <= {"action", "audience", "audience_member"}
    assert house.store.check() == []


BAD = [
    ({}, "ask"),
    ({"ask": "weather"}, "models, records, validity"),
    ({"ask": ["models"]}, "ask"),
    ({"ask": "models", "color": "red"}, "'color'"),
    ({"ask": "models", "name": ""}, "name"),
    ({"ask": "models", "limit": 0}, "limit"),
    ({"ask": "models", "highest": True}, "highest"),
    ({"ask": "models", "trained_on": "scan"}, "trained_on"),
    ({"ask": "models", "limit": 11}, "limit"),
    ({"ask": "records", "kind": "thing"}, "kind"),
    ({"ask": "records", "tags": "sample=Ni"}, "tags"),
    ({"ask": "records", "tags": ["<5"]}, "tag"),
    ({"ask": "records", "tags": ["a"] * 21}, "tags"),
    ({"ask": "validity"}, "of"),
    ({"ask": "validity", "of": []}, "of"),
    ({"ask": "validity", "of": 7}, "of"),
    ({"ask": "validity", "of": "not an id"}, "of"),
    ({"ask": "validity", "of": ["3.1", {"name": "x"}]}, "of[1]"),
    ({"ask": "validity", "of": ["3.1"] * 101}, "100"),
]


@pytest.mark.parametrize(("body", "says"), BAD, ids=[json.dumps(b)[:40] for b, _ in BAD])
def test_bad_questions_are_refused_with_a_path(
    house: House, ada: Person, body: dict[str, Any], says: str
) -> None:
    answer = house.post("/query/run", ada, json={"request_id": "q", "body": body})
    assert (answer.status_code, answer.json()["code"]) == (422, "InvalidInput"), answer.text
    assert says in answer.json()["description"]
    assert house.counts()["action"] == 0


def test_a_token_is_needed_but_to_read_the_description(house: House) -> None:
    assert house.get("/query/").status_code == 200
    request = {"request_id": "q", "body": {"ask": "models"}}
    assert house.post("/query/run", json=request).status_code == 401
    assert house.get("/query/actions").status_code == 401


# ---- answers -----------------------------------------------------------------------------------


def test_records_are_found_by_what_they_are(both_houses: House, ada: Person, bob: Person) -> None:
    recorded(both_houses, ada, "run-1")
    recorded(both_houses, ada, "run-2")
    found = ask(both_houses, ada, "1", ask="records", uri="globus://c/report.txt", limit=1)
    assert (found["found"], found["count"], found["truncated"]) == (True, 1, True)
    newest = found["newest"]
    assert (newest["name"], newest["run_id"], newest["valid"]) == ("report.txt", "run-2", True)
    assert newest == found["records"][0]
    steps = ask(both_houses, ada, "2", ask="records", kind="step", tags=["sample=Ni"])
    assert (steps["count"], steps["truncated"]) == (2, False)
    assert steps["newest"]["tags"]["sample"] == "Ni"
    nothing = ask(both_houses, bob, "3", ask="records", uri="globus://c/report.txt")
    assert nothing == {
        "ask": "records",
        "found": False,
        "count": 0,
        "newest": None,
        "records": [],
        "truncated": False,
    }


def test_models_are_found_with_their_latest_version(house: House, ada: Person) -> None:
    recorded(house, ada, "run-1")
    models = [{"name": "braggnn of run-1", "how": "updated", "scores": {"mae": 0.05}}]
    recorded(house, ada, "run-2", models=models)
    found = ask(house, ada, ask="models", name="braggnn*")
    best = found["best"]
    assert (found["found"], found["count"]) == (True, 1)
    assert (best["version"], best["versions"], best["scores"]) == (1, 2, {"mae": 0.05})


def test_the_best_start_is_found_by_training_data_tag_and_score(
    both_houses: House, ada: Person, bob: Person
) -> None:
    def trained(run_id: str, mae: float) -> dict[str, Any]:
        scan = [{"name": run_id, "uri": f"globus://c/{run_id}.h5"}]
        model = {"name": f"net {run_id}", "how": "trained", "scores": {"mae": mae}}
        model["tags"] = {"technique": "hedm"}
        return recorded(both_houses, ada, run_id, inputs=scan, outputs=[], models=[model])

    one, two = trained("one", 0.3), trained("two", 0.1)
    wanted = {"ask": "models", "tags": ["technique=hedm"], "best": "mae"}
    best = ask(both_houses, ada, "1", **wanted)
    assert [model["name"] for model in best["models"]] == ["net two", "net one"]
    assert (best["best"]["value"], best["best"]["scores"]) == (0.1, {"mae": 0.1})
    highest = ask(both_houses, ada, "2", **wanted, highest=True)
    assert highest["best"]["name"] == "net one"
    for number, exposed in enumerate((one["inputs"][0], one["inputs"], "globus://c/one.h5")):
        found = ask(both_houses, ada, f"exposed {number}", **wanted, trained_on=exposed)
        assert [model["name"] for model in found["models"]] == ["net one"]
    assert ask(both_houses, ada, "itself", **wanted, trained_on=one)["found"] is False
    both_houses.store.invalidate(two["inputs"][0], cause="misaligned")
    assert ask(both_houses, ada, "3", **wanted)["best"]["name"] == "net one"
    all_of_them = ask(both_houses, ada, "4", **wanted, valid=False)["best"]
    assert (all_of_them["name"], all_of_them["valid"]) == ("net two", False)
    assert ask(both_houses, bob, "5", **wanted)["found"] is False
    unseen = ask(both_houses, bob, "6", **wanted, trained_on=one["inputs"][0])
    assert (unseen["found"], unseen["count"]) == (False, 0)


def test_a_receipt_is_valid_until_what_it_rests_on_is_invalidated(
    both_houses: House, ada: Person
) -> None:
    receipt = recorded(both_houses, ada)
    valid = ask(both_houses, ada, "1", ask="validity", of=receipt)
    assert valid == {
        "ask": "validity",
        "found": True,
        "valid": True,
        "count": 2,
        "of": [*receipt["outputs"], receipt["models"][0]["id"]],
        "missing": 0,
        "invalid_count": 0,
        "invalid": [],
        "truncated": False,
    }
    scan = receipt["inputs"][0]
    both_houses.store.invalidate(scan, cause="detector misaligned")
    tainted = ask(both_houses, ada, "2", ask="validity", of=receipt)
    assert (tainted["found"], tainted["valid"], tainted["invalid_count"]) == (True, False, 2)
    assert {entry["cause"] for entry in tainted["invalid"]} == {"detector misaligned"}
    assert {entry["root"] for entry in tainted["invalid"]} == {scan}
    by_name = ask(both_houses, ada, "3", ask="validity", model="braggnn of run-1")
    assert (by_name["valid"], by_name["count"]) == (False, 1)
    records = ask(both_houses, ada, "4", ask="records", uri="globus://c/report.txt")
    assert records["newest"]["valid"] is False
    both_houses.store.restore(scan)
    assert ask(both_houses, ada, "5", ask="validity", of=receipt)["valid"] is True


def test_validity_is_asked_by_id_uri_status_and_receipt(house: House, ada: Person) -> None:
    receipt = recorded(house, ada)
    status = house.run(ada, "record run-1", body=a_body()).json()
    for number, of in enumerate(
        (
            receipt["outputs"][0],
            {"id": receipt["models"][0]["id"]},
            receipt["models"][0],
            "globus://c/report.txt",
            {"uri": "globus://c/report.txt"},
            status,
            [receipt["step"], "globus://c/scan.h5"],
        )
    ):
        answer = ask(house, ada, str(number), ask="validity", of=of)
        assert (answer["found"], answer["valid"]) == (True, True), of


def test_what_is_not_there_or_not_seen_is_not_valid(house: House, ada: Person, bob: Person) -> None:
    receipt = recorded(house, ada)
    nothing = Job().recorder.data("nothing").urn
    answers = [
        ask(house, bob, str(number), ask="validity", of=[of])
        for number, of in enumerate((receipt["outputs"][0], nothing, "globus://c/report.txt"))
    ]
    assert answers[0] == answers[1] == answers[2]
    assert (answers[0]["found"], answers[0]["valid"], answers[0]["missing"]) == (False, False, 1)
    failed = {"Error": "ActionUnableToRun", "Cause": "503"}
    assert ask(house, ada, "failed", ask="validity", of=failed)["missing"] == 1


def test_a_root_that_may_not_be_seen_is_not_named(house: House, ada: Person, bob: Person) -> None:
    job = Job()
    scan = job.recorder.data("secret scan")
    assert post(house, ada, job.batch()).status_code == 200
    shared = Job(audience=Audience(ada.urn, readers=(bob.urn,)))
    result = shared.recorder.data("result", depends_on=[scan])
    assert post(house, ada, shared.mentioning(shared.batch())).status_code == 200
    house.store.invalidate(scan.urn, cause="misaligned")
    answer = ask(house, bob, ask="validity", of=result.urn)
    assert answer["valid"] is False
    assert answer["invalid"][0]["root"] == "restricted"


def test_answers_are_small_whatever_was_recorded(house: House, ada: Person) -> None:
    job = Job()
    for n in range(30):
        tags = {f"tag-{m}-{'x' * 200}": "y" * 4000 for m in range(20)}
        uris = [f"file:///{'z' * 5000}/{m}" for m in range(10)]
        job.recorder.data(f"{n} {'n' * 900}", tags=tags, uris=uris)
    assert post(house, ada, job.batch()).status_code == 200
    answer = house.post(
        "/query/run", ada, json={"request_id": "q", "body": {"ask": "records", "limit": 10}}
    )
    assert len(answer.content) < MAX_ANSWER_BYTES
    details = answer.json()["details"]
    assert details["truncated"] is True
    assert 0 < len(details["records"]) <= 10
