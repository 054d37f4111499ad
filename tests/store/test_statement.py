"""Statements: what they say, as JSON, as text and as Markdown."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any

from provenance_store import Store
from provenance_store.statement.document import PREDICATE_TYPE
from provenance_store.statement.page import account, page
from tests.support.science import ADA, Science
from tests.support.statements import (
    made,
)


def test_it_is_an_in_toto_statement_on_the_record_and_its_files(
    store: Store, science: Science
) -> None:
    statement = made(store, science)
    assert statement["_type"] == "https://in-toto.io/Statement/v1"
    assert statement["predicateType"] == PREDICATE_TYPE
    record, file = statement["subject"]
    assert record["name"] == science.peaks.urn
    leaves = {leaf["id"]: leaf for leaf in statement["predicate"]["evidence"]["leaves"]}
    assert record["digest"] == {"sha256": leaves[science.peaks.urn]["leaf"]}
    assert file["name"] == "globus://collection/peaks.csv"
    assert file["digest"] == {"sha256": f"{len('peaks.csv'):064x}"}


def test_it_tells_the_chain_the_models_the_facts_and_where_it_begins(
    store: Store, science: Science
) -> None:
    predicate = made(store, science)["predicate"]
    assert [step["step"] for step in predicate["chain"]] == [science.train.urn, science.apply.urn]
    assert science.model.urn in predicate["chain"][1]["used"]
    assert predicate["chain"][1]["made"] == [science.peaks.urn]
    last = predicate["models"][-1]
    assert (last["model"], last["trained_on"]) == (science.model.urn, [science.scan.urn])
    assert last["made_by"] == [science.train.urn]
    assert predicate["facts"] == [science.config.urn]
    assert predicate["begins_with"] == [science.scan.urn]
    assert predicate["counts"]["records"] == {
        "fact": 1,
        "data": 2,
        "model": 2,
        "dataset": 0,
        "step": 2,
    }
    assert predicate["evidence"]["runs"]["run-1"]["run_owner"] == ADA


def test_whoever_has_hashlib_and_json_can_check_the_digest(store: Store, science: Science) -> None:
    """In the words of docs/statement.md."""
    evidence = json.loads(json.dumps(made(store, science)))["predicate"]["evidence"]

    def canonical(record: Any) -> bytes:
        text = json.dumps(record, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return text.encode()

    level = [
        hashlib.sha256(b"\x00" + canonical(leaf["record"])).digest() for leaf in evidence["leaves"]
    ]
    assert [leaf.hex() for leaf in level] == [leaf["leaf"] for leaf in evidence["leaves"]]
    while len(level) > 1:
        pairs = [level[i : i + 2] for i in range(0, len(level), 2)]
        level = [
            hashlib.sha256(b"\x01" + b"".join(pair)).digest() if len(pair) == 2 else pair[0]
            for pair in pairs
        ]
    assert level[0].hex() == evidence["tree"]["root"]


def test_the_account_reads_as_text_and_as_markdown(store: Store, science: Science) -> None:
    statement = made(store, science)
    text = account(statement)
    assert "peaks (data) was made by the step Apply" in text
    assert "braggnn v1" in text
    assert "hyperparameters rate=0.01" in text
    assert "WHAT SPEAKS AGAINST IT\n  Nothing that is recorded." in text
    for urn in (science.peaks.urn, science.model.urn, science.config.urn, science.train.urn):
        assert urn in text
    assert f"sha256:{len('scan-17.h5'):064x}" in text
    assert max(map(len, text.splitlines())) < 140
    markdown = account(statement, "markdown")
    assert markdown.startswith("# Statement on peaks\n")
    assert f"`{science.peaks.urn}`" in markdown


def test_a_page_tells_what_it_rests_on_and_what_is_missing(store: Store, science: Science) -> None:
    statement = made(store, science)
    text = page(statement)
    heads = [line for line in text.splitlines() if line.isupper()]
    assert heads == [
        "WHAT IT CONCLUDES",
        "ON WHAT BASIS",
        "WHAT SPEAKS AGAINST IT",
        "WHAT IS NOT SEEN OR NOT PROVEN",
        "WHO AND WHERE",
        "HOW TO CHECK IT",
    ]
    assert "peaks (data) was made by the step Apply" in text
    assert science.peaks.urn in text
    assert "Nothing that is recorded." in text
    assert statement["predicate"]["evidence"]["tree"]["root"] in text
    assert not re.search(r"\[[0-9]+\]", text)
    told = " ".join(text.split())
    for gap in statement["predicate"]["not_supported"]:
        assert gap["text"] in told
    assert page(statement, "markdown").startswith("# Statement on peaks\n")
    store.invalidate(science.scan, cause="beam dump")
    against = page(made(store, science)).partition("WHAT SPEAKS AGAINST IT")[2]
    assert "beam dump" in against.partition("WHAT IS NOT SEEN")[0]


def test_the_page_and_the_account_say_the_same_under_the_same_headings(store: Store) -> None:
    scan = store.data("scan", uris=["globus://c/scan"])
    with store.step("Fit", inputs=[scan]) as step:
        step.updated(store.model("net"), [scan], scores={"rmse": 0.012345678912345})
    statement = store.documents().statement("net@v1")
    short, whole = page(statement), account(statement)
    headings = [line for line in short.splitlines() if line.isupper()]
    parts = [part.partition("\n") for part in whole.split("\n\n")[1:]]
    told = {heading: text.strip() for heading, _, text in parts}
    assert set(headings) <= set(told)
    for heading in ("WHAT SPEAKS AGAINST IT", "WHAT IS NOT SEEN OR NOT PROVEN"):
        said = short.partition(heading)[2].partition("\n\n")[0]
        assert said.split() == re.sub(r" \[[0-9]+\]", "", told[heading]).split()
    assert ("HOW IT CAME ABOUT" in told, "How it came about" in short) == (True, True)
    assert ("WHERE IT BEGINS" in told, "Where it begins: scan" in short) == (True, True)
    assert ("rmse=0.012346" in short, "rmse=0.012345678912345" in whole) == (True, True)
    assert "Of 1 file, 0 have a digest." in " ".join(short.split())


def test_the_account_numbers_records_and_nothing_else(store: Store, science: Science) -> None:
    text = account(made(store, science))
    chain = text.partition("HOW IT CAME ABOUT")[2].partition("\n\n")[0]
    assert re.search(r"^  - \w+.* \[[0-9]+\]: ", chain, re.MULTILINE)
    assert not re.search(r"^ +[0-9]+\. ", chain, re.MULTILINE)


def test_names_cannot_act_as_markup_or_drive_a_terminal(store: Store) -> None:
    name = "[x](javascript:alert(1)) <b>*bold*</b>\x1b[31m`a``b\n# heading"
    record = store.data(name, uris=["globus://c/`x`"])
    statement = store.documents().statement(record.urn)
    text = account(statement) + page(statement)
    markdown = account(statement, "markdown") + page(statement, "markdown")
    assert "\x1b" not in text + markdown
    assert "[x](" not in markdown
    assert "<b>" not in markdown
    assert "\n# heading" not in markdown
    assert "``globus://c/`x` ``" in markdown or "`` globus://c/`x` ``" in markdown


def test_long_evidence_is_counted_in_text_and_whole_in_json(store: Store) -> None:
    with store.transaction():
        scans = [store.data(f"scan-{n}") for n in range(300)]
        for n in range(50):
            with store.step("Fit", inputs=scans[n : n + 3]) as step:
                scans.append(step.output(f"fit-{n}"))
        everything = store.dataset("everything", scans)
    statement = store.documents().statement(everything.urn)
    assert len(statement["predicate"]["evidence"]["leaves"]) == 401
    text = account(statement)
    assert "Fit, 50 times" in text
    assert "has 350 members: " in text
    assert "and 250 more" in text
    assert len(text.splitlines()) < 700
    assert len(page(statement).splitlines()) < 60
