"""The body of a record action: what the state that records a step sends.

`parse_body` reads and checks it, `body_schema` describes it as JSON Schema. Times are RFC 3339
text outside and microseconds since 1970 UTC inside; sizes are bytes. A field that is null says
nothing, like one that is absent.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from flows.steps.decision import DecidedOption, StepDecision
from flows.steps.references import (
    MAKING,
    IdReference,
    Item,
    PathReference,
    Reference,
    UriReference,
    read_receipt,
)
from flows.steps.timestamps import Moment
from flows.steps.uris import is_uri, tidy_uri
from flows.steps.validation_errors import BodyRefused, refusal
from flows.steps.values import (
    MAX_ITEMS,
    MAX_TAGS,
    VALUE_READERS,
    Environment,
    How,
    KindName,
    Points,
    Principal,
    RunStatus,
    Scores,
    StepStatus,
    Tags,
)
from provenance_store.errors import InvalidInput, TooLarge
from provenance_store.ids import looks_like_id

__all__ = [
    "Body",
    "ChoiceRules",
    "Defined",
    "Definition",
    "ModelEntry",
    "Run",
    "Step",
    "UriDocument",
    "parse_body",
    "read_body",
    "read_reference",
]

MAX_MODELS = 1_000
MAX_URIS = 1_000
MAX_OPTIONS = 1_000
MAX_PRINCIPALS = 1_000
MAX_NESTING = 8
"""Datasets inside datasets."""


# ---- references and definitions ----------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Defined(Item):
    """A record described here."""

    definition: Definition


# ---- the documents -----------------------------------------------------------------------

# Only the shape is checked here: what the store cannot keep as it is, it keeps as what can be
# said of it. How long things are kept whole, `provenance_store.validation.limits` says.
Text = str
Name = str
UriText = str
Digest = str
Size = int
Principals = Annotated[list[Principal], Meta(max_length=MAX_PRINCIPALS)]
Items = Annotated[list[Item], Meta(max_length=MAX_ITEMS)]
References = Annotated[list[Reference], Meta(max_length=MAX_ITEMS)]


class UriDocument(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Where bytes are."""

    uri: Annotated[UriText, Meta(description="The URI, such as globus://<collection>/<path>.")]
    size: Annotated[Size | None, Meta(description="Size in bytes.")] = None
    digest: Annotated[
        Digest | None, Meta(description="Digest of the bytes, as sha256:<hexadecimal>.")
    ] = None
    media_type: Annotated[
        str | None,
        Meta(description="Media type, such as application/x-hdf5."),
    ] = None


Uris = Annotated[list[UriText | UriDocument], Meta(max_length=MAX_URIS)]


