"""From the documents of an action provider to what its step used and made: a file a provider."""

from __future__ import annotations

from urllib.parse import urlsplit

from flows.steps.adapters.base import (
    Action,
    Adapter,
    Derived,
    NotMine,
    mapping,
    tidied,
    tidied_tags,
)
from flows.steps.adapters.compute import ComputeAdapter
from flows.steps.adapters.delete import DeleteAdapter, ListAdapter, MakeDirectoryAdapter
from flows.steps.adapters.services import (
    DataciteAdapter,
    GenericAdapter,
    QueryAdapter,
    SearchIngestAdapter,
)
from flows.steps.adapters.transfer import TransferAdapter

__all__ = ["ADAPTERS", "adapter_for", "derive"]

ADAPTERS: tuple[Adapter, ...] = (
    TransferAdapter(),
    ComputeAdapter(),
    SearchIngestAdapter(),
    DataciteAdapter(),
    DeleteAdapter(),
    MakeDirectoryAdapter(),
    ListAdapter(),
    QueryAdapter(),
)
"""In the order in which they are asked."""
GENERIC = GenericAdapter()


def adapter_for(action: Action) -> Adapter:
    """The adapter that knows the URL; else the one that the parameters fit; else the generic."""
    if not action.called:
        return GENERIC
    if operation := _operation(action.url):
        return next((adapter for adapter in ADAPTERS if adapter.knows(operation)), GENERIC)
    parameters = mapping(action.parameters)
    return next((adapter for adapter in ADAPTERS if adapter.fits(parameters)), GENERIC)


def derive(action: Action) -> Derived:
    """What the step used and made, as far as its documents tell; raises nothing."""
    try:
        derived = adapter_for(action).derive(action)
    except (NotMine, ValueError, TypeError, LookupError, AttributeError, OverflowError):
        derived = GENERIC.derive(action)
    return Derived(
        tuple(tidied(thing) for thing in derived.inputs),
        tuple(tidied(thing) for thing in derived.outputs),
        derived.models,
        tidied_tags(derived.tags),
        derived.paths,
        derived.decision,
    )


def _operation(url: str | None) -> str:
    """What a provider hosted by Globus does: ``/transfer/ls`` for both of
    https://actions.globus.org/transfer/ls and https://transfer.actions.globus.org/ls.

    Empty for all others.
    """
    try:
        parts = urlsplit(url or "")
        labels, path = (parts.hostname or "").lower().split("."), parts.path.rstrip("/")
    except ValueError:
        return ""
    if labels == ["api", "funcx", "org"]:
        return f"/compute{path}"
    if labels[-2:] != ["globus", "org"] or "actions" not in labels[:2]:
        return ""
    return path if labels[0] == "actions" else f"/{labels[0]}{path}"
