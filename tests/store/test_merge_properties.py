"""Whatever was recorded, however it travelled: merging is a union, and slices lose nothing."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from provenance_store import Store, open_store
from provenance_store.errors import Conflict
from tests.support.content import Content, content

SEEDS = st.integers(0, 2**32)
ORDINARY = settings(
    max_examples=6,
    deadline=None,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow],
)
"""A failing seed is shown as it is: shrinking it would make another history, not a smaller one."""


@contextmanager
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


def url(file: Path) -> str:
    return f"sqlite:///{file}"


def known(store: Store) -> list[str]:
    """The names of all records of a store, in an order that the seed alone decides."""
    return [r["id"] for r in reversed(store.reader().records(limit=1000)["records"])]


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


def histories(path: Path, count: int, random: Random) -> list[Path]:
    """Files of teams that record, take slices and merge what others have, at random."""
    files = [path / f"{n}.db" for n in range(count)]
    for turn in range(3):
        for file in files:
            with open_store(url(file)) as store:
                for _ in range(random.randint(1, 5)):
                    record_something(store, random)
                if turn and random.random() < 0.6:
                    passed = path / "passed.db"
                    other = random.choice([f for f in files if f != file])
                    take_part(other, passed, random)
                    store.merge(passed)
    return files


def take_part(file: Path, part: Path, random: Random) -> None:
    with open_store(url(file)) as store:
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


def merged(path: Path, *files: Path) -> Path:
    """A new file: the first one with the others merged into it, one after the other."""
    result = path / f"merged-{len(list(path.iterdir()))}.db"
    shutil.copyfile(files[0], result)
    with open_store(url(result)) as store:
        for file in files[1:]:
            store.merge(file)
        assert store.check() == []
    return result


def held(file: Path) -> Content:
    with open_store(url(file)) as store:
        return content(store)


@ORDINARY
@given(SEEDS)
def test_merging_is_commutative_associative_and_idempotent(seed: int) -> None:
    with folder() as path:
        a, b, c = histories(path, 3, Random(seed))
        ab, ba = merged(path, a, b), merged(path, b, a)
        assert held(ab) == held(ba)
        assert held(merged(path, ab, c)) == held(merged(path, a, merged(path, b, c)))
        assert held(merged(path, ab, b, a, ab)) == held(ab)


@ORDINARY
@given(SEEDS)
def test_slicing_and_merging_loses_nothing(seed: int) -> None:
    """All of a store through a slice into a new one; and its parts, one after the other."""
    random = Random(seed)
    with folder() as path:
        file = histories(path, 2, random)[0]
        with open_store(url(file)) as store, open_store(url(path / "new.db")) as new:
            before = content(store)
            store.slice(path / "all.db")
            new.merge(path / "all.db")
            assert content(new) == {**before, "origin": content(new)["origin"]}
            assert content(store) == before
        with open_store(url(path / "parts.db")) as parts:
            for number in range(4):
                take_part(file, path / f"part-{number}.db", random)
                parts.merge(path / f"part-{number}.db")
            parts.merge(path / "all.db")
            again = content(parts)
        assert {k: v for k, v in again.items() if k != "origin"} == {
            k: v for k, v in before.items() if k != "origin"
        }


@ORDINARY
@given(SEEDS, st.booleans())
def test_a_slice_merged_back_changes_nothing(seed: int, redacted: bool) -> None:
    with folder() as path:
        file = histories(path, 2, Random(seed))[0]
        with open_store(url(file)) as store:
            before = content(store)
            store.slice(
                path / "part.db",
                known(store)[:3],
                depth=2,
                without=["tags", "uris", "documents"] if redacted else [],
                hide_names=redacted,
            )
            done = store.merge(path / "part.db")
            assert (done.rows, done.filled, done.tainted) == ({}, 0, 0)
            assert content(store) == before


@pytest.mark.parametrize("seed", range(3))
def test_a_history_goes_from_one_database_to_the_other_and_back(
    store: Store, tmp_path: Path, seed: int
) -> None:
    a, b = histories(tmp_path, 2, Random(seed))
    for _ in range(4):
        record_something(store, Random(seed))
    for file in (a, b, a):
        store.merge(file)
    assert store.check() == []
    store.slice(tmp_path / "back.db")
    with open_store(url(merged(tmp_path, a, tmp_path / "back.db"))) as back:
        there, here = content(back), content(store)
        del there["origin"], here["origin"]
        assert there == here
