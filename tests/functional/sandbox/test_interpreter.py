"""How the interpreter executes each type of state, and what becomes of failures."""

from __future__ import annotations

import ast
import json
from typing import Any

import globus_sdk
import pytest

from flows.sandbox import Identity, Limits, Sandbox
from flows.sandbox.runner import run_definition
from flows.sandbox.scopes import flow_scope
from tests.functional.sandbox.support import FlowsFor, Run, SpecificFor, wait_for

END: dict[str, Any] = {"Type": "Pass", "End": True}


def action(sandbox: Sandbox, provider: str, /, **more: Any) -> dict[str, Any]:
    """An Action state for a sandbox provider, at the end of the flow unless it has a Next."""
    state = {
        "Type": "Action",
        "ActionUrl": sandbox.provider_url(provider),
        "Parameters": {},
        "ResultPath": "$.r",
        **more,
    }
    return state if "Next" in state else {**state, "End": True}


@pytest.mark.parametrize(
    ("state", "given", "output"),
    [
        ({}, {"a": 1}, {"a": 1}),
        ({"ResultPath": "$.copy"}, {"a": 1}, {"a": 1, "copy": {"a": 1}}),
        ({"Parameters": {"x.$": "$.a"}}, {"a": 1}, {"x": 1}),
        ({"Parameters": {"x.=": "a + 1"}, "ResultPath": "$.a"}, {"a": 1}, {"a": {"x": 2}}),
        ({"InputPath": "$.a.b", "ResultPath": "$.c"}, {"a": {"b": 2}}, {"a": {"b": 2}, "c": 2}),
        ({"Result": {"x.$": "$.a"}}, {"a": 1}, {"x.$": "$.a"}),
    ],
)
def test_pass(run: Run, state: dict[str, Any], given: dict[str, Any], output: Any) -> None:
    assert run({"P": {"Type": "Pass", **state, "End": True}}, given).output == output


def test_expression_eval_knows_the_run(run: Run, ada: Identity) -> None:
    parameters = {"who.=": "_context.username + ' ' + `$._context.user_id`", "n.=": "len(items)"}
    state = {"Type": "ExpressionEval", "Parameters": parameters, "ResultPath": "$.e", "End": True}
    outcome = run({"E": state}, {"items": [1, 2]}, user=ada)
    assert outcome.output["e"] == {"who": f"{ada.username} {ada.urn}", "n": 2}


@pytest.mark.parametrize(
    "wait",
    [
        {"Seconds": 5},
        {"SecondsPath": "$.seconds"},
        {"Timestamp": "2020-01-01T00:00:00Z"},
        {"TimestampPath": "$.when"},
    ],
)
def test_wait_goes_on_and_changes_nothing(run: Run, wait: dict[str, Any]) -> None:
    given = {"seconds": 1.5, "when": "2020-01-01T00:00:00+02:00"}
    outcome = run({"W": {"Type": "Wait", **wait, "End": True}}, given)
    assert (outcome.status, outcome.output) == ("SUCCEEDED", given)


@pytest.mark.parametrize(
    ("fail", "error", "cause"),
    [
        ({"Error": "Bad", "Cause": "Scan is dark"}, "Bad", "Scan is dark"),
        ({"ErrorPath": "$.e", "CausePath": "$.c"}, "Named", "Because"),
        ({}, "FlowFailed", None),
    ],
)
def test_fail_ends_the_run_with_its_cause(
    run: Run, fail: dict[str, Any], error: str, cause: str | None
) -> None:
    outcome = run({"F": {"Type": "Fail", **fail}}, {"e": "Named", "c": "Because"})
    assert outcome.status == "FAILED"
    assert outcome.run["details"]["code"] == "FlowFailed"
    assert outcome.run["details"]["details"] == {"error": error, "cause": cause}
    assert [e["code"] for e in outcome.log] == [
        *("FlowStarted", "FailStarted", "FailFailed", "FlowFailed")
    ]


