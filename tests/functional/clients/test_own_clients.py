"""Our own command line and library where globus-sdk is 4, against servers of this process."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import urllib.request
from typing import Any

import pytest

from flows.sandbox import Sandbox
from flows.sandbox.runner import run_definition
from tests.functional.provider.house import House, Person, Town
from tests.support.environments import Environment
from tests.support.processes import ROOT

pytestmark = [pytest.mark.install, pytest.mark.timeout(600)]

FLOW: dict[str, Any] = {
    "StartAt": "Hello",
    "States": {
        "Hello": {
            "Type": "Action",
            "ActionUrl": "https://actions.globus.org/hello_world",
            "Parameters": {"echo_string.$": "$.word"},
            "ResultPath": "$.Hello",
            "End": True,
        }
    },
}


def done(answer: subprocess.CompletedProcess[str]) -> str:
    assert answer.returncode == 0, f"{answer.stdout}{answer.stderr}"
    return answer.stdout


@pytest.fixture
def logged_in(sandbox: Sandbox, sdk_4: Environment) -> Environment:
    """Logged in to the sandbox as a service account."""
    login = sandbox.add_client("command line")
    sdk_4.environ |= sandbox.environ()
    sdk_4.environ["BRAID_LOGIN_CLIENT_ID"] = login.client_id
    sdk_4.environ["BRAID_LOGIN_CLIENT_SECRET"] = login.client_secret
    (sdk_4.home / "flow.json").write_text(json.dumps(FLOW))
    return sdk_4


def test_the_sdk_is_the_other_one(sdk_4: Environment) -> None:
    told = done(sdk_4.call("-c", "import globus_sdk; print(globus_sdk.__version__)"))
    assert told.startswith("4.")


def test_a_flow_is_deployed_and_deployed_again(sandbox: Sandbox, logged_in: Environment) -> None:
    flow_id = done(logged_in.braid("flow", "deploy", "flow.json", "--title", "Hello")).strip()
    again = logged_in.braid("flow", "deploy", "flow.json", "--flow-id", flow_id)
    assert done(again).strip() == flow_id
    unknown = logged_in.braid("flow", "deploy", "flow.json", "--flow-id", "x" * 8)
    assert unknown.returncode == 1
    assert unknown.stderr.startswith("braid: Globus knows no such flow")


def test_runs_are_harvested(sandbox: Sandbox, logged_in: Environment) -> None:
    me = sandbox.directory.identity(logged_in.environ["BRAID_LOGIN_CLIENT_ID"])
    assert me is not None
    outcome = run_definition(FLOW, {"word": "hello"}, sandbox, user=me)
    run_id, flow_id = outcome.run["run_id"], outcome.run["flow_id"]
    one = json.loads(done(logged_in.braid("flow", "harvest", run_id, "--format", "json")))
    assert [run["run_id"] for run in one["harvested"]] == [run_id]
    for option in (["--mine"], ["--flow", flow_id]):
        many = logged_in.braid("flow", "harvest", *option, "--format", "json")
        assert run_id in done(many)
    assert "Hello" in done(logged_in.braid("run", "show", run_id))
    unknown = logged_in.braid("flow", "harvest", "4c5e0b2e-0000-0000-0000-000000000000")
    assert unknown.returncode == 1
    assert "Globus knows no run" in unknown.stderr


def test_a_flow_is_started_because_a_record_was_invalidated(
    sandbox: Sandbox, logged_in: Environment
) -> None:
    flow_id = done(logged_in.braid("flow", "deploy", "flow.json", "--title", "Tell")).strip()
    (logged_in.home / "input.json").write_text('{"word": "{cause}"}')
    record = done(logged_in.braid("record", "data", "scan")).split()[0]
    started = logged_in.braid(
        *("invalidate", record, "--cause", "misaligned", "--yes", "--format", "json"),
        *("--start-flow", flow_id, "--flow-input", "input.json"),
    )
    assert json.loads(done(started))["run_id"]


def test_a_flow_runs_in_a_sandbox_of_its_own(sdk_4: Environment) -> None:
    (sdk_4.home / "flow.json").write_text(json.dumps(FLOW))
    (sdk_4.home / "input.json").write_text('{"word": "hello"}')
    ran = sdk_4.braid("flow", "run", "flow.json", "--input", "input.json")
    assert "SUCCEEDED" in done(ran) + ran.stderr


def test_a_flow_that_records_needs_the_provider_which_needs_the_other_sdk(
    sdk_4: Environment,
) -> None:
    (sdk_4.home / "flow.json").write_text(json.dumps(FLOW))
    (sdk_4.home / "input.json").write_text('{"word": "hello"}')
    instrument = ("flow", "instrument", "flow.json", "-o", "instrumented.json")
    done(sdk_4.braid(*instrument, "--provider-url", "https://braid.example.org/record"))
    ran = sdk_4.braid("flow", "run", "instrumented.json", "--input", "input.json")
    assert ran.returncode == 2
    assert re.search(r"^braid: .* which is not installed: pip install", ran.stderr, re.MULTILINE)
    assert "Traceback" not in ran.stderr


def test_records_go_to_a_server_and_are_asked_for_there(
    town: Town, house: House, ada: Person, sdk_4: Environment
) -> None:
    login = town.sandbox.add_client("a job")
    told = sdk_4.script(
        "remote_recording",
        **town.sandbox.environ(),
        SERVER=house.url,
        TOKEN=ada.token,
        PYTHONPATH=str(ROOT),
        BRAID_LOGIN_CLIENT_ID=login.client_id,
        BRAID_LOGIN_CLIENT_SECRET=login.client_secret,
    )
    assert told["spooled"] is False
    assert told["records"] == ["mine"]
    assert house.store.info()["records"]["data"] == 11
    assert told["invalidated"]
    assert "9.999999" in told["unknown"]
    assert "'0.0' is not an id" in told["bad"]
    assert house.store.check() == []


def test_a_person_logs_in_once_at_a_terminal_and_asks_the_server(
    town: Town, house: House, sdk_4: Environment
) -> None:
    person = town.person("terminal")
    client = town.sandbox.add_client("braid", public=True)
    sdk_4.environ |= {**town.sandbox.environ(), "BRAID_LOGIN_CLIENT_ID": client.client_id}
    sdk_4.environ["PYTHONPATH"] = str(ROOT)
    ask = ("-m", "braid", "runs", "--server", house.url)
    refused = sdk_4.call(*ask)
    assert refused.returncode == 1
    assert "A login is needed" in refused.stderr
    terminal, its_end = pty.openpty()
    try:
        with subprocess.Popen(
            sdk_4.arguments(*ask),
            cwd=sdk_4.home,
            env=sdk_4.environ,
            stdin=its_end,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as asking:
            assert asking.stderr is not None
            url = next(line.strip() for line in asking.stderr if "/oauth2/authorize?" in line)
            with urllib.request.urlopen(f"{url}&identity={person.identity.id}") as page:
                found = re.search(r'<code id="code">([^<]+)</code>', page.read().decode())
            assert found is not None
            os.write(terminal, f"{found[1]}\n".encode())
            _, said = asking.communicate(timeout=60)
        assert asking.returncode == 0, said
    finally:
        os.close(terminal)
        os.close(its_end)
    again = sdk_4.call(*ask)
    assert (again.returncode, again.stderr) == (0, "No runs.\n")
