"""From a new flow to its deletion with globus-sdk's own clients; prints what they were told.

Runs with globus-sdk 3 and 4, and imports nothing of this project. CLIENT_ID and CLIENT_SECRET are
a service account's.
"""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Any

import globus_sdk

QUESTION: dict[str, Any] = {
    "InputType": "Selection",
    "Context": {
        "PresentationStyle": "Table",
        "Title": "Publish?",
        "Rows": [{"Field": "Scan", "Value.$": "$.scan"}],
    },
    "Options": [
        {"Value": "approve", "Label": "Approve", "Description": "Go on."},
        {"Value": "deny", "Label": "Deny"},
    ],
}
DEFINITION: dict[str, Any] = {
    "StartAt": "Ask",
    "States": {
        "Ask": {
            "Type": "CreateWebInput",
            "Parameters": QUESTION,
            "ResultPath": "$.asked",
            "Next": "Await",
        },
        "Await": {
            "Type": "AwaitWebInput",
            "Parameters": {"web_input_id.$": "$.asked.web_input_id"},
            "ResultPath": "$.answer",
            "Next": "Approved?",
        },
        "Approved?": {
            "Type": "Choice",
            "Choices": [
                {"Variable": "$.answer.response", "StringEquals": "approve", "Next": "Hello"}
            ],
            "Default": "No",
        },
        "Hello": {
            "Type": "Action",
            "ActionUrl": "https://actions.globus.org/hello_world",
            "ActionScope": "https://auth.globus.org/scopes/actions.globus.org/hello_world",
            "Parameters": {"echo_string.$": "$.scan"},
            "ResultPath": "$.hello",
            "End": True,
        },
        "No": {"Type": "Fail", "Error": "Denied", "Cause": "Somebody said no."},
    },
}
SCHEMA = {"type": "object", "required": ["scan"], "properties": {"scan": {"type": "string"}}}


def status_of(flows: globus_sdk.FlowsClient, run_id: str, wanted: str) -> str:
    deadline = time.monotonic() + 30
    while (status := flows.get_run(run_id)["status"]) != wanted and time.monotonic() < deadline:
        time.sleep(0.02)
    return str(status)


def refused(call: Any, *arguments: Any, **options: Any) -> list[Any]:
    try:
        call(*arguments, **options)
    except globus_sdk.FlowsAPIError as error:
        return [error.http_status, error.code]
    return []


def answer(flows: globus_sdk.FlowsClient, flow_id: str, run_id: str) -> dict[str, Any]:
    """Respond to the run's question, with methods where there are any."""
    if hasattr(flows, "list_web_inputs"):
        (summary,) = flows.list_web_inputs(filter_states="open", filter_run_ids=run_id)
        (same,) = flows.paginated.list_web_inputs(filter_flow_ids=[flow_id]).items()
        found = flows.get_web_input(summary["id"])
        respond = flows.respond_to_web_input
        assert same == summary
    else:
        query = {"filter_states": "open", "filter_run_ids": run_id}
        (summary,) = flows.get("/web_inputs", query_params=query)["web_input_summaries"]
        found = flows.get(f"/web_inputs/{summary['id']}")

        def respond(id_: str, *, value: str) -> globus_sdk.GlobusHTTPResponse:
            return flows.post(f"/web_inputs/{id_}/respond", data={"response": {"value": value}})

    told: dict[str, Any] = {"summary": summary, "web_input": found.data}
    told["wrong"] = refused(respond, found["id"], value="approve")
    chosen = next(o["option_id"] for o in found["options"] if o["label"] == "Approve")
    told["responded"] = respond(found["id"], value=chosen).data
    told["again"] = refused(respond, found["id"], value=chosen)
    return told


def main() -> dict[str, Any]:
    app = globus_sdk.ClientApp(
        "test", client_id=os.environ["CLIENT_ID"], client_secret=os.environ["CLIENT_SECRET"]
    )
    flows = globus_sdk.FlowsClient(app=app)
    flows.add_app_scope(globus_sdk.FlowsClient.scopes.all)
    told: dict[str, Any] = {"version": globus_sdk.__version__}
    told["validated"] = flows.validate_flow(DEFINITION, SCHEMA).data
    flow = flows.create_flow("First", DEFINITION, SCHEMA, keywords=["a"])
    flow_id = flow["id"]
    told["created"] = flow.data
    told["updated"] = flows.update_flow(flow_id, title="Second", subtitle="S").data
    told["got"] = flows.get_flow(flow_id).data
    told["owned"] = [f["id"] for f in flows.list_flows(filter_roles=["flow_owner"])]
    told["viewed"] = [f["id"] for f in flows.list_flows(filter_roles="flow_viewer")]
    told["ordered"] = [f["title"] for f in flows.list_flows(orderby=["title ASC", "id DESC"])]

    specific = globus_sdk.SpecificFlowClient(flow_id, app=app)
    told["run_validated"] = specific.validate_run({"scan": "17"}).data
    told["bad_run"] = refused(specific.validate_run, {"scan": 17})
    started = specific.run_flow({"scan": "17"}, label="A label", tags=["t"])
    told["started"], run_id = started.data, started["run_id"]
    told["asking"] = status_of(flows, run_id, "INACTIVE")
    told["asked"] = answer(flows, flow_id, run_id)
    told["ended"] = status_of(flows, run_id, "SUCCEEDED")

    told["run"] = flows.get_run(run_id, include_flow_description=True).data
    told["page"] = flows.list_runs().data
    told["log_page"] = flows.get_run_logs(run_id).data
    told["flow_page"] = flows.list_flows().data
    told["listed"] = [r["run_id"] for r in flows.list_runs(filter_flow_id=flow_id)]
    told["listed_by_no_role"] = [r["run_id"] for r in flows.list_runs(filter_roles=[])]
    told["listed_as_manager"] = [r["run_id"] for r in flows.list_runs(filter_roles="run_manager")]
    pages = flows.paginated.get_run_logs(run_id, limit=2)
    told["log"] = [entry["code"] for entry in pages.items()]
    told["definition"] = flows.get_run_definition(run_id).data
    told["run_updated"] = flows.update_run(run_id, label="B", tags=["u"]).data
    told["run_deleted"] = flows.delete_run(run_id).data
    told["deleted"] = flows.delete_flow(flow_id).data
    told["gone"] = [refused(flows.get_flow, flow_id), refused(flows.get_run, run_id)]
    if hasattr(flows, "list_registered_apis"):
        (api,) = flows.list_registered_apis(filter_roles="viewer")
        told["registered"] = [api, flows.get_registered_api(api["id"]).data]
    return told


if __name__ == "__main__":
    json.dump(main(), sys.stdout)
