"""Recording in a process beside the worker: callers cannot tell it from recording in threads."""

from __future__ import annotations

import json
import os
import select
import signal
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import requests
from flask import Flask
from werkzeug.test import Client, EnvironBuilder, TestResponse, run_wsgi_app

from action_provider.app import EXTENSION, Braid
from action_provider.providers.record.actions import PreparedGroup, RecordActions
from action_provider.recording_process.process import WritingMeanwhile
from action_provider.recording_process.without_flask import WithoutFlask, WithoutThread
from action_provider.settings import Options
from action_provider.stores import StoreHolder
from provenance_store.ids import now
from tests.functional.provider.house import House, Person, Town, a_body, at_once, serving
from tests.support import processes
from tests.support.postgres import PostgresServer
from tests.support.raw_http import connect


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The URL of a store."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path_factory.mktemp('apart') / 'store.db'}"
    server: PostgresServer = request.getfixturevalue("postgres_server")
    return server.new_database()


@pytest.fixture(scope="module")
def house(town: Town, url: str) -> Iterator[House]:
    """A provider that records in a process beside it."""
    with serving(url, town.environ(BRAID_RECORDING="process")) as house:
        yield house


def pid_of(house: House) -> int:
    braid: Braid = house.app.extensions[EXTENSION]
    assert braid.recording_process is not None
    pid = braid.recording_process.pid
    assert pid is not None
    return pid


def test_what_was_recorded_is_read_at_once(house: House, ada: Person) -> None:
    answer = house.run(ada, "read", body=a_body(run_id="read"))
    assert answer.status_code == 202
    urn = answer.json()["details"]["step"]
    assert house.get(f"/api/v1/records/{urn}", ada).json()["name"] == "Train"
    assert house.get(f"/record/{answer.json()['action_id']}/status", ada).json() == answer.json()


def test_a_repeated_request_is_answered_with_the_same_action(house: House, ada: Person) -> None:
    first = house.run(ada, "again", body=a_body(run_id="again"))
    second = house.run(ada, "again", body=a_body(run_id="again"))
    assert (first.status_code, second.status_code) == (202, 200)
    assert first.json() == second.json()
    assert house.run(ada, "again", body=a_body("Other", run_id="again")).status_code == 409


def test_refusals_say_what_they_say_anywhere(house: House, ada: Person, bob: Person) -> None:
    assert house.run(ada, "mine", body=a_body(run_id="of ada")).status_code == 202
    stranger = house.run(bob, "not mine", body=a_body(run_id="of ada"))
    assert (stranger.status_code, stranger.json()["code"]) == (403, "NotAllowed")
    bad = house.run(ada, "bad", body={"run": {"run_id": "x"}})
    assert (bad.status_code, bad.json()["code"]) == (422, "InvalidInput")
    assert "step" in bad.json()["description"]
    unknown = house.run(ada, "unknown", body=a_body(run_id="unknown", inputs=["999.1"]))
    assert unknown.status_code == 422
    assert unknown.json()["description"].startswith("inputs[0]: ")


def test_several_heads_of_a_model_are_refused_with_the_choices(house: House, ada: Person) -> None:
    for name in ("one", "two"):
        new = {"name": "forked", "how": "trained", "new": True}
        body = a_body(run_id=f"fork {name}", models=[new])
        assert house.run(ada, f"fork {name}", body=body).status_code == 202
    body = a_body(run_id="fork three", models=[{"name": "forked", "how": "updated"}])
    refused = house.run(ada, "fork three", body=body)
    assert refused.status_code == 422
    assert refused.json()["description"].count("urn:braid:") == 2


def test_a_run_managed_by_a_group_takes_its_members(house: House, town: Town, ada: Person) -> None:
    carl = town.person("carl")
    group = town.group("beamline", carl)
    body = a_body(run_id="of the beamline")
    first = house.run(ada, "group 1", body=body, manage_by=[group.urn])
    assert first.status_code == 202
    assert house.run(carl, "group 2", body=body).status_code == 202


