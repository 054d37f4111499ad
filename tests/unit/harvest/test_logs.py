"""Logs of every shape: loops, failures, gaps, codes nobody has seen, rubbish."""

from __future__ import annotations

import itertools
import json
import threading
from pathlib import Path
from typing import Any

import pytest

from flows.definition import Mode, Options, instrument
from flows.harvest import Harvested, RunLog, harvest, is_harvested
from flows.harvest.log import load_log
from provenance_store import Store, open_store
from provenance_store.enums import Mark
from provenance_store.errors import BraidError, InvalidInput
from provenance_store.service import StoreService

TRANSFER = "https://transfer.actions.globus.org/transfer"
COMPUTE = "https://compute.actions.globus.org/v3"
ADA = "urn:globus:auth:identity:25af9d3b-aeb8-4f44-9c88-3264ad82a3ae"
BOB = "urn:globus:auth:identity:25af9d3b-aeb8-4f44-9c88-3264ad82a3af"


def moves(name: str, **more: Any) -> dict[str, Any]:
    """A state that moves a file to a place of that name."""
    return {
        "Type": "Action",
        "ActionUrl": TRANSFER,
        "Parameters": {
            "source_endpoint": "a",
            "destination_endpoint": "b",
            "DATA": [{"source_path.$": "$.path", "destination_path": f"/{name}"}],
        },
        "ResultPath": "$.Moved",
        **more,
    }


def flow(**states: dict[str, Any]) -> dict[str, Any]:
    return {"StartAt": next(iter(states)), "States": states}


class Writer:
    """Writes a log as the service would, one millisecond an entry."""

    def __init__(self, state: Any = None) -> None:
        self.state: Any = {"path": "/scan.h5"} if state is None else state
        self.entries: list[dict[str, Any]] = []
        self.say("FlowStarted", input=self.state)

    def say(self, code: str, **details: Any) -> Writer:
        time = f"2026-11-01T12:00:{len(self.entries):02d}.000000+00:00"
        self.entries.append(
            {"time": time, "code": code, "description": f"{code}.", "details": details}
        )
        return self

    def begins(self, name: str, kind: str = "Action", given: Any = None) -> Writer:
        return self.say(f"{kind}Started", state_name=name, state_type=kind, input=given)

    def ends(self, name: str, kind: str = "Action", **writes: Any) -> Writer:
        self.state = {**self.state, **writes}
        named = {"state_name": name, "state_type": kind}
        return self.say(f"{kind}Completed", **named, output=self.state)

    def moves(self, name: str, action_id: str, *, source: str = "/scan.h5") -> Writer:
        given = {
            "source_endpoint": "a",
            "destination_endpoint": "b",
            "DATA": [{"source_path": source, "destination_path": f"/{name}"}],
        }
        self.begins(name, given=given)
        return self.ends(name, Moved=status(name, action_id))


def status(name: str, action_id: str, **more: Any) -> dict[str, Any]:
    return {
        "action_id": action_id,
        "status": "SUCCEEDED",
        "details": {},
        "state_name": name,
        **more,
    }


def told(store: Store, log: Writer | list[Any], definition: Any, **run: Any) -> Harvested:
    entries = log.entries if isinstance(log, Writer) else log
    return harvest(store, RunLog(entries, definition, run or None, "run-1"))


def steps(store: Store) -> list[dict[str, Any]]:
    assert store.check() == []
    found: list[dict[str, Any]] = store.documents().run("run-1", limit=1000)["steps"]
    return found


@pytest.fixture
def memory(tmp_path: Path) -> Any:
    with open_store(f"sqlite:///{tmp_path / 'store.db'}") as store:
        yield store


def test_a_state_that_is_visited_again_is_a_step_each_time(memory: Store) -> None:
    log = Writer()
    for number in range(3):
        log.moves("Move", f"action-{number}")
    log.say("FlowSucceeded", output=log.state)
    assert told(memory, log, flow(Move=moves("Move", End=True))).added == 3
    assert [step["action_id"] for step in steps(memory)] == ["action-0", "action-1", "action-2"]


def test_states_that_share_a_result_path_keep_their_own_results(memory: Store) -> None:
    definition = flow(One=moves("One", Next="Two"), Two=moves("Two", End=True))
    log = Writer().moves("One", "first").moves("Two", "second", source="/One")
    told(memory, log.say("FlowSucceeded", output={}), definition)
    one, two = steps(memory)
    assert (one["action_id"], two["action_id"]) == ("first", "second")


