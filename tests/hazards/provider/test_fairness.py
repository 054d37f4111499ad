"""Whatever one identity sends, the others are served; and everybody is told to wait in bounds."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import pytest
import requests
from flask import Flask, Response, request

from action_provider.api import batch_service
from action_provider.app import EXTENSION, Braid
from action_provider.auth import source_of
from action_provider.batch_pieces import pieces
from action_provider.errors import Busy, TooManyRequests
from action_provider.fair_queue import FairLane, Rates
from action_provider.lanes.admission import Lane, Lanes
from action_provider.lanes.messages import Forwarded
from action_provider.logs import answering
from action_provider.recording_process.messages import RecordRequest
from action_provider.recording_process.process import WORK_A_GROUP, Backlog, WorkerConnection
from action_provider.step_size import StepSize
from flows.sandbox.webserver import WebServer
from provenance_store.batch import TABLES, Batch
from provenance_store.errors import TooLarge
from tests.functional.provider.batches import Job, everything, post
from tests.functional.provider.house import House, Person, Town, a_body, serving
from tests.functional.provider.test_recording_process import pid_of

SECONDS = 180
"""Until a test gives up."""


def a_lane(**options: Any) -> FairLane:
    usual: dict[str, Any] = {"places": 1, "room": 8, "seconds": SECONDS, "most_of_one": 8}
    return FairLane(**{**usual, "rates": Rates(0), **options})


def until(found: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not found():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def process_of(lane: Lane) -> int:
    """The id of a lane's process."""
    assert lane.process is not None
    assert lane.process.pid is not None
    return lane.process.pid


class Callers:
    """Threads that want a place in a lane, and keep it until they are told to leave."""

    def __init__(self, lane: FairLane) -> None:
        self._lane = lane
        self._pool = ThreadPoolExecutor(32)
        self.order: list[str] = []

    def enter(self, identity: str) -> Future[None]:
        """Let one more wait, and return when it does."""
        before = self._lane.waiting
        asked = self._pool.submit(self._enter, identity)
        until(lambda: asked.done() or self._lane.waiting > before)
        return asked

    def _enter(self, identity: str) -> None:
        self._lane.enter(identity)
        self.order.append(identity)

    def leave(self) -> None:
        """Let the one that came in last leave; returns when the next one is in."""
        count = len(self.order) + bool(self._lane.waiting)
        self._lane.leave(self.order[-1])
        until(lambda: len(self.order) >= count)

    def close(self) -> None:
        self._pool.shutdown()


@pytest.fixture
def callers(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callers]:
    callers = Callers(a_lane())
    yield callers
    callers.close()


# ---- the queue ---------------------------------------------------------------------------


def test_identities_take_turns_whoever_sent_how_many_before(callers: Callers) -> None:
    for identity in ("ada", "ada", "ada", "ada", "bob", "carol", "bob"):
        callers.enter(identity)
    for _ in range(6):
        callers.leave()
    assert callers.order == ["ada", "ada", "bob", "carol", "ada", "bob", "ada"]


def test_who_holds_fewest_places_is_next() -> None:
    lane = a_lane(places=3)
    for _ in range(3):
        lane.enter("ada")
    with ThreadPoolExecutor(2) as pool:
        ada = pool.submit(lane.enter, "ada")
        until(lambda: lane.waiting == 1)
        bob = pool.submit(lane.enter, "bob")
        until(lambda: lane.waiting == 2)
        lane.leave("ada")
        bob.result(SECONDS)
        assert not ada.done()
        lane.leave("bob")
        ada.result(SECONDS)


def test_an_identity_that_is_alone_has_all_places_and_all_room() -> None:
    lane = a_lane(places=4, room=8, most_of_one=12)
    with ThreadPoolExecutor(12) as pool:
        asked = [pool.submit(lane.enter, "ada") for _ in range(12)]
        until(lambda: lane.waiting == 8)
        for _ in range(8):
            lane.leave("ada")
        for one in asked:
            one.result(SECONDS)


