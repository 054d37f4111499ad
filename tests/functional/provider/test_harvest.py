"""Flows ask for their own run to be harvested: the action provider at /harvest."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import globus_sdk
import pytest

from action_provider.app import EXTENSION, Braid
from action_provider.providers.harvest.task import RUN_STATUS
from flows.sandbox.runner import deploy, flows_client, specific_flow_client
from flows.sandbox.scopes import flow_scope
from provenance_store.service import StoreService
from tests.functional.provider.gate import Gate
from tests.functional.provider.harvests import ask, final, greeting, hello, run, wait_until
from tests.functional.provider.house import House, Person, Town, a_body, serving

PLAIN = {"StartAt": "Greet", "States": {"Greet": hello("first", End=True)}}
OTHER_SCOPE = "consents"


@contextmanager
def gated(town: Town, folder: Path, **more: str) -> Iterator[tuple[House, Gate]]:
    """A provider whose requests to the Flows service are held back."""
    url = f"sqlite:///{folder / 'store.db'}"
    with Gate(town.sandbox) as gate, serving(url, town.environ(**gate.environ, **more)) as house:
        try:
            yield house, gate
        finally:
            gate.open()


def crew(house: House) -> Any:
    braid: Braid = house.app.extensions[EXTENSION]
    return braid.crew


def names(house: House, who: Person, run_id: str) -> list[str]:
    """The names of a run's steps, as somebody sees them."""
    steps = house.get(f"/api/v1/runs/{run_id}", who).json()["steps"]
    return [step["name"] for step in steps]


# ---- what a flow sees --------------------------------------------------------------------


def test_a_flow_asks_for_its_own_run_at_its_end(town: Town, house: House, ada: Person) -> None:
    outcome = run(town, ada, greeting(house.url, town), label="two greetings")
    assert outcome.status == "SUCCEEDED", outcome.run["details"]
    told = outcome.output["Harvest"]
    assert told["status"] == "SUCCEEDED", told
    details = told["details"]
    run_id = outcome.run["run_id"]
    assert (details["run_id"], details["run_status"]) == (run_id, "ACTIVE")
    assert (details["steps"], details["added"], details["waiting"]) == (3, 3, 0)
    history = house.get(f"/api/v1/runs/{run_id}", ada).json()
    assert [step["name"] for step in history["steps"]] == ["Greet", "Is it well", "Greet again"]
    assert (history["label"], history["run_owner"]) == ("two greetings", ada.urn)


def test_the_end_of_a_run_is_not_claimed_before_it_has_come(
    town: Town, house: House, ada: Person
) -> None:
    run_id = run(town, ada, greeting(house.url, town)).run["run_id"]
    history = house.get(f"/api/v1/runs/{run_id}", ada).json()
    assert (history["status"], history["completion_time"]) == ("ACTIVE", None)
    crew(house).look_now()
    history = house.get(f"/api/v1/runs/{run_id}", ada).json()
    assert history["status"] == "SUCCEEDED"
    assert history["completion_time"] is not None
    assert names(house, ada, run_id) == ["Greet", "Is it well", "Greet again"]


def test_what_happens_behind_the_state_that_asks_is_added_later(
    town: Town, house: House, ada: Person
) -> None:
    flow = greeting(house.url, town)
    del flow["States"]["Ask"]["End"]
    flow["States"]["Ask"]["Next"] = "Farewell"
    flow["States"]["Farewell"] = hello("third", End=True)
    run_id = run(town, ada, flow).run["run_id"]
    assert names(house, ada, run_id) == ["Greet", "Is it well", "Greet again"]
    again = final(house, ada, ask(house, ada, run_id).json()["action_id"])
    assert (again["details"]["added"], again["details"]["known"]) == (1, 3)
    assert names(house, ada, run_id) == ["Greet", "Is it well", "Greet again", "Farewell"]
    third = final(house, ada, ask(house, ada, run_id, "r2").json()["action_id"])
    assert (third["details"]["added"], third["details"]["records"]) == (0, 0)
    assert house.store.check() == []


