"""Questions of flows: answered once, kept as actions."""

from __future__ import annotations

from action_provider.actions.envelope import (
    Envelope,
    check_deadline,
    content_digest,
    read_envelope,
)
from action_provider.actions.kept import MICROSECONDS, KeptActions, status_of
from action_provider.actions.status import encode
from action_provider.advice.answers import answer_to
from action_provider.advice.questions import read_question
from action_provider.auth import Caller
from provenance_store.batch import Batch
from provenance_store.errors import Conflict
from provenance_store.ids import ordered_uuid
from provenance_store.rows import ActionRow
from provenance_store.store import Store
from provenance_store.values import Audience

__all__ = ["Advice"]


class Advice(KeptActions):
    """Answers questions. A request is answered once: again it has the same answer, whatever was
    recorded since, and with another content it is a Conflict."""

    space = " query"

    def run(self, caller: Caller, data: bytes) -> tuple[str, bool]:
        """Answer the question in a request body; the status as JSON, and whether it is new."""
        envelope = read_envelope(data)
        question = read_question(envelope.body)
        seconds = self._release_seconds(envelope)
        store = self._stores.get()
        if (known := self._known(store, caller, envelope)) is not None:
            return known, False
        now = self._clock()
        check_deadline(envelope, now=now)
        answer = answer_to(question, store.reader(caller.viewer()))
        details = {"ask": envelope.body["ask"], **answer}
        action_id = ordered_uuid(now)
        status = status_of(
            action_id, caller, envelope, details, said="Answered", now=now, seconds=seconds
        )
        document = encode(status).decode()
        release_at = now + int(seconds * MICROSECONDS)
        return self._keep(store, caller, envelope, action_id, document, now, release_at)

    def _keep(
        self,
        store: Store,
        caller: Caller,
        envelope: Envelope,
        action_id: str,
        document: str,
        now: int,
        release_at: int,
    ) -> tuple[str, bool]:
        readers, managers = tuple(envelope.monitor_by or ()), tuple(envelope.manage_by or ())
        audience, members = Audience(caller.identity, readers, managers).rows()
        action = ActionRow(
            action_id,
            caller.identity + self.space,
            envelope.request_id,
            content_digest(envelope),
            "SUCCEEDED",
            document,
            None,
            audience.digest,
            now,
            release_at,
        )
        try:
            store.sink.write(
                Batch(audience=[audience], audience_member=list(members), action=[action])
            )
        except Conflict:  # the same request at the same moment
            known = self._known(store, caller, envelope)
            if known is None:
                raise
            return known, False
        return document, True
