"""Which requests go on now, which wait, and where they are worked at.

Requests are of three sorts, each with a lane of its own:

- usual ones: steps of a usual size, and the status of actions. They are few milliseconds of work.
- large ones: steps of many items or bytes, batches, invalidations, harvests.
- questions: what flows ask at ``/query``, and all of ``/api/v1`` that only reads.

A lane has few places, for which the identities take turns (`FairLane`); so a request waits for few
others of its sort, and never for one of another sort. Large ones and questions are worked at in two
processes beside the worker, which hold the same application (`lane_process`): in the worker's own
threads they would hold the interpreter, that all of them share. What needs no token
(health, metrics, descriptions) is in no lane.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import NamedTuple, cast

from flask import Flask, Request, Response, g, request

from action_provider.auth import Authenticator
from action_provider.fair_queue import FairLane, Rates
from action_provider.lanes.messages import Forwarded
from action_provider.lanes.process import LaneProcess
from action_provider.logs import request_id
from action_provider.metrics import Metrics
from action_provider.request_body import whole_body
from action_provider.settings import Options
from action_provider.step_size import StepSize
from action_provider.stores import StoreHolder
from provenance_store.sql.waits import begin_question, end_question

__all__ = ["PLACES", "Lanes", "threads_for"]

PLACES = 16
"""How many usual requests are handled at a time, if the server does not say."""
SPARE = 8
"""Threads that are left to answer whom there is no room for."""
API = "/api/v1/"
BATCHES = "/api/v1/batches"
PUBLIC = frozenset({"health", "openapi"})
RUNS = ("/run", "/actions")


class Sort(Enum):
    """What a request is to the others."""

    PUBLIC = "public"
    USUAL = "usual"
    LARGE = "large"
    QUESTION = "question"
    BY_SIZE = "by size"


class Lane(NamedTuple):
    """A queue, and the process in which its requests are worked at; None is the worker itself."""

    queue: FairLane
    process: LaneProcess | None = None


class Lanes:
    """Admits requests to their lanes."""

    def __init__(
        self,
        options: Options,
        authenticator: Authenticator,
        metrics: Metrics,
        store_url: str,
        environ: Mapping[str, str] | None,
        *,
        stores: StoreHolder,
        places: int,
    ) -> None:
        self._options = options
        self._size = StepSize.of(options)
        self._stores = stores
        self._authenticator = authenticator
        self._metrics = metrics
        self._rates = Rates(options.identity_rate)
        self._sorts: dict[tuple[str, str], Sort] = {}
        apart = options.lanes == "processes"

        def process(*how: str) -> LaneProcess | None:
            if not apart:
                return None
            seconds = options.question_seconds
            return LaneProcess(store_url, environ, *how, question_seconds=seconds)

        self.usual = Lane(self._queue(places))
        self.large = Lane(self._queue(options.lane_places), process("turns"))
        self.questions = Lane(self._queue(options.lane_places), process())
        # Bodies that are large wait in memory: this many, and half of them one identity's.
        self._bodies = FairLane(
            places=options.waiting,
            room=0,
            seconds=0,
            most_of_one=max(1, options.waiting // 2),
            rates=Rates(0),
        )

    def watch(self, app: Flask) -> None:
        """Admit every request of an application."""
        app.before_request(self._admit)
        app.teardown_request(_leave)

    def begin(self) -> None:
        """Start the processes, which else begin with the first request that they are needed for."""
        for process in self._processes():
            process.begin()

    def close(self) -> None:
        """Let the processes end."""
        for process in self._processes():
            process.close()

    def _processes(self) -> list[LaneProcess]:
        lanes = (self.large, self.questions)
        return [lane.process for lane in lanes if lane.process is not None]

    def _queue(self, places: int) -> FairLane:
        options = self._options
        return FairLane(
            places=places,
            room=options.waiting,
            seconds=options.wait_seconds,
            most_of_one=options.identity_concurrency,
            rates=self._rates,
        )

    def _admit(self) -> Response | None:
        """Return when the request may go on here, or with the answer of the lane's process."""
        asked = cast(Request, request._get_current_object())  # type: ignore[attr-defined]
        rule = asked.url_rule
        if rule is None:
            return None
        key = rule.rule, asked.method
        if (sort := self._sorts.get(key)) is None:
            sort = self._sorts[key] = _sort_of(asked, rule.rule)
        if sort is Sort.PUBLIC:
            return None
        identity = self._authenticator.caller(asked).identity
        if sort is Sort.BY_SIZE:
            sort = self._of_its_size(asked)
        if sort is Sort.USUAL:
            self._enter(self.usual.queue, identity)
            return None
        if sort is Sort.LARGE:
            self._enter(self._bodies, identity)
        lane = self.large if sort is Sort.LARGE else self.questions
        elsewhere = lane.process is not None and self._is_read(asked)
        self._enter(lane.queue, identity)
        if lane.process is None or not elsewhere:
            if sort is Sort.QUESTION:
                begin_question(self._options.question_seconds)
            return None
        return self._forwarded(lane.process, asked)

    @staticmethod
    def _enter(queue: FairLane, identity: str) -> None:
        queue.enter(identity)
        if "places" not in g:
            g.places = []
        g.places.append((queue, identity))

    def _forwarded(self, process: LaneProcess, asked: Request) -> Response:
        # The process makes no store: an empty one in the place of one that is gone would hide that.
        self._stores.get().glance()
        request_id()  # from now on in the environment, and so known there
        told = process.answer(Forwarded.of(asked.environ, whole_body(asked)))
        if told.records or told.steps:
            self._metrics.recorded(told.records, told.steps)
        response = Response(told.body, told.status)
        response.headers.clear()
        response.headers.extend(told.headers)
        return response

    def _of_its_size(self, asked: Request) -> Sort:
        """The body of a large one is not read yet."""
        length = asked.content_length
        if length is None and "wsgi.input_terminated" in asked.environ:
            return Sort.LARGE
        if self._size.is_long(length or 0) or self._size.is_large(whole_body(asked)):
            return Sort.LARGE
        return Sort.USUAL

    def _is_read(self, asked: Request) -> bool:
        """Whether the body is in memory now; one that is too large stays to be refused here."""
        limit = self._options.body_limit
        if asked.path == BATCHES:
            limit = asked.max_content_length = self._options.batch_limit
        if (asked.content_length or 0) > limit:
            return False
        data = whole_body(asked)
        return asked.content_length is not None or len(data) < limit


def threads_for(places: int, options: Options) -> int:
    """How many threads a server needs, so that who waits keeps nobody else from being heard."""
    lanes = 2 * (options.lane_places + options.waiting)
    return places + options.waiting + lanes + SPARE


def _sort_of(asked: Request, rule: str) -> Sort:
    """By route and method."""
    endpoint, reads = asked.endpoint or "", asked.method in ("GET", "HEAD")
    if (
        asked.method == "OPTIONS"
        or asked.blueprint in PUBLIC
        or endpoint.endswith(".action_introspect")
    ):
        return Sort.PUBLIC
    if rule.startswith(API):
        return Sort.QUESTION if reads else Sort.LARGE
    if rule.startswith("/harvest/"):
        return Sort.LARGE
    if reads:
        return Sort.QUESTION if rule.endswith("/actions") else Sort.USUAL
    if asked.method == "POST" and rule.endswith(RUNS):
        return Sort.QUESTION if rule.startswith("/query/") else Sort.BY_SIZE
    return Sort.USUAL


def _leave(_: BaseException | None) -> None:
    end_question()
    for queue, identity in g.pop("places", ()):
        queue.leave(identity)
