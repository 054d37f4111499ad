"""Errors of the stand-in for the Flows service, in the shapes that the service gives them."""

from __future__ import annotations

import uuid
from typing import Any

__all__ = [
    "FlowsError",
    "bad_input",
    "conflict",
    "forbidden",
    "missing_scope",
    "not_found",
    "unauthenticated",
    "unprocessable",
]


class FlowsError(Exception):
    """An error answer: HTTP status, code, detail and sometimes a message."""

    def __init__(self, status: int, code: str, detail: Any, message: str | None = None) -> None:
        super().__init__(code)
        self.status = status
        self.code = code
        self.detail = detail
        self.message = message

    def document(self) -> dict[str, Any]:
        """The body of the answer."""
        error = {"code": self.code, "detail": self.detail}
        if self.message is not None:
            error["message"] = self.message
        return {"error": error, "debug_id": str(uuid.uuid4())}


def unauthenticated() -> FlowsError:
    """No token, or one that is not valid."""
    return FlowsError(401, "AUTHENTICATION_ERROR", "Expired or invalid Bearer token")


def missing_scope(scopes: list[str]) -> FlowsError:
    """The token is valid, but for something else."""
    detail = f"This action requires one of the following scopes: {', '.join(sorted(scopes))}"
    return FlowsError(403, "MISSING_SCOPE", detail)


def forbidden(kind: str, id_: str, permission: str) -> FlowsError:
    """The caller can see the thing, but may not do this with it."""
    detail = (
        "You do not have the necessary permissions to perform this action on the "
        f"{kind} with id value {id_}. Missing permissions: {permission}."
    )
    return FlowsError(403, "FORBIDDEN", detail)


def not_found(kind: str, id_: str) -> FlowsError:
    """There is no such thing, or the caller may not know of it."""
    return FlowsError(404, "NOT_FOUND", f"No {kind} exists with id value {id_}")


def conflict(run_id: str, status: str, allowed: str) -> FlowsError:
    """The run is not in a state in which this can be done."""
    detail = (
        f"Run {run_id} has status '{status}' but must have status in {{{allowed}}} "
        "for requested operation"
    )
    return FlowsError(409, "STATE_CONFLICT", detail)


def unprocessable(problems: list[dict[str, Any]]) -> FlowsError:
    """The request body is not valid; each problem has loc, msg and type."""
    shown = "; ".join(f"{'.'.join(map(str, p['loc']))}: {p['msg']}" for p in problems)
    plural = "s" if len(problems) != 1 else ""
    message = f"{len(problems)} validation error{plural} in body. $.{shown}"
    return FlowsError(422, "UNPROCESSABLE_ENTITY", problems, message)


def bad_input(problems: list[dict[str, Any]]) -> FlowsError:
    """The input of a run does not fit the flow's input schema."""
    plural = "s" if len(problems) != 1 else ""
    message = f"Input failed schema validation with {len(problems)} error{plural}."
    return FlowsError(400, "FLOW_INPUT_ERROR", problems, message)
