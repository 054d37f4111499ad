"""Batches of remote recorders: written once, as the caller's own, and nobody else's."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

import hpc
from flows.sandbox.webserver import WebServer
from provenance_store import Batch, encode_batch, open_store
from provenance_store.batch import TABLES
from provenance_store.rows import TagRow
from provenance_store.values import Audience
from tests.functional.provider.batches import MEDIA_TYPE, Job, everything, post, record_of
from tests.functional.provider.house import House, Person, Town, a_body, at_once, serving

# ---- what is taken -----------------------------------------------------------------------


def test_a_batch_with_rows_in_every_table_is_the_callers(
    both_houses: House, ada: Person, bob: Person
) -> None:
    _, batch = everything()
    answer = post(both_houses, ada, batch)
    assert (answer.status_code, answer.json()) == (200, {"records": 6, "notes": []})
    assert both_houses.store.check() == []
    records = both_houses.get("/api/v1/records", ada).json()["records"]
    assert {r["owner"] for r in records} == {ada.urn}
    assert {r["name"] for r in records} == {"calibration", "scan", "scans", "train", "net"}
    run = both_houses.get("/api/v1/runs/job-1", ada).json()
    assert (run["recorded_by"], run["label"], run["tags"]) == (ada.urn, "Ni, 300 K", ["nickel"])
    assert [m["version"] for m in run["steps"][0]["models"]] == [0, 1]
    assert both_houses.get("/api/v1/records", bob).json()["records"] == []
    assert both_houses.get("/api/v1/runs/job-1", bob).status_code == 404


def test_a_batch_again_changes_nothing(both_houses: House, ada: Person) -> None:
    _, batch = everything()
    assert post(both_houses, ada, batch).status_code == 200
    before = both_houses.counts()
    assert post(both_houses, ada, batch).json() == {"records": 6, "notes": []}
    assert both_houses.counts() == before


def test_a_batch_again_by_another_of_ones_identities_changes_nothing(
    house: House, town: Town, ada: Person
) -> None:
    work = town.person("ada-at-work", linked=(ada.identity,))
    _, batch = everything()
    assert post(house, ada, batch).status_code == 200
    before = house.counts()
    assert post(house, work, batch).status_code == 200
    assert house.counts() == before


def test_nobody_makes_a_record_one_with_another_persons_by_claiming_its_digest(
    both_houses: House, ada: Person, bob: Person
) -> None:
    made = {}
    for person, name in ((ada, "first"), (ada, "again"), (bob, "claimed")):
        job = Job()
        place = {"uri": "globus://c/scan.h5", "digest": "sha256:" + "5" * 64, "size": 3}
        made[name] = job.recorder.data(name, uris=[place]).urn
        assert post(both_houses, person, job.batch()).status_code == 200
    reader = both_houses.store.documents()
    same = [one["id"] for one in reader.record(made["first"])["same_as"]]
    assert same == [made["again"]]
    assert "same_as" not in reader.record(made["claimed"])


def test_batches_at_once_are_written_once(both_houses: House, ada: Person) -> None:
    _, batch = everything()
    answers = at_once(*[partial(post, both_houses, ada, batch)] * 4)
    assert [answer.status_code for answer in answers] == [200] * 4
    assert both_houses.counts()["record"] == 6


def test_an_empty_batch_is_taken(house: House, ada: Person) -> None:
    assert post(house, ada, b"\x80").json() == {"records": 0, "notes": []}
    assert post(house, ada, encode_batch(Batch())).json() == {"records": 0, "notes": []}


def test_a_batch_of_four_mebibytes_is_taken(house: House, ada: Person) -> None:
    job = Job()
    members = [job.recorder.data("m" * 900) for _ in range(4700)]
    data = encode_batch(job.batch())
    assert len(data) > 4 << 20
    assert post(house, ada, data).json()["records"] == len(members)


def test_a_later_batch_adds_to_what_an_earlier_one_made(both_houses: House, ada: Person) -> None:
    job = Job()
    scan = job.recorder.data("scan", live=True)
    step = job.recorder.step("train", inputs=[scan])
    assert post(both_houses, ada, job.batch()).status_code == 200
    made = job.recorder.data("peaks")
    job.recorder.generated(step, [made])
    job.recorder.finish(step, result={"peaks": 3})
    job.recorder.tag(scan, {"sample": "Ni"})
    job.recorder.add(scan, uris=["file:///more.h5"])
    job.recorder.promote(scan)
    assert post(both_houses, ada, job.batch()).status_code == 200
    shown = record_of(both_houses, ada, scan)
    assert (shown["tags"], shown["live"]) == ({"sample": "Ni"}, False)
    assert record_of(both_houses, ada, step)["result"] == {"peaks": 3}
    assert both_houses.store.check() == []


def test_another_job_of_the_same_person_adds_and_updates(house: House, ada: Person) -> None:
    first, second = Job(), Job()
    scan = first.recorder.data("scan", live=True)
    model = first.recorder.model("net")
    assert post(house, ada, first.batch()).status_code == 200
    second.recorder.tag(scan.urn, {"sample": "Ni"})
    second.recorder.add(scan.urn, uris=["file:///more.h5"])
    second.recorder.update(model, [scan])
    assert post(house, ada, second.mentioning(second.batch())).status_code == 200
    line = house.get("/api/v1/models/net", ada).json()
    assert [v["version"] for v in line["versions"]] == [0, 1]
    assert record_of(house, ada, scan)["tags"] == {"sample": "Ni"}


def test_readers_and_managers_that_a_job_names_read_and_manage(
    house: House, ada: Person, bob: Person, carol: Person
) -> None:
    audience = Audience(ada.urn, readers=(bob.urn,), managers=(carol.urn,))
    job = Job(run_id="shared", audience=audience)
    scan = job.recorder.data("scan")
    assert post(house, ada, job.batch()).status_code == 200
    assert record_of(house, bob, scan)["name"] == "scan"
    for who, status in ((bob, 403), (carol, 200)):
        other = Job()
        other.recorder.tag(scan.urn, {"seen": True})
        assert post(house, who, other.mentioning(other.batch())).status_code == status


def test_managers_by_a_group_may_add(town: Town, house: House, ada: Person, bob: Person) -> None:
    group = town.group("beamline", bob)
    job = Job(run_id="of the group", audience=Audience(ada.urn, managers=(group.urn,)))
    scan = job.recorder.data("scan")
    assert post(house, ada, job.batch()).status_code == 200
    other = Job(run_id="of the group")
    other.recorder.tag(scan.urn, {"seen": True})
    other.recorder.data("another")
    assert post(house, bob, other.mentioning(other.batch())).status_code == 200


def test_secrets_are_taken_out_on_arrival(both_houses: House, ada: Person) -> None:
    _, batch = everything()
    secret = "hunter2-hunter2"
    batch.record[0] = batch.record[0]._replace(name=f"https://u:{secret}@host/x")
    batch.payload[0] = batch.payload[0]._replace(document=f'{{"password": "{secret}"}}')
    batch.uri[0] = batch.uri[0]._replace(uri=f"https://host/x?token={secret}")
    row = batch.tag[0]
    batch.tag.append(TagRow(row.record_id, "api_key", row.id, 1, secret, None, row.set_at))
    batch.tag[0] = row._replace(text=f"Bearer {secret}")
    batch.mark[0] = batch.mark[0]._replace(note=f"password={secret}")
    event = batch.run_event[0]
    batch.run_event[0] = event._replace(label=f"--token {secret}", flow_title=f"token={secret}")
    batch.run_tag[0] = batch.run_tag[0]._replace(tag=f"password={secret}")
    batch.step[0] = batch.step[0]._replace(action_url=f"https://u:{secret}@host/run")
    batch.origin[0] = batch.origin[0]._replace(software=f"x token={secret}", host=f"pw={secret}")
    assert post(both_houses, ada, batch).status_code == 200
    assert post(both_houses, ada, batch).status_code == 200
    assert secret not in dump(both_houses)


def test_an_environment_loses_its_secrets_and_keeps_a_digest_of_its_own(
    house: House, ada: Person
) -> None:
    from provenance_store.rows import EnvironmentRow
    from provenance_store.values import canonical_json, digest_of

    document = {"password": "hunter2-hunter2", "python": "3.11"}
    row = EnvironmentRow(digest_of(document), canonical_json(document).decode())
    _, batch = everything()
    batch.environment.append(row)
    batch.record[0] = batch.record[0]._replace(environment=row.digest)
    assert post(house, ada, batch).status_code == 200
    names = {r["name"]: r for r in house.get("/api/v1/records", ada).json()["records"]}
    expected = digest_of(document | {"password": "[redacted]"})
    assert names["calibration"]["environment"] == expected
    assert "hunter2" not in dump(house)


def dump(house: House) -> str:
    """All that is in the store, as text."""
    import sqlalchemy as sa

    from provenance_store.sql.tables import TABLE

    with house.store.sink.session.read() as connection:
        rows = {name: connection.execute(sa.select(table)).all() for name, table in TABLE.items()}
    return repr(rows)


# ---- the request ---------------------------------------------------------------------------


def test_who_may_not_record_may_not_send_batches(town: Town, tmp_path: Path) -> None:
    ada, bob = town.person("ada-3"), town.person("bob-3")
    environ = town.environ(BRAID_RUNNABLE_BY=ada.urn)
    with serving(f"sqlite:///{tmp_path / 'x.db'}", environ) as house:
        _, batch = everything()
        assert post(house, bob, batch).status_code == 403
        assert post(house, ada, batch).status_code == 200


def test_a_token_is_needed(house: House) -> None:
    _, batch = everything()
    answer = post(house, None, batch)
    assert (answer.status_code, answer.json()["code"]) == (401, "Unauthorized")
    assert answer.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "application/json"},
        {"Content-Type": "text/plain"},
        {"Content-Type": ""},
        {"Content-Encoding": "gzip"},
    ],
)
def test_other_media_types_are_415(house: House, ada: Person, headers: dict[str, str]) -> None:
    _, batch = everything()
    answer = post(house, ada, batch, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (415, "UnsupportedMediaType")
    assert MEDIA_TYPE in answer.json()["description"]


def test_a_batch_has_a_limit_of_its_own(town: Town, ada: Person, tmp_path: Path) -> None:
    environ = town.environ(BRAID_BATCH_LIMIT_BYTES="2048", BRAID_BODY_LIMIT_BYTES="1024")
    with serving(f"sqlite:///{tmp_path / 'x.db'}", environ) as house:
        job = Job()
        job.recorder.data("x" * 1000)
        job.recorder.data("x" * 500)
        data = encode_batch(job.batch())
        assert 1024 < len(data) < 2048
        assert post(house, ada, data).status_code == 200
        answer = post(house, ada, data + data)
        assert (answer.status_code, answer.json()["code"]) == (413, "RequestEntityTooLarge")
        long = a_body(parameters={"comment": "x" * 900})
        assert house.run(ada, "1", body=long).status_code == 413


def test_a_store_that_is_away_is_503(town: Town, ada: Person, tmp_path: Path) -> None:
    with serving(f"sqlite:///{tmp_path / 'no-such-folder' / 'x.db'}", town.environ()) as house:
        _, batch = everything()
        answer = post(house, ada, batch)
        assert answer.status_code in (500, 503)
        assert set(answer.json()) == {"code", "description"}


# ---- with the recorder -----------------------------------------------------------------------


def test_a_remote_recorder_records_through_the_server(
    both_houses: House, ada: Person, bob: Person, tmp_path: Path
) -> None:
    spool = tmp_path / "spool"
    with hpc.remote(both_houses.url, ada.token, spool=spool, run_id="job-1") as recorder:
        scans = [recorder.data(f"scan-{n}", tags={"n": n}) for n in range(1500)]
        with recorder.step("train", inputs=scans[:3], parameters={"epochs": 2}) as step:
            model = step.updated(recorder.model("net"), scans[:3], scores={"mae": 0.1})
        recorder.flush()
        after = model.update(scans[3:5])
        recorder.tag(scans[0], {"late": True})
    assert not spool.exists()
    assert both_houses.store.check() == []
    assert both_houses.store.info()["records"]["data"] == 1500
    lineage = both_houses.get(f"/api/v1/records/{after.urn}/lineage", ada).json()
    assert len(lineage["nodes"]) == 9
    assert record_of(both_houses, ada, scans[0])["tags"] == {"n": 0, "late": True}
    assert both_houses.get(f"/api/v1/records/{model.urn}", bob).status_code == 404


def test_while_the_server_is_away_records_are_spooled_and_loaded_afterwards(
    town: Town, ada: Person, tmp_path: Path
) -> None:
    url, spool = f"sqlite:///{tmp_path / 'store.db'}", tmp_path / "spool"
    with serving(url, town.environ()) as house:
        recorder = hpc.remote(house.url, ada.token, spool=spool, run_id="job-1")
        first = recorder.data("first", live=True)
        recorder.flush()
        assert record_of(house, ada, first)["owner"] == ada.urn
    recorder.data("second", depends_on=[first])
    recorder.tag(first, {"late": True})
    recorder.flush()
    recorder.close()
    assert list((spool / "new").glob("*.braid"))
    with open_store(url) as store:
        assert hpc.load_spool(store, spool).bad == []
    with serving(url, town.environ()) as house:
        assert record_of(house, ada, first)["tags"] == {"late": True}
        assert house.store.check() == []
        run = house.get("/api/v1/records?run_id=job-1", ada).json()["records"]
        assert [r["name"] for r in run] == ["second", "first"]


def test_a_server_that_comes_back_is_used_again(
    town: Town, ada: Person, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hpc.remote_sink.REST_SECONDS", 0.0)
    url, spool = f"sqlite:///{tmp_path / 'store.db'}", tmp_path / "spool"
    with serving(url, town.environ()) as house:
        recorder = hpc.remote(house.url, ada.token, spool=spool)
        recorder.data("first")
        recorder.flush()
        app, port = house.app, int(house.url.rpartition(":")[2])
    recorder.data("second")
    recorder.flush()
    server = WebServer(app, port=port)
    try:
        recorder.data("third")
        recorder.close()
    finally:
        server.stop()
    with open_store(url) as store:
        assert {r["name"] for r in store.documents().records()["records"]} == {"first", "third"}
        assert hpc.load_spool(store, spool).records == 1
        assert store.check() == []


def test_every_table_is_either_taken_or_refused() -> None:
    from provenance_store.validation.batches import TAKEN

    assert set(TAKEN) <= set(TABLES)
    assert "action" not in TAKEN
    _, batch = everything()
    assert {name for name in TAKEN if getattr(batch, name)} >= set(TAKEN) - {
        "environment",
        "audience",
        "audience_member",
    }
