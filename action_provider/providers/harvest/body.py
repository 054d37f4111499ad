"""What is asked of ``/harvest``: the body of its actions."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from flows.harvest import Conventions, read_conventions
from flows.steps.validation_errors import refusal
from flows.steps.values import UUID
from provenance_store.errors import BraidError, InvalidInput, TooLarge

__all__ = ["HarvestBody", "conventions_named", "harvest_schema", "read_harvest_body"]

NAME = "[A-Za-z0-9][A-Za-z0-9_-]{0,63}"
FORMS = (
    ("run_id", re.compile(UUID), "This is not the id of a run: that is a UUID."),
    ("flow_id", re.compile(UUID), "This is not the id of a flow: that is a UUID."),
    ("conventions", re.compile(NAME), "Name them by letters, digits, _ and -, without .toml."),
)
"""What the fields have to look like, and what is said of those that do not."""
Id = Annotated[str, Meta(extra_json_schema={"pattern": f"^{UUID}$"})]
Name = Annotated[str, Meta(extra_json_schema={"pattern": f"^{NAME}$"})]


class HarvestBody(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Which run to harvest."""

    run_id: Annotated[
        Id, Meta(description="The run, such as $._context.run_id for the one that asks.")
    ]
    flow_id: (
        Annotated[Id, Meta(description="Its flow, where the run is to be of that one only.")] | None
    ) = None
    conventions: (
        Annotated[
            Name,
            Meta(description="Which of the server's files says which results are models."),
        ]
        | None
    ) = None
    on_missing_consent: Annotated[
        Literal["wait", "fail"],
        Meta(
            description="What becomes of the action when its caller has not agreed that this "
            "server reads runs: it is INACTIVE until they did (wait), or it has FAILED."
        ),
    ] = "wait"


def read_harvest_body(body: dict[str, Any]) -> HarvestBody:
    """The body of a request; raises InvalidInput with its path for what does not fit."""
    try:
        read = msgspec.convert(body, HarvestBody)
    except msgspec.ValidationError as error:
        refused = refusal(error, {"": HarvestBody})
        raise InvalidInput(refused.message, path=refused.path or "body") from None
    except RecursionError:
        raise TooLarge("The body is nested too deeply.") from None
    for name, form, sentence in FORMS:
        if (value := getattr(read, name)) is not None and not form.fullmatch(value):
            raise InvalidInput(sentence, path=name)
    return read


@cache
def _schema() -> bytes:
    return msgspec.json.encode(msgspec.json.schema(HarvestBody))


def harvest_schema() -> dict[str, Any]:
    """The JSON Schema of the bodies, as a document of the caller's own."""
    schema: dict[str, Any] = msgspec.json.decode(_schema())
    definitions = schema.pop("$defs")
    return {**definitions["HarvestBody"], "type": "object"}


def conventions_named(name: str | None, folder: str | None) -> Conventions:
    """The conventions of that name in the server's folder; none without a name.

    Raises InvalidInput when there are none of the name, or they make no sense.
    """
    if name is None:
        return Conventions()
    file = None if folder is None else Path(folder) / f"{name}.toml"
    if file is None or not file.is_file():
        raise InvalidInput(f"This server has no conventions named {name!r}.", path="conventions")
    try:
        return read_conventions(file)
    except BraidError:
        # Where the file is, and what is in it, is the operator's business.
        raise InvalidInput(
            f"The server's conventions {name!r} cannot be read; tell its operator.",
            path="conventions",
        ) from None