def test_the_same_file_is_one_record_from_step_to_step(memory: Store) -> None:
    definition = flow(One=moves("One", Next="Two"), Two=moves("Two", End=True))
    definition["States"]["Two"]["Parameters"]["source_endpoint"] = "b"
    log = Writer().moves("One", "first")
    given = {
        "source_endpoint": "b",
        "destination_endpoint": "c",
        "DATA": [{"source_path": "/One", "destination_path": "/Two"}],
    }
    log.begins("Two", given=given).ends("Two", Moved=status("Two", "second"))
    told(memory, log.say("FlowSucceeded", output={}), definition)
    one, two = steps(memory)
    assert [record["id"] for record in one["outputs"]] == [record["id"] for record in two["inputs"]]


@pytest.mark.parametrize(
    "cause",
    [
        "{'action_id': 'a-1', 'status': 'FAILED', 'details': {'code': 'NoEndpoint', 'no': None}}",
        '{"action_id": "a-1", "status": "FAILED", "details": {"code": "NoEndpoint", "no": null}}',
        {"action_id": "a-1", "status": "FAILED", "details": {"code": "NoEndpoint", "no": None}},
    ],
)
def test_the_cause_of_a_failure_is_read_however_it_is_written(cause: Any, memory: Store) -> None:
    definition = flow(Move=moves("Move", End=True))
    log = Writer().begins("Move", given={})
    named = {"state_name": "Move", "state_type": "Action"}
    log.say("ActionFailed", **named, error="ActionFailedException", cause=cause)
    log.say("FlowFailed", error="ActionFailedException", cause=cause)
    told(memory, log, definition)
    (step,) = steps(memory)
    assert (step["status"], step["action_id"]) == ("FAILED", "a-1")
    assert step["error"]["Error"] == "ActionFailedException"
    assert step["error"]["Cause"]["details"] == {"code": "NoEndpoint", "no": None}
    assert memory.documents().run("run-1")["status"] == "FAILED"


@pytest.mark.parametrize(
    "cause",
    [
        "{'a': object()}",
        "(" * 5000,
        "{" * 99_999,
        "('a', f'" + "{1}" * 300_000 + "')",
        "gone wrong",
        "",
    ],
)
def test_a_cause_that_is_no_literal_is_kept_as_text(cause: str, memory: Store) -> None:
    log = Writer().begins("Move", given={})
    log.say("ActionFailed", state_name="Move", state_type="Action", cause=cause)
    told(memory, log.say("FlowFailed"), flow(Move=moves("Move", End=True)))
    (step,) = steps(memory)
    assert step["status"] == "FAILED"
    kept = step["error"]
    assert kept.get("Cause") == cause or "_truncated" in kept


def test_what_was_under_way_when_the_run_was_canceled_has_failed(memory: Store) -> None:
    log = Writer().begins("Move", given={}).say("FlowCanceled")
    told(memory, log, flow(Move=moves("Move", End=True)))
    (step,) = steps(memory)
    assert (step["status"], step["error"]) == ("FAILED", {"Error": "FlowCanceled"})


def test_codes_that_nobody_knows_are_kept_with_their_step(memory: Store) -> None:
    log = Writer().say("FlowPondered", mood="good").begins("Move", given={})
    log.say("ActionPolled", state_name="Move", attempt=2).say("Strange")
    log.ends("Move", Moved=status("Move", "a-1"))
    told(memory, log.say("FlowSucceeded"), flow(Move=moves("Move", End=True)))
    (step,) = memory.documents().run_steps("run-1")
    assert "log" in step.documents
    assert step.status == "SUCCEEDED"


def test_a_step_whose_end_the_log_lacks_stays_without_one(memory: Store) -> None:
    definition = flow(One=moves("One", Next="Two"), Two=moves("Two", End=True))
    log = Writer().moves("One", "first").moves("Two", "second")
    del log.entries[2]
    told(memory, log.say("FlowSucceeded"), definition)
    one, two = steps(memory)
    assert (one["name"], one["status"]) == ("One", "ACTIVE")
    assert two["status"] == "SUCCEEDED"
    whole = Writer().moves("One", "first").moves("Two", "second").say("FlowSucceeded")
    again = told(memory, whole, definition)
    assert (again.added, again.known, again.completed) == (0, 2, 1)
    assert [step["status"] for step in steps(memory)] == ["SUCCEEDED"] * 2


