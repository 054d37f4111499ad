"""Every rule of the flow language, by a definition that breaks it."""

from __future__ import annotations

from typing import Any

import pytest

from flows.definition import Problem, Severity, validate
from tests.unit.definition.builders import action, done, flow


def choice(rule: Any, **more: Any) -> dict[str, Any]:
    state = {"Type": "Choice", "Choices": [rule], "Default": "Z", **more}
    return flow(S=state, Z=done())


def rule(**keys: Any) -> dict[str, Any]:
    return choice({"Variable": "$.v", "Next": "Z", **keys})


def parameters(**keys: Any) -> dict[str, Any]:
    return flow(S=action(Parameters=keys))


def catching(**keys: Any) -> dict[str, Any]:
    entry = {"ErrorEquals": ["States.ALL"], "Next": "Z", "ResultPath": "$.e", **keys}
    return flow(
        S=action(Catch=[{key: value for key, value in entry.items() if value is not None}]),
        Z=done(),
    )


def wait(**keys: Any) -> dict[str, Any]:
    return flow(S={"Type": "Wait", "End": True, **keys})


def web(kind: str, **keys: Any) -> dict[str, Any]:
    return flow(S={"Type": kind, "ResultPath": "$.w", "End": True, **keys})


P = "$.States.S.Parameters"
C = "$.States.S.Choices[0]"
ABSENT = "it is null, which is read as if the key were absent"
BAD: list[tuple[Any, str, str]] = [
    ([], "$", "a flow definition is an object"),
    ({}, "$", "StartAt is missing"),
    ({"StartAt": "S"}, "$", "States is missing"),
    ({**flow(S=done()), "StartAt": "T"}, "$.StartAt", "there is no state 'T'"),
    ({**flow(S=done()), "StartAt": 1}, "$.StartAt", "it is not a string"),
    ({"StartAt": "S", "States": []}, "$.States", "States is not an object"),
    ({"StartAt": "S", "States": {}}, "$.States", "there are no states"),
    ({**flow(S=done()), "Comment": 3}, "$.Comment", "it is not a string"),
    ({**flow(S=done()), "StartAt": None}, "$", "StartAt is missing"),
    (flow(S=done(Loop=None)), "$.States.S.Loop", "'Loop' is not a key of Pass states"),
    (flow(S={**action(), "Parameters": None}), "$.States.S", "Parameters or InputPath is missing"),
    (
        {**flow(S=done()), "Version": "1.0"},
        "$.Version",
        "'Version' is not a key of a flow definition",
    ),
    (flow(S=done(), T=done()), "$.States.T", "no state leads here"),
    (flow(**{"S" * 129: done()}), f"$.States.{'S' * 129}", "the state's name has 129 characters"),
    (flow(**{"": done()}), "$.States['']", "the state has no name"),
    (flow(S=[]), "$.States.S", "the state is not an object"),
    (flow(S={"End": True}), "$.States.S", "Type is missing"),
    (flow(S={"Type": "Task"}), "$.States.S.Type", "'Task' is not a state type of Globus Flows"),
    (flow(S={"Type": 7}), "$.States.S.Type", "7 is not a state type of Globus Flows"),
    (flow(S={"Type": "Pass"}), "$.States.S", "Next or End is missing"),
    (flow(S=done(Next="S")), "$.States.S", "Next and End exclude each other"),
    (flow(S=done(End=False)), "$.States.S.End", "End is not true"),
    (flow(S={"Type": "Pass", "Next": "T"}), "$.States.S.Next", "there is no state 'T'"),
    (flow(S={"Type": "Pass", "Next": 3}), "$.States.S.Next", "it is not a string"),
    (flow(S=done(Comment=3)), "$.States.S.Comment", "it is not a string"),
    (
        flow(S=done(OutputPath="$.x")),
        "$.States.S.OutputPath",
        "'OutputPath' is not a key of Pass states",
    ),
    (flow(S=done(Catch=[])), "$.States.S.Catch", "'Catch' is not a key of Pass states"),
    (flow(S=done(Result=[1])), "$.States.S.Result", "Result is not an object"),
    (
        flow(S=done(Result={}, Parameters={})),
        "$.States.S",
        "Parameters and Result exclude each other",
    ),
    (flow(S=action(ActionUrl=None)), "$.States.S", "ActionUrl or Handler is missing"),
    (
        flow(S=action(Handler="urn:globus:flows:handle:globus:transfer.ls")),
        "$.States.S",
        "ActionUrl and Handler exclude each other",
    ),
    (flow(S=action(ActionUrl="http://x.org/")), "$.States.S.ActionUrl", "the URL is not https"),
    (flow(S=action(ActionUrl="transfer")), "$.States.S.ActionUrl", "'transfer' is not a URL"),
    (flow(S=action(ActionUrl="https://")), "$.States.S.ActionUrl", "'https://' is not a URL"),
    (flow(S=action(ActionScope="")), "$.States.S.ActionScope", "it is empty"),
    (
        flow(S=action(ActionUrl=None, Handler="transfer")),
        "$.States.S.Handler",
        "'transfer' is not a handle",
    ),
    (
        flow(S=action(ActionUrl=None, Handler=4)),
        "$.States.S.Handler",
        "the Handler is not an object",
    ),
    (
        flow(S=action(ActionUrl=None, Handler={"Type": "X"})),
        "$.States.S.Handler",
        "the Handler's Type is 'X'",
    ),
    (
        flow(S=action(ActionUrl=None, Handler={"Type": "ActionProvider"})),
        "$.States.S.Handler",
        "Url is missing",
    ),
    (
        flow(S=action(ActionUrl=None, Handler={"Type": "RegisteredAPI", "Id": "x"})),
        "$.States.S.Handler.Id",
        "the Id is not a UUID",
    ),
    (flow(S=action(Parameters=None)), "$.States.S", "Parameters or InputPath is missing"),
    (
        flow(S=action(InputPath="$.x")),
        "$.States.S",
        "Parameters and InputPath exclude each other",
    ),
    (flow(S=action(Parameters=[1])), P, "Parameters is not an object"),
    (
        flow(S=action(Parameters=None, InputPath="x.y")),
        "$.States.S.InputPath",
        "'x.y' does not start with '$'",
    ),
    (flow(S=action(WaitTime="60")), "$.States.S.WaitTime", "WaitTime is not a whole number"),
    (flow(S=action(WaitTime=True)), "$.States.S.WaitTime", "WaitTime is not a whole number"),
    (flow(S=action(WaitTime=0)), "$.States.S.WaitTime", "WaitTime is 0"),
    (
        flow(S=action(ExceptionOnActionFailure="no")),
        "$.States.S.ExceptionOnActionFailure",
        "it is neither true nor false",
    ),
    (flow(S=action(RunAs="")), "$.States.S.RunAs", "it is empty"),
    (flow(S=action(Retry=[])), "$.States.S.Retry", "'Retry' is not a key of Action states"),
    (
        flow(S=action(ResultPath="$._context.x")),
        "$.States.S.ResultPath",
        "$._context cannot be written",
    ),
    (
        flow(S=action(ResultPath="$.a[*]")),
        "$.States.S.ResultPath",
        "'$.a[*]' names several places",
    ),
    (
        flow(S=action(ResultPath="Done")),
        "$.States.S.ResultPath",
        "'Done' does not start with '$'",
    ),
    (flow(S=action(Catch={})), "$.States.S.Catch", "Catch is not a list"),
    (flow(S=action(Catch=[1])), "$.States.S.Catch[0]", "the entry is not an object"),
    (catching(ErrorEquals=None), "$.States.S.Catch[0]", "ErrorEquals is missing"),
    (
        catching(ErrorEquals=[]),
        "$.States.S.Catch[0].ErrorEquals",
        "ErrorEquals is not a list of names",
    ),
    (
        catching(ErrorEquals=["States.ALL", "States.ALL"]),
        "$.States.S.Catch[0].ErrorEquals[1]",
        "'States.ALL' is named twice",
    ),
    (catching(Next="Y"), "$.States.S.Catch[0].Next", "there is no state 'Y'"),
    (catching(Comment="x"), "$.States.S.Catch[0].Comment", "'Comment' is not a key of a Catch"),
    (parameters(**{"a.$": 1}), f"{P}['a.$']", "it is not a string"),
    (parameters(**{"a.$": "b"}), f"{P}['a.$']", "'b' does not start with '$'"),
    (parameters(**{"a.$": "$.b["}), f"{P}['a.$']", "'$.b[' is not a JSON path from '[' on"),
    (parameters(a=[{"b.$": "x"}]), f"{P}.a[0]['b.$']", "'x' does not start with '$'"),
    (parameters(**{"a.=": None}), f"{P}['a.=']", "it is not a string"),
    (parameters(**{"a.=": "1 +"}), f"{P}['a.=']", "it does not parse: invalid syntax"),
    (parameters(**{"a.=": "lambda: 1"}), f"{P}['a.=']", "Lambda is not part of the language"),
    (parameters(**{"a.=": "open('x')"}), f"{P}['a.=']", "there is no function 'open'"),
    (parameters(**{"a.=": "x.__class__"}), f"{P}['a.=']", "__class__ cannot be read"),
    (parameters(**{"a.=": "`x.y`"}), f"{P}['a.=']", "the path `x.y` does not start with '$'"),
    (parameters(**{"a": 1, "a.$": "$.a"}), f"{P}['a.$']", "'a' and 'a.$' are one parameter"),
    (parameters(**{".$": "$.a"}), f"{P}['.$']", "the parameter has no name"),
    (
        parameters(__Private_Parameters="a"),
        f"{P}.__Private_Parameters",
        "__Private_Parameters is not a list",
    ),
    (
        flow(S={"Type": "ExpressionEval", "End": True, "Parameters": {}}),
        "$.States.S",
        "ResultPath is missing",
    ),
    (
        flow(S={"Type": "ExpressionEval", "End": True, "ResultPath": "$.x"}),
        "$.States.S",
        "Parameters is missing",
    ),
    (flow(S={"Type": "Choice"}), "$.States.S", "Choices is missing"),
    (
        flow(S={"Type": "Choice", "Choices": []}),
        "$.States.S.Choices",
        "Choices is not a list of rules",
    ),
    (choice(3), C, "the rule is not an object"),
    (choice({"Variable": "$.v", "IsNull": True}), C, "Next is missing"),
    (rule(IsNull=True, End=True), f"{C}.End", "'End' is not a key of a rule"),
    (
        choice({"Variable": "$.v", "IsNull": True, "Next": "Y"}),
        f"{C}.Next",
        "there is no state 'Y'",
    ),
    (rule(), C, "the rule has no operator"),
    (rule(IsNull=True, IsString=True), C, "IsNull and IsString in one rule"),
    (choice({"Next": "Z", "IsNull": True}), C, "Variable is missing"),
    (
        choice({"Next": "Z", "Variable": "v", "IsNull": True}),
        f"{C}.Variable",
        "'v' does not start with '$'",
    ),
    (rule(StringEquals=1), f"{C}.StringEquals", "StringEquals compares with a string"),
    (rule(NumericEquals=True), f"{C}.NumericEquals", "NumericEquals compares with a number"),
    (rule(IsPresent="yes"), f"{C}.IsPresent", "IsPresent compares with true or false"),
    (
        rule(StringMatchesPath="$.x"),
        f"{C}.StringMatchesPath",
        "'StringMatchesPath' is not a key of a rule",
    ),
    (rule(NumericEqualsPath=3), f"{C}.NumericEqualsPath", "it is not a string"),
    (rule(TimestampEquals="now"), f"{C}.TimestampEquals", "it is not an RFC 3339 date and time"),
    (choice({"Next": "Z", "And": []}), f"{C}.And", "And is not a list of rules"),
    (
        choice({"Next": "Z", "Variable": "$.v", "Not": {"Variable": "$.v", "IsNull": True}}),
        f"{C}.Variable",
        "Variable does not go with Not",
    ),
    (
        choice({"Next": "Z", "Or": [{"Variable": "$.v", "IsNull": True, "Next": "Z"}]}),
        f"{C}.Or[0].Next",
        "a nested rule has a Next",
    ),
    (choice({"Next": "Z", "Not": [1]}), f"{C}.Not", "the rule is not an object"),
    (
        choice({"Next": "Z", "Variable": "$.v", "IsNull": True}, Next="Z"),
        "$.States.S.Next",
        "'Next' is not a key of Choice states",
    ),
    (wait(), "$.States.S", "Seconds or SecondsPath or Timestamp or TimestampPath is missing"),
    (
        wait(Seconds=1, SecondsPath="$.s"),
        "$.States.S",
        "Seconds and SecondsPath exclude each other",
    ),
    (wait(Seconds=31_536_001), "$.States.S.Seconds", "Seconds is 31536001"),
    (wait(Seconds=1.5), "$.States.S.Seconds", "Seconds is not a whole number"),
    (wait(Timestamp="2026-11-22"), "$.States.S.Timestamp", "it is not an RFC 3339 date and time"),
    (
        wait(Timestamp="2026-13-22T00:00:00Z"),
        "$.States.S.Timestamp",
        "it is not an RFC 3339 date and time",
    ),
    (
        flow(S={"Type": "Fail", "Error": "E", "ErrorPath": "$.e"}),
        "$.States.S",
        "Error and ErrorPath exclude each other",
    ),
    (
        flow(S={"Type": "Fail", "Error": "E", "End": True}),
        "$.States.S.End",
        "'End' is not a key of Fail states",
    ),
    (flow(S={"Type": "Fail", "Error": "E", "Cause": 3}), "$.States.S.Cause", "it is not a string"),
    (web("CreateWebInput"), "$.States.S", "Parameters or InputPath is missing"),
    (web("AwaitWebInput", Parameters={}), P, "web_input_id is missing"),
    (
        web("CreateWebInput", Parameters={"InputType": "Text", "Options": [{}]}),
        f"{P}.InputType",
        "it is 'Text'",
    ),
    (
        web("CreateWebInput", Parameters={"InputType": "Selection", "Options": []}),
        f"{P}.Options",
        "it is not a list of options",
    ),
    (
        web("CreateWebInput", InputPath="$.w", WaitTime=5),
        "$.States.S.WaitTime",
        "'WaitTime' is not a key of CreateWebInput states",
    ),
]

