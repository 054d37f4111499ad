"""Nothing that was sent, and may be secret, is in a log or an error."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest
import requests
import sqlalchemy as sa

from action_provider import logs
from action_provider.providers.envelope import read_envelope
from provenance_store.sql.tables import TABLE
from tests.functional.provider.house import House, Person, Town, a_body
from tests.support.processes import ROOT, serving

SECRET = "hunter2Correct-Horse"
TOKEN = "ghp_" + "Ab1Cd2Ef3Gh4Ij5Kl6Mn7Op8Qr9St0Uv1Wx2"


def bodies() -> list[dict[str, object]]:
    """Steps that are recorded with notes, or refused, each for a reason that quotes something."""
    long = f"{SECRET} " * 2000
    return [
        a_body(tags={"note": long}),
        a_body(tags={"password": 3.5, "x": {"y": SECRET}}),
        a_body(parameters={"password": SECRET, "nan": 1e308}),
        a_body(inputs=[{"name": long, "uris": [f"https://me:{SECRET}@host/{'x' * 9000}"]}]),
        a_body(inputs=[{"name": "x", "uris": [f"https://me:{SECRET}@[bad/x"]}]),
        a_body(inputs=[{"name": "x", f"token={TOKEN}": 1}]),
        a_body(models=[{"name": long, "how": TOKEN}]),
        a_body(step={"name": "x", "status": f"password={SECRET}"}),
        {"run": {"run_id": TOKEN}, "step": {"name": "x"}, f"password={SECRET}": 1},
        {"run": {"run_id": "r", "start_time": f"password={SECRET}"}, "step": {"name": "x"}},
    ]


def test_what_is_sent_is_not_logged_and_secrets_are_not_repeated(
    house: House, ada: Person, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    answers = [
        house.post("/record/run", ada, json={"request_id": f"s{number}", "body": body})
        for number, body in enumerate(bodies())
    ]
    answers += [
        house.get(f"/api/v1/records?tag=password={SECRET}x{TOKEN}&limit=x", ada),
        house.get(f"/api/v1/runs?{TOKEN}=1", ada),
        house.get(f"/api/v1/records/{TOKEN}", ada),
        house.get(f"/api/v1/runs?status={TOKEN}", ada),
        house.get(f"/api/v1/records?marker={TOKEN}", ada),
        house.get(f"/record/actions?status={TOKEN}", ada),
        house.get(f"/record/{TOKEN}/status", ada),
        house.post("/record/run", ada, data=b'{"request_id": "%s", ' % TOKEN.encode()),
        house.post("/query/run", ada, json={"request_id": "q", "body": {"ask": TOKEN}}),
        house.post("/harvest/run", ada, json={"request_id": "h", "body": {"run_id": TOKEN}}),
    ]
    assert {answer.status_code for answer in answers} >= {202, 422}
    assert all(answer.status_code < 500 for answer in answers)
    for answer in answers:
        assert TOKEN not in answer.text
        if answer.status_code >= 400:
            assert SECRET not in answer.text, answer.text
    assert SECRET not in caplog.text
    assert TOKEN not in caplog.text


def test_a_request_is_known_again_by_a_name_that_holds_a_secret(house: House, ada: Person) -> None:
    name = f"run with token={TOKEN}"
    first = house.run(ada, name)
    assert first.status_code == 202
    assert house.run(ada, name).json()["action_id"] == first.json()["action_id"]
    other = house.run(ada, f"{name[:-1]}3")
    assert other.json()["action_id"] != first.json()["action_id"]
    conflict = house.run(ada, name, body=a_body("Other"))
    assert conflict.status_code == 409
    assert TOKEN not in conflict.text
    with house.store.sink.session.read() as connection:
        kept = connection.execute(sa.select(TABLE["action"].c.request_id)).scalars().all()
    assert len(kept) == 2
    assert not any(TOKEN[:12] in one for one in kept)


def test_a_usual_name_of_a_request_is_kept_as_it_is() -> None:
    for name in ("5f0c1a2e-7a2b-4f57-9c3e-0a4f6f6f2f11", "run 7", "é" * 200):
        data = json.dumps({"request_id": name, "body": {}}).encode()
        assert read_envelope(data).request_id == name


def test_the_log_of_a_served_store_names_no_password(
    town: Town, ada: Person, tmp_path: Path
) -> None:
    environ = town.environ(
        BRAID_LANES="processes", BRAID_RECORDING="process", BRAID_ACCESS_LOG="on"
    )
    command = ("serve", "--store", str(tmp_path / "s.db"), "--port", "0")
    bearer = {"Authorization": f"Bearer {ada.token}"}
    with serving(*command, environ=environ, folder=tmp_path) as server:
        for number, body in enumerate(bodies()):
            for provider in ("record", "harvest"):
                asked = {"request_id": f"s{number}", "body": body}
                url = f"{server.url}/{provider}/run"
                assert requests.post(url, json=asked, headers=bearer, timeout=60).status_code < 500
        url = f"{server.url}/api/v1/records/{TOKEN}?password={SECRET}"
        assert requests.get(url, headers=bearer, timeout=60).status_code in (404, 422)
        unknown = {"Authorization": f"Bearer {TOKEN}", "X-Request-Id": TOKEN}
        assert requests.get(url, headers=unknown, timeout=60).status_code == 401
        assert server.stop() == 0
        said = "".join(server.lines)
    assert SECRET not in said
    assert TOKEN not in said
    assert ada.token not in said
    assert "Not recorded as given" not in said
    assert said.count(" INFO braid.access [") == 2 * len(bodies()) + 2


def test_traces_that_libraries_attach_are_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    logs.quiet()
    logger = logging.getLogger("globus_action_provider_tools.authentication")
    try:
        raise ValueError(SECRET)
    except ValueError:
        logger.error("Failed.", exc_info=True)
    assert "Failed." in caplog.text
    assert SECRET not in caplog.text


def test_what_nobody_catches_is_logged_without_its_message(tmp_path: Path) -> None:
    code = f"""
import threading
from action_provider import logs
logs.begin()
def fail():
    raise ValueError({SECRET!r})
thread = threading.Thread(target=fail)
thread.start()
thread.join()
fail()
"""
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "BRAID_LOG_FORMAT": "json"}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=environ, cwd=tmp_path, capture_output=True, text=True)
    lines = [json.loads(line)["message"] for line in done.stderr.splitlines()]
    assert [line.splitlines()[0] for line in lines] == ["uncaught ValueError"] * 2
    assert all("in fail" in line for line in lines)
    assert SECRET not in done.stderr
