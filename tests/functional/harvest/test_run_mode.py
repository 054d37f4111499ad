"""One state at the end of a flow tells the same history as a record state after each step."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import globus_sdk
import pytest
from hypothesis import HealthCheck, given, settings

from action_provider.app import EXTENSION, Braid
from flows.definition import Mode, Options, WholeState, instrument
from flows.sandbox.runner import RunOutcome, run_definition
from flows.sandbox.scopes import FLOWS_ALL
from tests.functional.history.test_history_equals_log import REFUSED
from tests.functional.provider.harvests import hello, wait_until
from tests.functional.provider.house import House, Person, Town, serving
from tests.support.corpus import CORPUS, MENDED, mended, prepare
from tests.support.processes import serving as braid_serving
from tests.unit.definition.strategies import flows
from tests.unit.definition.test_behaviour import playable, story, without_run_ids
from tests.unit.definition.test_behaviour import run as run_it

NAMES = sorted(set(CORPUS) - (set(REFUSED) - set(MENDED)))
BY_STEP = Options(on_whole_state=WholeState.ACCEPT)
BY_RUN = Options(mode=Mode.RUN, record_uncaught=False)
quiet = settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
VOLATILE = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|\d{4}-\d\d-\d\d[T ][\d:.+]+Z?")


@pytest.fixture(scope="module")
def asked(town: Town, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    file = tmp_path_factory.mktemp("asked") / "store.db"
    with serving(f"sqlite:///{file}", town.environ()) as house:
        yield house


def history(house: House, outcome: RunOutcome) -> list[dict[str, Any]]:
    """The steps of a run, each with its documents, without what differs from run to run."""
    reader, run_id = house.store.documents(), outcome.run["run_id"]
    if not reader.run_steps(run_id):
        return []
    steps = reader.run(run_id, limit=1000)["steps"]
    return [{**step, "result": reader.record(step["id"])["result"]} for step in steps]


def same(value: Any) -> Any:
    """A value without the ids and times of its run, and without Braid's own receipts; names in an
    order of their own, for folders list files whose names are ids."""
    if isinstance(value, dict):
        return {key: same(item) for key, item in value.items() if key != "_braid"}
    if isinstance(value, list):
        found = [same(item) for item in value]
        return sorted(found) if all(isinstance(item, str) for item in found) else found
    return VOLATILE.sub("…", value) if isinstance(value, str) else value


def told(step: dict[str, Any]) -> dict[str, Any]:
    """What both ways of recording tell of a step."""
    names = ("name", "type", "status", "action_url", "run_as", "definition_digest", "error")
    made = [[same(uri["uri"]) for uri in output["uris"]] for output in step["outputs"]]
    documents = {name: same(step[name]) for name in ("parameters", "result")}
    plain = documents if step["type"] == "Action" else {}
    return {**{name: same(step[name]) for name in names}, "made": made, **plain}


@pytest.mark.parametrize("name", NAMES)
def test_both_ways_tell_the_same_steps(
    name: str, town: Town, house: House, ada: Person, shared_flows: Path, tmp_path: Path
) -> None:
    case = CORPUS[name]
    original = mended(name, shared_flows)
    outcomes = []
    for folder, path, options in (("a", "record", BY_STEP), ("b", "harvest", BY_RUN)):
        prepare(town.sandbox, tmp_path / folder)
        made = instrument(
            original,
            provider_url=f"{house.url}/{path}",
            provider_scope=town.scope,
            options=options,
        )
        outcome = run_definition(
            made.definition, case.input, town.sandbox, user=ada.identity, label=name, timeout=90
        )
        assert outcome.status == case.expected_status, outcome.run["details"]
        outcomes.append(outcome)
    by_step, by_run = (history(house, outcome) for outcome in outcomes)
    if by_run:
        left = iter(by_run)
        for step in by_step:
            match = next(each for each in left if each["name"] == step["name"])
            # A record state says where a run begins of which definition it is.
            whole = told(match)
            if step["definition_digest"] is None:
                whole["definition_digest"] = None
            assert whole == told(step)
        assert not by_step or by_step[0]["definition_digest"]
        logged = [
            entry["details"]["state_name"]
            for entry in outcomes[1].log
            if entry["code"].endswith("Started")
            and not entry["details"].get("state_name", "Braid").startswith("Braid")
        ]
        assert [step["name"] for step in by_run][: len(logged)] == logged[: len(by_run)]
    else:
        # It failed, or waits, where nothing asks.
        assert outcomes[1].status in ("FAILED", "INACTIVE") or not by_step


@pytest.mark.parametrize("provider", ["up", "down"])
@quiet
@given(definition=flows(loops=False))
def test_a_random_flow_that_asks_behaves_as_before(
    provider: str, town: Town, asked: House, definition: dict[str, Any]
) -> None:
    address = f"{asked.url}/harvest" if provider == "up" else "http://127.0.0.1:9/harvest"
    original = without_run_ids(playable(definition, town.sandbox, address))
    woven = instrument(
        original, provider_url=address, provider_scope=town.scope, options=BY_RUN
    ).definition
    before = story(run_it(original, town.sandbox), original)
    assert story(run_it(woven, town.sandbox), woven) == before


FAILING: dict[str, Any] = {
    "Type": "Action",
    "ActionUrl": "failing",
    "Parameters": {},
    "ResultPath": "$.Bad",
    "End": True,
}


def test_a_failure_that_nothing_catches_is_told_when_that_is_wanted(
    town: Town, house: House, ada: Person
) -> None:
    bad = {**FAILING, "ActionUrl": town.sandbox.provider_url("failing")}
    original = {"StartAt": "Greet", "States": {"Greet": hello("first", Next="Bad"), "Bad": bad}}
    chosen = Options(mode=Mode.RUN, record_uncaught=True)
    outcome = asking_run(original, chosen, town, house, ada)
    assert outcome.status == "FAILED"
    steps = house.store.documents().run(outcome.run["run_id"])["steps"]
    assert [(step["name"], step["status"]) for step in steps] == [
        ("Greet", "SUCCEEDED"),
        ("Bad", "FAILED"),
    ]
    assert "ActionFailedException" in str(steps[1]["error"])
    assert told_end(house, outcome) == "FAILED"


def test_a_run_that_its_author_lets_fail_asks_before(town: Town, house: House, ada: Person) -> None:
    original = {
        "StartAt": "Greet",
        "States": {
            "Greet": hello("first", Next="Give up"),
            "Give up": {"Type": "Fail", "Error": "Enough", "Cause": "of this"},
        },
    }
    outcome = asking_run(original, BY_RUN, town, house, ada)
    assert outcome.status == "FAILED"
    names = [step["name"] for step in house.store.documents().run(outcome.run["run_id"])["steps"]]
    assert names == ["Greet"]
    assert told_end(house, outcome) == "FAILED"
    steps = house.store.documents().run(outcome.run["run_id"])["steps"]
    assert [step["name"] for step in steps] == ["Greet", "Give up"]


def asking_run(
    original: dict[str, Any], chosen: Options, town: Town, house: House, who: Person
) -> RunOutcome:
    made = instrument(
        original, provider_url=f"{house.url}/harvest", provider_scope=town.scope, options=chosen
    )
    return run_definition(made.definition, {}, town.sandbox, user=who.identity, timeout=90)


def told_end(house: House, outcome: RunOutcome) -> Any:
    """How a run ended, as the server records once it looks at it again."""
    braid: Braid = house.app.extensions[EXTENSION]
    braid.crew.look_now()
    return house.store.documents().run(outcome.run["run_id"])["status"]


def test_a_flow_of_a_real_service_asks_and_its_end_is_recorded_too(
    town: Town, tmp_path: Path, closing: list[Any]
) -> None:
    """Deployed and run with globus-sdk's clients, harvested by `braid serve`."""
    person = town.person("grace")
    original = {
        "StartAt": "Greet",
        "States": {"Greet": hello("first", Next="Again"), "Again": hello("second", End=True)},
    }
    base_url = town.sandbox.environ()["GLOBUS_SDK_SERVICE_URL_FLOWS"]

    def authorizer(scope: str) -> globus_sdk.AccessTokenAuthorizer:
        return globus_sdk.AccessTokenAuthorizer(town.sandbox.token_for(person.identity, scope))

    flows = globus_sdk.FlowsClient(base_url=base_url, authorizer=authorizer(FLOWS_ALL))
    closing.append(flows)
    serve = ("serve", "--port", "0")
    with braid_serving(*serve, environ=town.environ(), folder=tmp_path) as server:
        made = instrument(
            original,
            provider_url=f"{server.url}/harvest",
            provider_scope=town.scope,
            options=BY_RUN,
        )
        flow_id = flows.create_flow("Greetings", made.definition, {})["id"]
        flow = globus_sdk.SpecificFlowClient(flow_id)
        closing.append(flow)
        flow.base_url = base_url
        flow.authorizer = authorizer(str(flow.scopes.user))
        run_id = flow.run_flow({}, label="greetings", tags=["hello"])["run_id"]
        wait_until(lambda: flows.get_run(run_id)["status"] == "SUCCEEDED", "the end of the run")
        output = flows.get_run(run_id)["details"]["output"]
        assert output["_braid"]["harvest"]["status"] == "SUCCEEDED", output
        assert output["_braid"]["harvest"]["details"]["added"] == 2
        api = globus_sdk.BaseClient(
            base_url=server.url, authorizer=authorizer(town.scope), app_name="test"
        )
        closing.append(api)

        def run() -> dict[str, Any]:
            return dict(api.get(f"/api/v1/runs/{run_id}").data)

        assert [step["name"] for step in run()["steps"]] == ["Greet", "Again"]
        wait_until(lambda: run()["status"] == "SUCCEEDED", "the record of the end")
        assert (run()["flow_title"], run()["label"], run()["tags"]) == (
            "Greetings",
            "greetings",
            ["hello"],
        )
        metrics = api.get("/metrics").text
    assert 'braid_harvest_actions_total{outcome="succeeded"} 1.0' in metrics
    assert "braid_harvest_action_active 0.0" in metrics
    assert "braid_harvest_action_lag_seconds 0.0" in metrics
    assert "braid_harvest_action_seconds_count 1.0" in metrics
    assert "braid_steps_total 2.0" in metrics
