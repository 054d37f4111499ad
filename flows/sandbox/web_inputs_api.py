"""The stand-in for the Flows service: what runs ask people."""

from __future__ import annotations

from dataclasses import dataclass

from flask import Blueprint, Response, jsonify, request

from flows.sandbox.caller import Doorkeeper
from flows.sandbox.flow_errors import FlowsError, not_found
from flows.sandbox.paging import in_order, names_in, number, page_of, read_marker
from flows.sandbox.scopes import FLOWS_READING_RUNS
from flows.sandbox.web_inputs import WebInput, WebInputs

__all__ = ["WebInputsApi"]

_ORDER_FIELDS = {n: n for n in ("created_timestamp", "edited_timestamp", "closed_timestamp")}


@dataclass
class WebInputsApi:
    """What the routes need."""

    doorkeeper: Doorkeeper
    web_inputs: WebInputs

    def blueprint(self) -> Blueprint:
        """The routes under ``/flows/web_inputs``."""
        routes = Blueprint("web_inputs", __name__)
        routes.add_url_rule("/web_inputs", view_func=self.list_web_inputs)
        routes.add_url_rule("/web_inputs/<id_>", view_func=self.get)
        routes.add_url_rule("/web_inputs/<id_>/respond", view_func=self.respond, methods=["POST"])
        return routes

    def _visible(self, id_: str) -> tuple[WebInput, list[str]]:
        caller = self.doorkeeper.admit(*FLOWS_READING_RUNS)
        web_input = self.web_inputs.get(id_)
        roles = web_input.roles(caller.principals) if web_input else []
        if web_input is None or not roles:
            raise not_found("Web Input", id_)
        return web_input, roles

    def list_web_inputs(self) -> Response:
        """GET /web_inputs"""
        caller = self.doorkeeper.admit(*FLOWS_READING_RUNS)
        args = read_marker(request.args)
        wanted = names_in(args, "filter_roles")
        found = [(one, one.roles(caller.principals)) for one in self.web_inputs.all()]
        documents = [
            one.summary(roles) for one, roles in found if (wanted & set(roles) if wanted else roles)
        ]
        if states := names_in(args, "filter_states"):
            documents = [d for d in documents if d["status"] in states]
        for name, kind in (("filter_flow_ids", "flow"), ("filter_run_ids", "run")):
            if ids := names_in(args, name):
                documents = [d for d in documents if d[kind]["id"] in ids]
        documents = in_order(documents, args, _ORDER_FIELDS)
        page, paging = page_of(documents, args, number(args, "per_page", 20, 1, 100))
        return jsonify({"web_input_summaries": page, "marker": paging["marker"]})

    def get(self, id_: str) -> Response:
        """GET /web_inputs/{id}"""
        web_input, roles = self._visible(id_)
        return jsonify(web_input.document(roles))

    def respond(self, id_: str) -> Response:
        """POST /web_inputs/{id}/respond with ``{"response": {"value": …}}``, an option's id"""
        web_input, roles = self._visible(id_)
        if "respondent" not in roles:
            detail = f"User does not have respondent role on web input {id_}"
            raise FlowsError(403, "FORBIDDEN", detail)
        body = request.get_json(silent=True)
        response = body.get("response") if isinstance(body, dict) else None
        value = response.get("value") if isinstance(response, dict) else None
        option = next((o for o in web_input.options if o.id == value), None)
        if not web_input.closed and option is None:
            detail = f"{value!r} is not a registered option id for this input."
            raise FlowsError(422, "UNPROCESSABLE_ENTITY", detail)
        if option is None or not self.web_inputs.answer(web_input, option):
            raise FlowsError(409, "STATE_CONFLICT", f"Web Input {id_} is already closed.")
        return jsonify({"status": "ok"})
