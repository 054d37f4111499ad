"""Questions about what was recorded, over HTTP."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest

from provenance_store.ids import short_id
from provenance_store.values import Audience
from tests.functional.provider.house import House, Person, a_body


@pytest.fixture
def told(both_houses: House, ada: Person) -> House:
    """Three runs of Ada's, two steps each: the second applies what the first made."""
    for number in range(3):
        body = a_body(run_id=f"run-{number}", tags={"temperature_K": 280 + 10 * number})
        first = both_houses.run(ada, f"a{number}", body=body)
        later = a_body("Apply", f"run-{number}", inputs=[first.json()], models=[], outputs=[])
        assert both_houses.run(ada, f"b{number}", body=later).status_code == 202
    return both_houses


def every(house: House, who: Person, kind_of: str, /, **query: Any) -> list[dict[str, Any]]:
    """All items of a list, two at a time."""
    items: list[dict[str, Any]] = []
    query["limit"] = 2
    while True:
        page = house.get(f"/api/v1/{kind_of}", who, params=query).json()
        assert len(page[kind_of]) <= page["limit"] == 2
        items += page[kind_of]
        if not page["has_next_page"]:
            assert page["marker"] is None
            return items
        query["marker"] = page["marker"]


def test_runs_are_paged_and_filtered(told: House, ada: Person) -> None:
    assert [run["run_id"] for run in every(told, ada, "runs")] == ["run-2", "run-1", "run-0"]
    warm = every(told, ada, "runs", tag="temperature_K>=290")
    assert [run["run_id"] for run in warm] == ["run-2", "run-1"]
    assert every(told, ada, "runs", flow_id="another") == []
    assert len(every(told, ada, "runs", label="Ni*", since="1h")) == 3
    assert every(told, ada, "runs", until="2001-01-01") == []


def test_a_run_has_its_steps_in_order(told: House, ada: Person) -> None:
    run = told.get("/api/v1/runs/run-1", ada).json()
    assert run["flow_id"] == "flow-1"
    assert [step["name"] for step in run["steps"]] == ["Train", "Apply"]
    train, apply = run["steps"]
    assert [part["name"] for part in train["inputs"]] == ["scan.h5", "peaks.csv"]
    assert [part["name"] for part in train["outputs"]] == ["report.txt"]
    assert [part["name"] for part in train["models"]] == ["braggnn of run-1"]
    assert "report.txt" in [part["name"] for part in apply["inputs"]]


def test_a_run_is_found_by_the_beginning_of_its_id(told: House, ada: Person, bob: Person) -> None:
    body = a_body(run_id="long-run-1")
    assert told.run(ada, "long", body=body).status_code == 202
    assert told.get("/api/v1/runs/long", ada).json()["run_id"] == "long-run-1"
    several = told.get("/api/v1/runs/run-", ada)
    assert (several.status_code, several.json()["code"]) == (409, "Ambiguous")
    assert "run-0, run-1, run-2" in several.json()["description"]
    for path in ("long", "run-", "long-run-1"):
        assert told.get(f"/api/v1/runs/{path}", bob).status_code == 404


def test_records_are_found_by_what_they_are(told: House, ada: Person) -> None:
    assert len(every(told, ada, "records", kind="step")) == 6
    assert len(every(told, ada, "records", run_id="run-0", kind="model")) == 1
    hot = every(told, ada, "records", tag=["temperature_K>285", "temperature_K<295"])
    assert [record["name"] for record in hot] == ["Train"]
    assert every(told, ada, "records", name="scan*", uri="globus://c/*")


def test_a_record_is_found_by_either_id(told: House, ada: Person) -> None:
    record = every(told, ada, "records", kind="model")[0]
    by_urn = told.get(f"/api/v1/records/{record['id']}", ada).json()
    by_short = told.get(f"/api/v1/records/{record['short_id']}", ada).json()
    assert by_urn == by_short
    assert {link["role"] for link in by_urn["links"]} >= {"generated_by", "trained_on"}


def test_lineage_goes_both_ways(told: House, ada: Person) -> None:
    steps = told.get("/api/v1/runs/run-0", ada).json()["steps"]
    train, apply = (step["id"] for step in steps)
    up = told.get(f"/api/v1/records/{apply}/lineage", ada).json()
    assert train in [node["id"] for node in up["nodes"]]
    down = told.get(f"/api/v1/records/{train}/lineage?direction=down", ada).json()
    assert apply in [node["id"] for node in down["nodes"]]
    near = told.get(f"/api/v1/records/{apply}/lineage?limit=2", ada).json()
    assert (len(near["nodes"]), near["truncated"]) == (2, True)


def test_models_have_their_versions(told: House, ada: Person) -> None:
    assert len(every(told, ada, "models")) == 3
    line = told.get("/api/v1/models/braggnn of run-2", ada).json()
    assert line["versions"][-1]["scores"] == {"mae": 0.1}
    assert told.get(f"/api/v1/models/{line['versions'][-1]['id']}", ada).json() == line


