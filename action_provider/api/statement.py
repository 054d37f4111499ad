"""``/api/v1/records/{id}/statement``: how a record came to be, in JSON, Markdown or text."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from flask import Blueprint, Response, request
from msgspec import Meta
from werkzeug.datastructures import MIMEAccept

from action_provider.auth import Authenticator
from action_provider.errors import answer
from action_provider.operations import Operation
from action_provider.query_string import read_parameters
from action_provider.stores import StoreHolder
from provenance_store.errors import InvalidInput
from provenance_store.ids import now
from provenance_store.statement.page import account
from provenance_store.times import parse_time

__all__ = ["OPERATIONS", "statement_blueprint"]

Digest = Annotated[str, Meta(description="SHA-256, in hexadecimal.")]
Urns = list[str]

MEDIA_TYPES = {"json": "application/json", "markdown": "text/markdown", "text": "text/plain"}
CHARSET = {"json": "", "markdown": "; charset=utf-8", "text": "; charset=utf-8"}


class StatementParameters(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """How to write it, and over how much."""

    format: Annotated[
        Literal["json", "markdown", "text"] | None,
        Meta(description="How to write it; by default what Accept asks for, else json."),
    ] = None
    limit: Annotated[
        int, Meta(ge=1, le=20_000, description="Over at most so many records, the nearest.")
    ] = 10_000
    as_of: Annotated[
        Annotated[str, Meta(max_length=64)] | None,
        Meta(description="With the tags and checks of files of that time, by default now."),
    ] = None


class StatementSubject(msgspec.Struct):
    """The record, by the digest of its leaf, or a file of it."""

    name: str
    digest: dict[str, str]


class StatementClaim(msgspec.Struct, kw_only=True):
    """What the statement is on."""

    id: str
    kind: str
    name: str
    created_at: str
    version: int | msgspec.UnsetType = msgspec.UNSET
    made_by: Urns
    derived_from: Urns
    same_as: Urns | msgspec.UnsetType = msgspec.UNSET


class StatementCounts(msgspec.Struct):
    """How much evidence there is."""

    records: dict[str, int]
    runs: int
    uris: int
    uris_with_digest: int


class StatementStep(msgspec.Struct):
    """A step of the chain."""

    step: str
    used: Urns
    after: Urns
    made: Urns


class StatementModel(msgspec.Struct):
    """A model version, and what it came from."""

    model: str
    made_by: Urns
    revision_of: Urns
    trained_on: Urns
    derived_from: Urns
    used_by: Urns


class StatementGap(msgspec.Struct):
    """Something that is not supported, and the records that it is about as far as they may be
    named."""

    what: str
    level: Literal["against", "unseen", "unproven"]
    text: str
    count: int
    records: Urns


class StatementTree(msgspec.Struct):
    """The Merkle tree over the leaves."""

    hashing: Literal["rfc6962-sha256"]
    size: int
    root: Digest


class StatementLeaf(msgspec.Struct):
    """A record: what was recorded of it, and the hash of its canonical JSON."""

    id: str
    leaf: Digest
    record: dict[str, Any]


class StatementStub(msgspec.Struct):
    """An ancestor that was left out of a slice."""

    id: str
    kind: str
    name: str | None


class StatementImport(msgspec.Struct):
    """An import that brought records of the statement: when and by which account."""

    id: str
    format: str
    at: str
    by: str | None
    records: Urns


class StatementEvidence(msgspec.Struct, kw_only=True):
    """All that the statement follows from."""

    as_of: str
    scope: Literal["everything", "restricted"]
    root: str
    limit: int
    truncated: bool
    restricted: int
    stubs: list[StatementStub]
    missing: Urns
    open: Urns
    invalidated: dict[str, dict[str, str]]
    reduced: dict[str, dict[str, str]]
    runs: dict[str, dict[str, Any]]
    origins: dict[str, dict[str, Any]]
    environments: dict[str, Any]
    tree: StatementTree
    leaves: list[StatementLeaf]
    late_links: list[dict[str, str]]
    same_things: list[dict[str, str]]
    unconnected: list[dict[str, str]]
    imports: list[StatementImport]


class StatementPredicate(msgspec.Struct, kw_only=True):
    """The account and the evidence that it follows from."""

    made_with: str
    claim: StatementClaim
    counts: StatementCounts
    chain: list[StatementStep]
    models: list[StatementModel]
    facts: Urns
    begins_with: Urns
    not_supported: list[StatementGap]
    evidence: StatementEvidence


class InTotoStatement(
    msgspec.Struct,
    kw_only=True,
    rename={"kind": "_type", "predicate_type": "predicateType"},
):
    """An in-toto InTotoStatement v1 on how a record came to be."""

    kind: Literal["https://in-toto.io/Statement/v1"]
    subject: list[StatementSubject]
    predicate_type: Literal["urn:braid:predicate:statement:v1"]
    predicate: StatementPredicate


OPERATIONS: tuple[Operation, ...] = (
    Operation(
        "get_statement",
        "GET",
        "/api/v1/records/<string:record_id>/statement",
        "How a record came to be, on what evidence, and what is not supported.",
        {200: InTotoStatement},
        errors=(401, 403, 404, 409, 413, 422, 503),
        parameters=StatementParameters,
        text_media_types=("text/markdown", "text/plain"),
        path_help={"record_id": "A record's URN (urn:braid:…) or its short id (3.17)."},
    ),
)


def statement_blueprint(stores: StoreHolder, authenticator: Authenticator) -> Blueprint:
    """The route; the statement holds only what the caller may see, and counts what not."""
    blueprint = Blueprint("statement", __name__)
    blueprint.register_error_handler(Exception, answer)

    @blueprint.get(OPERATIONS[0].path)
    def get_statement(record_id: str) -> Response:
        caller = authenticator.caller(request)
        wanted = read_parameters(request.args, StatementParameters)
        form = wanted.format or _accepted(request.accept_mimetypes)
        document = (
            stores.get()
            .documents(caller.viewer())
            .statement(record_id, limit=wanted.limit, as_of=_time(wanted.as_of))
        )
        written = msgspec.json.encode(document) if form == "json" else account(document, form)
        response = Response(written, content_type=MEDIA_TYPES[form] + CHARSET[form])
        response.vary.add("Accept")
        return response

    return blueprint


def _accepted(accept: MIMEAccept) -> Literal["json", "markdown", "text"]:
    best = accept.best_match(MEDIA_TYPES.values(), default=MEDIA_TYPES["json"])
    return "markdown" if best == "text/markdown" else "text" if best == "text/plain" else "json"


def _time(text: str | None) -> int | None:
    if text is None:
        return None
    try:
        return parse_time(text, now=now())
    except InvalidInput as error:
        raise InvalidInput(error.message, path="as_of") from None
