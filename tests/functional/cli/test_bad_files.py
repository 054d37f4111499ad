"""What a file holds, as opposed to how a command was called: a "no", exit code 1, everywhere.

What is typed on the command line itself, and files that are not there, are calls that are wrong: 2.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from provenance_store import open_store
from tests.support.command_line import Braid

PROVIDER = "--provider-url http://127.0.0.1:9/record"
COMMANDS = [
    "statement verify FILE",
    "import FILE",
    "merge FILE",
    "merge FILE --dry-run",
    "flow validate FILE",
    f"flow instrument FILE {PROVIDER}",
    "flow strip FILE",
    "flow run FILE",
    "flow deploy FILE --title Peaks",
    "flow run flow.json --input FILE",
    "flow harvest --log FILE --definition flow.json --run-id r1",
    "flow harvest --log log.json --definition FILE --run-id r1",
    "invalidate 1.1 --cause bad --yes --start-flow f --flow-input FILE",
    "record step s --parameters @FILE",
    "record step s --result @FILE",
    "record model m --hyperparameters @FILE",
    "record model m --metrics @FILE",
]
CONTENTS = {
    "text": b"not JSON\n",
    "cut-off": b'{"a": ',
    "binary": b"\xff\xfe\x00\x01",
    "UTF-16": '{"a": 1}'.encode("utf-16"),
    "empty": b"",
    "NaN": b'{"a": NaN}',
    "deep": b"[" * 200_000,
}
NOT_OBJECTS = {"a-list": b"[1, 2]", "a-number": b"17"}


@pytest.fixture
def folder(braid: Braid, tmp_path: Path) -> Path:
    """A store with a record, and files that are as they should be."""
    assert braid("record", "fact", "setup").code == 0
    state = '{"Comment": "c", "StartAt": "A", "States": {"A": {"Type": "Pass", "End": true}}}'
    Path("flow.json").write_text(state)
    Path("log.json").write_text('{"entries": []}')
    return tmp_path


def is_no(braid: Braid, command: str, name: str) -> None:
    answer = braid(*command.replace("FILE", name).split())
    assert (answer.code, answer.out) == (1, ""), answer
    assert answer.err.startswith(f"braid: {name}"), answer.err
    assert answer.err.count("\n") == 1
    assert "unexpected" not in answer.err


@pytest.mark.parametrize("what", CONTENTS)
@pytest.mark.parametrize("command", COMMANDS)
def test_a_file_that_is_not_what_it_should_be_is_a_no_that_names_it(
    braid: Braid, folder: Path, command: str, what: str
) -> None:
    (folder / f"{what}.json").write_bytes(CONTENTS[what])
    is_no(braid, command, f"{what}.json")


@pytest.mark.parametrize("what", NOT_OBJECTS)
@pytest.mark.parametrize("command", [c for c in COMMANDS if "@" not in c])
def test_json_of_another_shape_is_a_no_that_names_the_file(
    braid: Braid, folder: Path, command: str, what: str
) -> None:
    (folder / f"{what}.json").write_bytes(NOT_OBJECTS[what])
    is_no(braid, command, f"{what}.json")


def test_an_object_that_is_no_flow_is_a_no_that_names_the_file(braid: Braid, folder: Path) -> None:
    Path("none.json").write_text('{"StartAt": "A"}')
    is_no(braid, "flow harvest --log log.json --definition FILE --run-id r1", "none.json")


@pytest.mark.parametrize("command", COMMANDS)
def test_a_file_that_is_not_there_is_a_wrong_call(braid: Braid, folder: Path, command: str) -> None:
    answer = braid(*command.replace("FILE", "none.json").split())
    assert (answer.code, answer.out) == (2, ""), answer
    assert "none.json" in answer.err


@pytest.mark.parametrize("text", ["not JSON", "{", "NaN", ""])
@pytest.mark.parametrize(
    "option", ["step s --parameters", "step s --result", "model m --hyperparameters"]
)
def test_what_is_typed_and_is_not_json_is_a_wrong_call(
    braid: Braid, folder: Path, option: str, text: str
) -> None:
    answer = braid("record", *option.split(), text)
    assert (answer.code, answer.out) == (2, "")
    assert "is not JSON" in answer.err


def test_a_key_that_is_none_is_a_no(braid: Braid, folder: Path) -> None:
    Path("key.pem").write_text("no key")
    signed = braid("statement", "1.1", "--sign", "key.pem")
    assert (signed.code, signed.out) == (1, "")
    assert "is no private key" in signed.err


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def without_tags(file: Path) -> None:
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("DROP TABLE tag")


@pytest.mark.parametrize(
    "spoil",
    [
        cut,
        without_tags,
        lambda file: file.unlink(),
        lambda file: file.write_bytes(b""),
        lambda file: file.write_text("no database" * 99),
    ],
    ids=["cut-off", "a-table-lost", "lost", "emptied", "text"],
)
def test_a_lost_or_damaged_store_is_said_with_the_way_out(
    braid: Braid, folder: Path, spoil: Callable[[Path], object]
) -> None:
    spoil(folder / "braid.db")
    for command in ("records", "store check", "store backup b.db", "tag 1.1 a=1"):
        answer = braid(*command.split())
        assert answer.code == 1, command
        assert "`braid store restore BACKUP` puts a backup back" in answer.out + answer.err, command
    assert not (folder / "b.db").exists()


def test_a_restore_tells_how_what_came_after_the_backup_comes_back(
    braid: Braid, folder: Path
) -> None:
    for command in ("store backup b.db", "record fact later", "store restore b.db --force"):
        answer = braid(*command.split())
        assert answer.code == 0, command
    assert "later" not in braid("records").out
    assert braid(*answer.err.strip().splitlines()[-1].partition(": braid ")[2].split()).code == 0
    assert "later" in braid("records").out


def test_what_is_damaged_is_listed_by_a_check_of_a_store_that_does_not_open(
    braid: Braid, folder: Path
) -> None:
    with open_store("sqlite:///braid.db") as store:
        for number in range(300):
            store.data(f"scan-{number}", tags={"n": number})
    data = bytearray((folder / "braid.db").read_bytes())
    with closing(sqlite3.connect("braid.db")) as connection:
        query = "SELECT rootpage FROM sqlite_master WHERE name = 'tag'"
        (page,) = connection.execute(query).fetchone()
    data[(page - 1) * 4096 + 100 : page * 4096] = b"\xff" * 3996  # counting finds nothing
    Path("braid.db").write_bytes(data)
    answer = braid("store", "backup", "b.db")
    assert (answer.code, "no backup was made" in answer.err) == (1, True)
    assert not Path("b.db").exists()
    cut(folder / "braid.db")
    answer = braid("records")
    assert (answer.code, "`braid store check` says where" in answer.err) == (1, True)
    answer = braid("store", "check")
    assert (answer.code, answer.err) == (1, "")
    assert answer.out.startswith("SQLite reports: ")
