"""What the tests of exchange share: a story to export, random graphs, a database of Braid-DB."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from provenance_store import Audience, Record, Store
from provenance_store.enums import Mark, Role
from provenance_store.exchange.prov.export import to_prov_json

__all__ = [
    "OWNER",
    "RUN",
    "braid_db",
    "graphs",
    "record_graph",
    "some_science",
    "whole",
    "written",
]

OWNER = "urn:globus:auth:identity:0b2f9f1c-11a4-4a2e-9d9f-3f1f5a0e6d11"
READER = "urn:globus:groups:id:4e3c9a77-5a0f-4d0c-8f2b-6f4b1a1b2c3d"
RUN = "5f4b63ee-6a37-4b7c-9f5e-1df2a8a2a111"
START = 1_760_000_000_123_456


def some_science(store: Store) -> Record:
    """A run with all kinds of records and links, one of them invalid; the inference that it made.

    Its owner is OWNER, its id RUN.
    """
    ticks = iter(range(START, START + 10_000_000, 1_000))
    recorder = store.recorder(
        run_id=RUN,
        audience=Audience(OWNER, readers=(READER,)),
        environment={"software": {"python": "3.12"}, "hardware": {"host": "n1"}},
        clock=lambda: next(ticks),
    )
    recorder.run(
        RUN,
        flow_id="11111111-2222-4333-8444-555555555555",
        flow_title="Bragg peaks",
        label="night shift",
        status="SUCCEEDED",
        run_owner=OWNER,
        start_time=START,
        completion_time=START + 60_000_000,
        audience=Audience(OWNER, readers=(READER,)),
        tags=["hedm", "ni"],
    )
    fact = recorder.fact("setup.cfg", uris=["https://example.org/setup.cfg"])
    scan = recorder.data(
        "scan-1",
        depends_on=[fact],
        uris=[
            {"uri": "globus://c/scan 1.h5", "size": 1024, "digest": "sha256:" + "ab" * 32},
            "globus://copy/scan-1.h5",
        ],
        tags={"sample": "Ni", "temperature_K": 293.5, "frames": 1800, "dark": False, "a b=%é": ""},
        live=True,
    )
    recorder.promote(scan, "complete")
    both = recorder.dataset("training pair", [scan, fact], tags={"n": 2})
    model = recorder.model("braggnn", depends_on=[fact], hyperparameters={"lr": 0.1})
    step = recorder.step(
        "Train",
        inputs=[both],
        parameters={"epochs": 2, "nested": {"a": [1, None]}, "flag": True},
        tags={"username": "ada@example.org", "comment": "on the night shift"},
        type="Action",
        action_url="https://compute.actions.globus.org/v3",
        action_id="tg-1",
        run_as="User",
        definition_digest="sha256:" + "cd" * 32,
        ordinal=1,
        started_at=START + 5,
    )
    trained = step.updated(
        model,
        [both],
        metrics=[{"epoch": 1, "loss": 0.5}, {"epoch": 2, "loss": float("nan")}],
        scores={"val": 0.25},
        uris=[{"uri": "globus://c/w.h5", "size": 7, "media_type": "application/x-hdf5"}],
    )
    step.finish(completed_at=START + 40_000_000, result={"state": "done"})
    infer = recorder.step("Infer", inputs=[scan], informed_by=[step], type="Action")
    infer.used(trained, role=Role.DEPLOYED)
    peaks = infer.output("peaks", depends_on=[scan], uris=["globus://c/peaks.csv"])
    infer.finish("FAILED", completed_at=START + 50_000_000, error={"type": "OutOfMemory"})
    recorder.mark(fact, Mark.INVALIDATED, "wrong energy")
    return peaks


# ---- random graphs -----------------------------------------------------------------------------

names = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1)
values = st.one_of(
    names,
    st.booleans(),
    st.integers(-(2**63) + 1, 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
)
uris = st.sampled_from(["globus://c/a", "file:///tmp/b c", "https://example.org/x?y=1#z", "urn:x"])
digests = st.none() | st.just("sha256:" + "0f" * 32)
sizes = st.none() | st.integers(0, 2**62)


@st.composite
def graphs(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Records in the order in which they are made; links go to earlier ones by place."""
    nodes: list[dict[str, Any]] = []
    for place in range(draw(st.integers(1, 8))):
        kind = draw(st.sampled_from(["fact", "data", "dataset", "model", "update", "step"]))
        earlier = list(range(place))
        some = st.lists(st.sampled_from(earlier), unique=True, max_size=4) if earlier else None
        nodes.append(
            {
                "kind": kind,
                "name": draw(names)[:200],
                "tags": draw(st.dictionaries(names.map(lambda t: t[:50]), values, max_size=3)),
                "uris": draw(
                    st.lists(
                        st.fixed_dictionaries({"uri": uris, "size": sizes, "digest": digests}),
                        max_size=2,
                        unique_by=lambda u: u["uri"],
                    )
                ),
                "links": draw(some) if some is not None else [],
                "more": draw(some) if some is not None else [],
                "ended": draw(st.sampled_from([None, "SUCCEEDED", "FAILED"])),
                "parameters": draw(st.none() | st.dictionaries(names, values, max_size=2)),
                "invalid": draw(st.booleans()),
            }
        )
    return nodes


