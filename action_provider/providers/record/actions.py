"""Actions of ``/record``: answered once, kept in the store with their records, released later.

A request is named by its caller's identity and `request_id`. Repeated with the same content it gets
the same action; with other content it is a Conflict. Once an action is released, or its release
time has come, its request is forgotten: the same `request_id` is then a new request. The records
stay in every case.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple
from weakref import ref

from action_provider.auth import Caller
from action_provider.providers.action_store import MICROSECONDS, ActionStore, status_of
from action_provider.providers.envelope import (
    Envelope,
    check_deadline,
    content_digest,
    encode,
    read_envelope,
)
from action_provider.settings import Options
from action_provider.stores import StoreHolder
from flows.steps.body import Body, read_body
from flows.steps.lookup import StoreLookup
from flows.steps.record import audience_of, foresee, record_step
from flows.steps.record_resolver import UrisOf
from provenance_store.enums import Level
from provenance_store.errors import Conflict, InvalidInput, NotAllowed, NotFound, TooLarge
from provenance_store.ids import ordered_uuid
from provenance_store.queries.document_reader import DocumentReader
from provenance_store.recording.recorder import Recorder
from provenance_store.rows import ActionRow
from provenance_store.service import StoreService
from provenance_store.values import Audience, Viewer

__all__ = ["CallersLookup", "ManagedRuns", "PreparedGroup", "RecordActions", "RecordAnswer"]


class CallersLookup(StoreLookup):
    """A StoreLookup that asks for the caller's groups only when something is looked up."""

    def __init__(self, service: StoreService, caller: Caller) -> None:
        self._service = service
        self._caller = caller
        self._prepare_or_fail: DocumentReader | None = None

    # Not a cached_property: before Python 3.12 that locks all instances out while one is made,
    # which asks Globus, and then may wait for a turn that somebody who is locked out has.
    @property
    def _reader(self) -> DocumentReader:  # type: ignore[override]
        if self._prepare_or_fail is None:
            self._prepare_or_fail = self._service.documents(self._caller.viewer())
        return self._prepare_or_fail


class ManagedRuns:
    """Keeps strangers out of runs: who may see a run may see its records.

    A run's audience is the first that was recorded for it, so a yes is remembered.
    """

    REMEMBERED = 20_000
    SECONDS = 3600

    def __init__(self) -> None:
        self._service: Callable[[], StoreService | None] = lambda: None
        self._managed: dict[tuple[str, str], float] = {}
        """Until when it counts that an identity manages a run, by `time.monotonic`."""

    def require(self, service: StoreService, caller: Caller, run_id: str) -> frozenset[str] | None:
        """Raise NotAllowed when the run is known and the caller does not manage it.

        Of a run that is not known, the identities as which the caller must be alone in it: the
        store sees to that when it writes, for others may be writing at this moment.
        """
        if self._service() is not service:  # another was opened, which may know other runs
            self._managed = {}
            self._service = ref(service)
        known, key, now = self._managed, (caller.identity, run_id), time.monotonic()
        if known.get(key, 0.0) > now:
            return None
        members = service.run_members(run_id)
        if members is None:
            return caller.identities
        managers = {principal for principal, level in members.items() if level is Level.MANAGE}
        if not caller.is_one_of(managers, everybody=False):
            raise NotAllowed(
                f"Run {run_id} was recorded by somebody else; who records it can name you in "
                "manage_by."
            )
        if managers & caller.identities:
            if len(known) >= self.REMEMBERED:
                known.clear()
            known[key] = now + self.SECONDS
        return None


PERHAPS_KNOWN = (Conflict, InvalidInput, NotFound, NotAllowed)
"""What recording raises for a request that was answered before, besides for bad ones."""


class RecordAnswer(NamedTuple):
    """An action's status as JSON, whether it is new, and how much was written for it."""

    document: str
    is_new: bool
    records: int = 0
    steps: int = 0


class _ParsedRequest(NamedTuple):
    """A request as it was read."""

    caller: Caller
    envelope: Envelope
    body: Body
    seconds: float
    uris: UrisOf


