"""The stand-in for the Transfer service: collections, their files, and tasks."""

from __future__ import annotations

import os
import re
import uuid
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from flask import Blueprint, Response, jsonify, request
from werkzeug.datastructures import MultiDict

from flows.sandbox.directory import Directory, Identity
from flows.sandbox.providers.base import Action, ActionFailed, ActionRefused, Provider
from flows.sandbox.providers.files import (
    Collection,
    Collections,
    DeleteProvider,
    TransferProvider,
    file_entry,
    folder_entries,
    make_directory,
)
from flows.sandbox.scopes import TRANSFER_ALL
from flows.sandbox.tokens import TokenStore

__all__ = ["BadQuery", "TransferApi", "listing"]

Document = dict[str, Any]
_CLAUSE = re.compile(r"(?P<operator>!~|!|~|=)?(?P<pattern>.*)", re.DOTALL)
_TIMES = frozenset({"last_modified", "request_time", "completion_time"})


class BadQuery(Exception):
    """A query parameter is not valid; says why in a sentence."""


def listing(
    kind: str, documents: Sequence[Document], args: MultiDict[str, str], *, limit: int
) -> Document:
    """A page of documents with what Transfer tells about it, or raises BadQuery.

    Of several `filter` parameters one must hold, and all of its clauses.
    """
    filters = [text for text in args.getlist("filter") if text]
    kept = [d for d in documents if not filters or any(_passes(d, text) for text in filters)]
    for field, down in reversed(_orders(args)):
        kept.sort(key=lambda document: _sort_key(document, field), reverse=down)
    start, count = _number(args, "offset", 0), _number(args, "limit", limit)
    page = kept[start : start + count]
    return {
        "DATA_TYPE": kind,
        "DATA": page,
        "length": len(page),
        "limit": count,
        "offset": start,
        "total": len(kept),
        "has_next_page": start + len(page) < len(kept),
    }


def _orders(args: MultiDict[str, str]) -> list[tuple[str, bool]]:
    """The fields to order by, with whether each goes down."""
    given = [part for text in args.getlist("orderby") for part in text.split(",") if part.strip()]
    orders = []
    for part in given:
        field, _, direction = part.strip().partition(" ")
        if direction.upper() not in ("", "ASC", "DESC"):
            raise BadQuery(f"{part!r} is not an order.")
        orders.append((field, direction.upper() == "DESC"))
    return orders


def _sort_key(document: Document, field: str) -> tuple[bool, float, str]:
    value = document.get(field)
    if isinstance(value, int | float):
        return True, float(value), ""
    return value is not None, 0.0, str(value)


def _number(args: MultiDict[str, str], name: str, default: int) -> int:
    text = args.get(name, str(default))
    if not text.isdecimal():
        raise BadQuery(f"{name} must be a whole number, not {text!r}.")
    return int(text)


def _passes(document: Document, text: str) -> bool:
    for clause in text.split("/"):
        field, colon, wanted = clause.partition(":")
        if not colon:
            raise BadQuery(f"{clause!r} is not a filter.")
        if field in _TIMES:
            if not _within(document.get(field), wanted):
                return False
        elif not _among(_as_text(document.get(field)), wanted.split(",")):
            return False
    return True


def _as_text(value: Any) -> str:
    if isinstance(value, bool):
        return str(int(value))
    return "" if value is None else str(value)


def _among(value: str, patterns: list[str]) -> bool:
    """Whether a value is one of those named, and none of those that are ruled out."""
    wanted: list[bool] = []
    unwanted: list[bool] = []
    for text in patterns:
        found = _CLAUSE.fullmatch(text)
        operator, pattern = (found["operator"] or "", found["pattern"]) if found else ("", text)
        matched = fnmatchcase(value, pattern) if operator.endswith("~") else value == pattern
        (unwanted if operator.startswith("!") else wanted).append(matched)
    return not any(unwanted) and (not wanted or any(wanted))


