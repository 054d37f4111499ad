"""RO-Crates of runs by other programs come in; hostile ones are bounded."""

from __future__ import annotations

import copy
import hashlib
import json
import os
import shutil
import zipfile
from pathlib import Path
from typing import Any

import pytest

from provenance_store import Store, open_store
from provenance_store.errors import InvalidInput, TooLarge
from provenance_store.exchange.crate.export import write_crate
from provenance_store.exchange.crate.reading import read_crate
from provenance_store.exchange.formats import import_file
from provenance_store.exchange.import_target import Imported
from tests.support.crates import CRATES, SHA256, crate_folder, entity, metadata
from tests.support.exchange import RUN, some_science, whole
from tests.support.needs import need_module


def named(store: Store, name: str, kind: str | None = None) -> dict[str, Any]:
    (found,) = store.documents().records(name=name, kind=kind)["records"]
    return store.documents().record(found["id"])


def ends(record: dict[str, Any]) -> set[tuple[str, str]]:
    return {(link["role"], link["name"]) for link in record["links"]}


def taken(store: Store, folder: Path, document: Any) -> Imported:
    format_, found = import_file(store, crate_folder(folder, document))
    assert format_ == "RO-Crate"
    assert store.check() == []
    return found


def test_a_process_run_crate_is_a_step_with_its_files_and_its_tool(
    store: Store, tmp_path: Path
) -> None:
    found = taken(store, tmp_path / "c", CRATES["process"])
    assert (found.records, found.notes) == ({"fact": 1, "data": 3, "step": 1}, ())
    step = named(store, "Sort lines")
    assert (step["status"], step["start_time"][:19]) == ("FAILED", "2024-05-01T08:00:00")
    assert step["error"] == "disk full"
    assert step["tags"]["agent"] == "Ada (#ada)"
    assert ends(step) == {("used", "in.txt"), ("used", "extra.txt"), ("used", "sort")}
    out = named(store, "out.txt")
    assert ends(out) == {("generated_by", "Sort lines")}
    (place,) = out["uris"]
    assert place == {
        "uri": (tmp_path / "c" / "out.txt").as_uri(),
        "size": 4,
        "digest": f"sha256:{SHA256['out.txt']}",
        "media_type": "text/plain",
    }
    assert named(store, "sort")["tags"]["softwareVersion"] == "9.1"


def test_a_workflow_run_crate_is_a_run_that_reads_collections(store: Store, tmp_path: Path) -> None:
    found = taken(store, tmp_path / "c", CRATES["workflow"])
    assert found.records == {"fact": 1, "data": 3, "dataset": 1, "step": 1}
    assert found.notes == ("Left out, since no action names them: 1 file.",)
    step = named(store, "Sorting", "step")
    assert step["parameters"] == {"reverse": True}
    assert ends(step) == {("used", "Two lists"), ("used", "Sorting")}
    assert ends(named(store, "Two lists")) == {("has_member", "first"), ("has_member", "second")}
    assert named(store, "sorted")["tags"]["parameter"] == "sorted lines"
    (run,) = store.documents().runs()["runs"]
    assert (run["label"], run["status"]) == ("Sorting", "ENDED")
    assert named(store, "sorted")["run_id"] == step["run_id"] == run["run_id"]


def test_a_provenance_run_crate_is_a_run_with_its_steps(store: Store, tmp_path: Path) -> None:
    found = taken(store, tmp_path / "c", CRATES["provenance"])
    assert found.records == {"fact": 2, "data": 3, "step": 2}
    assert "'2024-05-01T10:02:60Z' of '#task/2'" in found.notes[0]
    (run,) = store.documents().runs()["runs"]
    shown = store.documents().run(run["run_id"])
    assert [step["name"] for step in shown["steps"]] == ["rev (1)", "sort (1)"]
    assert (run["status"], run["flow_title"]) == ("SUCCEEDED", "wf.cwl")
    assert ends(named(store, "sort (1)")) == {("used", "rev.txt"), ("used", "sort")}
    assert named(store, "sort (1)")["completion_time"].startswith("2024-05-01T10:02:59.999999")
    usage = store.documents().extract([named(store, "rev (1)")["id"]]).records
    said = usage[named(store, "rev (1)")["id"]]["payloads"]["ro_crate"]
    assert said["resourceUsage"][0]["value"] == "4096"
    assert named(store, "whale.txt")["uris"][0]["digest"].startswith("sha1:")