def test_a_flow_without_a_provider_goes_on(town: Town, ada: Person) -> None:
    flow = greeting("http://127.0.0.1:9", town)
    caught = {"ErrorEquals": ["States.ALL"], "ResultPath": "$.NoHarvest", "Next": "End"}
    flow["States"]["Ask"]["Catch"] = [caught]
    flow["States"]["End"] = {"Type": "Pass", "End": True}
    outcome = run(town, ada, flow)
    assert outcome.status == "SUCCEEDED"
    assert "NoHarvest" in outcome.output


# ---- actions -----------------------------------------------------------------------------


def test_the_description_says_that_it_takes_time(house: House) -> None:
    described = house.get("/harvest/").json()
    assert described["synchronous"] is False
    assert described["log_supported"] is True
    assert described["input_schema"]["required"] == ["run_id"]


def test_an_action_is_active_until_it_is_done(town: Town, ada: Person, tmp_path: Path) -> None:
    run_id = run(town, ada, PLAIN).run["run_id"]
    with gated(town, tmp_path) as (house, gate):
        asked = ask(house, ada, run_id, label="mine")
        assert asked.status_code == 202
        status = asked.json()
        assert (status["status"], status["completion_time"]) == ("ACTIVE", None)
        assert (status["details"]["code"], status["label"]) == ("Harvesting", "mine")
        assert "work" not in status
        path = f"/harvest/{status['action_id']}"
        assert house.get(f"{path}/status", ada).json() == status
        assert house.get(f"/harvest/actions/{status['action_id']}", ada).json() == status
        listed = house.get("/harvest/actions", ada).json()["actions"]
        assert [one["action_id"] for one in listed] == [status["action_id"]]
        assert house.post(f"{path}/release", ada).status_code == 409
        page = house.get("/metrics").text
        assert "braid_harvest_action_active 1.0" in page
        gate.open()
        done = final(house, ada, status["action_id"])
        assert (done["status"], done["details"]["added"]) == ("SUCCEEDED", 1)
        assert done["completion_time"] >= done["start_time"]
        assert house.get("/harvest/actions", ada).json()["actions"] == []
        succeeded = house.get("/harvest/actions?status=succeeded", ada).json()["actions"]
        assert succeeded == [done]
        codes = [e["code"] for e in house.get(f"{path}/log", ada).json()["entries"]]
        assert codes == ["HarvestAsked", "Harvested"]
        assert house.post(f"{path}/cancel", ada).status_code == 409
        assert house.post(f"{path}/resume", ada).json() == done
        assert house.post(f"{path}/release", ada).json() == done
        assert house.get(f"{path}/status", ada).status_code == 404


def test_a_repeated_request_is_the_same_action(town: Town, house: House, ada: Person) -> None:
    run_id = run(town, ada, PLAIN).run["run_id"]
    first = ask(house, ada, run_id)
    again = ask(house, ada, run_id)
    assert (first.status_code, again.status_code) == (202, 200)
    action_id = first.json()["action_id"]
    assert again.json()["action_id"] == action_id
    done = final(house, ada, action_id)
    assert ask(house, ada, run_id).json() == done
    other = ask(house, ada, run_id, label="another")
    assert other.status_code == 409
    # The same request_id of another provider, and of another person, is another request.
    assert house.run(ada, "r1").status_code == 202
    assert house.get(f"/record/{action_id}/status", ada).status_code == 404
    assert house.get(f"/query/{action_id}/status", ada).status_code == 404


def test_a_cancelled_harvest_has_failed_and_records_nothing(
    town: Town, ada: Person, tmp_path: Path
) -> None:
    run_id = run(town, ada, PLAIN).run["run_id"]
    with gated(town, tmp_path) as (house, gate):
        action_id = ask(house, ada, run_id).json()["action_id"]
        wait_until(lambda: bool(gate.asked), "the harvest")
        cancelled = house.post(f"/harvest/{action_id}/cancel", ada)
        assert cancelled.status_code == 200
        told = cancelled.json()
        assert (told["status"], told["details"]["code"]) == ("FAILED", "Cancelled")
        assert told["completion_time"] is not None
        gate.open()
        wait_until(lambda: "_active 0.0" in house.get("/metrics").text, "the end of the work")
        assert house.get(f"/harvest/{action_id}/status", ada).json() == told
        assert house.post(f"/harvest/{action_id}/cancel", ada).status_code == 409
        assert house.store.documents().run_steps(run_id) == []
        codes = [e["code"] for e in house.get(f"/harvest/{action_id}/log", ada).json()["entries"]]
        assert codes == ["HarvestAsked", "Cancelled"]


