"""What was typed, and may be secret, is not repeated on standard error: it may be a log."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import hpc
from provenance_store.display import LOOKED_AT, shown
from provenance_store.errors import ConfigurationError
from tests.support.command_line import Braid

SECRET = "hunter2Correct"
TOKEN = "ghp_" + "Ab1Cd2Ef3Gh4Ij5Kl6Mn7Op8Qr9St0Uv1Wx2"
CALLS = [
    f"runs --server http://me:{SECRET}@host.example.org",
    f"runs --server https://me:{SECRET}@host.example.org/",
    f"runs --server https://me:{SECRET}@[bad",
    f"runs --server https://host:{SECRET}/",
    f"runs --server ftp://me:{SECRET}@host",
    f"runs --store postgresql://me:{SECRET}@127.0.0.1:1/braid",
    f"runs --store mysql://me:{SECRET}@127.0.0.1/braid",
    f"store info --store postgresql://me:{SECRET}@[bad/braid",
    f"store init --store postgresql://me@127.0.0.1:1/braid?password={SECRET}",
    f"record data x --tag a:int={SECRET}",
    f"record data x --tag a:float={SECRET}",
    f"record data x --tag a:bool={SECRET}",
    f"record data x --tag {SECRET}",
    f"record data x --tag ={SECRET}",
    f"record model m --score {SECRET}",
    f"record model m --score x={SECRET}",
    f"record step s --parameters {SECRET}",
    f"record step s --parameters {{password:{SECRET}",
    f"record data x --depends-on https://me:{SECRET}@host/x",
    f"records --tag password={SECRET}<>",
    f"records --marker token={SECRET}",
    f"lineage https://me:{SECRET}@host/x",
    f"run show password={SECRET}",
    f"runs --status password={SECRET}",
    f"runs --since password={SECRET}",
    f"--password={SECRET} runs",
    f"runs --password={SECRET}",
    f"runs --limit password={SECRET}",
    f"flow validate https://me:{SECRET}@host/flow.json",
]


@pytest.mark.parametrize("debug", [False, True], ids=["usual", "debug"])
@pytest.mark.parametrize("call", CALLS)
def test_what_was_typed_is_not_repeated(
    braid: Braid, monkeypatch: pytest.MonkeyPatch, call: str, debug: bool
) -> None:
    if debug:
        monkeypatch.setenv("BRAID_DEBUG", "1")
    answer = braid(*call.split())
    if call.startswith(("record", "lineage", "runs --since", "run show")) and answer.code == 0:
        pytest.fail(f"it was meant to be refused: {answer}")
    assert SECRET not in answer.err + answer.out
    assert debug or answer.err.count("\n") == 1


def test_a_store_is_shown_without_its_password(braid: Braid, tmp_path: Path) -> None:
    assert braid("store", "init", "--store", f"{tmp_path}/a.db").code == 0
    url = f"sqlite:///{tmp_path}/a.db?token={SECRET}"
    assert SECRET not in "".join(map(str, braid("store", "info", "--store", url)))


@pytest.mark.parametrize(
    "url",
    [f"https://me:{SECRET}@host/", f"http://me:{SECRET}@host/", f"ftp://{TOKEN}@host", "https://["],
)
def test_a_recorder_names_a_server_without_its_password(url: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        hpc.remote(url, "token")
    assert SECRET not in str(error.value)
    assert TOKEN not in str(error.value)


def test_what_is_shown_is_short_and_on_one_line() -> None:
    assert shown("a\n b\t\x00c") == "a b \x00c"
    assert shown("x" * 2000) == "x" * 997 + "..."
    assert shown("x " * LOOKED_AT, 9) == "x x x ..."
    assert shown(f"https://me:{'p' * 5000}@host/x", 20) == "https://me:[redac..."


def test_a_definition_is_refused_without_the_secrets_in_it(braid: Braid) -> None:
    state = {
        "Type": "Action",
        "ActionUrl": f"https://me:{SECRET}@[bad",
        "ActionScope": f"password={SECRET}",
        f"token={TOKEN}": 1,
        "Parameters": {"x.$": f"$.password={SECRET}["},
        "ResultPath": f"password={SECRET}",
        "Next": f"password={SECRET}",
    }
    document = {"StartAt": f"token={TOKEN}", "States": {"A": state}}
    Path("flow.json").write_text(json.dumps(document))
    for form in ("text", "json"):
        answer = braid("flow", "validate", "flow.json", "--format", form)
        assert answer.code == 1
        assert SECRET not in answer.out + answer.err
        assert TOKEN not in answer.out + answer.err