def test_a_full_room_turns_away_the_newest_of_whom_most_is_waiting(callers: Callers) -> None:
    callers._lane = lane = a_lane(room=3)
    lane.enter("ada")
    first, second, third = (callers.enter("ada") for _ in range(3))
    bob = callers._pool.submit(callers._enter, "bob")
    with pytest.raises(TooManyRequests):
        third.result(SECONDS)
    until(lambda: lane.waiting == 3)
    assert not any(one.done() for one in (first, second, bob))
    carol = callers._pool.submit(callers._enter, "carol")
    with pytest.raises(TooManyRequests):
        second.result(SECONDS)
    until(lambda: lane.waiting == 3)
    with pytest.raises(Busy):  # nobody has more than one there
        lane.enter("dave")
    with pytest.raises(TooManyRequests):
        lane.enter("bob")
    for identity, asked in (("ada", first), ("bob", bob), ("carol", carol)):
        lane.leave("ada" if identity == "ada" else callers.order[-1])
        asked.result(SECONDS)


@pytest.mark.parametrize(
    ("holder", "error"), [("ada", TooManyRequests), ("bob", Busy)], ids=["own", "of another"]
)
def test_a_wait_ends_and_says_whose_doing_it_was(holder: str, error: type[Exception]) -> None:
    lane = a_lane(seconds=0.05)
    lane.enter(holder)
    with pytest.raises(error):
        lane.enter("ada")
    assert lane.waiting == 0
    lane.leave(holder)
    lane.enter("ada")


def test_more_of_one_identity_than_it_may_have_is_refused_at_once() -> None:
    lane = a_lane(places=8, most_of_one=2)
    lane.enter("ada")
    lane.enter("ada")
    with pytest.raises(TooManyRequests):
        lane.enter("ada")
    lane.enter("bob")


def test_a_rate_counts_only_while_others_want_to_be_served() -> None:
    lane = a_lane(places=100, most_of_one=100, rates=Rates(2, lambda: 0.0))
    for _ in range(10):
        lane.enter("ada")
    lane.enter("bob")
    with pytest.raises(TooManyRequests) as refused:
        lane.enter("ada")
    assert refused.value.seconds > 0
    for _ in range(3):
        lane.enter("bob")


def test_a_rate_is_forgiven_in_time() -> None:
    now = 0.0
    rates = Rates(2, lambda: now)
    assert [rates.take("ada") for _ in range(5)] == [0, 0, 0, 0, 0.5]
    now = 1.0
    assert rates.take("ada") == 0


# ---- the recording process ---------------------------------------------------------------


