"""`braid statement`: made, signed, kept, verified, as somebody at a terminal would."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from provenance_store import Audience, Store, open_store
from provenance_store.sql.tables import TABLE
from tests.support.command_line import Answer, Braid
from tests.support.science import Science, some_science


@pytest.fixture
def science(braid: Braid) -> Science:
    with open_store("sqlite:///braid.db") as store:
        found = some_science(store)
        assert found.peaks.urn
        return found


@pytest.fixture
def keys(science: Science) -> None:
    """By the commands of `braid statement make --help`."""
    for line in (
        "openssl genpkey -algorithm ed25519 -out key.pem",
        "openssl pkey -in key.pem -pubout -out pub.pem",
        "openssl genpkey -algorithm ed25519 -out other.pem",
        "openssl pkey -in other.pem -pubout -out other-pub.pem",
    ):
        subprocess.run(line.split(), check=True, capture_output=True)


def good(answer: Answer) -> str:
    assert answer.code == 0, answer.err
    return answer.out


def test_a_statement_is_told_in_three_forms(braid: Braid, science: Science) -> None:
    text = good(braid("statement", science.peaks.short_id))
    assert text.startswith("Statement on peaks\n==================\n")
    assert text == good(braid("statement", "make", science.peaks.urn)) or "As of" in text
    markdown = good(braid("statement", science.peaks.urn, "--format", "markdown"))
    assert markdown.startswith("# Statement on peaks\n")
    document = json.loads(good(braid("statement", "--format", "json", science.peaks.urn)))
    assert document["subject"][0]["name"] == science.peaks.urn


def test_a_statement_made_while_a_model_trains_holds_later_at_a_server_too(
    braid: Braid, server: str, its_store: Store, environ: dict[str, str]
) -> None:
    owner = Audience(f"urn:globus:auth:identity:{environ['BRAID_LOGIN_CLIENT_ID']}")
    version = its_store.recorder(audience=owner).model("net", metrics=[{"epoch": 0, "loss": 1.5}])
    at = ("--server", server)
    good(braid("statement", version.urn, "--format", "json", "-o", "s.json", *at))
    its_store.log(version, {"epoch": 1, "loss": "NaN", "acc": 0.5})
    its_store.sink.flush()
    told = good(braid("statement", "verify", "s.json", *at))
    assert "Note: Logged since: 2 values of the curves of 1 model version" in told
    its_store.log(version, {"epoch": -1, "loss": 2})
    its_store.sink.flush()
    wrong = braid("statement", "verify", "s.json", *at)
    assert wrong.code == 1
    assert "points of loss by epoch up to 0 is stated as 1, but is 2" in wrong.out


def test_every_store_takes_the_same_commands(braid: Braid, store_url: str) -> None:
    with open_store(store_url) as store:
        urn = some_science(store).peaks.urn
    at = ("--store", store_url)
    good(braid("statement", urn, "--format", "json", "-o", "s.json", *at))
    assert "it holds" in good(braid("statement", "verify", "s.json", *at))


def test_a_signed_statement_is_kept_and_verified(
    braid: Braid, science: Science, keys: None
) -> None:
    good(braid("statement", science.peaks.urn, "--sign", "key.pem", "-o", "signed.json"))
    told = good(
        braid("statement", "verify", "signed.json", "--key", "pub.pem", "--store", "braid.db")
    )
    assert "made with the key given" in told
    assert "say the same today" in told
    wrong = braid("statement", "verify", "signed.json", "--key", "other-pub.pem")
    assert (wrong.code, wrong.err) == (1, "")
    assert "NOT made with the key given" in wrong.out
    unchecked = good(braid("statement", "verify", "signed.json"))
    assert "not checked" in unchecked
    assert "not compared" in unchecked


def test_a_statement_is_signed_later_with_a_key_that_openssl_made(
    braid: Braid, science: Science, keys: None
) -> None:
    for line in (
        "openssl ecparam -name prime256v1 -genkey -out ec.pem",
        "openssl pkey -in ec.pem -pubout -out ec-pub.pem",
    ):
        subprocess.run(line.split(), check=True, capture_output=True)
    good(braid("statement", science.peaks.urn, "--format", "json", "-o", "plain.json"))
    good(braid("statement", "sign", "plain.json", "--key", "ec.pem", "-o", "signed.json"))
    assert "it holds" in good(braid("statement", "verify", "signed.json", "--key", "ec-pub.pem"))
    twice = braid("statement", "sign", "signed.json", "--key", "ec.pem")
    assert (twice.code, twice.out) == (1, "")
    assert "is signed already" in twice.err
    text = Path("plain.json").read_text()
    Path("plain.json").write_text(text.replace('"name": "scan-17"', '"name": "scan-18"'))
    altered = braid("statement", "sign", "plain.json", "--key", "ec.pem")
    assert (altered.code, altered.out) == (1, "")
    assert "does not hold" in altered.err


def test_a_statement_that_should_be_signed_and_is_not_fails(
    braid: Braid, science: Science, keys: None
) -> None:
    good(braid("statement", science.peaks.urn, "--format", "json", "-o", "plain.json"))
    answer = braid("statement", "verify", "plain.json", "--key", "pub.pem")
    assert answer.code == 1
    assert "it is not signed, but should be" in answer.out


def test_the_program_of_the_page_checks_a_statement(braid: Braid, science: Science) -> None:
    page = Path(__file__).parents[3] / "docs" / "statement.md"
    program = page.read_text().partition("```python\n")[2].partition("```")[0]
    good(braid("statement", science.peaks.urn, "--format", "json", "-o", "peaks.json"))
    exec(compile(program, page.name, "exec"), {})
    text = Path("peaks.json").read_text()
    Path("peaks.json").write_text(text.replace('"name": "scan-17"', '"name": "scan-18"'))
    with pytest.raises(AssertionError):
        exec(compile(program, page.name, "exec"), {})


def test_evidence_altered_in_the_store_is_named(braid: Braid, science: Science) -> None:
    good(braid("statement", science.peaks.urn, "--format", "json", "-o", "s.json"))
    with open_store("sqlite:///braid.db") as store, store.sink.session.change() as connection:
        uri = TABLE["uri"]
        altered = sa.update(uri).where(uri.c.record_id == science.scan.id)
        connection.execute(altered.values(digest="sha256:" + "ff" * 32))
    answer = braid("statement", "verify", "s.json", "--store", "braid.db")
    assert (answer.code, answer.err) == (1, "")
    (line,) = [line for line in answer.out.splitlines() if science.scan.urn in line]
    assert "digest of globus://collection/scan-17.h5" in line
    assert "ff" * 32 in line
    found = braid("statement", "verify", "s.json", "--store", "braid.db", "--format", "json")
    assert found.code == 1
    document = json.loads(found.out)
    assert (document["holds"], document["altered"]) == (False, [])
    assert [one["record"] for one in document["changed"]] == [science.scan.urn]


LIES: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "a run that failed": (lambda p: run_of(p).update(status="FAILED"), "run run-1: status"),
    "a label": (lambda p: run_of(p).update(label="Approved"), "run run-1: label"),
    "a title": (lambda p: run_of(p).update(flow_title="NIST"), "run run-1: flow_title"),
    "a scope": (lambda p: p["evidence"].update(scope="restricted"), "scope restricted"),
    "an account": (
        lambda p: next(iter(p["evidence"]["origins"].values())).update(who="mallory"),
        "who is stated as mallory",
    ),
    "a field": (lambda p: p.update(peer_reviewed=True), "peer_reviewed"),
    "a stub": (
        lambda p: p["evidence"]["stubs"].append(
            {"id": "urn:braid:00000000-0000-0000-0000-000000000000:1", "kind": "data", "name": "x"}
        ),
        "not_supported",
    ),
}


def run_of(predicate: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = predicate["evidence"]["runs"]["run-1"]
    return found


@pytest.mark.parametrize("what", LIES)
def test_what_was_never_recorded_does_not_hold(braid: Braid, science: Science, what: str) -> None:
    how, named = LIES[what]
    good(braid("statement", science.peaks.urn, "--format", "json", "-o", "s.json"))
    assert braid("statement", "verify", "s.json", "--store", "braid.db").code == 0
    statement = json.loads(Path("s.json").read_text())
    how(statement["predicate"])
    Path("s.json").write_text(json.dumps(statement))
    answer = braid("statement", "verify", "s.json", "--store", "braid.db")
    assert answer.code == 1
    assert named in answer.out + answer.err


def test_evidence_altered_in_the_file_is_named(
    braid: Braid, science: Science, tmp_path: Path
) -> None:
    good(braid("statement", science.peaks.urn, "--format", "json", "-o", "s.json"))
    file = tmp_path / "s.json"
    file.write_text(file.read_text().replace('"name": "scan-17"', '"name": "scan-18"'))
    answer = braid("statement", "verify", "s.json", "--store", "braid.db")
    assert answer.code == 1
    assert f"{science.scan.urn}: its digest" in answer.out
    assert "Store: not compared; the evidence is not as it was." in answer.out


def test_a_statement_holds_in_the_store_that_it_was_merged_into(
    braid: Braid, science: Science
) -> None:
    good(braid("statement", science.peaks.urn, "--format", "json", "-o", "s.json"))
    with open_store("sqlite:///team.db") as team:
        team.data("so that numbers of origins differ")
    assert braid("merge", "braid.db", "--store", "team.db").code == 0
    assert "it holds" in good(braid("statement", "verify", "s.json", "--store", "team.db"))
    good(braid("statement", science.peaks.urn, "--format", "json", "-o", "t.json", *TEAM))
    assert _tree("s.json") == _tree("t.json")


TEAM = ("--store", "team.db")


def _tree(file: str) -> Any:
    return json.loads(Path(file).read_text())["predicate"]["evidence"]["tree"]


FILES = {
    "cut.json": "{",
    "list.json": "[]",
    "text.json": '"x"',
    "other.json": '{"_type": "https://in-toto.io/Statement/v1", "predicateType": "x"}',
    "envelope.json": '{"payloadType": "x", "payload": "", "signatures": []}',
    "no.pem": "no key",
}
WRONG = [
    ("statement", 2, "Usage: braid statement"),
    ("statement verify", 2, "Missing argument 'FILE'"),
    ("statement make", 2, "Missing argument 'ID'"),
    ("statement verfy list.json", 2, "did you mean 'verify'"),
    ("statement nonsense", 1, "There is no record nonsense"),
    ("statement 9.9", 1, "There is no record 9.9"),
    ("statement urn:braid:00000000-0000-0000-0000-000000000000:1", 1, "There is no record"),
    ("statement 1.1 --format xml", 2, "--format"),
    ("statement 1.1 --limit 0", 2, "--limit"),
    ("statement 1.1 --sign gone.pem", 2, "does not exist"),
    ("statement 1.2 --sign no.pem", 1, "openssl genpkey"),
    ("statement 1.2 --sign no.pem --format text", 2, "--sign writes JSON"),
    ("statement 1.2 -o no/such/folder", 1, "No such file"),
    ("statement 1.2 --store none.db", 1, "There is no store"),
    ("statement 1.2 --store x.db --server https://a.example.org", 2, "exclude each other"),
    ("statement verify gone.json", 2, "does not exist"),
    ("statement verify cut.json", 1, "is not JSON"),
    ("statement verify list.json", 1, "neither an in-toto Statement"),
    ("statement verify text.json", 1, "neither an in-toto Statement"),
    ("statement verify other.json", 1, "another kind"),
    ("statement verify envelope.json", 1, "not an in-toto Statement"),
    ("statement verify list.json --store x.db --server https://a.example.org", 2, "exclude"),
]


@pytest.mark.parametrize(("line", "code", "sentence"), WRONG, ids=[w[0] for w in WRONG])
def test_a_wrong_call_is_answered_in_a_sentence(
    braid: Braid, science: Science, tmp_path: Path, line: str, code: int, sentence: str
) -> None:
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    answer = braid(*line.split())
    assert (answer.code, answer.out) == (code, "")
    assert sentence in answer.err
    assert answer.err.startswith("Usage: ") or answer.err.count("\n") == 1
    assert "unexpected" not in answer.err


def test_a_key_that_is_none_is_refused(braid: Braid, science: Science, keys: None) -> None:
    good(braid("statement", science.peaks.urn, "--sign", "key.pem", "-o", "s.json"))
    answer = braid("statement", "verify", "s.json", "--key", "key.pem")
    assert (answer.code, answer.out) == (1, "")
    assert "openssl pkey" in answer.err
