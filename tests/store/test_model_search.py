"""Model versions by parameters, by tags of their training, by alias; today and as of a time."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from provenance_store import open_store
from provenance_store.errors import Ambiguous, InvalidInput, NotFound
from provenance_store.recording.recorder import Recorder
from provenance_store.store import Store
from provenance_store.values import Audience, Viewer

ADA, BOB = (f"urn:globus:auth:identity:{n:08d}-0000-4000-8000-000000000000" for n in (1, 2))


def names(store: Store, **wanted: Any) -> list[str]:
    page = store.documents().models(**wanted)
    return [f"{model['name']} v{model['match']['version']}" for model in page["models"]]


# ---- parameters --------------------------------------------------------------------------


@pytest.fixture
def trained(store: Store) -> Store:
    store.model("adam", hyperparameters={"lr": 0.001, "optimizer": {"name": "adam", "beta": 0.9}})
    store.model("sgd", hyperparameters={"lr": 0.1, "nesterov": True, "layers": [1, 2]})
    step = store.step("Train", parameters={"kwargs": {"batch": 32, "lr": 0.5}})
    step.updated(store.model("stepped"), store.data("scan"), hyperparameters={"momentum": 0.9})
    return store


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("lr<0.01", {"adam v0"}),
        ("lr<=0.1", {"adam v0", "sgd v0"}),
        ("lr>0.01", {"sgd v0", "stepped v1"}),
        ("lr=0.10", {"sgd v0"}),
        ("optimizer.name=adam", {"adam v0"}),
        ("optimizer.beta>0.5", {"adam v0"}),
        ("kwargs.lr=0.5", {"stepped v1"}),
        ("nesterov=true", {"sgd v0"}),
        ("nesterov", {"sgd v0"}),
        ("batch=32", {"stepped v1"}),
        ("momentum>0.5", {"stepped v1"}),
        ("name=adam", {"adam v0"}),
    ],
)
def test_versions_are_found_by_parameters(trained: Store, where: str, expected: set[str]) -> None:
    assert set(names(trained, where=where)) == expected
    assert trained.check() == []


def test_all_conditions_must_hold(trained: Store) -> None:
    assert names(trained, where=["lr>0.01", "nesterov"]) == ["sgd v0"]


@pytest.mark.parametrize("where", ["lr<x", "", "<3"])
def test_a_condition_that_is_none_is_refused(store: Store, where: str) -> None:
    with pytest.raises(InvalidInput):
        store.documents().models(where=[where])


def test_all_versions_that_fit_are_listed_with_what_was_compared(store: Store) -> None:
    net = store.model("net", hyperparameters={"lr": 0.5, "optimizer": {"name": "adam"}})
    for rate in (0.1, 0.05, 0.01):
        net = net.update(hyperparameters={"lr": rate, "optimizer": {"name": "sgd"}})
    store.model("other", hyperparameters={"lr": 0.05})
    wanted: dict[str, Any] = {"where": ["lr<0.2", "optimizer.name=sgd"], "versions": True}
    page = store.documents().models(**wanted, limit=2)
    rest = store.documents().models(**wanted, limit=2, marker=page["marker"])
    matches = [item["match"] for item in (*page["models"], *rest["models"])]
    assert [match["version"] for match in matches] == [3, 2, 1]
    assert matches[0]["compared"] == {"lr": 0.01, "optimizer.name": "sgd"}
    assert matches[0]["hyperparameters"] == {"lr": 0.01, "optimizer": {"name": "sgd"}}
    assert not rest["has_next_page"]
    for reference in ("net", "net@v1", net):
        assert names(store, where="lr<0.2", model=reference, versions=True) == [
            "net v3",
            "net v2",
            "net v1",
        ]
    assert names(store, model="net") == ["net v3"]
    with pytest.raises(NotFound):
        names(store, model="nobody's")


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ({"where": "learning_rate<1"}, "where: No version has a hyperparameter or parameter "),
        ({"where": "optimizer.lr<1"}, "There are: kwargs.batch, kwargs.lr, lr, momentum"),
        ({"where": "optimiser.name=adam"}, "did you mean 'optimizer.name'?"),
        ({"tags": "sampel=Ni"}, "tag: No record has a tag 'sampel'. There are: sample; did you"),
        ({"alias": "prod"}, "alias: No version has the alias 'prod'. There are: champion."),
        ({"alias": "champion", "as_of": 1}, None),
        ({"best": "los"}, "best: No model has a score or metric 'los'. There are: loss; did you"),
    ],
)
def test_a_name_that_nothing_has_is_said(
    trained: Store, wanted: dict[str, Any], said: str | None
) -> None:
    trained.model("named", trained_on=trained.data("x", tags={"sample": "Cu"})).alias("champion")
    trained.model("scored", scores={"loss": 1})
    if said is None:
        assert names(trained, **wanted) == []
        return
    with pytest.raises(InvalidInput, match=re.escape(said)):
        names(trained, **wanted)


def test_a_name_that_may_not_be_seen_is_not_said(store: Store) -> None:
    store.recorder(audience=Audience(ADA)).model("hers", hyperparameters={"secret_knob": 1})
    store.recorder(audience=Audience(BOB)).model("his", hyperparameters={"lr": 1})
    reader = store.documents(Viewer(frozenset({BOB})))
    with pytest.raises(InvalidInput, match=r"There are: lr\."):
        reader.models(where="secret_knob=1")


def test_numbers_of_single_precision_are_found_as_they_were_written(store: Store) -> None:
    numbers = {"lr": np.float32(1e-3), "decay": np.float16(0.1), "betas": np.array([0.9], "f4")}
    made = store.model("net", hyperparameters=numbers, scores={"loss": np.float32(0.1)})
    assert names(store, where=["lr=0.001", "decay=0.1"]) == ["net v0"]
    found = store.documents().record(made)
    assert found["hyperparameters"] == {"lr": 0.001, "decay": 0.1, "betas": [0.9]}
    assert found["scores"] == {"loss": 0.1}
    assert np.float32(found["hyperparameters"]["lr"]) == np.float32(1e-3)


def test_what_was_loaded_merged_and_sliced_is_found_too(trained: Store, tmp_path: Path) -> None:
    trained.slice(tmp_path / "all.db")
    with open_store(f"sqlite:///{tmp_path / 'all.db'}") as sliced:
        assert set(names(sliced, where="lr>0.01")) == {"sgd v0", "stepped v1"}
    with open_store(f"sqlite:///{tmp_path / 'merged.db'}") as merged:
        merged.merge(tmp_path / "all.db")
        assert set(names(merged, where="lr>0.01")) == {"sgd v0", "stepped v1"}
    with trained.bulk_load() as load:
        load.model("bulk", hyperparameters={"lr": 7})
    assert names(trained, where="lr>5") == ["bulk v0"]


def test_what_was_reduced_is_not_found_by_what_was_dropped(trained: Store) -> None:
    trained.reduce(before="9999-01-01")
    assert names(trained, where="lr>0") == []
    assert trained.check() == []


def test_secrets_are_not_searched(store: Store) -> None:
    store.model("net", hyperparameters={"api_token": "hunter2hunter2"})
    assert names(store, where="api_token=hunter2hunter2") == []
    assert names(store, where="api_token") == ["net v0"]


# ---- tags of the training ----------------------------------------------------------------


def test_tags_of_what_a_version_was_trained_on_find_it(store: Store) -> None:
    setup = store.fact("setup", tags={"energy_keV": 71.68})
    scan = store.data("scan", depends_on=setup, tags={"sample": "Ni"})
    store.model("by dataset", trained_on=store.dataset("all", [scan]))
    step = store.step("Train", inputs=[scan], tags={"beamline": "1-ID"})
    step.updated(store.model("by step"), ())
    store.model("by fact", depends_on=setup)
    store.model("direct", trained_on=scan).update()
    store.model("other", trained_on=store.data("other"), tags={"energy_keV": 10})
    trained = {"by dataset v0", "by step v1", "direct v1"}
    assert set(names(store, tags="energy_keV=71.68")) == {*trained, "by fact v0"}
    assert set(names(store, tags=["energy_keV>70", "sample=Ni"])) == trained
    assert set(names(store, tags="beamline=1-ID")) == {"by step v1"}
    assert set(names(store, trained_on=scan, tags="energy_keV=71.68")) == trained
    assert names(store, tags="energy_keV<20") == ["other v0"]


def test_a_tag_that_was_taken_away_finds_nothing(store: Store) -> None:
    scan = store.data("scan", tags={"sample": "Ni"})
    store.model("net", trained_on=scan)
    scan.untag("sample")
    assert names(store, tags="sample=Ni") == names(store, tags="sample") == []
    assert store.documents().records(tags=["sample"])["records"] == []
    scan.tag(sample="Cu")
    assert names(store, tags="sample=Cu") == ["net v0"]


def test_tags_that_may_not_be_seen_find_nothing(store: Store) -> None:
    hers = store.recorder(audience=Audience(ADA))
    both = store.recorder(audience=Audience(ADA, readers=(BOB,)))
    both.model("net", trained_on=hers.data("scan", tags={"sample": "Ni"}))
    for viewer, expected in ((ADA, 1), (BOB, 0)):
        found = store.documents(Viewer(frozenset({viewer}))).models(tags=["sample=Ni"])
        assert len(found["models"]) == expected


# ---- aliases -----------------------------------------------------------------------------


def aliases(store: Store, **wanted: Any) -> dict[str, list[str]]:
    page = store.documents().models(**wanted)
    return {f"{m['name']} v{m['match']['version']}": m["match"]["aliases"] for m in page["models"]}


def test_an_alias_names_one_version_of_its_model(store: Store) -> None:
    first = store.model("net")
    second = first.update()
    first.alias("champion", "deployed@edge")
    assert store.documents().record("net@champion")["id"] == first.urn
    assert store.documents().record("net@deployed@edge")["aliases"] == ["champion", "deployed@edge"]
    store.alias("net@v1", "champion")
    assert store.id_of("net@champion") == second.id
    assert store.documents().record(first)["aliases"] == ["deployed@edge"]
    store.unalias("net@v0", "champion")
    with pytest.raises(NotFound):
        store.id_of("net@champion")
    assert store.model("net@deployed@edge", resume=True) == first
    assert store.check() == []


def test_what_had_an_alias_at_a_time_is_known(store: Store) -> None:
    clock = iter(range(1_000_000, 100_000_000, 1_000_000))
    recorder = Recorder(store.sink, environment=None, clock=lambda: next(clock))
    first = recorder.model("net")  # made at 1 s
    first.alias("champion")  # at 2 s
    second = first.update()  # at 3 s
    second.alias("champion")  # at 4 s
    recorder.unalias(first, "champion")  # at 5 s
    expected = {
        1: {},
        2: {"net v0": ["champion"]},
        3: {"net v0": ["champion"]},
        4: {"net v1": ["champion"]},
        5: {},
    }
    for second_, found in expected.items():
        assert aliases(store, alias="champion", as_of=second_ * 1_000_000 + 500_000) == found
    assert aliases(store, as_of=3_500_000) == {"net v1": []}
    assert aliases(store, alias="champion") == {}


def test_aliases_of_two_models_do_not_meet(store: Store) -> None:
    one, other = store.model("one"), store.model("other")
    one.alias("champion")
    other.alias("champion")
    assert set(aliases(store, alias="champion")) == {"one v0", "other v0"}
    assert store.id_of("one@champion") == one.id
    twin = store.model("one")
    twin.alias("champion")
    with pytest.raises(Ambiguous):
        store.id_of("one@champion")


@pytest.mark.parametrize("name", ["v3", "", " champion"])
def test_what_is_no_name_is_no_alias(store: Store, name: str) -> None:
    with pytest.raises(InvalidInput):
        store.model("net").alias(name)


def test_aliases_are_merged(store: Store, tmp_path: Path) -> None:
    version = store.model("net")
    version.alias("champion")
    store.slice(tmp_path / "part.db")
    with open_store(f"sqlite:///{tmp_path / 'other.db'}") as other:
        other.merge(tmp_path / "part.db")
        assert other.documents().record("net@champion")["id"] == version.urn
        assert other.check() == []