def test_a_choice_without_a_match_fails(run: Run) -> None:
    rule = {"Variable": "$.n", "NumericEquals": 1, "Next": "End"}
    outcome = run({"C": {"Type": "Choice", "Choices": [rule]}, "End": END}, {"n": 2})
    assert outcome.run["details"]["details"]["error"] == "States.NoChoiceMatched"


@pytest.mark.parametrize(
    "state",
    [
        {"Type": "Pass", "Parameters": {"x.$": "$.nope"}},
        {"Type": "Pass", "InputPath": "$.nope"},
        {"Type": "Pass", "Result": {}, "ResultPath": "$.n.x"},
        {"Type": "Pass", "Result": {}, "ResultPath": "$._context.x"},
        {"Type": "ExpressionEval", "Parameters": {"x.=": "1 / 0"}, "ResultPath": "$.x"},
        {"Type": "Wait", "SecondsPath": "$.nope"},
        {"Type": "Wait", "Seconds": "soon"},
        {"Type": "Wait", "Timestamp": "tomorrow"},
    ],
)
def test_a_state_that_does_not_fit_is_a_runtime_error(run: Run, state: dict[str, Any]) -> None:
    outcome = run({"S": {**state, "End": True}}, {"n": 1})
    assert outcome.run["details"]["details"]["error"] == "States.Runtime"
    assert outcome.log[-2]["code"] == f"{state['Type']}Failed"


def test_a_result_has_the_members_that_flows_adds_and_the_log_shows_what_was_sent(
    run: Run, sandbox: Sandbox, ada: Identity
) -> None:
    parameters = {"echo_string.$": "$.s", "sleep_time.=": "1 + n"}
    outcome = run(
        {"Say": action(sandbox, "hello", Parameters=parameters)},
        {"s": "hi", "n": 1},
        user=ada,
        label="A label",
    )
    result = outcome.output["r"]
    assert set(result) == {
        *("action_id", "status", "details", "creator_id", "display_status", "label"),
        *("manage_by", "monitor_by", "release_after", "start_time", "completion_time"),
        "state_name",
    }
    assert result["details"] == {"Hello": "World", "hello": "hi"}
    assert (result["state_name"], result["creator_id"]) == ("Say", ada.urn)
    assert result["label"] == "A label"
    started, completed = outcome.log[1:3]
    assert started["details"] == {
        "state_name": "Say",
        "state_type": "Action",
        "input": {"echo_string": "hi", "sleep_time.=": "1 + n"},
    }
    assert completed["details"]["output"] == outcome.output
    assert outcome.log[-1]["details"] == {"output": outcome.output}


def test_a_result_without_a_path_replaces_the_state(run: Run, sandbox: Sandbox) -> None:
    state = action(sandbox, "hello")
    del state["ResultPath"]
    assert run({"S": state}, {"gone": 1}).output["status"] == "SUCCEEDED"


def test_a_failed_action_raises_only_when_that_matters(run: Run, sandbox: Sandbox) -> None:
    outcome = run({"S": action(sandbox, "failing")})
    known = outcome.run["details"]["details"]
    assert known["error"] == "ActionFailedException"
    assert known["cause"]["details"]["code"] == "FailingAsAsked"
    failed = next(e for e in outcome.log if e["code"] == "ActionFailed")
    assert ast.literal_eval(failed["details"]["cause"]) == known["cause"]
    tolerant = run({"S": action(sandbox, "failing", ExceptionOnActionFailure=False)})
    assert tolerant.status == "SUCCEEDED"
    assert tolerant.output["r"]["status"] == "FAILED"


