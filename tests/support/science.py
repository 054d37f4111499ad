"""A small history with everything that a statement speaks of."""

from __future__ import annotations

from typing import NamedTuple

from provenance_store import Audience, ModelVersion, Record, StepHandle, Store

__all__ = ["ADA", "HOUR", "NOON", "Science", "some_science"]

ADA = "urn:globus:auth:identity:aaaaaaaa-0000-0000-0000-000000000001"
NOON = 1_762_000_000_000_000
"""When it began, in microseconds UTC."""
HOUR = 3_600_000_000


class Science(NamedTuple):
    """What was recorded."""

    config: Record
    scan: Record
    model: ModelVersion
    train: StepHandle
    apply: StepHandle
    peaks: Record


def some_science(store: Store, *, digests: bool = True) -> Science:
    """A fact, a scan, a model trained on it by a step, and peaks found with it by another.

    Recorded by Ada in the run ``run-1``, each thing a second after the one before.
    """
    ticks = iter(range(NOON, NOON + 1000 * 1_000_000, 1_000_000))
    recorder = store.recorder(
        run_id="run-1",
        audience=Audience(ADA),
        environment={"hardware": {"host": "edge-1"}, "software": {"python": "3.11"}},
        clock=lambda: next(ticks),
    )

    def file(name: str) -> dict[str, object]:
        about = {"size": len(name), "digest": f"sha256:{len(name):064x}"} if digests else {}
        return {"uri": f"globus://collection/{name}", **about}

    recorder.run("run-1", flow_id="flow-1", flow_title="Bragg peaks", run_owner=ADA)
    config = recorder.fact("setup.cfg", uris=[file("setup.cfg")], tags={"energy_keV": 71.7})
    scan = recorder.data("scan-17", uris=[file("scan-17.h5")], tags={"sample": "Ni"})
    first = recorder.model("braggnn", depends_on=[config])
    with recorder.step("Train", inputs=[scan], models=[first], parameters={"epochs": 2}) as train:
        model = train.updated(
            first,
            [scan],
            uris=[file("weights.h5")],
            hyperparameters={"rate": 0.01},
            metrics=[{"epoch": 1, "loss": 0.5}, {"epoch": 2, "loss": 0.25}],
            scores={"mae": 0.07},
        )
    with recorder.step("Apply", inputs=[scan], models=[model]) as apply:
        peaks = apply.output("peaks", uris=[file("peaks.csv")], tags={"peaks": 400})
    return Science(config, scan, model, train, apply, peaks)
