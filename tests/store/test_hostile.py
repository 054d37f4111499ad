"""Whatever a stranger hands over, by whichever entrance: the store can be used afterwards."""

from __future__ import annotations

import logging
import random
from pathlib import Path
from typing import Any

import pytest

import hpc
from hpc.spooling.files import SpoolWriter
from provenance_store import Batch, Store, decode_batch, encode_batch, open_store
from provenance_store.errors import Ambiguous, BraidError, Conflict, InvalidInput, NotFound, Sealed
from provenance_store.recording.recorder import NOTE_TAG, Recorder
from provenance_store.rows import LinkRow, RecordRow
from provenance_store.service import StoreService
from provenance_store.sink import MemorySink
from provenance_store.sinks.database import BatchRefused
from provenance_store.validation.batches import gated
from provenance_store.validation.limits import Gate
from tests.support.hostile import (
    PARAMETERS,
    REFERENCES,
    SENSIBLE,
    Caller,
    Changing,
    FivePath,
    Itself,
    Liar,
    harmed,
    mutated,
    odd_values,
)

DANGLING = "link.to_id names records that are not there"
"""What a batch depends on may come later; until then the check says so."""


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)


@pytest.fixture
def plain(tmp_path: Path) -> Any:
    with open_store(f"sqlite:///{tmp_path / 's.db'}") as opened:
        yield opened


def sensible(store: Store, call: str) -> dict[str, Any]:
    """Arguments that a call takes without a note."""
    fitting = {
        "step": lambda: store.step("s"),
        "record": lambda: store.data("x", live=True),
        "version": lambda: store.model("m"),
        "records": lambda: store.data("x"),
    }
    given: dict[str, Any] = {}
    for name in PARAMETERS[call]:
        if name in fitting:
            given[name] = fitting[name]()
        elif name in SENSIBLE and (name, call) != ("tags", "run"):
            given[name] = SENSIBLE[name]
    return given


@pytest.mark.parametrize("call", PARAMETERS)
def test_no_value_of_any_parameter_stops_the_script(plain: Store, call: str) -> None:
    surprising = []
    for number, parameter in enumerate(PARAMETERS[call]):
        usual = sensible(plain, call)
        for value in odd_values()[number % 2 :: 2]:
            if call in ("finish", "payload"):  # once for each record
                usual = sensible(plain, call)
            given = {**usual, parameter: value}
            try:
                getattr(plain, call)(**given)
            except (Ambiguous, InvalidInput, NotFound, Sealed) as error:
                # What is no record, run or digest of a file, or a name that several records have:
                # nothing can stand in for it.
                if parameter not in {*REFERENCES, "run_id", "uri", "size", "digest"}:
                    surprising.append(f"{parameter}={type(value).__name__}: {error}")
                assert "\n" not in error.message
            except Exception as error:
                surprising.append(f"{parameter}={type(value).__name__}: {error!r}")
    assert surprising == []
    assert plain.check() == []


@pytest.mark.parametrize("call", PARAMETERS)
def test_a_strict_recorder_refuses_with_a_sentence_and_writes_nothing(
    plain: Store, call: str
) -> None:
    strict = Recorder(plain.sink, environment=None, strict=True)
    for number, parameter in enumerate(PARAMETERS[call]):
        for value in odd_values()[number % 8 :: 8]:
            given = {**sensible(plain, call), parameter: value}
            before = plain.info()["tables"]
            try:
                getattr(strict, call)(**given)
            except BraidError as error:
                assert "\n" not in error.message
                assert plain.info()["tables"] == before
    assert plain.check() == []


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("entrance", ["script", "together", "bulk", "spool"])
def test_calls_at_random_leave_a_store_that_can_be_used(
    tmp_path: Path, entrance: str, seed: int
) -> None:
    chance = random.Random(f"{entrance} {seed}")
    allowed = (InvalidInput, NotFound, Conflict)
    with open_store(f"sqlite:///{tmp_path / 's.db'}") as store:
        if entrance == "spool":
            with hpc.spool(tmp_path / "spool") as recorder:
                caller = many(recorder, chance, allowed)
            hpc.load_spool(store, tmp_path / "spool")
        elif entrance == "bulk":
            with store.bulk_load() as recorder:
                caller = many(recorder, chance, allowed)
        elif entrance == "together":
            try:
                with store.transaction():
                    caller = many(store, chance, allowed)
            except Conflict as error:  # two documents of one name: the block is refused
                assert "\n" not in error.message
        else:
            caller = many(store, chance, allowed)
    assert caller.errors == []
    assert harmed(tmp_path / "s.db", tmp_path) == []


