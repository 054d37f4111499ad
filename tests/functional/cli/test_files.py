"""`braid digest` and `braid verify`: what files were, and whether they still are."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from provenance_store import open_store
from provenance_store.values import Audience, Uri
from tests.support.command_line import Braid


def sha256(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


@pytest.fixture
def urns(braid: Braid, tmp_path: Path) -> dict[str, str]:
    """Records of files here, on a mounted collection, and elsewhere; ids by name."""
    (tmp_path / "mnt" / "raw").mkdir(parents=True)
    (tmp_path / "mnt" / "raw" / "scan 1.h5").write_bytes(b"scan")
    (tmp_path / "with.txt").write_bytes(b"with")
    (tmp_path / "without.txt").write_bytes(b"without")
    with open_store("sqlite:///braid.db") as store:
        recorder = store.recorder(run_id="run-1")
        config = recorder.fact(
            "with",
            uris=[
                {
                    "uri": (tmp_path / "with.txt").as_uri(),
                    "size": 4,
                    "digest": sha256(b"with"),
                }
            ],
        )
        made = {
            "with": config,
            "without": recorder.data(
                "without", uris=[(tmp_path / "without.txt").as_uri()], depends_on=[config]
            ),
            "mounted": recorder.data("mounted", uris=["globus://c1/raw/scan%201.h5"]),
            "plain": recorder.data(
                "plain", uris=[Uri(str(tmp_path / "without.txt")), Uri("gone.txt")]
            ),
            "elsewhere": recorder.data("elsewhere", uris=["s3://bucket/x", "file://host/etc/x"]),
        }
        return {name: record.urn for name, record in made.items()}


def files(braid: Braid, *args: object, code: int = 0) -> list[dict[str, Any]]:
    answer = braid(*args, "--format", "json")
    assert answer.code == code
    assert " checked; " in answer.err if args[0] == "verify" else not answer.err
    found: list[dict[str, Any]] = json.loads(answer.out)["files"]
    return found


def states(braid: Braid, *args: object, code: int = 0) -> list[str]:
    return [file["state"] for file in files(braid, *args, code=code)]


def test_verify_tells_what_became_of_each_file(
    braid: Braid, urns: dict[str, str], tmp_path: Path
) -> None:
    assert states(braid, "verify", urns["with"]) == ["ok"]
    assert states(braid, "verify", urns["without"], code=1) == ["no digest"]
    assert states(braid, "verify", urns["elsewhere"], code=1) == ["not local", "not local"]
    assert states(braid, "verify", urns["mounted"], code=1) == ["not local"]
    assert states(braid, "verify", urns["plain"], code=1) == ["missing", "no digest"]
    (tmp_path / "with.txt").write_bytes(b"WITH")
    assert states(braid, "verify", urns["with"], code=1) == ["changed"]
    (tmp_path / "with.txt").write_bytes(b"longer")
    (file,) = files(braid, "verify", urns["with"], code=1)
    assert (file["state"], file["found"]) == ("changed", "6 bytes")
    (tmp_path / "with.txt").unlink()
    assert states(braid, "verify", urns["with"], code=1) == ["missing"]
    (tmp_path / "with.txt").mkdir()
    assert states(braid, "verify", urns["with"], code=1) == ["changed"]


def test_verify_says_which_record_and_version_each_file_is_of(
    braid: Braid, urns: dict[str, str], tmp_path: Path
) -> None:
    with open_store("sqlite:///braid.db") as store:
        (tmp_path / "net.pt").write_bytes(b"1")
        version = store.model("net").update(file=tmp_path / "net.pt")
    (tmp_path / "net.pt").write_bytes(b"22")
    answer = braid("verify", "net@v1")
    assert [line.split()[:4] for line in answer.out.splitlines()] == [
        ["State", "ID", "Record", "URI"],
        ["changed", version.short_id, "net", "v1"],
    ]
    (file,) = files(braid, "verify", "net@v1", code=1)
    assert (file["short_id"], file["version"]) == (version.short_id, 1)
    assert file["found"] == "2 bytes"


def test_verify_goes_up_and_over_runs(braid: Braid, urns: dict[str, str], tmp_path: Path) -> None:
    assert sorted(states(braid, "verify", urns["without"], "--up")) == ["no digest", "ok"]
    (tmp_path / "with.txt").write_bytes(b"WITH")
    assert "changed" in states(braid, "verify", urns["without"], "--up", code=1)
    assert len(states(braid, "verify", "--run", "run-1", code=1)) == 7


def test_verify_sums_up_what_was_checked_and_what_was_not(
    braid: Braid, urns: dict[str, str]
) -> None:
    answer = braid("verify", urns["elsewhere"])
    assert (answer.code, answer.err) == (
        1,
        "Nothing was checked: 0 of 2 files checked; 2 not local.\n"
        "Where these are in a folder here, say so: --map file://host/=FOLDER (1 file), "
        "--map s3://bucket/=FOLDER (1 file).\n",
    )
    answer = braid("verify", urns["without"], "--up")
    assert (answer.code, answer.err) == (
        0,
        "1 of 2 files checked; 1 ok, 1 without a digest.\n",
    )


@pytest.mark.parametrize("line", ["digest --run run", "verify --run run", "records --run run"])
def test_a_run_is_named_by_the_beginning_of_its_id(
    braid: Braid, urns: dict[str, str], line: str
) -> None:
    with open_store("sqlite:///braid.db") as store:
        store.run("run-1")
    assert "without" in braid(*line.replace("run run", "run run-").split()).out
    answer = braid(*line.replace("run run", "run typo").split())
    assert (answer.code, answer.out, answer.err) == (
        1,
        "",
        "braid: There is no run typo in this store.\n",
    )


def test_what_is_found_later_counts_from_then_on(
    braid: Braid, urns: dict[str, str], tmp_path: Path
) -> None:
    (done,) = files(braid, "digest", urns["without"])
    assert (done["state"], done["size"], done["digest"]) == ("recorded", 7, sha256(b"without"))
    assert states(braid, "digest", urns["without"]) == ["known"]
    assert states(braid, "verify", urns["without"]) == ["ok"]
    (record,) = json.loads(
        braid("records", "--digest", sha256(b"without"), "--format", "json").out
    )["records"]
    assert (record["id"], record["uris"][0]["size"]) == (urns["without"], 7)
    text = braid("statement", urns["without"]).out
    assert sha256(b"without") in text
    assert "name files without a digest" not in text
    (tmp_path / "without.txt").write_bytes(b"changed")
    assert states(braid, "verify", urns["without"], code=1) == ["changed"]
    assert states(braid, "digest", urns["without"], "--again") == ["recorded"]
    assert states(braid, "verify", urns["without"], code=1) == ["changed"]
    assert "was found to have another content" in " ".join(
        braid("statement", urns["without"]).out.split()
    )


def test_a_file_is_digested_for_all_records_that_name_it(
    braid: Braid, urns: dict[str, str], tmp_path: Path
) -> None:
    done = files(braid, "digest", tmp_path / "without.txt", "--algorithm", "blake2b")
    assert {file["id"] for file in done} == {urns["without"], urns["plain"]}
    assert {file["state"] for file in done} == {"recorded"}
    assert done[0]["digest"] == "blake2b:" + hashlib.blake2b(b"without").hexdigest()
    assert states(braid, "verify", urns["without"]) == ["ok"]


def test_a_file_that_no_record_names_is_told(braid: Braid, urns: dict[str, str]) -> None:
    Path("new.txt").write_text("new")
    assert states(braid, "digest", "new.txt", code=1) == ["no record"]


@pytest.mark.parametrize("prefix", ["globus://c1/", "globus://c1", "globus://c1/raw"])
def test_a_mounted_collection_is_mapped(
    braid: Braid, urns: dict[str, str], tmp_path: Path, prefix: str
) -> None:
    folder = tmp_path / "mnt" / ("raw" if prefix.endswith("raw") else "")
    at = ("--map", f"{prefix}={folder}")
    assert states(braid, "digest", urns["mounted"], *at) == ["recorded"]
    assert states(braid, "verify", urns["mounted"], *at) == ["ok"]


def test_a_prefix_ends_at_a_slash_and_uris_stay_inside(
    braid: Braid, urns: dict[str, str], tmp_path: Path
) -> None:
    at = ("--map", f"globus://c={tmp_path / 'mnt'}")
    assert states(braid, "verify", urns["mounted"], *at, code=1) == ["not local"]
    with open_store("sqlite:///braid.db") as store:
        urn = store.data("sly", uris=["globus://c1/%2e%2e/with.txt"]).urn
    answer = braid("verify", urn, "--map", f"globus://c1/={tmp_path / 'mnt'}")
    assert (answer.code, answer.out) == (2, "")
    assert "leads out of" in answer.err


def test_every_store_takes_the_same_commands(braid: Braid, store_url: str, tmp_path: Path) -> None:
    file = tmp_path / "data.bin"
    file.write_bytes(b"x" * 3_000_000)
    with open_store(store_url) as store:
        urn = store.data("data", uris=[file.as_uri()]).urn
    assert states(braid, "digest", urn, "--store", store_url) == ["recorded"]
    assert states(braid, "verify", urn, "--store", store_url) == ["ok"]
    assert braid("store", "check", "--store", store_url).code == 0


def test_what_was_found_travels_with_a_merge(braid: Braid, urns: dict[str, str]) -> None:
    assert states(braid, "digest", urns["without"]) == ["recorded"]
    assert braid("merge", "braid.db", "--store", "team.db").code == 0
    assert states(braid, "verify", urns["without"], "--store", "team.db") == ["ok"]


WRONG = [
    ("digest", 2, "Give records by ID, files, or a run"),
    ("verify", 2, "Give records by ID, or a run"),
    ("digest lost.txt", 2, "There is no file lost.txt, and it is not an ID."),
    ("digest /dev/null", 2, "/dev/null is a device; only files and directories have digests."),
    ("digest 9.9", 1, "There is no record 9.9"),
    ("verify 9.9", 1, "There is no record 9.9"),
    ("verify nonsense", 1, "There is no record nonsense"),
    ("verify 1.1 --map nonsense", 2, "is not URIPREFIX=FOLDER"),
    ("verify 1.1 --map a=gone", 2, "is not a folder"),
    ("verify 1.1 --map =mnt", 2, "is not URIPREFIX=FOLDER"),
    ("digest 1.1 --algorithm md5", 2, "--algorithm"),
    ("digest 1.1 --store none.db", 1, "There is no store"),
]


@pytest.mark.parametrize(("line", "code", "sentence"), WRONG, ids=[w[0] for w in WRONG])
def test_a_wrong_call_is_answered_in_a_sentence(
    braid: Braid, urns: dict[str, str], line: str, code: int, sentence: str
) -> None:
    answer = braid(*line.split())
    assert (answer.code, answer.out) == (code, "")
    assert sentence in answer.err
    assert answer.err.count("\n") == 1


@pytest.mark.parametrize(
    "recorded",
    [
        "globus://C1/raw/scan 1.h5",
        "globus://c1//raw/./scan%201.h5",
        "globus://c1/raw/x/../scan%201.h5",
        "globus://c%31/raw/scan%201.h5",
    ],
)
@pytest.mark.parametrize("prefix", ["globus://C1/", "globus://c1", "globus://c1/./raw/.."])
def test_a_mounted_file_is_found_however_its_uri_is_spelled(
    braid: Braid, tmp_path: Path, recorded: str, prefix: str
) -> None:
    (tmp_path / "mnt" / "raw").mkdir(parents=True)
    file = tmp_path / "mnt" / "raw" / "scan 1.h5"
    file.write_bytes(b"scan")
    with open_store("sqlite:///braid.db") as store:
        urn = store.data("scan", uris=[recorded]).urn
    (found,) = files(braid, "digest", file, "--map", f"{prefix}=mnt")
    assert (found["state"], found["id"], found["digest"]) == ("recorded", urn, sha256(b"scan"))
    assert states(braid, "verify", urn, "--map", f"{prefix}=mnt") == ["ok"]


def test_files_that_are_found_to_be_one_make_their_records_one(
    braid: Braid, tmp_path: Path
) -> None:
    file = tmp_path / "scan.h5"
    file.write_bytes(b"scan")
    with open_store("sqlite:///braid.db") as store:
        one, two = (store.data(name, uris=[file.as_uri()]) for name in "ab")
    braid("digest", file)
    somebody = Audience("urn:globus:auth:identity:ae341a98-d274-11e5-b888-dbae3a8ba545")
    with open_store("sqlite:///braid.db") as store:
        assert [r["id"] for r in store.documents().record(one.urn)["same_as"]] == [two.urn]
        about = {"uri": file.as_uri(), "digest": sha256(b"scan"), "size": 4}
        three = store.recorder(audience=somebody).data("c", uris=[about])
        assert "same_as" not in store.documents().record(three.urn)  # only somebody else says so
    braid("digest", three.urn)
    with open_store("sqlite:///braid.db") as store:
        assert [r["id"] for r in store.documents().record(three.urn)["same_as"]] == [one.urn]