def test_many_at_once_are_all_recorded_and_counted(house: House, ada: Person) -> None:
    def steps() -> float:
        lines = house.get("/metrics").text.splitlines()
        return float(next(x for x in lines if x.startswith("braid_steps_total")).split()[1])

    before, stored = steps(), house.store.info()["records"]["step"]

    def ask(number: int) -> requests.Response:
        headers = {"Authorization": f"Bearer {ada.token}"}
        body = a_body(run_id=f"many {number % 4}", step=f"step {number}")
        document = {"request_id": f"many {number}", "body": body}
        url = f"{house.url}/record/run"
        return requests.post(url, json=document, headers=headers, timeout=60)

    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(ask, range(60)))
    assert {answer.status_code for answer in answers} == {202}
    assert steps() - before == 60
    assert house.store.info()["records"]["step"] - stored == 60
    assert house.store.check() == []


def test_a_bad_one_of_many_at_once_costs_the_others_nothing(house: House, ada: Person) -> None:
    def ask(number: int) -> requests.Response:
        bad = {"inputs": ["999.1"]} if number % 4 == 0 else {}
        body = a_body(run_id=f"mixed {number}", **bad)
        return house.run(ada, f"mixed {number % 12}", body=body)

    answers = at_once(*(partial(ask, number) for number in range(24)))
    codes = [answer.status_code for answer in answers]
    assert {codes[number] for number in range(0, 24, 4)} == {422}
    # Of two with one name and another content, one is there first.
    pairs = [{codes[number], codes[number + 12]} for number in range(12) if number % 4]
    assert pairs == [{202, 409}] * 9


def test_two_servers_answer_one_request_with_one_action(
    town: Town, house: House, url: str, ada: Person
) -> None:
    with serving(url, town.environ(BRAID_RECORDING="process")) as other:
        for number in range(5):
            body = a_body(run_id=f"both {number}")
            calls = [partial(h.run, ada, f"both {number}", body=body) for h in (house, other)]
            answers = at_once(*calls, *calls)
            assert sorted(answer.status_code for answer in answers) == [200, 200, 200, 202]
            assert len({answer.json()["action_id"] for answer in answers}) == 1


SAID: dict[str, dict[str, Any]] = {
    "nobody": {"headers": {"Authorization": ""}},
    "no bearer": {"headers": {"Authorization": "Basic x"}},
    "stranger": {"headers": {"Authorization": "Bearer unknown"}},
    "nothing": {"data": b""},
    "no JSON": {"data": b"{"},
    "no object": {"data": b"[1]"},
    "NUL": {"data": b'{"request_id": "\\u0000"}'},
    "deep": {"data": b"[" * 1000},
    "no body": {"data": b'{"request_id": "x"}'},
    "another step": {"json": {"request_id": "said", "body": a_body("Other", run_id="said")}},
    "the same": {"json": {"request_id": "said", "body": a_body(run_id="said")}},
}


FOR_A_THREAD = {"nobody", "no bearer", "stranger", "nothing", "NUL", "deep"}
"""What is refused before the recording process is asked."""


@pytest.mark.parametrize("case", SAID)
def test_without_flask_or_a_thread_a_step_is_answered_as_with_them(
    house: House, ada: Person, case: str
) -> None:
    quick = quick_of(house)
    assert house.run(ada, "said", body=a_body(run_id="said")).status_code in (200, 202)
    own = {"Authorization": f"Bearer {ada.token}", "X-Request-Id": "asked-by-a-test"}
    given = own | SAID[case].get("headers", {})
    headers = {k: v for k, v in given.items() if v}
    options = {name: value for name, value in SAID[case].items() if name != "headers"}
    clients = [Client(house.app), Client(partial(Flask.wsgi_app, house.app))]
    answers = [client.post("/record/run", headers=headers, **options) for client in clients]
    begun = quick.begin(environ_of(headers, **options))
    assert (begun is None) is (case in FOR_A_THREAD)
    if begun is not None:
        answers.append(answer_of(quick))
    direct, *others = ((a.status_code, a.get_json(), dict(a.headers)) for a in answers)
    assert others == [direct] * len(others)
    assert direct[2]["X-Request-Id"] == "asked-by-a-test"