def many(recorder: Recorder, chance: random.Random, allowed: Any) -> Caller:
    caller = Caller(recorder, chance)
    for _ in range(40):
        caller.call(allowed)
    if recorder.sink.__class__.__name__ == "BulkSink":
        caller.errors = [e for e in caller.errors if "new records only" not in e]
    return caller


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("entrance", ["spool", "ranks", "batch"])
def test_rows_that_no_recorder_writes_leave_a_store_that_can_be_used(
    tmp_path: Path, entrance: str, seed: int
) -> None:
    chance = random.Random(f"{entrance} {seed}")
    sink = MemorySink()
    caller = Caller(Recorder(sink, environment=None, run_id="r1"), chance)
    caller.values = ["x", 1, 1.5, None, {"a": 1}]
    while len(sink.batches) < 12:
        caller.call((BraidError,))
    batch = Batch.joined(sink.batches) if seed % 2 else Batch.merged(sink.batches)
    batch.origin = [sink.origin]
    # Ranks have made their rows themselves: only how these go together is looked at again.
    try:
        batch = decode_batch(encode_batch(mutated(batch, chance, texts=entrance != "ranks")))
    except InvalidInput:
        return  # of another type than the column: no entrance reads it
    with open_store(f"sqlite:///{tmp_path / 's.db'}") as store:
        if entrance == "ranks":
            refused = [
                one.error.message
                for found in StoreService(store).write_parts([batch])
                for one in found
            ]
            assert not any("cannot be stored" in message for message in refused)
        elif entrance == "spool":
            spooled(tmp_path / "spool", batch)
            hpc.load_spool(store, tmp_path / "spool")
        else:
            try:
                StoreService(store).write(gated(Gate(), batch, limit=65_536))
            except BraidError as error:
                assert "\n" not in error.message
    found = harmed(tmp_path / "s.db", tmp_path)
    assert [sentence for sentence in found if DANGLING not in sentence] == []


def spooled(folder: Path, *batches: Batch) -> None:
    writer = SpoolWriter(folder)
    for batch in batches:
        writer.append(encode_batch(batch))
    writer.finish()


# ---- each kind by itself -----------------------------------------------------------------


def parts(*of: Any) -> tuple[MemorySink, Batch]:
    """A batch of several parts, each made by a function of a recorder."""
    sink = MemorySink()
    recorder = Recorder(sink, environment=None)
    for make in of:
        make(recorder)
    batch = Batch.joined(sink.batches)
    batch.origin = [sink.origin]
    return sink, batch


def without_its_row(recorder: Recorder) -> None:
    with recorder.transaction() as batch:
        recorder.step("half")
        batch.step.clear()


def of_nowhere(recorder: Recorder) -> None:
    with recorder.transaction() as batch:
        made = recorder.data("tagged", tags={"a": 1})
        batch.record.clear()
        batch.tag[:] = [row._replace(record_id=made.id + 1000) for row in batch.tag]


def turning(recorder: Recorder) -> None:
    one = recorder.data("one", live=True)
    two = recorder.data("two", depends_on=[one])
    sink = recorder.sink
    sink.write(Batch(link=[LinkRow(two.id, one.id, 4)]))


BAD = {"a step without its row": without_its_row, "nowhere": of_nowhere, "a cycle": turning}


@pytest.mark.parametrize("bad", BAD)
def test_a_spool_file_sets_aside_what_does_not_go_together_and_nothing_else(
    store: Store, tmp_path: Path, bad: str
) -> None:
    _, batch = parts(lambda r: r.data("before"), BAD[bad], lambda r: r.data("after"))
    spooled(tmp_path / "spool", batch)
    report = hpc.load_spool(store, tmp_path / "spool")
    assert len(report.bad) == 1
    names = {row["name"] for row in store.documents().records()["records"]}
    assert names >= {"before", "after"}
    assert "half" not in names
    assert store.check() == []


