"""The small Transfer providers: list, make a directory, delete."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from flows.sandbox.providers.base import Action, ActionFailed, ActionRefused, Provider
from flows.sandbox.providers.collections import Collection, Collections

__all__ = [
    "CollectionInfoProvider",
    "DeleteProvider",
    "ListProvider",
    "MakeDirectoryProvider",
    "StatProvider",
    "file_entry",
    "folder_entries",
    "make_directory",
]


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
