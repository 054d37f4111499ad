"""The route that takes batches."""

from __future__ import annotations

from typing import Annotated

import msgspec
from flask import Blueprint, Request, Response, request
from msgspec import Meta
from werkzeug.exceptions import UnsupportedMediaType

from action_provider.api.batch_service import BatchService
from action_provider.auth import Authenticator
from action_provider.errors import answer
from action_provider.operations import Operation
from action_provider.query_string import read_parameters
from action_provider.request_body import read_bytes
from action_provider.settings import Options
from provenance_store.errors import NotAllowed

__all__ = ["OPERATIONS", "batches_blueprint"]

MEDIA_TYPE = "application/msgpack"
MOST_NOTES = 100


class BatchAnswer(msgspec.Struct):
    """The batch is in the store, on its disk."""

    records: Annotated[int, Meta(description="How many records the batch has.")]
    notes: Annotated[
        list[str],
        Meta(description="What was not kept as it came, a sentence each; the first hundred."),
    ] = []


class BatchParameters(msgspec.Struct, forbid_unknown_fields=True):
    """How a batch is taken."""

    strict: Annotated[
        bool,
        Meta(description="Refuse the batch instead of keeping what can be said of a bad value."),
    ] = False


OPERATIONS: tuple[Operation, ...] = (
    Operation(
        "write_batch",
        "POST",
        "/api/v1/batches",
        "Write a batch of a remote recorder. Again changes nothing.",
        {200: BatchAnswer},
        errors=(400, 401, 403, 409, 413, 415, 422, 503),
        parameters=BatchParameters,
        body=bytes,
        body_media_type=MEDIA_TYPE,
    ),
)


def batches_blueprint(
    batches: BatchService, authenticator: Authenticator, options: Options
) -> Blueprint:
    """The route; who may record steps may write batches."""
    blueprint = Blueprint("batches", __name__)
    blueprint.register_error_handler(Exception, answer)

    @blueprint.post(OPERATIONS[0].path)
    def write_batch() -> Response:
        caller = authenticator.caller(request)
        if not caller.is_one_of(options.runnable_by):
            raise NotAllowed("You may not record here; ask the operator for access.")
        strict = read_parameters(request.args, BatchParameters).strict
        taken = batches.take(caller, _body(request, options.batch_limit), strict=strict)
        said = BatchAnswer(taken.records, taken.notes[:MOST_NOTES])
        return Response(msgspec.json.encode(said), mimetype="application/json")

    return blueprint


def _body(request: Request, limit: int) -> bytes:
    if request.mimetype != MEDIA_TYPE or request.headers.get("Content-Encoding"):
        raise UnsupportedMediaType(f"Send the batch as {MEDIA_TYPE}, not compressed.")
    request.max_content_length = limit
    return read_bytes(request, "send a batch")