@pytest.mark.parametrize("bad", BAD)
def test_an_aggregator_refuses_one_part_and_writes_the_others(store: Store, bad: str) -> None:
    _, batch = parts(lambda r: r.data("before"), BAD[bad], lambda r: r.data("after"))
    (refused,) = StoreService(store).write_parts([batch])
    assert [type(one) for one in refused] == [BatchRefused]
    names = {row["name"] for row in store.documents().records()["records"]}
    assert names >= {"before", "after"}
    assert store.check() == []


def test_a_batch_whose_parts_do_not_add_up_is_one_thing(store: Store, tmp_path: Path) -> None:
    _, batch = parts(lambda r: r.data("a"), lambda r: r.data("b"))
    batch.record.append(RecordRow(batch.record[0].id + 9, 99, "c", 1, 0, None, None, None))
    spooled(tmp_path / "spool", batch)
    hpc.load_spool(store, tmp_path / "spool")
    assert {row["name"] for row in store.documents().records()["records"]} == {"a", "b"}


def test_what_the_kind_of_a_record_cannot_have_is_left_out_with_a_note(store: Store) -> None:
    scan = store.data("scan", live=True)
    store.finish(scan, "FAILED", error={"why": "no step"})
    store.generated(scan, [store.data("x")])
    store.finish(scan.urn)
    note = store.documents().record(scan.urn)["tags"][NOTE_TAG]
    assert "Only a step" in note
    assert store.info()["tables"]["outcome"] == 0
    assert store.check() == []


def test_a_version_goes_by_its_id_and_what_is_none_begins_a_line(store: Store) -> None:
    first, scan = store.model("net"), store.data("scan")
    second = store.update(first.urn, [scan])
    assert (second.version, second.name, second.line_id) == (1, "net", first.id)
    with store.transaction():
        third = store.update(store.update(second.short_id).id)
    assert third.version == 3
    other = store.update(scan)  # a record of data
    assert (other.version, other.name) == (0, "scan")
    shown = store.documents().record(other.urn)
    assert [(link["id"], link["role"]) for link in shown["links"]] == [(scan.urn, "derived_from")]
    assert "not a model version" in shown["tags"][NOTE_TAG]
    assert store.check() == []


def test_a_run_of_the_year_2999_is_said_now_and_can_be_merged(store: Store, tmp_path: Path) -> None:
    with open_store(f"sqlite:///{tmp_path / 'theirs.db'}") as theirs:
        theirs.run("r1", at="2999-01-01", label="later", audience="x")  # type: ignore[arg-type]
    store.merge(tmp_path / "theirs.db")
    assert store.documents().run("r1")["label"] == "later"


@pytest.mark.parametrize("decoded", [True, False])
def test_a_document_of_odd_classes_never_ends_the_process(store: Store, decoded: bool) -> None:
    scan = store.data("scan")
    document = {"me": Itself.ME, "liar": Liar(), "map": Changing(), "good": 1}
    (store.decoded_payload if decoded else store.payload)(scan, "odd", document)
    with store.sink.session.read() as connection:
        (kept,) = connection.exec_driver_sql("SELECT document FROM payload").scalars()
    assert '"good":1' in kept
    assert store.documents().record(scan.urn)["tags"][NOTE_TAG]


def test_a_path_that_is_a_number_is_kept_as_what_can_be_said_of_it(store: Store) -> None:
    scan = store.data("scan", uris=[FivePath(), "file:///good"])
    shown = store.documents().record(scan.urn)
    assert "file:///good" in [uri["uri"] for uri in shown["uris"]]
    assert "FivePath" in shown["uris"][0]["uri"] + shown["uris"][1]["uri"]
    assert "TypeError" in shown["tags"][NOTE_TAG]


def test_a_mapping_that_ends_with_an_error_is_kept_as_far_as_it_goes(store: Store) -> None:
    class Cut(Changing):
        def __getitem__(self, key: str) -> Any:
            return 7

    scan = store.data("scan", tags=Cut())
    tags = store.documents().record(scan.urn)["tags"]
    assert tags["a"] == 7
    assert "RuntimeError" in tags[NOTE_TAG]
