"""Flows and remote recorders hand over whatever they have; a step that happened is recorded."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from flows.sandbox import Sandbox
from provenance_store import encode_batch
from tests.functional.provider.batches import Job, post
from tests.functional.provider.house import House, Person, Town, serving
from tests.support.entrances import kept_of, noted
from tests.support.values import Case, of_field


@pytest.fixture(scope="module")
def town() -> Iterator[Town]:
    with Sandbox() as sandbox:
        yield Town(sandbox)


@pytest.fixture(scope="module")
def house(town: Town, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    file = tmp_path_factory.mktemp("gate") / "store.db"
    with serving(f"sqlite:///{file}", town.environ()) as served:
        yield served


@pytest.fixture(scope="module")
def ada(town: Town) -> Person:
    return town.person("ada")


def named(case: Case) -> str:
    return f"{case.field}-{case.name}"


FIELDS = ("name", "tag", "tag name", "uri", "size", "digest", "media_type", "metric", "epoch")


def body_cases() -> list[Case]:
    return of_field(*FIELDS, "document", json=True)


def body(case: Case) -> dict[str, Any]:
    """A step with the value in the field of its output or model."""
    value = case.value
    document: dict[str, Any] = {"run": {"run_id": "gate"}, "step": {"name": "s"}}
    if case.field == "document":
        return {**document, "parameters": value}
    if case.field in ("metric", "epoch"):
        point = {"epoch": 0, "loss": value}
        if case.field == "epoch":
            point = {"epoch": value, "loss": 1}
        model = {"name": f"m {case.name}", "how": "trained", "new": True, "metrics": [point]}
        return {**document, "models": [model], "outputs": []}
    output: dict[str, Any] = {"name": value if case.field == "name" else "x"}
    if case.field == "tag":
        output["tags"] = {"t": value}
    elif case.field == "tag name":
        output["tags"] = {value: 1}
    elif case.field == "uri":
        output["uris"] = [value]
    elif case.field != "name":
        output["uris"] = [{"uri": f"file:///{case.name}", case.field: value}]
    return {**document, "outputs": [output]}


@pytest.mark.parametrize("case", body_cases(), ids=named)
def test_a_flow_records_as_a_script_does(house: House, ada: Person, case: Case) -> None:
    answer = house.run(ada, f"gate {named(case)}", body=body(case))
    assert answer.status_code == 202, answer.text
    receipt = answer.json()["details"]
    urn = receipt["step"]
    if case.field in ("metric", "epoch"):
        urn = receipt["models"][0]["id"]
    elif case.field != "document":
        urn = receipt["outputs"][0]
    assert case.matches(kept_of(house.store, urn, case.field))
    assert (noted(house.store, urn) is None) == case.strict


def test_one_bad_value_of_a_step_costs_nothing_else(house: House, ada: Person) -> None:
    outputs = [{"name": f"out-{n}", "tags": {"n": n if n else [None]}} for n in range(100)]
    document = {"run": {"run_id": "gate-2"}, "step": {"name": "s"}, "outputs": outputs}
    answer = house.run(ada, "gate 2", body=document)
    assert answer.status_code == 202, answer.text
    assert answer.json()["details"]["counts"]["outputs"] == 100


@pytest.mark.parametrize("strict", [False, True])
def test_a_batch_of_a_careless_recorder_is_taken_unless_it_is_to_be_strict(
    house: House, ada: Person, strict: bool
) -> None:
    job = Job()
    made = [job.recorder.data(f"scan-{n}") for n in range(10)]
    batch = job.batch()
    batch.record[3] = batch.record[3]._replace(name="x" * 5000)
    before = house.counts()["record"]
    data = encode_batch(batch)
    answer = post(house, ada, data, params={"strict": "true"} if strict else {})
    if strict:
        assert answer.status_code == 422
        assert answer.json()["description"].startswith("record[3]")
        assert house.counts()["record"] == before
    else:
        assert answer.status_code == 200
        (note,) = answer.json()["notes"]
        assert note.startswith("record[3].name")
        assert house.counts()["record"] == before + 10
        kept = kept_of(house.store, made[3].urn, "name")
        assert len(kept) == 1024
        assert "5000 characters" in kept


def test_a_batch_may_be_sent_again_with_what_was_kept_of_it(house: House, ada: Person) -> None:
    job = Job()
    job.recorder.data("scan", tags={"t": "x"})
    batch = job.batch()
    batch.tag[0] = batch.tag[0]._replace(text="y" * 20_000)
    for _ in range(2):
        assert post(house, ada, batch).status_code == 200