def quick_of(house: House) -> WithoutThread:
    """What a server's main loop records with, after a first step was recorded by a thread."""
    direct = house.app.wsgi_app
    assert isinstance(direct, WithoutFlask)
    assert direct.quick is not None
    direct.quick.served = True
    return direct.quick


def environ_of(headers: dict[str, str], **options: Any) -> dict[str, Any]:
    return EnvironBuilder("/record/run", method="POST", headers=headers, **options).get_environ()


def a_step(who: Person, request_id: str) -> dict[str, Any]:
    """A request to record a step."""
    document = {"request_id": request_id, "body": a_body(run_id=request_id)}
    return environ_of({"Authorization": f"Bearer {who.token}"}, json=document)


def come(quick: WithoutThread) -> tuple[list[tuple[int, Any]], bool]:
    """Send what was begun, and wait for what comes of it."""
    assert quick.send()
    assert quick.handle is not None
    assert select.select([quick.handle], [], [], 60)[0]
    return quick.finished()


def answer_of(quick: WithoutThread) -> TestResponse:
    """The answer to the one step that was begun."""
    ((_, respond),), goes_on = come(quick)
    assert goes_on
    environ = environ_of({})
    answered = run_wsgi_app(lambda _, start_response: respond(start_response), environ)
    return TestResponse(*answered, request=EnvironBuilder.from_environ(environ).get_request())


def test_steps_that_are_begun_without_a_thread_are_recorded_together(
    house: House, ada: Person
) -> None:
    quick = quick_of(house)
    assert house.run(ada, "first of some", body=a_body(run_id="some")).status_code in (200, 202)
    stored = house.store.info()["records"]["step"]
    begun = [quick.begin(a_step(ada, f"some {number}")) for number in range(5)]
    finished: list[tuple[int, Any]] = []
    while len(finished) < 5:
        finished += come(quick)[0]
    assert sorted(number for number, _ in finished) == begun
    assert house.store.info()["records"]["step"] - stored == 5


@pytest.mark.parametrize("late", [False, True], ids=["ends", "hangs"])
def test_what_a_process_that_ends_or_hangs_has_begun_is_not_lost(
    town: Town, ada: Person, tmp_path: Path, late: bool
) -> None:
    environ = town.environ(BRAID_RECORDING="process")
    with serving(f"sqlite:///{tmp_path / 'store.db'}", environ) as house:
        quick = quick_of(house)
        assert house.run(ada, "first").status_code == 202
        pid = pid_of(house)
        os.kill(pid, signal.SIGSTOP)
        assert quick.begin(a_step(ada, "second")) is not None
        assert quick.send()
        if late:  # all has taken too long; whoever asked is told so, and the process is ended
            braid: Braid = house.app.extensions[EXTENSION]
            assert braid.recording_process is not None
            braid.recording_process.wait_seconds = -1
            ((_, respond),) = quick.overdue()
            braid.recording_process.wait_seconds = 60
            status = run_wsgi_app(lambda _, start: respond(start), environ_of({}))[1]  # type: ignore[misc]
            assert status.startswith("503 ")
        else:
            os.kill(pid, signal.SIGKILL)
        finished, goes_on = come(quick)
        # A thread records it, with another process.
        assert ([respond for _, respond in finished], goes_on) == ([] if late else [None], False)
        quick.hang_up()
        assert not quick.wants(b"POST /record/run HTTP/1.1")
        assert house.run(ada, "second", body=a_body(run_id="second")).status_code == 202
        assert pid_of(house) != pid
        assert quick.wants(b"POST /record/run HTTP/1.1")


def test_a_process_that_is_gone_is_replaced_though_another_thread_waits_for_its_end(
    town: Town, ada: Person, tmp_path: Path
) -> None:
    environ = town.environ(BRAID_RECORDING="process")
    with serving(f"sqlite:///{tmp_path / 'store.db'}", environ) as house:
        assert house.run(ada, "first").status_code == 202
        recording_process = house.app.extensions[EXTENSION].recording_process
        gone = recording_process._process
        gone.kill()
        os.waitid(os.P_PID, gone.pid, os.WEXITED | os.WNOWAIT)
        with gone._waitpid_lock:  # as the other thread holds it: whether it ended is not told
            assert gone.poll() is None
            assert house.run(ada, "second", body=a_body(run_id="second")).status_code == 202
        assert pid_of(house) != gone.pid
        gone.wait()


