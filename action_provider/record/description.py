"""What the action provider says about itself."""

from __future__ import annotations

from typing import Any

from globus_action_provider_tools.data_types import ActionProviderDescription

from action_provider.settings import Options

__all__ = ["describe_provider"]


def describe_provider(options: Options, input_schema: dict[str, Any]) -> ActionProviderDescription:
    """The description that introspection answers with."""
    return ActionProviderDescription(
        globus_auth_scope=options.scope,
        title="Braid: record a step",
        subtitle="Keeps the provenance of a flow's steps, their inputs, outputs and models.",
        description=(
            "Records one step of a flow in a provenance store: what it used, what it made, and "
            "which versions of machine-learning models took part. It answers at once with a "
            "receipt, which later steps can pass on as their input."
        ),
        keywords=["provenance", "lineage", "machine learning", "models"],
        admin_contact=options.admin_contact,
        visible_to=list(options.visible_to),
        runnable_by=list(options.runnable_by),
        synchronous=True,
        log_supported=True,
        maximum_deadline="P30D",
        input_schema=input_schema,
    )
