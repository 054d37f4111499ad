"""Globus Transfer: each item of a transfer is a source and a destination derived from it.

Reads both dialects: ``source_endpoint``/``destination_endpoint``/``DATA`` of
transfer.actions.globus.org, and ``source_endpoint_id``/``destination_endpoint_id``/
``transfer_items`` of actions.globus.org. Sizes come from the task document in the result.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from flows.steps.adapters.base import (
    RECURSIVE,
    Action,
    Derived,
    NotMine,
    Thing,
    items,
    mapping,
    tags,
    text,
)
from flows.steps.uris import globus_uri, name_of_uri
from provenance_store.values import Uri

__all__ = ["TransferAdapter"]

SOURCE = ("source_endpoint", "source_endpoint_id")
DESTINATION = ("destination_endpoint", "destination_endpoint_id")
ITEMS = ("DATA", "transfer_items")
TASK = (
    *("task_id", "label", "bytes_transferred", "files", "files_transferred", "files_skipped"),
    *("directories", "faults", "sync_level", "nice_status"),
)


class TransferAdapter:
    """Knows the hosted Transfer providers, old and new."""

    def knows(self, operation: str) -> bool:
        return operation == "/transfer/transfer"

    def fits(self, parameters: Mapping[str, Any]) -> bool:
        return all(
            any(name in parameters for name in names) for names in (SOURCE, DESTINATION, ITEMS)
        )

    def derive(self, action: Action) -> Derived:
        parameters, details = mapping(action.parameters), action.details
        source, destination = text(parameters, *SOURCE), text(parameters, *DESTINATION)
        pairs = list(_items(parameters))
        if not (source and destination and pairs):
            raise NotMine
        sizes = _sizes(details, pairs)
        inputs, outputs = [], []
        for place, (item, size) in enumerate(zip(pairs, sizes, strict=True)):
            inputs.append(_thing(source, item["source_path"], item, size))
            if action.succeeded:
                made = _thing(destination, item["destination_path"], item, size, (place,))
                outputs.append(made)
        return Derived(tuple(inputs), tuple(outputs), tags=tags({**parameters, **details}, *TASK))


def _items(parameters: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The items that say from where to where; paths left as unevaluated expressions do not."""
    for name in ITEMS:
        for item in items(parameters.get(name)):
            if text(item, "source_path") and text(item, "destination_path"):
                yield item


def _sizes(details: Mapping[str, Any], pairs: list[Mapping[str, Any]]) -> list[int | None]:
    """The size in bytes of each item, where the task document tells."""
    listed = details.get("successful_transfers")
    done = list(items(mapping(listed).get("DATA") if isinstance(listed, Mapping) else listed))
    by_path = {
        path: s for d in done if (path := text(d, "source_path")) and (s := _size(d, "size"))
    }
    if len(pairs) == 1 and _moved_one_file(details, pairs[0]):
        return [_size(details, "bytes_transferred")]
    return [by_path.get(item["source_path"]) for item in pairs]


def _moved_one_file(details: Mapping[str, Any], item: Mapping[str, Any]) -> bool:
    """Whether the bytes of the task are those of the item: one file that was not skipped."""
    return (
        item.get("recursive") is not True
        and details.get("files") == 1
        and details.get("files_transferred") == 1
        and not details.get("files_skipped")
        and not details.get("faults")  # what was sent again is counted again
    )


def _size(document: Mapping[str, Any], name: str) -> int | None:
    value = document.get(name)
    return value if type(value) is int and 0 <= value < 1 << 63 else None


def _thing(
    collection: str,
    path: str,
    item: Mapping[str, Any],
    size: int | None,
    derived_from: tuple[int, ...] = (),
) -> Thing:
    uri = globus_uri(collection, path)
    found = {RECURSIVE: True} if item.get("recursive") is True else {}
    return Thing(name_of_uri(uri), uris=(Uri(uri, size),), tags=found, derived_from=derived_from)