def test_a_group_of_the_recording_process_is_bounded_and_the_identities_take_turns() -> None:
    backlog = Backlog()
    line = WorkerConnection(socket.socket())
    many, few = b"," * (WORK_A_GROUP // 4), b","
    for identity, data in (*(("ada", many),) * 9, ("bob", few), ("carol", few)):
        backlog.put((line, RecordRequest(identity, [], None, None, data, 0.0)))
    groups = []
    while backlog:
        groups.append([asking.identity for _, asking in backlog.group()])
    line.socket.close()
    assert groups[0] == ["ada", "bob", "carol", "ada", "ada", "ada"]
    assert groups[1:] == [["ada"] * 4, ["ada"]]


# ---- batches in pieces -------------------------------------------------------------------


def several(times: int = 5) -> Batch:
    """A batch of what was recorded in several blocks, which it knows as its parts."""
    job = Job(run_id="job-1")
    for number in range(times):
        with job.recorder.transaction():
            scan = job.recorder.data(f"scan {number}", uris=["file:///x"], tags={"a": 1})
            model = job.recorder.model("m", metrics=[{"loss": 0.5}] * 3)
            step = job.recorder.step("s", inputs=[scan], models=[model])
            job.recorder.finish(step)
            job.recorder.run("job-1", label="many")
    _ = job.sink.origin
    batch = Batch.joined(job.sink.batches)
    batch.origin.append(job.sink.origin)
    return batch


@pytest.mark.parametrize("told", [True, False], ids=["parts told", "parts not told"])
def test_pieces_have_all_rows_of_a_batch(told: bool) -> None:
    batch = several()
    before = {name: list(getattr(batch, name)) for name in TABLES}
    if not told:
        batch.parts = []
    found = list(pieces(batch, most=1000, rows=7))
    for name in TABLES[1:]:
        rows = [row for piece in found for row in getattr(piece, name)]
        assert sorted(rows) == sorted(before[name]), name
    assert {name: getattr(batch, name) for name in TABLES} == before


def test_pieces_keep_whole_what_was_recorded_together() -> None:
    batch = several()
    found = list(pieces(batch, most=1000, rows=7))
    assert len(found) > 3
    assert [len(piece.record) for piece in found if piece.record] == [3] * 5
    for piece in found:
        made = {row.id for row in piece.record}
        assert made >= {row.record_id for row in piece.uri}
        assert made >= {i for row in piece.link for i in (row.from_id, row.to_id)}


def test_what_was_recorded_together_is_one_piece_however_many_rows_it_has() -> None:
    _, batch = everything()
    with_rows = [piece for piece in pieces(batch, most=1000, rows=7) if piece.record]
    assert [len(piece.record) for piece in with_rows] == [len(batch.record)]


def test_a_batch_in_pieces_is_the_same_in_the_store_and_again_changes_nothing(
    both_houses: House, ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_service, "pieces", partial(pieces, rows=7))
    batch = several()
    assert post(both_houses, ada, batch).json() == {"records": len(batch.record), "notes": []}
    counts = both_houses.counts()
    for name in ("record", "step", "uri", "tag", "metric", "link", "mark", "payload"):
        assert counts[name] == len(getattr(batch, name)), name
    assert post(both_houses, ada, batch).ok
    assert both_houses.counts() == counts
    assert both_houses.store.check() == []


def test_a_record_that_would_hold_the_store_for_long_is_refused(
    town: Town, ada: Person, tmp_path: Path
) -> None:
    job = Job()
    with job.recorder.transaction():
        job.recorder.dataset("all", [job.recorder.data("one") for _ in range(5_000)])
    batch = job.batch()
    with pytest.raises(TooLarge):
        list(pieces(batch, most=4_000))
    with serving(f"sqlite:///{tmp_path}/s.db", town.environ(BRAID_STEP_ROWS="800")) as house:
        refused = post(house, ada, batch)
        assert (refused.status_code, refused.json()["code"]) == (413, "TooLarge")
        assert house.counts()["record"] == 0


# ---- the server --------------------------------------------------------------------------


def large_body(run_id: str, inputs: int = 700) -> dict[str, Any]:
    files = [{"name": f"f{n}", "uris": [f"globus://c/{n}"]} for n in range(inputs)]
    return a_body(run_id=run_id, inputs=files)


def lanes_of(house: House) -> Lanes:
    braid: Braid = house.app.extensions[EXTENSION]
    assert braid.lanes is not None
    return braid.lanes


@contextmanager
def all_places(lane: FairLane, identity: str, count: int = 2) -> Iterator[None]:
    """While this lasts, somebody's requests are being worked at, as long as it takes."""
    with ExitStack() as places:
        for _ in range(count):
            places.enter_context(lane.place(identity))
        yield


def test_small_requests_are_answered_while_large_ones_wait_for_one_another(
    house: House, ada: Person, bob: Person
) -> None:
    lanes = lanes_of(house)
    job = Job()
    job.recorder.data("scan")
    with ThreadPoolExecutor(8) as pool:
        with all_places(lanes.large.queue, bob.urn), all_places(lanes.questions.queue, bob.urn):
            waiting = [
                pool.submit(house.run, bob, "large", body=large_body("of bob")),
                pool.submit(post, house, bob, job.batch()),
                pool.submit(house.get, "/api/v1/records", bob),
                pool.submit(
                    house.post,
                    "/query/run",
                    bob,
                    json={"request_id": "q", "body": {"ask": "models"}},
                ),
            ]
            until(lambda: lanes.large.queue.waiting + lanes.questions.queue.waiting == 4)
            for number in range(3):
                answer = house.run(ada, f"small {number}", body=a_body(run_id="of ada"))
                assert answer.status_code == 202, answer.text
                path = f"/record/{answer.json()['action_id']}/status"
                assert house.get(path, ada).status_code == 200
            assert not any(one.done() for one in waiting)
        assert [one.result(SECONDS).status_code for one in waiting] == [202, 200, 200, 202]


@pytest.mark.parametrize(
    ("own", "status", "code"), [(True, 429, "TooManyRequests"), (False, 503, "Busy")]
)
def test_who_waited_for_too_long_is_told_when_to_come_back(
    town: Town, ada: Person, bob: Person, tmp_path: Path, own: bool, status: int, code: str
) -> None:
    with serving(f"sqlite:///{tmp_path}/s.db", town.environ(BRAID_WAIT_SECONDS="1")) as house:
        holder = ada.urn if own else bob.urn
        with all_places(lanes_of(house).questions.queue, holder):
            refused = house.get("/api/v1/records", ada)
        assert (refused.status_code, refused.json()["code"]) == (status, code)
        assert int(refused.headers["Retry-After"]) >= 1
        assert house.get("/api/v1/records", ada).status_code == 200


def test_one_identity_has_so_many_requests_under_way_and_others_have_theirs(
    town: Town, ada: Person, bob: Person, tmp_path: Path
) -> None:
    environ = town.environ(BRAID_IDENTITY_CONCURRENCY="2")
    with serving(f"sqlite:///{tmp_path}/s.db", environ) as house:
        with all_places(lanes_of(house).usual.queue, bob.urn):
            refused = house.run(bob, "one more")
            assert refused.status_code == 429
            assert int(refused.headers["Retry-After"]) >= 1
            assert house.run(ada, "of another").status_code == 202
        assert house.run(bob, "later", body=a_body(run_id="run-2")).status_code == 202


def test_many_parallel_runs_of_one_owner_meet_no_refusal(house: House, ada: Person) -> None:
    def run(number: int) -> list[int]:
        steps = [f"Step {step}" for step in range(4)]
        return [
            house.run(
                ada, f"{number} {step}", body=a_body(step, run_id=f"run {number}")
            ).status_code
            for step in steps
        ]

    with ThreadPoolExecutor(12) as pool:
        assert list(pool.map(run, range(24))) == [[202] * 4] * 24


def test_a_step_of_more_rows_than_one_may_have_is_refused(
    town: Town, ada: Person, tmp_path: Path
) -> None:
    with serving(f"sqlite:///{tmp_path}/s.db", town.environ(BRAID_STEP_ROWS="600")) as house:
        refused = house.run(ada, "too many", body=large_body("run-1", 400))
        assert (refused.status_code, refused.json()["code"]) == (413, "TooLarge")
        assert house.counts()["record"] == 0
        assert house.run(ada, "fewer", body=large_body("run-1", 100)).status_code == 202


# ---- processes of lanes ------------------------------------------------------------------


@pytest.fixture(scope="module")
def apart(town: Town, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A provider with all the processes that a server has."""
    file = tmp_path_factory.mktemp("apart") / "store.db"
    environ = town.environ(BRAID_LANES="processes", BRAID_RECORDING="process")
    with serving(f"sqlite:///{file}", environ) as house:
        begin(lanes_of(house))
        yield house


ALIVE = {
    "REQUEST_METHOD": "GET",
    "PATH_INFO": "/healthz",
    "SERVER_NAME": "localhost",
    "SERVER_PORT": "80",
    "wsgi.url_scheme": "http",
}
"""A request that nothing is needed for."""


def begin(lanes: Lanes) -> None:
    """Start the processes, and return when they answer: on a busy machine that takes a while."""
    lanes.begin()
    for lane in (lanes.large, lanes.questions):
        process_of(lane)
        assert lane.process is not None
        assert lane.process.answer(Forwarded(ALIVE, b"")).status == "200 OK"


def test_what_lanes_answer_is_what_the_server_answers(
    apart: House, ada: Person, bob: Person
) -> None:
    large = apart.run(ada, "large", body=large_body("run-1"))
    assert large.status_code == 202, large.text
    assert apart.run(ada, "large", body=large_body("run-1")).status_code == 200
    job = Job()
    scan = job.recorder.data("scan")
    assert post(apart, ada, job.batch()).json() == {"records": 1, "notes": []}
    step = large.json()["details"]["step"]
    found = apart.get(f"/api/v1/records/{step}/lineage?limit=10", ada)
    assert found.json()["truncated"] is True
    assert apart.get(f"/api/v1/records/{scan.urn}", ada).json()["name"] == "scan"
    hidden = apart.get(f"/api/v1/records/{scan.urn}", bob)
    assert (hidden.status_code, hidden.json()["code"]) == (404, "NotFound")
    said = apart.post(f"/api/v1/records/{scan.urn}/invalidation", ada, json={"cause": "beam lost"})
    assert said.json()["cause"] == "beam lost"
    asked = {"request_id": "q", "body": {"ask": "validity", "of": scan.urn}}
    assert apart.post("/query/run", ada, json=asked).json()["details"]["valid"] is False
    text = apart.get(f"/api/v1/records/{scan.urn}/statement?format=text", ada)
    assert text.headers["Content-Type"].startswith("text/plain")
    assert apart.get("/harvest/actions", ada).json()["actions"] == []
    assert apart.get("/api/v1/records?nonsense=1", ada).status_code == 422
    assert apart.get("/api/v1/records").status_code == 401
    written = apart.counts()["record"]
    assert f"braid_records_total {written}.0" in apart.get("/metrics").text


def test_large_bodies_are_refused_before_they_are_read(apart: House, ada: Person) -> None:
    refused = apart.post("/record/run", ada, data=b" " * ((4 << 20) + 1))
    assert refused.status_code == 413


def test_a_process_that_was_killed_is_replaced(apart: House, ada: Person) -> None:
    assert apart.get("/api/v1/records", ada).status_code == 200
    before = process_of(lanes_of(apart).questions)
    os.kill(before, signal.SIGKILL)
    until(lambda: apart.get("/api/v1/records", ada).status_code == 200)
    assert process_of(lanes_of(apart).questions) != before


def test_small_steps_are_recorded_while_the_processes_of_lanes_stand_still(
    apart: House, ada: Person, bob: Person
) -> None:
    assert apart.run(bob, "begin", body=large_body("of bob")).status_code == 202
    pid = process_of(lanes_of(apart).large)
    os.kill(pid, signal.SIGSTOP)
    try:
        with ThreadPoolExecutor(4) as pool:
            large = [
                pool.submit(apart.run, bob, f"large {n}", body=large_body("of bob", 701 + n))
                for n in range(3)
            ]
            until(lambda: lanes_of(apart).large.queue.working == 2)
            for number in range(3):
                small = apart.run(ada, f"small {number}", body=a_body(run_id="of ada"))
                assert small.status_code == 202
            assert not any(one.done() for one in large)
            os.kill(pid, signal.SIGCONT)
            assert [one.result(SECONDS).status_code for one in large] == [202] * 3
    finally:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


@pytest.mark.parametrize("sort", ["large", "questions"])
def test_a_lane_is_free_again_when_what_took_too_long_in_it_was_given_up(
    apart: House, ada: Person, sort: str
) -> None:
    def ask() -> requests.Response:
        if sort == "questions":
            return apart.get("/api/v1/records", ada)
        return apart.run(ada, "too long", body=large_body("of ada"))

    lane: Lane = getattr(lanes_of(apart), sort)
    process = lane.process
    assert process is not None
    process.begin()
    pid = process_of(lane)
    os.kill(pid, signal.SIGSTOP)  # it can neither be told to stop nor give up by itself
    usual, process.wait_seconds = process.wait_seconds, 1
    process._hang_up()  # a socket keeps the limit that it began with
    try:
        refused = ask()
    finally:
        process.wait_seconds = usual
    assert (refused.status_code, refused.json()["code"]) == (503, "Busy")
    assert "was ended; ask for less" in refused.json()["description"]
    assert int(refused.headers["Retry-After"]) >= 1
    assert not alive(pid)
    assert ask().status_code in (200, 202)
    assert process_of(lane) != pid


def test_processes_end_with_the_server(town: Town, ada: Person, tmp_path: Path) -> None:
    environ = town.environ(BRAID_LANES="processes", BRAID_RECORDING="process")
    with serving(f"sqlite:///{tmp_path}/s.db", environ) as house:
        lanes = lanes_of(house)
        begin(lanes)
        assert house.run(ada, "large", body=large_body("run-1")).status_code == 202
        pids = [process_of(lanes.large), process_of(lanes.questions), pid_of(house)]
        assert all(map(alive, pids))
    assert not any(map(alive, pids))


# ---- tokens that nobody knows ------------------------------------------------------------


class SlowAuth:
    """In front of a sandbox's Auth: an invented token is looked up for as long as it takes."""

    def __init__(self, town: Town) -> None:
        self._target = town.sandbox.environ()["GLOBUS_SDK_SERVICE_URL_AUTH"].rstrip("/")
        self.open = threading.Event()
        self.held = 0
        self._lock = threading.Lock()
        app = Flask(__name__)
        app.add_url_rule("/<path:path>", view_func=self._answer, methods=["POST"])
        self._server = WebServer(app, port=0, threads=16)
        self.environ = {"GLOBUS_SDK_SERVICE_URL_AUTH": f"{self._server.url}/"}

    def close(self) -> None:
        self.open.set()
        self._server.stop()

    def _answer(self, path: str) -> Response:
        if request.form.get("token", "").startswith("invented"):
            with self._lock:
                self.held += 1
            self.open.wait(SECONDS)
        found = requests.post(
            f"{self._target}/{path}",
            data=request.form.to_dict(),
            headers={"Authorization": request.headers["Authorization"]},
            timeout=SECONDS,
        )
        return Response(found.content, found.status_code, content_type="application/json")


def test_invented_tokens_are_looked_up_a_few_at_a_time_and_keep_nobody_out(
    town: Town, tmp_path: Path
) -> None:
    ada = town.person("ada")
    slow = SlowAuth(town)
    environ = town.environ(**slow.environ, BRAID_INTROSPECTIONS="2", BRAID_TOKEN_CACHE_SECONDS="1")
    try:
        with serving(f"sqlite:///{tmp_path}/s.db", environ) as house, ThreadPoolExecutor(8) as pool:
            assert house.run(ada, "first").status_code == 202

            def invented(number: int) -> requests.Response:
                token = f"Bearer invented-{number}"
                return house.get("/api/v1/records", headers={"Authorization": token})

            asked = [pool.submit(invented, number) for number in range(8)]
            refused = next(one for one in iter_done(asked)).result()
            assert (refused.status_code, refused.json()["code"]) == (503, "Busy")
            assert int(refused.headers["Retry-After"]) >= 1
            time.sleep(1.1)  # what Auth said of ada is too old, and is asked for again
            assert house.run(ada, "second").status_code == 202
            assert slow.held == 2
            slow.open.set()
            assert {one.result(SECONDS).status_code for one in asked} <= {401, 503}
    finally:
        slow.close()


def test_a_flood_of_invented_tokens_from_one_address_keeps_no_newcomer_from_another_out(
    town: Town, tmp_path: Path
) -> None:
    carla = town.person("carla")
    slow = SlowAuth(town)
    environ = town.environ(
        **slow.environ, BRAID_INTROSPECTIONS="2", BRAID_ADDRESS_HEADER="X-Real-IP"
    )
    try:
        with serving(f"sqlite:///{tmp_path}/s.db", environ) as house, ThreadPoolExecutor(8) as pool:

            def ask(token: str, address: str) -> requests.Response:
                headers = {"Authorization": f"Bearer {token}", "X-Real-IP": address}
                return house.get("/api/v1/records", headers=headers)

            def refused() -> int:
                return sum(one.done() and one.result().status_code == 503 for one in asked)

            asked = [pool.submit(ask, f"invented-{n}", f"2001:db8::{n}") for n in range(7)]
            until(lambda: refused() == 1)
            newcomer = pool.submit(ask, carla.token, "192.0.2.7")
            until(lambda: refused() == 2)
            assert not newcomer.done()
            slow.open.set()
            assert newcomer.result(SECONDS).status_code == 200
            assert {one.result(SECONDS).status_code for one in asked} == {401, 503}
    finally:
        slow.close()


def iter_done(asked: list[Future[requests.Response]]) -> Iterator[Future[requests.Response]]:
    until(lambda: any(one.done() for one in asked))
    yield from (one for one in asked if one.done())


@pytest.mark.parametrize(
    ("address", "header", "source"),
    [
        ("::ffff:203.0.113.5", None, "203.0.113.5"),
        ("2001:db8::7", None, "2001:db8::/64"),
        ("127.0.0.1", "203.0.113.5", "203.0.113.5"),
        ("127.0.0.1", "198.51.100.1, 203.0.113.5", "203.0.113.5"),
        ("127.0.0.1", "", "127.0.0.1"),
    ],
)
def test_a_caller_is_told_by_the_address_that_it_cannot_choose(
    address: str, header: str | None, source: str
) -> None:
    environ = {"REMOTE_ADDR": address}
    if header is not None:
        environ["HTTP_X_FORWARDED_FOR"] = header
    with answering(environ):
        assert source_of(None if header is None else "X-Forwarded-For") == source


@pytest.mark.parametrize("seed", range(20))
def test_both_ways_into_a_lane_judge_alike(seed: int) -> None:
    """Whoever may enter at once is whoever need not wait."""
    chosen = Random(seed)
    waits = a_lane(places=3, room=0, seconds=0, most_of_one=2)
    never = a_lane(places=3, room=0, seconds=0, most_of_one=2)
    inside: list[str] = []
    for _ in range(200):
        if inside and chosen.random() < 0.4:
            identity = inside.pop(chosen.randrange(len(inside)))
            waits.leave(identity)
            never.leave(identity)
            continue
        identity = chosen.choice("abc")
        try:
            waits.enter(identity)
            entered = True
        except (Busy, TooManyRequests):
            entered = False
        assert never.enter_at_once(identity) is entered
        inside += [identity] * entered
        assert never.working == waits.working == len(inside)


def test_a_call_that_cannot_enter_at_once_is_counted_once() -> None:
    lane = FairLane(places=1, room=1, seconds=0, most_of_one=9, rates=Rates(1, lambda: 0.0))
    lane.enter("ada")
    for _ in range(50):
        assert not lane.enter_at_once("bob")
    with pytest.raises(Busy):  # it waits, and is not over its rate
        lane.enter("bob")


def test_what_is_large_is_so_by_bytes_or_by_items() -> None:
    size = StepSize(most_bytes=10, items=3)
    assert [size.is_long(n) for n in (10, 11)] == [False, True]
    assert [size.is_large(data) for data in (b"[1,2,3]", b"[1,2,3,4]", b"x" * 11)] == [
        False,
        True,
        True,
    ]