def test_who_may_see_and_manage_an_action(
    town: Town, ada: Person, bob: Person, carol: Person, tmp_path: Path
) -> None:
    run_id = run(town, ada, PLAIN).run["run_id"]
    with gated(town, tmp_path) as (house, gate):
        shared = ask(house, ada, run_id, monitor_by=[bob.urn])
        path = f"/harvest/{shared.json()['action_id']}"
        assert house.get(f"{path}/status", bob).json()["status"] == "ACTIVE"
        assert house.get(f"{path}/log", bob).status_code == 200
        for what in ("cancel", "release", "resume"):
            assert house.post(f"{path}/{what}", bob).status_code == 403
            assert house.post(f"{path}/{what}", carol).status_code == 404
        assert house.get(f"{path}/status", carol).status_code == 404
        assert house.get(f"{path}/status").status_code == 401
        gate.open()


def test_a_status_is_kept_as_long_as_is_asked_from_its_end(
    town: Town, ada: Person, tmp_path: Path
) -> None:
    run_id = run(town, ada, PLAIN).run["run_id"]
    with gated(town, tmp_path) as (house, gate):
        action_id = ask(house, ada, run_id, release_after="PT0S").json()["action_id"]
        assert house.get(f"/harvest/{action_id}/status", ada).json()["status"] == "ACTIVE"
        gate.open()
        path = f"/harvest/{action_id}/status"
        wait_until(lambda: house.get(path, ada).status_code == 404, "the release")
    assert names_of(tmp_path, run_id) == ["Greet"]


def names_of(folder: Path, run_id: str) -> list[str]:
    from provenance_store import open_store

    with open_store(f"sqlite:///{folder / 'store.db'}") as store:
        return [step.name for step in store.documents().run_steps(run_id)]


# ---- whose runs --------------------------------------------------------------------------


def test_the_records_belong_to_the_owner_and_whom_the_run_names(
    town: Town, house: House, ada: Person, bob: Person, carol: Person
) -> None:
    outcome = run(town, ada, greeting(house.url, town), run_monitors=[bob.urn])
    run_id = outcome.run["run_id"]
    assert len(names(house, ada, run_id)) == len(names(house, bob, run_id)) == 3
    assert house.get(f"/api/v1/runs/{run_id}", carol).status_code == 404


def test_a_run_that_the_caller_may_not_see_in_globus_is_not_harvested(
    town: Town, house: House, ada: Person, carol: Person
) -> None:
    run_id = run(town, ada, PLAIN).run["run_id"]
    told = final(house, carol, ask(house, carol, run_id).json()["action_id"])
    assert (told["status"], told["details"]["code"]) == ("FAILED", "NotFound")
    assert house.store.documents().run_steps(run_id) == []


def test_a_monitor_harvests_for_the_owner(
    town: Town, house: House, ada: Person, bob: Person
) -> None:
    run_id = run(town, ada, PLAIN, run_monitors=[bob.urn]).run["run_id"]
    for number in range(2):
        asked = ask(house, bob, run_id, f"r{number}").json()
        assert final(house, bob, asked["action_id"])["status"] == "SUCCEEDED"
    members = StoreService(house.store).run_members(run_id)
    assert members is not None
    assert {who: level.name for who, level in members.items()} == {
        ada.urn: "MANAGE",
        bob.urn: "READ",
    }


def test_a_run_that_a_stranger_began_here_is_left_alone(
    town: Town, house: House, ada: Person, carol: Person
) -> None:
    run_id = run(town, ada, PLAIN).run["run_id"]
    assert house.run(carol, "x", body=a_body(run_id=run_id)).status_code == 202
    told = final(house, ada, ask(house, ada, run_id).json()["action_id"])
    assert (told["status"], told["details"]["code"]) == ("FAILED", "NotAllowed")
    assert len(house.store.documents().run_steps(run_id)) == 1


