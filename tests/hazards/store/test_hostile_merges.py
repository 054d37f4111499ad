"""Files from strangers: the bounds of the gate hold for them, and they give nobody a right."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from provenance_store import Store, open_store
from provenance_store.errors import BadFile
from provenance_store.ids import now
from provenance_store.service import StoreService
from tests.support.content import content

YEAR_9999 = 253_370_764_800_000_000
IDENTITY = "urn:globus:auth:identity:5f8a3c1e-9d2b-4e77-8a10-3b6c0d9e4f21"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A store as Braid wrote it."""
    file = tmp_path / "theirs.db"
    with open_store(f"sqlite:///{file}") as store:
        config = store.fact("config")
        scan = store.data("scan", depends_on=[config], tags={"sample": "Ni"}, uris=["file:///x"])
        with store.step("Train", inputs=[scan], parameters={"a": 1}) as step:
            model = store.model("net", trained_on=[scan])
            step.updated(model, [scan], metrics=[{"loss": 0.5}])
        store.run("r1", label="Ni")
        store.invalidate(scan.urn, cause="bad")
    return file


def altered(file: Path, *statements: str) -> None:
    with closing(sqlite3.connect(file)) as connection, connection:
        for statement in statements:
            assert connection.execute(statement).rowcount > 0


HOSTILE: dict[str, tuple[str, str]] = {
    "a name of 50 MB": (
        "UPDATE record SET name = printf('%.*c', 50000000, 'x') WHERE name = 'scan'",
        "In table record, .* has a name that is not valid",
    ),
    "a document of 60 MB": (
        "UPDATE payload SET document = '\"' || printf('%.*c', 60000000, 'x') || '\"'",
        "In table payload, .* has a document that is not valid",
    ),
    "a tag of a megabyte": (
        "UPDATE tag SET text = printf('%.*c', 1000000, 'x')",
        "In table tag, .* has a text that is not valid",
    ),
    "a record that depends on itself": (
        "UPDATE OR IGNORE link SET to_id = from_id",
        "In table link, .* has a to_id that is not valid",
    ),
    "a version that is its own parent": (
        "UPDATE version SET parent_id = id WHERE parent_id IS NOT NULL",
        "In table version, .* has a parent_id that is not valid",
    ),
    "records in a circle": (
        "INSERT INTO link SELECT from_id, to_id, 4 FROM link WHERE role = 4",
        "derives from itself",
    ),
    "a tag that counts for ever": (
        f"UPDATE tag SET set_at = {YEAR_9999}",
        "In table tag, .* has a set_at that is not valid",
    ),
    "a word on a run that counts for ever": (
        f"UPDATE run_event SET at = {YEAR_9999}",
        "In table run_event, .* has a at that is not valid",
    ),
    "a mark that counts for ever": (
        f"UPDATE mark SET at = {YEAR_9999}",
        "In table mark, .* has a at that is not valid",
    ),
    "a record from the future": (
        f"UPDATE record SET created_at = {YEAR_9999}",
        "In table record, .* has a created_at that is not valid",
    ),
    "a special number that is none": (
        "UPDATE metric SET special = 9",
        "In table metric, .* has a special that is not valid",
    ),
}


