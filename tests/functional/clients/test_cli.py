"""globus-cli in processes of its own, against the sandbox over HTTP."""

from __future__ import annotations

import json
import re
import subprocess
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from flows.sandbox import Client, Identity, Sandbox
from tests.support.environments import SCRIPTS, Environment

pytestmark = [pytest.mark.install, pytest.mark.timeout(600)]

HELLO = "https://actions.globus.org/hello_world"
NEEDED = "urn:globus:auth:scope:groups.api.globus.org:all"
Globus = Callable[..., Any]
"""``globus("flows", "list")``: what the command printed as JSON."""


@pytest.fixture
def cli(cli_python: Path, tmp_path: Path, sandbox: Sandbox) -> Environment:
    return Environment(cli_python, tmp_path, {**sandbox.environ(), "GLOBUS_CLI_INTERACTIVE": "0"})


@pytest.fixture
def globus(cli: Environment, account: Client) -> Globus:
    """The command line of a service account."""
    cli.environ["GLOBUS_CLI_CLIENT_ID"] = account.client_id
    cli.environ["GLOBUS_CLI_CLIENT_SECRET"] = account.client_secret

    def call(*arguments: object) -> Any:
        done = cli.call("-m", "globus_cli", *arguments, "-F", "json")
        assert done.returncode == 0, f"{done.stdout}{done.stderr}"
        return json.loads(done.stdout)

    return call


@pytest.fixture
def me(sandbox: Sandbox, account: Client) -> Identity:
    found = sandbox.directory.identity(account.client_id)
    assert found is not None
    return found


def flow(**states: dict[str, Any]) -> str:
    return json.dumps({"StartAt": next(iter(states)), "States": states})


def hello(**parameters: Any) -> dict[str, Any]:
    return {"Type": "Action", "ActionUrl": HELLO, "Parameters": parameters, "End": True}


def status_of(globus: Globus, run_id: str, wanted: str) -> dict[str, Any]:
    deadline = time.monotonic() + 60
    while True:
        run: dict[str, Any] = globus("flows", "run", "show", run_id)
        if run["status"] == wanted or time.monotonic() > deadline:
            assert run["status"] == wanted, run
            return run
        time.sleep(0.1)


def test_flows_and_their_runs_are_managed(globus: Globus, me: Identity) -> None:
    definition = flow(Hello=hello(echo_string="hello"))
    assert globus("flows", "validate", definition)["scopes"] == {"User": []}
    made = globus("flows", "create", "First", definition, "--keyword", "a")
    flow_id = made["id"]
    assert made["flow_owner"] == me.urn
    globus("flows", "update", flow_id, "--title", "Second")
    assert globus("flows", "show", flow_id)["title"] == "Second"
    assert [f["id"] for f in globus("flows", "list")["flows"]] == [flow_id]
    assert globus("flows", "list", "--filter-role", "flow_viewer")["flows"] == []

    started = globus("flows", "start", flow_id, "--input", "{}", "--label", "L")
    run_id = started["run_id"]
    status_of(globus, run_id, "SUCCEEDED")
    shown = globus("flows", "run", "show", run_id, "--include-flow-description")
    assert shown["flow_description"]["title"] == "Second"
    assert [r["run_id"] for r in globus("flows", "run", "list")["runs"]] == [run_id]
    listed = globus("flows", "run", "list", "--filter-flow-id", flow_id)["runs"]
    assert [run["label"] for run in listed] == ["L"]
    assert globus("flows", "run", "list", "--filter-role", "run_manager")["runs"] == []
    log = globus("flows", "run", "show-logs", run_id)["entries"]
    assert (log[0]["code"], log[-1]["code"]) == ("FlowStarted", "FlowSucceeded")
    definition_then = globus("flows", "run", "show-definition", run_id)
    assert definition_then["definition"] == json.loads(definition)
    changed = globus("flows", "run", "update", run_id, "--label", "M", "--tags", "a,b")
    assert (changed["label"], changed["tags"]) == ("M", ["a", "b"])
    assert globus("flows", "run", "delete", run_id)["run_id"] == run_id
    assert globus("flows", "delete", flow_id)["DELETED"] is True
    assert globus("flows", "list")["flows"] == []