def test_a_server_records_what_comes_together_and_loses_nothing_with_the_process(
    town: Town, ada: Person, tmp_path: Path
) -> None:
    environ = town.environ(BRAID_RECORDING="process")
    with processes.serving("serve", "--port", "0", environ=environ, folder=tmp_path) as server:

        def request(name: str) -> bytes:
            data = json.dumps({"request_id": name, "body": a_body(run_id=name)}).encode()
            head = f"POST /record/run HTTP/1.1\r\nHost: here\r\nAuthorization: Bearer {ada.token}"
            return f"{head}\r\nContent-Length: {len(data)}\r\n\r\n".encode() + data

        def asked(name: str, count: int = 1) -> list[int]:
            """The statuses that are answered to some requests that are sent at once."""
            with connect(server.url) as connection, connection.makefile("rb") as answers:
                connection.sendall(b"".join(request(f"{name} {n}") for n in range(count)))
                statuses = []
                for _ in range(count):
                    statuses.append(int(answers.readline().split()[1]))
                    length = 0
                    while line := answers.readline().strip().lower():
                        if line.startswith(b"content-length:"):
                            length = int(line[15:])
                    answers.read(length)
                return statuses

        assert asked("first") == [202]
        assert asked("in a row", 5) == [202] * 5
        (worker,) = processes.children(server.process.pid)
        recording_process = next(
            pid for pid in processes.children(worker) if is_recording_process(pid)
        )
        os.kill(recording_process, signal.SIGSTOP)
        with ThreadPoolExecutor(8) as pool:
            waiting = [pool.submit(asked, f"while it stands still {n}") for n in range(8)]
            os.kill(recording_process, signal.SIGKILL)
            assert [one.result(120) for one in waiting] == [[202]] * 8
        assert asked("in a row", 5) == [200] * 5


def is_recording_process(pid: int) -> bool:
    return b"recording_process" in Path(f"/proc/{pid}/cmdline").read_bytes()


def test_the_process_ends_with_the_application(town: Town, tmp_path: Path) -> None:
    environ = town.environ(BRAID_RECORDING="process")
    with serving(f"sqlite:///{tmp_path / 'store.db'}", environ) as house:
        pid = pid_of(house)
        assert Path(f"/proc/{pid}").exists()
    assert not Path(f"/proc/{pid}").exists()


@pytest.mark.parametrize(("recording", "apart"), [("auto", True), ("threads", False)])
@pytest.mark.parametrize("url", ["sqlite:///unused.db", "postgresql://nobody@nowhere/none"])
def test_it_records_apart_unless_it_is_to_record_in_threads(
    town: Town, url: str, recording: str, apart: bool
) -> None:
    with serving(url, town.environ(BRAID_RECORDING=recording)) as house:
        braid: Braid = house.app.extensions[EXTENSION]
        assert (braid.recording_process is not None) is apart


def test_a_word_that_is_no_way_of_recording_is_refused(town: Town) -> None:
    from action_provider.settings import Options
    from provenance_store.errors import ConfigurationError

    with pytest.raises(ConfigurationError, match="BRAID_RECORDING"):
        Options.read(town.environ(BRAID_RECORDING="often"))


class Breaks(WritingMeanwhile):
    """Fails as nobody foresaw, where an answer is written."""

    def _write(self, several: Sequence[object]) -> None:
        raise RuntimeError("unforeseen")


def test_a_process_that_cannot_write_any_more_ends_to_be_replaced(
    town: Town, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(threading, "excepthook", lambda _: None)
    stores = StoreHolder(f"sqlite:///{tmp_path / 's.db'}", purge_seconds=None)
    writing = Breaks(RecordActions(stores, Options.read(town.environ()), now))
    with writing.done:
        writing.put(([], PreparedGroup(None, [], [], None)))
        with pytest.raises(SystemExit):
            writing.finish()
