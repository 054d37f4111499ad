"""globus-sdk's Flows clients work against the sandbox, errors and permissions included."""

from __future__ import annotations

from typing import Any

import globus_sdk
import pytest

from flows.sandbox import Identity, Sandbox
from flows.sandbox.runner import run_definition
from tests.functional.sandbox.support import FlowsFor, SpecificFor, wait_for

PASS: dict[str, Any] = {
    "StartAt": "Only",
    "States": {"Only": {"Type": "Pass", "Parameters": {"x": 1}, "ResultPath": "$.r", "End": True}},
}
SCHEMA = {
    "type": "object",
    "required": ["n"],
    "properties": {"n": {"type": "integer"}},
    "additionalProperties": False,
}


def test_a_flow_is_created_read_changed_listed_and_deleted(
    flows_for: FlowsFor, ada: Identity
) -> None:
    client = flows_for(ada)
    flow = client.create_flow("First", PASS, SCHEMA, subtitle="s", keywords=["a"])
    assert flow.http_status == 201
    assert flow["flow_owner"] == ada.urn
    assert flow["globus_auth_scope"] == globus_sdk.SpecificFlowClient(flow["id"]).scopes.user
    client.update_flow(flow["id"], title="Second")
    found = client.get_flow(flow["id"])
    assert (found["title"], found["subtitle"], found["definition"]) == ("Second", "s", PASS)
    assert [f["title"] for f in client.list_flows()] == ["Second"]
    deleted = client.delete_flow(flow["id"])
    assert deleted["DELETED"] is True
    assert deleted["deleted_at"] > flow["updated_at"]
    with pytest.raises(globus_sdk.FlowsAPIError) as raised:
        client.get_flow(flow["id"])
    assert raised.value.http_status == 404


@pytest.mark.parametrize(
    ("definition", "message"),
    [
        ({}, "StartAt"),
        ({"StartAt": "A", "States": {}}, "must name a state"),
        ({"StartAt": "A", "States": {"A": {"Type": "Task", "End": True}}}, "Type must be"),
        ({"StartAt": "A", "States": {"A": {"Type": "Pass"}}}, "terminal"),
        ({"StartAt": "A", "States": {"A": {"Type": "Pass", "Next": "A", "End": True}}}, "terminal"),
        ({"StartAt": "A", "States": {"A": {"Type": "Pass", "Next": "B"}}}, "no state named 'B'"),
        ({"StartAt": "A", "States": {"A": {"Type": "Action", "End": True}}}, "ActionUrl"),
        ({"StartAt": "A", "States": {"A": {"Type": "Choice"}}}, "at least one rule"),
    ],
)
def test_a_definition_that_cannot_be_run_is_unprocessable(
    flows_for: FlowsFor, ada: Identity, definition: dict[str, Any], message: str
) -> None:
    client = flows_for(ada)
    for call in (
        lambda: client.create_flow("Bad", definition, {}),
        lambda: client.validate_flow(definition),
    ):
        with pytest.raises(globus_sdk.FlowsAPIError, match=message) as raised:
            call()
        assert raised.value.http_status == 422
        assert raised.value.code == "UNPROCESSABLE_ENTITY"
        assert raised.value.raw_json["debug_id"]


def test_a_definition_is_validated_without_keeping_it(flows_for: FlowsFor, ada: Identity) -> None:
    client = flows_for(ada)
    assert client.validate_flow(PASS)["scopes"] == {"User": []}
    assert list(client.list_flows()) == []


def test_input_is_checked_against_the_schema(
    flows_for: FlowsFor, specific_for: SpecificFor, ada: Identity
) -> None:
    flow_id = flows_for(ada).create_flow("Checked", PASS, SCHEMA)["id"]
    client = specific_for(ada, flow_id)
    assert client.validate_run({"n": 1})["message"] == "validation successful"
    for call in (client.run_flow, client.validate_run):
        with pytest.raises(globus_sdk.FlowsAPIError, match="not of type 'integer'") as raised:
            call({"n": "one"})
        assert (raised.value.http_status, raised.value.code) == (400, "FLOW_INPUT_ERROR")


def test_starting_takes_the_scope_of_the_flow(
    sandbox: Sandbox, flows_for: FlowsFor, ada: Identity, closing: list[Any]
) -> None:
    flow_id = flows_for(ada).create_flow("Mine", PASS, {})["id"]
    for token, status, code in (
        (sandbox.token_for(ada, globus_sdk.FlowsClient.scopes.all), 403, "MISSING_SCOPE"),
        ("not-a-token-at-all", 401, "AUTHENTICATION_ERROR"),
    ):
        authorizer = globus_sdk.AccessTokenAuthorizer(token)
        client = globus_sdk.SpecificFlowClient(flow_id, authorizer=authorizer)
        closing.append(client)
        with pytest.raises(globus_sdk.FlowsAPIError) as raised:
            client.run_flow({})
        assert (raised.value.http_status, raised.value.code) == (status, code)


