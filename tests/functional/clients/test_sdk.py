"""globus-sdk 3 and 4 in processes of their own, against the sandbox over HTTP."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from flows.sandbox import Client, Sandbox
from tests.support.environments import Environment

pytestmark = pytest.mark.timeout(600)

HELLO = "https://auth.globus.org/scopes/actions.globus.org/hello_world"


def test_a_flow_that_asks_a_person_is_run_from_its_creation_to_its_deletion(
    sandbox: Sandbox, sdk: Environment, account: Client
) -> None:
    me = sandbox.directory.identity(account.client_id)
    assert me is not None
    api = sandbox.add_registered_api(
        "Crystals", me, url="https://example.org/crystals", viewers=["public"]
    )
    told = sdk.script(
        "flow_with_a_question", CLIENT_ID=account.client_id, CLIENT_SECRET=account.client_secret
    )
    flow_id, run_id = told["created"]["id"], told["run"]["run_id"]
    assert told["validated"] == {"scopes": {"User": [HELLO]}}
    assert (told["got"]["title"], told["got"]["subtitle"]) == ("Second", "S")
    assert told["got"] == told["updated"]
    assert (told["owned"], told["viewed"], told["ordered"]) == ([flow_id], [], ["Second"])
    assert told["run_validated"] == {"message": "validation successful"}
    assert told["bad_run"] == [400, "FLOW_INPUT_ERROR"]
    assert (told["asking"], told["ended"]) == ("INACTIVE", "SUCCEEDED")
    check_question(told["asked"], flow_id, run_id, me.urn)
    assert told["run"]["details"]["output"]["answer"]["response"] == "approve"
    assert told["run"]["details"]["output"]["hello"]["state_name"] == "Hello"
    assert told["run"]["flow_description"]["title"] == "Second"
    assert told["listed"] == told["listed_by_no_role"] == [run_id]
    assert told["listed_as_manager"] == []
    assert (told["log"][0], told["log"][-1]) == ("FlowStarted", "FlowSucceeded")
    assert told["definition"]["definition"] == told["created"]["definition"]
    assert (told["run_updated"]["label"], told["run_updated"]["tags"]) == ("B", ["u"])
    assert told["run_deleted"]["run_id"] == run_id
    assert told["deleted"]["DELETED"] is True
    assert told["deleted"]["deleted_at"] >= told["deleted"]["updated_at"]
    assert told["gone"] == [[404, "NOT_FOUND"]] * 2
    if told["version"].startswith("4."):
        summary, document = told["registered"]
        assert (summary["id"], summary["name"]) == (api, "Crystals")
        assert document["target"]["destination"]["url"] == "https://example.org/crystals"
        assert document["roles"]["owners"] == [me.urn]
    sandbox.remove_registered_api(api)


def check_question(asked: dict[str, Any], flow_id: str, run_id: str, me: str) -> None:
    shown = asked["web_input"]
    assert shown["context"] == {
        "title": "Publish?",
        "presentation_style": "table",
        "rows": [{"field": "Scan", "value": "17"}],
    }
    assert (shown["flow"]["id"], shown["run"]["id"]) == (flow_id, run_id)
    assert (shown["status"], shown["input_type"]) == ("open", "selection")
    assert shown["user_roles"] == ["viewer", "respondent"]
    assert shown["roles"] == {"viewer_urns": [me], "respondent_urns": [me]}
    assert [choice["const"] for choice in shown["input_schema"]["oneOf"]] == [
        option["option_id"] for option in shown["options"]
    ]
    both = set(asked["summary"]) - {"title"}
    assert {name: shown[name] for name in both} == {n: asked["summary"][n] for n in both}
    assert asked["summary"]["title"] == "Publish?"
    assert asked["wrong"] == [422, "UNPROCESSABLE_ENTITY"]
    assert asked["responded"] == {"status": "ok"}
    assert asked["again"] == [409, "STATE_CONFLICT"]


def test_a_person_logs_in_with_a_code_and_is_told_who_they_are(
    sandbox: Sandbox, sdk: Environment, account: Client, tmp_path: Path
) -> None:
    name = f"ada-{tmp_path.name}@example.org"
    other = sandbox.add_identity(f"ada-{tmp_path.name}@home.example.org")
    ada = sandbox.add_identity(name, name="Ada", linked=[other])
    bob = sandbox.add_identity("bob@example.org")
    group = sandbox.add_group("Beamline", [ada, bob])
    scope = sandbox.add_scope(account, "action_all")
    command_line = sandbox.add_client("A command line", public=True)
    told = sdk.script(
        "people",
        PERSON=name,
        SCOPE=scope,
        CLIENT_ID=command_line.client_id,
        INTROSPECT_ID=account.client_id,
        INTROSPECT_SECRET=account.client_secret,
    )
    assert told["userinfo"]["preferred_username"] == name
    assert [i["username"] for i in told["userinfo"]["identity_set"]] == [name, other.username]
    assert told["identities"]["identities"][0]["name"] == "Ada"
    assert (told["by_name"], told["mapped"]) == (ada.id, name)
    assert {"openid", "email", "profile"} <= set(told["consents"])
    assert (told["consented"], told["not_consented"]) == (True, False)
    (found,) = told["scopes"]["scopes"]
    assert (found["scope_string"], found["client"]) == (scope, account.client_id)
    assert len(found["dependent_scopes"]) == 2
    assert told["configuration"]["jwks_uri"] == f"{sandbox.url}/auth/jwk.json"
    assert told["key"] == 2048
    assert [g["id"] for g in told["groups"]] == [group.id]
    assert told["groups"][0]["my_memberships"][0]["username"] == name
    assert {m["username"] for m in told["group"]["memberships"]} == {name, bob.username}
    assert told["flows"] == []
    assert told["introspected"]["sub"] == ada.id
    assert told["introspected"]["identity_set"] == [ada.id, other.id]
    assert (told["renewed"], told["groups_after"]) == (True, 1)
    assert told["logged_out"] == {"active": False}


def test_files_are_listed_copied_and_removed(
    sandbox: Sandbox, sdk: Environment, account: Client, tmp_path: Path
) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    (source / "raw").mkdir(parents=True)
    (source / "scan.txt").write_text("17")
    for number in (1, 2):
        (source / "raw" / f"{number}.raw").write_bytes(bytes(number))
    ids = [sandbox.collection(name, path) for name, path in (("Beam", source), ("Lab", target))]
    told = sdk.script(
        "files",
        CLIENT_ID=account.client_id,
        CLIENT_SECRET=account.client_secret,
        SOURCE=ids[0],
        TARGET=ids[1],
    )
    assert told["endpoint"]["display_name"] == "Beam"
    assert ids[0] in told["found"]
    assert ids[1] not in told["found"]
    assert (told["ls"], told["filtered"]) == (["raw", "scan.txt"], ["scan.txt"])
    assert told["ordered"] == ["scan.txt", "raw"]
    assert told["made"]["code"] == "DirectoryCreated"
    assert told["made_again"] == [502, "ExternalError.MkdirFailed.Exists"]
    assert told["missing"] == [404, "ClientError.NotFound"]
    assert told["outside"] == [403, "EndpointPermissionDenied"]
    assert told["no_endpoint"] == [404, "EndpointNotFound"]
    task_id = told["submitted"]["task_id"]
    assert told["submitted"]["code"] == "Accepted"
    assert told["waited"] is True
    task = told["task"]
    assert (task["status"], task["files"], task["bytes_transferred"]) == ("SUCCEEDED", 3, 5)
    assert (task["label"], task["source_endpoint_display_name"]) == ("A transfer", "Beam")
    assert task_id in told["tasks"]
    assert told["events"] == ["SUCCEEDED", "STARTED"]
    assert told["transferred"] == ["/results/scan.txt", "/results/raw"]
    assert (told["stat"]["size"], told["stat"]["type"]) == (2, "file")
    assert (told["renamed"], told["cancelled"]) == ("FileRenamed", "TaskComplete")
    assert told["no_items"] == [400, "ClientError.BadRequest.NoTransferItems"]
    assert told["failed"]["status"] == "FAILED"
    assert told["failed"]["fatal_error"]["code"] == "FILE_NOT_FOUND"
    assert (told["removed"]["status"], told["removed"]["type"]) == ("SUCCEEDED", "DELETE")
    assert told["left"] == ["scan.txt"]
    assert sorted(p.name for p in (target / "results").iterdir()) == ["scan.txt"]
