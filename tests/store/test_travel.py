"""What travels between processes: handles, batches, and origins known only by their UUID."""

from __future__ import annotations

import copy
import pickle

import pytest

from provenance_store import Recorder, Store, open_store
from provenance_store.errors import Conflict, InvalidInput
from provenance_store.rows import OriginRow
from provenance_store.service import StoreService
from provenance_store.sink import MemorySink, new_origin


def travelled(handle: object) -> object:
    return pickle.loads(pickle.dumps(handle))


def test_a_handle_that_was_sent_can_be_depended_on_and_updated(store: Store) -> None:
    scan = travelled(store.data("scan"))
    model = travelled(store.model("net").update([scan]))
    following = store.update(model, [scan])  # type: ignore[arg-type]
    assert following.version == 2
    document = store.documents().record(following.urn)
    assert {link["name"] for link in document["links"]} == {"net", "scan"}
    assert store.check() == []


def test_a_handle_that_was_sent_keeps_its_name_but_records_nothing_by_itself() -> None:
    recorder = Recorder(MemorySink())
    scan, model = recorder.data("scan", live=True), recorder.model("net")
    arrived = travelled(scan)
    assert (arrived.urn, arrived.name, arrived.kind) == (scan.urn, "scan", scan.kind)  # type: ignore[attr-defined]
    assert arrived == travelled(scan)
    assert arrived != scan
    with pytest.raises(InvalidInput, match=r"recorder\.update"):
        travelled(model).update([scan])  # type: ignore[attr-defined]
    with pytest.raises(InvalidInput, match="another process"):
        arrived.promote()  # type: ignore[attr-defined]


def test_a_copied_handle_is_the_handle() -> None:
    model = Recorder(MemorySink()).model("net")
    assert copy.copy(model) is model
    assert copy.deepcopy([model]) == [model]


def test_several_batches_are_written_at_once_and_a_refused_one_leaves_the_others(
    store: Store,
) -> None:
    batches = []
    for n in range(4):
        recorder = Recorder(MemorySink(), environment=None)
        recorder.data(f"scan-{n}", uris=[f"file:///{n}"])
        batches.append(recorder.sink.batch)  # type: ignore[attr-defined]
    alien = copy.deepcopy(batches[0])
    alien.origin.clear()
    changed = copy.deepcopy(batches[1])
    changed.record[0] = changed.record[0]._replace(name="another")
    answers = StoreService(store).write_parts([*batches, alien, changed, batches[2]])
    refused = [[type(part.error) for part in parts] for parts in answers]
    assert refused == [
        *[[]] * 4,
        [InvalidInput],
        [Conflict],
        [],
    ]
    assert store.info()["records"]["data"] == 4
    assert store.check() == []


def test_an_origin_known_by_its_uuid_alone_is_filled_in_later(store_url: str) -> None:
    whole = new_origin(5)
    blank = OriginRow(9, whole.uuid, "", "", 0, "", 0)
    with open_store(store_url) as store, open_store(store_url) as other:
        number = store.sink.number_of(blank)
        assert store.sink.number_of(blank) == number
        assert other.sink.number_of(whole) == number
        assert store.sink.number_of(whole) == number
        assert store.sink.number_of(blank) == number
        assert store.info()["origins"] == 1
        with store.sink.session.read() as connection:
            from provenance_store.sql.tables import TABLE

            stored = OriginRow(*connection.execute(TABLE["origin"].select()).one()[:7])
        assert stored == whole._replace(no=number)
