"""Providers to try things with: hello, slow, failing, echo, expression."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from typing import Any

from flows.language import evaluate
from flows.language.errors import LanguageError
from flows.sandbox.providers.base import Action, ActionFailed, ActionRefused, Provider

__all__ = ["EchoProvider", "ExpressionProvider", "FailingProvider", "HelloProvider", "SlowProvider"]


def _pretend(provider: Provider, action: Action, seconds: float) -> None:
    """Waits in scaled time, unless the action is canceled or the sandbox stops."""
    deadline = time.monotonic() + max(0.0, seconds) * provider.workers.timing.scale
    while not action.canceled.is_set() and not provider.workers.stopping.is_set():
        left = deadline - time.monotonic()
        if left <= 0:
            return
        action.canceled.wait(min(left, 0.1))


class HelloProvider(Provider):
    """Says hello, after `sleep_time` seconds, and once `required_dependent_scope` is consented."""

    name = "hello"
    title = "Hello World"
    synchronous = False
    input_schema = {  # noqa: RUF012
        "type": "object",
        "properties": {
            "echo_string": {"type": "string"},
            "sleep_time": {"type": "number", "minimum": 0},
            "required_dependent_scope": {"type": "string"},
        },
    }

    def start(self, action: Action) -> None:
        """At once when there is no reason to wait."""
        required = action.body.get("required_dependent_scope")
        if required and required not in action.consents:
            action.status = action.display_status = "INACTIVE"
            action.details = {
                "code": "ConsentRequired",
                "description": "A consent is missing.",
                "required_scope": required,
                "resolution_url": None,
            }
        elif action.body.get("sleep_time"):
            self.workers.submit(action, self.perform)
        else:
            self.workers.settle(action, self.perform)

    def resume(self, action: Action) -> None:
        """Goes on when the consent is there now."""
        if action.status == "INACTIVE":
            action.status = action.display_status = "ACTIVE"
            self.start(action)

    def perform(self, action: Action) -> Any:
        """The greeting."""
        _pretend(self, action, float(action.body.get("sleep_time", 0)))
        return {"Hello": "World", "hello": action.body.get("echo_string")}


class SlowProvider(Provider):
    """Takes `seconds` (default 10), and can be canceled; fails if `fail` is true."""

    name = "slow"
    title = "Slow"
    synchronous = False
    input_schema = {  # noqa: RUF012
        "type": "object",
        "properties": {
            "seconds": {"type": "number", "minimum": 0},
            "fail": {"type": "boolean"},
            "result": {},
        },
    }

    def perform(self, action: Action) -> Any:
        """Waits; the details are `result`."""
        _pretend(self, action, float(action.body.get("seconds", 10)))
        if action.body.get("fail"):
            raise ActionFailed({"code": "SlowFailure", "description": "Failed as asked."})
        return {"result": action.body.get("result")}


class FailingProvider(Provider):
    """Ends FAILED; or refuses with `http_status`, only the first `times` times if given."""

    name = "failing"
    title = "Failing"
    input_schema = {  # noqa: RUF012
        "type": "object",
        "properties": {
            "http_status": {"type": "integer", "minimum": 400, "maximum": 599},
            "times": {"type": "integer", "minimum": 0},
            "details": {"type": "object"},
        },
    }

    def __init__(self) -> None:
        super().__init__()
        self.refused: dict[str, int] = {}

    def check(self, action: Action) -> None:
        """Refuses when the body asks for it."""
        status = action.body.get("http_status")
        request_id = str(action.request["request_id"])
        self.refused[request_id] = count = self.refused.get(request_id, 0) + 1
        if status and count <= action.body.get("times", count):
            raise ActionRefused(status, "FailingAsAsked", f"Refused with {status} as asked.")

    def perform(self, action: Action) -> Any:
        """Fails, unless refusing was all that was asked."""
        if "http_status" in action.body:
            return {"refusals": self.refused[str(action.request["request_id"])] - 1}
        details = {"code": "FailingAsAsked", "description": "Failed as asked."}
        raise ActionFailed(details | action.body.get("details", {}))


_PLAUSIBLE: tuple[tuple[str, dict[str, Any]], ...] = (
    ("/search/ingest", {"acknowledged": True, "success": True, "num_documents_ingested": 1}),
    ("/notification/", {"notification_type": "email", "sent": True}),
    ("/transfer/set_permission", {"DATA_TYPE": "access_create_result", "code": "Created"}),
    ("/datacite/", {"data": {"id": "10.80000/sandbox", "type": "dois"}}),
    ("/weboption/", {"name": "accepted", "parameters": {"user_input": "Looks good."}}),
)


class EchoProvider(Provider):
    """Stands in for every provider without a stand-in: succeeds, with details to go on with."""

    name = "echo"
    title = "Echo"

    def __init__(self) -> None:
        super().__init__()
        self.canned: dict[str, Mapping[str, Any]] = {}

    def perform(self, action: Action) -> Any:
        """What was canned for the address, else something plausible; and what was asked."""
        url = action.named_url or ""
        for prefix, details in self.canned.items():
            if url.startswith(prefix):
                if details.keys() == {"status", "details"} and details["status"] == "FAILED":
                    raise ActionFailed(details["details"])
                return dict(details)
        plausible = [details for part, details in _PLAUSIBLE if part in url]
        known: dict[str, Any] = plausible[0] if plausible else {}
        return {"task_id": str(uuid.uuid4()), **known, "echo": action.body}


class ExpressionProvider(Provider):
    """Evaluates `expression` over `arguments` into details[`result_path`], once or in a list."""

    name = "expression"
    title = "Expression evaluation"

    def check(self, action: Action) -> None:
        """Every item needs an expression."""
        for item in self._items(action):
            if not isinstance(item, dict) or not isinstance(item.get("expression"), str):
                raise ActionRefused(422, "RequestValidationError", "An expression is missing.")

    def perform(self, action: Action) -> Any:
        """The values by result_path."""
        details: dict[str, Any] = {}
        try:
            for item in self._items(action):
                value = evaluate(item["expression"], item.get("arguments", {}))
                details[str(item.get("result_path", "result"))] = value
        except LanguageError as error:
            raise ActionFailed({"code": "ExpressionError", "description": error.message}) from None
        return details

    def _items(self, action: Action) -> list[Any]:
        found = action.body.get("expressions", [action.body])
        return found if isinstance(found, list) else [found]
