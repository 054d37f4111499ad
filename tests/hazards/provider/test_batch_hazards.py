"""What a batch that no Recorder made may bring in: secrets, and times that cannot be."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa

from provenance_store import Batch
from provenance_store.enums import Mark
from provenance_store.ids import now
from provenance_store.rows import MarkRow, PayloadRow
from provenance_store.service import StoreService
from provenance_store.sql.tables import TABLE
from tests.functional.provider.batches import Job, everything, post
from tests.functional.provider.house import House, Person

SECRET = "hunter2-hunter2"
NAMED, IN_URL = f"password={SECRET}", f"https://u:{SECRET}@h/x?token={SECRET}"
LAST_MOMENT = 253_402_300_799_999_999


def put(batch: Batch, table: str, **fields: Any) -> None:
    rows = getattr(batch, table)
    rows[0] = rows[0]._replace(**fields)


def kept(house: House) -> list[str]:
    with house.store.sink.session.read() as connection:
        return [
            f"{name}.{column}: {value}"
            for name, table in TABLE.items()
            for row in connection.execute(sa.select(table)).all()
            for column, value in row._mapping.items()
            if isinstance(value, str) and SECRET in value
        ]


def test_no_text_of_a_batch_brings_a_secret_in(house: House, ada: Person) -> None:
    _, batch = everything()
    put(batch, "payload", document=f'{{"password":"{SECRET}","password":"[redacted]","x":1}}')
    of = batch.payload[0].record_id
    for name in ("_private_token", "password"):
        batch.payload.append(PayloadRow(of, name, f'{{"v":"{SECRET}"}}'))
    put(batch, "tag", name=IN_URL)
    put(batch, "step", type=NAMED, action_id=IN_URL, run_as=f"Bearer {SECRET}", action_url=IN_URL)
    put(batch, "outcome", status=NAMED)
    put(batch, "run_event", flow_id=IN_URL, run_owner=NAMED, label=NAMED)
    put(batch, "uri", media_type=f"x; token={SECRET}")
    put(batch, "record", name=f"{NAMED} Bearer {SECRET}")
    answer = post(house, ada, batch)
    assert answer.status_code == 200, answer.text
    assert kept(house) == []


@pytest.mark.parametrize(
    ("table", "column", "value"),
    [
        ("payload", "name", NAMED),
        ("metric", "name", NAMED),
        ("step", "definition_digest", NAMED),
        ("uri", "digest", f"{NAMED}:1"),
        ("file_check", "digest", f"{NAMED}:1"),
    ],
)
def test_names_and_digests_that_hold_a_secret_are_never_kept(
    house: House, ada: Person, table: str, column: str, value: str
) -> None:
    _, batch = everything()
    put(batch, table, **{column: value})
    answer = post(house, ada, batch)
    # Nothing can stand in for the digest of a check.
    assert answer.status_code == (422 if table == "file_check" else 200), answer.text
    assert SECRET not in answer.text
    assert kept(house) == []


@pytest.mark.parametrize(
    "at",
    [-1, LAST_MOMENT, now() + 2 * 86_400_000_000],
    ids=["before", "the last moment", "in two days"],
)
def test_nothing_is_said_at_a_time_to_come_or_before_1970(
    house: House, ada: Person, at: int
) -> None:
    _, batch = everything()
    put(batch, "mark", at=at)
    assert post(house, ada, batch).status_code == 422


def test_what_was_invalidated_at_the_last_moment_of_all_is_restored(house: House) -> None:
    job = Job()
    scan = job.recorder.data("scan")
    batch = job.batch()
    batch.mark.append(
        MarkRow(job.sink.new_id(), scan.id, Mark.INVALIDATED.value, LAST_MOMENT, "", scan.id)
    )
    StoreService(house.store).write(batch)
    house.store.restore(scan.urn)
    assert "invalidated" not in house.store.documents().record(scan.urn)


@pytest.mark.parametrize("text", ["999999w", "0001-01-01T00:00:00%2B14:00"])
def test_a_time_before_all_times_is_refused_in_a_sentence(
    house: House, ada: Person, text: str
) -> None:
    _, batch = everything()
    assert post(house, ada, batch).status_code == 200
    urn = house.get("/api/v1/records", ada).json()["records"][0]["id"]
    for path in (f"records/{urn}/statement?as_of=", "records?since=", "runs?until="):
        answer = house.get(f"/api/v1/{path}{text}", ada)
        assert answer.status_code == 422, answer.text
        assert "years 1 to 9999" in answer.json()["description"]