class _Prepared(NamedTuple):
    """A request whose records are made, and held back by their recorder."""

    parsed: _ParsedRequest
    recorder: Recorder
    document: str
    records: int
    steps: int


class _Failed(NamedTuple):
    """A request that cannot be recorded; `parsed` is None when it cannot even be read."""

    parsed: _ParsedRequest | None
    error: Exception


class PreparedGroup(NamedTuple):
    """Requests that were read together, and what they write; `service` is None where none of
    them can be read."""

    service: StoreService | None
    requests: Sequence[tuple[Caller, bytes]]
    prepared: Sequence[_Prepared | _Failed]
    since: float | None


class RecordActions(ActionStore):
    """Records steps. `clock` gives microseconds since 1970 UTC; `alone` says that no other thread
    uses the stores."""

    def __init__(
        self,
        stores: StoreHolder,
        options: Options,
        clock: Callable[[], int],
        *,
        alone: bool = False,
    ) -> None:
        super().__init__(stores, options, clock)
        self._runs = ManagedRuns()
        self._alone = alone
        self._most_rows = options.step_rows

    def run(self, caller: Caller, data: bytes) -> RecordAnswer:
        """Record what a request body says.

        Raises Conflict for a known request with another content, InvalidInput for a bad one.
        """
        (answer,) = self.run_all([(caller, data)])
        if isinstance(answer, Exception):
            raise answer
        return answer

    def run_all(
        self, requests: Sequence[tuple[Caller, bytes]], *, since: float | None = None
    ) -> list[RecordAnswer | Exception]:
        """`run` for several requests at once, in one commit where that can be.

        In the order of the requests: what `run` would return, or what it would raise. They wait
        for the store together, counted from `since` (`time.monotonic`), by default from now.
        """
        return self.write_all([self.prepare_all(requests, since=since)])

    def prepare_all(
        self, requests: Sequence[tuple[Caller, bytes]], *, since: float | None = None
    ) -> PreparedGroup:
        """The first half of `run_all`: what these requests write, looked up and made."""
        read = [self._read(caller, data) for caller, data in requests]
        if all(isinstance(one, _Failed) for one in read):
            return PreparedGroup(
                None, requests, [one for one in read if isinstance(one, _Failed)], since
            )
        service = self._stores.get()  # ids are those of one store, were it opened anew meanwhile
        with service.waiting_since(since):
            return PreparedGroup(service, requests, self._prepare_all(service, read), since)

    def write_all(self, groups: Sequence[PreparedGroup]) -> list[RecordAnswer | Exception]:
        """The second half of `run_all`, for several groups: in one commit where that can be."""
        answers: list[RecordAnswer | Exception] = []
        for service, of_store in itertools.groupby(groups, lambda group: group.service):
            some = [*of_store]
            prepared = [one for group in some for one in group.prepared]
            requests = [request for group in some for request in group.requests]
            if service is None:
                answers += [
                    self._settle(request, one, None)
                    for request, one in zip(requests, prepared, strict=True)
                ]
                continue
            since = min((group.since for group in some if group.since is not None), default=None)
            with service.waiting_since(since):
                answers += self._written(service, requests, prepared)
        return answers

    def _written(
        self,
        service: StoreService,
        requests: Sequence[tuple[Caller, bytes]],
        prepared: Sequence[_Prepared | _Failed],
    ) -> list[RecordAnswer | Exception]:
        ready = [one.recorder for one in prepared if isinstance(one, _Prepared)]
        errors = iter(service.write_held(ready) if ready else ())
        return [
            self._settle(request, one, next(errors) if isinstance(one, _Prepared) else None)
            for request, one in zip(requests, prepared, strict=True)
        ]

    def _prepare_all(
        self, service: StoreService, read: Sequence[_ParsedRequest | _Failed]
    ) -> list[_Prepared | _Failed]:
        """Look up and make what each request writes; the failed ones stay as they are."""
        with service.read_snapshot(alone=self._alone):
            parsed = [one for one in read if isinstance(one, _ParsedRequest)]
            service.prefetch(foresee((one.body, _viewer(one.caller), one.uris) for one in parsed))
            return [
                one if isinstance(one, _Failed) else self._prepare_or_fail(service, one)
                for one in read
            ]

    def _prepare_or_fail(
        self, service: StoreService, parsed: _ParsedRequest
    ) -> _Prepared | _Failed:
        try:
            return self._prepare(service, parsed)
        except Exception as error:
            return _Failed(parsed, error)

    def _settle(
        self, request: tuple[Caller, bytes], prepared: _Prepared | _Failed, error: Exception | None
    ) -> RecordAnswer | Exception:
        """The answer to a request that was written, or refused, or known before."""
        if isinstance(prepared, _Failed):
            error = prepared.error
        elif error is None:
            return RecordAnswer(prepared.document, True, prepared.records, prepared.steps)
        if prepared.parsed is None or not isinstance(error, PERHAPS_KNOWN):
            return error
        try:
            return self._as_before(prepared.parsed, request) or error
        except Exception as other:
            return other

    def _as_before(
        self, parsed: _ParsedRequest, request: tuple[Caller, bytes]
    ) -> RecordAnswer | None:
        """The answer that the same request had before; None when it is new.

        Asked only when a request cannot be recorded, for nearly all are new, and the store takes
        each (creator, request_id) once, whoever else writes it now.
        """
        service, creator = self._stores.get(), parsed.caller.identity
        if service.actions.by_request(creator, parsed.envelope.request_id) is None:
            return None
        known = self._known(service, parsed.caller, parsed.envelope)
        # Released meanwhile: its request is forgotten, so this one is new.
        return self.run(*request) if known is None else RecordAnswer(known, False)

    def _read(self, caller: Caller, data: bytes) -> _ParsedRequest | _Failed:
        try:
            envelope = read_envelope(data)
            body = read_body(envelope.body)
            return _ParsedRequest(caller, envelope, body, self._release_seconds(envelope), {})
        except Exception as error:
            return _Failed(None, error)

    def _prepare(self, service: StoreService, parsed: _ParsedRequest) -> _Prepared:
        caller, envelope = parsed.caller, parsed.envelope
        body, seconds = parsed.body, parsed.seconds
        now = self._clock()
        check_deadline(envelope, now=now)
        recorder = service.recorder(
            run_id=body.run.run_id,
            audience=_audience(caller, envelope, body),
            environment=body.environment,
            alone_as=self._runs.require(service, caller, body.run.run_id),
            held=True,
        )
        action_id = ordered_uuid(now)
        with recorder.transaction() as batch:
            receipt = record_step(
                recorder,
                CallersLookup(service, caller),
                body,
                label=envelope.label,
                only_news=True,
                uris=parsed.uris,
            )
            details = receipt.document()
            status = status_of(
                action_id, caller, envelope, details, said="Recorded", now=now, seconds=seconds
            )
            document = encode(status).decode()
            batch.action.append(
                ActionRow(
                    action_id,
                    caller.identity,
                    envelope.request_id,
                    content_digest(envelope),
                    status.status,
                    document,
                    receipt.step,
                    # That of the recorder, so the caller's: it is on whatever was recorded first.
                    batch.audience[0].digest,
                    now,
                    now + int(seconds * MICROSECONDS),
                )
            )
        # Nothing is written yet: a recorder with `held` keeps its batch for `write_held`.
        if len(batch) > self._most_rows:  # others could not write for too long
            raise TooLarge(
                f"This step is {len(batch):,} rows in the store; one step may be "
                f"{self._most_rows:,}. Record it as several steps, or its files as one dataset "
                "with the digest of a list."
            )
        return _Prepared(parsed, recorder, document, len(batch.record), len(batch.step))


def _viewer(caller: Caller) -> Viewer | None:
    """What the caller may see, unless Globus has to be parsed for its groups."""
    return None if caller.known_groups is None else caller.viewer()


def _audience(caller: Caller, envelope: Envelope, body: Body) -> Audience:
    """The caller owns; the action's and the run's monitors and managers may see and manage.
    So may the run's owner see, when it is the caller by another identity."""
    own = Audience(
        caller.identity, tuple(envelope.monitor_by or ()), tuple(envelope.manage_by or ())
    )
    return audience_of(body, own, identities=caller.identities)