DOUBTFUL: list[tuple[Any, str, str]] = [
    (
        flow(S=action(ActionUrl="http://127.0.0.1:8080/providers/hello")),
        "$.States.S.ActionUrl",
        "this http URL is on this machine, which only the sandbox can reach",
    ),
    (
        flow(S=action(ResultPath=None)),
        "$.States.S",
        "without ResultPath the result replaces the whole state of the run",
    ),
    (
        catching(ResultPath=None),
        "$.States.S.Catch[0]",
        "without ResultPath the error replaces the whole state of the run",
    ),
    (
        catching(ErrorEquals=["EndpointError"]),
        "$.States.S.Catch[0].ErrorEquals[0]",
        "Globus Flows raises no error 'EndpointError'",
    ),
    (
        flow(S=done(Result={"id": "$._context.run_id"})),
        "$.States.S.Result.id",
        "Result is not evaluated: the path stays a text",
    ),
    (
        flow(S=done(Result={"a": [{"id.$": "$.x"}]})),
        "$.States.S.Result.a[0]['id.$']",
        "Result is not evaluated: the key keeps its suffix",
    ),
    (
        flow(S=done(), T={"Type": "Pass", "Next": "U"}, U={"Type": "Pass", "Next": "T"}),
        "$.States.T",
        "no run can get here from StartAt",
    ),
    (
        parameters(a=1, __Private_Parameters=["b"]),
        f"{P}.__Private_Parameters[0]",
        "there is no parameter 'b' here",
    ),
    (
        parameters(**{"a.$": "$._context.caller"}),
        f"{P}['a.$']",
        "$._context has no documented 'caller'",
    ),
    (
        parameters(**{"a.$": "$"}),
        f"{P}['a.$']",
        "$ is the whole state, which not every service accepts",
    ),
    (flow(S={"Type": "Fail", "Cause": "c"}), "$.States.S", "the failure has no Error"),
    ({**flow(S=done()), "Comment": None}, "$.Comment", ABSENT),
    (flow(S=done(Comment=None)), "$.States.S.Comment", ABSENT),
    (flow(S=done(Parameters=None, Next=None)), "$.States.S.Next", ABSENT),
    (
        flow(
            S=action(Catch=[{"ErrorEquals": ["States.ALL"], "ResultPath": None, "Next": "Z"}]),
            Z=done(),
        ),
        "$.States.S.Catch[0].ResultPath",
        ABSENT,
    ),
    (
        flow(S=action(Parameters={"source_endpoint": "$.source.id"})),
        "$.States.S.Parameters.source_endpoint",
        "the text '$.source.id' is sent as it stands",
    ),
    (
        flow(S=action(Parameters={"DATA": [{"destination_path": "$['my place'].path"}]})),
        "$.States.S.Parameters.DATA[0].destination_path",
        "the text \"$['my place'].path\" is sent as it stands",
    ),
    (
        flow(S=action(Parameters={"paths": ["$.a"]})),
        "$.States.S.Parameters.paths[0]",
        "the text '$.a' is sent as it stands",
    ),
    (
        flow(
            S={"Type": "Choice", "Choices": [{"Variable": "$.v", "IsNull": True, "Next": "Z"}]},
            Z=done(),
        ),
        "$.States.S",
        "the Choice has no Default",
    ),
]