@pytest.mark.parametrize(("statement", "says"), HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_file_is_not_merged(store: Store, file: Path, statement: str, says: str) -> None:
    altered(file, statement)
    before = content(store)
    with pytest.raises(BadFile, match=says) as caught:
        store.merge(file)
    assert len(caught.value.message) < 1000
    assert "\n" not in caught.value.message
    assert content(store) == before


def test_a_circle_is_found_by_the_check_of_a_store(file: Path) -> None:
    altered(file, HOSTILE["records in a circle"][0])
    with open_store(f"sqlite:///{file}") as theirs:
        (problem,) = [p for p in theirs.check() if "derive from themselves" in p]
        assert "1.1" in problem
        assert "1.2" in problem


def test_secrets_in_a_file_do_not_come_in(store: Store, file: Path) -> None:
    secret = "https://ada:hunter2222@example.org/x"
    altered(
        file,
        f"UPDATE tag SET text = '{secret}' WHERE name = 'sample'",
        f"UPDATE uri SET uri = '{secret}'",
        f"UPDATE record SET name = '{secret}' WHERE name = 'config'",
        "UPDATE payload SET document = '{\"password\": \"hunter2222\"}' WHERE name = 'parameters'",
        f"UPDATE mark SET note = '{secret}'",
        f"UPDATE run_event SET label = '{secret}'",
    )
    for _ in range(2):
        store.merge(file)
        assert "hunter2222" not in repr(content(store))
    assert store.check() == []


def test_who_a_file_says_to_be_gives_nobody_a_right(store: Store, file: Path) -> None:
    altered(file, f"UPDATE origin SET who = '{IDENTITY}', vouched = 1")
    store.merge(file)
    with open_store(f"sqlite:///{file}") as theirs:
        uuid = theirs.sink.urn((1 << 32) + 1).split(":")[2]
    (holder,) = StoreService(store).holders([uuid]).values()
    assert holder.who == ""
    assert holder.used


def test_a_file_says_nothing_of_what_a_store_fills_in_itself(store: Store, file: Path) -> None:
    altered(
        file,
        "UPDATE uri SET uri_norm = 'file:///somebody-elses.h5'",
        "UPDATE record SET run_audience = 'sha256:everybody'",
    )
    store.merge(file)
    assert store.documents().find_uri("file:///somebody-elses.h5") is None
    assert store.documents().find_uri("file:///x") is not None
    columns = [row for name, rows in content(store).items() if name == "record" for row in rows]
    assert "sha256:everybody" not in repr(columns)


# ---- clocks --------------------------------------------------------------------------------


def at(store: Store, moment: int) -> None:
    store.clock = lambda: moment


def test_what_is_said_later_counts_although_the_clock_was_set_back(store: Store) -> None:
    scan = store.data("scan", live=True)
    hour = 3_600_000_000
    at(store, now() + hour)
    scan.tag(quality="good")
    store.run("r1", status="ACTIVE")
    store.invalidate(scan.urn, cause="bad")
    at(store, now())
    scan.tag(quality="bad")
    store.run("r1", status="SUCCEEDED")
    store.restore(scan.urn)
    document = store.documents().record(scan.urn)
    assert document["tags"]["quality"] == "bad"
    assert "invalidated" not in document
    assert store.documents().run("r1")["status"] == "SUCCEEDED"
    assert store.documents().records(tags=["quality=bad"])["records"]
    assert not store.documents().records(tags=["quality=good"])["records"]


def test_a_value_that_was_given_a_time_far_ahead_does_not_stay_for_ever(store: Store) -> None:
    scan = store.data("scan")
    at(store, YEAR_9999)
    scan.tag(quality="good")
    at(store, now())
    scan.tag(quality="bad")
    assert store.documents().record(scan.urn)["tags"]["quality"] == "bad"


def test_stores_agree_on_two_values_of_the_same_moment_however_they_were_merged(
    tmp_path: Path,
) -> None:
    with open_store(f"sqlite:///{tmp_path / 'base.db'}") as base:
        scan = base.data("scan").urn
        base.slice(tmp_path / "a.db", [scan])
        base.slice(tmp_path / "b.db", [scan])
    moment = now()
    for name in "ab":
        with open_store(f"sqlite:///{tmp_path / f'{name}.db'}") as store:
            at(store, moment)
            store.tag(scan, {"quality": name})
    found = []
    for order in ("ab", "ba"):
        with open_store(f"sqlite:///{tmp_path / f'{order}.db'}") as both:
            for name in order:
                both.merge(tmp_path / f"{name}.db")
            value = both.documents().record(scan)["tags"]["quality"]
            assert both.documents().records(tags=[f"quality={value}"])["records"]
            leaves = both.documents().statement(scan)["predicate"]["evidence"]["leaves"]
            assert leaves[0]["record"]["tags"]["quality"]["value"] == value
            found.append(value)
    assert found[0] == found[1]


# ---- circles -------------------------------------------------------------------------------


def circles() -> dict[str, Callable[[Store], str]]:
    def live(store: Store) -> str:
        one = store.data("one", live=True)
        two = store.data("two", depends_on=[one])
        three = store.data("three", depends_on=[two])
        one.add(depends_on=[three])
        return one.urn

    def members(store: Store) -> str:
        dataset = store.dataset("set", live=True)
        derived = store.data("derived", depends_on=[dataset])
        dataset.add_members([derived])
        return dataset.urn

    def output_is_input(store: Store) -> str:
        scan = store.data("scan", live=True)
        step = store.step("s", inputs=[scan])
        store.generated(step, [scan])
        return step.urn

    def further_input(store: Store) -> str:
        step = store.step("s")
        made = step.output("out")
        step.used(made)
        return step.urn

    def together(store: Store) -> str:
        with store.transaction():
            return live(store)

    def itself(store: Store) -> str:
        one = store.data("one", live=True)
        one.add(depends_on=[one])
        return one.urn

    return {
        made.__name__: made
        for made in (live, members, output_is_input, further_input, together, itself)
    }


@pytest.mark.parametrize("make", circles().values(), ids=circles())
def test_the_link_that_would_close_a_circle_is_left_out_with_a_note(
    store: Store, make: Callable[[Store], str]
) -> None:
    urn = make(store)
    assert "derive from itself" in store.documents().record(urn)["tags"]["braid_note"]
    assert store.check() == []


def test_a_strict_recorder_is_told_of_a_circle(store_url: str) -> None:
    from provenance_store.errors import InvalidInput

    with open_store(store_url, strict=True) as store:
        one = store.data("one", live=True)
        two = store.data("two", depends_on=[one])
        with pytest.raises(InvalidInput, match="derive from itself"):
            one.add(depends_on=[two])


def test_a_long_chain_costs_a_new_link_a_bounded_look(store: Store) -> None:
    first = store.data("0", live=True)
    last = first
    with store.transaction():
        for number in range(200):
            last = store.data(str(number), depends_on=[last])
    first.add(depends_on=[last])
    assert "braid_note" in store.documents().record(first.urn)["tags"]