def test_files_that_stayed_where_they_were_keep_their_addresses(
    store: Store, tmp_path: Path
) -> None:
    found = taken(store, tmp_path / "c", CRATES["elsewhere"])
    assert any("derive from itself" in note for note in found.notes)
    assert [u["uri"] for u in named(store, "in.dat")["uris"]] == ["file://node1/gpfs/in.dat"]
    assert named(store, "out")["kind"] == "dataset"


@pytest.mark.parametrize("kind", ["process", "workflow", "provenance", "elsewhere"])
def test_a_crate_is_the_same_in_a_folder_a_zip_and_by_its_metadata_and_comes_in_once(
    store: Store, tmp_path: Path, kind: str
) -> None:
    folder = crate_folder(tmp_path / "c", CRATES[kind])
    first = import_file(store, folder)[1]
    before = store.info()
    inside = Path(shutil.make_archive(f"{tmp_path}/inside", "zip", tmp_path, "c"))
    archive = Path(shutil.make_archive(f"{tmp_path}/flat", "zip", folder))
    alone = tmp_path / "alone.json"
    shutil.copy(folder / "ro-crate-metadata.json", alone)
    for source in (folder, inside, archive, folder / "ro-crate-metadata.json", alone):
        again = import_file(store, source)[1]
        assert (again.records, again.known) == ({}, sum(first.records.values())), source
    assert store.info() == before
    with open_store(f"sqlite:///{tmp_path / 'zip.db'}") as other:
        assert import_file(other, archive)[1].records == first.records
        places = [u["uri"] for r in other.documents().records()["records"] for u in r["uris"]]
        assert not any(place.startswith("file:///") for place in places)


def test_what_a_crate_says_of_a_file_that_is_another_is_told(store: Store, tmp_path: Path) -> None:
    document = copy.deepcopy(CRATES["process"])
    for item in document["@graph"]:
        if item["@id"] == "in.txt":
            item |= {"contentSize": "5 bytes", "sha256": "0" * 64}
    found = taken(store, tmp_path / "c", document)
    assert found.notes == (
        "in.txt has 4 bytes in the crate, which says 5.",
        "in.txt has another SHA-256 in the crate than it says.",
    )
    assert named(store, "in.txt")["uris"][0]["digest"] == "sha256:" + "0" * 64


def test_our_own_crate_comes_back_under_its_own_identity(
    store: Store, other: Store, tmp_path: Path
) -> None:
    need_module("rocrate.rocrate")
    need_module("prov.model")
    some_science(store)
    extract = store.documents().extract(everything=True)
    write_crate(extract, tmp_path / "c.zip", run_id=RUN, published="2026-11-22")
    format_, found = import_file(other, tmp_path / "c.zip")
    assert (format_, found.notes) == ("RO-Crate", ())
    assert whole(other) == whole(store)


# ---- hostile crates ------------------------------------------------------------------------------


