"""What earlier versions wrote: their batches, spool files and stores are taken for ever."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import msgspec
import pytest
import sqlalchemy as sa

import hpc
from provenance_store import Store, decode_batch, encode_batch, open_store, upgrade_store
from provenance_store.batch import FORMAT
from provenance_store.errors import InvalidInput
from provenance_store.opening import engine_at
from provenance_store.service import StoreService
from provenance_store.sql import schema

FIXTURES = Path(__file__).parents[1] / "fixtures" / "format-1"
SCAN = "urn:braid:5f8a3c1e-9d2b-4e77-8a10-3b6c0d9e4f21:3"


def test_a_batch_of_the_first_format_is_written_as_it_was_meant(store: Store) -> None:
    StoreService(store).write(decode_batch((FIXTURES / "batch.msgpack").read_bytes()))
    assert store.check() == []
    scan = store.documents().record(SCAN)
    assert scan["name"] == "scan"
    assert scan["tags"] == {"sample": "Ni", "hot": True, "temperature_K": 300.5, "count": 1}
    assert [uri["uri"] for uri in scan["uris"]][-1] == "globus://6C54CADE/data/a b.h5"
    assert store.documents().find_uri("globus://6c54cade/data/a%20b.h5") == store.sink.resolve(SCAN)
    (line,) = store.documents().models()["models"]
    version = store.documents().model_version(line["latest"]["id"])
    assert version["metrics"] == [{"epoch": 1, "loss": 0.5}, {"epoch": 2, "loss": None}]


def test_a_spool_file_of_the_first_format_comes_in_twice_without_a_conflict(
    store: Store, tmp_path: Path
) -> None:
    for _ in range(2):
        new = tmp_path / "spool" / "new"
        new.mkdir(parents=True, exist_ok=True)
        shutil.copy(FIXTURES / "spool.braid", new)
        report = hpc.load_spool(store, tmp_path / "spool")
        assert (report.files, report.bad) == (1, [])
    assert store.info()["records"]["data"] == 1


def test_a_batch_of_a_newer_format_is_refused_and_not_read_in_part() -> None:
    newer = {**msgspec.msgpack.decode((FIXTURES / "batch.msgpack").read_bytes())}
    for more in ({"format": FORMAT + 1}, {"campaign": [[1, 2]]}):
        with pytest.raises(InvalidInput, match="newest Braid"):
            decode_batch(msgspec.msgpack.encode({**newer, **more}))


def test_a_batch_says_its_format_and_only_the_tables_that_have_rows() -> None:
    batch = decode_batch((FIXTURES / "batch.msgpack").read_bytes())
    names = msgspec.msgpack.decode(encode_batch(batch))
    assert names["format"] == 2
    assert "action" not in names
    assert decode_batch(encode_batch(batch)) == batch


# ---- stores --------------------------------------------------------------------------------


@pytest.fixture
def old_url(empty_url: str) -> str:
    """A store of the first schema, with what its version wrote of two records."""
    engine = engine_at(empty_url, create=True)
    schema.upgrade(engine, "0001")
    with engine.begin() as connection:
        for statement in OLD_ROWS:
            connection.execute(sa.text(statement))
    engine.dispose()
    return empty_url


UUID = "00000000-0000-4000-8000-000000000001"
ONE, TWO, TAG, MARK, EVENT = ((1 << 32) + n for n in range(1, 6))
AT = 1_764_000_000_000_000
OLD_ROWS = (  # of constants alone
    "INSERT INTO origin (uuid, who, host, process, software, started_at) VALUES "
    f"('{UUID}', 'urn:globus:auth:identity:ada', 'h', 1, 's', {AT})",
    "INSERT INTO audience VALUES ('sha256:a', 'urn:globus:auth:identity:ada')",
    "INSERT INTO audience_member VALUES ('sha256:a', 'urn:globus:auth:identity:ada', 2)",
    f"INSERT INTO record VALUES ({ONE}, 2, 'scan', {AT}, 0, 'r1', NULL, NULL)",
    f"INSERT INTO record VALUES ({TWO}, 3, 'net', {AT}, 0, 'r1', NULL, NULL)",
    f"INSERT INTO version VALUES ({TWO}, {TWO}, NULL, 0)",
    f"INSERT INTO link VALUES ({ONE}, {TWO}, 5)",
    f"INSERT INTO uri VALUES ({ONE}, 'globus://C/a b.h5', 7, 'sha256:ab', NULL)",
    f"INSERT INTO tag VALUES ({ONE}, 'T', {TAG}, 3, 'np.float64(293.5)', 293.5, {AT})",
    f"INSERT INTO tag VALUES ({ONE}, 'good', {TAG}, 3, '293.5', 293.5, {AT})",
    f"INSERT INTO tag VALUES ({ONE}, 'odd', {TAG}, 2, 'seven', 7, {AT})",
    f"INSERT INTO metric VALUES ({TWO}, 1, 'loss', 1, 0.5)",
    f"INSERT INTO metric VALUES ({TWO}, 1, 'loss', 2, NULL)",
    f"INSERT INTO mark VALUES ({MARK}, {ONE}, 2, {AT}, 'bad', {ONE})",
    f"INSERT INTO taint VALUES ({ONE}, {ONE})",
    f"INSERT INTO taint VALUES ({TWO}, {ONE})",
    f"INSERT INTO run_event VALUES ('r1', {EVENT}, {AT}, NULL, NULL, 'Ni', 'ACTIVE', NULL, {AT}, "
    "NULL, 'sha256:a')",
    f"INSERT INTO run VALUES ('r1', NULL, NULL, 'Ni', 'ACTIVE', NULL, {AT}, NULL, 'sha256:a')",
)


def test_a_store_of_the_first_schema_is_upgraded_with_all_that_it_holds(old_url: str) -> None:
    upgrade_store(old_url)
    with open_store(old_url) as store:
        scan = store.documents().records(name="scan")["records"][0]
        assert scan["tags"] == {"T": 293.5, "good": 293.5, "odd": "seven"}
        assert scan["invalidated"]["cause"] == "bad"
        assert store.documents().find_uri("globus://c/a%20b.h5") == ONE
        net = store.documents().records(name="net")["records"][0]
        assert "invalidated" in net
        version = store.documents().model_version(net["id"])
        assert version["metrics"] == [{"epoch": 1, "loss": 0.5}, {"epoch": 2, "loss": None}]
        assert store.documents().run("r1")["status"] == "ACTIVE"
        ada = store.documents(_viewer("urn:globus:auth:identity:ada"))
        assert len(ada.records()["records"]) == 2
        assert store.documents(_viewer("urn:globus:auth:identity:bob")).records()["records"] == []
        store.data("later", depends_on=[scan["id"]])


def test_a_number_that_was_kept_as_numpy_writes_it_is_one_again_after_the_upgrade(
    old_url: str, tmp_path: Path
) -> None:
    upgrade_store(old_url)
    with open_store(old_url) as store:
        assert store.documents().records(tags=["T>290"])["records"][0]["name"] == "scan"
        assert store.repair() == []
        # The value that was written stays in the history, and the copy is mended alike.
        store.slice(tmp_path / "part.db", run_ids=["r1"])
        with open_store(f"sqlite:///{tmp_path / 'other.db'}") as other:
            other.merge(tmp_path / "part.db")
            assert other.documents().records(tags=["T=293.5"])["records"][0]["name"] == "scan"
            other.merge(tmp_path / "part.db")
        assert store.check() == []


def test_what_no_reader_understands_is_shown_and_stands_in_nobodys_way(tmp_path: Path) -> None:
    file = tmp_path / "store.db"
    with open_store(f"sqlite:///{file}") as store:
        scan = store.data("scan", tags={"T": 1.5, "n": 3}, uris=["file:///x"])
        with store.step("s", parameters={"a": 1}) as step:
            made = step.output("out", depends_on=[scan])
        model = store.model("net", metrics=[{"loss": 1.0}])
    with closing(sqlite3.connect(file)) as connection, connection:
        for statement in (
            "UPDATE tag SET text = 'np.float64(nan)' WHERE name = 'T'",
            "UPDATE tag SET text = 'tensor([3])' WHERE name = 'n'",
            "UPDATE payload SET document = '{broken' WHERE name = 'parameters'",
            "UPDATE step SET started_at = '2026-11-29 12:00:00+00:00'",
            "UPDATE record SET kind = 99 WHERE name = 'out'",
            "UPDATE metric SET special = 77, value = NULL",
        ):
            assert connection.execute(statement).rowcount == 1
    with open_store(f"sqlite:///{file}") as store:
        reader = store.documents()
        documents = reader.records()["records"]
        shown = {document["name"]: document for document in documents}
        assert shown["scan"]["tags"] == {"T": "NaN", "n": "tensor([3])"}
        assert shown["out"]["kind"] == "unknown_99"
        assert shown["s"]["start_time"] == "2026-11-29 12:00:00+00:00"
        assert reader.record(step.urn)["parameters"] == {"_unreadable": "{broken"}
        assert reader.model_version(model.urn)["metrics"] == [{"epoch": 0, "loss": None}]
        assert len(reader.lineage(made.urn)["nodes"]) == 3
        assert reader.statement(model.urn)["subject"]
        assert reader.extract(everything=True).records
        dry = store.repair(dry_run=True)
        assert store.documents().record(step.urn)["start_time"] == "2026-11-29 12:00:00+00:00"
        assert store.repair() == dry
        assert [mended.field for mended in dry] == ["tag T", "tag n", "step.started_at"]
        assert reader.record(step.urn)["start_time"] == "2026-11-29T12:00:00.000000+00:00"
        assert store.repair() == []


def test_the_check_names_all_tags_that_repair_mends_and_none_afterwards(tmp_path: Path) -> None:
    file = tmp_path / "store.db"
    with open_store(f"sqlite:///{file}") as store:
        store.data("scan", tags={"T": 1.5, "n": 3, "dark": True, "fine": 2.5})
    with closing(sqlite3.connect(file)) as connection, connection:
        for name, text in (
            ("T", "np.float64(2.5)"),
            ("n", "tensor(3)"),
            ("dark", "np.bool_(True)"),
        ):
            connection.execute("UPDATE tag SET text = ? WHERE name = ?", (text, name))
    with open_store(f"sqlite:///{file}") as store:
        (problem,) = store.check()
        for told in ("T of 1.1", "n of 1.1", "dark of 1.1", "np.bool_(True)", "braid store repair"):
            assert told in problem
        assert [mended.after for mended in store.repair()] == ["2.5", "true", "3"]
        assert store.documents().records()["records"][0]["tags"] == {
            "T": 2.5,
            "n": 3,
            "dark": True,
            "fine": 2.5,
        }
        assert store.check() == [] == store.repair()


def _viewer(urn: str) -> object:
    from provenance_store import Viewer

    return Viewer(frozenset({urn}))
