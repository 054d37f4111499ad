"""Why two results differ, on both databases."""

from __future__ import annotations

from typing import Any

from provenance_store import ModelVersion, Record, Store
from provenance_store.ids import now
from provenance_store.statement.difference import compare_records, compare_runs
from provenance_store.statement.document import evidence_of

Rows = list[tuple[str, str, Any, Any]]


def rows(document: dict[str, Any]) -> Rows:
    return [(d["where"], d["what"], d["a"], d["b"]) for d in document["differences"]]


def differs(store: Store, one: Record, other: Record) -> Rows:
    sides = (evidence_of(store.documents().statement(record.urn)) for record in (one, other))
    return rows(compare_records(*sides))


def an_inference(
    store: Store,
    *,
    scan: str = "scan-1",
    rate: float = 0.1,
    numpy: str = "2.0",
    threshold: float = 0.5,
    digest: str = "aa",
    run_id: str | None = None,
) -> tuple[ModelVersion, Record]:
    """A model trained on a scan, and peaks found with it."""
    environment = {"software": {"python": "3.11", "packages": {"numpy": numpy}}}
    recorder = store.recorder(run_id=run_id, environment=environment)
    data = recorder.data(scan, uris=[{"uri": f"globus://c/{scan}", "digest": f"sha256:{digest}"}])
    with recorder.step("Train", inputs=[data]) as train, recorder.transaction():
        model = recorder.model(
            "braggnn", trained_on=[data], hyperparameters={"rate": rate, "opt": {"name": "adam"}}
        )
        recorder.generated(train, [model])
    with recorder.step("Apply", models=[model], parameters={"threshold": threshold}) as apply:
        peaks = apply.output("peaks", tags={"peaks": 3})
    return model, peaks


def test_the_same_science_done_twice_does_not_differ(store: Store) -> None:
    one, other = an_inference(store), an_inference(store)
    assert differs(store, one[1], other[1]) == []
    assert differs(store, one[1], one[1]) == []


def test_what_differs_is_found_however_far_up_and_named_by_its_place(store: Store) -> None:
    _, one = an_inference(store)
    _, other = an_inference(store, scan="scan-2", rate=0.2, numpy="2.1", threshold=0.6, digest="bb")
    found = differs(store, one, other)
    assert ("Apply", "parameters.threshold", 0.5, 0.6) in found
    assert ("Apply", "environment.software.packages.numpy", "2.0", "2.1") in found
    assert ("braggnn v0", "hyperparameters.rate", 0.1, 0.2) in found
    assert ("braggnn v0", "trained on", "scan-1", "scan-2") in found
    assert ("Train", "used", "scan-1", "scan-2") in found
    assert ("scan-1 / scan-2", "content", "sha256:aa", "sha256:bb") in found
    whats = {what for _, what, _, _ in found}
    assert not {"hyperparameters.opt.name", "environment.software.python", "tags.peaks"} & whats
    nearest_first = [where for where, *_ in found]
    assert nearest_first.index("Apply") < nearest_first.index("Train")


def test_a_later_version_of_a_model_is_told_as_such(store: Store) -> None:
    scans = [store.data(f"scan-{n}") for n in range(3)]
    first = store.model("braggnn").update([scans[0]], scores={"mae": 0.2})
    second = first.update(scans[1:], scores={"mae": 0.1, "p95": 1.0})
    found = differs(store, first, second)
    assert ("braggnn v1", "version", 1, 2) in found
    assert ("braggnn v1", "scores.mae", 0.2, 0.1) in found
    assert ("braggnn v1", "scores.p95", None, 1.0) in found
    assert ("braggnn v1", "trained on", "scan-0", "scan-1") in found
    assert ("braggnn v1", "trained on", None, "scan-2") in found
    assert not [row for row in found if row[1] == "revision of"]


def test_results_made_by_other_versions_of_a_model_say_which(store: Store) -> None:
    first = store.model("braggnn")
    second = first.update([store.data("scan")])
    results = []
    for version in (first, second):
        with store.step("Apply", models=[version]) as apply:
            results.append(apply.output("peaks"))
    assert ("Apply", "used", "braggnn v0", "braggnn v1") in differs(store, *results)


def test_an_input_more_and_another_kind_of_thing(store: Store) -> None:
    config = store.fact("setup.cfg")
    scan, fact = store.data("thing"), store.fact("thing")
    one = store.data("result", depends_on=[scan])
    other = store.data("result", depends_on=[scan, config])
    assert differs(store, one, other) == [("result", "derived from", None, "setup.cfg")]
    assert ("thing", "kind", "data", "fact") in differs(store, scan, fact)


def test_cycles_and_shared_ancestors_are_looked_at_once(store: Store) -> None:
    records = []
    for name in ("a", "b"):
        layer = [store.data(f"0 of {name}")]
        for level in range(1, 12):
            layer = [store.data(f"{level}.{n}", depends_on=layer) for n in range(6)]
        records.append(store.data("top", depends_on=layer))
    sides = [evidence_of(store.documents().statement(record.urn)) for record in records]
    document = compare_records(*sides)
    assert document["compared"] == 68
    assert not document["truncated"]
    assert len(rows(document)) == 6


