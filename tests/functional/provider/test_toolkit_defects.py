"""What action-provider-tools 0.21 gets wrong, and this provider must not.

Idempotency, statuses, size and depth limits, refused items and query parameters are held by
the other files of this folder.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from globus_action_provider_tools.authentication import AuthState

from action_provider.app import EXTENSION, create_app
from action_provider.auth import LockedCache
from action_provider.settings import Options
from provenance_store.errors import ConfigurationError
from tests.functional.provider.house import House, Person, Town, a_body, serving

SECRET_WORD = "correct-horse-battery-staple"


def test_the_toolkits_caches_are_replaced_at_start(town: Town) -> None:
    create_app("sqlite:///unused.db", environ=town.environ())
    for cache in (
        AuthState.introspect_cache,
        AuthState.dependent_tokens_cache,
        AuthState.group_membership_cache,
    ):
        assert isinstance(cache, LockedCache)
        assert cache._cache.maxsize >= 10_000  # type: ignore[attr-defined]


def test_150_tokens_in_rotation_are_all_remembered(
    house: House, town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = [town.person(f"p{number}") for number in range(150)]
    for person in people:
        assert house.get("/api/v1/models", person).status_code == 200
    town.sandbox.tokens.find = None  # type: ignore[method-assign, assignment]
    try:
        answers = [house.get("/api/v1/models", person).status_code for person in people]
    finally:
        del town.sandbox.tokens.find
    assert answers == [200] * 150


def test_a_cache_survives_threads_and_double_deletion() -> None:
    cache: LockedCache[int] = LockedCache(maxsize=50, ttl=0.001)
    failures: list[BaseException] = []

    def work(seed: int) -> None:
        try:
            for number in range(2000):
                key = str((seed * 7 + number) % 80)
                cache[key] = number
                cache.get(key)
                del cache[key]
                _ = key in cache
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    del cache["never there"]
    assert not failures


@pytest.mark.parametrize("name", ["BRAID_CLIENT_ID", "BRAID_CLIENT_SECRET"])
@pytest.mark.parametrize("value", ["", " "])
def test_a_missing_credential_is_one_sentence(town: Town, name: str, value: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^{name} is not set.*\\.$"):
        create_app("sqlite:///unused.db", environ=town.environ(**{name: value}))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("BRAID_READER_GROUP", "staff"),
        ("BRAID_RUNNABLE_BY", "public"),
        ("BRAID_VISIBLE_TO", "ada@example.org"),
        ("BRAID_BODY_LIMIT_BYTES", "lots"),
        ("BRAID_JSON_DEPTH", "1000"),
        ("BRAID_TOKEN_CACHE_SECONDS", "3600"),
        ("BRAID_RELEASE_AFTER_DAYS", "0"),
    ],
)
def test_a_setting_that_makes_no_sense_is_named(town: Town, name: str, value: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^{name} is not valid"):
        create_app("sqlite:///unused.db", environ=town.environ(**{name: value}))


def test_options_do_not_show_the_secret(town: Town) -> None:
    assert town.client.client_secret not in repr(Options.read(town.environ()))


@pytest.fixture
def log_file(tmp_path: Path) -> Iterator[Path]:
    """Everything that any logger says at any level, in a real file."""
    file = tmp_path / "everything.log"
    handler = logging.FileHandler(file)
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield file
    root.removeHandler(handler)
    root.setLevel(level)
    handler.close()


def test_the_log_holds_no_secret_no_token_and_no_body(
    log_file: Path, caplog: pytest.LogCaptureFixture, town: Town, tmp_path: Path
) -> None:
    caplog.set_level(logging.DEBUG)
    dora = town.person("dora")
    stranger = Person(dora.identity, "stranger" + dora.token[-20:])
    with serving(f"sqlite:///{tmp_path / 's.db'}", town.environ()) as house:
        words = {"password": SECRET_WORD, "note": SECRET_WORD}
        house.run(dora, "r1", body=a_body(parameters=words))
        house.run(dora, "r1", body=a_body(parameters=[words]))
        house.post("/record/run", dora, data=b'{"request_id": "' + SECRET_WORD.encode())
        house.run(dora, "r2", label=SECRET_WORD * 9, body=a_body(paramters=words))
        house.run(stranger, "r3")
        house.get("/api/v1/runs", dora)
        house.get("/record/none/status", stranger)
        _break(house)
        assert house.run(dora, "r4", body=a_body(parameters=words)).status_code == 500
    logged = log_file.read_text() + caplog.text
    assert "unexpected RuntimeError" in logged
    for piece in (
        SECRET_WORD,
        dora.token[-7:],
        stranger.token[-7:],
        town.client.client_secret[-5:],
    ):
        assert piece not in logged


def _break(house: House) -> None:
    """Make the store fail in a way that repeats what was sent."""

    def refuse(**_: object) -> None:
        raise RuntimeError(f"parameters: {SECRET_WORD}")

    service = house.app.extensions[EXTENSION].stores.get()
    service.recorder = refuse  # type: ignore[method-assign]


def test_an_unexpected_error_says_nothing_of_itself(house: House, ada: Person) -> None:
    _break(house)
    answer = house.run(ada, "r1")
    assert answer.status_code == 500
    name = answer.headers["X-Request-Id"]
    assert answer.json() == {
        "code": "InternalServerError",
        "description": f"Something went wrong here; the log says where. (Request {name})",
    }
