"""Records of one file, with equal digests at one place, are one thing."""

from __future__ import annotations

import itertools
from contextlib import nullcontext
from io import StringIO
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import pytest
import sqlalchemy as sa
from rich.console import Console

from braid.pictures.graph import as_tree
from provenance_store import Record, Recorder, Store, open_store
from provenance_store.batch import TABLES, Batch
from provenance_store.queries.lineage import Direction
from provenance_store.rows import FileCheckRow
from provenance_store.service import StoreService
from provenance_store.sink import MemorySink
from provenance_store.sql.known_later import LOOKED_AT, SameThings
from provenance_store.sql.tables import TABLE
from provenance_store.statement.document import evidence_of, state
from provenance_store.statement.page import account
from provenance_store.values import Audience
from tests.support.statements import change, gaps, verified, where

DIGEST = "sha256:" + "5e" * 32
OTHER = "sha256:" + "6" * 64


def at(uri: str, digest: str | None = DIGEST, size: int = 5) -> dict[str, object]:
    return {"uri": uri, "digest": digest, "size": size}


def team(store: Store, name: str, uri: str, **about: object) -> tuple[Record, Record]:
    """A scan, and what a team made of it: what is another's is not made one with it by itself."""
    recorder = store.recorder(audience=of(name))
    scan = recorder.data(f"scan of {name}", uris=[{**at(uri), **about}])
    step = recorder.step(f"step of {name}", inputs=[scan])
    made = step.output(f"result of {name}")
    step.finish()
    return scan, made


def of(team: str) -> Audience:
    return Audience(f"urn:globus:auth:identity:{uuid5(NAMESPACE_URL, team)}")


SPELLINGS = ("globus://C/a%20b.h5", "globus://c//a b.h5")


def test_equal_digests_at_one_place_are_one_thing(store: Store) -> None:
    (one, made), (two, other) = (team(store, n, SPELLINGS[i]) for i, n in enumerate("ab"))
    assert store.link_same() == 1
    assert store.link_same() == 0
    reader = store.documents()
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
    reader = store.documents()
    assert [same["id"] for same in reader.record(second.urn)["same_as"]] == [first.urn]
    down = {node["id"] for node in reader.lineage(first.urn, direction="down")["nodes"]}
    assert {model.urn for model in models} <= down
    assert third.urn not in down
    store.invalidate(second.urn, cause="the shutter was closed")
    assert "invalidated" in reader.record(models[0].urn)
    assert store.link_same() == 0
    stranger = store.recorder(audience=of("stranger"))
    claimed = stranger.data("claimed", uris=reader.record(first.urn)["uris"][:1])
    assert "same_as" not in reader.record(claimed.urn)


def test_a_deep_lineage_goes_through_one_thing_wherever_it_is(store: Store) -> None:
    def chain(name: str, begin: Record, uri: str) -> list[Record]:
        records = [begin]
        for i in range(200):
            records.append(store.data(f"{name} {i}", depends_on=[records[-1]]))
        return [*records, store.data(name, depends_on=[records[-1]], uris=[at(uri)] if uri else [])]

    with store.transaction():
        first = chain("first", store.data("beam"), "globus://c/first")
        copy = store.data("copy of the first", uris=[at("globus://c/first")])
        second = chain("second", copy, "globus://c/second")
        last = chain("last", store.data("copy of the second", uris=[at("globus://c/second")]), "")
    reader = store.documents()
    everything = [*first, *second, *last]
    up = reader.lineage(last[-1].urn)
    assert {node["id"] for node in up["nodes"]} == {record.urn for record in everything}
    assert max(node["distance"] for node in up["nodes"]) == 3 * 201 + 2
    down = reader.lineage(first[0].urn, direction="down")
    assert {node["id"] for node in down["nodes"]} == {record.urn for record in everything}
    assert {(k["from"], k["to"]) for k in up["links"] if k["role"] != "same_as"} == {
        (k["from"], k["to"]) for k in down["links"] if k["role"] != "same_as"
    }
    statement = reader.statement(last[-1].urn)
    assert len(statement["predicate"]["evidence"]["leaves"]) == len(everything)
    assert verified(store, statement).holds
    cut = reader.lineage(last[-1].urn, limit=500)
    assert (len(cut["nodes"]), cut["truncated"]) == (500, True)
    near = reader.lineage(last[-1].urn, depth=300)
    assert max(node["distance"] for node in near["nodes"]) == 300