def test_a_private_result_is_not_there_and_its_step_still_is(memory: Store) -> None:
    state = moves("Move", ResultPath="$._private_moved", End=True)
    log = Writer().begins("Move", given={}).ends("Move").say("FlowSucceeded")
    told(memory, log, flow(Move=state))
    (step,) = steps(memory)
    assert (step["status"], step["action_id"]) == ("SUCCEEDED", None)


def test_a_choice_went_to_the_state_behind_the_one_that_asks(memory: Store) -> None:
    original = flow(
        Good={
            "Type": "Choice",
            "Choices": [{"Variable": "$.n", "NumericEquals": 2, "Next": "Bad"}],
            "Default": "Bad",
        },
        Bad={"Type": "Fail", "Error": "TooFew", "Cause": "too few epochs"},
    )
    url, options = "https://braid.example.org/harvest", Options(mode=Mode.RUN)
    definition = instrument(original, provider_url=url, options=options).definition
    asks = definition["States"]["Good"]["Default"]
    assert asks != "Bad"
    log = Writer().begins("Good", "Choice").ends("Good", "Choice").begins(asks)
    told(memory, log, definition)
    assert [step["tags"] for step in steps(memory)] == [{"next": "Bad"}]


def test_states_without_an_action_are_steps_in_their_place(memory: Store) -> None:
    definition = flow(
        Begin={"Type": "Pass", "Parameters": {"n": 1}, "ResultPath": "$.n", "Next": "Which"},
        Which={"Type": "Choice", "Choices": [], "Default": "Rest"},
        Rest={"Type": "Wait", "Seconds": 1, "Next": "Last"},
        Last=moves("Last", End=True),
    )
    log = Writer()
    log.begins("Begin", "Pass", {"n": 1}).ends("Begin", "Pass", n={"n": 1})
    log.begins("Which", "Choice", log.state).ends("Which", "Choice")
    log.begins("Rest", "Wait", log.state).ends("Rest", "Wait").moves("Last", "a-1")
    told(memory, log.say("FlowSucceeded"), definition)
    found = steps(memory)
    assert [step["type"] for step in found] == ["Pass", "Choice", "Wait", "Action"]
    assert [step["parameters"] for step in found[:3]] == [{"n": 1}, None, None]
    assert found[1]["tags"] == {"next": "Rest"}
    for before, after in itertools.pairwise(found):
        links = memory.documents().record(after["id"])["links"]
        informed = [link["id"] for link in links if link["role"] == "informed_by"]
        assert informed == [before["id"]]


def test_a_value_that_looks_like_an_expression_is_left_alone(memory: Store) -> None:
    state = moves("Move", End=True)
    state["Parameters"] = {"given.$": "$.given", "sum.=": "`$.n` + 1"}
    log = Writer({"n": 1, "given": {"x.=": "1 + 1"}})
    log.begins("Move", given={"given": {"x.=": "1 + 1"}, "sum.=": "`$.n` + 1"})
    log.ends("Move", Moved=status("Move", "a-1"))
    told(memory, log.say("FlowSucceeded"), flow(Move=state))
    assert steps(memory)[0]["parameters"] == {"given": {"x.=": "1 + 1"}, "sum": 2}


def test_an_expression_that_cannot_be_evaluated_any_more_says_so(memory: Store) -> None:
    state = moves("Move", End=True)
    state["Parameters"] = {"who.=": "`$._context.username` + '!'", "hidden": "secret"}
    log = Writer().begins("Move", given={"who.=": "`$._context.username` + '!'"})
    log.ends("Move", Moved=status("Move", "a-1"))
    told(memory, log.say("FlowSucceeded"), flow(Move=state))
    assert steps(memory)[0]["parameters"] == {"who": "[not recorded]", "hidden": "[redacted]"}


