"""A slice is a store: it holds what the rules say, stubs for what it mentions, the same names."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from provenance_store import Audience, Store, open_store
from provenance_store.errors import InvalidInput, NotFound
from provenance_store.recording.recorder import Recorder
from tests.store.test_schema import described


def science(recorder: Recorder) -> dict[str, Any]:
    """Scans in a dataset, two versions of a model, an inference by a step, what came of it."""
    scan, other = recorder.data("scan", uris=["globus://c/scan"], tags={"t": 1}), None
    other = recorder.data("other")
    dataset = recorder.dataset("scans", [scan, other])
    first = recorder.model("net", hyperparameters={"lr": 0.1}, scores={"loss": 0.5})
    second = recorder.update(first, [dataset])
    with recorder.step("Infer", inputs=[other], models=[second], parameters={"a": 1}) as infer:
        peaks = infer.output("peaks")
    figure = recorder.data("figure", depends_on=[peaks])
    made = {"scan": scan, "other": other, "dataset": dataset, "first": first, "second": second}
    return made | {"infer": infer, "peaks": peaks, "figure": figure}


def names(url: Path) -> set[str]:
    """The names of the records in a store's file, versions with their number."""
    with open_store(f"sqlite:///{url}", create=False) as slice_:
        assert slice_.check() == []
        found = slice_.documents().records(limit=1000)["records"]
    return {f"{r['name']} {r['version']}" if "version" in r else r["name"] for r in found}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "team.db"


def test_a_slice_holds_all_that_a_record_came_from(store: Store, file: Path) -> None:
    made = science(store)
    store.data("unrelated")
    done = store.slice(file, [made["peaks"].urn])
    assert names(file) == {"scan", "other", "scans", "net 0", "net 1", "Infer", "peaks"}
    assert done.kinds == {"data": 3, "dataset": 1, "model": 2, "step": 1}
    assert done.to_dict()["stubs"] == 0
    assert done.size == file.stat().st_size
    with open_store(f"sqlite:///{file}") as slice_:
        for handle in made.values():
            if handle is not made["figure"]:
                ours = store.documents().record(handle.urn)
                theirs = slice_.documents().record(handle.urn)
                ours["dependents"] = [d for d in ours["dependents"] if d["name"] != "figure"]
                assert theirs == ours


def test_a_slice_has_the_schema_of_any_new_store(store: Store, file: Path, tmp_path: Path) -> None:
    science(store)
    store.slice(file)
    new = f"sqlite:///{tmp_path / 'new.db'}"
    open_store(new).close()
    assert described(f"sqlite:///{file}") == described(new)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert sorted(p.name for p in tmp_path.iterdir() if "team" in p.name) == ["team.db"]


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ({"up": False}, "net 0, net 1"),
        ({"up": False, "down": True}, "net 0, net 1, Infer, peaks, figure"),
        ({"down": True, "rules": ["inputs"]}, "net 0, net 1, scans, scan, other"),
        ({"depth": 1}, "net 0, net 1, scans"),
        ({"depth": 0}, "net 0, net 1"),
        ({"rules": ["members"]}, "net 0, net 1, scans"),
        ({"rules": ["training", "revisions"]}, "net 0, net 1"),
        ({"down": True}, "net 0, net 1, scans, scan, other, Infer, peaks, figure"),
        ({"down": True, "depth": 1}, "net 0, net 1, scans, Infer, other"),
    ],
)
def test_the_rules_say_what_is_taken(
    store: Store, file: Path, options: dict[str, Any], found: str
) -> None:
    made = science(store)
    store.slice(file, [made["second"].urn], **options)
    assert names(file) == set(found.split(", "))


def test_what_is_mentioned_and_left_out_is_a_stub(store: Store, file: Path) -> None:
    made = science(store)
    done = store.slice(file, [made["second"].urn], depth=0)
    assert done.rows["stub"] == 1
    with open_store(f"sqlite:///{file}") as slice_:
        with slice_.sink.session.look() as raw:
            (stub,) = raw.execute("SELECT id, kind, name FROM stub").fetchall()
        assert slice_.sink.urn(stub[0]) == made["dataset"].urn
        assert stub[1:] == (4, "scans")
        again = file.with_name("again.db")
        slice_.slice(again)
    with open_store(f"sqlite:///{again}") as slice_:
        assert slice_.info()["tables"]["stub"] == 1
        assert slice_.check() == []


