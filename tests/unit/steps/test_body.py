"""What a body may look like, and what is said of one that may not."""

from __future__ import annotations

import json
from typing import Any

import pytest
from jsonschema import Draft7Validator, Draft202012Validator

from flows.steps import body_schema, parse_body, read_body
from flows.steps.body import (
    Body,
    Defined,
)
from flows.steps.references import IdReference, ReceiptReference, Unrecorded, UriReference
from provenance_store.errors import InvalidInput, TooLarge

URN = "urn:braid:41576239-95c8-4b98-94ee-ef7bb033939e:"
RECEIPT = {"step": URN + "3", "inputs": [], "outputs": [URN + "4"], "models": []}


def body(**more: Any) -> dict[str, Any]:
    return {"run": {"run_id": "r1"}, "step": {"name": "Analyse"}, **more}


FULL = {
    "run": {
        "run_id": "1f2e",
        "flow_id": "f",
        "flow_title": "Title",
        "label": "Label",
        "run_owner": "urn:globus:auth:identity:25af9d3b-aeb8-4f44-9c88-3264ad82a3ae",
        "username": "ada@example.org",
        "status": "ACTIVE",
        "start_time": "2024-05-02T23:41:06.433000+00:00",
        "completion_time": None,
        "tags": ["nightly"],
        "monitor_by": ["urn:globus:groups:id:25af9d3b-aeb8-4f44-9c88-3264ad82a3ae"],
        "manage_by": [],
    },
    "step": {
        "name": "Train",
        "type": "Action",
        "action_url": "https://compute.actions.globus.org/v3",
        "action_id": "tg_1",
        "status": "SUCCEEDED",
        "start_time": "2024-05-02T23:41:06Z",
        "completion_time": "2024-05-02T23:42:06Z",
        "run_as": "User",
        "comment": "Trains.",
        "definition_digest": "sha256:00",
    },
    "parameters": {"any": [1, None]},
    "result": {"status": "SUCCEEDED"},
    "error": None,
    "inputs": [
        URN + "1",
        "3.17",
        "globus://abc/x",
        {"id": URN + "2", "name": "m", "version": 2, "how": "trained"},
        {"uri": "file:///x"},
        {"action_id": "a", "status": "SUCCEEDED", "details": RECEIPT},
        RECEIPT,
        {"Error": "ActionUnableToRun", "Cause": "down"},
        {"name": "scan", "kind": "data", "uris": ["file:///a", {"uri": "file:///b", "size": 3}]},
    ],
    "outputs": [{"name": "plot", "uri": "file:///p", "digest": "sha256:0f", "size": 0}],
    "models": [
        {
            "name": "peaks",
            "how": "trained",
            "uris": ["file:///w"],
            "hyperparameters": {"lr": 0.1},
            "metrics": [{"epoch": 1, "loss": 0.5}, {"epoch": 2, "loss": None}],
            "scores": {"accuracy": 0.9},
            "trained_on": ["3.17", {"name": "set", "kind": "dataset", "members": ["3.18"]}],
            "new": True,
            "depends_on": [URN + "9"],
            "tags": {"a": 1},
        },
        {"id": URN + "5"},
    ],
    "tags": {"sample": "Ni", "temperature_K": 293.5, "count": 3, "dark": False},
    "environment": {"python": "3.11", "api_token": "abc"},
}


def test_a_full_body_is_read() -> None:
    read = parse_body(json.dumps(FULL))
    kinds = [type(item) for item in read.inputs or ()]
    assert kinds == [
        IdReference,
        IdReference,
        UriReference,
        IdReference,
        UriReference,
        ReceiptReference,
        ReceiptReference,
        Unrecorded,
        Defined,
    ]
    assert read.run.start_time == 1714693266433000
    assert read.environment == {"python": "3.11", "api_token": "[redacted]"}
    assert (read.models or [])[1].verb == "used"


def test_reading_a_document_and_parsing_its_json_agree() -> None:
    finite = json.loads(json.dumps(FULL).replace('"loss": null', '"loss": 1'))
    assert read_body(finite) == parse_body(json.dumps(finite))


