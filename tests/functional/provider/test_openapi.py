"""The OpenAPI document is true to the routes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest
import schemathesis
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis.specs.openapi import checks

from action_provider.app import EXTENSION, OPERATIONS, create_app
from action_provider.operations import Operation
from flows.sandbox import Sandbox
from provenance_store import encode_batch
from tests.functional.provider.batches import MEDIA_TYPE, everything
from tests.functional.provider.house import Town, a_body

CHECKS = [
    schemathesis.checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
]

schemathesis.openapi.media_type(
    MEDIA_TYPE, st.binary() | st.builds(lambda: encode_batch(everything(run_id=None)[1]))
)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Flask, str]]:
    """The application with a little history, and a token."""
    file = tmp_path_factory.mktemp("openapi") / "store.db"
    with Sandbox() as sandbox:
        town = Town(sandbox)
        app = create_app(f"sqlite:///{file}", environ=town.environ())
        token = town.person("ada").token
        client = app.test_client()
        for number in range(3):
            answer = client.post(
                "/record/run",
                json={"request_id": f"r{number}", "body": a_body(run_id=f"run-{number}")},
                headers={"Authorization": f"Bearer {token}"},
            )
            assert answer.status_code == 202
        yield app, token
        app.extensions[EXTENSION].close()


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_every_operation_answers_as_declared(
    operation: Operation, served: tuple[Flask, str]
) -> None:
    app, token = served
    schema = schemathesis.openapi.from_wsgi("/api/openapi.json", app)
    path = re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", operation.path)

    @given(case=schema[path][operation.method].as_strategy())
    @settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
    def check(case: schemathesis.Case) -> None:
        answer = case.call(headers={"Authorization": f"Bearer {token}"})
        case.validate_response(answer, checks=CHECKS)

    check()


NAMING = [
    ("get_record", "/api/v1/records/twice"),
    ("get_lineage", "/api/v1/records/twice/lineage"),
    ("get_model_version", "/api/v1/records/twice/model"),
    ("get_statement", "/api/v1/records/twice/statement"),
    ("get_model", "/api/v1/models/twice"),
    ("list_models", "/api/v1/models?trained_on=twice"),
    ("resolve", "/api/v1/resolve?reference=twice"),
    ("get_run", "/api/v1/runs/twice"),
]


@pytest.mark.parametrize(("name", "path"), NAMING, ids=[name for name, _ in NAMING])
def test_a_name_of_several_records_or_of_none_is_answered_as_declared(
    name: str, path: str, served: tuple[Flask, str]
) -> None:
    app, token = served
    client, headers = app.test_client(), {"Authorization": f"Bearer {token}"}
    (operation,) = (one for one in OPERATIONS if one.name == name)
    declared = {*operation.answers, *operation.errors}
    assert client.get(path.replace("twice", "nowhere"), headers=headers).status_code in declared
    for number in range(2):
        body = a_body(run_id=f"twice-{number}", outputs=[{"name": "twice"}])
        envelope = {"request_id": f"{name} {number}", "body": body}
        assert client.post("/record/run", json=envelope, headers=headers).status_code == 202
    assert client.get(path, headers=headers).status_code in declared


def _paths_of(app: Flask) -> set[tuple[str, str]]:
    return {
        (method, re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule))
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }


def test_every_route_is_in_the_document_and_the_other_way_round(
    served: tuple[Flask, str],
) -> None:
    app, _ = served
    document = app.test_client().get("/api/openapi.json").get_json()
    assert document["openapi"].startswith("3.1")
    declared = {
        (method.upper(), path) for path, item in document["paths"].items() for method in item
    }
    assert declared == _paths_of(app)


def test_answers_of_the_store_fit_the_declared_shapes(
    served: tuple[Flask, str],
) -> None:
    app, token = served
    client = app.test_client()
    headers = {"Authorization": f"Bearer {token}"}
    document = client.get("/api/openapi.json").get_json()
    run = client.get("/api/v1/runs/run-0", headers=headers).get_json()
    step, model = run["steps"][0], run["steps"][0]["models"][0]
    for template, path in {
        "/api/v1/runs": "",
        "/api/v1/runs/{run_id}": "run-0",
        "/api/v1/records": "",
        "/api/v1/records/{record_id}": model["id"],
        "/api/v1/records/{record_id}/lineage": step["id"],
        "/api/v1/records/{record_id}/model": model["id"],
        "/api/v1/records/{record_id}/statement": model["id"],
        "/api/v1/models": "",
        "/api/v1/models/{name}": model["name"],
        "/healthz": "",
    }.items():
        answer = client.get(re.sub(r"\{\w+\}", path, template), headers=headers).get_json()
        content = document["paths"][template]["get"]["responses"]["200"]["content"]
        shape = {**content["application/json"]["schema"], "components": document["components"]}
        jsonschema.Draft202012Validator(shape).validate(answer)
        _no_undeclared_fields(answer, shape, document)


def _no_undeclared_fields(answer: Any, shape: dict[str, Any], document: dict[str, Any]) -> None:
    """Every field of a declared object is declared itself."""
    if "$ref" in shape:
        shape = document["components"]["schemas"][shape["$ref"].rpartition("/")[2]]
    if isinstance(answer, list) and "items" in shape:
        for item in answer:
            _no_undeclared_fields(item, shape["items"], document)
    elif isinstance(answer, dict) and "properties" in shape:
        assert set(answer) <= set(shape["properties"]), shape.get("title")
        for name, value in answer.items():
            _no_undeclared_fields(value, shape["properties"][name], document)