def _within(value: Any, wanted: str) -> bool:
    since, _, until = wanted.partition(",")
    if not isinstance(value, str):
        return False
    moment = _time(value)
    return (not since or moment >= _time(since)) and (not until or moment < _time(until))


def _time(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise BadQuery(f"{text!r} is not a time.") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


_FAILURES = {
    "EndpointNotFound": (404, "EndpointNotFound"),
    "PermissionDenied": (403, "EndpointPermissionDenied"),
    "ClientError.NotFound": (404, "ClientError.NotFound"),
    "ExternalError.MkdirFailed.Exists": (502, "ExternalError.MkdirFailed.Exists"),
}
_ACCEPTED = "The {} has been accepted and a task has been created and queued for execution"
_SUBTASKS = "canceled expired failed pending retrying skipped_errors succeeded total"


class _Refused(Exception):
    """An error answer of the Transfer service."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(code)
        self.status = status
        self.code = code
        self.message = message


class TransferApi:
    """What the routes need."""

    def __init__(
        self,
        directory: Directory,
        tokens: TokenStore,
        collections: Collections,
        copying: TransferProvider,
        deleting: DeleteProvider,
    ) -> None:
        self._directory = directory
        self._tokens = tokens
        self._collections = collections
        self._providers: dict[str, Provider] = {"TRANSFER": copying, "DELETE": deleting}

    def blueprint(self) -> Blueprint:
        """The routes under ``/transfer/v0.10``."""
        routes = Blueprint("transfer", __name__)
        routes.register_error_handler(_Refused, _answer_refused)
        routes.register_error_handler(ActionFailed, _answer_failed)
        routes.register_error_handler(BadQuery, _answer_bad_query)
        operation = "/operation/endpoint/<id_>"
        reading: dict[str, Callable[..., Any]] = {
            "/endpoint/<id_>": self.endpoint,
            "/endpoint_search": self.search,
            f"{operation}/ls": self.list_files,
            f"{operation}/stat": self.stat,
            "/submission_id": self.submission_id,
            "/task_list": self.tasks,
            "/task/<id_>": self.task,
            "/task/<id_>/event_list": self.events,
            "/task/<id_>/successful_transfers": self.successful_transfers,
            "/task/<id_>/skipped_errors": self.skipped_errors,
            "/task/<id_>/pause_info": self.pause_info,
        }
        writing: dict[str, Callable[..., Any]] = {
            f"{operation}/mkdir": self.mkdir,
            f"{operation}/rename": self.rename,
            "/transfer": self.submit_transfer,
            "/delete": self.submit_delete,
            "/task/<id_>/cancel": self.cancel,
        }
        for path, view in reading.items():
            routes.add_url_rule(path, view_func=view)
        for path, view in writing.items():
            routes.add_url_rule(path, view_func=view, methods=["POST"])
        return routes

    def _caller(self) -> Identity:
        given = request.authorization
        token = self._tokens.find(given.token or "") if given and given.type == "bearer" else None
        identity = self._directory.identity(token.identity_id) if token else None
        if token is None or identity is None:
            raise _Refused(401, "AuthenticationFailed", "Token is not active")
        if TRANSFER_ALL not in token.scopes:
            raise _Refused(403, "PermissionDenied", f"Token does not have scope {TRANSFER_ALL}")
        return identity

    def _collection(self, id_: str) -> Collection:
        self._caller()
        return self._collections.get(id_)

    def endpoint(self, id_: str) -> Response:
        """GET /endpoint/{id}"""
        return jsonify(_endpoint(self._collection(id_)))

    def search(self) -> Response:
        """GET /endpoint_search"""
        self._caller()
        text = request.args.get("filter_fulltext", "").lower()
        found = [_endpoint(c) for c in self._collections.all() if text in c.name.lower()]
        return jsonify(listing("endpoint_list", found, request.args, limit=100))

    def list_files(self, id_: str) -> Response:
        """GET /operation/endpoint/{id}/ls"""
        collection = self._collection(id_)
        path = request.args.get("path") or "/~/"
        found = _existing(collection, path)
        if not found.is_dir():
            text = f"{path!r} is not a directory."
            raise _Refused(502, "ExternalError.DirListingFailed.NotDirectory", text)
        entries = folder_entries(found)
        if request.args.get("show_hidden", "1").lower() in ("0", "false"):
            entries = [entry for entry in entries if not entry["name"].startswith(".")]
        about = {"endpoint": id_, "path": path, "absolute_path": path, "rename_supported": True}
        return jsonify(listing("file_list", entries, request.args, limit=100_000) | about)

    def stat(self, id_: str) -> Response:
        """GET /operation/endpoint/{id}/stat"""
        found = _existing(self._collection(id_), request.args.get("path", ""))
        return jsonify(file_entry(found, found.name))

    def mkdir(self, id_: str) -> Response:
        """POST /operation/endpoint/{id}/mkdir"""
        result = make_directory(self._collection(id_), str(_body().get("path") or ""))
        return jsonify(result | _request_members())

    def rename(self, id_: str) -> Response:
        """POST /operation/endpoint/{id}/rename"""
        collection, body = self._collection(id_), _body()
        found = _existing(collection, str(body.get("old_path") or ""))
        target = collection.locate(str(body.get("new_path") or ""))
        if target.exists() or collection.root in (found, target):
            raise _Refused(502, "ExternalError.RenameFailed.Exists", "The new path exists already.")
        os.rename(found, target)
        text = "File or directory renamed successfully"
        return jsonify(
            {"DATA_TYPE": "result", "code": "FileRenamed", "message": text, **_request_members()}
        )

    def submission_id(self) -> Response:
        """GET /submission_id"""
        self._caller()
        return jsonify({"DATA_TYPE": "submission_id", "value": str(uuid.uuid4())})

    def submit_transfer(self) -> tuple[Response, int]:
        """POST /transfer"""
        return self._submit("TRANSFER")

    def submit_delete(self) -> tuple[Response, int]:
        """POST /delete"""
        return self._submit("DELETE")

    def _submit(self, kind: str) -> tuple[Response, int]:
        caller, body, provider = self._caller(), _body(), self._providers[kind]
        if not body.get("DATA"):
            code = f"ClientError.BadRequest.No{kind.capitalize()}Items"
            raise _Refused(400, code, f"A {kind.lower()} requires at least one item")
        for name in ("source_endpoint", "destination_endpoint", "endpoint"):
            if name in body:
                self._collections.get(body[name])
        submission_id = body.pop("submission_id", None) or str(uuid.uuid4())
        action = Action(
            request={"request_id": str(submission_id), "body": body},
            creator=caller,
            principals=self._directory.principals_of(caller),
            consents=frozenset(),
            named_url=None,
        )
        try:
            found, new = provider.add(action)
        except ActionRefused as refused:
            raise _Refused(400, "ClientError.BadRequest", refused.description) from None
        name = kind.lower()
        answer = {
            "DATA_TYPE": f"{name}_result",
            "code": "Accepted" if new else "Duplicate",
            "message": _ACCEPTED.format(name),
            "submission_id": submission_id,
            "task_id": found.action_id,
            "task_link": {
                "DATA_TYPE": "link",
                "href": f"/v0.10/task/{found.action_id}?format=json",
                "rel": "related",
                "resource": "task",
                "title": "related task",
            },
            **_request_members(),
        }
        return jsonify(answer), 202

    def _tasks_of(self, caller: Identity) -> list[dict[str, Any]]:
        return [
            self._task(kind, action)
            for kind, provider in self._providers.items()
            for action in provider.all()
            if action.creator.id in caller.identity_set
        ]

    def _found(self, id_: str) -> tuple[str, Action]:
        caller = self._caller()
        for kind, provider in self._providers.items():
            action = provider.find(id_)
            if action is not None and action.creator.id in caller.identity_set:
                return kind, action
        raise _Refused(404, "ClientError.NotFound", f"No task found with id {id_}")

    def _task(self, kind: str, action: Action) -> dict[str, Any]:
        return task_document(kind, action, self._collections)

    def tasks(self) -> Response:
        """GET /task_list"""
        found = sorted(self._tasks_of(self._caller()), key=lambda t: t["request_time"])
        return jsonify(listing("task_list", found[::-1], request.args, limit=10))

    def task(self, id_: str) -> Response:
        """GET /task/{id}"""
        return jsonify(self._task(*self._found(id_)))

    def events(self, id_: str) -> Response:
        """GET /task/{id}/event_list, latest first"""
        document = self._task(*self._found(id_))
        return jsonify(listing("event_list", document["event_list"], request.args, limit=10))

    def successful_transfers(self, id_: str) -> Response:
        """GET /task/{id}/successful_transfers"""
        _, action = self._found(id_)
        done = action.status == "SUCCEEDED"
        found = [
            {"DATA_TYPE": "successful_transfer"}
            | {name: item[name] for name in ("source_path", "destination_path")}
            for item in (action.body["DATA"] if done else ())
            if isinstance(item, dict) and "source_path" in item
        ]
        return jsonify({"DATA_TYPE": "successful_transfers", "DATA": found, "next_marker": None})

    def skipped_errors(self, id_: str) -> Response:
        """GET /task/{id}/skipped_errors: there are none in a sandbox."""
        self._found(id_)
        return jsonify({"DATA_TYPE": "skipped_errors", "DATA": [], "next_marker": None})

    def pause_info(self, id_: str) -> Response:
        """GET /task/{id}/pause_info: nothing is paused in a sandbox."""
        self._found(id_)
        document: dict[str, Any] = {
            "DATA_TYPE": "pause_info_limited",
            "pause_rules": [],
            "source_pause_message": None,
            "destination_pause_message": None,
            "source_pause_message_share": None,
            "destination_pause_message_share": None,
        }
        return jsonify(document)

    def cancel(self, id_: str) -> Response:
        """POST /task/{id}/cancel"""
        kind, action = self._found(id_)
        code, text = "TaskComplete", "The task completed before the cancel request was processed."
        if not action.final:
            self._providers[kind].cancel(action)
            code, text = "Canceled", "The task has been cancelled successfully."
        return jsonify({"DATA_TYPE": "result", "code": code, "message": text, **_request_members()})


def task_document(kind: str, action: Action, collections: Collections) -> dict[str, Any]:
    """A task as the Transfer service shows it, whatever has become of it."""
    body = action.body
    details = action.details if isinstance(action.details, dict) else {}
    failed = action.status == "FAILED"
    reason = str(details.get("description", "")) if failed else None
    event = {
        "DATA_TYPE": "event",
        "code": details.get("code", action.status) if failed else action.status,
        "description": reason or action.status.lower(),
        "details": reason or "",
        "is_error": failed,
        "time": action.completion_time or action.start_time,
    }
    source = body.get("source_endpoint") or body.get("source_endpoint_id") or body.get("endpoint")
    target = body.get("destination_endpoint") or body.get("destination_endpoint_id")
    counted = {f"subtasks_{name}": 0 for name in _SUBTASKS.split()}
    base: dict[str, Any] = {
        "DATA_TYPE": "task",
        "task_id": action.action_id,
        "type": kind,
        "status": action.status,
        "label": body.get("label"),
        "owner_id": action.creator.id,
        "username": action.creator.username,
        "request_time": action.start_time,
        "completion_time": action.completion_time,
        "deadline": body.get("deadline"),
        "source_endpoint": collections.name_of(source),
        "source_endpoint_id": source,
        "source_endpoint_display_name": collections.name_of(source),
        "destination_endpoint": collections.name_of(target),
        "destination_endpoint_id": target,
        "destination_endpoint_display_name": collections.name_of(target),
        **dict.fromkeys(("files", "files_transferred", "files_skipped", "directories"), 0),
        **dict.fromkeys(("bytes_transferred", "bytes_checksummed", "symlinks", "faults"), 0),
        "effective_bytes_per_second": 0,
        **counted,
        "command": "API 0.10",
        "is_ok": None if action.final else True,
        "is_paused": False,
        "history_deleted": False,
        "canceled_by_admin": None,
        "canceled_by_admin_message": None,
        "nice_status": None if action.final else "OK",
        "nice_status_details": None,
        "nice_status_expires_in": None,
        "nice_status_short_description": None,
        "delete_destination_extra": False,
        "encrypt_data": False,
        "fail_on_quota_errors": False,
        "filter_rules": None,
        "preserve_timestamp": False,
        "recursive_symlinks": "ignore",
        "skip_source_errors": False,
        "sync_level": body.get("sync_level"),
        "verify_checksum": bool(body.get("verify_checksum")),
        "fatal_error": None,
        "event_list": [event],
    }
    if failed:
        fatal = {"code": event["code"], "description": reason}
        return base | {"fatal_error": fatal, "faults": 1, "subtasks_failed": 1, "subtasks_total": 1}
    return base | details if action.final else base


def _endpoint(collection: Collection) -> dict[str, Any]:
    """A collection's document: one of Globus Connect Personal, which needs no consents."""
    nothing = (
        "organization department description keywords info_link contact_email contact_info "
        "default_directory subscription_id canonical_name host_endpoint_id host_path "
        "globus_connect_setup_key gcs_manager_url last_accessed_time user_message "
        "myproxy_server myproxy_dn oauth_server s3_url expire_time "
        "non_functional_endpoint_display_name non_functional_endpoint_id"
    )
    no = (
        "public force_encryption force_verify disable_verify high_assurance mfa_required "
        "gcp_paused french_english_bilingual s3_owner_activated disable_anonymous_writes "
        "activated in_use non_functional shareable acl_available acl_editable"
    )
    return {
        **dict.fromkeys(nothing.split()),
        **dict.fromkeys(no.split(), False),
        "DATA_TYPE": "endpoint",
        "id": collection.id,
        "display_name": collection.name,
        "entity_type": "GCP_mapped_collection",
        "is_globus_connect": True,
        "gcp_connected": True,
        "owner_id": None,
        "owner_string": "sandbox",
        "username": "sandbox",
        "expires_in": 0,
        "local_user_info_available": True,
        "my_effective_roles": [],
        "DATA": [],
    }


def _existing(collection: Collection, path: str) -> Path:
    found = collection.locate(path)
    if not found.exists():
        text = f"There is no {path!r} in the collection."
        raise ActionFailed({"code": "ClientError.NotFound", "description": text})
    return found


def _body() -> dict[str, Any]:
    body = request.get_json(silent=True)
    if not isinstance(body, dict):
        raise _Refused(400, "ClientError.BadRequest", "The body must be a JSON object.")
    return body


def _request_members() -> dict[str, str]:
    return {"request_id": uuid.uuid4().hex[:9], "resource": request.path}


def _answer_refused(error: _Refused) -> tuple[Response, int]:
    answer = {"code": error.code, "message": error.message, **_request_members()}
    return jsonify(answer), error.status


def _answer_failed(error: ActionFailed) -> tuple[Response, int]:
    status, code = _FAILURES.get(error.details["code"], (400, error.details["code"]))
    return _answer_refused(_Refused(status, code, error.details["description"]))


def _answer_bad_query(error: BadQuery) -> tuple[Response, int]:
    return _answer_refused(_Refused(400, "ClientError.BadRequest", str(error)))