def unrecorded(house: House, name: str, following: str, **said: Any) -> dict[str, Any]:
    """A step, and a state that would record it and finds nobody."""
    record = f"Record {name}"
    state = {
        "Type": "Action",
        "ActionUrl": "http://127.0.0.1:1/record",
        "Parameters": {
            "run": {"run_id.$": "$._context.run_id"},
            "step": {"name": name},
            **said,
        },
        "ResultPath": f"$.recorded_{name}",
        "Catch": [{"ErrorEquals": ["States.ALL"], "ResultPath": "$.lost", "Next": following}],
        "Next": following,
    }
    return {name: hello(name, Next=record), record: state}


@pytest.mark.parametrize("asks_for_it", ["the owner", "a monitor who may see all of it"])
def test_a_run_refers_only_to_what_its_owner_may_see(
    asks_for_it: str, town: Town, house: House, ada: Person, bob: Person
) -> None:
    ours = a_body(run_id="ours", models=[{"name": "ours", "how": "trained"}])
    kept = house.run(ada, "x", body=ours).json()["details"]
    urns = [kept["step"], *kept["inputs"], kept["models"][0]["id"]]
    before = [house.get(f"/api/v1/records/{urn}", ada).json()["dependents"] for urn in urns]
    flow = {
        "StartAt": "a",
        "States": {
            **unrecorded(house, "a", "b", models=[{"name": "ours", "how": "updated"}]),
            **unrecorded(house, "b", "c", inputs=["globus://c/scan.h5"]),
            **unrecorded(house, "c", "Last", inputs=[kept["step"]]),
            "Last": hello("last", End=True),
        },
    }
    run_id = run(town, bob, flow, run_monitors=[ada.urn]).run["run_id"]
    asks = bob if asks_for_it == "the owner" else ada
    told = final(house, asks, ask(house, asks, run_id).json()["action_id"])
    assert (told["status"], told["details"]["added"]) == ("SUCCEEDED", 4)
    after = [house.get(f"/api/v1/records/{urn}", ada).json()["dependents"] for urn in urns]
    assert after == before
    heads = house.store.documents().heads("ours")
    assert [head.version for head in heads] == [0]


def test_what_the_flow_recorded_itself_is_not_there_twice(
    town: Town, house: House, ada: Person
) -> None:
    flow = greeting(house.url, town)
    record = {
        "Type": "Action",
        "ActionUrl": f"{house.url}/record",
        "ActionScope": town.scope,
        "Parameters": {
            "run": {"run_id.$": "$._context.run_id"},
            "step": {"name": "Greet"},
            "result.$": "$.first",
        },
        "ResultPath": "$.Recorded",
        "Next": "Is it well",
    }
    flow["States"]["Greet"]["Next"] = "Record"
    flow["States"]["Record"] = record
    outcome = run(town, ada, flow)
    details = outcome.output["Harvest"]["details"]
    assert (details["steps"], details["added"], details["known"]) == (3, 2, 1)
    run_id = outcome.run["run_id"]
    assert names(house, ada, run_id) == ["Greet", "Is it well", "Greet again"]
    assert house.store.check() == []


# ---- consents, conventions, bad luck -----------------------------------------------------


@pytest.fixture
def careful(town: Town, tmp_path: Path) -> Iterator[tuple[Town, House]]:
    """A provider that may read runs only of those who consented to that by name."""
    elsewhere = object.__new__(Town)
    elsewhere.sandbox, elsewhere.client = town.sandbox, town.sandbox.add_client("careful")
    elsewhere.scope = town.sandbox.add_scope(
        elsewhere.client, OTHER_SCOPE, dependencies=(f"*{RUN_STATUS}",)
    )
    url = f"sqlite:///{tmp_path / 'careful.db'}"
    with serving(url, elsewhere.environ()) as house:
        yield elsewhere, house