def test_times_of_the_action_that_cannot_be_are_those_of_the_log(memory: Store) -> None:
    log = Writer().begins("Move", given={})
    early = status("Move", "a-1", start_time="2026-10-01T00:00:00Z")
    log.ends("Move", Moved={**early, "completion_time": "2027-01-01T00:00:00Z"})
    told(memory, log.say("FlowSucceeded"), flow(Move=moves("Move", End=True)))
    (step,) = steps(memory)
    assert step["start_time"] == "2026-11-01T12:00:01.000000+00:00"
    assert step["completion_time"] == "2026-11-01T12:00:02.000000+00:00"


def test_a_run_object_tells_who_may_see_it(memory: Store) -> None:
    log = Writer().moves("Move", "a-1").say("FlowSucceeded")
    run = {
        "run_id": "run-1",
        "flow_id": "flow-1",
        "flow_title": "A flow",
        "label": "Ni",
        "status": "SUCCEEDED",
        "run_owner": ADA,
        "run_monitors": [BOB, "public"],
        "tags": ["night shift"],
        "completion_time": "2026-11-01T13:00:00+00:00",
    }
    told(memory, log, flow(Move=moves("Move", End=True)), **run)
    document = memory.documents().run("run-1")
    assert {name: document[name] for name in ("flow_id", "flow_title", "label", "tags")} == {
        "flow_id": "flow-1",
        "flow_title": "A flow",
        "label": "Ni",
        "tags": ["night shift"],
    }
    assert document["completion_time"] == "2026-11-01T13:00:00.000000+00:00"
    members = StoreService(memory).run_members("run-1")
    assert members is not None
    assert {principal: level.label for principal, level in members.items()} == {
        ADA: "manage",
        BOB: "read",
    }


def test_a_step_that_the_flow_is_about_to_record_waits(memory: Store) -> None:
    definition = instrument(
        flow(Move=moves("Move", Next="Last"), Last=moves("Last", End=True)),
        provider_url="https://braid.example.org/record",
        options=Options(),
    ).definition
    log = Writer().moves("Move", "a-1")
    first = told(memory, log, definition)
    assert (first.steps, first.added, first.waiting) == (1, 0, 1)
    record = definition["States"]["Move"]["Next"]
    body = {"run": {"run_id": "run-1"}, "step": {"name": "Move"}}
    log.begins(record, given=body)
    assert told(memory, log, definition).waiting == 1
    log.say("ActionFailed", state_name=record, state_type="Action", error="ActionUnableToRun")
    last = told(memory, log, definition)
    assert (last.added, last.waiting) == (1, 0)
    assert [step["name"] for step in steps(memory)] == ["Move"]


@pytest.mark.parametrize("either_way", [True, False])
def test_a_failure_that_the_flow_is_about_to_record_waits(memory: Store, either_way: bool) -> None:
    definition = instrument(
        flow(Move=moves("Move", End=True)),
        provider_url="https://braid.example.org/record",
        options=Options(record_either_way=either_way),
    ).definition
    record = kept = definition["States"]["Move"]["Catch"][0]["Next"]
    log = Writer().begins("Move", given={})
    log.say("ActionFailed", state_name="Move", error="ActionFailedException", cause="'gone'")
    if not either_way:
        record = definition["States"][kept]["Next"]
        log.begins(kept, "Pass", given={}).ends(kept, "Pass", _braid={"failed": {"name": "Move"}})
    body = {"run": {"run_id": "run-1"}, "step": {"name": "Move"}, "error": {"Error": "x"}}
    log.begins(record, given=body)
    first = told(memory, log, definition)
    assert (first.steps, first.added, first.waiting) == (1, 0, 1)
    log.say("ActionFailed", state_name=record, state_type="Action", error="ActionUnableToRun")
    assert told(memory, log, definition).added == 1
    (step,) = steps(memory)
    assert (step["name"], step["status"]) == ("Move", "FAILED")


# logs that are not whole, and clocks


def three_moves() -> tuple[Writer, dict[str, Any]]:
    definition = flow(
        One=moves("One", Next="Between"),
        Between={"Type": "Pass", "Next": "Two"},
        Two=moves("Two", Next="Three"),
        Three=moves("Three", End=True),
    )
    log = Writer().moves("One", "first").begins("Between", "Pass").ends("Between", "Pass")
    log.moves("Two", "second").moves("Three", "third")
    return log.say("FlowSucceeded", output=log.state), definition


