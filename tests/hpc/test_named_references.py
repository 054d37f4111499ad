"""Records that a script names where no store can be asked: looked up when they come to one."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest

import hpc
from provenance_store import Recorder, Store, encode_batch, open_store
from provenance_store.batch import FORMAT, decode_batch
from provenance_store.recording.recorder import NOTE_TAG
from provenance_store.references import NAMED_TAG
from provenance_store.sink import MemorySink
from tests.functional.provider.house import House, Person
from tests.hpc.test_remote import AWAY
from tests.support.mpi import run_mpi


def of(store: Store, reference: Any) -> dict[str, Any]:
    found: dict[str, Any] = store.documents().record(reference)
    return found


def ends(store: Store, reference: Any) -> set[tuple[str, str, int | None]]:
    """Role, name and version of all that a record depends on."""
    return {(k["role"], k["name"], k.get("version")) for k in of(store, reference)["links"]}


def load(store: Store, folder: Path) -> None:
    report = hpc.load_spool(store, folder)
    assert report.bad == []
    assert store.check() == []


def load_again(store: Store, folder: Path) -> None:
    before = store.info()
    for file in (folder / "done").iterdir():
        file.rename(folder / "new" / file.name)
    load(store, folder)
    assert store.info() == before


@pytest.fixture
def net(store: Store) -> str:
    """A scan at a URI, and the versions 0 to 2 of a model, of which 1 is the champion."""
    store.data("scan", uris=["globus://c/scan.h5"])
    first = store.model("net").update(tags={"n": 1})
    first.alias("champion")
    return first.update(tags={"n": 2}).urn


def test_whatever_names_a_record_is_looked_up_when_it_is_loaded(
    store: Store, net: str, tmp_path: Path
) -> None:
    scan = store.documents().record("scan")
    with hpc.spool(tmp_path) as recorder:
        models = ["net", "net@v0", "net@champion"]
        with recorder.step("A", inputs=["globus://C/./scan.h5"], models=models) as step:
            step.used(scan["short_id"]).output("peaks", depends_on="scan")
        fit = recorder.data("fit", depends_on=["peaks", "net"])
        several = recorder.dataset("both", ["scan", "fit"], depends_on="net@v1")
    load(store, tmp_path)
    assert ends(store, step.urn) == {
        ("used", "scan", None),
        *(("used", "net", version) for version in (0, 1, 2)),
    }
    assert ends(store, fit.urn) == {("derived_from", "peaks", None), ("derived_from", "net", 2)}
    assert ends(store, several.urn) == {
        ("has_member", "scan", None),
        ("has_member", "fit", None),
        ("derived_from", "net", 1),
    }
    rules = {link["rule"] for link in of(store, fit.urn)["late_links"]}
    assert rules == {"named 'peaks' where it was recorded", "named 'net' where it was recorded"}
    assert NOTE_TAG not in of(store, step.urn)["tags"]
    load_again(store, tmp_path)


def test_a_named_model_goes_on(store: Store, net: str, tmp_path: Path) -> None:
    with hpc.spool(tmp_path) as recorder:
        first = recorder.update("net", "scan")
        with recorder.step("Train", models=[resumed := recorder.model("net", resume=True)]) as step:
            second = step.updated(resumed, metrics=[{"epoch": 0, "loss": 1}])
            second.log(epoch=1, loss=0.5)
        third = second.update(scores={"f1": 0.9})
        other = recorder.update("net@v1")
        third.alias("best")
    load(store, tmp_path)
    line = store.documents().model("net@v0")
    made = [of(store, version.urn) for version in (first, second, third, other)]
    assert [version["version"] for version in made] == [3, 4, 5, 2]
    assert {version["name"] for version in made} == {"net"}
    assert len(line["versions"]) == 7
    assert of(store, "net@best")["id"] == third.urn
    assert ("revision_of", "net", 3) in ends(store, second.urn)
    assert len(made[1]["metrics"]) == 2
    load_again(store, tmp_path)


def test_a_model_that_is_not_there_begins_with_what_was_made_of_it(
    store: Store, tmp_path: Path
) -> None:
    for run in (1, 2):
        folder = tmp_path / str(run)
        with hpc.spool(folder) as recorder:
            model = recorder.model("fresh", resume=True, tags={"run": run})
            with recorder.step("Train", models=[model]) as step:
                step.updated(model).alias("last")
        load(store, folder)
    versions = store.documents().model("fresh")["versions"]
    assert [(v["version"], v["tags"].get("run")) for v in versions] == [
        (0, 1),
        (1, None),
        (2, 2),
        (3, None),
    ]
    assert [v["aliases"] for v in versions] == [[], [], [], ["last"]]
    assert "'fresh' named nothing" in versions[0]["tags"][NOTE_TAG]


def test_what_is_said_of_a_name_is_said_of_its_record(
    store: Store, net: str, tmp_path: Path
) -> None:
    going_on = store.step("Going on")
    stream = store.data("stream", live=True)
    with hpc.spool(tmp_path) as recorder:
        recorder.tag("scan", {"quality": 1})
        recorder.log("net@champion", {"epoch": 3, "loss": 0.1}, scores={"f1": 0.5})
        recorder.alias("net", "latest")
        recorder.unalias("net", "champion")
        recorder.finish("Going on", "FAILED", error={"why": "no beam"})
        recorder.add("stream", depends_on="scan")
        recorder.promote("stream", "done")
        recorder.used("Going on", "scan")
        recorder.found_file("scan", "globus://c/scan.h5", size=1, digest="sha256:" + "0" * 64)
        recorder.payload("scan", "parameters", {"a": 1})
        recorder.link_later("Going on", "net@v0", rule="by hand")
    load(store, tmp_path)
    assert of(store, "scan")["tags"] == {"quality": 1}
    assert of(store, "net@v1")["metrics"] == [{"epoch": 3, "loss": 0.1}]
    assert of(store, "net@latest")["version"] == 2
    assert of(store, "net@v1")["aliases"] == []
    assert of(store, going_on)["status"] == "FAILED"
    assert ends(store, stream) == {("derived_from", "scan", None)}
    assert ("used", "net", 0) in ends(store, going_on)
    load_again(store, tmp_path)


def test_a_name_stands_for_what_had_it_when_it_was_recorded(
    store: Store, net: str, tmp_path: Path
) -> None:
    with hpc.spool(tmp_path) as recorder:
        step = recorder.step("Apply", models=["net@champion"], inputs=["scan"])
        newest = recorder.data("newest", depends_on="net")
        decided = recorder.decide("Which?", ["net@v1", "net"], chosen="net")
    moved = store.update("net", tags={"n": 3})
    moved.alias("champion")
    store.data("scan")
    load(store, tmp_path)
    assert ends(store, step.urn) == {("used", "net", 1), ("used", "scan", None)}
    assert ends(store, newest.urn) == {("derived_from", "net", 2)}
    assert ends(store, decided.urn) == {("considered", "net", 1), ("chosen", "net", 2)}
    load_again(store, tmp_path)


def test_what_names_nothing_or_several_is_left_out_with_a_note(
    store: Store, tmp_path: Path
) -> None:
    store.data("twice")
    store.data("twice")
    with hpc.spool(tmp_path) as recorder:
        inputs = ["nothing", "twice", "{so}"]
        step = recorder.step("A", inputs=inputs, tags={"T": object()})
    load(store, tmp_path)
    assert ends(store, step.urn) == set()
    note = of(store, step.urn)["tags"][NOTE_TAG]
    assert "'nothing' named nothing" in note
    assert "'{so}' named nothing" in note
    assert "'twice' named more than one record: urn:braid:" in note
    assert note.startswith("tags.T")  # what was noted at once stays
    load_again(store, tmp_path)


def test_what_is_said_of_nothing_stays_in_the_spool(store: Store, tmp_path: Path) -> None:
    with hpc.spool(tmp_path) as recorder:
        recorder.data("good")
        recorder.tag("late", {"a": 1})
    report = hpc.load_spool(store, tmp_path)
    (bad,) = report.bad
    assert bad.reason.startswith("'late' named nothing")
    assert of(store, "good")


def test_files_of_a_spool_may_name_what_another_one_holds(store: Store, tmp_path: Path) -> None:
    with hpc.spool(tmp_path) as later, hpc.spool(tmp_path) as recorder:
        recorder.data("first of all")
        later.data("scan")
        fit = recorder.data("fit", depends_on="scan")
        recorder.flush()
    load(store, tmp_path)
    assert ends(store, fit.urn) == {("derived_from", "scan", None)}


def test_a_handle_of_a_named_model_is_known_in_other_processes(
    store: Store, net: str, tmp_path: Path
) -> None:
    with hpc.spool(tmp_path) as one, hpc.spool(tmp_path) as other:
        model = pickle.loads(pickle.dumps(one.model("net", resume=True)))
        made = pickle.loads(pickle.dumps(other.update(model)))
        last = one.update(made)
    load(store, tmp_path)
    assert of(store, last.urn)["version"] == 4
    assert ("revision_of", "net", 3) in ends(store, last.urn)


def test_a_spool_file_with_names_needs_no_newer_format(tmp_path: Path) -> None:
    sink = MemorySink()
    Recorder(sink, environment=None).data("x")
    written = encode_batch(sink.batch)
    with hpc.spool(tmp_path) as recorder:
        recorder.data("fit", depends_on="net@v3")
    from hpc.spooling.files import read_frames
    from hpc.spooling.load import waiting_files

    (file,) = waiting_files(tmp_path)
    (data,) = read_frames(file)
    assert [row.text for row in decode_batch(data).tag if row.name == NAMED_TAG] == ["net@v3"]
    assert data[:20].count(b"format") == written[:20].count(b"format") == 1
    assert FORMAT == 3


JOB = """
import sys
from mpi4py import MPI
import hpc