def test_a_run_waits_for_the_consent_and_goes_on_when_it_is_given(
    careful: tuple[Town, House],
) -> None:
    town, house = careful
    person = town.person("grace")
    flow_id = deploy(town.sandbox, greeting(house.url, town), user=person.identity)
    reader = flows_client(town.sandbox, person.identity)
    starter = specific_flow_client(town.sandbox, person.identity, flow_id)
    try:
        run_id = str(starter.run_flow({"who": "you"})["run_id"])
        wait_until(lambda: reader.get_run(run_id)["status"] == "INACTIVE", "the wait")
        details = reader.get_run(run_id)["details"]
        assert details["code"] == "ConsentRequired"
        agreed = f"{flow_scope(flow_id)}[{town.scope}[{RUN_STATUS}]]"
        assert details["required_scope"] == agreed
        token = town.sandbox.token_for(person.identity, agreed)
        starter.authorizer = globus_sdk.AccessTokenAuthorizer(token)
        starter.resume_run(run_id)
        wait_until(lambda: reader.get_run(run_id)["status"] == "SUCCEEDED", "the end")
        told = reader.get_run(run_id)["details"]["output"]["Harvest"]
        assert (told["status"], told["details"]["added"]) == ("SUCCEEDED", 3)
        codes = [
            entry["code"]
            for entry in house.get(f"/harvest/{told['action_id']}/log", person).json()["entries"]
        ]
        assert codes == ["HarvestAsked", "ConsentRequired", "Harvesting", "Harvested"]
    finally:
        reader.transport.session.close()
        starter.transport.session.close()


def test_a_flow_may_choose_to_do_without_the_consent(careful: tuple[Town, House]) -> None:
    town, house = careful
    person = town.person("grace")
    outcome = run(town, person, greeting(house.url, town, on_missing_consent="fail"))
    assert outcome.status == "SUCCEEDED"
    told = outcome.output["Harvest"]
    assert (told["status"], told["details"]["code"]) == ("FAILED", "ConsentRequired")
    assert told["details"]["required_scope"] == f"{town.scope}[{RUN_STATUS}]"


def test_conventions_are_named_and_find_models(town: Town, ada: Person, tmp_path: Path) -> None:
    folder = tmp_path / "conventions"
    folder.mkdir()
    rule = '[[model]]\nstate = "Greet"\nhow = "trained"\nname = "greeter"\n'
    (folder / "greetings.toml").write_text(rule)
    (folder / "broken.toml").write_text("[[model")
    url = f"sqlite:///{tmp_path / 'store.db'}"
    with serving(url, town.environ(BRAID_HARVEST_CONVENTIONS=str(folder))) as house:
        flow = greeting(house.url, town, conventions="greetings")
        assert run(town, ada, flow).output["Harvest"]["status"] == "SUCCEEDED"
        assert house.get("/api/v1/models/greeter", ada).json()["versions"]
        for name in ("broken", "missing"):
            body = {"run_id": "5b0e8f6a-1c0d-4b7e-9a57-6d1f3c2e4a90", "conventions": name}
            refused = ask(house, ada, "", name, body=body)
            assert refused.status_code == 422
            assert str(folder) not in refused.text


@pytest.mark.parametrize(
    ("status", "code"), [(401, "NotAllowed"), (403, "NotAllowed"), (404, "NotFound")]
)
def test_what_the_flows_service_refuses_is_told(
    status: int, code: str, town: Town, ada: Person, tmp_path: Path
) -> None:
    run_id = run(town, ada, PLAIN).run["run_id"]
    with gated(town, tmp_path) as (house, gate):
        gate.answers = [status]
        gate.open()
        told = final(house, ada, ask(house, ada, run_id).json()["action_id"])
        assert (told["status"], told["details"]["code"]) == ("FAILED", code)
        assert told["details"]["run_id"] == run_id
        assert 'actions_total{outcome="failed"} 1.0' in house.get("/metrics").text
        again = final(house, ada, ask(house, ada, run_id, "r2").json()["action_id"])
        assert again["status"] == "SUCCEEDED"


