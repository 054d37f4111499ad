"""The two applications that http_record.py compares, as gunicorn imports them."""

from __future__ import annotations

import os
from typing import Any

from flask import Flask

__all__ = ["bare", "braid", "checking"]


def braid() -> Flask:
    """The action provider, with a durable store."""
    from action_provider.app import create_app

    return create_app()


def bare() -> Flask:
    """The toolkit's blueprint with a callback that stores nothing, and no schema to check."""
    return _bare({"type": "object"})


def checking() -> Flask:
    """The same with the schema that the action provider holds its bodies to."""
    from flows.steps.schema import body_schema

    return _bare(body_schema())


def _bare(input_schema: dict[str, Any]) -> Flask:
    from globus_action_provider_tools import ActionStatus, AuthState
    from globus_action_provider_tools.data_types import ActionProviderDescription, ActionRequest
    from globus_action_provider_tools.flask import ActionProviderBlueprint
    from globus_action_provider_tools.flask.helpers import assign_json_provider

    app = Flask("bare")
    app.config["CLIENT_ID"] = os.environ["BRAID_CLIENT_ID"]
    app.config["CLIENT_SECRET"] = os.environ["BRAID_CLIENT_SECRET"]
    assign_json_provider(app)
    description = ActionProviderDescription(
        globus_auth_scope=os.environ["BRAID_SCOPE"],
        title="bare",
        admin_contact="nobody",
        synchronous=True,
        input_schema=input_schema,
    )
    blueprint = ActionProviderBlueprint(description, "bare", __name__, url_prefix="/record")

    @blueprint.action_run
    def run(request: ActionRequest, auth: AuthState) -> ActionStatus:
        return ActionStatus(
            status="SUCCEEDED",
            creator_id=auth.effective_identity,
            label=request.label,
            monitor_by=request.monitor_by,
            manage_by=request.manage_by,
            details={"step": None, "inputs": [], "outputs": [], "models": []},
        )

    app.register_blueprint(blueprint)
    return app
