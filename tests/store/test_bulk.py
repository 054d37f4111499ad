"""Loading many rows: the same store as recording one by one gives, and all of it or nothing."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from provenance_store import Recorder, Store, open_store
from provenance_store.errors import InvalidInput, StoreUnavailable


def a_workload(recorder: Recorder) -> None:
    """Three models exposed to two cycles of forty scans."""
    configurations = [recorder.fact(f"cfg-{n}", uris=[f"file:///{n}"]) for n in range(3)]
    models = [recorder.model(f"model-{n}", depends_on=[configurations[n]]) for n in range(3)]
    for cycle in range(2):
        with recorder.transaction():
            scans = [
                recorder.data(
                    f"scan-{cycle}-{n}", depends_on=configurations[: n % 4], tags={"n": n}
                )
                for n in range(40)
            ]
        models = [model.update(scans, metrics=[{"epoch": 1, "loss": 1.0}]) for model in models]
    with recorder.step("Train", models=models, parameters={"a": 1}) as step:
        step.output("weights")
    recorder.run("run-1", status="SUCCEEDED")


def what_is_in(store: Store) -> object:
    """Records by name and their links by name."""
    read = store.documents()
    page = read.records(limit=1000)
    assert not page["has_next_page"]
    return sorted(
        (
            record["name"],
            record.get("version"),
            sorted(record["tags"].items()),
            sorted(
                (link["role"], link["name"], link.get("version", -1))
                for link in read.record(record["id"])["links"]
            ),
        )
        for record in page["records"]
    )


def test_a_bulk_load_gives_what_recording_one_by_one_gives(store: Store, tmp_path: object) -> None:
    with store.bulk_load() as recorder, recorder.transaction():
        a_workload(recorder)
    with open_store(f"sqlite:///{tmp_path}/plain.db") as plain:
        a_workload(plain)
        assert what_is_in(store) == what_is_in(plain)
        tables, expected = store.info()["tables"], plain.info()["tables"]
        assert tables == expected
    assert store.check() == []


def test_indexes_are_there_after_a_bulk_load(store: Store) -> None:
    with store.bulk_load() as recorder:
        recorder.data("scan")
    names = {str(i["name"]) for i in sa.inspect(store.sink.session.engine).get_indexes("link")}
    assert "ix_link_from_id" in names


def test_a_bulk_load_that_fails_leaves_nothing(store: Store) -> None:
    before = store.data("before")
    with pytest.raises(RuntimeError), store.bulk_load() as recorder:
        scan = recorder.data("scan", depends_on=[before])
        recorder.model("m").update([scan])
        recorder.flush()
        raise RuntimeError("changed my mind")
    test_indexes_are_there_after_a_bulk_load(store)
    assert [r["name"] for r in store.documents().records()["records"]] == ["scan", "before"]
    assert store.check() == []


def test_a_bulk_load_depends_on_what_was_there_and_goes_on_after_it(store: Store) -> None:
    cfg = store.fact("cfg")
    with store.bulk_load() as recorder:
        scan = recorder.data("scan", depends_on=[cfg, cfg.urn])
        model = recorder.model("m").update([scan])
    later = store.update(model, [scan])
    assert [n["name"] for n in store.documents().lineage(later.urn)["nodes"]].count("cfg") == 1
    assert later.version == 2


@pytest.mark.parametrize("earlier", ["live data", "a step", "a tag"])
def test_a_bulk_load_takes_no_additions_to_earlier_records(store: Store, earlier: str) -> None:
    live, step = store.data("live", live=True), store.step("s")
    with pytest.raises(InvalidInput, match="new records only"), store.bulk_load() as recorder:
        if earlier == "live data":
            recorder.add(live, uris=["file:///x"])
        elif earlier == "a step":
            recorder.used(step, [recorder.data("x")])
        else:
            recorder.tag(live, {"a": 1})


def test_others_wait_for_a_bulk_load_and_lose_nothing(
    store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BRAID_BUSY_TIMEOUT_MS", "200")
    with open_store(store_url) as store, open_store(store_url) as other:
        other.data("before")
        with store.bulk_load() as recorder:
            recorder.data("loaded")
            if store_url.startswith("sqlite"):
                with pytest.raises(StoreUnavailable):
                    other.data("refused")
        other.data("after")
        names = [r["name"] for r in store.documents().records()["records"]]
        assert sorted(names) == ["after", "before", "loaded"]
