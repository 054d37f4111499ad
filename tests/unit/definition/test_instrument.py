"""What is put into a flow definition, rule by rule."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from flows.definition import (
    MissingResultPath,
    Mode,
    Options,
    ResultDetail,
    Severity,
    WholeState,
    definition_digest,
    instrument,
    record_state_example,
    strip,
    validate,
)
from flows.definition.problems import without_nulls
from flows.definition.strip import injected
from provenance_store.errors import InvalidInput
from tests.unit.definition.builders import URL, action, done, flow

Definition = dict[str, Any]
FIRST = Path(__file__).parents[2] / "fixtures" / "first-comments" / "instrumented.json"
"""A definition, and what the version that marked states with sentences made of it."""
BEFORE_OUTCOME = FIRST.parents[1] / "before-outcome" / "instrumented.json"
"""A definition, and what was made of it when a failure that nothing catches had its own states."""


def woven(definition: Definition, **options: Any) -> Definition:
    """The states around steps whose own failures are left alone unless a test is about them."""
    chosen = Options(**{"record_uncaught": False, **options})
    return instrument(definition, provider_url=URL, options=chosen).definition["States"]


def notes(definition: Definition, **options: Any) -> dict[str, str]:
    chosen = Options(**{"record_uncaught": False, **options})
    found = instrument(definition, provider_url=URL, options=chosen).notes
    return {note.path: note.message for note in found}


# 1: edges


def test_a_record_stands_between_a_step_and_what_followed_it() -> None:
    states = woven(flow(A=action(Next="B"), B=done()))
    assert states["A"]["Next"] == "Braid A"
    assert states["Braid A"]["Next"] == "B"
    assert "End" not in states["A"]


def test_a_last_step_hands_its_end_to_the_record() -> None:
    states = woven(flow(A=action()))
    assert states["A"]["Next"] == "Braid A"
    assert "End" not in states["A"]
    assert states["Braid A"]["End"] is True
    assert states["Braid end"] == {
        "Type": "Pass",
        "Comment": states["Braid end"]["Comment"],
        "End": True,
    }


def test_choices_and_the_start_still_lead_to_the_same_states() -> None:
    test = {"Variable": "$.x", "IsPresent": True, "Next": "A"}
    pick = {"Type": "Choice", "Choices": [test], "Default": "B"}
    states = woven(flow(Pick=pick, A=action(Next="B"), B=done()))
    assert states["Pick"] == pick


def test_a_caught_failure_is_recorded_on_the_edge_to_its_handler() -> None:
    first = {"ErrorEquals": ["ActionTimeout"], "ResultPath": "$.late", "Next": "Z"}
    second = {"ErrorEquals": ["States.ALL"], "ResultPath": "$.e", "Next": "Z"}
    states = woven(flow(A=action(Catch=[first, second], Next="Z"), Z=done()))
    names = [entry["Next"] for entry in states["A"]["Catch"]]
    assert names == ["Braid failure of A", "Braid failure of A 2"]
    for name, path in zip(names, ("$.late", "$.e"), strict=True):
        assert states[name]["Next"] == "Z"
        assert states[name]["Parameters"]["error.$"] == path
        assert states[name]["Parameters"]["run"].get("status") == "ACTIVE"
    assert [entry["ErrorEquals"] for entry in states["A"]["Catch"]] == [
        ["ActionTimeout"],
        ["States.ALL"],
    ]


def test_a_step_that_is_its_own_handler_is_tried_again_after_the_record() -> None:
    again = {"ErrorEquals": ["ActionTimeout"], "ResultPath": "$.e", "Next": "A"}
    states = woven(flow(A=action(Catch=[again])))
    assert states["Braid failure of A"]["Next"] == "A"


# 2, 3: places and safety


def test_every_record_goes_on_to_the_same_state_whatever_happens() -> None:
    catch = {"ErrorEquals": ["States.ALL"], "ResultPath": "$.e", "Next": "F"}
    definition = flow(A=action(Catch=[catch], Next="B"), B=done(), F={"Type": "Fail", "Error": "E"})
    states = woven(definition)
    records = [state for state in states.values() if state.get("ActionUrl") == URL]
    assert len(records) == 4
    for record in records:
        following = record.get("Next", "Braid end")
        assert record["WaitTime"] == 60
        assert record["Catch"] == [
            {"ErrorEquals": ["States.ALL"], "ResultPath": record["ResultPath"], "Next": following}
        ]
        assert record["ResultPath"].startswith("$._braid.")


def test_places_and_names_that_an_author_uses_are_left_to_them() -> None:
    mine = {"Type": "Pass", "InputPath": "$.a", "ResultPath": "$._braid.A", "Next": "Braid end"}
    definition = flow(A=action(Next="Braid A"), **{"Braid A": mine, "Braid end": done()})
    states = woven(definition)
    assert states["A"]["Next"] == "Braid A 2"
    assert states["Braid A 2"]["ResultPath"] == "$._braid.A_2"
    assert strip(instrument(definition, provider_url=URL).definition) == definition


def test_state_names_become_places_that_paths_can_spell() -> None:
    definition = flow(**{"Bild é (1)": action(Next="_private"), "_private": action()})
    records = [s for s in woven(definition).values() if s.get("ActionUrl") == URL]
    places = [state["ResultPath"] for state in records]
    assert places == ["$._braid.Bild_1", "$._braid.private"]


def test_names_never_exceed_what_the_service_takes() -> None:
    long = "x" * 128
    states = woven(flow(**{long: action()}))
    assert max(map(len, states)) == 128


# 4: results that replace the state


@pytest.mark.parametrize("path", [None, "$"])
def test_a_step_without_result_path_is_refused_with_the_ways_out(path: str | None) -> None:
    with pytest.raises(InvalidInput, match=r"\$\.States\.A: A is without a ResultPath.*set.*skip"):
        woven(flow(A=action(ResultPath=path)))


@pytest.mark.parametrize("path", [None, "$"])
def test_a_result_path_is_set_on_request_and_taken_back(path: str | None) -> None:
    definition = flow(A=action(ResultPath=path))
    done_so = instrument(
        definition,
        provider_url=URL,
        options=Options(on_missing_result_path=MissingResultPath.SET),
    )
    assert done_so.definition["States"]["A"]["ResultPath"] == "$.AResult"
    assert any("$.AResult" in note.message for note in done_so.notes)
    assert json.dumps(strip(done_so.definition)) == json.dumps(definition)


def test_a_step_without_result_path_is_left_alone_on_request() -> None:
    definition = flow(A=action(ResultPath=None))
    assert woven(definition, on_missing_result_path=MissingResultPath.SKIP) == definition["States"]
    said = [
        note.message
        for note in instrument(
            definition,
            provider_url=URL,
            options=Options(on_missing_result_path=MissingResultPath.SKIP),
        ).notes
    ]
    assert any("not recorded" in message for message in said)


def test_who_reads_the_whole_state_would_see_the_receipts() -> None:
    copying = {"Type": "Pass", "ResultPath": "$.copy", "Next": "B"}
    definition = flow(A=action(Next="P"), P=copying, B=action(InputPath="$", Parameters=None))
    with pytest.raises(InvalidInput, match=r"\$\.States\.P: the whole of the run's state"):
        woven(definition)
    assert "_braid" in notes(definition, on_whole_state=WholeState.ACCEPT)["$.States.B.InputPath"]


def test_the_first_step_may_take_the_whole_input() -> None:
    states = woven(flow(A=action(InputPath="$", Parameters=None)))
    assert states["Braid A"]["Parameters"]["parameters"] == "[not recorded]"


# 5: inputs and secrets


def test_only_what_the_step_overwrites_is_kept_aside() -> None:
    step = action(
        Parameters={"old.$": "$.Done.size", "other.$": "$.x", "sum.=": "`$.Done.n` + x.n"},
        Next="A",
    )
    definition = flow(Start={"Type": "Pass", "Next": "A"}, A=step)
    states = woven(definition)
    assert states["Start"]["Next"] == states["Braid A"]["Next"] == "Braid before A"
    assert states["Braid before A"] == {
        "Type": "ExpressionEval",
        "Comment": states["Braid before A"]["Comment"],
        "Parameters": {
            "v0.=": "getattr('Done.size',None)",
            "v1.=": "getattr('Done.n',None)",
        },
        "ResultPath": "$._braid.A",
        "Next": "A",
    }
    assert states["Braid A"]["Parameters"]["parameters"] == {
        "old.$": "$._braid.A.v0",
        "other.$": "$.x",
        "sum.=": "`$._braid.A.v1` + x.n",
    }
    assert "kept aside" in notes(definition)["$.States.A"]


def test_what_a_catch_overwrites_is_kept_aside_too() -> None:
    catch = {"ErrorEquals": ["States.ALL"], "ResultPath": "$.input", "Next": "Z"}
    step = action(Parameters={"a.$": "$.input.x"}, Catch=[catch], Next="Z")
    states = woven(flow(A=step, Z=done()))
    for name in ("Braid A", "Braid failure of A"):
        assert states[name]["Parameters"]["parameters"] == {"a.$": "$._braid.A.v0"}


def test_an_input_path_is_recorded_as_the_value_at_that_path() -> None:
    plain = woven(flow(A=action(Parameters=None, InputPath="$.x")))
    assert plain["Braid A"]["Parameters"]["parameters.$"] == "$.x"
    step = action(Parameters=None, InputPath="$.Done.items[0]")
    kept = woven(flow(A=step))
    assert kept["Braid before A"]["Parameters"] == {"v0.=": "getattr('Done.items[0]',None)"}
    assert kept["Braid A"]["Parameters"]["parameters.$"] == "$._braid.A.v0"


def test_what_cannot_be_captured_is_left_out_and_said() -> None:
    step = action(
        Parameters={
            "a.$": "$['my result'].x",
            "b.=": "getattr(name, 1)",
            "c.=": "getattr('y.z', q)",
        },
        ResultPath="$['my result']",
        Catch=[{"ErrorEquals": ["States.ALL"], "ResultPath": "$.y", "Next": "Z"}],
        Next="Z",
    )
    definition = flow(A=step, Z=done())
    recorded = woven(definition)["Braid A"]["Parameters"]["parameters"]
    assert recorded == dict.fromkeys("abc", "[not recorded]")
    found = instrument(definition, provider_url=URL).notes
    assert [n.message.split(":")[0] for n in found if "leaves out" in n.message] == [
        f"its record leaves out Parameters.{name}" for name in "abc"
    ]


SECRET = {
    "declared": "hunter2",
    "later.$": "$.plain",
    "send_credentials": [{"value": "hunter2"}],
    "auth_header.$": "$.header",
    "path.$": "$._private_header",
    "deep.$": "$.input.api_token",
    "computed.=": "'x' + `$._private_x`",
    "bare.=": "input.password",
    "header": "Bearer hunter2",
    "command": ["curl", "-u", "me:hunter2", "https://h"],
    "headers": [["X-Auth-Token", "hunter2"], ["Accept", "*/*"]],
    "nested": [
        {"k": 1, "Authorization": "hunter2"},
        {"own": "hunter2", "__Private_Parameters": ["own"]},
    ],
    "max_tokens": 5,
    "__Private_Parameters": ["declared", "later"],
}


def test_nothing_private_is_copied() -> None:
    record = woven(flow(A=action(Parameters=SECRET)))["Braid A"]
    hidden = "[redacted]"
    assert record["Parameters"]["parameters"] == {
        **dict.fromkeys(("declared", "later", "send_credentials", "auth_header"), hidden),
        **dict.fromkeys(("path", "deep", "computed", "bare"), hidden),
        "header": f"Bearer {hidden}",
        "command": ["curl", "-u", f"me:{hidden}", "https://h"],
        "headers": [["X-Auth-Token", hidden], ["Accept", "*/*"]],
        "nested": [{"k": 1, "Authorization": hidden}, {"own": hidden}],
        "max_tokens": 5,
    }
    assert "hunter2" not in json.dumps(record)


def test_a_private_result_is_not_sent() -> None:
    catch = {"ErrorEquals": ["States.ALL"], "ResultPath": "$._private_e", "Next": "Z"}
    definition = flow(A=action(ResultPath="$._private_r", Catch=[catch], Next="Z"), Z=done())
    states = woven(definition)
    assert "result.$" not in states["Braid A"]["Parameters"]
    assert "error.$" not in states["Braid failure of A"]["Parameters"]


# 6-8, 10-12: constants, context, identity, rights


def test_a_record_says_which_step_of_which_run_it_is() -> None:
    definition = flow(A=action(RunAs="curator", Comment="Copies"))
    parameters = woven(definition)["Braid A"]["Parameters"]
    assert parameters["run"] == {
        "run_id.$": "$._context.run_id",
        "flow_id.$": "$._context.flow_id",
        "run_owner.$": "$._context.user_id",
        "username.$": "$._context.username",
        "status": "SUCCEEDED",
    }
    assert parameters["step"] == {
        "name": "A",
        "action_url": "https://transfer.actions.globus.org/transfer/",
        "run_as": "curator",
        "comment": "Copies",
        "definition_digest": definition_digest(definition),
    }
    assert parameters["result.$"] == "$.Done"


def test_what_is_the_same_in_all_of_a_run_is_said_where_it_begins() -> None:
    either = {
        "Type": "Choice",
        "Choices": [{"Variable": "$.x", "IsPresent": True, "Next": "A"}],
        "Default": "B",
    }
    definition = flow(
        Either=either, A=action(Next="B"), B=action(Next="C"), C=action(Next="D"), D=action()
    )
    said = {name: woven(definition)[f"Braid {name}"]["Parameters"] for name in "ABCD"}
    whole = {"run_id.$", "flow_id.$", "run_owner.$", "username.$", "status"}
    assert set(said["A"]["run"]) == set(said["B"]["run"]) == whole
    assert said["A"]["run"]["status"] == said["B"]["run"]["status"] == "ACTIVE"
    assert said["C"]["run"] == {"run_id.$": "$._context.run_id"}
    assert set(said["D"]["run"]) == {"run_id.$", "flow_id.$", "status"}
    told = [name for name in "ABCD" if "definition_digest" in said[name]["step"]]
    assert told == ["A", "B"]


def test_a_handler_need_not_answer_like_an_action() -> None:
    uuid = "0a1b2c3d-0a1b-4c3d-8e9f-0a1b2c3d4e5f"
    step = action(ActionUrl=None, Handler={"Type": "RegisteredAPI", "Id": uuid})
    parameters = woven(flow(A=step))["Braid A"]["Parameters"]
    assert parameters["step"]["action_url"] == uuid
    assert "action_id.$" not in parameters["step"]
    sent = woven(flow(A=step), result=ResultDetail.STATUS)["Braid A"]["Parameters"]
    assert "action_id.$" not in sent["step"]


def test_only_the_status_of_a_result_is_sent_on_request() -> None:
    parameters = woven(flow(A=action()), result=ResultDetail.STATUS)["Braid A"]["Parameters"]
    assert "result.$" not in parameters
    assert parameters["step"]["status.$"] == "$.Done.status"
    assert parameters["step"]["action_id.$"] == "$.Done.action_id"


def test_records_run_as_the_user_unless_told_otherwise() -> None:
    definition = flow(A=action())
    assert "RunAs" not in woven(definition)["Braid A"]
    assert woven(definition, run_as="Flow")["Braid A"]["RunAs"] == "Flow"
    assert "consent" in notes(definition)["$"]
    assert "own word" in notes(definition, run_as="Flow")["$"]


def test_the_scope_of_the_provider_is_named_when_it_is_known() -> None:
    found = instrument(flow(A=action()), provider_url=URL, provider_scope="https://scope")
    record = found.definition["States"]["Braid A"]
    assert record["ActionScope"] == "https://scope"
    assert "ActionScope" not in woven(flow(A=action()))["Braid A"]


def test_the_digest_is_of_the_original_however_it_is_laid_out() -> None:
    definition = flow(A=action())
    turned = {"States": definition["States"], "StartAt": "A"}
    once = instrument(definition, provider_url=URL).definition
    again = instrument(once, provider_url=URL).definition
    assert (
        definition_digest(turned)
        == definition_digest(definition)
        == definition_digest(strip(again))
    )
    assert definition_digest(definition).startswith("sha256:")


# 9: states that are no actions


def test_a_failing_end_is_recorded_before_it_on_every_way_to_it() -> None:
    fail = {"Type": "Fail", "ErrorPath": "$.e.Error", "Cause": "so"}
    catch = {"ErrorEquals": ["States.ALL"], "ResultPath": "$.e", "Next": "F"}
    states = woven(flow(A=action(Catch=[catch], Next="F"), F=fail))
    assert states["F"] == fail
    record = states["Braid F"]
    assert record["Next"] == "F"
    assert states["Braid A"]["Next"] == "Braid F"
    assert states["Braid failure of A"]["Next"] == "Braid F"
    assert record["Parameters"]["run"]["status"] == "FAILED"
    error = record["Parameters"]["error"]
    assert error == {"Error.=": "getattr('e.Error', None)", "Cause": "so"}


@pytest.mark.parametrize(
    "end",
    [
        {"Type": "Pass", "End": True},
        {"Type": "Wait", "Seconds": 1, "End": True},
        {"Type": "ExpressionEval", "Parameters": {}, "ResultPath": "$.x", "End": True},
    ],
)
def test_the_last_step_of_a_run_is_recorded_whatever_it_is(end: Definition) -> None:
    definition = flow(A=action(Next="B"), B=end)
    parameters = woven(definition)["Braid B"]["Parameters"]
    assert parameters["run"]["status"] == "SUCCEEDED"
    assert parameters["step"]["type"] == end["Type"]
    assert woven(definition, record_end=False)["B"] == end


def test_states_that_nobody_else_carries_out_are_left_to_the_log() -> None:
    definition = flow(
        A={"Type": "Pass", "Next": "B"}, B={"Type": "Wait", "Seconds": 1, "End": True}
    )
    assert woven(definition, record_end=False) == definition["States"]


def test_an_output_that_is_no_object_gets_no_receipt() -> None:
    definition = flow(A={"Type": "Pass", "InputPath": "$.list", "Next": "B"}, B=done())
    assert woven(definition) == definition["States"]
    assert "no object" in notes(definition)["$.States.B"]


def test_web_inputs_are_recorded_as_what_a_person_answered() -> None:
    step = {
        "Type": "AwaitWebInput",
        "Parameters": {"web_input_id.$": "$.Ask.web_input_id"},
        "ResultPath": "$.Answer",
        "End": True,
    }
    parameters = woven(flow(A=step))["Braid A"]["Parameters"]
    assert parameters["step"]["type"] == "AwaitWebInput"
    assert parameters["result.$"] == "$.Answer"


# failures that end the run


def test_a_failure_that_ends_the_run_is_said_not_to_be_recorded() -> None:
    said = notes(flow(A=action()), record_uncaught=False)["$.States.A"]
    assert said.startswith("ActionFailedException, ActionTimeout, ActionUnableToRun here would end")
    assert said.endswith("--record-uncaught records it.")
    quiet = notes(flow(A=action(ExceptionOnActionFailure=False)))["$.States.A"]
    assert quiet.startswith("ActionTimeout, ActionUnableToRun here")
    catch = [{"ErrorEquals": ["States.ALL"], "ResultPath": "$.e", "Next": "Z"}]
    assert "$.States.A" not in notes(flow(A=action(Catch=catch, Next="Z"), Z=done()))


@pytest.mark.parametrize(
    "options", [{}, {"record_either_way": False}, {"result": ResultDetail.STATUS}]
)
def test_a_failure_that_nothing_catches_is_recorded_and_taken_out_again(
    options: dict[str, Any],
) -> None:
    definition = flow(A=action(Catch=[], Next="B"), B=action())
    whole = instrument(definition, provider_url=URL, options=Options(**options))
    states = whole.definition["States"]
    if options:
        for name in "AB":
            (added,) = states[name]["Catch"]
            assert (added["ErrorEquals"], added["ResultPath"]) == (["States.ALL"], "$._braid.error")
            step = states[added["Next"]]
            assert (step["Type"], step["Result"]["name"]) == ("Pass", name)
            assert (step["ResultPath"], step["Next"]) == ("$._braid.failed", "Braid failure")
        record = states["Braid failure"]
        assert record["Parameters"]["run"]["status"] == "FAILED"
        assert record["Parameters"]["step.$"] == "$._braid.failed"
        assert record["Parameters"]["error.$"] == "$._braid.error"
        assert record["Next"] == record["Catch"][0]["Next"] == "Braid fail"
    else:
        for name, following, guard in (("A", "B", "Braid 1"), ("B", "Braid end", "Braid 2")):
            (added,) = states[name]["Catch"]
            assert (added["ErrorEquals"], added["ResultPath"]) == (["States.ALL"], "$._braid.error")
            record = states[added["Next"]]
            assert added["Next"] == states[name]["Next"] == f"Braid {name}"
            assert record["Next"] == record["Catch"][0]["Next"] == guard
            (rule,) = states[guard]["Choices"]
            assert (rule["Variable"], rule["Next"]) == ("$._braid.error.Error", "Braid fail")
            assert states[guard]["Default"] == following
    assert states["Braid fail"] == {
        "Type": "Fail",
        "Comment": states["Braid fail"]["Comment"],
        "ErrorPath": "$._braid.error.Error",
        "CausePath": "$._braid.error.Cause",
    }
    assert any("'Braid fail' with the same Error and Cause" in n.message for n in whole.notes)
    assert json.dumps(strip(whole.definition)) == json.dumps(definition)


def test_a_failure_where_its_error_could_not_be_kept_is_left_to_end_the_run() -> None:
    definition = flow(
        A={"Type": "Pass", "InputPath": "$.list", "Next": "B"},
        B=action(ResultPath=None, Next="C"),
        C=action(),
    )
    chosen = {"on_missing_result_path": MissingResultPath.SET, "record_uncaught": True}
    states = woven(definition, **chosen)
    assert "Catch" not in states["B"]
    assert "may be no object" in notes(definition, **chosen)["$.States.B"]
    by_run = instrument(
        definition, provider_url="https://b.example.org/harvest", options=Options(mode=Mode.RUN)
    )
    assert "Catch" not in by_run.definition["States"]["B"]


def test_what_was_made_before_one_state_recorded_either_way_is_taken_out_and_renewed() -> None:
    known = json.loads(BEFORE_OUTCOME.read_text())
    original, before = known["original"], known["step"]
    assert json.dumps(strip(before)) == json.dumps(original)
    setting = Options(on_missing_result_path=MissingResultPath.SET)
    renewed = instrument(before, provider_url=URL, options=setting).definition
    assert renewed == instrument(original, provider_url=URL, options=setting).definition
    assert any("outcome.=" in state.get("Parameters", {}) for state in renewed["States"].values())


def test_a_choice_of_an_author_about_an_error_of_ours_is_theirs() -> None:
    rule = {"Variable": "$._braid.error.Error", "IsPresent": True, "Next": "Z"}
    asks = {"Type": "Choice", "Choices": [rule], "Default": "Z"}
    definition = flow(A=action(Next="Ask"), Ask=asks, Z=done())
    made = instrument(definition, provider_url=URL).definition
    assert json.dumps(strip(made)) == json.dumps(definition)
    assert made["States"]["Ask"]["Choices"][0]["Next"] == "Z"
    added = {"start", "A", "1", "Z", "fail", "end"}
    assert set(injected(made["States"])) == {f"Braid {name}" for name in added}


def test_what_the_first_form_of_comments_marks_is_taken_out_and_renewed() -> None:
    known = json.loads(FIRST.read_text())
    original, by_step, by_run = known["original"], known["step"], known["run"]
    setting = Options(on_missing_result_path=MissingResultPath.SET)
    for woven_before in (by_step, by_run):
        assert json.dumps(strip(woven_before)) == json.dumps(original)
        renewed = instrument(woven_before, provider_url=URL, options=setting).definition
        assert renewed == instrument(original, provider_url=URL, options=setting).definition


NULLS: dict[str, Definition] = {
    "Comment": flow(A=action(Comment=None) | {"Comment": None}),
    "Parameters": flow(A={"Type": "Pass", "Parameters": None, "Next": "B"}, B=action()),
    "Next and End": flow(A=action(Next="B") | {"End": None}, B={"Next": None} | action()),
    "Catch": flow(A={"Catch": None} | action()),
    "ResultPath": flow(A=action() | {"ResultPath": None}),
    "of a Catch": flow(
        A=action(
            Catch=[{"ErrorEquals": ["States.ALL"], "ResultPath": None, "Next": "Z"}], Next="Z"
        ),
        Z=done(),
    ),
    "of all": {"Comment": None} | flow(A=action()),
}
"""What older clients wrote for what was not set."""


@pytest.mark.parametrize("name", NULLS)
@pytest.mark.parametrize("mode", Mode)
def test_keys_that_are_null_are_as_good_as_absent_and_come_back(name: str, mode: Mode) -> None:
    definition = NULLS[name]
    plain = without_nulls(definition)
    chosen = Options(mode=mode, on_missing_result_path=MissingResultPath.SET)
    url = URL if mode is Mode.STEP else URL.replace("record", "harvest")
    made = instrument(definition, provider_url=url, options=chosen)
    assert not [p for p in validate(made.definition) if p.severity is Severity.ERROR]
    assert json.dumps(strip(made.definition)) == json.dumps(definition)
    again = instrument(made.definition, provider_url=url, options=chosen).definition
    assert json.dumps(again) == json.dumps(made.definition)
    as_plain = instrument(plain, provider_url=url, options=chosen).definition
    digests = {definition_digest(plain): definition_digest(definition)}
    assert without_marks(made.definition) == without_marks(as_plain, digests)


def without_marks(definition: Definition, digests: Mapping[str, str] | None = None) -> Definition:
    """The definition without nulls and comments, and with another digest where it tells one."""
    text = json.dumps(without_nulls(definition))
    for old, new in (digests or {}).items():
        text = text.replace(old, new)
    found: Definition = json.loads(text)
    for state in found["States"].values():
        state.pop("Comment", None)
    return found


def test_a_comment_that_only_looks_like_a_mark_is_an_authors() -> None:
    comments = ("Braid #17 is hot", "Braid #after lunch", "Braid #", "Recorded by Braid", "braid")
    for comment in comments:
        definition = flow(A=done(Comment=comment))
        assert strip(definition) == definition


# refusals, and the rest of the house


def test_an_invalid_definition_is_refused_with_its_first_problem() -> None:
    with pytest.raises(InvalidInput, match=r"\$\.States\.A\.Next: there is no state 'B'; name one"):
        woven(flow(A=action(Next="B")))


@pytest.mark.parametrize(
    "value", [[], None, {}, {"States": 3}, {"StartAt": [], "States": {"A": 1}}]
)
def test_what_is_no_definition_is_refused(value: Any) -> None:
    with pytest.raises(InvalidInput):
        instrument(value, provider_url=URL)


@pytest.mark.parametrize("url", ["", "braid", "http://braid.example.org/", "ftp://x"])
def test_a_provider_without_an_https_address_is_refused(url: str) -> None:
    with pytest.raises(InvalidInput, match="provider_url"):
        instrument(flow(A=action()), provider_url=url)


def test_the_definition_that_was_given_is_not_touched() -> None:
    definition = flow(A=action(Parameters=copy.deepcopy(SECRET)))
    before = copy.deepcopy(definition)
    strip(instrument(definition, provider_url=URL).definition)
    assert definition == before


def test_what_an_author_adds_to_an_instrumented_flow_survives_stripping() -> None:
    definition = instrument(flow(A=action()), provider_url=URL).definition
    states = copy.deepcopy(definition["States"])
    states["Braid 1"]["Default"] = "Mine"
    states["Mine"] = done()
    assert strip({**definition, "States": states}) == flow(
        A=action(End=None, Next="Mine"), Mine=done()
    )


def test_an_edge_that_cannot_be_restored_is_refused() -> None:
    definition = instrument(flow(A=action(Next="B"), B=done()), provider_url=URL).definition
    with pytest.raises(InvalidInput, match="which ends the run"):
        strip({**definition, "StartAt": "Braid B"})


def test_a_record_state_written_by_hand_is_valid_and_left_alone() -> None:
    record = record_state_example(following=None)
    definition = flow(Train=action(ResultPath="$.TrainResult", Next="Record"), Record=record)
    assert not [p for p in validate(definition) if p.severity is Severity.ERROR]
    assert strip(definition) == definition
    assert strip(instrument(definition, provider_url=URL).definition) == definition


def by_hand(step: str, following: str = "Z", **changes: Any) -> Definition:
    return {**record_state_example(step=step, following=following), "ActionUrl": URL, **changes}


@pytest.mark.parametrize("url", [URL, f"{URL}/"])
def test_a_step_that_its_author_records_is_not_recorded_again(url: str) -> None:
    record = by_hand("Train", ActionUrl=url)
    definition = flow(Train=action(ResultPath="$.R", Next="Record"), Record=record, Z=done())
    states = woven(definition)
    assert states["Record"] == record
    assert states["Train"] == definition["States"]["Train"]
    assert list(states) == ["Train", "Record", "Z", "Braid Z", "Braid end"]
    assert states["Braid Z"]["Parameters"]["run"].keys() >= {"run_owner.$", "flow_id.$"}
    said = [note.message for note in instrument(definition, provider_url=URL).notes]
    assert any("its author records it in 'Record'" in message for message in said)
    assert strip(instrument(definition, provider_url=URL).definition) == definition


@pytest.mark.parametrize(
    "record",
    [
        by_hand("Another"),
        by_hand("Train", ActionUrl="https://another.example.org/record"),
        by_hand("Train", Parameters={"run": {"run_id": "r"}, "step": {"name.$": "$.name"}}),
        by_hand("Train", Parameters={"run": {"run_id": "r"}, "step.$": "$.step"}),
        {"Type": "Pass", "Next": "Z"},
    ],
)
def test_only_a_state_that_surely_records_the_step_is_taken_for_its_record(
    record: Definition,
) -> None:
    states = woven(flow(Train=action(ResultPath="$.R", Next="Record"), Record=record, Z=done()))
    assert states["Braid Train"]["Next"] == "Record"


def test_failures_of_a_step_that_its_author_records_are_recorded() -> None:
    catch = [{"ErrorEquals": ["States.ALL"], "ResultPath": "$.input.error", "Next": "Z"}]
    train = action(
        Parameters={"a.$": "$.input", "b.$": "$.R"}, ResultPath="$.R", Next="Record", Catch=catch
    )
    definition = flow(Train=train, Record=by_hand("Train"), Z=done())
    states = woven(definition)
    failure = states["Braid failure of Train"]
    # Only what the Catch overwrites has to be kept aside; the step's result is not there then.
    assert states["Braid before Train"]["Parameters"] == {"v0.=": "getattr('input',None)"}
    assert failure["Parameters"]["parameters"] == {"a.$": "$._braid.Train_2.v0", "b.$": "$.R"}
    assert "Braid Train" not in states
    assert strip(instrument(definition, provider_url=URL).definition) == definition


def test_a_step_that_its_author_records_needs_no_result_path() -> None:
    definition = flow(
        Train=action(ResultPath=None, Next="Record"), Record=by_hand("Train"), Z=done()
    )
    for choice in MissingResultPath:
        assert woven(definition, on_missing_result_path=choice)["Train"].get("ResultPath") is None


def test_the_whole_state_may_be_read_behind_a_record_by_hand_alone() -> None:
    read = action(InputPath="$", Parameters=None, ResultPath="$.All", Next="Record All")
    definition = flow(All=read, **{"Record All": by_hand("All")}, Z=done())
    assert "Braid All" not in woven(definition)


def test_an_author_refers_to_the_receipt_of_any_step_by_its_slug() -> None:
    inputs = [{"id.$": "$._braid.Collect_data"}]
    record = by_hand("Train", ResultPath="$.mine")
    record["Parameters"]["inputs"] = inputs
    collect = action(ResultPath="$.C", Next="Train")
    train = action(ResultPath="$.R", Next="Record")
    states = woven(
        {**flow(Collect=collect), "StartAt": "Collect data"}
        | {"States": {"Collect data": collect, "Train": train, "Record": record, "Z": done()}}
    )
    assert states["Braid Collect data"]["ResultPath"] == "$._braid.Collect_data"


def test_an_error_that_replaced_the_state_is_read_without_naming_the_whole_of_it() -> None:
    catch = [{"ErrorEquals": ["States.ALL"], "Next": "Z"}]
    states = woven(flow(A=action(Catch=catch, Next="Z"), Z=done()))
    assert states["Braid failure of A"]["Parameters"]["error"] == {
        "Error.=": "getattr('Error', None)",
        "Cause.=": "getattr('Cause', None)",
    }
