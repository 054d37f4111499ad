"""Paths of this machine, as text: where they are recorded, and what they name."""

from __future__ import annotations

from pathlib import Path

import pytest

from provenance_store import Store
from provenance_store.errors import NotFound
from provenance_store.references import Reference
from provenance_store.values import Audience, Uri, Viewer

ADA = "urn:globus:auth:identity:00000001-0000-4000-8000-000000000000"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, below somebody's home, with a file in it."""
    here = tmp_path / "home" / "work"
    (here / "data").mkdir(parents=True)
    (here / "data" / "raw 1.npy").write_bytes(b"raw")
    monkeypatch.chdir(here)
    monkeypatch.setenv("HOME", str(here.parent))
    return here


SPELLINGS = [
    "./data/raw 1.npy",
    "../work/data/raw 1.npy",
    "~/work/data/raw 1.npy",
    "{}/data/raw 1.npy",
    "{}/other/../data/raw 1.npy",
]


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("mapping", [False, True], ids=["text", "mapping"])
def test_a_path_is_recorded_as_the_uri_of_its_file(
    store: Store, folder: Path, spelling: str, mapping: bool
) -> None:
    text = spelling.format(folder)
    record = store.data("raw", uris=[{"uri": text, "size": 3} if mapping else text])
    (found,) = store.documents().record(record)["uris"]
    there = (folder / "data" / "raw 1.npy").as_uri()
    assert found["uri"] in (there, there.replace("/data/", "/other/../data/"))
    assert store.documents().record(folder / "data" / "raw 1.npy")["id"] == record.urn


@pytest.mark.parametrize(
    "text", ["data/raw 1.npy", "raw.npy", "globus://C/../x", "file:///a/./b", "s3://b//k", "~ada/x"]
)
def test_what_is_no_path_without_doubt_stays_as_it_is(
    store: Store, folder: Path, text: str
) -> None:
    record = store.data("raw", uris=[text])
    assert store.documents().record(record)["uris"][0]["uri"] == text
    assert store.documents().record(text)["id"] == record.urn
    assert [r["id"] for r in store.documents().records(uri=text)["records"]] == [record.urn]


@pytest.mark.parametrize("spelling", [*SPELLINGS, "data/raw 1.npy"])
@pytest.mark.parametrize("recorded", ["uri", "absolute", "relative", "dotted"])
def test_a_path_names_what_is_recorded_at_it_in_any_spelling(
    store: Store, folder: Path, spelling: str, recorded: str
) -> None:
    """Old records have paths as they were given, which `Uri` records too."""
    path = folder / "data" / "raw 1.npy"
    uri = {
        "uri": path.as_uri(),
        "absolute": str(path),
        "relative": "data/raw 1.npy",
        "dotted": "./data/raw 1.npy",
    }[recorded]
    record = store.data("raw", uris=[Uri(uri)])
    text = spelling.format(folder)
    if ".." in text and recorded != "uri":
        text = str(path)
    reader = store.documents()
    assert reader.record(text)["id"] == record.urn
    assert [r["id"] for r in reader.records(uri=text)["records"]] == [record.urn]
    made = store.data("made", depends_on=[text])
    step = store.step("s", inputs=[text])
    for each in (made, step):
        assert [link["id"] for link in reader.record(each)["links"]] == [record.urn]


def test_a_folder_behind_a_link_is_one_place(store: Store, folder: Path) -> None:
    (folder / "link").symlink_to("data")
    given: list[Reference] = [Path("link/raw 1.npy"), "./link/raw 1.npy", "./data/raw 1.npy"]
    one = store.data("raw", uris=[given[0]])
    assert {store.documents().record(each)["id"] for each in given} == {one.urn}


def test_files_of_this_machine_are_not_told_of_to_others(store: Store, folder: Path) -> None:
    recorder = store.recorder(audience=Audience(ADA))
    recorder.data("raw", uris=[(folder / "data" / "raw 1.npy").as_uri()])
    reader = store.documents(Viewer(frozenset({ADA})))
    for text in ("data/raw 1.npy", "./data/raw 1.npy", "~/work/data/raw 1.npy"):
        with pytest.raises(NotFound):
            reader.record(text)
        assert reader.records(uri=text)["records"] == []
    assert reader.record(str(folder / "data" / "raw 1.npy"))["name"] == "raw"
