"""The Transfer provider: really copies files and folders between collections.

Speaks both dialects: source_endpoint, destination_endpoint and DATA; and the older
source_endpoint_id, destination_endpoint_id and transfer_items.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flows.sandbox.providers.base import Action, ActionFailed, ActionRefused, Provider
from flows.sandbox.providers.collections import Collection, Collections
from flows.sandbox.times import now_text

__all__ = ["TransferProvider"]


@dataclass
class _Counts:
    files: int = 0
    directories: int = 0
    bytes: int = 0


class TransferProvider(Provider):
    """Copies files and folders between sandbox collections."""

    name = "transfer"
    title = "Transfer: copy data"
    synchronous = False

    def __init__(self, collections: Collections) -> None:
        super().__init__()
        self._collections = collections

    def check(self, action: Action) -> None:
        """Both collections and at least one item must be named."""
        source, destination, items = _request(action.body)
        if not source or not destination:
            raise ActionRefused(422, "RequestValidationError", "A collection is not named.")
        if not isinstance(items, list) or not items or not all(map(_is_item, items)):
            text = "Each item needs source_path and destination_path."
            raise ActionRefused(422, "RequestValidationError", text)

    def perform(self, action: Action) -> Any:
        """A task document as the Transfer service shows it."""
        source_id, destination_id, items = _request(action.body)
        source = self._collections.get(source_id)
        destination = self._collections.get(destination_id)
        started, counts = now_text(), _Counts()
        for item in items:
            _copy_item(item, source, destination, counts)
        return _task(action, source, destination, counts, started)


def _request(body: dict[str, Any]) -> tuple[Any, Any, Any]:
    return (
        body.get("source_endpoint") or body.get("source_endpoint_id"),
        body.get("destination_endpoint") or body.get("destination_endpoint_id"),
        body.get("DATA") or body.get("transfer_items"),
    )


def _is_item(item: Any) -> bool:
    return (
        isinstance(item, dict)
        and isinstance(item.get("source_path"), str)
        and isinstance(item.get("destination_path"), str)
    )


def _failed(code: str, description: str) -> ActionFailed:
    return ActionFailed({"code": code, "description": description, "status": "FAILED"})


def _copy_item(
    item: dict[str, Any], source: Collection, destination: Collection, counts: _Counts
) -> None:
    origin = source.locate(item["source_path"])
    target = destination.locate(item["destination_path"])
    if not origin.exists():
        raise _failed("FILE_NOT_FOUND", f"There is no {item['source_path']!r} in the source.")
    if origin.is_dir():
        if item.get("recursive") is False:  # what is not said, Transfer finds out
            raise _failed("IS_A_DIRECTORY", f"{item['source_path']!r} needs recursive.")
        if target == origin or origin in target.parents:
            raise _failed("INTO_ITSELF", "A folder cannot be copied into itself.")
        _copy_folder(origin, target, source, counts)
        return
    if item["destination_path"].endswith("/"):
        target = target / origin.name
    if target.is_dir():
        raise _failed("IS_A_DIRECTORY", f"{item['destination_path']!r} is a directory.")
    _copy_file(origin, target, counts)


def _copy_folder(origin: Path, target: Path, source: Collection, counts: _Counts) -> None:
    target.mkdir(parents=True, exist_ok=True)
    counts.directories += 1
    for path in sorted(origin.iterdir()):
        if path.is_symlink():
            continue  # as Transfer does by default
        if path.is_dir():
            _copy_folder(path, target / path.name, source, counts)
        else:
            _copy_file(path, target / path.name, counts)


def _copy_file(origin: Path, target: Path, counts: _Counts) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if target != origin:
        shutil.copyfile(origin, target)
    counts.files += 1
    counts.bytes += target.stat().st_size


def _task(
    action: Action, source: Collection, destination: Collection, counts: _Counts, started: str
) -> dict[str, Any]:
    completed = now_text()
    events = [
        _event("SUCCEEDED", completed, {"files_succeeded": counts.files}),
        _event("STARTED", started, {"type": "sandbox copy"}),
    ]
    return {
        "DATA_TYPE": "task",
        "task_id": action.action_id,
        "type": "TRANSFER",
        "status": "SUCCEEDED",
        "label": action.body.get("label") or f"For Action id {action.action_id}",
        "owner_id": action.creator.id,
        "username": action.creator.username,
        "request_time": action.start_time,
        "completion_time": completed,
        "source_endpoint_id": source.id,
        "source_endpoint_display_name": source.name,
        "destination_endpoint_id": destination.id,
        "destination_endpoint_display_name": destination.name,
        "files": counts.files,
        "files_transferred": counts.files,
        "files_skipped": 0,
        "directories": counts.directories,
        "bytes_transferred": counts.bytes,
        "bytes_checksummed": 0,
        "effective_bytes_per_second": counts.bytes,
        "subtasks_total": counts.files + 1,
        "subtasks_succeeded": counts.files + 1,
        "subtasks_failed": 0,
        "faults": 0,
        "fatal_error": None,
        "sync_level": action.body.get("sync_level"),
        "verify_checksum": bool(action.body.get("verify_checksum")),
        "event_list": events,
    }


def _event(code: str, time: str, details: dict[str, Any]) -> dict[str, Any]:
    return {
        "DATA_TYPE": "event",
        "code": code,
        "description": code.lower(),
        "details": details,
        "is_error": False,
        "time": time,
    }
