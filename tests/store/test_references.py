"""How records are named: handles, ids, URNs, names, versions and URIs are interchangeable."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from provenance_store.errors import Ambiguous, InvalidInput, NotFound
from provenance_store.handles import ModelVersion
from provenance_store.recording.recorder import NOTE_TAG, Recorder
from provenance_store.sink import MemorySink
from provenance_store.store import Store

SPELLED: list[tuple[str, Callable[[Store, ModelVersion], Any]]] = [
    ("the handle", lambda store, v: v),
    ("the URN", lambda store, v: v.urn),
    ("the short id", lambda store, v: v.short_id),
    ("the id", lambda store, v: v.id),
    ("the name", lambda store, v: "sgd"),
    ("the number", lambda store, v: "sgd@v1"),
    ("a head", lambda store, v: store.documents().heads("sgd")[0]),
    ("its document", lambda store, v: store.documents().record(v.urn)),
    ("a URI", lambda store, v: "file:///models/sgd%20net.pt"),
    ("another spelling of the URI", lambda store, v: "FILE:///models/x/../sgd net.pt"),
    ("a path", lambda store, v: "/models/sgd net.pt"),
]


@pytest.fixture
def version(store: Store) -> ModelVersion:
    scan = store.data("scan")
    return store.model("sgd").update([scan], uris=["file:///models/sgd net.pt"])


@pytest.mark.parametrize(("how", "name"), SPELLED, ids=[how for how, _ in SPELLED])
def test_every_call_takes_every_name_of_a_version(
    store: Store, version: ModelVersion, how: str, name: Callable[[Store, ModelVersion], Any]
) -> None:
    given = name(store, version)
    reader = store.documents()
    for read in (reader.record, reader.model_version):
        assert read(given)["id"] == version.urn
    assert reader.model(given)["versions"][1]["id"] == version.urn
    assert reader.lineage(given)["root"] == version.urn
    assert store.reader().lineage(given).to_dict()["root"] == version.urn
    assert version.urn in str(reader.statement(given)["subject"])
    assert store.invalidate(given, cause="x", dry_run=True).record["id"] == version.urn
    assert store.id_of(given) == version.id
    store.tag(given, {"seen": how})
    assert reader.record(version)["tags"]["seen"] == how
    store.untag(given, "seen")
    assert "seen" not in reader.record(version)["tags"]
    step = store.step("s", inputs=[given], models=given)
    assert [link["id"] for link in reader.record(step)["links"]] == [version.urn]
    made = store.data("d", depends_on=given)
    assert [link["id"] for link in reader.record(made)["links"]] == [version.urn]
    assert reader.models(trained_on=reader.record(version)["links"][1]["id"])["models"]
    following = store.update(given)
    assert (following.version, following.line_id) == (2, version.line_id)


def test_a_path_object_is_the_file_at_that_path(store: Store, tmp_path: Path) -> None:
    file = tmp_path / "a b.h5"
    file.write_bytes(b"x")
    scan = store.data("scan", uris=file)
    assert store.documents().record(file)["id"] == scan.urn
    made = store.data("fit", depends_on=file)
    assert [link["id"] for link in store.documents().record(made)["links"]] == [scan.urn]


def test_a_name_that_several_have_is_answered_with_the_choices(store: Store) -> None:
    twice = [store.data("scan"), store.data("scan")]
    with pytest.raises(Ambiguous) as caught:
        store.documents().record("scan")
    assert sorted(caught.value.choices) == sorted(record.urn for record in twice)
    with pytest.raises(Ambiguous):
        store.data("fit", depends_on="scan")


def test_a_name_stands_for_the_newest_version_of_a_model(store: Store) -> None:
    first = store.model("net")
    second = first.update()
    assert store.id_of("net") == second.id
    assert store.id_of("net@v0") == first.id
    first.update()
    with pytest.raises(Ambiguous):
        store.id_of("net")
    with pytest.raises(Ambiguous):
        store.id_of("net@v1")
    with pytest.raises(NotFound):
        store.id_of("net@v7")


def test_a_name_with_a_secret_is_found_by_what_was_given(store: Store) -> None:
    made = store.data("token=ghp_" + "a" * 36)
    assert store.id_of("token=ghp_" + "a" * 36) == made.id


def test_a_recorder_without_a_store_says_that_it_knows_no_names() -> None:
    recorder = Recorder(MemorySink(), environment=None)
    with pytest.raises(InvalidInput):
        recorder.data("fit", depends_on="scan")


# ---- going on ----------------------------------------------------------------------------


def script(store: Store) -> ModelVersion:
    return store.model("sgd", resume=True).update(tags={"run": 1})


def test_a_script_that_is_run_twice_makes_one_line_that_goes_on(store: Store) -> None:
    first, second = script(store), script(store)
    assert [first.version, second.version] == [1, 2]
    assert store.documents().model("sgd")["versions"][2]["id"] == second.urn


def test_what_is_said_when_a_model_goes_on_makes_its_next_version(store: Store) -> None:
    begun = store.model("sgd", hyperparameters={"lr": 1}, resume=True)
    again = store.model("sgd", hyperparameters={"lr": 2}, resume=True)
    assert (begun.version, again.version) == (0, 1)
    assert store.documents().record(again)["hyperparameters"] == {"lr": 2}


def test_a_script_that_fails_before_it_trains_leaves_no_version(store: Store) -> None:
    for _ in range(3):
        code = store.fact("train.py")
        about: dict[str, Any] = {"depends_on": [code], "tags": {"project": "x"}}
        begun = store.model("sgd", resume=True, **about)
        assert begun.version == 0
    assert len(store.documents().model("sgd")["versions"]) == 1
    trained = store.model("sgd", resume=True, trained_on=store.data("scan"), **about)
    found = store.documents().record(trained)
    assert (found["version"], found["tags"]) == (1, {"project": "x"})
    assert "train.py" in {link["name"] for link in found["links"]}


@pytest.mark.parametrize(("how", "name"), SPELLED[:8], ids=[how for how, _ in SPELLED[:8]])
def test_a_model_goes_on_from_the_version_that_is_named(
    store: Store, version: ModelVersion, how: str, name: Callable[[Store, ModelVersion], Any]
) -> None:
    resumed = store.model(name(store, version), resume=True)
    assert (resumed, resumed.version, resumed.line_id) == (version, 1, version.line_id)


def test_a_model_with_two_newest_versions_goes_on_from_the_last(
    store: Store, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger("braid"), "filters", [])  # a server of another test has
    first = store.model("sgd")
    first.update()
    last = first.update()
    assert store.model("sgd", resume=True) == last
    assert "2 versions are the newest" in caplog.text
    with pytest.raises(InvalidInput, match="2 versions are the newest"):
        Recorder(store.sink, strict=True).model("sgd", resume=True)


def trained(store: Store, version: ModelVersion, *, ends: str | None) -> ModelVersion:
    """What a script leaves that ends so; None for one that was killed."""
    step = store.step("Train", models=[version])
    made = step.updated(version, metrics=[{"epoch": 1, "loss": 0.2}])
    if ends:
        step.finish(ends)
    return made


def test_a_model_goes_on_from_the_newest_version_that_did_not_fail(
    store: Store, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger("braid"), "filters", [])
    begun = store.model("sgd")
    good = trained(store, begun, ends="SUCCEEDED")
    failed = trained(store, good, ends="FAILED")
    again = trained(store, failed, ends="FAILED")
    assert store.model("sgd", resume=True) == good
    assert f"steps failed: {failed.urn}, {again.urn}. To go on from another" in caplog.text
    assert store.documents().record("sgd")["id"] == good.urn
    (named,) = store.documents().named("sgd")["records"]
    assert named["passed_over"] == [failed.urn, again.urn]
    told = {v["id"]: v["status"] for v in store.documents().model("sgd")["versions"]}
    assert told == {
        begun.urn: None,
        good.urn: "SUCCEEDED",
        failed.urn: "FAILED",
        again.urn: "FAILED",
    }
    nodes = store.documents().lineage(again)["nodes"]
    assert {n["short_id"]: n.get("status") for n in nodes if n["kind"] == "model"} == {
        again.short_id: "FAILED",
        failed.short_id: "FAILED",
        good.short_id: None,
        begun.short_id: None,
    }

    assert store.model("sgd@v2", resume=True) == failed
    on_purpose = trained(store, again, ends="SUCCEEDED")
    assert store.model("sgd", resume=True) == on_purpose
    caplog.clear()
    killed = trained(store, on_purpose, ends=None)
    assert store.model("sgd", resume=True) == killed
    assert "goes on from v5, which is not complete" in caplog.text
    assert "model(ID, resume=True)" in caplog.text


def test_where_every_version_failed_the_newest_is_the_one(store: Store) -> None:
    with store.transaction():
        step = store.step("Train")
        begun = store.model("sgd")
        store.generated(step, begun)
        step.finish("FAILED")
    assert store.model("sgd", resume=True) == begun
    last = trained(store, begun, ends="FAILED")
    assert store.model("sgd", resume=True) == last
    good = trained(store, begun, ends="SUCCEEDED")
    assert store.model("sgd", resume=True) == good


def test_where_the_store_is_not_known_a_line_begins_and_says_so() -> None:
    sink = MemorySink()
    Recorder(sink, environment=None).model("sgd", resume=True)
    (batch,) = sink.batches
    assert [(tag.name, "begins a line of its own" in tag.text) for tag in batch.tag] == [
        (NOTE_TAG, True)
    ]


def test_data_is_no_model_to_go_on_from(store: Store) -> None:
    scan = store.data("scan")
    with pytest.raises(NotFound, match="is not a model version"):
        store.model(scan.urn, resume=True)
