"""Random valid flows: all state types, Catches, shared and overlapping paths, loops on request."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from flows.definition.graph import reachable
from tests.unit.definition.builders import URL

FAILING = "https://failing.example.org/"
"""Stands for an action that fails; see test_behaviour."""

_NAMES = ["a", "b", "c"]
_READS = ["$.a", "$.b", "$.c.x", "$.a.x", "$.b[0]", "$.a.y[1:]", "$._context.run_id", "$.missing"]
_WRITES = ["$.a", "$.b", "$.c", "$.a.x", "$.c.x", "$.d.e"]
_EXPRESSIONS = [
    "a",
    "c.x",
    "`$.a.x`",
    "[a, `$.b`]",
    "getattr('c.x', 'none')",
    "is_present('a.x')",
    "[i for i in b]",
    "str(a) + 'é' + `$.c.x`",
    "getattr('a.x', c)",
    "b[0]",
]
_SECRETS = {"token": "hunter2", "nested": {"password": "hunter2"}}


@st.composite
def parameters(draw: st.DrawFn) -> dict[str, Any]:
    made: dict[str, Any] = {"constant": draw(st.sampled_from([1, "text", None, [{"k": True}]]))}
    for number, path in enumerate(draw(st.lists(st.sampled_from(_READS), max_size=3))):
        made[f"p{number}.$"] = path
    for number, text in enumerate(draw(st.lists(st.sampled_from(_EXPRESSIONS), max_size=2))):
        made[f"e{number}.="] = text
    if draw(st.booleans()):
        made["list"] = [{"deep.$": draw(st.sampled_from(_READS))}, 2]
    if draw(st.booleans()):
        made.update(_SECRETS)
    return made


@st.composite
def flows(draw: st.DrawFn, *, loops: bool = True) -> dict[str, Any]:
    """A valid definition; without loops every edge leads further down."""
    names = [f"State {number}" for number in range(draw(st.integers(1, 6)))]
    states: dict[str, Any] = {}
    for number, name in enumerate(names):
        targets = names if loops else names[number + 1 :]
        states[name] = draw(_state(targets))
        if states[name]["Type"] == "Action" and not draw(st.integers(0, 2)):
            states[f"Record {name}"] = draw(_record_by_hand(name, states[name]))
            states[name] = {k: v for k, v in states[name].items() if k != "End"}
            states[name]["Next"] = f"Record {name}"
    definition = {"StartAt": names[0], "States": states, "Comment": "random"}
    kept = reachable(definition)
    definition["States"] = {name: state for name, state in states.items() if name in kept}
    return definition


@st.composite
def _state(draw: st.DrawFn, targets: list[str]) -> dict[str, Any]:
    kinds = ["Action", "Action", "Action", "Pass", "ExpressionEval", "Wait", "Fail"]
    kind = draw(st.sampled_from([*kinds, "Choice"] if targets else kinds))
    state: dict[str, Any] = {"Type": kind}
    if kind == "Choice":
        rule = {"Variable": draw(st.sampled_from(["$.a", "$.a.x", "$.c"])), "IsPresent": True}
        rule["Next"] = draw(st.sampled_from(targets))
        return {**state, "Choices": [rule], "Default": draw(st.sampled_from(targets))}
    if kind == "Fail":
        error = draw(st.sampled_from([{"Error": "E", "Cause": "c"}, {"ErrorPath": "$.a"}]))
        return {**state, **error}
    state.update(draw({"Action": _action(targets), "Pass": _pass()}.get(kind, st.just({}))))
    if kind == "ExpressionEval":
        state["Parameters"] = draw(parameters())
        state["ResultPath"] = draw(st.sampled_from(_WRITES))
    if kind == "Wait":
        state["Seconds"] = 0
    if targets and draw(st.integers(0, 3)):
        state["Next"] = draw(st.sampled_from(targets))
    else:
        state["End"] = True
    return draw(st.permutations(list(state.items())).map(dict))


@st.composite
def _pass(draw: st.DrawFn) -> dict[str, Any]:
    content = draw(
        st.sampled_from([{}, {"Result": {"x": 1}}, {"InputPath": "$.b"}, {"Parameters": {"k": 2}}])
    )
    if content and draw(st.booleans()):
        return {**content, "ResultPath": draw(st.sampled_from(_WRITES))}
    return dict(content)


@st.composite
def _action(draw: st.DrawFn, targets: list[str]) -> dict[str, Any]:
    url = draw(st.sampled_from(["https://echo.example.org/", FAILING]))
    action: dict[str, Any] = {"ActionUrl": url, "ResultPath": draw(st.sampled_from(_WRITES))}
    if draw(st.integers(0, 3)):
        action["Parameters"] = draw(parameters())
    else:
        action["InputPath"] = draw(st.sampled_from(["$.a", "$.c", "$.missing"]))
    if draw(st.booleans()):
        action["ExceptionOnActionFailure"] = draw(st.booleans())
    if targets and draw(st.booleans()):
        action["Catch"] = draw(st.lists(_catch(targets), min_size=1, max_size=2))
    return action


@st.composite
def _record_by_hand(draw: st.DrawFn, name: str, state: dict[str, Any]) -> dict[str, Any]:
    """What an author puts behind a step to record it, between it and what follows."""
    place = draw(st.sampled_from([f"$._braid.State_{name[-1]}", "$._braid.mine", "$.d.e"]))
    record = {
        "Type": "Action",
        "ActionUrl": draw(st.sampled_from([URL, f"{URL}/"])),
        "Parameters": {
            "run": {"run_id.$": "$._context.run_id"},
            "step": {"name": name},
            "result.$": state["ResultPath"],
        },
        "ResultPath": place,
    }
    if "Next" not in state:
        return {**record, "End": True}
    if draw(st.booleans()):
        caught = {"ErrorEquals": ["States.ALL"], "ResultPath": place, "Next": state["Next"]}
        record["Catch"] = [caught]
    return {**record, "Next": state["Next"]}


@st.composite
def _catch(draw: st.DrawFn, targets: list[str]) -> dict[str, Any]:
    errors = draw(st.sampled_from([["States.ALL"], ["ActionFailedException"], ["States.Runtime"]]))
    entry = {"ErrorEquals": errors, "Next": draw(st.sampled_from(targets))}
    if draw(st.booleans()):
        entry["ResultPath"] = draw(st.sampled_from(_WRITES))
    return entry