def test_only_what_has_the_same_bytes_at_one_place_is_one_thing_in_any_spelling(
    store: Store,
) -> None:
    """One that is empty, at another place, of other bytes or another's is none of it."""
    recorder = store.recorder(audience=of("a"))
    for uri, digest in (("globus://c/a", OTHER), ("globus://d/a b.h5", DIGEST)):
        recorder.data("no", uris=[at(uri, digest)])
    recorder.data("empty", uris=[at(SPELLINGS[0], size=0)])
    for number in range(3):
        store.recorder(audience=of(f"b{number}")).data("no", uris=[at(SPELLINGS[0])])
    known = [recorder.data("yes", uris=[at(uri)]) for uri in (*reversed(SPELLINGS), SPELLINGS[0])]
    reader = store.documents()
    for record in known:
        down = reader.lineage(record.urn, direction="down")
        assert {node["id"] for node in down["nodes"]} == {each.urn for each in known}
    assert len(pairs(store)) == 2 * 2


def pairs(store: Store) -> set[tuple[int, int]]:
    same = TABLE["same_as"]
    with store.sink.session.read() as connection:
        rows = connection.execute(sa.select(same.c.record_id, same.c.other_id))
        return {(one, other) for one, other in rows}


@pytest.mark.parametrize("way", ["one by one", "together", "bulk", "batch", "batches", "merge"])
def test_records_of_one_owner_are_one_thing_whichever_way_they_come(
    store: Store, way: str, tmp_path: Path
) -> None:
    if way == "merge":
        with open_store(f"sqlite:///{tmp_path / 'other.db'}") as other:
            made = record_copies(other.recorder(audience=of("a")))
        store.data("copy of another", uris=[at(SPELLINGS[1])])
        assert store.merge(tmp_path / "other.db", dry_run=True).same == 2
        assert pairs(store) == set()
        assert store.merge(tmp_path / "other.db").same == 2
        assert store.merge(tmp_path / "other.db").same == 0
        assert store.link_same() == 0
    elif way in ("batch", "batches"):
        sink = MemorySink()
        made = record_copies(Recorder(sink, audience=of("a")))
        batches = [sink.batch]
        if way == "batches":
            batches = [Batch(**{n: getattr(b, n) for n in TABLES}) for b in sink.batches]
            for batch in batches:
                batch.origin.append(sink.origin)
        assert StoreService(store).write_parts(batches * 2) == [[]] * 2 * len(batches)
        assert len(pairs(store)) == 2
    elif way == "bulk":
        with store.bulk_load() as recorder:
            recorder.audience = of("a")
            made = record_copies(recorder)
    else:
        with store.transaction() if way == "together" else nullcontext():
            made = record_copies(store.recorder(audience=of("a")))
    reader = store.documents()
    urns = [record.urn for record in made]
    shown = reader.record(urns[0])
    assert urns[1] in {same["id"] for same in shown["same_as"]} or way == "merge"
    down = reader.lineage(urns[0], direction="down")
    assert set(urns) <= {node["id"] for node in down["nodes"]}
    assert store.check() == []
    store.invalidate(urns[1], cause="the shutter was closed")
    assert "invalidated" in reader.record(urns[0])


def record_copies(recorder: Recorder) -> list[Record]:
    """Each in another spelling of the place, and every second one in another of the digest."""
    digests = (DIGEST, DIGEST.upper())
    return [
        recorder.data(f"copy {i}", uris=[at(uri, digests[i % 2])])
        for i, uri in enumerate(SPELLINGS)
    ]


def test_a_batch_of_before_with_a_digest_in_upper_case_comes_in_twice(store: Store) -> None:
    sink = MemorySink()
    made = Recorder(sink).data("scan", uris=[at(SPELLINGS[0])])
    (row,) = sink.batch.uri
    sink.batch.uri[0] = row._replace(digest=DIGEST.upper())
    assert StoreService(store).write_parts([sink.batch]) == [[]]
    (shown,) = store.documents().record(made.urn)["uris"]
    assert shown["digest"] == DIGEST
    before = store.documents().statement(made.urn)
    change(store, where("uri").values(digest=DIGEST.upper()))
    assert StoreService(store).write_parts([sink.batch]) == [[]]
    assert verified(store, before).holds
    store.found_file(made.urn, SPELLINGS[0], size=5, digest=DIGEST)
    assert "files_changed" not in gaps(store.documents().statement(made.urn))