PARTS: dict[str, tuple[slice, bool, int, str]] = {
    "its beginning": (slice(4, None), False, 2, "the log does not tell how the run began"),
    "its beginning, but for an end": (slice(2, None), False, 3, "how the run began"),
    "its end": (slice(0, 7), True, 3, "has further pages, which are missing"),
    "the middle": (slice(0, 0), False, 3, "entries of the log are missing between One and Two"),
}
"""What is there, whether pages are said to follow, how many steps are sure, and what is said."""


@pytest.mark.parametrize("order", ["oldest first", "newest first"])
@pytest.mark.parametrize("part", PARTS)
def test_a_part_of_a_log_says_what_is_missing_and_the_whole_log_adds_it(
    part: str, order: str, memory: Store
) -> None:
    log, definition = three_moves()
    there, more, sure, said = PARTS[part]
    entries = log.entries[there] or [*log.entries[:3], *log.entries[5:]]
    page = {"entries": entries[:: 1 if order == "oldest first" else -1], "has_next_page": more}
    run = {"run_id": "run-1", "status": "SUCCEEDED"}
    given = RunLog(page, definition, run)
    first = harvest(memory, given)
    assert any(said in note for note in first.notes), first.notes
    assert (first.added, first.added + first.waiting) == (sure, first.steps)
    assert not is_harvested(memory, "run-1")
    assert harvest(memory, given).known == sure
    whole = harvest(memory, RunLog(log.entries, definition, run))
    assert (whole.steps, whole.known, whole.added, whole.notes) == (4, sure, 4 - sure, [])
    assert is_harvested(memory, "run-1")
    found = steps(memory)
    assert sorted(step["name"] for step in found) == ["Between", "One", "Three", "Two"]
    assert all(step["status"] == "SUCCEEDED" for step in found)
    started = memory.documents().run("run-1")["start_time"]
    assert started == "2026-11-01T12:00:00.000000+00:00"


def test_a_run_whose_log_has_further_pages_is_not_told_to_have_gone_on_for_ever(
    memory: Store,
) -> None:
    """What the run object says of its end is sure, whatever of the log is there."""
    log, definition = three_moves()
    page = {"entries": log.entries[:3], "has_next_page": True}
    harvest(memory, RunLog(page, definition, {"run_id": "run-1", "status": "FAILED"}))
    assert memory.documents().run("run-1")["status"] == "FAILED"


@pytest.mark.parametrize(
    ("page", "more"),
    [
        ({"has_next_page": True, "marker": "m"}, True),
        ({"has_next_page": False, "marker": None}, False),
        ({"pagination_token": "t"}, True),
        ({"pagination_token": None}, False),
        ({"marker": "m", "limit": 3}, True),
        ({}, False),
    ],
)
def test_a_page_tells_whether_another_one_follows(
    page: dict[str, Any], more: bool, memory: Store
) -> None:
    log, definition = three_moves()
    given = {"entries": log.entries[:7], **page}
    done = harvest(memory, RunLog(given, definition, None, "run-1"))
    assert any("further pages" in note for note in done.notes) is more


def test_a_log_without_an_entry_is_not_the_whole_of_a_run(memory: Store) -> None:
    log, definition = three_moves()
    run = {"run_id": "run-1", "status": "SUCCEEDED"}
    done = harvest(memory, RunLog([], definition, run))
    assert (done.steps, done.notes) == (0, [])
    assert not is_harvested(memory, "run-1")
    assert harvest(memory, RunLog(log.entries, definition, run)).added == 4


def test_pages_in_any_order_are_one_log(memory: Store) -> None:
    log, definition = three_moves()
    entries = log.entries
    pages = [
        {"entries": entries[6:], "has_next_page": False},
        {"entries": entries[:3], "has_next_page": True},
        {"entries": entries[3:6], "has_next_page": True},
    ]
    done = harvest(memory, RunLog(pages, definition, None, "run-1"))
    assert (done.added, done.notes) == (4, [])


def test_a_definition_that_has_none_of_the_states_is_refused(memory: Store) -> None:
    log, _ = three_moves()
    with pytest.raises(
        InvalidInput, match=r"none of the run's states \(One, Between, Two, Three\)"
    ):
        told(memory, log, flow(Another=moves("Another", End=True)))
    assert memory.documents().runs()["runs"] == []