def test_a_run_is_canceled(globus: Globus, sandbox: Sandbox) -> None:
    slow = hello() | {"ActionUrl": sandbox.provider_url("slow"), "Parameters": {"seconds": 10**6}}
    flow_id = globus("flows", "create", "Slow", flow(Slow=slow))["id"]
    run_id = globus("flows", "start", flow_id)["run_id"]
    assert globus("flows", "run", "cancel", run_id)["status"] == "FAILED"


def test_a_run_without_a_consent_is_resumed_once_it_is_given(
    globus: Globus, cli: Environment, sandbox: Sandbox, me: Identity, account: Client
) -> None:
    waiting = flow(Hello=hello(required_dependent_scope=NEEDED))
    made = globus("flows", "create", "Asking", waiting)
    run_id = globus("flows", "start", made["id"])["run_id"]
    status_of(globus, run_id, "INACTIVE")
    refused = cli.call("-m", "globus_cli", "flows", "run", "resume", run_id)
    assert refused.returncode != 0
    wanted = f"{made['globus_auth_scope']}[{NEEDED}]"
    assert f"globus session consent '{wanted}'" in refused.stdout
    sandbox.token_for(me, wanted, client=account)
    assert globus("flows", "run", "resume", run_id)["run_id"] == run_id
    status_of(globus, run_id, "SUCCEEDED")


def test_a_question_of_a_run_is_answered(globus: Globus, me: Identity) -> None:
    asking = {
        "Type": "CreateWebInput",
        "Parameters": {
            "InputType": "Selection",
            "Context": {"PresentationStyle": "Text", "Title": "Go on?", "Text": "Or not."},
            "Options": [{"Value": "yes", "Label": "Yes"}],
        },
        "ResultPath": "$.asked",
        "Next": "Await",
    }
    waiting = {
        "Type": "AwaitWebInput",
        "Parameters": {"web_input_id.$": "$.asked.web_input_id"},
        "ResultPath": "$.answer",
        "End": True,
    }
    flow_id = globus("flows", "create", "Asking", flow(Ask=asking, Await=waiting))["id"]
    run_id = globus("flows", "start", flow_id)["run_id"]
    status_of(globus, run_id, "INACTIVE")
    (found,) = globus("flows", "web-input", "list", "--filter-run-id", run_id)[
        "web_input_summaries"
    ]
    assert (found["title"], found["user_roles"]) == ("Go on?", ["viewer", "respondent"])
    shown = globus("flows", "web-input", "show", found["id"])
    option = shown["options"][0]["option_id"]
    answered = globus("flows", "web-input", "respond", found["id"], option)
    assert answered == {"status": "ok"}
    run = status_of(globus, run_id, "SUCCEEDED")
    assert run["details"]["output"]["answer"]["response"] == "yes"


def test_registered_apis_identities_and_groups_are_shown(
    globus: Globus, sandbox: Sandbox, me: Identity
) -> None:
    api = sandbox.add_registered_api("Crystals", me, url="https://example.org/crystals")
    listed = globus("flows", "registered-api", "list", "--filter-role", "owner")["registered_apis"]
    assert [found["name"] for found in listed] == ["Crystals"]
    assert globus("flows", "registered-api", "show", api)["roles"]["owners"] == [me.urn]
    assert globus("whoami")["preferred_username"] == me.username
    assert globus("get-identities", me.id, me.username)["identities"][1]["id"] == me.id
    group = sandbox.add_group("Beamline", [me])
    assert [found["name"] for found in globus("group", "list")] == ["Beamline"]
    (member,) = globus("group", "member", "list", group.id)["memberships"]
    assert member["username"] == me.username