def test_one_of_the_same_owner_is_found_among_very_many_of_others(store: Store) -> None:
    with store.bulk_load() as recorder:
        for number in range(LOOKED_AT + 5):
            recorder.audience = of(f"b{number % 7}")
            recorder.data("theirs", uris=[at(SPELLINGS[0])])
    ours = store.recorder(audience=of("a"))
    first, second = (ours.data("ours", uris=[at(SPELLINGS[0])]) for _ in range(2))
    same = store.documents().record(second.urn)["same_as"]
    assert [other["id"] for other in same] == [first.urn]


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


@pytest.mark.parametrize("how", ["up", "depth", "no-same"])
def test_a_slice_answers_of_one_thing_as_the_store_does(
    store: Store, tmp_path: Path, how: str
) -> None:
    """It holds the other record and what that came from, or where it stops a stub of it."""
    made, one, two = of_two_teams(store)
    store.link_same()
    wanted: dict[str, Any] = {"up": {}, "depth": {"depth": 2}, "no-same": {"rules": ["same"]}}[how]
    store.slice(tmp_path / "slice.db", [made.urn], **wanted)
    store.invalidate(one.urn, cause="the shutter was closed")
    store.slice(tmp_path / "later.db", [made.urn], **wanted)
    whole = store.documents().lineage(made.urn)
    with open_store(f"sqlite:///{tmp_path / 'slice.db'}") as part:
        assert part.check() == []
        found = part.documents().lineage(made.urn)
        known, nodes = ({node["id"] for node in each["nodes"]} for each in (whole, found))
        assert nodes == known if how == "up" else nodes < known
        assert {one.urn, two.urn} <= nodes
        same = {(k["from"], k["to"]) for k in found["links"] if k["role"] == "same_as"}
        assert same == {(two.urn, one.urn), (one.urn, two.urn)}
        part.merge(tmp_path / "later.db")
        assert part.check() == []
        assert part.documents().record(made.urn)["invalidated"]["root"] == one.urn


def tree_of(store: Store, record: Record, direction: Direction) -> list[str]:
    text = StringIO()
    Console(file=text, width=200).print(
        as_tree(store.documents().lineage(record.urn, direction=direction))
    )
    return text.getvalue().splitlines()


def test_invalidity_goes_through_all_records_of_one_thing(store: Store) -> None:
    (one, made), (two, other) = (team(store, n, SPELLINGS[i]) for i, n in enumerate("ab"))
    store.link_same()
    told = store.invalidate(one.urn, cause="the shutter was closed", dry_run=True)
    done = store.invalidate(one.urn, cause="the shutter was closed")
    assert told.count == done.count == 5
    reader = store.documents()
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
    assert "invalidated" not in store.documents().record(other.urn)
    store.link_same()
    assert store.documents().record(other.urn)["invalidated"]["root"] == one.urn
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
    shown = store.documents().record(one.urn)
    assert "same_as" not in shown
    there = second is None or second["uri"] == SPELLINGS[1]
    assert [hint["id"] for hint in shown.get("same_uri", ())] == ([two.urn] if there else [])
    store.invalidate(one.urn, cause="bad")
    assert "invalidated" not in store.documents().record(two.urn)


def test_a_digest_that_is_found_later_makes_records_one(store: Store) -> None:
    one, _ = team(store, "a", SPELLINGS[0])
    alike = store.data("alike", uris=[at(SPELLINGS[0])])
    two = store.data("two", uris=[SPELLINGS[1]])
    three = store.data("three", uris=[SPELLINGS[0]])
    for record, uri in ((two, SPELLINGS[1]), (three, SPELLINGS[0])):
        store.found_file(record.urn, uri, size=5, digest=DIGEST)
    assert pairs(store) >= {(two.id, alike.id), (three.id, alike.id)}
    assert one.id not in {end for pair in pairs(store) for end in pair}
    assert store.link_same() > 0
    linked = {end for pair in pairs(store) for end in pair}
    assert linked == {one.id, two.id, three.id, alike.id}


