"""Batches: identity, idempotence, conflicts."""

from __future__ import annotations

import threading

import pytest

from provenance_store import Batch, Recorder, Store, decode_batch, encode_batch, open_store
from provenance_store.errors import Conflict, InvalidInput
from provenance_store.ids import make_id
from provenance_store.rows import ActionRow, LinkRow, RecordRow
from provenance_store.service import StoreService
from provenance_store.sink import MemorySink


def travelled(number: int = 7) -> Batch:
    """A batch made elsewhere, by an origin that calls itself by `number`, through the wire."""
    from provenance_store.sink import new_origin

    recorder = Recorder(MemorySink(origin=new_origin(number)))
    scan = recorder.data("scan", uris=["globus://c/scan"], tags={"t": 1})
    model = recorder.model("m").update([scan], metrics=[{"epoch": 1, "loss": 0.1}])
    with recorder.step("Train", inputs=[scan], models=[model], parameters={"a": 1}) as step:
        step.output("weights")
    recorder.run("r1", label="x", tags=["t"])
    assert isinstance(recorder.sink, MemorySink)
    return decode_batch(encode_batch(recorder.sink.batch))


def test_a_batch_keeps_its_urns_when_it_is_renumbered(store: Store) -> None:
    store.data("takes origin number 1")
    batch = travelled(number=7)
    StoreService(store).write(batch)
    uuid = batch.origin[0].uuid
    assert store.documents().record(f"urn:braid:{uuid}:1")["name"] == "scan"
    assert store.documents().model("m")["versions"][1]["id"].startswith(f"urn:braid:{uuid}:")
    assert store.check() == []


def test_writing_a_batch_again_changes_nothing(store: Store) -> None:
    batch = travelled()
    StoreService(store).write(batch)
    before = store.info()
    StoreService(store).write(batch)
    StoreService(store).write(decode_batch(encode_batch(batch)))
    assert store.info() == before


def test_a_batch_that_is_partly_there_is_completed(store: Store) -> None:
    batch = travelled()
    StoreService(store).write(Batch(origin=batch.origin, record=batch.record[:1], uri=batch.uri))
    StoreService(store).write(batch)
    tables = store.info()["tables"]
    assert {name: tables[name] for name in ("record", "link", "uri")} == {
        "record": len(batch.record),
        "link": len(batch.link),
        "uri": len(batch.uri),
    }


def test_the_same_id_with_other_content_is_a_conflict_that_names_both(store: Store) -> None:
    batch = travelled()
    StoreService(store).write(batch)
    before = store.info()
    other = decode_batch(encode_batch(batch))
    other.record[0] = other.record[0]._replace(name="another scan")
    other.record.append(batch.record[0]._replace(id=make_id(7, 4_000_000)))
    with pytest.raises(Conflict) as caught:
        StoreService(store).write(other)
    assert caught.value.field == "record.name"
    assert (caught.value.stored, caught.value.given) == ("scan", "another scan")
    assert store.info() == before


def test_a_batch_must_carry_the_origins_that_it_mentions(store: Store) -> None:
    batch = travelled()
    batch.link.append(LinkRow(make_id(99, 1), batch.record[0].id, 4))
    with pytest.raises(InvalidInput, match="no origin"):
        StoreService(store).write(batch)
    assert sum(store.info()["records"].values()) == 0


def test_a_link_from_an_unknown_record_is_refused(store: Store) -> None:
    batch = travelled()
    batch.link.append(LinkRow(batch.record[0].id, make_id(7, 12345), 4))
    with pytest.raises(InvalidInput, match="is not a record"):
        StoreService(store).write(batch)


@pytest.mark.parametrize("data", [b"", b"\xc1", b"\x81\xa6record\x01", b"[1]", b"\x90" * 10])
def test_what_is_not_a_batch_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidInput, match="not a batch"):
        decode_batch(data)


def test_threads_share_commits_and_each_gets_its_own_answer(store: Store) -> None:
    cfg = store.fact("cfg")
    static = store.data("static")
    errors: list[Exception] = []

    def work(number: int) -> None:
        for n in range(20):
            store.data(f"{number}-{n}", depends_on=[cfg])
            try:
                static.add(uris=[f"file:///{number}/{n}"])
            except Conflict as error:
                errors.append(error)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(errors) == 160
    assert store.info()["records"]["data"] == 161
    assert store.info()["tables"]["uri"] == 0


def test_an_action_and_its_records_are_written_together_or_not_at_all(store: Store) -> None:
    def action(action_id: str) -> ActionRow:
        return ActionRow(action_id, "urn:a", "request", "d", "SUCCEEDED", "{}", None, "x", 1, 2)

    with store.transaction() as batch:
        store.data("one")
        batch.action.append(action("a1"))
    with pytest.raises(Conflict), store.transaction() as batch:
        store.data("two")
        batch.action.append(action("a2"))
    assert store.info()["records"]["data"] == 1
    assert StoreService(store).actions.by_request("urn:a", "request") == action("a1")
    assert StoreService(store).actions.purge(now=3) == 1
    assert StoreService(store).actions.get("a1") is None


def test_a_large_batch_is_written_whole(store: Store) -> None:
    with store.transaction():
        scans = [store.data(f"scan-{n}", uris=[f"file:///{n}"]) for n in range(5000)]
        store.model("m").update(scans)
    assert store.info()["tables"]["link"] == 5001
    end = store.sink.urn(store.documents().heads("m")[0].id)
    assert len(store.documents().lineage(end)["nodes"]) == 5002


def test_two_sessions_never_hand_out_the_same_id(store_url: str) -> None:
    with open_store(store_url) as one, open_store(store_url) as two:
        ids = {r.id for s in (one, two) for r in (s.data("a"), s.data("b"))}
        assert len(ids) == 4
        assert one.info()["origins"] == 2


def test_rows_are_plain_tuples_in_the_order_of_their_columns() -> None:
    from provenance_store import rows
    from provenance_store.batch import TABLES
    from provenance_store.sql.insert import told
    from provenance_store.sql.tables import TABLE

    for name in TABLES:
        row_type = getattr(rows, "".join(part.title() for part in name.split("_")) + "Row")
        assert row_type._fields == tuple(column.name for column in told(TABLE[name])), name
    assert isinstance(RecordRow(1, 2, "n", 3, 0, None, None, None), tuple)


def test_only_what_holds_its_records_is_written_as_held(store: Store) -> None:
    service = StoreService(store)
    held = service.recorder(held=True)
    held.data("held")
    with pytest.raises(TypeError, match="held=True"):
        service.write_held([store.recorder(), held])
    assert service.write_held([held]) == [None]
    assert [row.name for row in store.reader().records()] == ["held"]