@pytest.mark.parametrize(
    ("provider", "more", "error"),
    [
        ("failing", {}, "ActionFailedException"),
        ("failing", {"Parameters": {"http_status": 422}}, "ActionUnableToRun"),
        ("failing", {"Parameters": {"http_status": 500}}, "ActionUnableToRun"),
        ("failing", {"Parameters": {"http_status": 503}}, "ActionUnableToRun"),
        ("hello", {"Parameters": {"echo_string": 5}}, "ActionUnableToRun"),
        ("hello", {"ActionUrl": "http://127.0.0.1:9/"}, "ActionUnableToRun"),
        ("hello", {"ActionUrl": "http://127.0.0.1:9/", "ActionScope": "x"}, "ActionUnableToRun"),
        ("hello", {"ActionScope": "https://auth.globus.org/scopes/x/y"}, "ActionUnableToRun"),
        ("slow", {"Parameters": {"seconds": 100_000}, "WaitTime": 0}, "ActionTimeout"),
        ("hello", {"Parameters": {"echo_string.$": "$.nope"}}, "States.Runtime"),
    ],
)
@pytest.mark.parametrize("caught_as", ["name", "all"])
def test_a_catch_goes_to_its_handler_with_the_cause(
    run: Run, sandbox: Sandbox, provider: str, more: dict[str, Any], error: str, caught_as: str
) -> None:
    other = {"ErrorEquals": ["Flows.WebInputExpired"], "Next": "Wrong"}
    name = error if caught_as == "name" else "States.ALL"
    catch = [other, {"ErrorEquals": [name], "Next": "Handler", "ResultPath": "$.failure"}]
    states = {
        "S": action(sandbox, provider, **more, Catch=catch, Next="Wrong"),
        "Handler": END,
        "Wrong": {"Type": "Fail"},
    }
    outcome = run(states, {"kept": 1})
    assert outcome.status == "SUCCEEDED", outcome.run["details"]
    assert outcome.output["kept"] == 1
    assert outcome.output["failure"]["Error"] == error
    assert outcome.output["failure"]["Cause"]


def test_the_body_of_a_refusal_is_carried(run: Run, sandbox: Sandbox) -> None:
    catch = [{"ErrorEquals": ["ActionUnableToRun"], "Next": "End"}]
    parameters = {"http_status": 418}
    states = {"S": action(sandbox, "failing", Parameters=parameters, Catch=catch, Next="End")}
    output = run({**states, "End": END}, {"lost": 1}).output
    assert output == {
        "Error": "ActionUnableToRun",
        "Cause": {"code": "FailingAsAsked", "description": "Refused with 418 as asked."},
    }


def test_a_run_request_is_repeated_with_the_same_request_id(run: Run, sandbox: Sandbox) -> None:
    parameters = {"http_status": 503, "times": 2}
    outcome = run({"S": action(sandbox, "failing", Parameters=parameters)})
    assert outcome.output["r"]["details"] == {"refusals": 2}


def test_actions_run_as_the_user_the_flow_or_a_role(run: Run, sandbox: Sandbox) -> None:
    states = {
        "User": action(sandbox, "hello", ResultPath="$.user", Next="Flow"),
        "Flow": action(sandbox, "hello", ResultPath="$.flow", RunAs="Flow", Next="Role"),
        "Role": action(sandbox, "hello", ResultPath="$.role", RunAs="Curator"),
    }
    outcome = run(states)
    curator = sandbox.add_identity("Curator@sandbox.example.org")
    assert outcome.output["user"]["creator_id"] == outcome.run["run_owner"]
    flow_urn = f"urn:globus:auth:identity:{outcome.run['flow_id']}"
    assert outcome.output["flow"]["creator_id"] == flow_urn
    assert outcome.output["role"]["creator_id"] == curator.urn
    assert "_tokens" not in json.dumps([outcome.run, outcome.log])


def test_a_role_without_a_token_cannot_run(run: Run, sandbox: Sandbox) -> None:
    outcome = run({"S": action(sandbox, "hello", RunAs="Curator")}, {"_tokens": {}})
    assert outcome.run["details"]["details"]["error"] == "ActionUnableToRun"


