"""The Transfer providers: collections as folders; copy, list, make a directory, delete.

Transfer is spoken to in both dialects: source_endpoint, destination_endpoint and DATA, and the
older source_endpoint_id, destination_endpoint_id and transfer_items.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from flows.sandbox.providers.base import Action, ActionFailed, ActionRefused, Provider
from flows.sandbox.times import now_text

__all__ = [
    "Collection",
    "CollectionInfoProvider",
    "Collections",
    "DeleteProvider",
    "ListProvider",
    "MakeDirectoryProvider",
    "StatProvider",
    "TransferProvider",
    "file_entry",
    "folder_entries",
    "make_directory",
]


@dataclass(frozen=True)
class Collection:
    """A folder under a collection's id and name."""

    id: str
    name: str
    root: Path

    def locate(self, path: str) -> Path:
        """The file or folder behind a path of the collection.

        ``/`` and ``/~/`` are the folder itself. Raises ActionFailed for a path that leads out of
        the folder, be it by ``..`` or through a symbolic link.
        """
        relative = path.removeprefix("/~").removeprefix("~").lstrip("/")
        if "\0" in path:
            raise _outside(self, path)
        found = Path(os.path.normpath(self.root / relative))
        resolved = found.resolve()
        if resolved != self.root and self.root not in resolved.parents:
            raise _outside(self, path)
        return found


def _outside(collection: Collection, path: str) -> ActionFailed:
    text = f"{path!r} is not inside the collection {collection.name}."
    return ActionFailed({"code": "PermissionDenied", "description": text})


class Collections:
    """The collections of one sandbox by id."""

    def __init__(self) -> None:
        self._collections: dict[str, Collection] = {}

    def add(self, name: str, folder: Path, collection_id: str) -> str:
        """Registers a folder, creating it when it is missing; gives the id."""
        folder.mkdir(parents=True, exist_ok=True)
        self._collections[collection_id] = Collection(collection_id, name, folder.resolve())
        return collection_id

    def get(self, collection_id: object) -> Collection:
        """The collection with an id. Raises ActionFailed when there is none."""
        found = self._collections.get(str(collection_id))
        if found is None:
            text = f"There is no collection {collection_id}."
            raise ActionFailed({"code": "EndpointNotFound", "description": text})
        return found

    def all(self) -> list[Collection]:
        """All collections, oldest first."""
        return list(self._collections.values())

    def name_of(self, collection_id: object) -> str | None:
        """The name of the collection with an id, or None when there is none."""
        found = self._collections.get(str(collection_id))
        return found.name if found else None


class _CollectionProvider(Provider):
    """A provider that works in one collection, named by endpoint_id or endpoint."""

    def __init__(self, collections: Collections) -> None:
        super().__init__()
        self._collections = collections

    def check(self, action: Action) -> None:
        """The collection must be named."""
        if not (action.body.get("endpoint_id") or action.body.get("endpoint")):
            raise ActionRefused(422, "RequestValidationError", "endpoint_id is missing.")

    def _collection(self, action: Action) -> Collection:
        return self._collections.get(action.body.get("endpoint_id") or action.body["endpoint"])


def _missing(path: str) -> ActionFailed:
    text = f"There is no {path!r} in the collection."
    return ActionFailed({"code": "ClientError.NotFound", "description": text})


def file_entry(path: Path, name: str) -> dict[str, Any]:
    """A file or folder as the Transfer service shows it."""
    status = path.lstat() if path.is_symlink() and not path.exists() else path.stat()
    folder = path.is_dir()
    return {
        "DATA_TYPE": "file",
        "name": name,
        "type": "dir" if folder else "file",
        "is_folder": folder,
        "size": 0 if folder else status.st_size,
        "last_modified": datetime.fromtimestamp(int(status.st_mtime), UTC).isoformat(" "),
        "permissions": f"{status.st_mode & 0o777:04o}",
        "user": _name(path.owner),
        "group": _name(path.group),
        "link_target": None,
        "link_user": None,
        "link_group": None,
        "link_size": None,
        "link_last_modified": None,
    }


def _name(lookup: Callable[[], str]) -> str | None:
    try:
        return lookup()
    except (KeyError, NotImplementedError, OSError):  # this machine has no name for it
        return None


def folder_entries(folder: Path) -> list[dict[str, Any]]:
    """What is in a folder, by name."""
    return [file_entry(item, item.name) for item in sorted(folder.iterdir())]