def test_a_slice_of_a_run_has_the_run(store: Store, file: Path) -> None:
    elsewhere = store.data("elsewhere")
    for run in ("one", "two"):
        recorder = store.recorder(run_id=run, audience=Audience("urn:me", readers=("urn:you",)))
        recorder.run(run, flow_id="flow", status="SUCCEEDED", tags=["hedm"], label=run)
        recorder.step(f"Step of {run}", inputs=[elsewhere])
    store.slice(file, run_ids=["one"])
    assert names(file) == {"Step of one", "elsewhere"}
    with open_store(f"sqlite:///{file}") as slice_:
        (run,) = slice_.documents().runs()["runs"]
        assert run == store.documents().runs(label="one")["runs"][0]
        assert slice_.info()["tables"]["audience_member"] == 2
    store.slice(file, flow_ids=["flow"], force=True)
    assert names(file) == {"Step of one", "Step of two", "elsewhere"}


def test_parts_can_be_kept_out(store: Store, file: Path) -> None:
    made = science(store)
    store.slice(
        file, [made["second"].urn], depth=0, without=["tags", "uris", "documents"], hide_names=True
    )
    with open_store(f"sqlite:///{file}") as slice_:
        tables = slice_.info()["tables"]
        with slice_.sink.session.look() as raw:
            assert raw.execute("SELECT name FROM stub").fetchall() == [(None,)]
    assert [tables[name] for name in ("tag", "uri", "payload")] == [0, 0, 0]
    assert tables["metric"] == 1


def test_only_origins_that_are_needed_are_told(store: Store, store_url: str, file: Path) -> None:
    made = science(store)
    with open_store(store_url) as session:
        session.data("unrelated")
    store.slice(file, [made["figure"].urn])
    with open_store(f"sqlite:///{file}") as slice_:
        assert slice_.info()["origins"] == 1


def test_what_cannot_be_sliced_is_said_and_leaves_no_file(
    store: Store, file: Path, tmp_path: Path
) -> None:
    made = science(store)
    with pytest.raises(NotFound):
        store.slice(file, ["urn:braid:00000000-0000-0000-0000-000000000000:1"])
    with pytest.raises(NotFound, match="No such runs"):
        store.slice(file, run_ids=["none"])
    with pytest.raises(InvalidInput, match="not one of the rules: inputs"):
        store.slice(file, [made["scan"].urn], rules=["nonsense"])
    with pytest.raises(InvalidInput, match="not one of the parts"):
        store.slice(file, without=["nonsense"])
    with pytest.raises(InvalidInput, match="does not exist"):
        store.slice(tmp_path / "no" / "team.db")
    file.write_text("mine")
    with pytest.raises(InvalidInput, match="is there already"):
        store.slice(file)
    assert file.read_text() == "mine"
    assert not [p for p in tmp_path.iterdir() if "unfinished" in p.name]
    store.slice(file, force=True)
    assert "scan" in names(file)


def test_a_store_can_be_sliced_again_and_is_not_changed(store: Store, tmp_path: Path) -> None:
    made = science(store)
    before = store.info()
    for number in range(3):
        store.slice(tmp_path / f"{number}.db", [made["figure"].urn])
    assert store.info() == before
    store.data("goes on")


def test_one_flow_one_rule_and_one_part_are_given_alone(store: Store, tmp_path: Path) -> None:
    flow_id = "4c5b0e3a-1d0b-4c8e-9a55-0f5cf6a3d2b1"
    store.run("r1", flow_id=flow_id)
    recorder = store.recorder(run_id="r1")
    scan = recorder.data("scan", tags={"sample": "Ni"})
    recorder.data("peaks", depends_on=scan, tags={"peaks": 3})
    alone = store.slice(
        tmp_path / "alone.db", flow_ids=flow_id, rules="sources", without="tags", down=True
    )
    listed = store.slice(
        tmp_path / "listed.db",
        flow_ids=[UUID(flow_id)],
        rules=["sources"],
        without=["tags"],
        down=True,
    )
    assert (alone.kinds, alone.rows) == (listed.kinds, listed.rows)
    assert alone.kinds == {"data": 2}
    assert "tag" not in alone.rows
