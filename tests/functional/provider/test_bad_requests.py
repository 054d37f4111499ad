"""Bad requests: the right status, one clear sentence, nothing written."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from flows.sandbox import Sandbox
from tests.functional.provider.house import House, Person, Town, a_body, serving

LIMIT = 100_000
URN = "urn:globus:auth:identity:00000000-0000-4000-8000-000000000000"


class Bad(NamedTuple):
    """A request body that is refused, with what the sentence must mention."""

    name: str
    data: bytes
    status: int
    says: str


def request(**fields: Any) -> bytes:
    return json.dumps({"request_id": "r1", "body": a_body(), **fields}).encode()


def body(**fields: Any) -> bytes:
    return request(body=a_body(**fields))


def without(*path: str) -> bytes:
    document: Any = {"request_id": "r1", "body": a_body()}
    place = document
    for name in path[:-1]:
        place = place[name]
    del place[path[-1]]
    return json.dumps(document).encode()


def raw(parameters: bytes) -> bytes:
    """A request with this JSON text as its parameters."""
    return body(parameters="HERE").replace(b'"HERE"', parameters)


BAD_BODIES = [
    Bad("no body", b"", 400, "no body"),
    Bad("not JSON", b"hello", 400, "not JSON"),
    Bad("cut off", b'{"request_id": "r1", "body": {', 400, "not JSON"),
    Bad("two documents", request() + b"{}", 400, "not JSON"),
    Bad("a form", b"request_id=r1", 400, "not JSON"),
    Bad("not UTF-8", request(label="LABEL").replace(b"LABEL", b"\xff\xfe"), 400, "UTF-8"),
    Bad("UTF-16", request().decode().encode("utf-16"), 400, "JSON"),
    Bad("a byte order mark", b"\xef\xbb\xbf" + request(), 400, "not JSON"),
    Bad("NaN", raw(b"NaN"), 400, "not JSON"),
    Bad("Infinity", raw(b"[-Infinity]"), 400, "not JSON"),
    Bad("a number out of range", raw(b"1e999"), 422, "range"),
    Bad("a lone surrogate", raw(b'"\\ud800"'), 400, "not JSON"),
    Bad("a trailing comma", raw(b"[1,]"), 400, "not JSON"),
    Bad("a raw control character", raw(b'"\x01"'), 400, "not JSON"),
    Bad("NUL in a value", raw(b'"a\\u0000b"'), 422, "NUL"),
    Bad("NUL in a key", raw(b'{"a\\u0000": 1}'), 422, "NUL"),
    Bad("NUL after a backslash", raw(b'"\\\\\\u0000"'), 422, "NUL"),
    Bad("too deep a list", raw(b"[" * 99 + b"]" * 99), 413, "levels deep"),
    Bad("200,000 brackets", b"[" * 90_000, 413, "levels deep"),
    Bad("too deep an object", raw(b'{"a":' * 150 + b"1" + b"}" * 150), 413, "levels deep"),
    Bad("too large", request(label="x" * LIMIT), 413, "larger"),
    Bad("a list", b"[]", 422, "object"),
    Bad("text", b'"run"', 422, "object"),
    Bad("null", b"null", 422, "object"),
    Bad("an empty object", b"{}", 422, "request_id"),
    Bad("no request_id", without("request_id"), 422, "request_id"),
    Bad("an empty request_id", request(request_id=""), 422, "empty"),
    Bad("a long request_id", request(request_id="x" * 300), 422, "256"),
    Bad("a number as request_id", request(request_id=7), 422, "text"),
    Bad("a field too many", request(parameters={}), 422, "'parameters'"),
    Bad("no record body", without("body"), 422, "body"),
    Bad("a record body of text", request(body="x"), 422, "object"),
    Bad("an empty label", request(label=""), 422, "empty"),
    Bad("a long label", request(label="x" * 65), 422, "64"),
    Bad("monitor_by text", request(monitor_by=URN), 422, "list"),
    Bad("a monitor that is none", request(monitor_by=["ada@example.org"]), 422, "principal"),
    Bad("a manager that is none", request(manage_by=[URN, "public"]), 422, "manage_by[1]"),
    Bad("a URN with a line end", request(monitor_by=[URN + "\n"]), 422, "monitor_by[0]"),
    Bad("a monitor that is null", request(monitor_by=[None]), 422, "text"),
    Bad("other allowed_clients", request(allowed_clients=["globus"]), 422, "public"),
    Bad("a past deadline", request(deadline="2001-01-01T00:00:00Z"), 422, "passed"),
    Bad("a deadline of words", request(deadline="tomorrow"), 422, "deadline"),
    Bad("a deadline without offset", request(deadline="2999-01-01T00:00:00"), 422, "deadline"),
    Bad("a deadline as a number", request(deadline=99999999999), 422, "text"),
    Bad("a negative release_after", request(release_after="-P1D"), 422, "release_after"),
    Bad("a negative number of seconds", request(release_after=-1), 422, "release_after"),
    Bad("a release_after of words", request(release_after="a week"), 422, "ISO 8601"),
    Bad("too long a release_after", request(release_after="P99Y"), 422, "P365D"),
    Bad("a boolean release_after", request(release_after=True), 422, "release_after"),
    Bad("hundreds of digits", request(release_after=10**400), 422, "release_after"),
    Bad("a huge release_after", request(release_after="P999999999999Y"), 422, "release_after"),
    Bad("no run", without("body", "run"), 422, "run"),
    Bad("no run_id", without("body", "run", "run_id"), 422, "run_id"),
    Bad("no step", without("body", "step"), 422, "step"),
    Bad("no step name", without("body", "step", "name"), 422, "name"),
    Bad("an unknown field of the body", body(paramters={}), 422, "paramters"),
    Bad(
        "an unknown status",
        request(body=a_body() | {"step": {"name": "x", "status": "DONE"}}),
        422,
        "DONE",
    ),
    Bad("an unknown record", body(inputs=[f"urn:braid:{URN[-36:]}:7"]), 422, "inputs[0]"),
    Bad("an input that is nothing", body(inputs=[17]), 422, "inputs[0]"),
    Bad("a model without name", body(models=[{"how": "used"}]), 422, "models[0]"),
]

BAD_QUERIES = [
    ("/api/v1/runs?limit=0", "limit"),
    ("/api/v1/runs?limit=1001", "limit"),
    ("/api/v1/runs?limit=ten", "limit"),
    ("/api/v1/runs?limit=5&limit=6", "once"),
    ("/api/v1/runs?marker=garbage", "marker"),
    ("/api/v1/runs?marker=%00", "NUL"),
    ("/api/v1/runs?since=yesterday", "since"),
    ("/api/v1/runs?until=2026-13-01", "until"),
    ("/api/v1/runs?status=DONE", "status"),
    ("/api/v1/runs?flow=x", "'flow'"),
    ("/api/v1/runs/x?limit=1001", "limit"),
    ("/api/v1/runs/x?marker=garbage", "marker"),
    ("/api/v1/runs/x?page=3", "'page'"),
    ("/api/v1/records?" + "&".join(f"tag=t{number}" for number in range(21)), "tag"),
    ("/api/v1/records?kind=thing", "kind"),
    ("/api/v1/records?tag=a%3Eb", "number"),
    ("/api/v1/records?tag=", "tag"),
    ("/api/v1/records?limit=-1", "limit"),
    ("/api/v1/records/1.1/lineage?direction=left", "direction"),
    ("/api/v1/records/1.1/lineage?depth=0", "depth"),
    ("/api/v1/records/1.1/lineage?limit=100001", "limit"),
    ("/api/v1/models?marker=W10", "marker"),
    ("/record/actions?status=done", "status"),
    ("/record/actions?roles=owner", "roles"),
    ("/record/actions?limit=0", "limit"),
    ("/record/actions?marker=x", "marker"),
    ("/record/actions?page=2", "'page'"),
]

NOWHERE = [
    ("GET", "/nothing", 404),
    ("GET", "/api/v2/runs", 404),
    ("GET", "/record/a/b/c", 404),
    ("GET", "/record/run", 405),
    ("PUT", "/record/run", 405),
    ("DELETE", "/api/v1/runs", 405),
    ("POST", "/healthz", 405),
    ("GET", "/api/v1/records/9.9", 404),
    ("GET", "/api/v1/runs/none", 404),
    ("GET", "/api/v1/models/none", 404),
]


@pytest.fixture(scope="module")
def small_house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[House, Person]]:
    """A provider that takes small bodies only, and somebody who uses it."""
    file = tmp_path_factory.mktemp("bad") / "store.db"
    with Sandbox() as sandbox:
        town = Town(sandbox)
        environ = town.environ(BRAID_BODY_LIMIT_BYTES=str(LIMIT))
        with serving(f"sqlite:///{file}", environ) as house:
            yield house, town.person("ada")


def assert_one_sentence(document: Any) -> None:
    assert set(document) == {"code", "description"}
    assert document["code"].isalpha()
    sentence = document["description"]
    assert sentence.endswith((".", "?", "!"))
    assert "\n" not in sentence
    assert len(sentence) < 600
    assert "Traceback" not in sentence


@pytest.mark.parametrize("case", BAD_BODIES, ids=lambda case: case.name)
def test_a_bad_body_is_refused(small_house: tuple[House, Person], case: Bad) -> None:
    house, ada = small_house
    before = house.counts()
    answer = house.post("/record/run", ada, data=case.data)
    assert answer.status_code == case.status, answer.text
    assert_one_sentence(answer.json())
    assert case.says in answer.json()["description"]
    assert house.counts() == before


@pytest.mark.parametrize(("path", "says"), BAD_QUERIES)
def test_a_bad_query_is_refused(small_house: tuple[House, Person], path: str, says: str) -> None:
    house, ada = small_house
    answer = house.get(path, ada)
    assert answer.status_code == 422, answer.text
    assert_one_sentence(answer.json())
    assert says in answer.json()["description"]


@pytest.mark.parametrize(("method", "path", "status"), NOWHERE)
def test_what_is_not_there_has_the_same_shape(
    small_house: tuple[House, Person], method: str, path: str, status: int
) -> None:
    house, ada = small_house
    answer = house.call(method, path, ada)
    assert answer.status_code == status
    assert_one_sentence(answer.json())
    if status == 405:
        assert answer.headers["Allow"]


def test_what_is_nearly_too_much_is_taken(small_house: tuple[House, Person]) -> None:
    house, ada = small_house
    deep = b"[" * 97 + b"]" * 97
    brackets = json.dumps("[" * 500 + '\\"' + "{" * 500).encode()
    escaped = b'"\\\\u0000"'
    for number, parameters in enumerate((deep, brackets, escaped)):
        data = raw(parameters).replace(b'"r1"', b'"ok-%d"' % number)
        answer = house.post("/record/run", ada, data=data)
        assert answer.status_code == 202, answer.text


def test_of_two_equal_keys_the_last_counts(small_house: tuple[House, Person]) -> None:
    house, ada = small_house
    data = request(request_id="twice")
    data = data.replace(b'"request_id"', b'"label": "first", "request_id"')
    data = data[:-1] + b', "label": "second"}'
    assert house.post("/record/run", ada, data=data).json()["label"] == "second"