def test_null_in_a_curve_is_read_as_it_is() -> None:
    points = (read_body(FULL).models or [])[0].metrics
    assert points is not None
    assert points[1]["loss"] is None


def test_null_says_nothing() -> None:
    nulls = {name: None for name in Body.__struct_fields__ if name not in ("run", "step")}
    assert read_body(body(**nulls)) == read_body(body())
    assert not read_body(body(inputs=None)).says_what
    assert read_body(body(inputs=[])).says_what


@pytest.mark.parametrize(
    ("text", "micros"),
    [
        ("1970-01-01T00:00:01Z", 1_000_000),
        ("1970-01-01T00:00:01.000001+00:00", 1_000_001),
        ("1970-01-01T01:00:01+01:00", 1_000_000),
        ("1970-01-01T01:00:01+0100", 1_000_000),
        ("1970-01-01 00:00:01", 1_000_000),
        ("1970-01-01t00:00:01.5z", 1_500_000),
        ("1970-01-01T00:00:01.123456789Z", 1_123_456),
        ("1969-12-31T23:59:59Z", -1_000_000),
    ],
)
def test_times_are_microseconds_utc(text: str, micros: int) -> None:
    assert read_body(body(step={"name": "S", "start_time": text})).step.start_time == micros


def nested(levels: int) -> dict[str, Any]:
    """Datasets in datasets."""
    inner = {"members": [nested(levels - 1)]} if levels > 1 else {}
    return {"name": "d", "kind": "dataset", **inner}


PERSON = "urn:globus:auth:identity:25af9d3b-aeb8-4f44-9c88-3264ad82a3ae"
BEFORE_TIME, AFTER_TIME = "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"
"""Times that no calendar has in UTC."""

