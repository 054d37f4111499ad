"""Where an Action goes, with which scope, and as whom."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from flows.sandbox.loopback import call, is_loopback
from flows.sandbox.outcome import StateFailed, Step

__all__ = ["Target", "action_token", "find_target"]


@dataclass(frozen=True)
class Target:
    """The provider that is really called; `named` is the address in the definition."""

    url: str
    scope: str
    named: str
    headers: dict[str, str] = field(default_factory=dict)


def find_target(step: Step) -> Target:
    """The provider of an Action. Raises StateFailed (ActionUnableToRun) when it has none."""
    url, scope = _named(step.definition)
    if is_loopback(url):
        return Target(url.rstrip("/"), scope or _scope_of(step, url.rstrip("/")), url)
    provider = step.engine.stand_in(url)
    if provider is None:
        raise StateFailed(
            "ActionUnableToRun",
            {"code": "NotReachable", "description": f"{url} has no stand-in in this sandbox."},
        )
    return Target(provider.url, provider.scope, url, {"X-Sandbox-Action-Url": url})


def _named(definition: dict[str, Any]) -> tuple[str, str | None]:
    handler = definition.get("Handler")
    if isinstance(handler, str):
        return handler, None
    if isinstance(handler, dict):
        url = handler.get("Url") or f"urn:globus:flows:registered-api:{handler.get('Id')}"
        return str(url), handler.get("Scope")
    return str(definition["ActionUrl"]), definition.get("ActionScope")


def _scope_of(step: Step, url: str) -> str:
    """The scope that a provider says it needs; asked once for each address."""
    known = step.engine.scopes.get(url)
    if known is not None:
        return known
    try:
        answer = call("GET", f"{url}/", timeout=step.engine.http_timeout)
    except OSError as error:
        raise StateFailed("ActionUnableToRun", _unreachable(url, error)) from None
    scope = answer.body.get("globus_auth_scope") if isinstance(answer.body, dict) else None
    if answer.status != 200 or not isinstance(scope, str):
        raise StateFailed("ActionUnableToRun", answer.body)
    step.engine.scopes[url] = scope
    return scope


def _unreachable(url: str, error: OSError) -> dict[str, str]:
    return {"code": "ConnectionError", "description": f"{url}: {error}"}


def action_token(step: Step, scope: str) -> str:
    """A new token for an action's scope: the RunAs identity's, issued to the flow's client."""
    role = step.definition.get("RunAs", "User")
    engine, flow_id = step.engine, step.run.flow.id
    identity_id = step.run.owner.id
    if role == "Flow":
        identity_id = flow_id
    elif role != "User":
        given = engine.tokens.find(step.run.role_tokens.get(role, ""))
        if given is None:
            raise StateFailed(
                "ActionUnableToRun",
                {"code": "MissingToken", "description": f"_tokens has no valid token for {role}."},
            )
        identity_id = given.identity_id
    issued = engine.tokens.issue(identity_id, flow_id, scope, consents=step.run.consents)
    return issued[0].text
