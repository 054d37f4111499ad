"""The record in front of a Choice: what it sends, what follows from that, and what it leaves be."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.definition import (
    Options,
    WholeState,
    instrument,
    record_state_example,
    strip,
    validate,
)
from flows.language import choose, render
from flows.language.errors import LanguageError
from flows.steps.body import Body, read_body
from flows.steps.choices import as_decided
from provenance_store.errors import InvalidInput
from provenance_store.redaction import REDACTED
from tests.unit.definition.builders import URL, State, action, done, flow

CONTEXT = {
    "run_id": "r1",
    "flow_id": "f1",
    "user_id": f"urn:globus:auth:identity:{UUID(int=7)}",
    "username": "ada",
}


def choice(*rules: dict[str, Any], **more: Any) -> State:
    return {"Type": "Choice", "Choices": [{"Next": "A", **rule} for rule in rules], **more}


def which(*rules: dict[str, Any], **more: Any) -> dict[str, Any]:
    return flow(Which=choice(*rules, **more), A=done(), B=done())


def recorded(definition: dict[str, Any], **options: Any) -> dict[str, Any]:
    chosen = Options(record_choices=True, on_whole_state=WholeState.ACCEPT, **options)
    states: dict[str, Any] = instrument(definition, provider_url=URL, options=chosen).definition[
        "States"
    ]
    return states


def notes(definition: dict[str, Any], **options: Any) -> list[tuple[str, str]]:
    chosen = Options(on_whole_state=WholeState.ACCEPT, **options)
    found = instrument(definition, provider_url=URL, options=chosen).notes
    return [(note.path, note.message) for note in found]


def sent(definition: dict[str, Any], state: dict[str, Any], name: str = "Which") -> Body:
    """What the record in front of a Choice sends in a state of the run, as the server reads it."""
    parameters = recorded(definition)[f"Braid {name}"]["Parameters"]
    body = render(parameters, {**state, "_context": CONTEXT})
    return as_decided(read_body(json.loads(json.dumps(body))))


def test_every_way_to_a_choice_leads_over_its_record() -> None:
    definition = flow(
        First=choice({"Variable": "$.n", "IsPresent": True, "Next": "Which"}, Default="Step"),
        Step=action(
            Next="Which",
            Catch=[{"ErrorEquals": ["States.ALL"], "ResultPath": "$.e", "Next": "Which"}],
        ),
        Which=choice({"Variable": "$.n", "IsPresent": True, "Next": "Which"}, Default="A"),
        A=done(),
    )
    chosen = Options(record_choices=True, record_uncaught=False)
    woven = instrument(definition, provider_url=URL, options=chosen).definition
    states = woven["States"]
    assert woven["StartAt"] == "Braid First"
    assert states["Braid First"]["Next"] == "First"
    assert states["First"]["Choices"][0]["Next"] == "Braid Which"
    assert states["Braid Step"]["Next"] == "Braid Which"
    assert states["Braid failure of Step"]["Next"] == "Braid Which"
    assert states["Which"]["Choices"][0]["Next"] == "Braid Which"
    record = states["Braid Which"]
    assert record["Next"] == record["Catch"][0]["Next"] == "Which"
    assert record["Catch"][0]["ErrorEquals"] == ["States.ALL"]
    assert record["ResultPath"] == record["Catch"][0]["ResultPath"] == "$._braid.Which"
    assert record["Parameters"]["step"] == {"name": "Which", "type": "Choice"}


def test_what_rules_compare_is_sent_without_ever_failing_where_an_expression_can_name_it() -> None:
    rules = [
        {"Variable": "$.a.b", "StringEqualsPath": "$['c'][0]"},
        {"Variable": "$['x y']", "IsNull": True},
        {"Variable": "$._context.run_id", "IsPresent": True},
    ]
    parameters = recorded(which(*rules, Default="B"))["Braid Which"]["Parameters"]["parameters"]
    assert parameters == {
        "$.a.b.=": "getattr('a.b', '[absent]')",
        "$['c'][0].=": "getattr('c[0]', '[absent]')",
        "$['x y'].$": "$['x y']",
        "$._context.run_id.$": "$._context.run_id",
    }
    told = dict(notes(which(*rules, Default="B"), record_choices=True))
    assert told["$.States.Which"] == (
        "a visit is recorded only if there is something at $['x y'], $._context.run_id."
    )


def test_a_private_value_and_what_it_is_compared_with_stay_in_the_flow() -> None:
    rules = [
        {"Variable": "$._private.mine", "StringEquals": "hunter2"},
        {"Not": {"Variable": "$.login.password", "StringEquals": "hunter3"}},
        {"Variable": "$..token", "IsPresent": True},
        {"Variable": "$.n", "NumericEquals": 3},
    ]
    definition = which(*rules, Default="B")
    record = recorded(definition)["Braid Which"]
    assert "hunter" not in json.dumps(record)
    body = sent(definition, {"n": 3, "login": {"password": "x"}})
    assert body.parameters == {
        "$._private.mine": REDACTED,
        "$.login.password": REDACTED,
        "$..token": REDACTED,
        "$.n": 3,
    }
    assert body.decision is not None
    assert body.decision.chosen is None
    assert f"$._private.mine StringEquals {REDACTED}" in str(body.decision.options[0].why)
    assert body.step.status is None
    assert ("$.States.Which", "its record leaves out $..token: it is private.") in notes(
        definition, record_choices=True
    )


def test_what_is_chosen_does_not_depend_on_a_private_value_that_is_asked_later() -> None:
    rules = [
        {"Variable": "$.n", "NumericEquals": 3},
        {"Variable": "$.password", "IsPresent": True, "Next": "B"},
    ]
    for n, chosen in ((3, "A"), (4, None)):
        decision = sent(which(*rules, Default="B"), {"n": n}).decision
        assert decision is not None
        assert decision.chosen == chosen


def test_an_absent_value_is_told_from_one_that_is_null() -> None:
    definition = which({"Variable": "$.a.b", "IsPresent": True}, Default="B")
    for state, chosen, told in (
        ({"a": {"b": None}}, "A", {"$.a.b": None}),
        ({"a": {}}, "B", None),
        ({"a": "text"}, "B", None),
        ({}, "B", None),
    ):
        body = sent(definition, dict(state))
        assert body.decision is not None
        assert (body.decision.chosen, body.parameters) == (chosen, told)
        assert (body.tags or {})["next"] == chosen


@pytest.mark.parametrize(
    ("rule", "state"),
    [
        ({"Variable": "$.n", "NumericEquals": 1}, {"n": 2}),
        ({"Variable": "$.n", "IsNull": True}, {}),
    ],
    ids=["nothing matches", "nothing there"],
)
def test_a_choice_that_goes_nowhere_failed(rule: dict[str, Any], state: dict[str, Any]) -> None:
    body = sent(flow(Which=choice(rule), A=done()), state)
    assert body.decision is not None
    assert [option.name for option in body.decision.options] == ["A"]
    assert (body.decision.chosen, str(body.step.status), body.tags) == (None, "FAILED", None)


def test_a_choice_where_the_state_may_be_no_object_is_left_alone() -> None:
    definition = flow(
        P={"Type": "Pass", "InputPath": "$.list", "Next": "Which"},
        Which=choice({"Variable": "$[0]", "IsPresent": True}, Default="A"),
        A=done(),
    )
    assert [name for name in recorded(definition) if name.startswith("Braid")] == []
    told = (
        "$.States.Which",
        "is not recorded in front of it: the run's state may be no object here.",
    )
    assert told in notes(definition, record_choices=True)


def test_a_choice_with_rules_without_end_is_left_alone() -> None:
    definition = which(*([{"Variable": "$.n", "IsPresent": True}] * 1001), Default="B")
    assert "Braid Which" not in recorded(definition)
    told = ("$.States.Which", "is not recorded in front of it: it has more than 1,000 rules.")
    assert told in notes(definition, record_choices=True)


def test_a_choice_that_its_author_records_is_not_recorded_again() -> None:
    record = {**record_state_example(step="Which", following="A"), "ActionUrl": URL}
    del record["Parameters"]["result.$"]
    definition = flow(
        Which=choice({"Variable": "$.n", "IsPresent": True, "Next": "Mine"}, Default="A"),
        Mine=record,
        A=done(),
    )
    assert "Braid Which" not in recorded(definition)
    told = "is not recorded in front of it: its author records it in 'Mine'."
    assert ("$.States.Which", told) in notes(definition, record_choices=True)


def test_who_reads_the_whole_state_behind_a_choice_would_see_its_receipt() -> None:
    whole = {"Type": "Pass", "Parameters": {"all.$": "$"}, "ResultPath": "$.Copy", "End": True}
    behind = flow(Which=choice({"Variable": "$.n", "IsPresent": True}, Default="A"), A=whole)
    itself = which({"Variable": "$", "IsPresent": True}, Default="B")
    for definition in (behind, itself):
        instrument(definition, provider_url=URL)
        with pytest.raises(InvalidInput, match="the whole of the run's state"):
            instrument(definition, provider_url=URL, options=Options(record_choices=True))
    told = sent(itself, {"n": 3})
    assert told.parameters is None
    assert told.decision is not None
    assert told.decision.chosen is None


def test_the_record_where_a_run_begins_says_whose_run_it_is() -> None:
    rule = {"Variable": "$.n", "IsPresent": True}
    states = recorded(flow(Which=choice(rule, Default="A"), A=action(Next="B"), B=action()))
    first, after = states["Braid Which"]["Parameters"], states["Braid A"]["Parameters"]
    assert first["run"]["flow_id.$"] == "$._context.flow_id"
    assert first["run"]["status"] == "ACTIVE"
    assert first["step"]["definition_digest"]
    assert after["run"] == {"run_id.$": "$._context.run_id"}
    assert "definition_digest" not in after["step"]


def test_a_record_that_may_not_be_made_is_not_relied_on_to_say_whose_run_it_is() -> None:
    rule = {"Variable": "$['x y']", "IsPresent": True}
    states = recorded(flow(Which=choice(rule, Default="A"), A=action(Next="B"), B=action()))
    assert "flow_id.$" in states["Braid A"]["Parameters"]["run"]
    assert "definition_digest" in states["Braid A"]["Parameters"]["step"]


def test_ways_that_are_not_recorded_are_said_once() -> None:
    rule = {"Variable": "$.n", "IsPresent": True}
    definition = flow(
        X=choice({**rule, "Next": "Y"}, Default="A"), Y=choice(rule, Default="A"), A=done()
    )
    (told,) = [message for _, message in notes(definition) if "Choice" in message]
    assert told == (
        "which way its Choice states go (2 of them) is not recorded. --record-choices records it, "
        "with one more action for each visit; a harvest of the run adds it too."
    )
    assert not [m for _, m in notes(definition, record_choices=True) if "Choice" in m]
    assert not [m for _, m in notes(flow(A=action())) if "Choice" in m]


def test_the_rules_in_a_record_are_no_references_that_were_forgotten() -> None:
    rule = {"And": [{"Variable": "$.n", "NumericLessThanPath": "$.m"}]}
    definition = which(rule, Default="B")
    chosen = Options(record_choices=True)
    woven = instrument(definition, provider_url=URL, options=chosen).definition
    assert list(validate(woven)) == list(validate(definition)) == []
    assert json.dumps(strip(woven)) == json.dumps(definition)
    assert instrument(woven, provider_url=URL, options=chosen).definition == woven
    assert (
        instrument(woven, provider_url=URL).definition
        == instrument(definition, provider_url=URL).definition
    )


_PATHS = st.sampled_from(["$.a", "$.a.b", "$.b[0]", "$.c", "$['d']", "$.e.f"])
_NUMBERS = st.sampled_from([0, 1, 2.5])
_LEAVES = st.one_of(
    st.builds(lambda p, v: {"Variable": p, "IsPresent": v}, _PATHS, st.booleans()),
    st.builds(lambda p, v: {"Variable": p, "IsNull": v}, _PATHS, st.booleans()),
    st.builds(lambda p, v: {"Variable": p, "NumericLessThan": v}, _PATHS, _NUMBERS),
    st.builds(
        lambda p, v: {"Variable": p, "StringMatches": v}, _PATHS, st.sampled_from(["x", "y*"])
    ),
    st.builds(lambda p, q: {"Variable": p, "NumericEqualsPath": q}, _PATHS, _PATHS),
)
_RULES = st.recursive(
    _LEAVES,
    lambda inner: st.one_of(
        st.builds(lambda rule: {"Not": rule}, inner),
        st.builds(lambda rules: {"And": rules}, st.lists(inner, min_size=1, max_size=3)),
        st.builds(lambda rules: {"Or": rules}, st.lists(inner, min_size=1, max_size=3)),
    ),
    max_leaves=5,
)
_VALUES = st.sampled_from([None, 0, 1, 2, "x", "yes", {"b": 1}, {"f": None}, [1], []])


@settings(max_examples=300, deadline=None, derandomize=True)
@given(
    rules=st.lists(_RULES, min_size=1, max_size=3),
    default=st.sampled_from([None, "B"]),
    state=st.dictionaries(st.sampled_from("abcde"), _VALUES),
)
def test_what_a_record_sends_tells_where_the_run_goes(
    rules: list[dict[str, Any]], default: str | None, state: dict[str, Any]
) -> None:
    definition = which(*rules, **({"Default": default} if default else {}))
    if default is None:
        del definition["States"]["B"]
    try:
        goes = choose(definition["States"]["Which"], state)
    except LanguageError:
        goes = None
    body = sent(definition, state)
    assert body.decision is not None
    assert body.decision.chosen == goes
    assert (body.step.status is None) == (goes is not None)
