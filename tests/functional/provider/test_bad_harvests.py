"""Bad requests to harvest: the right status, one clear sentence, nothing kept, nothing asked."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from flows.sandbox import Sandbox
from tests.functional.provider.gate import Gate
from tests.functional.provider.house import House, Person, Town, serving

RUN_ID = "5b0e8f6a-1c0d-4b7e-9a57-6d1f3c2e4a90"
LIMIT = 50_000


class Bad(NamedTuple):
    """A request body that is refused, with what the sentence must mention."""

    name: str
    data: bytes
    status: int
    says: str


def request(**fields: Any) -> bytes:
    return json.dumps({"request_id": "r1", "body": {"run_id": RUN_ID}, **fields}).encode()


def body(**fields: Any) -> bytes:
    return request(body={"run_id": RUN_ID, **fields})


BAD_BODIES = [
    Bad("no body", b"", 400, "no body"),
    Bad("not JSON", b"run", 400, "not JSON"),
    Bad("not UTF-8", request(label="LABEL").replace(b"LABEL", b"\xff"), 400, "UTF-8"),
    Bad("a list", b"[]", 422, "object"),
    Bad("nothing asked", b'{"request_id": "r1"}', 422, "body"),
    Bad("no request_id", b'{"body": {}}', 422, "request_id"),
    Bad("a body of text", request(body=RUN_ID), 422, "object"),
    Bad("an empty body", request(body={}), 422, "run_id"),
    Bad("no run_id", request(body={"flow_id": RUN_ID}), 422, "run_id"),
    Bad("a run_id that is none", body(run_id="run-1"), 422, "run_id"),
    Bad("a run_id that is a path", body(run_id=f"../flows/{RUN_ID}"), 422, "run_id"),
    Bad("a run_id and more", body(run_id=f"{RUN_ID}/log"), 422, "run_id"),
    Bad("a run_id with a line end", body(run_id=f"{RUN_ID}\n"), 422, "run_id"),
    Bad("a run_id that is a number", body(run_id=7), 422, "text"),
    Bad("a run_id that is null", body(run_id=None), 422, "text"),
    Bad("a run_id with other digits", body(run_id="٥" + RUN_ID[1:]), 422, "run_id"),
    Bad("several runs", body(run_id=[RUN_ID]), 422, "text"),
    Bad("a path that was not resolved", body(run_id="$._context.run_id"), 422, "run_id"),
    Bad("a flow_id that is none", body(flow_id="my flow"), 422, "flow_id"),
    Bad("a field that is none", body(models={}), 422, "models"),
    Bad("a key with its suffix", body(**{"run_id.$": "$.x"}), 422, "run_id.$"),
    Bad("a token in the body", body(token="secret-token"), 422, "token"),
    Bad("conventions out of the folder", body(conventions="../bragg"), 422, "conventions"),
    Bad("conventions with a path", body(conventions="/etc/passwd"), 422, "conventions"),
    Bad("conventions with an ending", body(conventions="bragg.toml"), 422, "conventions"),
    Bad("empty conventions", body(conventions=""), 422, "conventions"),
    Bad("conventions of nobody", body(conventions="bragg"), 422, "no conventions named 'bragg'"),
    Bad("conventions as a table", body(conventions={"model": []}), 422, "text"),
    Bad("another word on consents", body(on_missing_consent="ask"), 422, "on_missing_consent"),
    Bad("NUL", body(flow_id="HERE").replace(b"HERE", b"\\u0000"), 422, "NUL"),
    Bad("too deep", request(body=[]).replace(b"[]", b"[" * 200 + b"]" * 200), 413, "levels deep"),
    Bad("too large", request(label="x" * LIMIT), 413, "larger"),
    Bad("a past deadline", request(deadline="2001-01-01T00:00:00Z"), 422, "passed"),
    Bad("a monitor that is none", request(monitor_by=["ada"]), 422, "principal"),
    Bad("too long a release_after", request(release_after="P99Y"), 422, "P365D"),
]


@pytest.fixture(scope="module")
def placed(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[House, Gate, Person]]:
    file = tmp_path_factory.mktemp("bad") / "store.db"
    with Sandbox() as sandbox, Gate(sandbox) as gate:
        gate.open()
        town = Town(sandbox)
        small = town.environ(BRAID_BODY_LIMIT_BYTES=str(LIMIT), **gate.environ)
        with serving(f"sqlite:///{file}", small) as house:
            yield house, gate, town.person("ada")


@pytest.mark.parametrize("route", ["run", "actions"])
@pytest.mark.parametrize("bad", BAD_BODIES, ids=lambda bad: bad.name)
def test_a_bad_request_is_refused_in_one_sentence(
    bad: Bad, route: str, placed: tuple[House, Gate, Person]
) -> None:
    house, gate, ada = placed
    answer = house.post(f"/harvest/{route}", ada, data=bad.data)
    told = answer.json()
    assert answer.status_code == bad.status, told
    assert set(told) == {"code", "description"}
    assert bad.says in told["description"]
    assert "\n" not in told["description"]
    assert "secret-token" not in told["description"]
    assert house.counts()["action"] == 0
    assert gate.asked == []


@pytest.mark.parametrize("token", [None, "not-a-token-at-all", "x"])
def test_without_a_valid_token_nothing_is_harvested(
    token: str | None, placed: tuple[House, Gate, Person]
) -> None:
    house, gate, _ = placed
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    answer = house.call("POST", "/harvest/run", data=request(), headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (401, "Unauthorized")
    assert gate.asked == []


def test_who_may_not_use_the_provider_may_not_harvest(tmp_path: Path) -> None:
    with Sandbox() as sandbox:
        town = Town(sandbox)
        boss, ada = town.person("boss"), town.person("ada")
        only = town.environ(BRAID_RUNNABLE_BY=boss.urn)
        with serving(f"sqlite:///{tmp_path / 'store.db'}", only) as house:
            answer = house.post("/harvest/run", ada, data=request())
            assert (answer.status_code, answer.json()["code"]) == (403, "NotAllowed")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/harvest/nothing/status"),
        ("GET", "/harvest/nothing/log"),
        ("POST", "/harvest/nothing/cancel"),
        ("POST", "/harvest/nothing/resume"),
        ("POST", "/harvest/nothing/release"),
        ("GET", "/harvest/actions/nothing"),
        ("DELETE", "/harvest/actions/nothing"),
    ],
)
def test_an_action_that_is_not_there_is_not_found(
    method: str, path: str, placed: tuple[House, Gate, Person]
) -> None:
    house, _, ada = placed
    answer = house.call(method, path, ada)
    assert (answer.status_code, answer.json()["code"]) == (404, "NotFound")
