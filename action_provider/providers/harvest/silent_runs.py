"""Runs that record their steps, and of which nothing more is heard.

A step that nothing catches, a run that is canceled, a provider that is away for a moment: then no
record state tells how the run went on. The process that recorded the last step has its caller's
token, and if that may read runs it asks Globus Flows once the run has been silent for a while, and
harvests it when it has ended. Like all that is followed here it is a courtesy that does not survive
the process: `braid flow watch`, or any later harvest, does the same.
"""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import msgspec

from action_provider.auth import Caller
from action_provider.errors import named
from flows.harvest.run_metadata import FINAL
from flows.steps.values import UUID
from provenance_store.errors import BraidError, NotAllowed, NotFound

__all__ = ["SilentRuns"]

log = logging.getLogger(__name__)

MOST = 1_000
LONGEST_PAUSE = 3_600.0
FOLLOWED = 172_800.0
"""Seconds after the last step; by then its caller's token has expired."""
_UUID = re.compile(UUID)


class _Run(msgspec.Struct):
    run_id: str
    status: str | None = None


class _Body(msgspec.Struct):
    run: _Run


class _Request(msgspec.Struct):
    """What of a request to record a step says how its run stands."""

    body: _Body


_requests = msgspec.json.Decoder(_Request)


class _Heard(NamedTuple):
    at: float
    caller: Caller


class SilentRuns:
    """The runs of one process that may fall silent.

    `later` does something in so many seconds, `end` harvests a run that has ended on behalf of a
    caller and says whether it had; `seconds` of silence make it look, 0 lets it never.
    """

    def __init__(
        self,
        later: Callable[[float, Callable[[], None]], None],
        end: Callable[[Caller, str], bool],
        seconds: float,
    ) -> None:
        self._later = later
        self._end = end
        self._seconds = seconds
        self._lock = threading.Lock()
        self._heard: dict[str, _Heard] = {}

    def heard(self, caller: Caller, request: bytes) -> None:
        """A step was recorded by this request."""
        if not self._seconds or caller.dependents is None:
            return
        try:
            run = _requests.decode(request).body.run
        except msgspec.MsgspecError:
            return
        run_id = run.run_id.lower()
        with self._lock:
            if run.status in FINAL:
                self._heard.pop(run_id, None)
                return
            is_new = run_id not in self._heard
            if is_new and (len(self._heard) >= MOST or not _UUID.fullmatch(run_id)):
                return
            self._heard[run_id] = _Heard(time.monotonic(), caller)
        if is_new:
            self._later(self._seconds, partial(self._look, run_id, self._seconds))

    def _look(self, run_id: str, pause: float) -> None:
        """Ask about a run, if nothing was heard of it for a while."""
        heard = self._heard.get(run_id)
        if heard is None:
            return
        silent = time.monotonic() - heard.at
        if silent < self._seconds:
            self._later(self._seconds - silent, partial(self._look, run_id, self._seconds))
        elif silent > FOLLOWED or self._is_done(run_id, heard.caller):
            with self._lock:
                self._heard.pop(run_id, None)
        else:
            following = min(pause * 2, LONGEST_PAUSE)
            self._later(following, partial(self._look, run_id, following))

    def _is_done(self, run_id: str, caller: Caller) -> bool:
        """Whether there is no more to be asked: it has ended, or Globus does not say."""
        try:
            return self._end(caller, run_id)
        except (NotAllowed, NotFound):
            return True
        except BraidError as error:
            log.warning("A silent run will be tried again later: %s", type(error).__name__)
            return False
        except Exception as error:
            named(error)  # logs it
            return True