def of(problems: list[Problem], severity: Severity) -> list[tuple[str, str]]:
    return [(found.path, found.message) for found in problems if found.severity is severity]


@pytest.mark.parametrize(("definition", "path", "message"), BAD)
def test_a_broken_rule_is_an_error_at_its_place(definition: Any, path: str, message: str) -> None:
    assert (path, message) in of(validate(definition), Severity.ERROR)


@pytest.mark.parametrize(("definition", "path", "message"), DOUBTFUL)
def test_what_is_rarely_meant_is_a_warning(definition: Any, path: str, message: str) -> None:
    problems = validate(definition)
    assert (path, message) in of(problems, Severity.WARNING)
    assert of(problems, Severity.ERROR) == []


def test_every_problem_says_what_to_do() -> None:
    for definition, _, _ in (*BAD, *DOUBTFUL):
        for problem in validate(definition):
            assert problem.advice
            assert problem.path.startswith("$")


def test_all_problems_are_found_at_once_and_in_document_order() -> None:
    definition = {
        "StartAt": "Missing",
        "States": {
            "A": {"Type": "Pass", "Comment": None, "Next": "B"},
            "B": action(WaitTime=-1, Next="Nowhere"),
        },
        "Extra": 1,
    }
    assert [problem.path for problem in validate(definition)] == [
        "$.StartAt",
        "$.States.A",
        "$.States.A.Comment",
        "$.States.B",
        "$.States.B.WaitTime",
        "$.States.B.Next",
        "$.Extra",
    ]


