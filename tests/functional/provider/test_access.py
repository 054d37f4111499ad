"""Who may do what: tokens, owners, audiences, groups, and outages of Globus."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from flows.sandbox import Sandbox
from tests.functional.provider.house import House, Person, Town, a_body, serving

PROTECTED = [
    ("POST", "/record/run"),
    ("POST", "/record/actions"),
    ("GET", "/record/actions"),
    ("GET", "/record/x/status"),
    ("GET", "/record/x/log"),
    ("POST", "/record/x/cancel"),
    ("POST", "/record/x/resume"),
    ("POST", "/record/x/release"),
    ("DELETE", "/record/actions/x"),
    ("GET", "/api/v1/runs"),
    ("GET", "/api/v1/runs/x"),
    ("GET", "/api/v1/records"),
    ("GET", "/api/v1/records/1.1"),
    ("GET", "/api/v1/records/1.1/lineage"),
    ("GET", "/api/v1/models"),
    ("GET", "/api/v1/models/x"),
]


@pytest.mark.parametrize(("method", "path"), PROTECTED)
def test_without_a_token_nothing_is_told(house: House, method: str, path: str) -> None:
    answer = house.call(method, path)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert set(answer.json()) == {"code", "description"}


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        "Bearer ",
        "Bearer short",
        "Bearer " + "a" * 2049,
        "Bearer nosuchtokenanywhere",
        "bearer-abcdefghijkl",
        "Basic abcdefghijklmnop",
        "Token abcdefghijklmnop",
    ],
)
def test_a_bad_token_is_401(house: House, header: str) -> None:
    answer = house.get("/api/v1/runs", headers={"Authorization": header})
    assert answer.status_code == 401
    assert "WWW-Authenticate" in answer.headers


def test_a_token_of_another_scope_is_401(house: House, town: Town, ada: Person) -> None:
    other = town.sandbox.add_scope(town.client, "other")
    stranger = Person(ada.identity, town.sandbox.token_for(ada.identity, other))
    answer = house.get("/api/v1/runs", stranger)
    assert answer.status_code == 401
    assert "scope" in answer.json()["description"]
    assert "insufficient_scope" in answer.headers["WWW-Authenticate"]


def test_a_token_with_further_scopes_is_welcome(house: House, town: Town, ada: Person) -> None:
    other = town.sandbox.add_scope(town.client, "further")
    token = town.sandbox.token_for(ada.identity, f"{town.scope} {other}")
    assert house.get("/api/v1/runs", Person(ada.identity, token)).status_code == 200


def test_a_revoked_token_is_401(house: House, town: Town) -> None:
    dora = town.person("dora")
    town.sandbox.revoke_tokens_of(dora.token)
    assert house.run(dora, "r1").status_code == 401


def test_a_stranger_does_not_find_what_exists(house: House, ada: Person, bob: Person) -> None:
    status = house.run(ada, "r1").json()
    action, step = status["action_id"], status["details"]["step"]
    for method, path in [
        ("GET", f"/record/{action}/status"),
        ("GET", f"/record/actions/{action}"),
        ("GET", f"/record/{action}/log"),
        ("POST", f"/record/{action}/cancel"),
        ("POST", f"/record/{action}/resume"),
        ("POST", f"/record/{action}/release"),
        ("DELETE", f"/record/actions/{action}"),
        ("GET", f"/api/v1/records/{step}"),
        ("GET", f"/api/v1/records/{step}/lineage"),
        ("GET", "/api/v1/runs/run-1"),
        ("GET", "/api/v1/models/braggnn of run-1"),
    ]:
        there = house.call(method, path, bob)
        absent = house.call(method, path.replace(action, "none"), bob)
        assert (there.status_code, absent.status_code) == (404, 404), path
        assert there.json()["code"] == "NotFound"
    for name in ("runs", "records", "models"):
        assert house.get(f"/api/v1/{name}", bob).json()[name] == []
    assert house.get(f"/record/{action}/status", ada).status_code == 200


def test_a_monitor_sees_and_may_not_manage(house: House, ada: Person, bob: Person) -> None:
    action = house.run(ada, "r1", monitor_by=[bob.urn]).json()["action_id"]
    assert house.get(f"/record/{action}/status", bob).status_code == 200
    for path in ("cancel", "resume", "release"):
        answer = house.post(f"/record/{action}/{path}", bob)
        assert (answer.status_code, answer.json()["code"]) == (403, "NotAllowed")
    assert house.get("/api/v1/runs/run-1", bob).status_code == 200


def test_a_manager_may_release(house: House, ada: Person, bob: Person) -> None:
    action = house.run(ada, "r1", manage_by=[bob.urn]).json()["action_id"]
    assert house.post(f"/record/{action}/release", bob).status_code == 200


def test_the_runs_monitors_see_its_records(house: House, ada: Person, bob: Person) -> None:
    body = a_body()
    body["run"]["monitor_by"] = [bob.urn]
    step = house.run(ada, "r1", body=body).json()["details"]["step"]
    assert house.get(f"/api/v1/records/{step}", bob).status_code == 200


def test_a_run_owner_that_is_only_claimed_owns_nothing(
    house: House, ada: Person, bob: Person
) -> None:
    body = a_body()
    body["run"]["run_owner"] = bob.urn
    status = house.run(ada, "r1", body=body).json()
    assert status["creator_id"] == ada.urn
    record = house.get(f"/api/v1/records/{status['details']['step']}", ada).json()
    assert record["owner"] == ada.urn
    run = house.get("/api/v1/runs/run-1", ada).json()
    assert run["run_owner"] == bob.urn
    assert house.get("/api/v1/runs/run-1", bob).status_code == 404
    assert house.get(f"/api/v1/records/{status['details']['step']}", bob).status_code == 404
    assert house.post(f"/record/{status['action_id']}/release", bob).status_code in (403, 404)


def test_nobody_lets_himself_into_a_run(house: House, ada: Person, bob: Person) -> None:
    house.run(ada, "r1")
    before = house.counts()
    answer = house.run(bob, "r1")
    assert answer.status_code == 403
    assert house.counts() == before
    assert house.get("/api/v1/runs/run-1", bob).status_code == 404


def test_a_runs_manager_records_into_it(house: House, ada: Person, bob: Person) -> None:
    body = a_body()
    body["run"]["manage_by"] = [bob.urn]
    house.run(ada, "r1", body=body)
    assert house.run(bob, "r2", body=a_body(step="Next")).status_code == 202


def test_a_linked_identity_is_the_same_person(house: House, town: Town) -> None:
    private = town.sandbox.add_identity("eve@home.example.org")
    eve = town.person("eve", linked=(private,))
    at_home = Person(private, town.sandbox.token_for(private, town.scope))
    action = house.run(at_home, "r1").json()["action_id"]
    assert house.get(f"/record/{action}/status", eve).status_code == 200


def test_members_of_a_group_see_what_it_may_monitor(
    house: House, town: Town, ada: Person, bob: Person, carol: Person
) -> None:
    team = town.group("team", bob)
    status = house.run(ada, "r1", monitor_by=[team.urn]).json()
    path = f"/record/{status['action_id']}/status"
    assert house.get(path, bob).status_code == 200
    assert house.get(path, carol).status_code == 404
    assert len(house.get("/api/v1/runs", bob).json()["runs"]) == 1


def test_the_reader_group_reads_everything_and_manages_nothing(
    town: Town, ada: Person, bob: Person, carol: Person, tmp_path: Path
) -> None:
    readers = town.group("readers", bob)
    environ = town.environ(BRAID_READER_GROUP=readers.id)
    with serving(f"sqlite:///{tmp_path / 's.db'}", environ) as house:
        action = house.run(ada, "r1").json()["action_id"]
        assert len(house.get("/api/v1/records", bob).json()["records"]) == 5
        assert house.get("/api/v1/records", carol).json()["records"] == []
        assert house.get(f"/record/{action}/status", bob).status_code == 200
        assert house.post(f"/record/{action}/release", bob).status_code == 403
        assert house.run(bob, "r1").status_code == 403


@pytest.fixture
def closed_house(town: Town, ada: Person, tmp_path: Path) -> Iterator[House]:
    """Only Ada's team may see and run."""
    team = town.group("team", ada)
    environ = town.environ(BRAID_VISIBLE_TO=team.urn, BRAID_RUNNABLE_BY=team.urn)
    with serving(f"sqlite:///{tmp_path / 's.db'}", environ) as house:
        yield house