BAD: list[tuple[Any, str, str]] = [
    ([], "body", "an object, not a list"),
    ({"step": {"name": "S"}}, "body", "The field run is missing"),
    ({"run": {"run_id": "r"}}, "body", "The field step is missing"),
    (body(run={}), "run", "The field run_id is missing"),
    (body(run={"run_id": ""}), "run.run_id", "must not be empty"),
    (body(run={"run_id": "x" * 65}), "run.run_id", "more than 64 characters"),
    (body(run={"run_id": 7}), "run.run_id", "must be text, not a whole number"),
    (body(run={"run_id": "r", "flow": 1}), "run", "There is no field 'flow'"),
    (body(run={"run_id": "r", "status": "DONE"}), "run.status", "one of ACTIVE, INACTIVE"),
    (body(run={"run_id": "r", "tags": "x"}), "run.tags", "a list or null, not text"),
    (body(run={"run_id": "r", "tags": [1]}), "run.tags[0]", "must be text"),
    (body(run={"run_id": "r", "monitor_by": [""]}), "run.monitor_by[0]", "A principal must be"),
    (
        body(run={"run_id": "r", "monitor_by": ["public"]}),
        "run.monitor_by[0]",
        "A principal must be",
    ),
    (
        body(run={"run_id": "r", "manage_by": [PERSON + "\n"]}),
        "run.manage_by[0]",
        "A principal must be",
    ),
    (
        body(run={"run_id": "r", "manage_by": [PERSON, "all_authenticated_users"]}),
        "run.manage_by[1]",
        "A principal must be",
    ),
    (
        body(run={"run_id": "r", "run_owner": "ada@example.org"}),
        "run.run_owner",
        "A principal must be",
    ),
    (body(run={"run_id": "r", "start_time": "now"}), "run.start_time", "RFC 3339"),
    (body(step={"name": "S", "status": "ENDED"}), "step.status", "SUCCEEDED, FAILED"),
    (body(step={"name": "S", "start_time": 5}), "step.start_time", "A time must be"),
    (
        body(step={"name": "S", "start_time": "2026-02-30T00:00:00Z"}),
        "step.start_time",
        "does not exist",
    ),
    (body(step={"name": "S", "start_time": "2026-02-03"}), "step.start_time", "RFC 3339"),
    (body(run={"run_id": "r", "start_time": BEFORE_TIME}), "run.start_time", "does not exist"),
    (
        body(step={"name": "S", "completion_time": AFTER_TIME}),
        "step.completion_time",
        "does not exist",
    ),
    (body(step="S"), "step", "an object, not text"),
    (body(extra=1), "body", "the fields here are run, step, parameters"),
    (body(inputs="3.17"), "inputs", "a list or null"),
    (body(inputs=["3.17", "data.h5"]), "inputs[1]", "neither an id nor a URI"),
    (body(inputs=["data/x.h5"]), "inputs[0]", "with its scheme"),
    (body(inputs=["urn:braid:1"]), "inputs[0]", "give a URN"),
    (body(inputs=[5]), "inputs[0]", "a URN, a short id, a URI or an object"),
    (body(inputs=[{}]), "inputs[0]", "neither refers to a record nor defines one"),
    (body(inputs=[{"uri": "file:///a", "size": 3}]), "inputs[0]", "a name to define"),
    (body(inputs=[{"uri": "a b"}]), "inputs[0].uri", "begin with its scheme"),
    (body(inputs=[{"id": "peaks"}]), "inputs[0].id", "urn:braid:<uuid>:<number>"),
    (body(inputs=[{"name": "x", "kind": "model"}]), "inputs[0].kind", "data, fact, dataset"),
    (body(inputs=[{"name": "x", "size": 3}]), "inputs[0].size", "give their uri or digest"),
    (body(inputs=[{"name": "x", "url": "a"}]), "inputs[0]", "There is no field 'url'"),
    (body(inputs=[{"name": "x", "uris": [{"size": 1}]}]), "inputs[0].uris[0]", "field uri"),
    (body(inputs=[{"name": "x", "depends_on": [{"name": "y"}]}]), "inputs[0].depends_on[0]", "id"),
    (body(inputs=[{"status": "SUCCEEDED", "details": {}}]), "inputs[0]", "holds no receipt"),
    (
        body(inputs=[RECEIPT | {"outputs": ["x"]}]),
        "inputs[0].outputs[0]",
        "The ids of a receipt must be",
    ),
    (
        body(inputs=[RECEIPT | {"models": {}, "step": "x"}]),
        "inputs[0].step[0]",
        "a receipt must be",
    ),
    (body(outputs=[None]), "outputs[0]", "an object with a name"),
    (body(models=[{}]), "models[0]", "give its name or its id"),
    (body(models=[{"name": "m", "how": "tuned"}]), "models[0].how", "used, trained, updated"),
    (body(models=[{"name": "m", "scores": {"a": 1}}]), "models[0].scores", "only used takes no"),
    (
        body(models=[{"name": "m", "how": "deployed", "metrics": []}]),
        "models[0].metrics",
        "only deployed takes no metrics",
    ),
    (
        body(models=[{"name": "m", "how": "trained", "metrics": [{"epoch": 1}, 3]}]),
        "models[0].metrics[1]",
        "A point must be an object",
    ),
    (body(models=[{"name": "m", "new": True}]), "models[0].new", "trained can be new"),
    (body(models=[{"name": "m", "how": "updated", "new": True}]), "models[0].new", "be new"),
    (
        body(models=[{"name": "m", "id": "3.17", "how": "trained", "new": True}]),
        "models[0].new",
        "leave out the id",
    ),
    (body(inputs=[{"name": "x", "members": ["3.17"]}]), "inputs[0].members", "Only a dataset"),
    (
        body(outputs=[{"name": "x", "kind": "dataset", "members": ["3.17", {"size": 3}]}]),
        "outputs[0].members[1]",
        "a name to define",
    ),
    (body(outputs=[nested(9)]), "outputs[0].members", "at most 8 deep"),
    (body(models=[{"id": {"name": "x"}}]), "models[0].id", "recorded already"),
    (body(tags=[]), "tags", "an object of names and values"),
    (body(tags={f"t{n}": n for n in range(1001)}), "tags", "at most 1000 names"),
    (body(environment=[]), "environment", "must be an object"),
    (body(environment={"x": "y" * 70000}), "environment", "at most 65536 bytes"),
]