def test_no_name_leads_out_of_a_crate(store: Store, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x" * 7)
    names = ["../secret", "a/../../secret", "%2e%2e/secret", f"{tmp_path}/secret", "link", "\\s"]
    files = [entity(name, "File") for name in names]
    action = entity("#a", "CreateAction", object=[f"@{name}" for name in names])
    folder = crate_folder(tmp_path / "c", metadata(action, *files))
    os.symlink(tmp_path / "secret", folder / "link")
    found = import_file(store, folder)[1]
    assert "Not looked at, since their names lead out of the crate: 5 files." in found.notes
    records = store.documents().records(kind="data")["records"]
    assert len(records) == len(names)
    for record in records:
        for uri in record["uris"]:
            assert (uri["size"], uri["digest"]) == (None, None)
            assert uri["uri"] == (folder / "link").as_uri()


def test_a_crate_is_bounded(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BRAID_MAX_IMPORT_BYTES", "4096")
    bomb = tmp_path / "bomb.zip"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("ro-crate-metadata.json", " " * 10_000_000)
    with pytest.raises(TooLarge, match="more than 4096 bytes"):
        import_file(store, bomb)
    document = metadata(
        entity("#a", "CreateAction", object=["@big", "@#loop"]),
        entity("big", "File"),
        entity("#loop", "Collection", hasPart=["@#loop", "@#pool"]),
        entity("#pool", "Collection", hasPart=["@#loop"]),
    )
    with zipfile.ZipFile(tmp_path / "c.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("ro-crate-metadata.json", json.dumps(document))
        archive.writestr("big", "0" * 5000)
    found = import_file(store, tmp_path / "c.zip")[1]
    assert "Not compared, since together they are too large: 1 file." in found.notes
    assert any("derive from itself" in note for note in found.notes)
    assert named(store, "big")["uris"][0]["size"] == 5000
    deep: Any = "x"
    for _ in range(80):
        deep = [deep]
    with pytest.raises(TooLarge, match="64 levels"):
        import_file(store, crate_folder(tmp_path / "deep", metadata(entity("#a", "T", x=deep))))


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        (metadata(entity("a", "File")), "describes no run"),
        ({"@context": "x", "@graph": {}}, "the list @graph"),
        ({"@context": "x", "@graph": [7]}, r"\$.@graph\[0\]: an entity is an object"),
        ({"@context": "x", "@graph": [entity("#a", "CreateAction")]}, "names no root"),
        ([], "the list @graph"),
    ],
)
def test_what_is_no_crate_of_a_run_is_refused_in_one_sentence(
    store: Store, tmp_path: Path, document: Any, sentence: str
) -> None:
    before = store.info()
    with pytest.raises(InvalidInput, match=sentence):
        import_file(store, crate_folder(tmp_path / "c", document))
    assert store.info() == before


def test_a_folder_or_zip_without_metadata_is_refused(store: Store, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="not an RO-Crate"):
        import_file(store, tmp_path)
    with zipfile.ZipFile(tmp_path / "z.zip", "w") as archive:
        archive.writestr("a/b/ro-crate-metadata.json", "{}")
    with pytest.raises(InvalidInput, match="not an RO-Crate"):
        import_file(store, tmp_path / "z.zip")
    (tmp_path / "cut.zip").write_bytes((tmp_path / "z.zip").read_bytes()[:40])
    with pytest.raises(InvalidInput, match="the zip cannot be read"):
        import_file(store, tmp_path / "cut.zip")


def test_odd_values_cost_no_crate(store: Store, tmp_path: Path) -> None:
    action = entity("#a", ["CreateAction", "x:CreateAction"], name=7, object=["in.txt", 5, None])
    action |= {"startTime": ["yesterday"], "instrument": [{"@id": 3}], "actionStatus": 4}
    odd = entity("in.txt", "File", contentSize="many", sha256=7, encodingFormat=["@x", 3])
    found = taken(store, tmp_path / "c", metadata(action, odd, hasPart="in.txt"))
    assert "'yesterday' of '#a' is not a time" in found.notes[0]
    assert found.records == {"data": 1, "step": 1}


def test_a_file_that_two_entities_name_is_read_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = crate_folder(tmp_path / "crate", CRATES["process"])
    (folder / "in.txt").write_bytes(b"x" * 60_000)
    monkeypatch.setenv("BRAID_MAX_IMPORT_BYTES", "100000")
    with read_crate(folder) as crate:
        found = [crate.content.sha256("in.txt") for _ in range(2)]
        assert found == [hashlib.sha256(b"x" * 60_000).hexdigest()] * 2
        assert crate.content.unread == 0