def test_who_may_see_start_and_change_a_flow(
    flows_for: FlowsFor, specific_for: SpecificFor, ada: Identity, bob: Identity
) -> None:
    owner, other = flows_for(ada), flows_for(bob)
    private = {
        "StartAt": "A",
        "States": {
            "A": {
                "Type": "Pass",
                "Parameters": {"key": "s3cret", "__Private_Parameters": ["key"]},
                "End": True,
            }
        },
    }
    flow_id = owner.create_flow("Private", private, {})["id"]
    with pytest.raises(globus_sdk.FlowsAPIError) as raised:
        other.get_flow(flow_id)
    assert raised.value.http_status == 404
    owner.update_flow(flow_id, flow_viewers=["public"])
    assert "s3cret" not in str(other.get_flow(flow_id).data)
    assert "s3cret" in str(owner.get_flow(flow_id).data)
    for call in (
        lambda: other.update_flow(flow_id, title="Stolen"),
        lambda: other.delete_flow(flow_id),
        lambda: specific_for(bob, flow_id).run_flow({}),
    ):
        with pytest.raises(globus_sdk.FlowsAPIError) as raised:
            call()
        assert (raised.value.http_status, raised.value.code) == (403, "FORBIDDEN")
    owner.update_flow(flow_id, flow_starters=["all_authenticated_users"])
    assert specific_for(bob, flow_id).run_flow({})["run_owner"] == bob.urn


def test_flows_are_listed_by_the_roles_that_somebody_has_in_them(
    flows_for: FlowsFor, ada: Identity, bob: Identity
) -> None:
    owner, other = flows_for(ada), flows_for(bob)
    owner.create_flow("A", PASS, {}, flow_viewers=[bob.urn])
    owner.create_flow("B", PASS, {}, flow_starters=[bob.urn], run_monitors=[bob.urn])

    def listed(**query: Any) -> list[str]:
        return sorted(flow["title"] for flow in other.list_flows(query_params=query))

    assert listed() == listed(filter_roles="") == ["A", "B"]
    assert listed(filter_roles="flow_viewer") == ["A"]
    assert listed(filter_roles="flow_starter,flow_viewer") == ["A", "B"]
    assert listed(filter_roles="run_monitor") == ["B"]
    assert listed(filter_role="flow_viewer") == ["A", "B"]
    assert listed(filter_role="flow_starter") == ["B"]
    titles = [flow["title"] for flow in owner.list_flows(orderby=["title DESC", "id ASC"])]
    assert titles == ["B", "A"]
    with pytest.raises(globus_sdk.FlowsAPIError) as raised:
        owner.list_flows(orderby="secret ASC")
    assert raised.value.http_status == 422


@pytest.mark.parametrize(
    "change", [{"title": None}, {"subtitle": 1}, {"keywords": "a"}, {"run_monitors": [1]}]
)
def test_a_member_of_the_wrong_kind_is_unprocessable(
    flows_for: FlowsFor, ada: Identity, change: dict[str, Any]
) -> None:
    client = flows_for(ada)
    flow = client.create_flow("First", PASS, {})
    (name,) = change
    with pytest.raises(globus_sdk.FlowsAPIError, match=name) as raised:
        client.put(f"/flows/{flow['id']}", data=change)
    assert raised.value.http_status == 422
    assert client.get_flow(flow["id"])[name] == flow[name]


def test_who_may_see_and_manage_a_run(
    sandbox: Sandbox, flows_for: FlowsFor, ada: Identity, bob: Identity
) -> None:
    eve = sandbox.add_identity("eve@example.org")
    group = sandbox.add_group("Beamline", [bob])
    outcome = run_definition(PASS, {}, sandbox, user=ada, run_monitors=[group.urn])
    run_id = outcome.run["run_id"]
    assert flows_for(bob).get_run(run_id)["user_roles"] == ["run_monitor"]
    with pytest.raises(globus_sdk.FlowsAPIError) as raised:
        flows_for(bob).delete_run(run_id)
    assert raised.value.http_status == 403
    for call in (
        lambda: flows_for(eve).get_run(run_id),
        lambda: flows_for(eve).get_run_logs(run_id),
        lambda: flows_for(eve).get_run_definition(run_id),
    ):
        with pytest.raises(globus_sdk.FlowsAPIError) as raised:
            call()
        assert raised.value.http_status == 404
    assert [r["run_id"] for r in flows_for(bob).list_runs()] == []
    nothing_named = flows_for(ada).list_runs(query_params={"filter_roles": ""})
    assert [r["run_id"] for r in nothing_named] == [run_id]
    assert [r["run_id"] for r in flows_for(bob).list_runs(filter_roles="run_monitor")] == [run_id]


def test_a_flow_run_monitor_sees_all_runs_of_the_flow(
    flows_for: FlowsFor, specific_for: SpecificFor, ada: Identity, bob: Identity
) -> None:
    flow = flows_for(ada).create_flow("Watched", PASS, {}, run_monitors=[bob.urn])
    run_id = specific_for(ada, flow["id"]).run_flow({})["run_id"]
    found = flows_for(bob).list_runs(filter_roles="flow_run_monitor", filter_flow_id=flow["id"])
    assert [run["run_id"] for run in found] == [run_id]