def test_a_token_that_was_withdrawn_is_not_used_again(town: Town, tmp_path: Path) -> None:
    person = town.person("grace")
    run_id = run(town, person, PLAIN).run["run_id"]
    with gated(town, tmp_path, BRAID_HARVEST_FOLLOW_SECONDS="0") as (house, gate):
        gate.open()
        outcomes = []
        for number in range(3):
            action_id = ask(house, person, run_id, f"r{number}").json()["action_id"]
            outcomes.append(final(house, person, action_id)["status"])
            if number == 0:
                for token in gate.tokens:
                    town.sandbox.revoke_tokens_of(token)
    assert outcomes == ["SUCCEEDED", "FAILED", "SUCCEEDED"]


def test_a_flows_service_that_is_busy_is_waited_for(
    town: Town, ada: Person, tmp_path: Path
) -> None:
    run_id = run(town, ada, PLAIN).run["run_id"]
    with gated(town, tmp_path) as (house, gate):
        gate.answers = [429, 503]
        gate.open()
        told = final(house, ada, ask(house, ada, run_id).json()["action_id"])
        assert told["status"] == "SUCCEEDED"


def test_a_log_that_is_behind_is_read_again(town: Town, ada: Person, tmp_path: Path) -> None:
    with gated(town, tmp_path) as (house, gate):
        gate.open()
        gate.behind = 2
        told = run(town, ada, greeting(house.url, town)).output["Harvest"]
        assert (told["status"], told["details"]["added"]) == ("SUCCEEDED", 3)
        assert gate.behind == 0


def test_a_log_beyond_the_limit_is_refused_with_the_name_of_the_setting(
    town: Town, house: House, ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = run(town, ada, PLAIN).run["run_id"]
    monkeypatch.setenv("BRAID_LOG_LIMIT_BYTES", "1024")
    asked = ask(house, ada, run_id).json()
    told = final(house, ada, asked["action_id"])
    assert (told["status"], told["details"]["code"]) == ("FAILED", "TooLarge")
    assert "BRAID_LOG_LIMIT_BYTES" in told["details"]["description"]
    assert house.store.documents().run_steps(run_id) == []


def test_a_run_of_another_flow_than_was_named_is_refused(
    town: Town, house: House, ada: Person
) -> None:
    outcome = run(town, ada, PLAIN)
    body = {"run_id": outcome.run["run_id"], "flow_id": "5b0e8f6a-1c0d-4b7e-9a57-6d1f3c2e4a90"}
    told = final(house, ada, ask(house, ada, "", body=body).json()["action_id"])
    assert (told["status"], told["details"]["code"]) == ("FAILED", "InvalidInput")
    body["flow_id"] = outcome.run["flow_id"].upper()
    told = final(house, ada, ask(house, ada, "", "r2", body=body).json()["action_id"])
    assert told["status"] == "SUCCEEDED"


def test_many_harvests_at_once_all_come_to_their_end(town: Town, house: House, ada: Person) -> None:
    runs = [run(town, ada, PLAIN).run["run_id"] for _ in range(3)]
    asked = [
        ask(house, ada, run_id, f"{run_id} {number}").json()["action_id"]
        for run_id in runs
        for number in range(8)
    ]
    done = [final(house, ada, action_id) for action_id in asked]
    assert {one["status"] for one in done} == {"SUCCEEDED"}
    assert sum(one["details"]["added"] for one in done) == 3
    assert house.counts()["step"] == 3
    assert house.store.check() == []


def test_who_asks_for_very_many_harvests_leaves_room_for_others(
    town: Town, ada: Person, bob: Person, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("action_provider.providers.harvest.worker_pool.MOST_OF_ONE", 3)
    run_id, other = (run(town, who, PLAIN).run["run_id"] for who in (ada, bob))
    with gated(town, tmp_path) as (house, gate):
        asked = [ask(house, ada, run_id, f"r{n}").json()["action_id"] for n in range(6)]
        theirs = ask(house, bob, other).json()["action_id"]
        assert crew(house).has_room(bob.identity.urn)
        assert not crew(house).has_room(ada.identity.urn)
        gate.open()
        assert final(house, bob, theirs)["status"] == "SUCCEEDED"
        assert {final(house, ada, each)["status"] for each in asked} == {"SUCCEEDED"}
