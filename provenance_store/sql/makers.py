"""How the step ended that made a model version: SQL that other queries are put together from."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from provenance_store.enums import Role
from provenance_store.sql.tables import TABLE

__all__ = ["in_the_making", "status_of_maker"]

_record, _link, _version = TABLE["record"], TABLE["link"], TABLE["version"]
_step, _outcome = TABLE["step"], TABLE["outcome"]
_ENDED = sa.func.coalesce(_outcome.c.status, sa.literal_column("'ACTIVE'"))


def status_of_maker(version_id: sa.ColumnElement[int]) -> sa.ScalarSelect[Any]:
    """The status of the step that made a version: ACTIVE where it has not ended, NULL where no step
    made it. Of several steps one that goes on counts, else one that succeeded."""
    first = sa.case((_ENDED == "ACTIVE", 0), (_ENDED == "SUCCEEDED", 1), else_=2)
    return (
        sa.select(_ENDED)
        .select_from(_link.join(_step, _step.c.id == _link.c.to_id))
        .outerjoin(_outcome, _outcome.c.id == _step.c.id)
        .where(_link.c.from_id == version_id, _link.c.role == Role.GENERATED_BY.value)
        .order_by(first)
        .limit(1)
        .scalar_subquery()
    )


def in_the_making() -> sa.ColumnElement[bool]:
    """The condition on `record` of being a model version that a step makes which has not ended."""
    return sa.exists().where(
        _version.c.id == _record.c.id,
        _link.c.from_id == _record.c.id,
        _link.c.role == Role.GENERATED_BY.value,
        _step.c.id == _link.c.to_id,
        ~sa.exists().where(_outcome.c.id == _step.c.id),
    )