def of_two_teams(store: Store) -> tuple[Record, Record, Record]:
    """What the second team made of its copy; the copies of both, the first of which was made."""
    beam = store.data("beam")
    step = store.step("expose", inputs=[beam])
    one = step.output("scan", uris=[at(SPELLINGS[0])])
    step.finish()
    two, made = team(store, "b", SPELLINGS[1])
    return made, one, two


def test_a_statement_goes_through_all_records_of_one_thing_and_says_so(store: Store) -> None:
    made, one, two = of_two_teams(store)
    before = store.documents().statement(made.urn)
    assert before["predicate"]["evidence"]["same_things"] == []
    assert "origin_unknown" in gaps(before)
    store.link_same()
    assert verified(store, before).holds  # that they are one thing was said later

    statement = store.documents().statement(made.urn)
    names = {leaf["record"]["name"] for leaf in statement["predicate"]["evidence"]["leaves"]}
    assert names == {"result of b", "step of b", "scan of b", "scan", "expose", "beam"}
    same = statement["predicate"]["evidence"]["same_things"]
    assert {(link["from"], link["to"], link["digest"]) for link in same} == {
        (one.urn, two.urn, DIGEST),
        (two.urn, one.urn, DIGEST),
    }
    assert gaps(statement)["same_things"]["records"] == sorted([one.urn, two.urn])
    begins = statement["predicate"]["begins_with"]
    assert [urn for urn in begins if urn in (one.urn, two.urn)] == []
    told = " ".join(account(statement).split())
    assert "is one thing with scan" in told
    assert DIGEST in told
    assert verified(store, statement).holds
    leaves = [leaf["leaf"] for leaf in statement["predicate"]["evidence"]["leaves"]]
    assert {leaf["leaf"] for leaf in before["predicate"]["evidence"]["leaves"]} <= set(leaves)


def test_a_statement_on_a_copy_tells_what_the_other_record_of_it_came_from(store: Store) -> None:
    _, one, two = of_two_teams(store)
    store.link_same()
    statement = store.documents().statement(two.urn)
    assert statement["predicate"]["claim"]["same_as"] == [one.urn]
    assert "It is one thing with scan [2]." in " ".join(account(statement).split())
    assert "no_step" not in gaps(statement)


def test_what_is_bad_in_a_statement_is_so_through_one_thing(store: Store) -> None:
    made, one, _ = of_two_teams(store)
    store.link_same()
    good = store.documents().statement(made.urn)
    store.invalidate(one.urn, cause="the shutter was closed")
    statement = store.documents().statement(made.urn)
    evidence = statement["predicate"]["evidence"]
    assert evidence["invalidated"][made.urn]["root"] == one.urn
    assert one.urn in {leaf["id"] for leaf in evidence["leaves"]}
    assert verified(store, statement).holds
    assert not verified(store, good).holds


@pytest.mark.parametrize("how", ["left out", "another", "one way", "made up", "later"])
def test_what_is_one_thing_cannot_be_stated_otherwise(store: Store, how: str) -> None:
    made, _, two = of_two_teams(store)
    store.link_same()
    statement = store.documents().statement(made.urn)
    evidence = statement["predicate"]["evidence"]
    if how == "left out":
        del evidence["same_things"]
    elif how == "another":
        for link in evidence["same_things"]:
            link["digest"] = OTHER
    elif how == "one way":
        del evidence["same_things"][0]
    elif how == "made up":
        ends = {"from": made.urn, "to": two.urn, "digest": DIGEST, "at": evidence["as_of"]}
        back = {**ends, "from": two.urn, "to": made.urn}
        links = [*evidence["same_things"], ends, back]
        evidence["same_things"] = sorted(links, key=lambda link: (link["from"], link["to"]))
    else:
        evidence["same_things"][0]["at"] = "2999-01-01T00:00:00.000000+00:00"
    fitting = state(evidence_of(statement))
    verdict = verified(store, fitting)
    assert not verdict.holds
    assert all(one.sentence() for one in verdict.differences)


def test_a_search_finds_all_records_of_one_thing(store: Store) -> None:
    one = store.data("one", uris=[at(SPELLINGS[0]), at("globus://d/copy.h5")])
    two = store.data("two", uris=[at(SPELLINGS[1])])
    for uri in ("globus://d/copy.h5", "globus://C/a b.h5"):
        found = {r["id"] for r in store.documents().records(uri=uri)["records"]}
        assert found == {one.urn, two.urn}


