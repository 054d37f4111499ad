"""An action provider's routes, both styles, on the toolkit's blueprint, and what it says about
itself.

The toolkit contributes routing, the introspection of tokens and the description. Its views are
replaced; their docstrings say why.
"""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Callable
from typing import Any

from flask import Response, g, request
from globus_action_provider_tools.data_types import ActionProviderDescription, convert_to_json
from globus_action_provider_tools.flask import ActionProviderBlueprint

from action_provider.auth import Authenticator, Caller
from action_provider.errors import answer
from action_provider.providers.action_store import ActionStore, EnumerateParameters, page_of
from action_provider.providers.envelope import ActionLog, encode
from action_provider.query_string import read_parameters
from action_provider.request_body import read_body
from action_provider.settings import Options
from provenance_store.errors import NotAllowed, NotFound
from provenance_store.rows import ActionRow

__all__ = ["ProviderBlueprint", "describe_provider"]


def describe_provider(
    options: Options,
    *,
    title: str,
    subtitle: str,
    description: str,
    input_schema: dict[str, Any],
    synchronous: bool = True,
) -> ActionProviderDescription:
    """The description that introspection answers with."""
    return ActionProviderDescription(
        globus_auth_scope=options.scope,
        title=title,
        subtitle=subtitle,
        description=description,
        keywords=["provenance", "lineage", "machine learning", "models"],
        admin_contact=options.admin_contact,
        visible_to=list(options.visible_to),
        runnable_by=list(options.runnable_by),
        synchronous=synchronous,
        log_supported=True,
        maximum_deadline="P30D",
        input_schema=input_schema,
    )


class ProviderBlueprint(ActionProviderBlueprint):  # type: ignore[misc]
    """An action provider at the path of its name; what its actions do is up to `actions`."""

    def __init__(
        self,
        name: str,
        description: ActionProviderDescription,
        actions: ActionStore,
        authenticator: Authenticator,
        options: Options,
    ) -> None:
        self._kept = actions
        self._authenticator = authenticator
        self._options = options
        self._description = _as_json(description)
        super().__init__(description, f"{name}_provider", __name__, url_prefix=f"/{name}")
        self.register_error_handler(Exception, answer)
        self._add_routes()

    @abstractmethod
    def run(self, caller: Caller, data: bytes) -> tuple[str, bool]:
        """Do what a request asks; the action's status as JSON, and whether it is new."""

    @abstractmethod
    def log(self, row: ActionRow) -> ActionLog:
        """What happened to an action."""

    def shown(self, row: ActionRow) -> str | bytes:
        """An action's status as it is answered."""
        return row.document

    def _add_routes(self) -> None:
        """The toolkit adds a route when its callback is registered; the views are ours."""
        self.action_run(_callback("run"))
        self.action_resume(_callback("resume"))
        self.action_release(_callback("release"))
        self.action_log(_callback("log"))
        self.action_enumerate(_callback("enumerate"))

    def _create_state_builder(self, setup_state: Any) -> None:
        """As in the toolkit, without logging the end of the client's secret."""
        self.state_builder = self._authenticator.builder

    def _check_token(self) -> None:
        """As in the toolkit; its refusals and outages become 401 and 503."""
        endpoint = request.endpoint or ""
        if endpoint.endswith(".action_introspect") and (
            "public" in self._options.visible_to or request.method == "OPTIONS"
        ):
            return
        g.caller = self._authenticator.caller(request)

    def _action_introspect(self) -> Response:
        """404 for those whom `visible_to` does not name, as the action specification says."""
        response = Response(self._description, mimetype="application/json")
        response.headers["Access-Control-Allow-Origin"] = "*"
        if request.method == "OPTIONS":
            response = Response(status=204)
            response.headers["Access-Control-Allow-Origin"] = "*"
            response.headers["Access-Control-Allow-Methods"] = "GET, OPTIONS"
            response.headers["Access-Control-Allow-Headers"] = "Authorization"
        elif not self._is_visible():
            raise NotFound("Not found, or you may not view it.")
        return response

    def _action_run(self) -> Response:
        """202 for a new action, 200 for a repeated request; bodies are never logged."""
        self.require_runnable(_caller())
        data = read_body(request, depth=self._options.json_depth)
        document, is_new = self.run(_caller(), data)
        return _json(document, 202 if is_new else 200)

    def _action_status(self, action_id: str) -> Response:
        """404 for whom the action does not name."""
        return _json(self.shown(self._kept.see(_caller(), action_id)))

    def _action_cancel(self, action_id: str) -> Response:
        """409 for an action that is final."""
        return _json(self.shown(self._kept.cancel(_caller(), action_id)))

    def _action_resume(self, action_id: str) -> Response:
        """The status; of an action that is final, unchanged."""
        return _json(self.shown(self._kept.resume(_caller(), action_id)))

    def _action_release(self, action_id: str) -> Response:
        """The last status; from then on the action is 404."""
        return _json(self.shown(self._kept.release(_caller(), action_id)))

    def _action_log(self, action_id: str) -> Response:
        """All that happened to it, in one page."""
        return _json(encode(self.log(self._kept.see(_caller(), action_id))))

    def _action_enumerate(self) -> Response:
        """Invalid filters are refused, where the toolkit drops them."""
        self.require_runnable(_caller())
        wanted = read_parameters(request.args, EnumerateParameters)
        return _json(encode(page_of(self._kept, _caller(), wanted)))

    def _is_visible(self) -> bool:
        visible_to = self._options.visible_to
        return "public" in visible_to or _caller().is_one_of(visible_to)

    def require_runnable(self, caller: Caller) -> None:
        """Raise NotAllowed for who is not among those that the server is for."""
        if not caller.is_one_of(self._options.runnable_by):
            raise NotAllowed("You may not use this action provider; ask its operator for access.")


def _as_json(description: ActionProviderDescription) -> bytes:
    return json.dumps(convert_to_json(description), default=convert_to_json).encode()


def _caller() -> Caller:
    caller: Caller = g.caller
    return caller


def _json(document: str | bytes, status: int = 200) -> Response:
    return Response(document, status, mimetype="application/json")


def _callback(name: str) -> Callable[..., None]:
    """Stands where the toolkit wants a callback; it makes an endpoint of its name."""

    def unused(*_: object) -> None:
        raise NotImplementedError

    unused.__name__ = name
    return unused
