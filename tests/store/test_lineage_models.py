"""Finding models: by what they were trained on, by tag, by how well they do."""

from __future__ import annotations

from typing import Any

import pytest

from provenance_store import Audience, Store, Viewer
from provenance_store.errors import InvalidInput, NotFound

ALICE, BOB = "urn:globus:auth:identity:alice", "urn:globus:auth:identity:bob"


def found(store: Store, **wanted: Any) -> list[str]:
    page = store.documents().models(**wanted)
    return [f"{model['name']} v{model['match']['version']}" for model in page["models"]]


def test_trained_on_a_record_directly_or_through_datasets_and_steps(store: Store) -> None:
    scan = store.data("scan", uris=["globus://c/scan.h5"])
    other = store.data("other scan")
    store.model("direct").update([scan])
    store.model("by dataset").update([store.dataset("all", [scan, other])])
    with store.step("Reduce", inputs=[scan]) as step:
        peaks = step.output("peaks")
    store.model("by step").update([peaks])
    store.model("by derived data").update([store.data("patches", depends_on=[peaks])])
    with store.step("Train", inputs=[scan]) as train:
        train.updated(store.model("made by a step that read it"), [])
    store.model("elsewhere").update([other])
    expected = {
        "direct v1",
        "by dataset v1",
        "by step v1",
        "by derived data v1",
        "made by a step that read it v1",
    }
    assert set(found(store, trained_on=scan.urn)) == expected
    assert set(found(store, trained_on="globus://c/scan.h5")) == expected
    assert set(found(store, trained_on=[scan.urn, other.urn])) == {"by dataset v1"}
    with pytest.raises(NotFound):
        found(store, trained_on="globus://c/nothing")


def test_later_versions_and_models_made_from_one_count_what_they_made_does_not(
    store: Store,
) -> None:
    config, scan = store.fact("config"), store.data("scan")
    base = store.model("base", depends_on=[config])
    trained = base.update([scan])
    latest = trained.update([store.data("more")])
    store.model("fine-tuned", depends_on=[trained])
    with store.step("Label", inputs=[store.data("new scan")], models=[latest]) as step:
        labels = step.output("labels")
    store.model("student").update([labels])
    assert set(found(store, trained_on=scan.urn)) == {"base v2", "fine-tuned v0"}
    assert found(store, trained_on=config.urn) == []
    assert set(found(store, trained_on=trained.urn)) == {"base v2", "fine-tuned v0"}
    (model,) = store.documents().models(name="base", trained_on=scan.urn)["models"]
    assert (model["matches"], model["versions"], model["branches"]) == (2, 3, 1)
    assert model["latest"]["id"] == latest.urn == model["match"]["id"]
    assert model["match"]["value"] is None


def test_the_best_is_first_by_score_or_else_by_the_last_value_of_the_metric(
    store: Store,
) -> None:
    def curve(*values: float) -> list[dict[str, float]]:
        return [{"epoch": n, "val_loss": value} for n, value in enumerate(values)]

    store.model("scored").update(scores={"val_loss": 0.2}, metrics=curve(0.5, 0.01))
    store.model("curve").update(metrics=curve(0.9, 0.05, 0.1))
    worse = store.model("two versions").update(scores={"val_loss": 0.4})
    worse.update(scores={"val_loss": 0.3}).update(scores={"val_loss": 0.35})
    store.model("unknown").update(scores={"accuracy": 0.9})
    best = store.documents().models(best="val_loss")["models"]
    assert [(model["name"], model["match"]["value"]) for model in best] == [
        ("curve", 0.1),
        ("scored", 0.2),
        ("two versions", 0.3),
    ]
    assert best[2]["match"]["version"] == 2
    assert best[2]["matches"] == 3
    highest = ["two versions v1", "scored v1", "curve v1"]
    assert found(store, best="val_loss", highest=True) == highest
    assert found(store, best="-val_loss") == highest
    assert found(store, best="val_loss", name="s*") == ["scored v1"]


def test_by_tag_and_page_by_page(store: Store) -> None:
    for n in range(5):
        store.model(f"m{n}").update(
            tags={"technique": "hedm" if n % 2 else "saxs", "n": n}, scores={"loss": (n * 7) % 5}
        )
    assert found(store, tags=["technique=hedm"]) == ["m3 v1", "m1 v1"]
    assert found(store, tags=["technique=hedm", "n>2"]) == ["m3 v1"]
    for wanted in ({"best": "loss"}, {"best": "loss", "highest": True}, {"tags": ["n"]}):
        whole = found(store, **wanted)
        assert len(whole) == 5
        seen: list[str] = []
        marker = None
        while True:
            page = store.documents().models(limit=2, marker=marker, **wanted)
            seen += [f"{model['name']} v1" for model in page["models"]]
            marker = page["marker"]
            if not page["has_next_page"]:
                break
        assert seen == whole


def test_what_is_invalid_is_found_and_marked(store: Store) -> None:
    scan = store.data("scan")
    store.model("m").update([scan], scores={"loss": 1.0})
    store.invalidate(scan.urn, cause="beam dump")
    (model,) = store.documents().models(best="loss")["models"]
    assert model["match"]["invalidated"]["cause"] == "beam dump"


def test_models_of_others_are_not_found(store: Store) -> None:
    alice, bob = (store.recorder(audience=Audience(who)) for who in (ALICE, BOB))
    scan = bob.data("scan")
    alice.model("hers").update([scan], scores={"loss": 0.1})
    shared = alice.model("line").update([scan])
    bob.update(shared, [scan], scores={"loss": 0.2})
    reader = store.documents(Viewer(frozenset({BOB})))
    (model,) = reader.models(trained_on=scan.urn, best="loss")["models"]
    assert (model["name"], model["match"]["version"], model["versions"]) == ("line", 2, 1)
    assert "hers" not in str(reader.models(trained_on=scan.urn))
    with pytest.raises(NotFound):
        reader.models(trained_on=shared.urn)


def test_a_marker_of_another_list_is_refused(store: Store) -> None:
    with pytest.raises(InvalidInput):
        store.documents().models(best="loss", marker="xyz")


def test_invalid_versions_are_left_out_on_request(store: Store) -> None:
    bad = store.data("bad scan")
    start = store.model("net", scores={"mae": 0.3})
    start.update([bad], scores={"mae": 0.1})
    store.invalidate(bad.urn, cause="misaligned")
    assert found(store, best="mae") == ["net v1"]
    assert found(store, best="mae", valid=True) == ["net v0"]
    assert found(store, valid=True) == ["net v0"]
    store.restore(bad.urn)
    assert found(store, best="mae", valid=True) == ["net v1"]
