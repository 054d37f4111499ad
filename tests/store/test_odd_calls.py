"""What a script hands over by mistake: one clear error or a note, and nothing that harms later."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

import hpc
from hpc.spooling.files import SpoolWriter, read_frames
from provenance_store import Audience, Store, Uri, open_store
from provenance_store.enums import Mark, Role
from provenance_store.errors import BadFile, InvalidInput, NotFound, Sealed, StoreUnavailable
from provenance_store.recording.recorder import NOTE_TAG, Recorder
from provenance_store.sql import dialects
from provenance_store.sql.tables import TABLE
from provenance_store.sql.waits import begin_question, end_question
from tests.support.postgres import PostgresServer


@pytest.mark.parametrize("number", [97, -1, 10**30, 0])
def test_a_number_that_is_no_id_names_no_record(store: Store, number: int) -> None:
    scan = store.data("scan")
    calls: list[Callable[[], object]] = [
        lambda: store.data("x", depends_on=[number]),
        lambda: store.tag(number, {"a": 1}),
        lambda: store.finish(number),
        lambda: store.promote(number),
        lambda: store.used(number, [scan]),
    ]
    for call in calls:
        with pytest.raises(NotFound):
            call()
    assert store.info()["tables"]["record"] == 1
    assert store.check() == []


def test_a_wrong_number_costs_a_spool_no_neighbour(store: Store, tmp_path: Any) -> None:
    with hpc.spool(tmp_path / "spool") as recorder:
        recorder.data("n1")
        with pytest.raises(NotFound):
            recorder.data("wrong", depends_on=[97])
        recorder.data("n2")
    hpc.load_spool(store, tmp_path / "spool")
    assert {r["name"] for r in store.documents().records()["records"]} == {"n1", "n2"}


@pytest.mark.parametrize(
    "moment",
    [
        datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14))),
        datetime.max.replace(tzinfo=timezone(-timedelta(hours=14))),
    ],
)
def test_a_time_outside_of_all_years_is_none(store: Store, moment: datetime) -> None:
    step = store.step("s", started_at=moment)
    assert "years 1 to 9999" in store.documents().record(step.urn)["tags"][NOTE_TAG]
    with pytest.raises(InvalidInput, match="years 1 to 9999"):
        Recorder(store.sink, strict=True).step("s", started_at=moment)
    assert store.check() == []


class Endless(int):
    """An integer of a class of its own."""

    def __int__(self) -> int:
        raise RuntimeError


def test_a_time_of_an_odd_class_of_integers_is_a_time(store: Store) -> None:
    step = store.step("s", started_at=Endless(5))
    assert store.documents().record(step.urn)["start_time"].startswith("1970-01-01")


@pytest.mark.parametrize("name", ["a\0b", "n" * 5000, b"a", None, "ghp_" + "a1B2c3" * 6])
def test_a_document_has_a_name_that_can_be_kept(store: Store, name: Any) -> None:
    scan = store.data("scan")
    store.payload(scan, name, {"a": 1})
    assert store.check() == []
    assert "ghp_a1" not in str(store.documents().record(scan.urn))
    with pytest.raises(InvalidInput) if "ghp" not in str(name) else _nothing():
        Recorder(store.sink, strict=True).payload(scan, name, {"a": 1})


@pytest.mark.parametrize("run_id", ["a\0b", "x" * 200, b"run", "", "password=hunter2hunter2"])
def test_a_recorder_of_a_run_that_cannot_be_named_is_refused(store: Store, run_id: Any) -> None:
    with pytest.raises(InvalidInput, match="run id"):
        store.recorder(run_id=run_id)


@pytest.mark.parametrize("role", [Role(99), "x", 99, None, object(), Role.TRAINED_ON])
def test_a_role_that_is_none_of_a_steps_counts_as_used(store: Store, role: Any) -> None:
    scan, step = store.data("scan"), store.step("s")
    store.used(step, [scan], role)
    shown = store.documents().record(step.urn)
    assert [link["role"] for link in shown["links"]] == ["used"]
    assert "no role" in shown["tags"][NOTE_TAG]
    with pytest.raises(InvalidInput, match="no role"):
        Recorder(store.sink, strict=True).used(step, [store.data("other")], role)
    assert store.check() == []


@pytest.mark.parametrize("mark", [Mark(99), "x", 99, None, object()])
def test_a_mark_that_is_none_is_noted(store: Store, mark: Any) -> None:
    scan = store.data("scan")
    store.mark(scan, mark)
    assert "no mark" in store.documents().record(scan.urn)["tags"][NOTE_TAG]
    assert store.info()["tables"]["mark"] == 0
    with pytest.raises(InvalidInput, match="no mark"):
        Recorder(store.sink, strict=True).mark(scan, mark)


def test_a_role_and_a_mark_go_by_their_names(store: Store) -> None:
    scan, step = store.data("scan", live=True), store.step("s")
    store.mark(scan, "promoted")  # type: ignore[arg-type]
    store.used(step, [scan], "chosen")  # type: ignore[arg-type]
    (link,) = store.documents().record(step.urn)["links"]
    assert link["role"] == "chosen"
    with pytest.raises(Sealed):
        scan.add(uris="file:///x")


def in_itself() -> list[Any]:
    a: list[Any] = []
    a += [a, a]
    return a


def doubled() -> list[Any]:
    x: list[Any] = [1]
    for _ in range(40):
        x = [x, x]
    return x


@pytest.mark.parametrize("document", [in_itself(), doubled(), {"r": range(10**9)}])
def test_a_document_without_end_is_kept_as_far_as_it_goes(other: Store, document: Any) -> None:
    step = other.step("s", parameters=document)
    shown = other.documents().record(step.urn)
    assert "_truncated" in shown["parameters"]
    assert "more than" in shown["tags"][NOTE_TAG]


class Mute(Exception):
    """An error that cannot be written."""

    def __str__(self) -> str:
        raise RuntimeError


def test_a_step_ends_with_the_scripts_own_error(store: Store) -> None:
    with pytest.raises(Mute), store.step("s"):
        raise Mute
    (step,) = store.documents().records()["records"]
    assert store.documents().record(step["id"])["status"] == "FAILED"


def _nothing() -> Any:
    from contextlib import nullcontext

    return nullcontext()


def test_a_pattern_that_would_take_long_is_refused(store: Store) -> None:
    store.data("scan", uris=["file:///" + "a" * 100])
    assert store.documents().records(uri="file:///*" + "a" * 100)["records"]
    for pattern in ("*" + "a" * 200, "*a" * 20):
        with pytest.raises(InvalidInput, match="behind the first"):
            store.documents().records(uri=pattern)
        with pytest.raises(InvalidInput, match="behind the first"):
            store.documents().records(name=pattern)


def test_an_environment_that_is_not_carried_costs_other_files_nothing(
    store: Store, tmp_path: Path
) -> None:
    with hpc.spool(tmp_path / "bad", environment={"host": "a"}) as recorder:
        recorder.step("s")
    (file,) = (tmp_path / "bad" / "new").iterdir()
    batch = msgspec.msgpack.decode(bytes(next(iter(read_frames(file)))))
    batch["record"][0][6] = "sha256:zz"
    file.unlink()
    writer = SpoolWriter(tmp_path / "bad")
    writer.append(msgspec.msgpack.encode(batch))
    writer.finish()
    with hpc.spool(tmp_path / "bad") as recorder:
        recorder.data("good")
    report = hpc.load_spool(store, tmp_path / "bad")
    assert len(report.bad) == 1
    assert [r["name"] for r in store.documents().records()["records"]] == ["good"]


def test_a_pipe_in_the_place_of_a_file_is_refused_at_once(store: Store, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.db"
    os.mkfifo(pipe)
    with pytest.raises(BadFile, match="not a regular file"):
        store.merge(pipe)
    with open_store(f"sqlite:///{tmp_path / 'other.db'}") as other:
        other.data("x")
    os.mkfifo(tmp_path / "other.db-journal")
    with pytest.raises(BadFile, match="not a regular file"):
        store.merge(tmp_path / "other.db")


def test_what_takes_too_long_to_find_out_is_given_up(store: Store) -> None:
    with store.transaction():
        for number in range(3000):
            store.data(f"scan-{number}")
    store.sink.session.longest = 0.0
    with pytest.raises(StoreUnavailable, match="too long to find out"):
        store.documents().records(name="*x*x*")
    store.sink.session.longest = None
    assert store.documents().records(name="*x*x*")["records"] == []


def test_a_question_has_one_time_for_all_that_it_reads(store: Store) -> None:
    store.data("scan")
    begin_question(0.0)
    try:
        with pytest.raises(StoreUnavailable, match="too long to find out"):
            while True:  # however little it reads at a time
                store.documents().records(name="scan")
    finally:
        end_question()
    assert len(store.documents().records(name="scan")["records"]) == 1


ENDLESS = {
    "sqlite": "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT 1 FROM n) SELECT max(x) FROM n",
    "postgresql": "SELECT pg_sleep(600)",
}
RUNNING = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND starts_with(query, '"


def test_the_database_stops_what_takes_too_long(store: Store) -> None:
    session = store.sink.session
    name = session.engine.dialect.name
    session.longest = 0.2
    with pytest.raises(StoreUnavailable, match="ask for less"), session.read() as connection:
        connection.exec_driver_sql(ENDLESS[name])
    session.longest = None
    store.data("scan")
    assert len(store.documents().records()["records"]) == 1
    if name == "postgresql":
        with session.read() as connection:
            connection.exec_driver_sql("SELECT pg_sleep(0.3)")  # the limit holds no longer
            assert connection.exec_driver_sql(f"{RUNNING}{ENDLESS[name]}')").scalar() == 0


def test_the_database_server_is_told_when_a_look_is_given_up(
    postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dialects, "SHORT_WORK_SECONDS", 1.0)
    with open_store(postgres_server.new_database()) as store:
        given_up = pytest.raises(StoreUnavailable, match="too long to answer")
        with given_up, store.sink.session.look() as raw:
            raw.execute("SELECT pg_sleep(601)")
        with store.sink.session.read() as connection:
            deadline = time.monotonic() + 60
            while connection.exec_driver_sql(f"{RUNNING}SELECT pg_sleep(601')").scalar():
                connection.exec_driver_sql("SELECT pg_stat_clear_snapshot()")
                assert time.monotonic() < deadline


def test_of_a_call_that_fails_nothing_is_written_where_the_script_goes_on(store: Store) -> None:
    strict = Recorder(store.sink, environment=None, strict=True)
    with store.transaction():
        with pytest.raises(NotFound):
            store.model("half", depends_on=["nonsense"])
        with pytest.raises(InvalidInput):
            store.step("half", inputs=[None], tags={"a": 1})  # type: ignore[list-item]
        scan = store.data("good", tags={"a": 1})
        with store.step("s") as step, pytest.raises(InvalidInput):
            store.add(step, uris=["file:///x"], depends_on=[None])  # type: ignore[list-item]
    with strict.transaction():
        made = strict.data("strict")
        with pytest.raises(InvalidInput):
            strict.tag(made, {"fine": 1, "wrong": None})  # type: ignore[dict-item]
    names = {r["name"]: r for r in store.documents().records()["records"]}
    assert set(names) == {"good", "s", "strict"}
    assert names["good"]["id"] == scan.urn
    assert names["strict"]["tags"] == {}
    assert store.check() == []


@pytest.mark.parametrize(
    "how",
    [
        {"tags": np.array([1, 2])},
        {"uris": np.array("file:///a")},
        {"uris": [Uri("file:///a", media_type=np.array([1, 2]))]},  # type: ignore[arg-type]
        {"name": 10**5000},
        {"tags": {"n": 10**5000}},
        {"tags": {10**5000: 1}},
        {"uris": [Uri("file:///a", size=10**5000)]},
        {"uris": [Uri("file:///a", digest=object())]},  # type: ignore[arg-type]
    ],
    ids=lambda how: next(iter(how)),
)
def test_odd_values_cost_no_record(store: Store, how: dict[str, Any]) -> None:
    store.data(**{"name": "x", **how})
    store.model("m", metrics=[{"epoch": 10**400, "loss": 1}])
    store.step("s", ordinal=10**5000, action_id=np.array([1, 2]), started_at=10**5000)  # type: ignore[arg-type]
    assert store.info()["tables"]["record"] == 3
    assert store.check() == []


def test_an_array_of_one_id_names_one_record(store: Store) -> None:
    scan = store.data("scan")
    made = store.data("peaks", depends_on=np.array(scan.urn))
    assert store.documents().record(made.urn)["links"][0]["id"] == scan.urn


def test_an_environment_with_half_a_character_costs_no_step(store: Store) -> None:
    recorder = store.recorder(environment={"a": "\ud800"})
    step = recorder.step("s")
    assert store.documents().record(step.urn)["environment"].startswith("sha256:")
    assert store.info()["tables"]["environment"] == 1
    assert store.check() == []


def test_an_audience_of_what_is_no_text_is_refused(store: Store) -> None:
    for owner in ("\0", "\ud800", ""):
        with pytest.raises(InvalidInput, match="principal"):
            store.recorder(audience=Audience(owner)).data("x")


@pytest.mark.parametrize(
    "document", ["{", "", "NaN", "[1,]", "{'a': 1}", '{"a": "\t"}', "[1] x", "nul"]
)
def test_a_document_that_is_not_json_is_found(store: Store, document: str) -> None:
    with store.transaction():
        steps = [store.step(f"s{n}", parameters={"n": n}) for n in range(40)]
    assert store.check() == []
    payload = TABLE["payload"]
    with store.sink.session.change() as connection:
        connection.execute(
            payload.update().where(payload.c.record_id == steps[-1].id).values(document=document)
        )
    (found,) = store.check()
    assert "table payload" in found
    assert "is not JSON" in found
    assert steps[-1].short_id in found


@pytest.mark.parametrize(
    "document", ["1e400", "[" * 500 + "]" * 500, '{"a": 1, "a": 2}', " null\n", "0"]
)
def test_a_document_that_is_json_is_not_found(store: Store, document: str) -> None:
    step = store.step("s", parameters={"n": 1})
    payload = TABLE["payload"]
    with store.sink.session.change() as connection:
        connection.execute(
            payload.update().where(payload.c.record_id == step.id).values(document=document)
        )
    assert store.check() == []