def test_every_state_type_is_accepted() -> None:
    condition = {"Variable": "$.list[0]", "IsPresent": True}
    definition = flow(
        Ask={
            "Type": "CreateWebInput",
            "Parameters": {
                "InputType": "Selection",
                "Context": {"PresentationStyle": "Text", "Text": "?"},
                "Options": [{"Value": "y", "Label": "Yes", "Description": "yes"}],
            },
            "ResultPath": "$.Ask",
            "Next": "Answer",
        },
        Answer={
            "Type": "AwaitWebInput",
            "Parameters": {"web_input_id.$": "$.Ask.web_input_id"},
            "ResultPath": "$.Answer",
            "Catch": [
                {"ErrorEquals": ["Flows.WebInputExpired"], "Next": "Stop", "ResultPath": "$.e"}
            ],
            "Next": "Pick",
        },
        Pick={
            "Type": "Choice",
            "Choices": [
                {"Not": condition, "Next": "Stop"},
                {"And": [condition, {"Variable": "$.n", "NumericGreaterThan": 1.5}], "Next": "Sum"},
                {
                    "Variable": "$.t",
                    "TimestampLessThan": "2026-11-22T07:00:00+01:00",
                    "Next": "Nap",
                },
                {"Variable": "$.s", "StringMatches": "a*", "Next": "Act"},
            ],
            "Default": "Registered",
        },
        Sum={
            "Type": "ExpressionEval",
            "Parameters": {"n.=": "[f.name for f in `$.Ls.DATA` if len(f.name) > n][0:2]"},
            "ResultPath": "$.Sum",
            "Next": "Nap",
        },
        Nap={"Type": "Wait", "SecondsPath": "$.n", "Next": "Act"},
        Act=action(
            RunAs="curator",
            ActionScope="https://auth.globus.org/scopes/x/y",
            WaitTime=60,
            Next="End",
        ),
        Registered=action(
            ActionUrl=None,
            Handler={"Type": "RegisteredAPI", "Id": "0a1b2c3d-0a1b-4c3d-8e9f-0a1b2c3d4e5f"},
        ),
        Stop={"Type": "Fail", "ErrorPath": "$.e.Error", "CausePath": "$.e.Cause"},
        End=done(),
    )
    assert validate(definition) == []
