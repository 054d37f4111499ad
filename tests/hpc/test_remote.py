"""Recording through a server: what it takes is there, what it does not is spooled."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import globus_sdk
import pytest

import hpc
from hpc.spooling.sink import ClosingRecorder
from provenance_store import open_store
from provenance_store.errors import ConfigurationError
from provenance_store.values import Audience
from tests.functional.provider.house import House, Person, Town, serving

AWAY = "http://127.0.0.1:9"
COUNTED = re.compile(
    r'braid_requests_total\{method="POST",route="/api/v1/batches",status="(\d+)"\} (\d+)'
)


def asked(house: House) -> dict[str, int]:
    """How many batches the server has answered with which status."""
    return {status: int(n) for status, n in COUNTED.findall(house.get("/metrics").text)}


def names(house: House) -> set[str]:
    return {record["name"] for record in house.store.documents().records()["records"]}


def loaded(house: House, spool: Path) -> int:
    """Bring what was spooled into the server's store; how many records."""
    report = hpc.load_spool(house.store, spool)
    assert report.bad == []
    return report.records


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    return tmp_path / "spool"


def test_batches_are_posted_with_a_token(house: House, ada: Person, spool: Path) -> None:
    with hpc.remote(house.url, ada.token, spool=spool, run_id="job-1") as recorder:
        scans = [recorder.data(f"scan-{n}") for n in range(1200)]
        model = recorder.model("net").update(scans[:3])
        recorder.flush()
        assert asked(house) == {"200": 2}
        assert house.store.info()["records"]["data"] == 1200
        assert len(house.store.documents().lineage(model.urn)["nodes"]) == 5
    assert house.store.check() == []
    assert not spool.exists()


def test_an_authorizer_of_globus_sdk_will_do(house: House, ada: Person, spool: Path) -> None:
    authorizer = globus_sdk.AccessTokenAuthorizer(ada.token)
    with hpc.remote(house.url, authorizer, spool=spool) as recorder:
        recorder.data("scan")
    assert names(house) == {"scan"}


class Stumbling:
    """In front of a server: the first request is answered as if it had no time."""

    def __init__(self, server: Callable[..., Any]) -> None:
        self._server = server
        self.asked = 0

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Any:
        self.asked += 1
        if self.asked > 1:
            return self._server(environ, start)
        environ["wsgi.input"].read()
        start("503 Service Unavailable", [("Content-Type", "application/json")])
        return [b'{"code": "StoreUnavailable", "description": "It is busy."}']


def test_a_server_that_stumbles_once_is_asked_again(house: House, ada: Person, spool: Path) -> None:
    stumbling = Stumbling(house.app.wsgi_app)
    house.app.wsgi_app = stumbling  # type: ignore[method-assign]
    with hpc.remote(house.url, ada.token, spool=spool) as recorder:
        recorder.data("scan")
    assert stumbling.asked == 2
    assert names(house) == {"scan"}
    assert not spool.exists()


Refused = Callable[[ClosingRecorder, Town, House], None]


def of_another_owner(recorder: ClosingRecorder, town: Town, house: House) -> None:
    recorder.audience = Audience("urn:globus:auth:identity:00000000-0000-4000-8000-000000000000")
    recorder.data("first")
    recorder.flush()
    recorder.audience = None


def too_large(recorder: ClosingRecorder, town: Town, house: House) -> None:
    recorder.data("first", uris=[f"file:///{'x' * 500}/{n}" for n in range(10)])


def linked_to_what_is_not_shown(recorder: ClosingRecorder, town: Town, house: House) -> None:
    with hpc.remote(house.url, town.person("eve").token, environment=None) as other:
        hidden = other.data("hidden")
    recorder.data("first", depends_on=[hidden.urn])


@pytest.mark.parametrize(
    ("refused", "status"),
    [(of_another_owner, "403"), (too_large, "413"), (linked_to_what_is_not_shown, "422")],
)
def test_a_refused_batch_is_spooled_and_the_next_is_sent(
    town: Town, ada: Person, tmp_path: Path, spool: Path, refused: Refused, status: str
) -> None:
    environ = town.environ(BRAID_BATCH_LIMIT_BYTES="4096")
    with serving(f"sqlite:///{tmp_path / 'store.db'}", environ) as house:
        with hpc.remote(house.url, ada.token, spool=spool, environment=None) as recorder:
            refused(recorder, town, house)
            recorder.flush()
            recorder.data("then")
        assert asked(house)[status] == 1
        assert names(house) - {"hidden"} == {"then"}
        assert loaded(house, spool) == 1
        assert names(house) - {"hidden"} == {"first", "then"}


def test_what_contradicts_the_store_is_spooled_and_set_aside_when_loaded(
    house: House, ada: Person, spool: Path
) -> None:
    with hpc.remote(house.url, ada.token, spool=spool) as recorder:
        closed = recorder.dataset("closed", [recorder.data("scan")])
        recorder.flush()
        recorder.add(closed, members=[recorder.data("late")])
        recorder.flush()
        recorder.data("then")
    assert asked(house) == {"200": 3, "409": 2}
    assert names(house) == {"closed", "scan", "late", "then"}
    [bad] = hpc.load_spool(house.store, spool).bad
    assert "static" in bad.reason


def test_a_server_that_stays_away_is_left_alone_and_records_are_spooled(
    town: Town, ada: Person, tmp_path: Path, spool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BRAID_RANK_WAIT_SECONDS", "2")
    away = f"sqlite:///{tmp_path / 'no-such-folder' / 'store.db'}"
    with serving(away, town.environ()) as house:
        with hpc.remote(house.url, ada.token, spool=spool) as recorder:
            for n in range(3):
                recorder.data(f"scan-{n}")
                recorder.flush()
        assert sum(asked(house).values()) == 2
    with open_store(f"sqlite:///{tmp_path / 'store.db'}") as store:
        assert hpc.load_spool(store, spool).records == 3


def test_a_wrong_token_is_not_said_again_and_nothing_is_lost(
    house: House, spool: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with hpc.remote(house.url, "very-secret", spool=spool) as recorder:
        recorder.data("scan")
    assert "401" in caplog.text
    assert "very-secret" not in caplog.text
    assert loaded(house, spool) == 1


def test_no_server_at_all(tmp_path: Path, spool: Path) -> None:
    with hpc.remote(AWAY, "any", spool=spool) as recorder:
        recorder.data("scan")
    with open_store(f"sqlite:///{tmp_path / 'store.db'}") as store:
        assert hpc.load_spool(store, spool).records == 1


def test_a_token_goes_out_encrypted_only() -> None:
    for url in ("http://braid.example.org", "braid.example.org", "ftp://x"):
        with pytest.raises(ConfigurationError):
            hpc.remote(url, "good")