VALUES: list[Any] = [
    body(step={"name": "x" * 129}),
    body(inputs=[{"name": ""}]),
    body(inputs=[{"name": "x", "uris": [{"uri": "a:b", "size": -1}]}]),
    body(inputs=[{"name": "x", "uri": "a:b", "digest": "abc"}]),
    body(inputs=[{"name": "x", "tags": {"a": []}}]),
    body(models=[{"name": "m", "how": "trained", "metrics": [{"epoch": 1.5}]}]),
    body(models=[{"name": "m", "how": "trained", "metrics": [{"loss": "low"}]}]),
    body(models=[{"name": "m", "how": "trained", "scores": {"f1": True}}]),
    body(tags={"a": None}),
    body(tags={"": 1}),
    body(tags={"a": 1 << 70}),
    body(tags={"a": 10**400}),
    body(tags={"a": "x" * 20000}),
]
"""Values that are not kept as they are given, which is no reason to refuse what is around them."""


@pytest.mark.parametrize(("document", "path", "sentence"), BAD)
def test_a_bad_body_is_refused_with_its_path_and_a_sentence(
    document: Any, path: str, sentence: str
) -> None:
    for read in (lambda: parse_body(json.dumps(document)), lambda: read_body(document)):
        with pytest.raises(InvalidInput) as refused:
            read()
        assert refused.value.path == path
        assert refused.value.message.startswith(f"{path}: ")
        assert sentence in refused.value.message
        assert refused.value.message.endswith((".", '."', "}."))


@pytest.mark.parametrize("document", VALUES)
def test_a_value_that_is_not_kept_as_given_is_left_to_the_recorder(document: Any) -> None:
    assert parse_body(json.dumps(document)) == read_body(document)


@pytest.mark.parametrize("data", [b"", b"{", b"\xff", b'{"run": NaN}'])
def test_what_is_not_json_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidInput, match="not JSON"):
        parse_body(data)


def test_a_deeply_nested_body_is_too_large() -> None:
    with pytest.raises(TooLarge, match="nested"):
        parse_body('{"parameters": ' + "[" * 200_000)


def test_more_inputs_than_the_limit_are_refused() -> None:
    with pytest.raises(InvalidInput, match="more than 100000 entries"):
        parse_body(json.dumps(body(inputs=["3.17"] * 100_001)))


# ---- the schema --------------------------------------------------------------------------


@pytest.mark.parametrize("validator", [Draft7Validator, Draft202012Validator])
def test_the_schema_is_valid_and_accepts_what_is_read(validator: Any) -> None:
    schema = body_schema()
    validator.check_schema(schema)
    validator(schema).validate(FULL)
    validator(schema).validate(body())


def test_the_schema_refuses_what_it_can_see() -> None:
    validator = Draft7Validator(body_schema())
    for document in (body(extra=1), {"run": {}}, body(inputs=[5]), body(models=[{"how": "x"}])):
        assert not validator.is_valid(document)


def test_what_the_schema_refuses_the_reader_refuses() -> None:
    validator = Draft7Validator(body_schema())
    for document, _, _ in BAD:
        if not validator.is_valid(document):
            with pytest.raises(InvalidInput):
                read_body(document)


def test_the_schema_describes_every_property() -> None:
    missing: list[str] = []

    def look(schema: Any, path: str) -> None:
        if isinstance(schema, list):
            for place, item in enumerate(schema):
                look(item, f"{path}[{place}]")
        if not isinstance(schema, dict):
            return
        for name, value in schema.items():
            if name == "properties":
                missing.extend(f"{path}.{n}" for n, p in value.items() if "description" not in p)
            look(value, f"{path}.{name}")

    look(body_schema(), "$")
    assert missing == []


def test_the_schema_is_the_callers_own_copy() -> None:
    body_schema().clear()
    assert body_schema()["type"] == "object"