def test_models_are_found_by_what_is_known_of_another_record_of_their_data(store: Store) -> None:
    raw = store.fact("sample", tags={"element": "Ni"})
    other = store.data("scan of another team", depends_on=[raw], uris=[at(SPELLINGS[0])])
    ours = store.recorder(audience=of("a"))
    cut = store.data("cut", depends_on=[ours.data("scan", uris=[at(SPELLINGS[1])])])
    version = store.model("net").update([cut])
    again = version.update()
    stranger = store.model("another net").update([store.data("elsewhere")])
    reader = store.documents()

    def found(**wanted: Any) -> set[str]:
        page = reader.models(**wanted)
        return {one["match"]["id"] for one in page["models"]}

    asked: tuple[dict[str, Any], ...] = (
        {"tags": ["element=Ni"]},
        {"trained_on": [other.urn]},
        {"trained_on": [other.urn], "tags": ["element=Ni"]},
    )
    assert [found(**each) for each in asked] == [set(), set(), set()]
    store.link_same()
    assert [found(**each) for each in asked] == [{again.urn}] * 3
    assert stranger.urn not in found(tags=["element=Ni"])
    only = sa.delete(TABLE["same_as"]).where(TABLE["same_as"].c.record_id == other.id)
    change(store, only)  # who may add to one record only
    assert [found(**each) for each in asked] == [set(), set(), set()]


def test_what_two_teams_recorded_of_one_file_is_one_thing_after_a_merge(
    store: Store, tmp_path: Path
) -> None:
    file = tmp_path / "other.db"
    with open_store(f"sqlite:///{file}") as other:
        _, made = team(other, "b", SPELLINGS[1])
        urn = made.urn
    one, _ = team(store, "a", SPELLINGS[0])
    store.merge(file)
    store.invalidate(one.urn, cause="bad")
    assert "invalidated" in store.documents().record(urn)
    assert store.check() == []


def test_what_two_processes_record_of_one_file_at_one_moment_is_one_thing(
    store: Store, store_url: str
) -> None:
    """One writes while the transaction of the other, which has looked already, is open."""
    made: list[Record] = []

    def meanwhile(_: sa.Connection) -> None:
        made.append(other.data("theirs", uris=[at("file:///scan.h5")]))

    with open_store(store_url) as other:
        for opened in (store, other):  # what is written once, such as where this runs
            opened.data("first", uris=[at(f"file:///{id(opened)}")])
        recorder = StoreService(store).recorder(held=True)
        made.append(recorder.data("ours", uris=[at("file:///scan.h5")]))
        batch = recorder.sink.batch  # type: ignore[attr-defined]
        if store_url.startswith("sqlite"):
            store.sink.writer.write(batch)  # nobody else can write meanwhile
            meanwhile(None)  # type: ignore[arg-type]
        else:
            store.sink.writer.write(batch, meanwhile)
    ours, theirs = sorted(record.urn for record in made)
    assert [same["id"] for same in store.documents().record(ours)["same_as"]] == [theirs]
    assert [same["id"] for same in store.documents().record(theirs)["same_as"]] == [ours]
    assert store.link_same() == 0


def test_very_many_equal_files_found_again_are_linked_in_linear_work(tmp_path: Path) -> None:
    def work(files: int) -> int:
        """Thousands of instructions of SQLite's virtual machine."""
        looks = itertools.count()
        with open_store(f"sqlite:///{tmp_path}/{files}.db") as store:
            for turn in range(2):
                with store.transaction():
                    scan = store.data(f"scan {turn}", uris=[f"file:///{n}" for n in range(files)])
                    for number in range(files):
                        store.found_file(scan, f"file:///{number}", size=1, digest="sha256:ab")
            check = FileCheckRow(scan.id, 0, "", 0, 1, "sha256:ab")
            with store.sink.session.change() as connection:
                raw: Any = connection.connection.driver_connection
                raw.set_progress_handler(lambda: next(looks) and None, 1_000)
                found = SameThings(connection.dialect).after(connection, Batch(file_check=[check]))
                raw.set_progress_handler(None, 0)
        assert found
        return next(looks)

    assert work(4_000) < 6 * work(1_000)
