"""What is invalid, and all that derives from it, is shown as such; nothing is ever deleted."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest
import sqlalchemy as sa

from provenance_store import Audience, Mark, Store, Viewer
from provenance_store.batch import Batch
from provenance_store.errors import Conflict, NotAllowed, NotFound, TooLarge
from provenance_store.ids import now
from provenance_store.recording.recorder import Recorder
from provenance_store.rows import MarkRow
from provenance_store.service import StoreService
from provenance_store.sink import MemorySink

ANNA, BEN = "urn:globus:auth:identity:anna", "urn:globus:auth:identity:ben"


def science(recorder: Recorder) -> dict[str, Any]:
    """A scan in a dataset, a model trained on it, an inference; and a scan beside them."""
    scan, other = recorder.data("scan"), recorder.data("other scan")
    dataset = recorder.dataset("scans", [scan, other])
    first = recorder.model("net")
    second = recorder.update(first, [dataset])
    with recorder.step("Infer", inputs=[other], models=[second]) as infer:
        peaks = infer.output("peaks")
    later = recorder.step("Notify", informed_by=[infer])
    made = {"scan": scan, "other": other, "dataset": dataset, "first": first, "second": second}
    return made | {"infer": infer, "peaks": peaks, "later": later}


def invalid(store: Store, made: dict[str, Any]) -> set[str]:
    """The names of those that are shown as invalid."""
    read = store.documents()
    return {name for name, handle in made.items() if "invalidated" in read.record(handle.urn)}


def test_all_that_derives_from_a_record_is_invalid_with_its_cause(store: Store) -> None:
    made = science(store)
    said = store.invalidate(made["scan"].urn, cause="detector misaligned")
    assert invalid(store, made) == {"scan", "dataset", "second", "infer", "peaks"}
    peaks = store.documents().record(made["peaks"].urn)
    assert peaks["invalidated"] == {
        "at": said.to_dict()["at"],
        "cause": "detector misaligned",
        "root": made["scan"].urn,
    }
    assert said.count == 4
    assert said.kinds == {"dataset": 1, "model": 1, "step": 1, "data": 1}
    assert [mention["name"] for mention in said.first] == ["scans", "net", "Infer", "peaks"]
    assert store.check() == []


def test_what_mentions_the_invalid_says_so(store: Store) -> None:
    made = science(store)
    store.run("r", status="SUCCEEDED")
    with store.recorder(run_id="r").step("Use", inputs=[made["scan"]]) as step:
        step.output("result")
    store.invalidate(made["scan"].urn, cause="bad")
    read = store.documents()
    (shown,) = read.run("r")["steps"]
    assert shown["invalidated"]["cause"] == "bad"
    assert shown["inputs"][0]["invalidated"]["root"] == made["scan"].urn
    assert shown["outputs"][0]["invalidated"]["root"] == made["scan"].urn
    links = {link["name"]: link for link in read.record(made["infer"].urn)["links"]}
    assert "invalidated" in links["net"]
    assert "invalidated" not in links["other scan"]
    assert "invalidated" in read.models()["models"][0]["latest"]
    first, second = read.model("net")["versions"]
    assert "invalidated" not in first
    assert "invalidated" in second


def test_what_is_recorded_later_from_the_invalid_is_invalid_too(store: Store) -> None:
    made = science(store)
    store.invalidate(made["scan"].urn, cause="bad")
    made["third"] = store.update(made["second"])
    with store.transaction(), store.step("Again", models=[made["third"]]) as step:
        made["again"] = step.output("peaks")
    made["apart"] = store.data("apart", depends_on=[made["other"]])
    sink = MemorySink()
    elsewhere = Recorder(sink, environment=None)
    batch_made = elsewhere.data("far", depends_on=[made["again"].urn])
    number = made["again"].urn.split(":")[2]
    batch = sink.batch
    origin = batch.origin[0]._replace(no=batch.link[0][0] >> 32, uuid=number, who="")
    batch.origin.append(origin)
    StoreService(store).write(batch)
    names = invalid(store, made)
    assert {"third", "again"} <= names
    assert "apart" not in names
    far = store.documents().records(name="far")["records"][0]
    assert far["id"] == batch_made.urn
    assert far["invalidated"]["root"] == made["scan"].urn


def test_a_bulk_load_from_the_invalid_is_invalid_too(store: Store) -> None:
    made = science(store)
    store.invalidate(made["scan"].urn, cause="bad")
    with store.bulk_load() as load:
        made["loaded"] = load.data("loaded", depends_on=[made["peaks"]])
        made["next"] = load.data("next", depends_on=[made["loaded"]])
        made["apart"] = load.data("apart")
    assert {"loaded", "next"} <= invalid(store, made)
    assert "apart" not in invalid(store, made)


def test_a_dry_run_says_the_same_and_changes_nothing(store: Store) -> None:
    made = science(store)
    before = store.info()
    told = store.invalidate(made["scan"].urn, cause="bad", dry_run=True)
    assert store.info()["tables"] == before["tables"]
    done = store.invalidate(made["scan"].urn, cause="bad").to_dict()
    assert done | {"at": None} == told.to_dict()


def test_an_undo_takes_it_back_and_keeps_the_history(store: Store) -> None:
    made = science(store)
    store.invalidate(made["scan"].urn, cause="bad")
    store.restore(made["scan"].urn, cause="a mistake", dry_run=True)
    assert "scan" in invalid(store, made)
    store.restore(made["scan"].urn, cause="a mistake")
    assert invalid(store, made) == set()
    said = store.documents().record(made["scan"].urn)["marks"]
    assert [(m["mark"], m["note"]) for m in said] == [
        ("invalidated", "bad"),
        ("restored", "a mistake"),
    ]
    store.invalidate(made["scan"].urn, cause="bad after all")
    assert store.documents().record(made["peaks"].urn)["invalidated"]["cause"] == "bad after all"


def test_of_several_causes_each_is_taken_back_on_its_own(store: Store) -> None:
    made = science(store)
    store.invalidate(made["scan"].urn, cause="first")
    store.invalidate(made["other"].urn, cause="second")
    assert store.documents().record(made["peaks"].urn)["invalidated"]["cause"] == "first"
    store.restore(made["scan"].urn)
    assert store.documents().record(made["peaks"].urn)["invalidated"]["cause"] == "second"
    store.restore(made["other"].urn)
    assert invalid(store, made) == set()


def test_only_what_was_invalidated_itself_can_be_restored(store: Store) -> None:
    made = science(store)
    with pytest.raises(Conflict, match="is not invalid"):
        store.restore(made["scan"].urn)
    store.invalidate(made["scan"].urn, cause="bad")
    with pytest.raises(Conflict, match=f"restore that: {made['scan'].urn}"):
        store.restore(made["peaks"].urn)


def test_only_who_manages_a_record_invalidates_it(store: Store) -> None:
    hers = store.recorder(audience=Audience(ANNA, readers=(BEN,)))
    scan, hidden = hers.data("scan"), store.recorder(audience=Audience(ANNA)).data("hidden")
    ben, anna = Viewer(frozenset({BEN})), Viewer(frozenset({ANNA}))
    with pytest.raises(NotAllowed):
        store.invalidate(scan.urn, cause="bad", viewer=ben)
    with pytest.raises(NotFound):
        store.invalidate(hidden.urn, cause="bad", viewer=ben)
    with pytest.raises(NotFound):
        store.invalidate("urn:braid:00000000-0000-0000-0000-000000000000:1", cause="bad")
    assert store.documents().record(scan.urn).get("invalidated") is None
    store.invalidate(hidden.urn, cause="bad", viewer=anna)
    derived = hers.data("derived", depends_on=[hidden])
    shown = store.documents(ben).record(derived.urn)["invalidated"]
    told = "a record that you may not see was invalidated"
    assert shown == {"at": None, "cause": told, "root": "restricted"}
    statement = store.documents(ben).statement(derived.urn)
    assert list(statement["predicate"]["evidence"]["invalidated"].values()) == [shown]
    store.invalidate(scan.urn, cause="seen", viewer=anna)
    both = hers.data("of both", depends_on=[hidden, scan])
    assert store.documents(ben).record(both.urn)["invalidated"]["root"] == scan.urn


def test_cycles_end(store: Store) -> None:
    live = store.data("live", live=True)
    around = store.data("around", depends_on=[live])
    live.add(depends_on=[around])
    store.invalidate(live.urn, cause="bad")
    made = {"live": live, "around": around}
    assert invalid(store, made) == {"live", "around"}
    made["late"] = store.data("late", live=True)
    made["after"] = store.data("after", depends_on=[made["late"]])
    made["late"].add(depends_on=[around])
    assert invalid(store, made) == set(made)


def test_a_mark_that_is_recorded_is_followed_as_well(store: Store) -> None:
    made = science(store)
    store.mark(made["scan"], Mark.INVALIDATED, "said by a script")
    assert "peaks" in invalid(store, made)


def test_nothing_escapes_that_is_recorded_meanwhile(store: Store) -> None:
    """Writers add to the chain while its root is invalidated: all of it is invalid after."""
    root = store.data("root")
    ends: list[Any] = []
    stop = threading.Event()

    def write() -> None:
        last = root
        while not stop.is_set() or last is root:
            last = store.data("next", depends_on=[last])
            ends.append(last)

    threads = [threading.Thread(target=write) for _ in range(3)]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + 30
    while len(ends) < 20 and time.monotonic() < deadline:
        time.sleep(0.001)
    store.invalidate(root.urn, cause="bad")
    stop.set()
    for thread in threads:
        thread.join()
    assert store.info()["tables"]["taint"] == len(ends) + 1


def test_many_invalid_records_that_all_have_much_behind_them_are_too_large_for_one_batch(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("provenance_store.sql.validity.MAX_FOLLOWING", 50)
    roots = [store.data("root") for _ in range(10)]
    hub = store.data("hub", depends_on=roots)
    for _ in range(10):
        store.data("leaf", depends_on=[hub])
    batch = store.sink.new_batch()
    for root in roots:
        batch.mark.append(MarkRow(store.sink.new_id(), root.id, 2, 1, "bad", root.id))
    with pytest.raises(TooLarge, match="More than 50"):
        store.sink.write(batch)
    assert store.info()["tables"]["taint"] == 0
    store.invalidate(roots[0].urn, cause="bad")
    assert store.info()["tables"]["taint"] == 12


@pytest.mark.parametrize("together", [1, 2])
def test_links_of_others_wait_for_an_invalidation_that_is_written_again(
    store: Store, together: int
) -> None:
    scan = store.data("scan")
    cause = MarkRow(store.sink.new_id(), scan.id, Mark.INVALIDATED.value, now(), "bad", scan.id)
    store.sink.write(Batch(mark=[cause]))
    held: list[bool] = []

    def look(connection: sa.Connection) -> None:
        if connection.dialect.name == "sqlite":  # who writes has the file for itself
            return held.append(connection.connection.driver_connection.in_transaction)  # type: ignore[union-attr]
        locks = sa.text(
            "SELECT mode FROM pg_locks WHERE pid = pg_backend_pid() AND relation = 'link'::regclass"
        )
        held.append("ShareRowExclusiveLock" in connection.execute(locks).scalars().all())

    jobs = [(Batch(mark=[cause]), look)] * together
    assert store.sink.writer.write_many(jobs) == [None] * together
    assert held == [True] * together


def test_the_answer_has_a_datetime_as_the_answers_of_readers_do(store: Store) -> None:
    scan = store.data("scan")
    assert store.invalidate(scan, cause="bad", dry_run=True).at is None
    said = store.invalidate(scan, cause="bad")
    (mark,) = store.reader().record(scan).marks
    assert said.at == mark.at
    assert said.to_dict()["at"] == mark.to_dict()["at"]
