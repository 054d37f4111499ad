"""What a flow keeps of a recorded step: a small document with the names of what was recorded."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from flows.steps.lookup import Head

__all__ = ["MAX_LISTED", "MAX_RECEIPT_BYTES", "Receipt"]

MAX_LISTED = 20
"""At most so many names in each list of a receipt."""
MAX_RECEIPT_BYTES = 4096
MAX_LISTED_NAME = 128


@dataclass(frozen=True, slots=True)
class Receipt:
    """What was recorded for one step; ids are local, `urn` names them.

    `hows` says of each model how it took part; those that the step made come first.
    """

    step: int
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    models: tuple[Head, ...]
    hows: tuple[str, ...]
    urn: Callable[[int], str]

    def document(self) -> dict[str, Any]:
        """The receipt as JSON, below 4,096 bytes however it is encoded.

        Lists that would make it larger are cut; ``counts`` then says how long they are.
        """
        for listed in (MAX_LISTED, 12, 6, 3):
            document = self._cut(listed)
            if _is_small(document):
                return document
        return self._cut(1)

    def _cut(self, listed: int) -> dict[str, Any]:
        document: dict[str, Any] = {
            "step": self.urn(self.step),
            "inputs": self._urns(self.inputs[:listed]),
            "outputs": self._urns(self.outputs[:listed]),
            "models": [
                {
                    "id": self.urn(model.id),
                    "name": model.name[:MAX_LISTED_NAME],
                    "version": model.version,
                    "how": how,
                }
                for model, how in zip(self.models[:listed], self.hows, strict=False)
            ],
        }
        lists = {"inputs": self.inputs, "outputs": self.outputs, "models": self.models}
        if any(len(ids) > listed for ids in lists.values()):
            document["counts"] = {name: len(ids) for name, ids in lists.items()}
        return document

    def _urns(self, ids: Sequence[int]) -> list[str]:
        return [self.urn(record_id) for record_id in ids]


def _is_small(document: dict[str, Any]) -> bool:
    """Whether it stays small in the longest encoding, with spaces and everything escaped: that
    is at most six times as long as the shortest, which takes less time to make."""
    if len(msgspec.json.encode(document)) * 6 < MAX_RECEIPT_BYTES:
        return True
    return len(json.dumps(document)) < MAX_RECEIPT_BYTES