def test_runs_are_filtered_ordered_and_paged(
    sandbox: Sandbox, flows_for: FlowsFor, ada: Identity
) -> None:
    client = flows_for(ada)
    runs = [
        run_definition(PASS, {}, sandbox, user=ada, label=f"scan {n}", tags=["t"]).run
        for n in range(5)
    ]
    ids = [run["run_id"] for run in runs]

    def listed(**query: Any) -> list[str]:
        pages = client.paginated.list_runs(query_params={"per_page": 2, **query})
        return [run["run_id"] for run in pages.items()]

    assert listed() == ids[::-1]
    assert listed(orderby="start_time ASC") == ids
    assert listed(filter_label="scan 3") == [ids[3]]
    assert listed(filter_status="FAILED") == []
    assert listed(filter_start_time=f"{runs[3]['start_time']},") == [ids[4], ids[3]]
    assert listed(filter_start_time=f",{runs[1]['start_time']}") == [ids[0]]
    assert listed(filter_flow_id=",".join((runs[0]["flow_id"], runs[1]["flow_id"]))) == ids[1::-1]
    for bad in ({"orderby": "secret"}, {"per_page": 1000}, {"filter_start_time": "never,"}):
        with pytest.raises(globus_sdk.FlowsAPIError):
            client.list_runs(query_params=bad)


def test_a_run_is_described_as_it_was_started(
    sandbox: Sandbox, flows_for: FlowsFor, ada: Identity
) -> None:
    client = flows_for(ada)
    run = run_definition(PASS, {"n": 1}, sandbox, user=ada, input_schema=SCHEMA, title="T").run
    client.update_flow(run["flow_id"], definition={**PASS, "Comment": "Changed"})
    assert client.get_run_definition(run["run_id"])["definition"] == PASS
    assert client.get_run_definition(run["run_id"])["input_schema"] == SCHEMA
    found = client.get_run(run["run_id"], include_flow_description=True)
    assert found["flow_description"]["title"] == found["flow_title"] == "T"
    assert found["details"]["output"] == {"n": 1, "r": {"x": 1}}
    client.update_run(run["run_id"], label="Renamed", tags=["a"])
    assert client.get_run(run["run_id"])["label"] == "Renamed"


def test_logs_are_paged_in_both_directions(
    sandbox: Sandbox, flows_for: FlowsFor, ada: Identity
) -> None:
    states: dict[str, Any] = {f"S{n}": {"Type": "Pass", "Next": f"S{n + 1}"} for n in range(9)}
    states["S9"] = {"Type": "Pass", "End": True}
    outcome = run_definition({"StartAt": "S0", "States": states}, {}, sandbox, user=ada)
    client, run_id = flows_for(ada), outcome.run["run_id"]
    first = client.get_run_logs(run_id)
    assert (len(first["entries"]), first["limit"], first["has_next_page"]) == (10, 10, True)
    assert len(outcome.log) == 22
    assert [e["time"] for e in outcome.log] == sorted(e["time"] for e in outcome.log)
    backwards = client.paginated.get_run_logs(run_id, limit=5, reverse_order=True)
    assert list(backwards.items()) == outcome.log[::-1]


def test_a_finished_run_is_released_once_and_not_canceled(
    sandbox: Sandbox, flows_for: FlowsFor, ada: Identity
) -> None:
    client = flows_for(ada)
    run_id = run_definition(PASS, {}, sandbox, user=ada).run["run_id"]
    with pytest.raises(globus_sdk.FlowsAPIError) as raised:
        client.cancel_run(run_id)
    assert (raised.value.http_status, raised.value.code) == (409, "STATE_CONFLICT")
    assert client.delete_run(run_id)["run_id"] == run_id
    with pytest.raises(globus_sdk.FlowsAPIError) as raised:
        client.get_run(run_id)
    assert raised.value.http_status == 404


def test_a_running_run_is_canceled_with_its_action(
    sandbox: Sandbox, flows_for: FlowsFor, specific_for: SpecificFor, ada: Identity
) -> None:
    slow = {
        "Type": "Action",
        "ActionUrl": sandbox.provider_url("slow"),
        "Parameters": {"seconds": 100_000},
        "End": True,
    }
    client = flows_for(ada)
    flow_id = client.create_flow("Slow", {"StartAt": "S", "States": {"S": slow}}, {})["id"]
    run_id = specific_for(ada, flow_id).run_flow({})["run_id"]
    wait_for(lambda: len(client.get_run_logs(run_id)["entries"]) == 2)
    with pytest.raises(globus_sdk.FlowsAPIError, match="ACTIVE"):
        client.delete_run(run_id)
    ended = client.cancel_run(run_id)
    assert (ended["status"], ended["details"]["code"]) == ("FAILED", "FlowCanceled")
    assert client.get_run_logs(run_id, reverse_order=True)["entries"][0]["code"] == "FlowCanceled"