def test_a_missing_consent_pauses_the_run_until_it_is_resumed_with_it(
    run: Run, sandbox: Sandbox, flows_for: FlowsFor, specific_for: SpecificFor, ada: Identity
) -> None:
    needed = "urn:globus:auth:scope:groups.api.globus.org:all"
    parameters = {"required_dependent_scope": needed}
    outcome = run({"S": action(sandbox, "hello", Parameters=parameters)}, user=ada)
    assert outcome.status == "INACTIVE"
    details = outcome.run["details"]
    wanted = f"{flow_scope(outcome.run['flow_id'])}[{needed}]"
    assert (details["code"], details["required_scope"]) == ("ConsentRequired", wanted)
    assert details["action_statuses"][0]["details"]["required_scope"] == needed
    run_id, flow_id = outcome.run["run_id"], outcome.run["flow_id"]
    client = specific_for(ada, flow_id)
    with pytest.raises(globus_sdk.FlowsAPIError) as raised:
        client.resume_run(run_id)
    assert raised.value.code == "MISSING_SCOPE"
    token = sandbox.token_for(ada, wanted)
    client.authorizer = globus_sdk.AccessTokenAuthorizer(token)
    client.resume_run(run_id)
    wait_for(lambda: flows_for(ada).get_run(run_id)["status"] == "SUCCEEDED")


def respond(web_input_id: str) -> str:
    return f"/web_inputs/{web_input_id}/respond"


def test_a_web_input_pauses_the_run_until_it_is_answered(
    sandbox: Sandbox, run: Run, flows_for: FlowsFor, ada: Identity, bob: Identity
) -> None:
    parameters = {
        "InputType": "Selection",
        "Context": {"PresentationStyle": "Text", "Title": "Publish?", "Text.=": "'Scan ' + scan"},
        "Options": [{"Value": "yes", "Label": "Yes"}, {"Value": "no", "Label": "No"}],
        "RespondentUrns": [bob.urn],
    }
    states = {
        "Ask": {
            "Type": "CreateWebInput",
            "Parameters": parameters,
            "ResultPath": "$.asked",
            "Next": "Await",
        },
        "Await": {
            "Type": "AwaitWebInput",
            "Parameters": {"web_input_id.$": "$.asked.web_input_id"},
            "ResultPath": "$.answer",
            "Catch": [{"ErrorEquals": ["Flows.WebInputExpired"], "Next": "End"}],
            "End": True,
        },
    }
    states["Await"] |= {"Next": "End"}
    del states["Await"]["End"]
    outcome = run({**states, "End": END}, {"scan": "17"}, user=ada)
    asked = outcome.run["blocking_web_input_id"]
    assert (outcome.status, outcome.run["details"]["web_input_id"]) == ("INACTIVE", asked)
    answering = flows_for(bob)
    shown = answering.get(f"/web_inputs/{asked}")
    assert (shown["status"], shown["user_roles"]) == ("open", ["respondent"])
    assert shown["context"] == {
        "title": "Publish?",
        "presentation_style": "text",
        "text": "Scan 17",
    }
    assert [option["label"] for option in shown["options"]] == ["Yes", "No"]
    yes, no = (option["option_id"] for option in shown["options"])
    for client, value, status in (
        (flows_for(ada), yes, 403),
        (flows_for(sandbox.add_identity("eve@example.org")), yes, 404),
        (answering, "yes", 422),
        (answering, yes, 200),
        (answering, no, 409),
    ):
        chosen = {"response": {"value": value}}
        if status == 200:
            assert client.post(respond(asked), data=chosen).data == {"status": "ok"}
            continue
        with pytest.raises(globus_sdk.FlowsAPIError) as raised:
            client.post(respond(asked), data=chosen)
        assert raised.value.http_status == status
    client, run_id = flows_for(ada), outcome.run["run_id"]
    wait_for(lambda: client.get_run(run_id)["status"] == "SUCCEEDED")
    assert client.get_run(run_id)["details"]["output"]["answer"]["response"] == "yes"
    assert answering.get(f"/web_inputs/{asked}")["status"] == "closed"
    assert client.get_run(run_id)["blocking_web_input_id"] is None
    second = run({**states, "End": END}, {"scan": "18"}, user=ada)
    sandbox.engine.web_inputs.expire(second.run["blocking_web_input_id"])
    wait_for(lambda: client.get_run(second.run["run_id"])["status"] == "SUCCEEDED")
    output = client.get_run(second.run["run_id"])["details"]["output"]
    assert output["Error"] == "Flows.WebInputExpired"


