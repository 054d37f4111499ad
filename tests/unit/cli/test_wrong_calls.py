"""Wrong calls and refusals: the exit code, one clear sentence, nothing written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from provenance_store import open_store
from tests.support.command_line import Braid

URL = "https://braid.example.org/record"
ACTION = {
    "Type": "Action",
    "ActionUrl": "https://actions.globus.org/hello_world",
    "Parameters": {},
    "ResultPath": "$.Hello",
    "End": True,
}
FILES = {
    "ok.json": json.dumps({"StartAt": "Hello", "States": {"Hello": ACTION}}),
    "dangling.json": json.dumps(
        {
            "StartAt": "Hello",
            "States": {
                "Hello": {**{k: v for k, v in ACTION.items() if k != "End"}, "Next": "Gone"}
            },
        }
    ),
    "bare.json": json.dumps(
        {
            "StartAt": "Hello",
            "States": {"Hello": {k: v for k, v in ACTION.items() if k != "ResultPath"}},
        }
    ),
    "twice.json": '{"StartAt": "A", "StartAt": "B", "States": {}}',
    "nan.json": '{"StartAt": NaN}',
    "cut.json": '{"StartAt": ',
    "list.json": "[]",
    "empty.json": "",
    "data.txt": "data",
}

WRONG: list[tuple[str, int, str]] = [
    ("stoer init", 2, "did you mean 'store'"),
    ("nonsense", 2, "No such command 'nonsense'"),
    ("--nonsense", 2, "No such option"),
    ("store inti", 2, "did you mean 'init'"),
    ("store init --store mysql://host/db", 2, "sqlite:///FILE"),
    ("store init --store sqlite:///nowhere/at/all.db", 2, "does not exist"),
    ("store info", 1, "There is no store"),
    ("store check", 1, "There is no store"),
    ("store backup b.db", 1, "There is no store"),
    ("store restore nowhere.db", 2, "does not exist"),
    ("store restore data.txt", 1, "data.txt is no backup"),
    ("runs", 1, "There is no store"),
    ("runs --store x.db --server https://a.example.org", 2, "exclude each other"),
    ("runs --server ftp://a.example.org", 2, "not an https:// address"),
    ("runs --server http://a.example.org", 2, "not https"),
    ("runs --limit 0", 2, "--limit"),
    ("runs --limit many", 2, "--limit"),
    ("runs --since yesterday", 2, "is not a time"),
    ("runs --format xml", 2, "--format"),
    ("runs extra", 2, "unexpected extra argument"),
    ("run", 2, "Usage: braid run"),
    ("run show", 2, "Missing argument 'RUN_ID'"),
    ("records --kind thing", 2, "--kind"),
    ("lineage", 2, "Missing argument 'ID'"),
    ("lineage 1.1 --depth 0", 2, "--depth"),
    ("record fact", 2, "Missing argument 'NAME'"),
    ("record fact a --tag novalue", 2, "is not NAME=VALUE"),
    ("record fact a --file gone.txt", 2, "does not exist"),
    ("record model m --hyperparameters {", 2, "is not JSON"),
    ("record model m --hyperparameters [1]", 2, "must be an object"),
    ("record model m --metrics {}", 2, "must be a list"),
    ("record model m --metrics @gone.json", 2, "No such file"),
    ("record fact a --tag x:float=1e999", 2, "below 1.8e308"),
    ("record step s --started 2026-11-02 --completed 2026-11-01", 2, "before --started"),
    ("invalidate 1.1 --reason x", 2, "No such option '--reason'. See"),
    ("record step s --parameters NaN", 2, "is not JSON"),
    ("record step s --started soon", 2, "is not a time"),
    ("flow", 2, "Usage: braid flow"),
    ("flow validate", 2, "Missing argument 'FLOW.json'"),
    ("flow validate gone.json", 2, "does not exist"),
    ("flow validate twice.json", 1, "given twice"),
    ("flow validate nan.json", 1, "NaN"),
    ("flow validate cut.json", 1, "is not JSON"),
    ("flow validate empty.json", 1, "is not JSON"),
    ("flow validate list.json", 1, "does not hold an object"),
    ("flow instrument ok.json", 2, "Give --provider-url"),
    ("flow instrument ok.json --provider-url nonsense", 2, "provider_url"),
    (f"flow instrument ok.json --mode run --provider-url {URL}", 2, "ends with /harvest"),
    ("flow instrument ok.json --mode run", 2, "Give --provider-url"),
    ("flow instrument ok.json --mode run --result whole", 2, "--result belongs to --mode step"),
    ("flow instrument ok.json --mode run --title T", 2, "--title belongs to --mode step"),
    ("flow instrument ok.json --conventions a", 2, "--conventions belongs to --mode run"),
    (f"flow instrument dangling.json --provider-url {URL}", 1, "Gone"),
    (f"flow instrument bare.json --provider-url {URL}", 1, "without a ResultPath"),
    (f"flow instrument ok.json --provider-url {URL} --wait 0", 2, "--wait"),
    ("flow strip cut.json", 1, "is not JSON"),
    ("flow run ok.json --input list.json", 1, "does not hold an object"),
    ("flow run ok.json --collection c1 gone", 2, "does not exist"),
    ("flow run ok.json --function f1 gone.py", 2, "No such file"),
    ("flow deploy ok.json", 2, "needs --title"),
    ("flow deploy ok.json --title Hello", 2, "BRAID_LOGIN_CLIENT_ID"),
    ("serve --port 99999", 2, "--port"),
    ("serve", 2, "BRAID_CLIENT_ID is not set"),
    ("sandbox --port none", 2, "--port"),
]

WRONG_IN_A_STORE: list[tuple[str, int, str]] = [
    ("run show 7", 1, "There is no run 7"),
    ("lineage nonsense", 1, "There is no record nonsense"),
    ("lineage urn:braid:x", 2, "is not an id"),
    ("lineage 9.9", 1, "There is no record 9.9"),
    ("lineage urn:braid:00000000-0000-0000-0000-000000000000:1", 1, "There is no record"),
    ("models nobody", 1, "There is no model nobody in this store"),
    ("models 1.1", 2, "is a fact, not a model"),
    ("records --tag a>b", 2, "compares with a number"),
    ("records --marker nonsense", 2, "marker"),
    ("record data d --tag x", 2, "A value of 1 character without '=' is not NAME=VALUE."),
    ("record data d --depends-on 9.9", 1, "There is no record 9.9"),
    ("record data d --depends-on x", 1, "There is no record x"),
    ("record model m --update", 1, "There is no model m in this store"),
    ("record model 1.1 --update", 2, "is a fact, not a model"),
    ("record step s --input 9.9", 1, "There is no record 9.9"),
]


@pytest.mark.parametrize(("line", "code", "sentence"), WRONG, ids=[w[0] for w in WRONG])
def test_a_wrong_call_is_answered_and_writes_nothing(
    braid: Braid,
    tmp_path: Path,
    line: str,
    code: int,
    sentence: str,
) -> None:
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    answer = braid(*line.split())
    assert (answer.code, answer.out) == (code, "")
    assert sentence in answer.err
    assert answer.err.startswith(("braid: ", "Usage: "))
    assert answer.err.startswith("Usage: ") or answer.err.count("\n") == 1
    assert "Traceback" not in answer.err
    assert "unexpected" not in answer.err.replace("unexpected extra argument", "")
    assert {entry.name for entry in tmp_path.iterdir()} == set(FILES)


@pytest.mark.parametrize(
    ("line", "code", "sentence"), WRONG_IN_A_STORE, ids=[w[0] for w in WRONG_IN_A_STORE]
)
def test_a_store_says_no_and_stays_as_it_was(
    braid: Braid, line: str, code: int, sentence: str
) -> None:
    with open_store("sqlite:///braid.db") as store:
        store.fact("setup.cfg")
        before = store.info()["records"]
    answer = braid(*line.split())
    assert (answer.code, answer.out) == (code, "")
    assert sentence in answer.err
    assert answer.err.count("\n") == 1
    with open_store("sqlite:///braid.db") as store:
        assert store.info()["records"] == before
