"""``/api/v1/records/{id}/invalidation`` and ``…/restoration``: what must not be relied on.

Both only add to what is said of a record, and are answered as `braid invalidate` answers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, TypeVar

import msgspec
from flask import Blueprint, Response, request
from msgspec import Meta

from action_provider.auth import Authenticator
from action_provider.errors import answer
from action_provider.operations import Operation
from action_provider.request_body import decode, read_body
from action_provider.settings import Options
from action_provider.stores import StoreHolder
from provenance_store.queries.documents import FIRST_NAMED
from provenance_store.queries.invalidation import MAX_CAUSE, Affected, invalidate, restore
from provenance_store.results.base import Time
from provenance_store.results.records import Mention

__all__ = ["OPERATIONS", "invalidation_blueprint"]

MOST_NAMED = 1000


class ValidityRequest(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """How it is said."""

    dry_run: Annotated[
        bool, Meta(description="Only tell what would be affected, and change nothing.")
    ] = False
    named: Annotated[
        int, Meta(ge=0, le=MOST_NAMED, description="How many of what derives from it to name.")
    ] = FIRST_NAMED


class InvalidateRequest(ValidityRequest, kw_only=True):
    """Why a record must not be relied on."""

    cause: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=MAX_CAUSE,
            description="Shown to everybody who may see the record or what derives from it.",
        ),
    ]


class RestoreRequest(ValidityRequest, kw_only=True):
    """Why it may be relied on again."""

    cause: Annotated[str, Meta(max_length=MAX_CAUSE, description="Why, if it is told.")] = ""


class Following(msgspec.Struct):
    """What derives from the record, however many hops away; `first` are the oldest of these that
    the caller may see. By kind, what the caller may not see is "restricted"."""

    count: int
    kinds: dict[str, int]
    first: list[Mention]


class AffectedAnswer(msgspec.Struct, kw_only=True):
    """What was said, or with a dry run would be, and what follows it.

    `at` is null with a dry run. `before` is why the record itself was invalid already.
    """

    record: Mention
    at: Time | None
    cause: str
    affected: Following
    before: str | msgspec.UnsetType = msgspec.UNSET
    dry_run: bool | msgspec.UnsetType = msgspec.UNSET


Words = TypeVar("Words", bound=ValidityRequest)
Say = Callable[..., Affected]


def _operation(name: str, path: str, summary: str, body: type[ValidityRequest]) -> Operation:
    return Operation(
        name,
        "POST",
        f"/api/v1/records/<string:record_id>/{path}",
        summary,
        {200: AffectedAnswer},
        errors=(400, 401, 403, 404, 409, 413, 422, 503),
        body=body,
        path_help={"record_id": "A record's URN (urn:braid:…) or its short id (3.17)."},
    )


OPERATIONS: tuple[Operation, ...] = (
    _operation(
        "invalidate_record",
        "invalidation",
        "Mark a record that the caller manages, and all that derives from it, as invalid.",
        InvalidateRequest,
    ),
    _operation(
        "restore_record",
        "restoration",
        "Take an invalidation back; both stay in the record's history.",
        RestoreRequest,
    ),
)


def invalidation_blueprint(
    stores: StoreHolder, authenticator: Authenticator, options: Options
) -> Blueprint:
    """The routes; it takes who manages the record, whatever else the caller may read or record."""
    blueprint = Blueprint("invalidation", __name__)
    blueprint.register_error_handler(Exception, answer)

    def view(words: type[Words], say: Say) -> Callable[[str], Response]:
        decoder = msgspec.json.Decoder(words)

        def said(record_id: str) -> Response:
            caller = authenticator.caller(request)
            wanted = decode(read_body(request, depth=options.json_depth), decoder)
            how = {**msgspec.structs.asdict(wanted), "viewer": caller.viewer()}
            told = say(stores.get().sink, record_id, **how, who=caller.identity).to_dict()
            return _answered(told, dry_run=wanted.dry_run)

        return said

    invalidated, restored = OPERATIONS
    for operation, said in (
        (invalidated, view(InvalidateRequest, invalidate)),
        (restored, view(RestoreRequest, restore)),
    ):
        blueprint.add_url_rule(operation.path, operation.name, said, methods=["POST"])
    return blueprint


def _answered(told: dict[str, Any], *, dry_run: bool) -> Response:
    document = told | {"dry_run": True} if dry_run else told
    return Response(msgspec.json.encode(document), mimetype="application/json")
