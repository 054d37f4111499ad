"""What can be asked: the bodies of the action provider, a struct for each question."""

from __future__ import annotations

from functools import cache
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from flows.steps.body import read_reference
from flows.steps.references import Reference
from flows.steps.schema import REFERENCES
from flows.steps.validation_errors import BodyRefused, joined, refusal
from provenance_store.errors import InvalidInput, TooLarge

__all__ = [
    "MAX_REFERENCES",
    "ModelsQuestion",
    "Question",
    "RecordsQuestion",
    "ValidityQuestion",
    "question_schema",
    "read_question",
]

MAX_REFERENCES = 100
MAX_CONDITIONS = 20
MAX_LISTED = 10


class Subjects(tuple[Reference, ...]):
    """What a question is about: one reference, or a list of them."""

    __slots__ = ()


Text = Annotated[str, Meta(min_length=1, max_length=8192)]
Conditions = Annotated[
    list[Text],
    Meta(
        max_length=MAX_CONDITIONS,
        description="Conditions on tags, such as sample=Ni or temperature_K>290; all must hold.",
    ),
]
Limit = Annotated[
    int, Meta(ge=1, le=MAX_LISTED, description="At most so many of what was found are listed.")
]


class _Question(
    msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True, tag_field="ask"
):
    """A question; `ask` says which."""


class ModelsQuestion(_Question, tag="models", frozen=True):
    """Which models are there, and which version of each is the best, or else the newest?"""

    name: Annotated[Text | None, Meta(description="Their name; * is anything.")] = None
    trained_on: Annotated[
        Subjects | None,
        Meta(
            description="What a version was trained on, directly or not: a record or a list of "
            "them by id, by URI, or what a step made by its receipt; all must hold."
        ),
    ] = None
    tags: Conditions = []
    where: Annotated[
        list[Text],
        Meta(
            max_length=MAX_CONDITIONS,
            description="Conditions on hyperparameters of a version, or on parameters of the step "
            "that made it, such as lr<0.01; all must hold.",
        ),
    ] = []
    alias: Annotated[
        Text | None, Meta(description="The version that has this alias, such as champion.")
    ] = None
    best: Annotated[
        Text | None,
        Meta(
            description="A validation score, or else a metric, whose last value counts: the lowest "
            "is first."
        ),
    ] = None
    highest: Annotated[bool, Meta(description="With best: the highest is first.")] = False
    valid: Annotated[
        bool, Meta(description="Only versions that are not invalid: true, if not said otherwise.")
    ] = True
    limit: Limit = 5


class RecordsQuestion(_Question, tag="records", frozen=True):
    """Which records are there? Newest first."""

    kind: Annotated[
        Literal["fact", "data", "model", "dataset", "step"] | None,
        Meta(description="What they are."),
    ] = None
    name: Annotated[Text | None, Meta(description="Their name; * is anything.")] = None
    uri: Annotated[Text | None, Meta(description="One of their URIs; * is anything.")] = None
    digest: Annotated[Text | None, Meta(description="Digest of their bytes.")] = None
    tags: Conditions = []
    run_id: Annotated[Text | None, Meta(description="The run that they were made in.")] = None
    limit: Limit = 5


class ValidityQuestion(_Question, tag="validity", frozen=True):
    """Can these be relied on, or were they, or anything that they derive from, invalidated?"""

    of: Annotated[
        Subjects | None,
        Meta(
            description="A record or a list of them: by id, by URI, or what a step made by the "
            "receipt of its recording."
        ),
    ] = None
    model: Annotated[
        Text | None, Meta(description="The latest version of the model of this name.")
    ] = None
    limit: Limit = 5


Question = ModelsQuestion | RecordsQuestion | ValidityQuestion
QUESTIONS: dict[str, type[Question]] = {
    "models": ModelsQuestion,
    "records": RecordsQuestion,
    "validity": ValidityQuestion,
}


def read_question(body: dict[str, Any]) -> Question:
    """The question in a body; raises InvalidInput with its path for what is none."""
    kind = QUESTIONS.get(body["ask"]) if isinstance(body.get("ask"), str) else None
    if kind is None:
        raise InvalidInput(f'"ask" must be one of {", ".join(QUESTIONS)}.', path="ask")
    try:
        question = msgspec.convert(body, kind, dec_hook=_hook)
    except msgspec.ValidationError as error:
        refused = refusal(error, {"": kind})
        raise InvalidInput(refused.message, path=refused.path or "body") from None
    except RecursionError:
        raise TooLarge("The body is nested too deeply.") from None
    if isinstance(question, ValidityQuestion) and not question.of and question.model is None:
        raise InvalidInput("Say what it is that may be invalid, or of which model.", path="of")
    if isinstance(question, ModelsQuestion) and question.highest and question.best is None:
        raise InvalidInput("It needs the parameter best.", path="highest")
    return question


@cache
def _schema() -> bytes:
    kinds = tuple(QUESTIONS.values())
    schemas, components = msgspec.json.schema_components(
        kinds, schema_hook=_describe, ref_template="#/$defs/{name}"
    )
    return msgspec.json.encode(
        {"type": "object", "required": ["ask"], "oneOf": list(schemas), "$defs": components}
    )


def question_schema() -> dict[str, Any]:
    """The JSON Schema of the bodies, as a document of the caller's own."""
    schema: dict[str, Any] = msgspec.json.decode(_schema())
    return schema


def _hook(_: type, value: Any) -> Subjects:
    if not isinstance(value, list):
        return Subjects([read_reference(value)])
    if len(value) > MAX_REFERENCES:
        raise BodyRefused(f"This list has more than {MAX_REFERENCES} entries.")
    return Subjects(_read_at(item, f"[{place}]") for place, item in enumerate(value))


def _read_at(value: Any, path: str) -> Reference:
    try:
        return read_reference(value)
    except BodyRefused as error:
        raise BodyRefused(error.message, joined(path, error.path)) from None


def _describe(_: type) -> dict[str, Any]:
    references = {"anyOf": REFERENCES}
    return {
        "anyOf": [
            *REFERENCES,
            {"type": "array", "maxItems": MAX_REFERENCES, "items": references},
        ]
    }