def make_directory(collection: Collection, path: str) -> dict[str, Any]:
    """Make a directory; raises ActionFailed when it exists already."""
    try:
        collection.locate(path).mkdir(parents=True)
    except FileExistsError:
        text = f"{path!r} exists already."
        code = "ExternalError.MkdirFailed.Exists"
        raise ActionFailed({"code": code, "description": text}) from None
    return {
        "DATA_TYPE": "mkdir_result",
        "code": "DirectoryCreated",
        "message": "The directory was created successfully",
    }


class ListProvider(_CollectionProvider):
    """Lists a folder; with path_only, or for a file, just the path itself."""

    name = "ls"
    title = "Transfer: list a directory"

    def perform(self, action: Action) -> Any:
        """A file list as the Transfer service gives it."""
        path = str(action.body.get("path") or "/~/")
        collection = self._collection(action)
        found = collection.locate(path)
        if not found.exists():
            raise _missing(path)
        shown = path
        if found.is_dir() and not action.body.get("path_only"):
            entries = folder_entries(found)
        else:
            entries = [file_entry(found, found.name)]
            shown = path.rstrip("/").rpartition("/")[0] + "/"
        return {
            "DATA_TYPE": "file_list",
            "DATA": entries,
            "endpoint": collection.id,
            "path": shown,
            "absolute_path": shown,
            "length": len(entries),
            "total": len(entries),
        }


class StatProvider(_CollectionProvider):
    """Tells what is at a path; that nothing is there is an answer too, and no failure."""

    name = "stat"
    title = "Transfer: stat a file or directory"

    def perform(self, action: Action) -> Any:
        """The entry of a file or folder, or the code ``NotFound``."""
        path = str(action.body.get("path") or "/~/")
        collection = self._collection(action)
        found = collection.locate(path)
        if not found.exists():
            text = f"There is no {path!r} in the collection."
            return {"code": "NotFound", "message": text, "path": path}
        name = "/" if found == collection.root else found.name
        return file_entry(found, name)


class CollectionInfoProvider(_CollectionProvider):
    """Tells of a collection what the Transfer service tells."""

    name = "collection_info"
    title = "Transfer: collection info"

    def perform(self, action: Action) -> Any:
        """The collection, as one that is hosted with Globus Connect Server."""
        collection = self._collection(action)
        return {
            "DATA_TYPE": "endpoint",
            "id": collection.id,
            "display_name": collection.name,
            "canonical_name": collection.id,
            "entity_type": "GCSv5_mapped_collection",
            "owner_id": action.creator.id,
            "owner_string": action.creator.username,
            "non_functional": False,
            "default_directory": "/~/",
        }


class MakeDirectoryProvider(_CollectionProvider):
    """Makes one directory."""

    name = "mkdir"
    title = "Transfer: make a directory"

    def perform(self, action: Action) -> Any:
        """Says that it was created; fails when it exists already."""
        return make_directory(self._collection(action), str(action.body.get("path") or ""))


class DeleteProvider(_CollectionProvider):
    """Deletes files, and folders when `recursive` is set."""

    name = "delete"
    title = "Transfer: delete"
    synchronous = False

    def perform(self, action: Action) -> Any:
        """A delete task as the Transfer service shows it."""
        collection = self._collection(action)
        items = action.body.get("items") or [i["path"] for i in action.body.get("DATA", ())]
        found = [(str(item), collection.locate(str(item))) for item in items]
        for item, path in found:
            if not path.exists() and not action.body.get("ignore_missing"):
                raise _missing(item)
            if path.is_dir() and not action.body.get("recursive"):
                text = f"{item!r} is a directory; set recursive."
                raise ActionFailed({"code": "BadRequest", "description": text})
        for _, path in found:
            _remove(path, collection)
        return {
            "DATA_TYPE": "task",
            "type": "DELETE",
            "status": "SUCCEEDED",
            "task_id": action.action_id,
            "label": action.body.get("label"),
            "source_endpoint_id": collection.id,
            "source_endpoint_display_name": collection.name,
            "files": len(found),
            "owner_id": action.creator.id,
        }


def _remove(path: Path, collection: Collection) -> None:
    if path == collection.root:
        for inside in path.iterdir():
            _remove(inside, collection)
    elif path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


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