class Definition(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """A record described where it is used or made."""

    name: Annotated[Name, Meta(description="What people call it.")]
    kind: Annotated[
        KindName | None,
        Meta(description="data (the default), fact (static knowledge) or dataset (a collection)."),
    ] = None
    uris: Annotated[Uris | None, Meta(description="Where its bytes are: URIs.")] = None
    uri: Annotated[UriText | None, Meta(description="Where its bytes are: one URI.")] = None
    digest: Annotated[
        Digest | None,
        Meta(description="Digest of its bytes, wherever they are, as sha256:<hexadecimal>."),
    ] = None
    size: Annotated[Size | None, Meta(description="Size of its bytes.")] = None
    media_type: Annotated[str | None, Meta(description="Media type of its bytes.")] = None
    tags: Annotated[Tags | None, Meta(description="Typed tags by name.")] = None
    depends_on: Annotated[
        References | None, Meta(description="The records that it derives from.")
    ] = None
    members: Annotated[
        Items | None,
        Meta(description="Of a dataset: the records in it, references or definitions."),
    ] = None

    @property
    def nesting(self) -> int:
        """How many levels of definitions this is, its members' own included."""
        inner = (m.definition.nesting for m in self.members or () if isinstance(m, Defined))
        return 1 + max(inner, default=0)

    def __post_init__(self) -> None:
        _needs_uri(self)
        if self.members and self.kind != "dataset":
            raise BodyRefused('Only a dataset has members: give "kind": "dataset".', "members")
        if self.nesting > MAX_NESTING:
            raise BodyRefused(
                f"Datasets are nested at most {MAX_NESTING} deep; record the inner ones first.",
                "members",
            )


class ModelEntry(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """What a step did with a machine-learning model."""

    name: Annotated[Name | None, Meta(description="The name of the model's line.")] = None
    id: Annotated[
        Reference | None, Meta(description="The version of the model that was used or updated.")
    ] = None
    how: Annotated[
        How | None,
        Meta(
            description="used (the default); trained: a new line, or the next version of the line "
            "of that name; updated: the next version of one that must exist; deployed: put to work."
        ),
    ] = None
    new: Annotated[
        bool | None,
        Meta(
            description="Of a trained model: true to begin a new line, even if there is one of "
            "that name, from another run for example."
        ),
    ] = None
    uris: Annotated[Uris | None, Meta(description="Where the weights are: URIs.")] = None
    uri: Annotated[UriText | None, Meta(description="Where the weights are: one URI.")] = None
    digest: Annotated[
        Digest | None, Meta(description="Digest of the weights, as sha256:<hexadecimal>.")
    ] = None
    size: Annotated[Size | None, Meta(description="Size of the weights in bytes.")] = None
    hyperparameters: Annotated[
        dict[str, Any] | None, Meta(description="Hyperparameters of the training.")
    ] = None
    metrics: Annotated[
        Points | None,
        Meta(description='The convergence curve: points such as {"epoch": 3, "loss": 0.2}.'),
    ] = None
    scores: Annotated[
        Scores | None, Meta(description="Validation scores of the finished version, by name.")
    ] = None
    trained_on: Annotated[
        Items | None,
        Meta(description="What the version was exposed to; without it, the inputs of the step."),
    ] = None
    depends_on: Annotated[
        References | None,
        Meta(description="What it builds on otherwise, such as the model it was fine-tuned from."),
    ] = None
    tags: Annotated[Tags | None, Meta(description="Typed tags by name.")] = None

    @property
    def makes_version(self) -> bool:
        """Whether the step made a version of the model, and did not only use it."""
        return self.how in MAKING

    @property
    def verb(self) -> str:
        """What the step did with the model."""
        return str(self.how or "used")

    def __post_init__(self) -> None:
        if self.name is None and self.id is None:
            raise BodyRefused("Say which model this is: give its name or its id.")
        _needs_uri(self)
        if self.new and (self.how != "trained" or self.id is not None):
            raise BodyRefused(
                "Only a model that is trained can be new, under a name: say that it was trained "
                "and leave out the id of another version.",
                "new",
            )
        if not self.makes_version:
            for name in ("hyperparameters", "metrics", "scores", "trained_on", "depends_on"):
                if getattr(self, name) is not None:
                    raise BodyRefused(
                        f"A model that is only {self.verb} takes no {name}; leave it out, or say "
                        "that it was trained or updated.",
                        name,
                    )


class Run(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """The flow run that the step belongs to."""

    run_id: Annotated[
        Annotated[str, Meta(min_length=1, max_length=64)],
        Meta(description="The id of the run, $._context.run_id."),
    ]
    flow_id: Annotated[Text | None, Meta(description="The id of the flow.")] = None
    flow_title: Annotated[Text | None, Meta(description="The title of the flow.")] = None
    label: Annotated[Text | None, Meta(description="The label of the run.")] = None
    run_owner: Annotated[
        Principal | None,
        Meta(
            description="Who started the run, as the flow says: a Globus identity URN. It may "
            "read only when it is an identity of the caller."
        ),
    ] = None
    username: Annotated[Text | None, Meta(description="The user name of the run's owner.")] = None
    status: Annotated[RunStatus | None, Meta(description="How the run stands.")] = None
    start_time: Annotated[Moment | None, Meta(description="When the run started.")] = None
    completion_time: Annotated[Moment | None, Meta(description="When the run ended.")] = None
    tags: Annotated[
        Annotated[list[Name], Meta(max_length=MAX_TAGS)] | None,
        Meta(description="The tags of the run."),
    ] = None
    monitor_by: Annotated[
        Principals | None, Meta(description="Who may read: identity and group URNs.")
    ] = None
    manage_by: Annotated[
        Principals | None, Meta(description="Who may manage: identity and group URNs.")
    ] = None


class Step(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """The state that was carried out."""

    name: Annotated[
        str,
        Meta(description="The name of the state in the flow's definition."),
    ]
    type: Annotated[
        str | None,
        Meta(description="The type of the state: Action (the default), Pass, Fail, ..."),
    ] = None
    action_url: Annotated[
        str | None,
        Meta(description="The URL of the action provider that carried it out."),
    ] = None
    action_id: Annotated[
        Text | None, Meta(description="The id of the action; by default the result's.")
    ] = None
    status: Annotated[
        StepStatus | None,
        Meta(description="How it ended; by default FAILED with an error, else as the result says."),
    ] = None
    start_time: Annotated[
        Moment | None, Meta(description="When it started; by default the result's.")
    ] = None
    completion_time: Annotated[
        Moment | None, Meta(description="When it ended; by default the result's.")
    ] = None
    run_as: Annotated[
        Text | None,
        Meta(
            description="Whose rights it was run with: User (the default of an Action), Flow or a "
            "role."
        ),
    ] = None
    comment: Annotated[
        str | None,
        Meta(description="The comment of the state."),
    ] = None
    definition_digest: Annotated[
        str | None,
        Meta(description="Digest of the flow's definition, as sha256:<hexadecimal>."),
    ] = None


class OptionEntry(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """One of what could be chosen."""

    id: Annotated[
        str | None, Meta(description="The URN or short id of a record; null where it is none.")
    ] = None
    name: Annotated[Name | None, Meta(description="What people call it.")] = None
    score: Annotated[
        float | None, Meta(description="The number by which the options were compared.")
    ] = None
    why: Annotated[Text | None, Meta(description="What speaks for it, or against it.")] = None

    def __post_init__(self) -> None:
        if self.id is None and self.name is None:
            raise BodyRefused("Say which option this is: give its id or its name.")


class Decision(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """What a step decided: nothing follows from an option that was not taken."""

    options: Annotated[
        Annotated[list[OptionEntry], Meta(max_length=MAX_OPTIONS)],
        Meta(description="What could be chosen."),
    ]
    chosen: Annotated[
        str | Annotated[list[str], Meta(max_length=MAX_OPTIONS)] | None,
        Meta(description="The ids or names of the options that were taken; null for none."),
    ] = None
    question: Annotated[Text | None, Meta(description="What there was to decide.")] = None
    why: Annotated[Text | None, Meta(description="The reason.")] = None
    decider: Annotated[
        Text | None, Meta(description="The person, program or model that decided.")
    ] = None
    policy: Annotated[Text | None, Meta(description="The rule it went by.")] = None


class ChoiceRules(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """The rules of a Choice state, as its definition has them."""

    choices: Annotated[
        Annotated[list[dict[str, Any]], Meta(max_length=MAX_OPTIONS)],
        Meta(description="The rules, in the order in which they are tried."),
    ] = msgspec.field(name="Choices")
    default: Annotated[
        Name | None, Meta(description="The state that the run goes to when no rule holds.")
    ] = msgspec.field(name="Default", default=None)


class Body(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """One step of a flow run, with what went in and what came out."""

    run: Annotated[Run, Meta(description="The flow run that the step belongs to.")]
    step: Annotated[Step, Meta(description="The state that was carried out.")]
    parameters: Annotated[
        Any, Meta(description="The body that the action was given; secrets are redacted.")
    ] = None
    result: Annotated[
        Any,
        Meta(description="What landed at the state's ResultPath; secrets are redacted."),
    ] = None
    error: Annotated[
        Any, Meta(description="What a Catch received when the state failed; secrets are redacted.")
    ] = None
    outcome: Annotated[
        Any,
        Meta(
            description="What `braid flow instrument` sends in place of result and error: the "
            "result, or the error (its Error and Cause) of a failure that nothing caught, by which "
            "the run is about to end. Secrets are redacted."
        ),
    ] = None
    inputs: Annotated[
        Items | None, Meta(description="What the step used: references or definitions.")
    ] = None
    outputs: Annotated[
        Items | None, Meta(description="What the step made: definitions, or URIs.")
    ] = None
    models: Annotated[
        Annotated[list[ModelEntry], Meta(max_length=MAX_MODELS)] | None,
        Meta(description="The models that the step used, trained, updated or deployed."),
    ] = None
    tags: Annotated[Tags | None, Meta(description="Typed tags of the step by name.")] = None
    collections: Annotated[
        Annotated[list[str], Meta(max_length=MAX_TAGS)] | None,
        Meta(
            description="Which collection has the files of which Compute endpoint, each as "
            "ENDPOINT=COLLECTION or ENDPOINT=COLLECTION:/FOLDER, the folder that is its root."
        ),
    ] = None
    files: Annotated[
        Annotated[list[dict[str, Any]], Meta(max_length=MAX_TAGS)] | None,
        Meta(
            description="Rules that say which files the step used and made, each as a [[file]] of "
            "a file of conventions; those that do not fit the step say nothing."
        ),
    ] = None
    environment: Annotated[
        Environment | None,
        Meta(description="Hardware, software and code versions that the step ran with."),
    ] = None
    decision: Annotated[Decision | None, Meta(description="What the step decided.")] = None
    choice: Annotated[
        ChoiceRules | None,
        Meta(
            description="Of a Choice state: its rules. With what they compare as parameters, each "
            "by its path in the rules, they tell what the step decided, unless `decision` does."
        ),
    ] = None

    @property
    def decided(self) -> StepDecision | None:
        """What the step decided, as the body says."""
        said = self.decision
        if said is None:
            return None
        options = (DecidedOption(one.id, one.name, one.score, one.why) for one in said.options)
        chosen = (said.chosen,) if isinstance(said.chosen, str) else tuple(said.chosen or ())
        about = (said.question, said.policy, said.decider, said.why)
        return StepDecision(*about, options=tuple(options), chosen=chosen)

    @property
    def says_what(self) -> bool:
        """Whether the body itself lists inputs, outputs or models, be it none."""
        return not (self.inputs is None and self.outputs is None and self.models is None)


def _needs_uri(document: Definition | ModelEntry) -> None:
    if document.uri is None and not document.uris and document.digest is None:
        for name in ("size", "media_type"):
            if getattr(document, name, None) is not None:
                raise BodyRefused(f"A {name} is said of bytes: give their uri or digest too.", name)


_STRUCTS: dict[str, type[msgspec.Struct]] = {
    "": Body,
    "run": Run,
    "step": Step,
    "models": ModelEntry,
    "uris": UriDocument,
    "decision": Decision,
    "choice": ChoiceRules,
    "options": OptionEntry,
}
"""The struct read under each field, for the list of fields in a refusal."""


# ---- reading -----------------------------------------------------------------------------


def parse_body(data: bytes | str) -> Body:
    """Read and check a body from JSON.

    Raises InvalidInput with the path of what is wrong and a sentence that says what to do, and
    TooLarge when it is nested too deeply.
    """
    try:
        return _decoder.decode(data)
    except msgspec.ValidationError as error:
        raise _invalid(error) from None
    except (msgspec.DecodeError, UnicodeError) as error:
        raise InvalidInput(f"The body is not JSON: {str(error).rstrip('.')}.") from None
    except RecursionError:
        raise TooLarge("The body is nested too deeply.") from None


def read_body(document: Any) -> Body:
    """Read and check a body that is already decoded JSON; raises as `parse_body`."""
    try:
        return msgspec.convert(document, Body, dec_hook=_hook)
    except msgspec.ValidationError as error:
        raise _invalid(error) from None
    except RecursionError:
        raise TooLarge("The body is nested too deeply.") from None


def _invalid(error: msgspec.ValidationError) -> InvalidInput:
    refused = refusal(error, _STRUCTS)
    return InvalidInput(refused.message, path=refused.path or "body")


def _read_item(value: Any) -> Item:
    if isinstance(value, str):
        return _read_text(value)
    if not isinstance(value, dict):
        raise BodyRefused("An entry must be a URN, a short id, a URI or an object with a name.")
    if (reference := read_receipt(value)) is not None:
        return reference
    if "id" in value and value.keys() <= {"id", "name", "version", "how"}:
        return _read_id(value["id"])
    if value.keys() == {"uri"}:
        return _read_uri(value["uri"])
    return Defined(_read_definition(value))


def read_reference(value: Any) -> Reference:
    """What a reference names, from its JSON; raises Refused for everything else."""
    item = _read_item(value)
    if isinstance(item, PathReference):
        raise BodyRefused(
            "A path can be an input or an output of a step, where the files of its run tell what "
            "it is; give its URI or id here."
        )
    if isinstance(item, Reference):
        return item
    raise BodyRefused("Only what is recorded already can stand here: give its id or uri.")


def _read_text(text: str) -> Reference:
    if looks_like_id(text):
        return IdReference(text)
    if is_uri(text) and not text.lower().startswith("urn:braid:"):
        return _read_uri(text)
    if text.startswith(("/", "~/")):
        return PathReference(text)
    raise BodyRefused(
        f"{text[:80]!r} is neither an id nor a URI: give a URN (urn:braid:...), a short id "
        "(3.17), a URI with its scheme (file:///...), a whole path (/...), or define it with "
        '{"name": ...}.'
    )


def _read_id(value: Any) -> Reference:
    if isinstance(value, str) and looks_like_id(value):
        return IdReference(value)
    if isinstance(value, dict):
        return read_reference(value)
    raise BodyRefused("An id must be urn:braid:<uuid>:<number>, or 3.17 for short.", "id")


def _read_uri(value: Any) -> Reference:
    if not isinstance(value, str) or not is_uri(value):
        raise BodyRefused("A URI must begin with its scheme, such as globus:// or https://.", "uri")
    return UriReference(tidy_uri(value))


def _read_definition(value: dict[Any, Any]) -> Definition:
    if "name" not in value:
        raise BodyRefused(
            "This neither refers to a record nor defines one: give an id or a uri alone to "
            "refer, or a name to define."
        )
    try:
        return msgspec.convert(value, Definition, dec_hook=_hook)
    except msgspec.ValidationError as error:
        raise refusal(error, {**_STRUCTS, "": Definition}) from None


_READERS: dict[type, Callable[[Any], Any]] = {
    **VALUE_READERS,
    Item: _read_item,
    Reference: read_reference,
}


def _hook(kind: type, value: Any) -> Any:
    return _READERS[kind](value)


_decoder = msgspec.json.Decoder(Body, dec_hook=_hook)