def test_files_are_listed_copied_and_removed(
    globus: Globus, sandbox: Sandbox, tmp_path: Path
) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.mkdir()
    (source / "scan.txt").write_text("17")
    ids = [sandbox.collection(path.name, path) for path in (source, target)]
    assert [e["name"] for e in globus("ls", f"{ids[0]}:/")["DATA"]] == ["scan.txt"]
    globus("mkdir", f"{ids[1]}:/results")
    copied = globus("transfer", f"{ids[0]}:/scan.txt", f"{ids[1]}:/results/scan.txt")
    waited = globus("task", "wait", copied["task_id"], "--polling-interval", 1, "--timeout", 60)
    assert waited["status"] == "SUCCEEDED"
    assert (target / "results" / "scan.txt").read_text() == "17"
    assert globus("task", "show", copied["task_id"])["bytes_transferred"] == 2
    listed = globus("task", "list", "--filter-type", "TRANSFER")["DATA"]
    assert copied["task_id"] in [task["task_id"] for task in listed]
    events = globus("task", "event-list", copied["task_id"])["DATA"]
    assert [event["code"] for event in events] == ["SUCCEEDED", "STARTED"]
    assert globus("stat", f"{ids[1]}:/results/scan.txt")["size"] == 2
    globus("rename", ids[1], "/results/scan.txt", "/results/old.txt")
    removed = globus("delete", f"{ids[1]}:/results", "--recursive")
    globus("task", "wait", removed["task_id"], "--polling-interval", 1, "--timeout", 60)
    assert globus("ls", f"{ids[1]}:/")["DATA"] == []
    assert globus("endpoint", "show", ids[0])["display_name"] == "source"
    found = globus("endpoint", "search", "source")["DATA"]
    assert ids[0] in [endpoint["id"] for endpoint in found]


def test_a_person_consents_in_a_browser_to_what_a_run_waits_for(
    cli: Environment, sandbox: Sandbox
) -> None:
    sandbox.add_identity("ada@example.org")
    eve = sandbox.add_identity("eve@example.org")
    browser = f"{cli.python} {SCRIPTS / 'browser.py'} %s"
    cli.environ |= {"BROWSER": browser, "PERSON": eve.id}

    def told(*arguments: str) -> Any:
        done = cli.call("-m", "globus_cli", *arguments, "-F", "json")
        assert done.returncode == 0, f"{done.stdout}{done.stderr}"
        return json.loads(done.stdout)

    def log_in(*arguments: str) -> None:
        done = cli.call("-m", "globus_cli", *arguments)
        assert done.returncode == 0, f"{done.stdout}{done.stderr}"

    log_in("login")
    assert told("whoami")["sub"] == eve.id
    waiting = flow(Hello=hello(required_dependent_scope=NEEDED))
    flow_id = told("flows", "create", "Asking", waiting)["id"]
    refused = cli.call("-m", "globus_cli", "flows", "start", flow_id)
    assert f"globus login --flow {flow_id}" in refused.stderr
    log_in("login", "--flow", flow_id)
    run_id = told("flows", "start", flow_id)["run_id"]
    run = status_of(told, run_id, "INACTIVE")
    assert cli.call("-m", "globus_cli", "flows", "run", "resume", run_id).returncode == 4
    log_in("session", "consent", run["details"]["required_scope"])
    told("flows", "run", "resume", run_id)
    status_of(told, run_id, "SUCCEEDED")


def test_a_person_logs_in_and_out(cli: Environment, sandbox: Sandbox) -> None:
    ada = sandbox.add_identity("ada@example.org", name="Ada")
    sandbox.add_identity("bob@example.org")
    command = cli.arguments("-m", "globus_cli", "login", "--no-local-server")
    with subprocess.Popen(
        command,
        cwd=cli.home,
        env=cli.environ | {"PYTHONUNBUFFERED": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as login:
        assert login.stdin is not None
        assert login.stdout is not None
        url = next(line.strip() for line in login.stdout if "/oauth2/authorize?" in line)
        with urllib.request.urlopen(f"{url}&identity={ada.id}", timeout=30) as page:
            code = re.search(r'<code id="code">([^<]+)</code>', page.read().decode())
        assert code is not None
        said, _ = login.communicate(f"{code[1]}\n", timeout=60)
    assert login.returncode == 0, said
    assert "successfully logged in" in said

    def told(*arguments: str) -> str:
        done = cli.call("-m", "globus_cli", *arguments)
        assert done.returncode == 0, f"{done.stdout}{done.stderr}"
        return done.stdout

    assert told("whoami").strip() == ada.username
    assert told("whoami", "--linked-identities").strip() == ada.username
    assert ada.id in told("session", "show")
    assert "already logged in" in told("login")
    assert "Title" in told("flows", "list")
    assert f"Logging out of Globus as {ada.username}" in told("logout", "--yes")
    assert cli.call("-m", "globus_cli", "whoami").returncode != 0