def test_long_documents_are_compared_by_digest_and_many_keys_are_counted(store: Store) -> None:
    made = []
    for extra in ("x", "y"):
        with store.step("Fit", parameters={"table": [extra] * 5000}) as step:
            made.append(step.output("fit"))
    (row,) = differs(store, *made)
    assert row[:2] == ("Fit", "parameters")
    assert row[2].startswith("sha256:")
    models = [store.model("m", hyperparameters={f"h{k}": n for k in range(150)}) for n in (0, 1)]
    found = differs(store, *models)
    assert len(found) == 101
    assert found[-1] == ("m v0", "hyperparameters", "and 50 keys more", None)


def test_two_runs_are_compared_step_by_step(store: Store) -> None:
    for run_id, rate in (("run-1", 0.1), ("run-2", 0.3)):
        store.run(run_id, flow_id="flow", label=f"of {run_id}", status="SUCCEEDED")
        an_inference(store, rate=rate, run_id=run_id)
    with store.recorder(run_id="run-2", environment=None).step("Publish"):
        pass
    reader = store.documents()
    runs = [reader.run(run_id) for run_id in ("run-1", "run-2")]
    steps = [step for run in runs for step in run["steps"]]
    parts = [p for step in steps for n in ("inputs", "outputs", "models") for p in step[n]]
    evidence = reader.evidence([d["id"] for d in (*steps, *parts)], as_of=now())
    found = rows(compare_runs(*runs, evidence))
    assert ("run", "label", "of run-1", "of run-2") in found
    assert ("Publish", "times", 0, 1) in found
    assert ("braggnn v0", "hyperparameters.rate", 0.1, 0.3) in found
    assert len(found) == 3


def a_transfer(store: Store, number: int, *, source: str = "lab", **tags: str) -> Record:
    """What an action copied, and what a function made of it."""
    parameters = {
        "source_endpoint": source,
        "label": f"copy {number}",
        "submission_id": f"s{number}",
        "options": {"task_id": f"t{number}", "label": "cold" if source == "lab" else "hot"},
    }
    about = {"task_id": f"t{number}", "label": f"copy {number}", "faults": 0, **tags}
    with store.step("Copy", parameters=parameters, tags=about) as step:
        copied = step.output("scan", uris=["globus://c/scan"])
    with store.step("Fit", inputs=[copied]) as step:
        return step.output("fit", uris=[f"globus-compute://task/t{number}"], tags={"label": "Ni"})


def test_ids_and_labels_of_actions_are_put_aside_and_counted(store: Store) -> None:
    sides = [store.documents().statement(a_transfer(store, n).urn) for n in (1, 2)]
    document = compare_records(*map(evidence_of, sides))
    assert document["differences"] == []
    assert {(row["where"], row["what"]) for row in document["put_aside"]} == {
        ("fit", "files"),
        ("Copy", "tags.task_id"),
        ("Copy", "tags.label"),
        ("Copy", "parameters.label"),
        ("Copy", "parameters.submission_id"),
        ("Copy", "parameters.options.task_id"),
    }
    row = next(row for row in document["put_aside"] if row["what"] == "tags.task_id")
    assert (row["a"], row["b"]) == ("t1", "t2")


def test_what_matters_is_told_beside_ids_and_labels(store: Store) -> None:
    one, other = a_transfer(store, 1), a_transfer(store, 2, source="edge", sample="Cu")
    store.tag(other, {"label": "Cu"})
    assert set(differs(store, one, other)) == {
        ("fit", "tags.label", "Ni", "Cu"),
        ("Copy", "tags.sample", None, "Cu"),
        ("Copy", "parameters.source_endpoint", "lab", "edge"),
        ("Copy", "parameters.options.label", "cold", "hot"),
    }


def test_what_differs_inside_a_list_of_documents_is_told_with_its_place(store: Store) -> None:
    tasks = [{"function_id": "f", "kwargs": {"raw": raw, "dark": 1}} for raw in ("a", "b", "c")]
    with store.step("Analyse", parameters={"tasks": tasks[:2]}) as one:
        pass
    with store.step("Analyse", parameters={"tasks": [tasks[0], tasks[2]]}) as other:
        pass
    assert differs(store, one, other) == [("Analyse", "parameters.tasks[1].kwargs.raw", "b", "c")]


def test_scores_that_are_not_finite_are_compared_as_what_they_are(store: Store) -> None:
    kept = {"none": float("nan"), "high": float("inf"), "loss": 0.1}
    one, other = (store.model("net", scores=kept | more) for more in ({}, {"loss": float("nan")}))
    assert differs(store, one, other) == [("net v0", "scores.loss", 0.1, "NaN")]