def test_a_model_name_may_hold_a_slash_and_may_be_ambiguous(house: House, ada: Person) -> None:
    models = [{"name": "lab/bragg nn?", "how": "trained"}]
    house.run(ada, "r1", body=a_body(models=models))
    assert house.get("/api/v1/models/lab%2Fbragg%20nn%3F", ada).status_code == 200
    recorder = house.store.recorder(audience=Audience(ada.urn))
    versions = [recorder.model("twice") for _ in range(2)]
    answer = house.get("/api/v1/models/twice", ada)
    assert (answer.status_code, answer.json()["code"]) == (409, "Ambiguous")
    told = answer.json()["description"]
    assert all(f" {short_id(version.id)} (model v0, made " in told for version in versions)


def test_health_readiness_and_metrics_need_no_token(told: House, ada: Person) -> None:
    assert told.get("/healthz").json() == {"status": "ok"}
    assert told.get("/readyz").json() == {"status": "ok"}
    page = told.get("/metrics").text
    assert "braid_steps_total 6.0" in page
    assert 'route="/record/run",status="202"} 6.0' in page
    assert "braid_request_seconds_bucket" in page
    assert ada.token not in page
    assert ada.identity.id not in page


def test_a_run_takes_the_label_that_globus_flows_gives_its_actions(
    house: House, ada: Person
) -> None:
    body = a_body(run_id="labelled")
    body["run"] = {"run_id": "labelled", "status": "SUCCEEDED"}
    assert house.run(ada, "label-1", body=body, label="Ni at 300 K").status_code == 202
    run = house.get("/api/v1/runs/labelled", ada).json()
    assert run["label"] == "Ni at 300 K"
    assert run["completion_time"] is not None


def trained(house: House, who: Person, run_id: str, name: str, **how: object) -> dict[str, Any]:
    """The receipt of a step that trained a model on a scan of its own."""
    scan = [{"name": f"scan of {run_id}", "uri": f"globus://c/{run_id}.h5"}]
    models = [{"name": name, "how": "trained", **how}]
    body = a_body(run_id=run_id, inputs=scan, outputs=[], models=models)
    answer = house.run(who, f"train {run_id}", body=body)
    assert answer.status_code == 202, answer.text
    receipt: dict[str, Any] = answer.json()["details"]
    return receipt


def test_models_are_found_by_training_data_tag_and_score(
    both_houses: House, ada: Person, bob: Person
) -> None:
    house = both_houses
    tags = {"technique": "hedm"}
    one = trained(house, ada, "one", "net-1", scores={"mae": 0.3}, tags=tags)
    two = trained(house, ada, "two", "net-2", scores={"mae": 0.1}, tags=tags)
    trained(house, ada, "three", "net-3", scores={"mae": 0.2})

    def names(query: str, who: Person = ada) -> list[str]:
        answer = house.get(f"/api/v1/models?{query}", who)
        assert answer.status_code == 200, answer.text
        return [model["name"] for model in answer.json()["models"]]

    assert names("best=mae") == ["net-2", "net-3", "net-1"]
    assert names("best=mae&highest=true") == ["net-1", "net-3", "net-2"]
    assert names("best=mae&tag=technique%3Dhedm") == ["net-2", "net-1"]
    assert names("trained_on=globus://c/one.h5") == ["net-1"]
    assert names(f"trained_on={two['inputs'][0]}&best=mae") == ["net-2"]
    assert names(f"trained_on={two['inputs'][0]}&trained_on={one['inputs'][0]}") == []
    assert names("best=mae", bob) == []
    assert house.get(f"/api/v1/models?trained_on={two['inputs'][0]}", bob).status_code == 404
    assert house.get("/api/v1/models?highest=true", ada).status_code == 422
    house.store.invalidate(two["inputs"][0], cause="misaligned")
    assert names("best=mae&valid=true") == ["net-3", "net-1"]
    best = house.get("/api/v1/models?best=mae", ada).json()["models"][0]["match"]
    assert (best["value"], best["invalidated"]["cause"]) == (0.1, "misaligned")


def test_the_versions_of_a_model_come_in_pages(house: House, ada: Person) -> None:
    for number in range(5):
        metrics = [{"loss": 0.5}]
        trained(house, ada, f"run-{number}", "net", scores={"mae": number}, metrics=metrics)
    found: list[dict[str, Any]] = []
    marker = ""
    while True:
        answer = house.get(f"/api/v1/models/net?limit=2{marker}", ada).json()
        found += answer["versions"]
        if not answer["has_next_page"]:
            break
        marker = f"&marker={answer['marker']}"
    assert [version["version"] for version in found] == [0, 1, 2, 3, 4]
    assert not any("metrics" in version for version in found)
    assert house.get(f"/api/v1/records/{found[0]['id']}", ada).json()["metrics"]
    assert house.get("/api/v1/models/net?limit=0", ada).status_code == 422


def test_a_time_that_nobody_told_is_null_and_not_the_beginning_of_1970(
    house: House, ada: Person
) -> None:
    recorder = house.store.recorder(audience=Audience(ada.urn), clock=lambda: 0)
    record = recorder.data("of a document without times")
    found = house.get(f"/api/v1/records/{record.urn}", ada).json()
    assert found["created_at"] is None
    schemas = house.get("/api/openapi.json").json()["components"]["schemas"]
    jsonschema.validate(
        found, {"$ref": "#/components/schemas/Record", "components": {"schemas": schemas}}
    )
    assert "1970" not in house.get("/api/v1/records", ada).text
