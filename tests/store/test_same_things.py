"""Records of one file, with equal digests at one place, are one thing."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from braid.graph import as_tree
from provenance_store import Record, Store, open_store
from provenance_store.reading.lineage import Direction
from provenance_store.values import Audience

URN = "ae341a98-d274-11e5-b888-dbae3a8ba545"

DIGEST = "sha256:" + "5" * 64
OTHER = "sha256:" + "6" * 64


def at(uri: str, digest: str | None = DIGEST, size: int = 5) -> dict[str, object]:
    return {"uri": uri, "digest": digest, "size": size}


def team(store: Store, name: str, uri: str, **about: object) -> tuple[Record, Record]:
    """A scan, and what somebody made of it: others than who opens the store say nothing of it."""
    recorder = store.recorder(audience=Audience("urn:globus:auth:identity:" + URN))
    scan = recorder.data(f"scan of {name}", uris=[{**at(uri), **about}])
    step = recorder.step(f"step of {name}", inputs=[scan])
    made = step.output(f"result of {name}")
    step.finish()
    return scan, made


SPELLINGS = ("globus://C/a%20b.h5", "globus://c//a b.h5")


def test_equal_digests_at_one_place_are_one_thing(store: Store) -> None:
    (one, made), (two, other) = (team(store, n, SPELLINGS[i]) for i, n in enumerate("ab"))
    assert store.link_same() == 1
    assert store.link_same() == 0
    reader = store.reader()
    shown = reader.record(one.urn)
    assert [same["id"] for same in shown["same_as"]] == [two.urn]
    assert "same_uri" not in shown
    assert store.check() == []

    up = {node["id"] for node in reader.lineage(made.urn)["nodes"]}
    assert {one.urn, two.urn} <= up
    down = reader.lineage(one.urn, direction="down")
    assert {made.urn, other.urn} <= {node["id"] for node in down["nodes"]}
    assert "same_as" in {link["role"] for link in down["links"]}


def test_a_script_that_is_run_twice_reads_one_file(store: Store, tmp_path: Path) -> None:
    """Whoever opens the store itself need not say it; what others record is not made one."""
    raw = tmp_path / "raw.npy"
    raw.write_bytes(b"measured")
    first, second = (store.data("raw", file=raw) for _ in range(2))
    models = [store.model(f"m{n}", trained_on=[each]) for n, each in enumerate((first, second))]
    raw.write_bytes(b"measured again")
    third = store.data("raw", file=raw)
    reader = store.reader()
    assert [same["id"] for same in reader.record(second.urn)["same_as"]] == [first.urn]
    down = {node["id"] for node in reader.lineage(first.urn, direction="down")["nodes"]}
    assert {model.urn for model in models} <= down
    assert third.urn not in down
    store.invalidate(second.urn, cause="the shutter was closed")
    assert "invalidated" in reader.record(models[0].urn)
    assert store.link_same() == 0
    stranger = store.recorder(audience=Audience("urn:globus:auth:identity:" + URN))
    claimed = stranger.data("claimed", uris=reader.record(first.urn)["uris"][:1])
    assert "same_as" not in reader.record(claimed.urn)


@pytest.mark.parametrize("direction", ["up", "down", "both"])
def test_a_tree_goes_through_all_records_of_one_thing(store: Store, direction: Direction) -> None:
    (one, made), (two, other) = (team(store, n, SPELLINGS[i]) for i, n in enumerate("ab"))
    store.link_same()
    for start, there in ((one, two), (two, one)):
        lines = tree_of(store, start, direction)
        said = [line for line in lines if "same as: " in line]
        assert said
        assert all(f"data {there.short_id}" in line for line in said)
        if direction == "down":
            results = {name for name in (made.name, other.name) if name in "\n".join(lines)}
            assert results == {made.name, other.name}


def tree_of(store: Store, record: Record, direction: Direction) -> list[str]:
    text = StringIO()
    Console(file=text, width=200).print(
        as_tree(store.reader().lineage(record.urn, direction=direction))
    )
    return text.getvalue().splitlines()


def test_invalidity_goes_through_all_records_of_one_thing(store: Store) -> None:
    (one, made), (two, other) = (team(store, n, SPELLINGS[i]) for i, n in enumerate("ab"))
    store.link_same()
    told = store.invalidate(one.urn, cause="the shutter was closed", dry_run=True)
    done = store.invalidate(one.urn, cause="the shutter was closed")
    assert told.count == done.count == 5
    reader = store.reader()
    for record in (two, made, other):
        assert reader.record(record.urn)["invalidated"]["root"] == one.urn
    late = store.step("later", inputs=[two])
    assert "invalidated" in reader.record(late.urn)
    assert store.check() == []
    store.restore(one.urn)
    assert "invalidated" not in reader.record(other.urn)


def test_what_is_found_to_be_one_thing_with_the_invalid_is_so(store: Store) -> None:
    (one, _), (_, other) = (team(store, n, SPELLINGS[i]) for i, n in enumerate("ab"))
    store.invalidate(one.urn, cause="the shutter was closed")
    assert "invalidated" not in store.reader().record(other.urn)
    store.link_same()
    assert store.reader().record(other.urn)["invalidated"]["root"] == one.urn
    assert store.check() == []


@pytest.mark.parametrize(
    "second",
    [at(SPELLINGS[1], OTHER), at(SPELLINGS[1], None), at("globus://c/elsewhere"), None],
    ids=["other bytes", "no digest", "another place", "empty"],
)
def test_an_equal_uri_alone_is_a_hint_and_equal_bytes_alone_are_none(
    store: Store, second: dict[str, object] | None
) -> None:
    empty = second is None
    first = at(SPELLINGS[0], size=0) if empty else at(SPELLINGS[0])
    one = store.data("one", uris=[first])
    two = store.data("two", uris=[at(SPELLINGS[1], size=0) if second is None else second])
    assert store.link_same() == 0
    shown = store.reader().record(one.urn)
    assert "same_as" not in shown
    there = second is None or second["uri"] == SPELLINGS[1]
    assert [hint["id"] for hint in shown.get("same_uri", ())] == ([two.urn] if there else [])
    store.invalidate(one.urn, cause="bad")
    assert "invalidated" not in store.reader().record(two.urn)


def test_a_digest_that_is_found_later_makes_records_one(store: Store) -> None:
    one, _ = team(store, "a", SPELLINGS[0])
    two = store.data("two", uris=[SPELLINGS[1]])
    store.found_file(two.urn, SPELLINGS[1], size=5, digest=DIGEST)
    assert store.link_same() == 1
    assert [same["id"] for same in store.reader().record(two.urn)["same_as"]] == [one.urn]


def test_a_search_finds_all_records_of_one_thing(store: Store) -> None:
    one = store.data("one", uris=[at(SPELLINGS[0]), at("globus://d/copy.h5")])
    two = store.data("two", uris=[at(SPELLINGS[1])])
    store.link_same()
    for uri in ("globus://d/copy.h5", "globus://C/a b.h5"):
        found = {r["id"] for r in store.reader().records(uri=uri)["records"]}
        assert found == {one.urn, two.urn}


def test_what_two_teams_recorded_of_one_file_is_one_thing_after_a_merge(
    store: Store, tmp_path: Path
) -> None:
    file = tmp_path / "other.db"
    with open_store(f"sqlite:///{file}") as other:
        _, made = team(other, "b", SPELLINGS[1])
        urn = made.urn
    one, _ = team(store, "a", SPELLINGS[0])
    store.merge(file)
    assert store.link_same() == 1
    store.invalidate(one.urn, cause="bad")
    assert "invalidated" in store.reader().record(urn)
    assert store.check() == []