def test_states_that_the_definition_does_not_have_are_told(memory: Store) -> None:
    log, definition = three_moves()
    del definition["States"]["Three"]
    (note,) = told(memory, log, definition).notes
    assert note.startswith("the definition does not have Three")


@pytest.mark.parametrize("order", ["oldest first", "newest first"])
@pytest.mark.parametrize("back", [range(10), range(2, 4), range(9, 10), range(1)])
def test_entries_are_in_their_order_whatever_the_clock_says(
    order: str, back: range, memory: Store
) -> None:
    log, definition = three_moves()
    assert len(log.entries) == 10
    for place in back:
        log.entries[place]["time"] = f"2026-11-01T11:59:{59 - place:02d}.000000+00:00"
    entries = log.entries if order == "oldest first" else log.entries[::-1]
    done = told(memory, entries, definition)
    assert (done.added, done.notes) == (4, [])
    found = {step["name"]: step for step in steps(memory)}
    assert set(found) == {"One", "Between", "Two", "Three"}
    assert [found[name]["action_id"] for name in ("One", "Two", "Three")] == [
        "first",
        "second",
        "third",
    ]
    assert memory.documents().run("run-1")["status"] == "SUCCEEDED"


def test_a_later_file_is_not_what_an_earlier_run_used(memory: Store) -> None:
    made = memory.data("derived", uris=["globus://a/scan.h5"], depends_on=[memory.data("raw")])
    known = memory.data("registered later", uris=["globus://a/other.h5"])
    definition = flow(One=moves("One", Next="Two"), Two=moves("Two", End=True))
    log = Writer().moves("One", "first").moves("Two", "second", source="/other.h5")
    told(memory, log.say("FlowSucceeded"), definition)
    one, two = steps(memory)
    assert one["inputs"][0]["id"] != made.urn
    assert two["inputs"][0]["id"] == known.urn


def test_what_was_dropped_by_age_does_not_come_back(memory: Store) -> None:
    log = Writer().begins("Move", given={}).ends("Move", Moved=status("Move", "a-1"))
    definition = flow(Move=moves("Move", End=True))
    recorder = memory.recorder(run_id="run-1")
    step = recorder.step("Move", type="Action", action_id="a-1")
    step.finish()
    recorder.mark(step, Mark.REDUCED, "older than a year")
    again = told(memory, log.say("FlowSucceeded"), definition)
    assert (again.known, again.completed) == (1, 0)


def test_documents_that_a_recorded_step_lacks_are_added(memory: Store) -> None:
    log = Writer().begins("Move", given={"x": 1}).ends("Move", Moved=status("Move", "a-1"))
    definition = flow(Move=moves("Move", End=True))
    with memory.recorder(run_id="run-1").step("Move", type="Action", action_id="a-1"):
        pass
    again = told(memory, log.say("FlowSucceeded"), definition)
    assert (again.known, again.completed) == (1, 1)
    (step,) = steps(memory)
    assert step["parameters"]["x"] == 1
    assert memory.documents().record(step["id"])["result"]["action_id"] == "a-1"


def test_two_stores_give_a_step_the_same_name(tmp_path: Path) -> None:
    log = Writer().moves("Move", "a-1").say("FlowSucceeded")
    definition = flow(Move=moves("Move", End=True))
    names = []
    for name in ("one.db", "two.db"):
        with open_store(f"sqlite:///{tmp_path / name}") as store:
            store.data("something else")
            told(store, log, definition)
            names.append([step["id"] for step in steps(store)])
    assert names[0] == names[1]


def test_stores_that_harvested_the_same_run_can_be_merged(tmp_path: Path) -> None:
    log = Writer().moves("Move", "a-1").say("FlowSucceeded")
    definition = flow(Move=moves("Move", End=True))
    for name in ("one.db", "two.db"):
        with open_store(f"sqlite:///{tmp_path / name}") as store:
            told(store, log, definition)
    with open_store(f"sqlite:///{tmp_path / 'one.db'}") as store:
        store.merge(tmp_path / "two.db")
        assert len(steps(store)) == 1


def test_harvests_at_the_same_time_write_each_step_once(store: Store) -> None:
    definition = flow(Move=moves("Move", End=True))
    log = Writer()
    for number in range(12):
        log.moves("Move", f"action-{number}")
    log.say("FlowSucceeded")
    errors: list[BaseException] = []

    def work() -> None:
        try:
            told(store, log, definition)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert len(steps(store)) == 12


