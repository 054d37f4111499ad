"""What people of a sandbox have agreed to: which client may do what, and on whose behalf."""

from __future__ import annotations

import itertools
import threading
from dataclasses import dataclass, field
from typing import Any

from flows.sandbox.scopes import ScopeTree, owner_id, scope_id, scope_trees
from flows.sandbox.times import now_text

__all__ = ["Consent", "ConsentStore"]


@dataclass(frozen=True)
class Consent:
    """One consent; `path` holds the ids of those that it depends on, and its own id last."""

    identity_id: str
    root_client_id: str
    client_id: str
    scope: str
    optional: bool
    path: tuple[int, ...]
    created: str = field(default_factory=now_text)

    def document(self) -> dict[str, Any]:
        """The consent as Globus Auth shows it."""
        return {
            "id": self.path[-1],
            "client": self.client_id,
            "scope": scope_id(self.scope),
            "scope_name": self.scope,
            "dependency_path": list(self.path),
            "effective_identity": self.identity_id,
            "status": "approved",
            "created": self.created,
            "updated": self.created,
            "last_used": self.created,
            "allows_refresh": True,
            "auto_approved": False,
            "atomically_revocable": self.optional,
        }


class ConsentStore:
    """The consents of one sandbox; those that a person gave to a client are a forest of scopes."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ids = itertools.count(1)
        self._consents: dict[tuple[Any, ...], Consent] = {}

    def grant(self, identity_id: str, client_id: str, scope: str) -> None:
        """Somebody agrees that a client may have all of a scope string."""
        with self._lock:
            for tree in scope_trees(scope):
                self._grant(identity_id, client_id, client_id, tree, ())

    def _grant(
        self, identity_id: str, root: str, client_id: str, tree: ScopeTree, above: tuple[int, ...]
    ) -> None:
        key = (identity_id, root, above, tree.scope)
        known = self._consents.get(key)
        if known is None:
            path = (*above, next(self._ids))
            known = Consent(identity_id, root, client_id, tree.scope, tree.optional, path)
            self._consents[key] = known
        for child in tree.children:
            self._grant(identity_id, root, owner_id(tree.scope), child, known.path)

    def of(self, identity_id: str, client_id: str | None = None) -> list[Consent]:
        """What somebody agreed to, oldest first: for one client with what depends on it, or all."""
        with self._lock:
            consents = list(self._consents.values())
        return [
            consent
            for consent in consents
            if consent.identity_id == identity_id and client_id in (None, consent.root_client_id)
        ]

    def dependent(self, identity_id: str, client_id: str) -> frozenset[str]:
        """The scopes that others may use for somebody who came through a client."""
        return frozenset(c.scope for c in self.of(identity_id, client_id) if len(c.path) > 1)
