"""What a caller may build on when it records: records it may see, runs it may manage."""

from __future__ import annotations

import time
from collections.abc import Callable
from weakref import ref

from action_provider.auth import Caller
from flows.steps.lookup import StoreLookup
from provenance_store.errors import NotAllowed
from provenance_store.kinds import Level
from provenance_store.reader import Reader
from provenance_store.store import Store

__all__ = ["CallersLookup", "ManagedRuns"]


class CallersLookup(StoreLookup):
    """A StoreLookup that asks for the caller's groups only when something is looked up."""

    def __init__(self, store: Store, caller: Caller) -> None:
        self._store = store
        self._caller = caller
        self._made: Reader | None = None

    # Not a cached_property: before Python 3.12 that locks all instances out while one is made,
    # which asks Globus, and then may wait for a turn that somebody who is locked out has.
    @property
    def _reader(self) -> Reader:  # type: ignore[override]
        if self._made is None:
            self._made = self._store.reader(self._caller.viewer())
        return self._made


class ManagedRuns:
    """Keeps strangers out of runs: who may see a run may see its records.

    A run's audience is the first that was recorded for it, so a yes is remembered.
    """

    REMEMBERED = 20_000
    SECONDS = 3600

    def __init__(self) -> None:
        self._store: Callable[[], Store | None] = lambda: None
        self._managed: dict[tuple[str, str], float] = {}
        """Until when it counts that an identity manages a run, by `time.monotonic`."""

    def require(self, store: Store, caller: Caller, run_id: str) -> frozenset[str] | None:
        """Raise NotAllowed when the run is known and the caller does not manage it.

        Of a run that is not known, the identities as which the caller must be alone in it: the
        store sees to that when it writes, for others may be writing at this moment.
        """
        if self._store() is not store:  # another was opened, which may know other runs
            self._managed = {}
            self._store = ref(store)
        known, key, now = self._managed, (caller.identity, run_id), time.monotonic()
        if known.get(key, 0.0) > now:
            return None
        members = store.reader().run_members(run_id)
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
