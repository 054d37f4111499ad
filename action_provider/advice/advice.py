"""Questions of flows: answered once, kept as actions."""

from __future__ import annotations

from action_provider.actions.envelope import check_deadline, read_envelope
from action_provider.actions.kept import MICROSECONDS, KeptActions, status_of
from action_provider.advice.answers import answer_to
from action_provider.advice.questions import read_question
from action_provider.auth import Caller
from provenance_store.errors import Conflict
from provenance_store.ids import ordered_uuid

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
        status = status_of(
            ordered_uuid(now), caller, envelope, details, said="Answered", now=now, seconds=seconds
        )
        release_at = now + int(seconds * MICROSECONDS)
        try:
            kept = self._keep(store, caller, envelope, status, now=now, release_at=release_at)
        except Conflict:  # the same request at the same moment
            known = self._known(store, caller, envelope)
            if known is None:
                raise
            return known, False
        return kept, True