def test_private_state_and_parameters_stay_out_of_status_and_log(
    run: Run, sandbox: Sandbox
) -> None:
    parameters = {"echo_string.$": "$._private_key", "__Private_Parameters": ["echo_string"]}
    states = {
        "S": action(sandbox, "hello", Parameters=parameters, ResultPath="$._private_r", Next="E"),
        "E": {
            "Type": "ExpressionEval",
            "Parameters": {"length.=": "len(_private_key)"},
            "ResultPath": "$.e",
            "End": True,
        },
    }
    outcome = run(states, {"_private_key": "s3cret", "seen": 1})
    assert outcome.output == {"seen": 1, "e": {"length": 6}}
    assert "s3cret" not in json.dumps([outcome.run, outcome.log])


def test_the_state_of_a_run_is_limited(sandbox: Sandbox) -> None:
    double = {
        "Type": "ExpressionEval",
        "Parameters": {"text.=": "d.text + d.text"},
        "ResultPath": "$.d",
        "Next": "D",
    }
    definition = {"StartAt": "D", "States": {"D": double}}
    outcome = run_definition(definition, {"d": {"text": "x" * 1000}}, sandbox)
    details = outcome.run["details"]["details"]
    assert details["error"] == "States.DataLimitExceeded"
    assert "200000 bytes" in details["cause"]


def test_a_loop_without_end_is_stopped() -> None:
    definition = {"StartAt": "A", "States": {"A": {"Type": "Pass", "Next": "A"}}}
    with Sandbox(limits=Limits(visits=50)) as sandbox:
        outcome = run_definition(definition, {}, sandbox)
    assert outcome.run["details"]["details"]["error"] == "Sandbox.TooManyStates"


def test_only_this_machine_is_ever_called(run: Run) -> None:
    hosted = {
        "Type": "Action",
        "ActionUrl": "https://unknown.example.org/action",
        "Parameters": {"a": 1},
        "ResultPath": "$.r",
        "End": True,
    }
    definition = {"StartAt": "S", "States": {"S": hosted}}
    assert run({"S": hosted}).output["r"]["details"]["echo"] == {"a": 1}
    assert run({"S": {**hosted, "ActionUrl": "http://192.0.2.1/"}}).status == "SUCCEEDED"
    with Sandbox(unmapped="refuse") as refusing:
        outcome = run_definition(definition, {}, refusing)
    assert outcome.run["details"]["details"]["error"] == "ActionUnableToRun"


def test_handlers_name_providers_too(run: Run, sandbox: Sandbox) -> None:
    handler = {"Type": "ActionProvider", "Url": sandbox.provider_url("hello")}
    state = {"Type": "Action", "Handler": handler, "Parameters": {}, "End": True}
    assert run({"S": state}).output["details"]["Hello"] == "World"
    named = {**state, "Handler": "urn:globus:flows:handle:globus:search.ingest"}
    assert run({"S": named}).status == "SUCCEEDED"


def test_events_are_told_as_they_happen_each_once(sandbox: Sandbox) -> None:
    told: list[dict[str, Any]] = []
    definition = {"StartAt": "A", "States": {"A": END}}
    outcome = run_definition(definition, {}, sandbox, on_event=told.append)
    assert told == outcome.log