def test_a_step_that_moved_very_many_files_has_ids_enough(memory: Store) -> None:
    items = [{"source_path": f"/in/{n}", "destination_path": f"/out/{n}"} for n in range(3000)]
    given = {"source_endpoint": "a", "destination_endpoint": "b", "DATA": items}
    definition = flow(One=moves("One", Next="Two"), Two=moves("Two", End=True))
    log = Writer().begins("One", given=given).ends("One", Moved=status("One", "a-1"))
    told(memory, log.moves("Two", "a-2").say("FlowSucceeded"), definition)
    one, two = steps(memory)
    assert one["counts"]["links_used"] == 3000
    assert (two["name"], len(two["outputs"])) == ("Two", 1)


BAD_LOGS: dict[str, Any] = {
    "an object": {"log": []},
    "text": "FlowStarted",
    "null": None,
    "a number": 7,
    "numbers": [1, 2],
    "no codes": [{"time": "2026-11-01T12:00:00Z"}],
    "a code that is a number": [{"code": 7}],
    "a definition": {"StartAt": "A", "States": {}},
    "pages of nothing": [{"entries": 7}],
}


@pytest.mark.parametrize("name", BAD_LOGS)
def test_what_is_no_log_is_refused_with_its_place(name: str, memory: Store) -> None:
    with pytest.raises(InvalidInput, match="this is not") as refused:
        told(memory, BAD_LOGS[name], flow(Move=moves("Move", End=True)))
    assert refused.value.path.startswith("$")
    assert memory.info()["tables"]["record"] == 0


@pytest.mark.parametrize("definition", [{}, {"States": 7}, {"States": None}, {"definition": {}}])
def test_what_is_no_definition_is_refused(definition: Any, memory: Store) -> None:
    with pytest.raises(InvalidInput, match="no States"):
        told(memory, Writer().moves("Move", "a-1"), definition)


ODD_STATES: dict[str, Any] = {
    "missing": {},
    "no object": {"Move": 7},
    "nothing known": {"Move": {}},
    "a path that is none": {"Move": moves("Move", ResultPath="Moved")},
    "a path that is a number": {"Move": moves("Move", ResultPath=7)},
    "parameters that are a list": {"Move": moves("Move", Parameters=[1])},
    "a catch that is none": {"Move": moves("Move", Catch=7)},
    "catches that are none": {"Move": moves("Move", Catch=[7, {"Next": 7}])},
    "a type that is a number": {"Move": moves("Move", Type=7)},
    "an address that is a list": {"Move": moves("Move", ActionUrl=["x"])},
    "a comment that is null": {"Move": moves("Move", Comment=None, RunAs=None)},
}


@pytest.mark.parametrize("name", ODD_STATES)
def test_odd_definitions_still_give_the_steps(name: str, memory: Store) -> None:
    log = Writer().moves("Move", "a-1").begins("Move", given={})
    log.say("ActionFailed", state_name="Move", error="x", cause="{'a': 1}").say("FlowFailed")
    assert told(memory, log, {"States": ODD_STATES[name]}).added == 2
    assert [step["name"] for step in steps(memory)] == ["Move", "Move"]


ODD_ENTRIES: dict[str, Any] = {
    "no details": {"code": "ActionStarted"},
    "details that are text": {"code": "ActionStarted", "details": "x"},
    "a time that is none": {"code": "ActionPolled", "time": "soon"},
    "a time that is a number": {"code": "ActionPolled", "time": 7},
    "an empty code": {"code": ""},
    "a state that is a number": {"code": "ActionStarted", "details": {"state_name": 7}},
    "a state that is a NUL": {"code": "ActionStarted", "details": {"state_name": "\x00"}},
    "a lone surrogate": {"code": "PassStarted", "details": {"state_name": "a\ud800"}},
    "a long name": {"code": "PassStarted", "details": {"state_name": "a" * 9999}},
    "an end without a beginning": {
        "code": "ActionCompleted",
        "details": {"state_name": "Other", "output": [1]},
    },
    "an output that is null": {
        "code": "ActionCompleted",
        "details": {"state_name": "Other", "output": None},
    },
    "a type that is a list": {
        "code": "ActionStarted",
        "details": {"state_name": "Other", "state_type": []},
    },
}


