"""One gate: whatever value is handed over, by whom ever, the same is kept of it."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import sqlite as sqlite_dialect

import hpc
from provenance_store import Batch, Store, decode_batch, encode_batch, open_store
from provenance_store.errors import BadFile, InvalidInput
from provenance_store.exchange.prov.importing import import_prov
from provenance_store.recording.recorder import Recorder
from provenance_store.service import StoreService
from provenance_store.sink import MemorySink
from provenance_store.sql.tables import TABLE
from provenance_store.validation.batches import gated
from provenance_store.validation.checked import checked
from provenance_store.validation.limits import Gate, Policy
from tests.support.entrances import kept_of, noted, record
from tests.support.needs import need_module
from tests.support.values import CASES, Case, of_field

LIMIT = 65_536
SQLITE = sqlite_dialect.dialect()
PLACES = {
    "tag": ("tag", "text"),
    "tag name": ("tag", "name"),
    "name": ("record", "name"),
    "status": ("outcome", "status"),
    "type": ("step", "type"),
}
"""Table and column of the fields that are not a URI's."""


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A SQLite store that many cases are recorded into, and has been: it knows its writer."""
    file = tmp_path_factory.mktemp("gate") / "store.db"
    with open_store(f"sqlite:///{file}") as opened:
        opened.data("earlier")
        yield opened


def named(case: Case) -> str:
    return f"{case.field}-{case.name}"


def test_the_table_is_large() -> None:
    assert len(CASES) >= 150
    assert len({named(case) for case in CASES}) == len(CASES)


@pytest.mark.parametrize("case", CASES, ids=named)
def test_a_script_records_whatever_value_it_has(plain: Store, case: Case) -> None:
    made = record(plain, case)
    assert case.matches(kept_of(plain, made.urn, case.field))
    assert (noted(plain, made.urn) is None) == case.strict


@pytest.mark.parametrize("case", CASES, ids=named)
def test_a_strict_script_is_told_of_what_cannot_be_kept(plain: Store, case: Case) -> None:
    strict = Recorder(plain.sink, environment=None, strict=True)
    if case.strict:
        made = record(strict, case)
        assert case.matches(kept_of(plain, made.urn, case.field))
    else:
        before = plain.info()["tables"]
        with pytest.raises(InvalidInput) as caught, strict.transaction():
            record(strict, case)
        assert "\n" not in caught.value.message
        assert plain.info()["tables"] == before


@pytest.mark.parametrize("case", CASES, ids=named)
def test_a_report_names_what_would_not_be_kept(case: Case) -> None:
    recorder = Recorder(MemorySink(), environment=None)
    gate = Gate(Policy.REPORT)
    recorder._gate = lambda: gate  # type: ignore[method-assign]
    record(recorder, case)
    assert bool(gate.notes) != case.strict


def test_all_values_are_recorded_on_every_database(store: Store) -> None:
    with store.transaction():
        made = [(case, record(store, case)) for case in CASES]
    wrong = [
        named(case)
        for case, handle in made
        if not case.matches(kept_of(store, handle.urn, case.field))
    ]
    assert wrong == []
    assert store.check() == []


def differing(store: Store, made: list[tuple[Case, str]]) -> list[str]:
    """The cases of which something else is kept than the table says."""
    return [named(c) for c, urn in made if not c.matches(kept_of(store, urn, c.field))]


def test_a_spool_takes_whatever_value_a_node_has(store: Store, tmp_path: Path) -> None:
    with hpc.spool(tmp_path / "spool", environment=None) as recorder:
        made = [(case, record(recorder, case).urn) for case in CASES]
    report = hpc.load_spool(store, tmp_path / "spool")
    assert report.bad == []
    assert differing(store, made) == []


# ---- rows that were made elsewhere ---------------------------------------------------------


def raw_batch(case: Case) -> tuple[Batch, str]:
    """A batch as a recorder without a gate would make it, with the value as it is."""
    sink = MemorySink()
    recorder = Recorder(sink, environment=None)
    text = "x"
    if case.field == "status":
        recorder.finish(made := recorder.step("s"), "ENDED")
    elif case.field == "type":
        made = recorder.step("s")
    else:
        made = recorder.data(text, tags={"t": text}, uris=["file:///x"])
    batch = sink.batch
    table, column = PLACES.get(case.field, ("uri", case.field))
    rows = getattr(batch, table)
    rows[0] = rows[0]._replace(**{column: case.value})
    return batch, made.urn


def row_cases() -> list[Case]:
    """Cases whose value can be in a row of a batch: of the type that the row has."""
    texts = of_field("tag", "tag name", "name", "uri", "status", "type", "digest", "media_type")
    found = [case for case in texts if type(case.value) is str]
    return found + [case for case in of_field("size") if type(case.value) is int]


def travelled(batch: Batch) -> Batch | None:
    """The batch after a way over a wire; None when it cannot go."""
    try:
        return decode_batch(encode_batch(batch))
    except (UnicodeError, OverflowError):
        return None


@pytest.mark.parametrize("case", row_cases(), ids=named)
def test_a_batch_of_a_careless_recorder_is_kept_as_a_script_would_be(
    plain: Store, case: Case
) -> None:
    batch, urn = raw_batch(case)
    if (arrived := travelled(batch)) is None:
        return
    gate = Gate()
    StoreService(plain).write(gated(gate, arrived, limit=LIMIT))
    assert case.matches(kept_of(plain, urn, case.field))
    assert bool(gate.notes) != case.strict
    with pytest.raises(InvalidInput) if not case.strict else _nothing():
        gated(Gate(Policy.REFUSE), arrived, limit=LIMIT)
    reporting = Gate(Policy.REPORT)
    gated(reporting, arrived, limit=LIMIT)
    assert bool(reporting.notes) != case.strict


@pytest.mark.parametrize("case", CASES, ids=named)
def test_what_went_through_the_gate_goes_through_again_unchanged(case: Case) -> None:
    sink = MemorySink()
    record(Recorder(sink, environment=None), case)
    for name in ("record", "step", "outcome", "uri", "tag", "metric", "payload"):
        for row in getattr(sink.batch, name):
            gate = Gate(Policy.REFUSE)
            assert checked(gate, name, row, limit=LIMIT) == row
            assert gate.notes == []


@pytest.mark.parametrize("case", row_cases(), ids=named)
def test_a_file_with_what_no_gate_lets_in_is_not_merged(
    store: Store, tmp_path: Path, case: Case
) -> None:
    file = tmp_path / "theirs.db"
    with open_store(f"sqlite:///{file}") as theirs:
        good = {"digest": "sha256:ab", "size": 1}.get(case.field, "x")
        batch, urn = raw_batch(Case("", case.field, good))
        StoreService(theirs).write(batch)
    table, column = PLACES.get(case.field, ("uri", case.field))
    change = TABLE[table].update().values({column: sa.bindparam("v")})
    try:
        with closing(sqlite3.connect(file)) as connection, connection:
            connection.execute(str(change.compile(dialect=SQLITE)), (case.value,))
    except (UnicodeError, OverflowError):
        return  # what SQLite cannot hold is in no file
    if case.strict or case.name in TOLD_BY_NOBODY:
        store.merge(file)
        assert case.matches(kept_of(store, urn, case.field)) or case.name in TOLD_BY_NOBODY
    else:
        with pytest.raises(BadFile, match=f"In table {table}, the row with"):
            store.merge(file)
        assert store.info()["tables"]["record"] == 0


TOLD_BY_NOBODY = frozenset(
    {
        "empty",
        "digest of another algorithm",
        "digest without algorithm",
        "digest that is not hexadecimal",
        "status that is empty",
    }
)
"""What a file may hold although the gate would keep something else: no reader stumbles over it."""


def _nothing() -> closing[sqlite3.Connection]:
    return closing(sqlite3.connect(":memory:"))


# ---- imports -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "case",
    [c for c in of_field("tag", json=True) if isinstance(c.value, str | int | float)],
    ids=named,
)
def test_an_import_keeps_of_an_attribute_what_a_script_would(
    store: Store, tmp_path: Path, case: Case
) -> None:
    need_module("prov")
    file = tmp_path / "theirs.json"
    value = case.value
    document = {
        "prefix": {"ex": "https://example.org/"},
        "entity": {"ex:x": {"ex:t": value}},
    }
    file.write_text(json.dumps(document))
    import_prov(store, file)
    (listed,) = store.documents().records()["records"]
    tags = {name: v for name, v in listed["tags"].items() if name.endswith(":t")}
    if case.name == "text that is too long":  # kept whole, as a document
        assert store.documents().record(listed["id"])
        return
    (found,) = tags.values()
    assert case.matches(found)
