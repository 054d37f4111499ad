"""The OpenAPI 3.1 document, made from the declarations that the routes are made from."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from typing import Any

import msgspec
from flask import Blueprint, Response

from action_provider.errors import ERRORS
from action_provider.operations import Operation

__all__ = ["OPERATION", "openapi", "openapi_blueprint"]

REF = "#/components/schemas/{name}"
_PATH_PARAMETER = re.compile(r"<(?:\w+:)?(\w+)>")


class ErrorAnswer(msgspec.Struct, forbid_unknown_fields=True):
    """Every error has this shape; the description is one sentence."""

    code: str
    description: str


OPERATION = Operation(
    "openapi",
    "GET",
    "/api/openapi.json",
    "This document.",
    {200: dict[str, Any]},
    secured=False,
)


def openapi_blueprint(document: Callable[[], bytes]) -> Blueprint:
    """The route of the document, which is made when somebody asks for it."""
    blueprint = Blueprint("openapi", __name__)

    @blueprint.get(OPERATION.path)
    def openapi_json() -> Response:
        return Response(document(), mimetype="application/json")

    return blueprint


def openapi(
    operations: Iterable[Operation], *, version: str, bodies: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    """The document. `bodies` are the schemas of what action providers take, by the name of the
    struct that their envelope is declared with."""
    operations = tuple(operations)
    kinds = [ErrorAnswer, *_kinds(operations)]
    _, schemas = msgspec.json.schema_components(kinds, ref_template=REF)
    for envelope, body in bodies.items():
        name = f"{envelope}Body"
        schemas[envelope]["properties"]["body"] = {"$ref": REF.format(name=name)}
        schemas[name] = _embedded(name, body, schemas)
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        path = _PATH_PARAMETER.sub(r"{\1}", operation.path)
        paths.setdefault(path, {})[operation.method.lower()] = _operation(operation)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Braid",
            "version": version,
            "description": "Records the steps of Globus flows, and answers questions about them.",
        },
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "globus": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "A Globus Auth access token with this server's scope.",
                }
            },
        },
    }


def _kinds(operations: Iterable[Operation]) -> list[Any]:
    """Every struct that a body or an answer is declared with."""
    kinds: dict[Any, None] = {}
    for operation in operations:
        for kind in (operation.body, *operation.answers.values()):
            if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
                kinds[kind] = None
    return list(kinds)


def _embedded(prefix: str, schema: Mapping[str, Any], schemas: dict[str, Any]) -> dict[str, Any]:
    """The schema with its own definitions moved beside the others."""
    place = REF.format(name=prefix)
    text = msgspec.json.encode(schema).replace(b'"#/$defs/', f'"{place}.'.encode())
    whole: dict[str, Any] = msgspec.json.decode(text)
    for name, definition in whole.pop("$defs", {}).items():
        schemas[f"{prefix}.{name}"] = definition
    whole.pop("$schema", None)
    return whole


def _operation(operation: Operation) -> dict[str, Any]:
    document: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.summary,
        "parameters": [*_path_parameters(operation), *_query_parameters(operation)],
        "responses": _responses(operation),
        "security": [{"globus": []}] if operation.secured else [],
    }
    if operation.body is not None:
        content = {operation.body_media_type: {"schema": _schema(operation.body)}}
        document["requestBody"] = {"required": True, "content": content}
    return document


def _path_parameters(operation: Operation) -> Iterable[dict[str, Any]]:
    for name in _PATH_PARAMETER.findall(operation.path):
        yield {
            "name": name,
            "in": "path",
            "required": True,
            "description": operation.path_help[name],
            "schema": {"type": "string", "minLength": 1},
        }


def _query_parameters(operation: Operation) -> Iterable[dict[str, Any]]:
    if operation.parameters is None:
        return
    _, parts = msgspec.json.schema_components([operation.parameters], ref_template=REF)
    properties = parts[operation.parameters.__name__]["properties"]
    for name, schema in properties.items():
        schema = _query_schema(dict(schema))
        description = schema.pop("description", "")
        yield {"name": name, "in": "query", "description": description, "schema": schema}


def _query_schema(schema: dict[str, Any]) -> dict[str, Any]:
    """A parameter that is absent is absent: a query has no null."""
    if schema.get("default", 0) is None:
        del schema["default"]
    if "anyOf" in schema:
        others = [part for part in schema.pop("anyOf") if part != {"type": "null"}]
        schema |= others[0] if len(others) == 1 else {"anyOf": others}
    if "enum" in schema:
        schema["enum"] = [value for value in schema["enum"] if value is not None]
    return schema


def _responses(operation: Operation) -> dict[str, Any]:
    responses: dict[str, Any] = {}
    for status, kind in operation.answers.items():
        content = {operation.media_type: {"schema": _schema(kind)}}
        content |= {name: {"schema": _schema(None)} for name in operation.text_media_types}
        responses[str(status)] = {"description": HTTPStatus(status).phrase, "content": content}
    others = (429, 503) if operation.secured else ()
    for status in sorted({*operation.errors, *others, 500}):
        responses[str(status)] = {
            "description": _meaning(status),
            "content": {"application/json": {"schema": _schema(ErrorAnswer)}},
        }
    return responses


def _meaning(status: int) -> str:
    meanings = [row.meaning for row in ERRORS if row.status == status]
    text = "; ".join(dict.fromkeys(meanings))
    return (text[:1].upper() + text[1:] + ".") if text else HTTPStatus(status).phrase


def _schema(kind: Any) -> dict[str, Any]:
    if kind is None:
        return {"type": "string"}
    if kind is bytes:
        return {"type": "string", "format": "binary"}
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return {"$ref": REF.format(name=kind.__name__)}
    schema: dict[str, Any] = msgspec.json.schema(kind)
    return schema