def test_visible_to_and_runnable_by_are_kept(closed_house: House, ada: Person, bob: Person) -> None:
    assert closed_house.get("/record/").status_code == 401
    assert closed_house.get("/record/", ada).status_code == 200
    assert closed_house.get("/record/", bob).status_code == 404
    assert closed_house.call("OPTIONS", "/record/").status_code == 204
    assert closed_house.run(ada, "r1").status_code == 202
    assert closed_house.run(bob, "r1").status_code == 403
    answer = closed_house.get("/record/actions", bob)
    assert (answer.status_code, answer.json()["code"]) == (403, "NotAllowed")


def test_an_outage_of_globus_auth_is_503(town: Town, ada: Person, tmp_path: Path) -> None:
    environ = town.environ(GLOBUS_SDK_SERVICE_URL_AUTH="http://127.0.0.1:9/")
    with serving(f"sqlite:///{tmp_path / 's.db'}", environ) as house:
        dora = Person(ada.identity, "a" * 40)
        answer = house.run(dora, "r1")
        assert (answer.status_code, answer.json()["code"]) == (503, "ServiceUnavailable")
        assert answer.headers["Retry-After"]
        assert house.get("/api/v1/runs", dora).status_code == 503
        assert house.get("/healthz").status_code == 200


def test_credentials_that_globus_refuses_are_503(town: Town, tmp_path: Path) -> None:
    environ = town.environ(BRAID_CLIENT_SECRET="wrong")
    with serving(f"sqlite:///{tmp_path / 's.db'}", environ) as house:
        answer = house.run(town.person("dora"), "r1")
        assert (answer.status_code, answer.json()["code"]) == (503, "ServiceUnavailable")


