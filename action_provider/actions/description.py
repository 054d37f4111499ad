"""What an action provider says about itself."""

from __future__ import annotations

from typing import Any

from globus_action_provider_tools.data_types import ActionProviderDescription

from action_provider.settings import Options

__all__ = ["describe_provider"]


def describe_provider(
    options: Options,
    *,
    title: str,
    subtitle: str,
    description: str,
    input_schema: dict[str, Any],
    synchronous: bool = True,
) -> ActionProviderDescription:
    """The description that introspection answers with."""
    return ActionProviderDescription(
        globus_auth_scope=options.scope,
        title=title,
        subtitle=subtitle,
        description=description,
        keywords=["provenance", "lineage", "machine learning", "models"],
        admin_contact=options.admin_contact,
        visible_to=list(options.visible_to),
        runnable_by=list(options.runnable_by),
        synchronous=synchronous,
        log_supported=True,
        maximum_deadline="P30D",
        input_schema=input_schema,
    )