comm = MPI.COMM_WORLD
work = hpc.workers(comm)
with hpc.aggregated(sys.argv[1], comm=comm) as recorder:
    if recorder is not None:
        if work.rank == 0:
            recorder.data("made by a rank")
            model = recorder.model("net", resume=True)
            recorder.flush()
        else:
            model = None
        work.Barrier()
        model = work.bcast(model, root=0)
        inputs = ["scan", "made by a rank", "nothing"]
        with recorder.step(f"Train {work.rank}", inputs=inputs, models=[model, "net@champion"]):
            version = recorder.update(model, tags={"rank": work.rank})
            recorder.update(version)
"""


def test_ranks_name_what_the_store_of_the_aggregator_has(store_url: str, tmp_path: Path) -> None:
    with open_store(store_url) as store:
        store.data("scan")
        store.model("net").update().alias("champion")
    ended = run_mpi(JOB, tmp_path, ranks=3, arguments=[store_url])
    assert ended.code == 0, ended.err
    with open_store(store_url, create=False) as store:
        for rank in (0, 1):
            assert ends(store, f"Train {rank}") == {
                ("used", "scan", None),
                ("used", "made by a rank", None),
                ("used", "net", 1),
            }
            assert "'nothing' named nothing" in of(store, f"Train {rank}")["tags"][NOTE_TAG]
        line = store.documents().model("net@champion")
        assert sorted(v["version"] for v in line["versions"]) == [0, 1, 2, 2, 3, 3]
        assert store.check() == []
    assert not (tmp_path / "braid-spool").exists()


def test_a_server_that_is_away_is_asked_when_the_spool_is_loaded(
    house: House, ada: Person, tmp_path: Path
) -> None:
    with hpc.remote(house.url, ada.token, spool=tmp_path / "no") as recorder:
        net = recorder.model("net").update()
        net.alias("champion")
        recorder.data("scan")
    with hpc.remote(AWAY, ada.token, spool=tmp_path / "spool") as recorder:
        fit = recorder.data("fit", depends_on=["scan", "net@champion", "nothing"])
        version = recorder.model("net", resume=True).update("fit")
    report = hpc.load_spool(_posting(house, ada, tmp_path), tmp_path / "spool")
    assert report.bad == []
    assert ends(house.store, fit.urn) == {
        ("derived_from", "scan", None),
        ("derived_from", "net", 1),
    }
    assert "'nothing' named nothing" in of(house.store, fit.urn)["tags"][NOTE_TAG]
    assert of(house.store, version.urn)["version"] == 2
    assert house.store.check() == []


def test_a_server_looks_up_only_what_the_caller_sees(
    house: House, ada: Person, town: Any, tmp_path: Path
) -> None:
    eve = town.person("eve")
    with hpc.remote(house.url, eve.token, spool=tmp_path / "no") as recorder:
        recorder.data("hidden")
    with hpc.remote(AWAY, ada.token, spool=tmp_path / "spool") as recorder:
        fit = recorder.data("fit", depends_on="hidden")
    hpc.load_spool(_posting(house, ada, tmp_path), tmp_path / "spool")
    assert ends(house.store, fit.urn) == set()
    assert "named nothing" in of(house.store, fit.urn)["tags"][NOTE_TAG]


def _posting(house: House, person: Person, folder: Path) -> Any:
    """As `braid spool load --server` brings batches to a server."""
    import requests

    from hpc.spooling.load import ServerIntake

    def post(data: bytes) -> int:
        answer = requests.post(
            f"{house.url}/api/v1/batches",
            data=data,
            headers={
                "Authorization": f"Bearer {person.token}",
                "Content-Type": "application/msgpack",
            },
            timeout=60,
        )
        assert answer.status_code == 200, answer.text
        return int(answer.json()["records"])

    return ServerIntake(post)