def test_an_outage_of_globus_groups_is_not_taken_for_no_groups(
    town: Town, ada: Person, tmp_path: Path
) -> None:
    team = town.group("team", ada)
    environ = town.environ(GLOBUS_SDK_SERVICE_URL_GROUPS="http://127.0.0.1:9/")
    with serving(f"sqlite:///{tmp_path / 's.db'}", environ) as house:
        dora, fred = town.person("dora"), town.person("fred")
        alone = a_body(inputs=[], outputs=[{"name": "x"}], models=[])
        status = house.run(dora, "r1", body=alone, monitor_by=[team.urn])
        assert status.status_code == 202, "groups did not matter"
        path = f"/record/{status.json()['action_id']}/status"
        assert house.get(path, dora).status_code == 200, "groups did not matter"
        for answer in (house.get(path, fred), house.get("/api/v1/runs", fred)):
            assert (answer.status_code, answer.json()["code"]) == (503, "ServiceUnavailable")


def test_a_scope_without_the_groups_dependency_has_no_groups(tmp_path: Path) -> None:
    with Sandbox() as sandbox:
        town = Town(sandbox)
        town.scope = sandbox.add_scope(town.client, "alone", dependencies=())
        with serving(f"sqlite:///{tmp_path / 's.db'}", town.environ()) as house:
            ada = town.person("ada")
            assert house.run(ada, "r1").status_code == 202
            assert len(house.get("/api/v1/runs", ada).json()["runs"]) == 1
