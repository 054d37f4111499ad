"""Whatever was recorded, however it travelled: merging is a union, and slices lose nothing."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from random import Random

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from provenance_store import Store, open_store
from provenance_store.errors import Conflict
from provenance_store.sql.tables import TABLE
from tests.support.content import Content, content

SEEDS = st.integers(0, 2**32)
RECORDS = TABLE["record"].c
IDS = sa.select(RECORDS.id).order_by(RECORDS.created_at, RECORDS.id)
ORDINARY = settings(
    max_examples=2,
    deadline=None,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow],
)
"""A failing seed is shown as it is: shrinking it would make another history, not a smaller one."""


class Stores:
    """Stores in files of a folder, each opened once: statements are compiled anew for each that is
    opened, which takes most of the time here."""

    def __init__(self, path: Path, closing: ExitStack) -> None:
        self.path = path
        self._closing = closing
        self._count = 0

    def new(self, like: Store | None = None) -> Store:
        """An empty store, or a copy of one."""
        self._count += 1
        file = self.path / f"{self._count}.db"
        if like is not None:
            with (
                closing(sqlite3.connect(file_of(like))) as one,
                closing(sqlite3.connect(file)) as copy,
            ):
                one.backup(copy)
        return self._closing.enter_context(open_store(f"sqlite:///{file}"))


@contextmanager
def some_stores() -> Iterator[Stores]:
    with tempfile.TemporaryDirectory() as name, ExitStack() as closing:
        yield Stores(Path(name), closing)


def file_of(store: Store) -> Path:
    return Path(str(store.sink.session.engine.url.database))


def known(store: Store) -> list[str]:
    """The names of all records of a store, in an order that the seed alone decides."""
    with store.sink.session.read() as connection:
        ids = connection.execute(IDS).scalars().all()
    return [store.sink.urn(record_id) for record_id in ids]


def record_something(store: Store, random: Random) -> None:
    """One thing that a team may do, chosen at random, from what its store knows."""
    names = known(store)
    some = random.sample(names, min(len(names), random.randint(0, 3)))
    what = random.randrange(9)
    if what == 0 or not names:
        store.data("data", depends_on=some, tags={"n": random.randint(0, 3)}, uris=["file:///x"])
    elif what == 1:
        store.dataset("dataset", some)
    elif what == 2:
        made = store.model("model", trained_on=some, hyperparameters={"a": 1}, scores={"s": 1.0})
        store.update(made, some[:1])
    elif what in (3, 4):
        with store.step("step", inputs=some, informed_by=[], parameters=[1]) as step:
            step.output("output", depends_on=some[:1])
    elif what == 5:
        store.run(f"run {random.randint(0, 2)}", status="ACTIVE", tags=["t"])
        recorder = store.recorder(run_id=f"run {random.randint(0, 2)}")
        recorder.step("step of a run", inputs=some)
    elif what == 6:
        store.tag(random.choice(names), {"n": random.randint(0, 3)})
    elif what == 7:
        store.invalidate(random.choice(names), cause="bad")
    else:
        restore_one(store, names)


def restore_one(store: Store, names: Sequence[str]) -> None:
    for name in names:
        try:
            return void(store.restore(name))
        except Conflict:
            continue


def void(_: object) -> None:
    """Nothing."""


def histories(stores: Stores, count: int, random: Random) -> list[Store]:
    """Stores of teams that record, take slices and merge what others have, at random."""
    teams = [stores.new() for _ in range(count)]
    for turn in range(3):
        for team in teams:
            for _ in range(random.randint(1, 5)):
                record_something(team, random)
            if turn and random.random() < 0.6:
                other = random.choice([t for t in teams if t is not team])
                team.merge(part_of(other, stores.path / "passed.db", random))
    return teams


def part_of(store: Store, part: Path, random: Random) -> Path:
    """A slice of a store, taken by a rule or another."""
    names = known(store)
    start = random.sample(names, min(2, len(names)))
    store.slice(
        part,
        start,
        up=random.random() < 0.7,
        down=random.random() < 0.4,
        depth=random.choice([None, None, 0, 1, 2]),
        rules=random.sample(["inputs", "members", "training", "sources"], random.randint(0, 1)),
        force=True,
    )
    return part


def merged(stores: Stores, first: Store, *others: Store) -> Store:
    """A copy of the first one with the others merged into it, one after the other."""
    result = stores.new(first)
    for other in others:
        result.merge(file_of(other))
    assert result.check() == []
    return result


def apart_from_origins(held: Content) -> Content:
    return {table: rows for table, rows in held.items() if table != "origin"}


@ORDINARY
@given(SEEDS)
@example(225875641)  # what is invalid by one root becomes so by another that comes in
def test_merging_is_commutative_associative_and_idempotent(seed: int) -> None:
    with some_stores() as stores:
        a, b, c = histories(stores, 3, Random(seed))
        ab, ba = merged(stores, a, b), merged(stores, b, a)
        either = content(ab)
        assert either == content(ba)
        left, right = merged(stores, ab, c), merged(stores, a, merged(stores, b, c))
        assert content(left) == content(right)
        assert content(merged(stores, ab, b, a, ab)) == either


@ORDINARY
@given(SEEDS)
def test_slicing_and_merging_loses_nothing(seed: int) -> None:
    """All of a store through a slice into a new one; and its parts, one after the other."""
    random = Random(seed)
    with some_stores() as stores:
        store = histories(stores, 2, random)[0]
        before, whole = content(store), stores.path / "all.db"
        store.slice(whole)
        assert content(store) == before
        new, parts = stores.new(), stores.new()
        new.merge(whole)
        assert apart_from_origins(content(new)) == apart_from_origins(before)
        for number in range(4):
            parts.merge(part_of(store, stores.path / f"part-{number}.db", random))
        parts.merge(whole)
        assert apart_from_origins(content(parts)) == apart_from_origins(before)


@ORDINARY
@given(SEEDS, st.booleans())
def test_a_slice_merged_back_changes_nothing(seed: int, redacted: bool) -> None:
    with some_stores() as stores:
        store = histories(stores, 2, Random(seed))[0]
        before, part = content(store), stores.path / "part.db"
        store.slice(
            part,
            known(store)[:3],
            depth=2,
            without=["tags", "uris", "documents"] if redacted else [],
            hide_names=redacted,
        )
        done = store.merge(part)
        assert (done.rows, done.filled, done.tainted) == ({}, 0, 0)
        assert content(store) == before


@pytest.mark.parametrize("seed", range(3))
def test_a_history_goes_from_one_database_to_the_other_and_back(
    store: Store, tmp_path: Path, seed: int
) -> None:
    with ExitStack() as closing:
        stores = Stores(tmp_path / "teams", closing)
        stores.path.mkdir()
        a, b = histories(stores, 2, Random(seed))
        for _ in range(4):
            record_something(store, Random(seed))
        for team in (a, b, a):
            store.merge(file_of(team))
        assert store.check() == []
        back = tmp_path / "back.db"
        store.slice(back)
        a.merge(back)
        assert a.check() == []
        assert apart_from_origins(content(a)) == apart_from_origins(content(store))