@pytest.mark.parametrize("name", ODD_ENTRIES)
def test_odd_entries_do_not_cost_the_others(name: str, memory: Store) -> None:
    log = Writer().moves("Move", "a-1")
    log.entries.append(ODD_ENTRIES[name])
    log.moves("Move", "a-2").say("FlowSucceeded")
    told(memory, log, flow(Move=moves("Move", End=True)))
    found = [step["action_id"] for step in steps(memory) if step["name"] == "Move"]
    assert found == ["a-1", "a-2"]
    again = told(memory, log, flow(Move=moves("Move", End=True)))
    assert (again.added, again.completed) == (0, 0)


def test_of_values_that_are_nested_too_deeply_the_beginning_is_kept(memory: Store) -> None:
    deep: Any = {}
    for _ in range(900):
        deep = {"a": deep}
    log = Writer().begins("Move", given={"deep": deep})
    log.ends("Move", Moved=status("Move", "a-1")).say("FlowSucceeded")
    told(memory, log, flow(Move=moves("Move", End=True)))
    (step,) = steps(memory)
    assert step["name"] == "Move"
    assert "deep" in step["parameters"]["_unreadable"]
    assert "levels deep" in step["tags"]["braid_note"]
    again = told(memory, log, flow(Move=moves("Move", End=True)))
    assert (again.added, again.completed) == (0, 0)


def test_a_run_id_that_is_none_is_refused(memory: Store) -> None:
    log = Writer().moves("Move", "a-1")
    with pytest.raises(InvalidInput, match="1 to 64"):
        harvest(memory, RunLog(log.entries, flow(Move=moves("Move")), {"run_id": "x" * 65}))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is not JSON"),
        (b"[", "is not JSON"),
        (b'[{"code": "FlowSta', "is not JSON"),
        (b"\xff\xfe", "is not UTF-8"),
        (b"[" * 100_000, "nested too deeply"),
        (b"[" + b"9" * 5000 + b"]", "too long"),
    ],
)
def test_a_file_that_is_no_json_is_refused_with_its_place(
    content: bytes, words: str, tmp_path: Path
) -> None:
    file = tmp_path / "log.json"
    file.write_bytes(content)
    with pytest.raises(InvalidInput, match=words) as refused:
        load_log(file)
    assert str(file) in str(refused.value)


def test_a_file_that_is_too_large_names_the_setting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BRAID_LOG_LIMIT_BYTES", "1024")
    file = tmp_path / "log.json"
    file.write_text(json.dumps(["x" * 2000]))
    with pytest.raises(BraidError, match="BRAID_LOG_LIMIT_BYTES"):
        load_log(file)


def test_a_file_that_goes_from_run_to_run_is_one_record(memory: Store) -> None:
    definition = flow(Move=moves("Move", End=True))
    first = Writer().moves("Move", "a-1").say("FlowSucceeded")
    harvest(memory, RunLog(first.entries, definition, run_id="run-1"))
    state = moves("On", End=True)
    state["Parameters"]["source_endpoint"] = "b"
    second = Writer({"path": "/Move"})
    given = {
        "source_endpoint": "b",
        "destination_endpoint": "c",
        "DATA": [{"source_path": "/Move", "destination_path": "/On"}],
    }
    second.begins("On", given=given).ends("On", Moved=status("On", "a-2")).say("FlowSucceeded")
    for entry in second.entries:
        entry["time"] = entry["time"].replace("T12", "T13")
    harvest(memory, RunLog(second.entries, flow(On=state), run_id="run-2"))
    reader = memory.documents()
    made = reader.run("run-1")["steps"][0]["outputs"]
    used = reader.run("run-2")["steps"][0]["inputs"]
    assert [record["id"] for record in made] == [record["id"] for record in used]


def test_a_long_run_is_written_in_pieces(memory: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flows.harvest.harvesting.ROWS_TOGETHER", 40)
    definition = flow(Move=moves("Move", End=True))
    log = Writer()
    for number in range(20):
        log.moves("Move", f"action-{number}")
    log.say("FlowSucceeded")
    assert told(memory, log, definition).added == 20
    assert len(steps(memory)) == 20
    assert told(memory, log, definition).added == 0
