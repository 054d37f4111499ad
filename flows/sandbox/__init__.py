"""A local stand-in for the Globus services that flows need, to try and to test flows with."""

from __future__ import annotations

from provenance_store.extras import extra

with extra("sandbox", "The sandbox"):
    from flows.sandbox.directory import Client, Group, Identity
    from flows.sandbox.engine import Limits
    from flows.sandbox.server import Sandbox

__all__ = ["Client", "Group", "Identity", "Limits", "Sandbox"]
