"""Invalidating and restoring over HTTP: by who manages the record, answered as a store answers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
import sqlalchemy as sa

from flows.sandbox import Sandbox
from provenance_store.ids import SEQUENCE_BITS
from provenance_store.sql.tables import TABLE
from tests.functional.provider.batches import record_of
from tests.functional.provider.house import House, Person, Town, a_body, serving

CAUSE = "the detector was misaligned"


def scan_of(house: House, who: Person, request_id: str = "r1", **options: Any) -> str:
    """A scan that a step used, from which a report and a model are derived."""
    answer = house.run(who, request_id, **options)
    assert answer.status_code == 202, answer.text
    scan: str = answer.json()["details"]["inputs"][0]
    return scan


def say(house: House, who: Person | None, record: str, path: str, **said: Any) -> Any:
    return house.post(f"/api/v1/records/{record}/{path}", who, json=said)


def invalidate(house: House, who: Person | None, record: str, **said: Any) -> Any:
    return say(house, who, record, "invalidation", **{"cause": CAUSE, **said})


def test_what_is_invalidated_is_shown_so_with_all_that_derives_from_it(
    both_houses: House, ada: Person
) -> None:
    house = both_houses
    scan = scan_of(house, ada)
    answer = invalidate(house, ada, scan)
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert told["record"]["id"] == scan
    assert told["cause"] == CAUSE
    assert told["affected"]["kinds"] == {"data": 1, "model": 1, "step": 1}
    assert told["affected"]["count"] == len(told["affected"]["first"]) == 3
    assert "dry_run" not in told
    for mention in (told["record"], *told["affected"]["first"]):
        shown = record_of(house, ada, mention["id"])["invalidated"]
        assert shown == {"at": told["at"], "cause": CAUSE, "root": scan}


def test_a_dry_run_tells_the_same_and_changes_nothing(house: House, ada: Person) -> None:
    scan = scan_of(house, ada)
    before = house.counts()
    told = invalidate(house, ada, scan, dry_run=True).json()
    assert house.counts() == before
    done = invalidate(house, ada, scan).json()
    assert told == done | {"at": None, "dry_run": True}


def test_what_is_restored_is_valid_again_and_keeps_its_history(
    both_houses: House, ada: Person
) -> None:
    house = both_houses
    scan = scan_of(house, ada)
    invalidate(house, ada, scan)
    told = say(house, ada, scan, "restoration", dry_run=True).json()
    assert (told["before"], told["dry_run"]) == (CAUSE, True)
    assert "invalidated" in record_of(house, ada, scan)
    answer = say(house, ada, scan, "restoration", cause="it was another scan")
    assert answer.status_code == 200, answer.text
    shown = record_of(house, ada, scan)
    assert "invalidated" not in shown
    marks = [(mark["mark"], mark["note"]) for mark in shown["marks"]]
    assert marks == [("invalidated", CAUSE), ("restored", "it was another scan")]


def test_what_is_not_invalid_itself_is_not_restored(house: House, ada: Person) -> None:
    scan = scan_of(house, ada)
    valid = say(house, ada, scan, "restoration")
    assert (valid.status_code, valid.json()["code"]) == (409, "Conflict")
    model = invalidate(house, ada, scan).json()["affected"]["first"][-1]["id"]
    follows = say(house, ada, model, "restoration")
    assert follows.status_code == 409
    assert scan in follows.json()["description"]


def test_the_second_cause_is_told_with_the_first(house: House, ada: Person) -> None:
    scan = scan_of(house, ada)
    invalidate(house, ada, scan)
    again = invalidate(house, ada, scan, cause="and it was late").json()
    assert (again["before"], again["cause"]) == (CAUSE, "and it was late")


def test_no_more_are_named_than_are_wanted(house: House, ada: Person) -> None:
    scan = scan_of(house, ada)
    told = invalidate(house, ada, scan, dry_run=True, named=1).json()["affected"]
    assert (told["count"], len(told["first"])) == (3, 1)
    assert invalidate(house, ada, scan, dry_run=True, named=0).json()["affected"]["first"] == []


def test_strangers_find_nothing_to_invalidate(both_houses: House, ada: Person, bob: Person) -> None:
    house = both_houses
    scan = scan_of(house, ada)
    before = house.counts()
    absent = scan[:-1] + "9999"
    for path in ("invalidation", "restoration"):
        for dry_run in (True, False):
            there = say(house, bob, scan, path, cause="bad", dry_run=dry_run)
            nowhere = say(house, bob, absent, path, cause="bad", dry_run=dry_run)
            assert (there.status_code, nowhere.status_code) == (404, 404)
            assert there.text.replace(scan, absent) == nowhere.text
    assert house.counts() == before
    assert "invalidated" not in record_of(house, ada, scan)


def test_who_may_only_read_does_not_invalidate(house: House, ada: Person, bob: Person) -> None:
    scan = scan_of(house, ada, monitor_by=[bob.urn])
    for path in ("invalidation", "restoration"):
        for dry_run in (True, False):
            answer = say(house, bob, scan, path, cause="bad", dry_run=dry_run)
            assert (answer.status_code, answer.json()["code"]) == (403, "NotAllowed")
    assert "invalidated" not in record_of(house, ada, scan)


def test_who_reads_everything_does_not_invalidate_it(
    town: Town, store_url: str, ada: Person
) -> None:
    auditor = town.person("auditor")
    environ = town.environ(BRAID_READER_GROUP=town.group("auditors", auditor).id)
    with serving(store_url, environ) as house:
        scan = scan_of(house, ada)
        assert record_of(house, auditor, scan)["id"] == scan
        assert invalidate(house, auditor, scan).status_code == 403
        own = scan_of(house, auditor, "r2", body=a_body(run_id="run-2"))
        assert invalidate(house, auditor, own).status_code == 200


def test_managers_and_their_groups_invalidate(
    house: House, town: Town, ada: Person, bob: Person, carol: Person
) -> None:
    team = town.group("team", bob)
    urn = f"urn:globus:groups:id:{team.id}"
    scan = scan_of(house, ada, manage_by=[carol.urn, urn])
    assert invalidate(house, carol, scan).status_code == 200
    assert say(house, bob, scan, "restoration").status_code == 200


def test_what_of_others_is_affected_is_counted_and_not_told(
    both_houses: House, ada: Person, bob: Person
) -> None:
    house = both_houses
    scan = scan_of(house, ada, monitor_by=[bob.urn])
    body = a_body(run_id="of-bob", inputs=[scan], models=[])
    made = house.run(bob, "b1", body=body).json()["details"]
    affected = invalidate(house, ada, scan).json()["affected"]
    assert affected["kinds"] == {"data": 1, "model": 1, "step": 1, "restricted": 2}
    assert affected["count"] == 5
    assert {made["step"], *made["outputs"]}.isdisjoint(each["id"] for each in affected["first"])
    assert record_of(house, bob, made["outputs"][0])["invalidated"]["cause"] == CAUSE


def test_the_store_keeps_who_said_it(both_houses: House, ada: Person, bob: Person) -> None:
    house = both_houses
    scan = scan_of(house, ada, manage_by=[bob.urn])
    invalidate(house, bob, scan)
    say(house, ada, scan, "restoration")
    mark, origin = TABLE["mark"], TABLE["origin"]
    with house.store.sink.session.read() as connection:
        marks = connection.execute(sa.select(mark.c.id).order_by(mark.c.at)).scalars().all()
        who = {row.no: row.who for row in connection.execute(sa.select(origin))}
    assert [who[mark_id >> SEQUENCE_BITS] for mark_id in marks] == [bob.urn, ada.urn]


class Bad(NamedTuple):
    """A request that is refused, with what the sentence must mention."""

    name: str
    data: bytes
    status: int
    says: str


def body(**fields: Any) -> bytes:
    return json.dumps({"cause": CAUSE, **fields}).encode()


BAD = [
    Bad("no body", b"", 400, "no body"),
    Bad("not JSON", b"cause=bad", 400, "not JSON"),
    Bad("cut off", body()[:-1], 400, "not JSON"),
    Bad("two documents", body() + b"{}", 400, "not JSON"),
    Bad("not UTF-8", b'{"cause": "\xff"}', 400, "UTF-8"),
    Bad("a lone surrogate", b'{"cause": "\\ud800"}', 400, "not JSON"),
    Bad("NUL", b'{"cause": "a\\u0000"}', 422, "NUL"),
    Bad("too deep", b"[" * 200 + b"]" * 200, 413, "levels deep"),
    Bad("too large", body(cause="x" * 20_000), 413, "larger"),
    Bad("a list", b"[]", 422, "object"),
    Bad("null", b"null", 422, "object"),
    Bad("a long cause", body(cause="x" * 5000), 422, "4096"),
    Bad("a number as cause", body(cause=7), 422, "cause"),
    Bad("null as cause", body(cause=None), 422, "cause"),
    Bad("a field too many", body(undo=True), 422, "'undo'"),
    Bad("a word as dry_run", body(dry_run="yes"), 422, "dry_run"),
    Bad("a number as dry_run", body(dry_run=1), 422, "dry_run"),
    Bad("fewer named than none", body(named=-1), 422, "named"),
    Bad("too many named", body(named=1001), 422, "named"),
    Bad("half a record named", body(named=1.5), 422, "named"),
]
NO_CAUSE = [
    Bad("an empty object", b"{}", 422, "cause"),
    Bad("an empty cause", body(cause=""), 422, "cause"),
]


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[House, Person, str]]:
    """A provider that takes little, somebody, and a scan that is invalid already."""
    url = f"sqlite:///{tmp_path_factory.mktemp('strict') / 'store.db'}"
    with Sandbox() as sandbox:
        town = Town(sandbox)
        with serving(url, town.environ(BRAID_BODY_LIMIT_BYTES="10000")) as house:
            ada = town.person("ada")
            scan = scan_of(house, ada)
            invalidate(house, ada, scan)
            yield house, ada, scan


def refused(house: House, who: Person, scan: str, path: str, bad: Bad) -> None:
    before = house.counts()
    answer = house.post(f"/api/v1/records/{scan}/{path}", who, data=bad.data)
    assert answer.status_code == bad.status, answer.text
    assert set(answer.json()) == {"code", "description"}
    assert bad.says in answer.json()["description"]
    assert house.counts() == before


@pytest.mark.parametrize("path", ["invalidation", "restoration"])
@pytest.mark.parametrize("bad", BAD, ids=lambda bad: bad.name)
def test_a_bad_request_is_refused_in_a_sentence(
    strict: tuple[House, Person, str], bad: Bad, path: str
) -> None:
    refused(*strict, path, bad)


@pytest.mark.parametrize("bad", NO_CAUSE, ids=lambda bad: bad.name)
def test_an_invalidation_has_a_cause(strict: tuple[House, Person, str], bad: Bad) -> None:
    refused(*strict, "invalidation", bad)


@pytest.mark.parametrize("record", ["1.99999", "99.1", "urn:braid:nothing:1", "x", "1.1.1", "%00"])
def test_what_names_no_record_is_not_invalidated(
    strict: tuple[House, Person, str], record: str
) -> None:
    house, ada, _ = strict
    for path in ("invalidation", "restoration"):
        answer = say(house, ada, record, path, cause="bad")
        assert answer.status_code in (404, 422), answer.text


def test_nobody_and_other_methods_are_refused(strict: tuple[House, Person, str]) -> None:
    house, ada, scan = strict
    for path in ("invalidation", "restoration"):
        assert say(house, None, scan, path, cause="bad").status_code == 401
        for method in ("GET", "PUT", "DELETE", "PATCH"):
            answer = house.call(method, f"/api/v1/records/{scan}/{path}", ada)
            assert answer.status_code == 405
            assert "POST" in answer.headers["Allow"]


def test_a_secret_in_a_cause_is_not_kept(house: House, ada: Person) -> None:
    scan = scan_of(house, ada)
    secret = "Agx1234567890abcdefghijklmnopqrstuvwxyz0123456789AB"
    told = invalidate(house, ada, scan, cause=f"Authorization: Bearer {secret}")
    assert secret not in told.text
    assert secret not in json.dumps(record_of(house, ada, scan))
