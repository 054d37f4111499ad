"""From the documents of an action provider to what its step used and made: a file a provider."""

from __future__ import annotations

from urllib.parse import urlsplit

from flows.steps.adapters.base import Action, Adapter, Derived, NotMine, mapping
from flows.steps.adapters.generic import GenericAdapter
from flows.steps.adapters.transfer import TransferAdapter

__all__ = ["ADAPTERS", "adapter_for", "derive"]

ADAPTERS: tuple[Adapter, ...] = (TransferAdapter(),)
"""In the order in which they are asked."""
GENERIC = GenericAdapter()


def adapter_for(action: Action) -> Adapter:
    """The adapter that knows the URL; else the one that the parameters fit; else the generic."""
    if not action.called:
        return GENERIC
    host, path = _host_and_path(action.url)
    for adapter in ADAPTERS:
        if adapter.knows(host, path):
            return adapter
    parameters = mapping(action.parameters)
    return next((adapter for adapter in ADAPTERS if adapter.fits(parameters)), GENERIC)


def derive(action: Action) -> Derived:
    """What the step used and made, as far as its documents tell; raises nothing."""
    try:
        return adapter_for(action).derive(action)
    except (NotMine, ValueError, TypeError, LookupError, AttributeError, OverflowError):
        return GENERIC.derive(action)


def _host_and_path(url: str | None) -> tuple[str, str]:
    try:
        parts = urlsplit(url or "")
        return (parts.hostname or "").lower(), parts.path.rstrip("/")
    except ValueError:
        return "", ""