def record_graph(store: Store, nodes: Iterable[dict[str, Any]]) -> list[Record]:
    """Record what `graphs` drew."""
    made: list[Record] = []
    for node in nodes:
        links = [made[i] for i in node["links"]]
        more = [made[i] for i in node["more"]]
        about: dict[str, Any] = {"tags": node["tags"], "uris": node["uris"]}
        models = [record for record in made if hasattr(record, "line_id")]
        if node["kind"] in ("fact", "data"):
            found = getattr(store, node["kind"])(node["name"], depends_on=links, **about)
        elif node["kind"] == "dataset":
            found = store.dataset(node["name"], links, depends_on=more, **about)
        elif node["kind"] == "step":
            found = store.step(
                node["name"], inputs=links, parameters=node["parameters"], tags=node["tags"]
            )
            store.generated(found, [])
            if node["ended"]:
                store.finish(found, node["ended"])
        elif node["kind"] == "update" and models:
            found = store.update(models[-1], links, metrics=[{"epoch": 1, "a": 0.5}], **about)
        else:
            found = store.model(node["name"], depends_on=links, trained_on=more, **about)
        if node["invalid"]:
            store.mark(found, Mark.INVALIDATED, node["name"])
        made.append(found)
    return made


# ---- Braid-DB --------------------------------------------------------------------------------

TABLES = (
    ("records", "record_id INTEGER PRIMARY KEY, name TEXT, time TEXT, invalidation_id TEXT"),
    ("derivations", "record_id INTEGER, derivation INTEGER, time TEXT"),
    ("uris", "id INTEGER PRIMARY KEY, record_id INTEGER, uri TEXT"),
    ("tags", "id INTEGER PRIMARY KEY, record_id INTEGER, key TEXT, value TEXT, tag_type INTEGER"),
    ("invalidations", "id TEXT PRIMARY KEY, root_invalidation TEXT, cause TEXT, time TEXT"),
)


def braid_db(file: Path, **rows: list[tuple[Any, ...]]) -> Path:
    """A database with the tables of Braid-DB 0.1.0a1 and these rows."""
    connection = sqlite3.connect(file)
    for name, columns in TABLES:
        connection.execute(f"CREATE TABLE IF NOT EXISTS {name} ({columns})")
        for row in rows.get(name, ()):
            marks = ", ".join("?" * len(row))
            connection.execute(f"INSERT INTO {name} VALUES ({marks})", row)
    connection.commit()
    connection.close()
    return file


def whole(store: Store) -> str:
    """Everything in a store as PROV-JSON."""
    return to_prov_json(store.documents().extract(everything=True))


def written(folder: Path, document: Any) -> Path:
    """A file with a document, or with its text."""
    file = folder / "document.json"
    file.write_text(document if isinstance(document, str) else json.dumps(document))
    return file
