"""The action provider's answered actions, kept beside the records they made."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import sqlalchemy as sa

from provenance_store.enums import Level
from provenance_store.rows import ActionRow
from provenance_store.sql import retention as sql
from provenance_store.sql.session import Session

__all__ = ["Actions"]


class Actions:
    """Look up, list, change and release actions. They are written in the batch of their records."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def get(self, action_id: str) -> ActionRow | None:
        """The action, or None when there is none or it was released."""
        return self._one(sql.BY_ID, {"action_id": action_id})

    def by_request(self, creator: str, request_id: str) -> ActionRow | None:
        """The action that a caller's request made, or None."""
        return self._one(sql.BY_REQUEST, {"creator": creator, "request_id": request_id})

    def members(self, audience: str) -> dict[str, Level]:
        """Who may see or manage what carries this audience digest."""
        with self._session.read() as connection:
            rows = connection.execute(sql.MEMBERS, {"digest": audience})
            return {principal: Level(level) for principal, level in rows}

    def page(
        self,
        principals: Collection[str],
        *,
        statuses: Collection[str] = (),
        limit: int = 100,
        after: tuple[int, str] | None = None,
    ) -> list[ActionRow]:
        """Actions that a caller may see, newest first, at most `limit`.

        `after` is (created_at, action_id) of the last one of the page before.
        """
        query = sql.visible(principals, statuses, after).limit(limit)
        with self._session.read() as connection:
            return [ActionRow(*row) for row in connection.execute(query)]

    def release(self, action_id: str) -> bool:
        """Forget an action (its records stay); False when there is none."""
        with self._session.change() as connection:
            return bool(connection.execute(sql.RELEASE, {"action_id": action_id}).rowcount)

    def swap(self, before: ActionRow, after: ActionRow) -> bool:
        """Give an action another status, document and release time, unless somebody else did since
        it was read as `before`; whether it was given."""
        with self._session.change() as connection:
            values = {"known": before.document, "which": before.action_id}
            values |= {name: getattr(after, name) for name in ("status", "document", "release_at")}
            return bool(connection.execute(sql.SWAP, values).rowcount)

    def purge(self, now: int) -> int:
        """Forget all actions whose release time (microseconds UTC) has come; how many."""
        with self._session.change() as connection:
            return int(connection.execute(sql.PURGE, {"now": now}).rowcount)

    def _one(self, query: sa.Select[Any], values: dict[str, str]) -> ActionRow | None:
        with self._session.read() as connection:
            row = connection.execute(query, values).first()
        return ActionRow(*row) if row else None
