"""The JSON Schema of the body: made from its structs, so that it cannot say anything else.

Valid as draft 7 and as draft 2020-12. It says what a body looks like; `parse_body` checks more.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import msgspec

from flows.steps.body import Body, Definition
from flows.steps.references import Item, Reference
from flows.steps.timestamps import Moment
from flows.steps.values import (
    MAX_ITEMS,
    MAX_SCORES,
    MAX_TAGS,
    PRINCIPAL,
    WORDS,
    Environment,
    Points,
    Principal,
    Scores,
    Tags,
)

__all__ = ["REFERENCES", "body_schema"]

REFERENCES: list[dict[str, Any]] = [
    {
        "type": "string",
        "minLength": 1,
        "description": "A URN (urn:braid:...), a short id (3.17), a URI with its scheme, or, as an "
        "input or output, the path of a file of the run.",
    },
    {
        "type": "object",
        "required": ["id"],
        "additionalProperties": False,
        "description": "A record by its id, as a receipt lists it.",
        "properties": {
            "id": {"description": "A URN or a short id.", "type": "string", "minLength": 1},
            "name": {"description": "Its name; not needed.", "type": "string"},
            "version": {"description": "Its version number; not needed.", "type": "integer"},
            "how": {"description": "How it took part; not needed.", "type": "string"},
        },
    },
    {
        "type": "object",
        "required": ["uri"],
        "additionalProperties": False,
        "description": "A record by a URI of its bytes.",
        "properties": {
            "uri": {"description": "The URI, with its scheme.", "type": "string", "minLength": 1}
        },
    },
    {
        "type": "object",
        "anyOf": [
            {"required": ["step", "outputs"]},
            {"required": ["details", "status"]},
            *({"required": [name]} for name in ("Error", "Cause", "error", "code")),
        ],
        "description": "The receipt of an earlier step, or the whole action status that holds it.",
        "properties": {
            "step": {"description": "The URN of the step.", "type": "string"},
            "outputs": {"description": "The URNs of its outputs.", "type": "array"},
            "details": {"description": "The receipt."},
            "status": {"description": "How the recording went.", "type": "string"},
            **{
                name: {"description": "Why the recording of that step failed."}
                for name in ("Error", "Cause", "error", "code")
            },
        },
    },
]
"""The ways to write a reference."""
_ITEM = {"anyOf": [*REFERENCES, {"$ref": "#/$defs/Definition"}]}
_NUMBER = {"type": ["number", "null"]}
_KINDS: dict[type, dict[str, Any]] = {
    Item: _ITEM,
    Reference: {"anyOf": REFERENCES},
    Moment: {"type": "string", "format": "date-time"},
    Tags: {
        "type": "object",
        "maxProperties": MAX_TAGS,
        "additionalProperties": {"type": ["string", "number", "boolean"]},
    },
    Scores: {"type": "object", "maxProperties": MAX_SCORES, "additionalProperties": _NUMBER},
    Points: {
        "type": "array",
        "maxItems": MAX_ITEMS,
        "items": {
            "type": "object",
            "description": "Numbers by name at one epoch; null where one was not finite.",
            "properties": {
                name: {
                    "description": "When: a whole number; by default the place in the list.",
                    "type": "integer",
                    "minimum": 0,
                }
                for name in ("epoch", "step")
            },
            "additionalProperties": _NUMBER,
        },
    },
    Environment: {"type": "object"},
    Principal: {"type": "string", "pattern": f"^{PRINCIPAL.pattern}$"},
    **{word: {"type": "string", "enum": list(word.choices)} for word in WORDS},
}


@cache
def _schema() -> bytes:
    _, components = msgspec.json.schema_components(
        (Body, Definition), schema_hook=_KINDS.__getitem__, ref_template="#/$defs/{name}"
    )
    schema = components.pop("Body")
    return msgspec.json.encode({**schema, "$defs": components})


def body_schema() -> dict[str, Any]:
    """The schema as a document of the caller's own."""
    schema: dict[str, Any] = msgspec.json.decode(_schema())
    return schema
