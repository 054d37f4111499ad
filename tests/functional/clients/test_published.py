"""The sandbox's answers have the members of those that globus-sdk 4 publishes for tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from flows.sandbox import Sandbox
from tests.support.environments import Environment

pytestmark = [pytest.mark.install, pytest.mark.timeout(600)]

SAME = {
    "flows.create_flow": ("flow", "created"),
    "flows.get_flow": ("flow", "got"),
    "flows.update_flow": ("flow", "updated"),
    "flows.delete_flow": ("flow", "deleted"),
    "flows.list_flows": ("flow", "flow_page"),
    "flows.validate_run": ("flow", "run_validated"),
    "flows.run_flow": ("flow", "started"),
    "flows.get_run": ("flow", "run"),
    "flows.list_runs": ("flow", "page"),
    "flows.get_run_logs": ("flow", "log_page"),
    "flows.get_run_definition": ("flow", "definition"),
    "flows.update_run": ("flow", "run_updated"),
    "flows.delete_run": ("flow", "run_deleted"),
    "flows.get_web_input": ("flow", "asked", "web_input"),
    "flows.respond_to_web_input": ("flow", "asked", "responded"),
    "flows.get_registered_api": ("flow", "registered", 1),
    "auth.get_identities": ("people", "identities"),
    "auth.get_consents": ("people", "consents_document"),
    "auth.get_scopes": ("people", "scopes"),
    "auth.oauth2_token_introspect": ("people", "introspected"),
    "groups.get_my_groups": ("people", "groups"),
    "groups.get_group": ("people", "group"),
    "transfer.get_endpoint": ("files", "endpoint"),
    "transfer.get_submission_id": ("files", "submission_id"),
    "transfer.operation_mkdir": ("files", "made"),
    "transfer.operation_rename": ("files", "rename_document"),
    "transfer.operation_stat": ("files", "stat"),
    "transfer.submit_transfer": ("files", "submitted"),
    "transfer.submit_delete": ("files", "delete_document"),
    "transfer.task_list": ("files", "task_page"),
    "transfer.cancel_task": ("files", "cancel_document"),
}
"""For each published answer where the same one of the sandbox is among what the scripts told."""

OPEN = frozenset(
    "definition input_schema details context target data_templates state_input_schema".split()
)
"""Members that hold what a caller has put there."""


def missing(published: Any, answer: Any, path: str = "$") -> list[str]:
    """The members that an answer lacks; of lists the first items are compared."""
    if isinstance(published, dict) and isinstance(answer, dict):
        found = [f"{path}.{name}" for name in published if name not in answer and name != "search"]
        for name in published.keys() & answer.keys() - OPEN:
            found += missing(published[name], answer[name], f"{path}.{name}")
        return found
    if isinstance(published, list) and isinstance(answer, list) and published and answer:
        return missing(published[0], answer[0], f"{path}[0]")
    return []


@pytest.fixture
def told(sandbox: Sandbox, sdk_4: Environment, tmp_path: Path) -> dict[str, Any]:
    sdk_4.environ |= sandbox.environ()
    account = sandbox.add_client("A service account")
    login = {"CLIENT_ID": account.client_id, "CLIENT_SECRET": account.client_secret}
    ada = sandbox.add_identity("ada@published.example.org")
    sandbox.add_group("Beamline", [ada])
    sandbox.add_registered_api("Crystals", ada, url="https://example.org/", viewers=["public"])
    source = tmp_path / "source"
    (source / "raw").mkdir(parents=True)
    (source / "scan.txt").write_text("17")
    return {
        "flow": sdk_4.script("flow_with_a_question", **login),
        "people": sdk_4.script(
            "people",
            PERSON=ada.username,
            SCOPE=sandbox.add_scope(account, "action_all"),
            CLIENT_ID=sandbox.add_client("A command line", public=True).client_id,
            INTROSPECT_ID=account.client_id,
            INTROSPECT_SECRET=account.client_secret,
        ),
        "files": sdk_4.script(
            "files",
            **login,
            SOURCE=sandbox.collection("Beam", source),
            TARGET=sandbox.collection("Lab", tmp_path / "target"),
        ),
    }


def test_no_member_of_a_published_answer_is_missing(
    sdk_4: Environment, told: dict[str, Any]
) -> None:
    published = sdk_4.script("published_answers", *SAME)
    assert set(published) == set(SAME)
    lacking = {}
    for name, path in SAME.items():
        answer: Any = told
        for step in path:
            answer = answer[step]
        assert answer not in ({}, []), name
        if found := missing(published[name], answer):
            lacking[name] = found
    assert lacking == {}
