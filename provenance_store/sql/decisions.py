"""Which decisions were about a record."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from provenance_store.decisions import DOCUMENT
from provenance_store.sql.read import can_see
from provenance_store.sql.tables import OF_DECISIONS, TABLE
from provenance_store.viewer import Viewer

__all__ = ["decisions_about"]

_record, _step, _link, _payload = (TABLE[n] for n in ("record", "step", "link", "payload"))


def decisions_about(record_id: int, viewer: Viewer, limit: int) -> sa.Select[Any]:
    """(id, name, at, role, document) of the decisions that a record was an option of, the newest
    first. A record may have very many dependents: these are found by an index of their own."""
    of_decision = sa.and_(_payload.c.record_id == _record.c.id, _payload.c.name == DOCUMENT)
    at = sa.func.coalesce(_step.c.started_at, _record.c.created_at)
    return (
        sa.select(_record.c.id, _record.c.name, at.label("at"), _link.c.role, _payload.c.document)
        .join(_link, _link.c.from_id == _record.c.id)
        .join(_step, _step.c.id == _record.c.id)
        .outerjoin(_payload, of_decision)
        .where(_link.c.to_id == record_id, OF_DECISIONS, can_see(viewer))
        .order_by(at.desc(), _record.c.id.desc())
        .limit(limit)
    )
