"""The stand-in for the Flows service: runs and their logs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask import Blueprint, Response, jsonify, request

from flows.language.templates import hide_private_parameters
from flows.sandbox.caller import Caller, Doorkeeper
from flows.sandbox.consents import ConsentStore
from flows.sandbox.engine import Engine
from flows.sandbox.flow_errors import FlowsError, conflict, forbidden, missing_scope, not_found
from flows.sandbox.paging import in_order, names_in, number, page_of, read_marker
from flows.sandbox.run import FINAL, Run, RunStore
from flows.sandbox.scopes import (
    FLOWS_ALL,
    FLOWS_READING_RUNS,
    FLOWS_RUN_MANAGE,
    dependent_scopes,
)

__all__ = ["RunsApi", "select_runs"]

_ORDER_FIELDS = {
    "id": "run_id",
    "run_id": "run_id",
    "start_time": "start_time",
    "completion_time": "completion_time",
    "status": "status",
    "label": "label",
}
Document = dict[str, Any]


def select_runs(documents: list[Document], args: dict[str, str]) -> list[Document]:
    """The run documents that pass the filters, in the order asked for (newest first if none).

    Raises FlowsError for an order or a time that is not valid.
    """
    for name, keep in _FILTERS.items():
        if args.get(name):
            documents = [d for d in documents if keep(d, args[name])]
    return in_order(documents, args, _ORDER_FIELDS, "start_time DESC")


def _among(field: str) -> Callable[[Document, str], bool]:
    return lambda document, text: document[field] in text.split(",")


def _containing(field: str) -> Callable[[Document, str], bool]:
    return lambda document, text: text.lower() in document[field].lower()


def _within(field: str) -> Callable[[Document, str], bool]:
    def keep(document: Document, text: str) -> bool:
        value = document.get(field)
        since, _, until = text.partition(",")
        if value is None:
            return False
        moment = datetime.fromisoformat(value)
        return (not since or moment >= _time(since)) and (not until or moment < _time(until))

    return keep


def _time(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text.strip())
        return moment if moment.tzinfo else moment.astimezone()
    except ValueError:
        raise FlowsError(422, "UNPROCESSABLE_ENTITY", f"{text!r} is not a time.") from None


_FILTERS: dict[str, Callable[[Document, str], bool]] = {
    "filter_flow_id": _among("flow_id"),
    "filter_status": _among("status"),
    "filter_label": _containing("label"),
    "filter_flow_title": _containing("flow_title"),
    "filter_start_time": _within("start_time"),
    "filter_completion_time": _within("completion_time"),
}


_MANAGING = frozenset({"run_owner", "run_manager", "flow_run_manager"})


@dataclass
class RunsApi:
    """What the routes need."""

    doorkeeper: Doorkeeper
    engine: Engine
    runs: RunStore
    consents: ConsentStore

    def blueprint(self) -> Blueprint:
        """The routes under ``/flows/runs``."""
        routes = Blueprint("runs", __name__)
        routes.add_url_rule("/runs", view_func=self.list_runs)
        routes.add_url_rule("/runs/<run_id>", view_func=self.get)
        routes.add_url_rule("/runs/<run_id>", view_func=self.update, methods=["PUT"])
        routes.add_url_rule("/runs/<run_id>/definition", view_func=self.definition)
        routes.add_url_rule("/runs/<run_id>/log", view_func=self.log)
        for action in (self.cancel, self.resume, self.release):
            path = f"/runs/<run_id>/{action.__name__}"
            routes.add_url_rule(path, view_func=action, methods=["POST"])
        return routes

    def _visible(self, run_id: str, caller: Caller) -> tuple[Run, list[str]]:
        run = self.runs.get(run_id)
        roles = run.roles(caller.principals) if run else []
        if run is None or not roles:
            raise not_found("Run", run_id)
        return run, roles

    def _manageable(self, run_id: str, caller: Caller, permission: str) -> tuple[Run, list[str]]:
        run, roles = self._visible(run_id, caller)
        if not _MANAGING & set(roles):
            raise forbidden("run", run_id, permission)
        return run, roles

    def list_runs(self) -> Response:
        """GET /runs"""
        caller = self.doorkeeper.admit(*FLOWS_READING_RUNS)
        args = read_marker(request.args)
        wanted = names_in(args, "filter_roles") or names_in(args, "filter_role") or {"run_owner"}
        found = [(run, run.roles(caller.principals)) for run in self.runs.all()]
        documents = [run.document(roles) for run, roles in found if wanted & set(roles)]
        limit = number(args, "per_page", 20, 1, 100)
        selected = select_runs(documents, args)
        if "page" in args and "_offset" not in args:
            args["_offset"] = str((number(args, "page", 1, 1, 10**6) - 1) * limit)
        page, paging = page_of(selected, args, limit)
        return jsonify({"runs": page, **paging})

    def get(self, run_id: str) -> Response:
        """GET /runs/{id}"""
        run, roles = self._visible(run_id, self.doorkeeper.admit(*FLOWS_READING_RUNS))
        document = run.document(roles)
        if request.args.get("include_flow_description", "").lower() == "true":
            flow = run.flow.document("flow_viewer")
            keys = (
                "created_at flow_owner created_by description globus_auth_scope id keywords "
                "subtitle title updated_at"
            )
            document["flow_description"] = {key: flow[key] for key in keys.split()}
        return jsonify(document)

    def update(self, run_id: str) -> Response:
        """PUT /runs/{id}"""
        caller = self.doorkeeper.admit(FLOWS_RUN_MANAGE, FLOWS_ALL)
        run, roles = self._manageable(run_id, caller, "UPDATE")
        body = request.get_json(silent=True) or {}
        run.label = str(body.get("label", run.label))
        run.tags = list(body.get("tags", run.tags))
        run.managers = list(body.get("run_managers", run.managers))
        run.monitors = list(body.get("run_monitors", run.monitors))
        return jsonify(run.document(roles))

    def definition(self, run_id: str) -> Response:
        """GET /runs/{id}/definition: as it was when the run started."""
        caller = self.doorkeeper.admit(*FLOWS_READING_RUNS)
        run, _ = self._visible(run_id, caller)
        definition = run.definition
        if run.flow.role(caller.principals) not in ("flow_owner", "flow_administrator"):
            definition = hide_private_parameters(definition)
        return jsonify(
            {
                "flow_id": run.flow.id,
                "definition": definition,
                "input_schema": run.input_schema,
            }
        )

    def log(self, run_id: str) -> Response:
        """GET /runs/{id}/log"""
        run, _ = self._visible(run_id, self.doorkeeper.admit(*FLOWS_READING_RUNS))
        args = read_marker(request.args)
        entries = list(run.log)
        if args.get("reverse_order", "").lower() in ("true", "1"):
            entries.reverse()
        page, paging = page_of(entries, args, number(args, "limit", 10, 1, 100))
        return jsonify({"entries": page, **paging})

    def cancel(self, run_id: str) -> Response:
        """POST /runs/{id}/cancel; answers when the run has stopped, or after some seconds."""
        caller = self.doorkeeper.admit(FLOWS_RUN_MANAGE, FLOWS_ALL)
        run, roles = self._manageable(run_id, caller, "CANCEL")
        if run.status in FINAL:
            raise conflict(run_id, run.status, "'ACTIVE', 'INACTIVE'")
        run.cancel()
        run.finished.wait(self.engine.http_timeout / 2)
        return jsonify(run.document(roles))

    def resume(self, run_id: str) -> Response:
        """POST /runs/{id}/resume: the token brings what was consented to since."""
        run = self.runs.get(run_id)
        if run is None:
            raise not_found("Run", run_id)
        caller = self.doorkeeper.admit(run.flow.scope, FLOWS_RUN_MANAGE, FLOWS_ALL)
        run, roles = self._manageable(run_id, caller, "RESUME")
        if run.status in FINAL:
            raise conflict(run_id, run.status, "'ACTIVE', 'INACTIVE'")
        agreed = self.consents.dependent(caller.identity.id, caller.token.client_id)
        agreed |= caller.token.consents
        self._check_consent(run, agreed)
        run.resume(agreed)
        return jsonify(run.document(roles))

    def _check_consent(self, run: Run, agreed: frozenset[str]) -> None:
        required = run.details.get("required_scope")
        needed = run.status == "INACTIVE" and run.details.get("code") == "ConsentRequired"
        if needed and not dependent_scopes(required or "") <= agreed:
            raise missing_scope([str(required)])

    def release(self, run_id: str) -> Response:
        """POST /runs/{id}/release: forgets a finished run."""
        caller = self.doorkeeper.admit(FLOWS_RUN_MANAGE, FLOWS_ALL)
        run, roles = self._manageable(run_id, caller, "RELEASE")
        if run.status not in FINAL:
            raise conflict(run_id, run.status, "'ENDED', 'SUCCEEDED', 'FAILED'")
        self.runs.remove(run_id)
        return jsonify(run.document(roles))
