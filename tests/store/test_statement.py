"""Statements: what they say, what they do not support, and that they tell when it is altered."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from provenance_store import Audience, Mark, Store, Viewer, open_store
from provenance_store.errors import InvalidInput, NotFound, TooLarge
from provenance_store.rows import FileCheckRow
from provenance_store.sql.tables import TABLE
from provenance_store.statement import evidence
from provenance_store.statement.account import account
from provenance_store.statement.document import PREDICATE_TYPE
from provenance_store.statement.verdict import Verdict, judge, opened
from provenance_store.times import parse_time
from tests.support.science import ADA, HOUR, NOON, Science, some_science

Statement = dict[str, Any]


@pytest.fixture
def science(store: Store) -> Science:
    return some_science(store)


def made(store: Store, science: Science) -> Statement:
    return store.reader().statement(science.peaks.urn)


def gaps(statement: Statement) -> dict[str, dict[str, Any]]:
    return {gap["what"]: gap for gap in statement["predicate"]["not_supported"]}


def verified(store: Store, statement: Statement) -> Verdict:
    evidence = statement["predicate"]["evidence"]
    as_of = parse_time(evidence["as_of"], now=0)
    present = store.reader().evidence([leaf["id"] for leaf in evidence["leaves"]], as_of=as_of)
    return judge(statement, None, present=present)


def change(store: Store, *statements: sa.Executable) -> None:
    """What somebody with the database's password can do."""
    with store.sink.session.engine.begin() as connection:
        for statement in statements:
            connection.execute(statement)


# ---- what it says ----------------------------------------------------------------------


def test_it_is_an_in_toto_statement_on_the_record_and_its_files(
    store: Store, science: Science
) -> None:
    statement = made(store, science)
    assert statement["_type"] == "https://in-toto.io/Statement/v1"
    assert statement["predicateType"] == PREDICATE_TYPE
    record, file = statement["subject"]
    assert record["name"] == science.peaks.urn
    leaves = {leaf["id"]: leaf for leaf in statement["predicate"]["evidence"]["leaves"]}
    assert record["digest"] == {"braidRecordSha256": leaves[science.peaks.urn]["leaf"]}
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
    assert "Nothing that is recorded speaks against it" in text
    for urn in (science.peaks.urn, science.model.urn, science.config.urn, science.train.urn):
        assert urn in text
    assert f"sha256:{len('scan-17.h5'):064x}" in text
    assert max(map(len, text.splitlines())) < 140
    markdown = account(statement, "markdown")
    assert markdown.startswith("# Statement on peaks\n")
    assert f"`{science.peaks.urn}`" in markdown


def test_names_cannot_act_as_markup_or_drive_a_terminal(store: Store) -> None:
    name = "[x](javascript:alert(1)) <b>*bold*</b>\x1b[31m`a``b\n# heading"
    record = store.data(name, uris=["globus://c/`x`"])
    statement = store.reader().statement(record.urn)
    text, markdown = account(statement), account(statement, "markdown")
    assert "\x1b" not in text + markdown
    assert "[x](" not in markdown
    assert "<b>" not in markdown
    assert "\n# heading" not in markdown
    assert "``globus://c/`x` ``" in markdown or "`` globus://c/`x` ``" in markdown


def test_long_evidence_is_counted_in_text_and_whole_in_json(store: Store) -> None:
    with store.together():
        scans = [store.data(f"scan-{n}") for n in range(300)]
        for n in range(50):
            with store.step("Fit", inputs=scans[n : n + 3]) as step:
                scans.append(step.output(f"fit-{n}"))
        everything = store.dataset("everything", scans)
    statement = store.reader().statement(everything.urn)
    assert len(statement["predicate"]["evidence"]["leaves"]) == 401
    text = account(statement)
    assert "Fit, 50 times" in text
    assert "holds 350: " in text
    assert "and 345 more" in text
    assert len(text.splitlines()) < 700


# ---- what is not supported -------------------------------------------------------------


def test_evidence_without_a_gap_says_so(store: Store) -> None:
    ada = store.recorder(audience=Audience(ADA), environment={"a": 1})
    config = ada.fact("g", tags={"value": 9.81})
    statement = store.reader().statement(config.urn)
    assert statement["predicate"]["not_supported"] == []
    assert "no gap was found" in account(statement)


def test_missing_digests_and_files_are_told(store: Store) -> None:
    science = some_science(store, digests=False)
    found = gaps(made(store, science))
    assert set(found["no_digest"]["records"]) == {
        science.config.urn,
        science.scan.urn,
        science.model.urn,
        science.peaks.urn,
    }
    assert found["no_file"]["count"] == 1
    assert found["origin_unknown"]["records"] == [science.scan.urn]


def test_failed_unfinished_and_late_steps_are_told(store: Store) -> None:
    clock = [NOON + 2 * HOUR]
    recorder = store.recorder(environment=None, clock=lambda: clock[0])
    failed = recorder.step("Failed", started_at=NOON + 2 * HOUR)
    first = failed.output("first")
    recorder.finish(failed, "FAILED")
    late = recorder.step("Late", inputs=[first], started_at=NOON)
    second = late.output("second")
    recorder.finish(late, completed_at=NOON + HOUR - 1)
    on_time = recorder.step("On time", inputs=[second], started_at=NOON)
    third = on_time.output("third")
    recorder.finish(on_time, completed_at=NOON + HOUR)
    going_on = recorder.step("Going on", inputs=[third])
    backwards = recorder.step("Backwards", inputs=[third], started_at=NOON + 2 * HOUR)
    with recorder.together():
        fourth = recorder.data("fourth", depends_on=[third])
        recorder.generated(going_on, [fourth])
        recorder.generated(backwards, [fourth])
    recorder.finish(backwards, completed_at=NOON + 2 * HOUR - 1)
    found = gaps(store.reader().statement(fourth.urn))
    assert found["failed_steps"]["records"] == [failed.urn]
    assert found["failed_steps"]["level"] == "against"
    assert found["recorded_late"]["records"] == [late.urn]
    assert found["unfinished_steps"]["records"] == [going_on.urn]
    assert found["times_disagree"]["records"] == [backwards.urn]
    assert found["no_environment"]["count"] == 5
    assert found["no_identity"]["count"] == 9


def test_live_data_that_was_never_closed_is_told(store: Store) -> None:
    live = store.data("stream", live=True)
    result = store.data("result", depends_on=[live])
    assert gaps(store.reader().statement(result.urn))["still_open"]["records"] == [live.urn]
    live.promote()
    assert "still_open" not in gaps(store.reader().statement(result.urn))


def test_more_than_the_limit_is_told(store: Store, science: Science) -> None:
    statement = store.reader().statement(science.peaks.urn, limit=3)
    assert len(statement["predicate"]["evidence"]["leaves"]) == 3
    gap = gaps(statement)["truncated"]
    assert gap["level"] == "unseen"
    assert gap["text"] == "The limit of 3 records was reached: what lies beyond is not told."
    assert verified(store, statement).holds
    for limit in (0, 100_001):
        with pytest.raises(InvalidInput, match="1 to 100000"):
            store.reader().statement(science.peaks.urn, limit=limit)


def test_an_account_of_a_part_counts_at_least_and_acquits_only_what_it_tells(
    store: Store, science: Science, tmp_path: Path
) -> None:
    store.slice(tmp_path / "slice.db", [science.peaks.urn], depth=2)
    with open_store(f"sqlite:///{tmp_path / 'slice.db'}") as part:
        sliced = part.reader().statement(science.peaks.urn)
    for statement in (store.reader().statement(science.peaks.urn, limit=3), sliced):
        text = account(statement)
        assert "It rests on at least " in text
        assert "At least " in text.split("HOW IT CAME ABOUT")[1]
        assert "Nothing that is told here speaks against it." in text
        assert "Nothing that is recorded" not in text
    assert "at least" not in account(made(store, science))


def test_more_links_than_a_statement_lists_are_refused_in_a_sentence(
    store: Store, science: Science, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evidence, "MAX_LINKS", 3)
    with pytest.raises(TooLarge, match="at most 3"):
        made(store, science)


def test_what_may_not_be_seen_is_counted_and_not_named(store: Store) -> None:
    bob = "urn:globus:auth:identity:bbbbbbbb-0000-0000-0000-000000000002"
    secret = store.recorder(audience=Audience(ADA)).data("secret scan")
    shared = store.recorder(audience=Audience(bob)).data("shared", depends_on=[secret])
    reader = store.reader(Viewer(principals=frozenset({bob})))
    statement = reader.statement(shared.urn)
    assert gaps(statement)["restricted"]["count"] == 1
    assert "secret" not in json.dumps(statement)
    assert secret.urn not in json.dumps(statement)
    assert verified(store, statement).holds
    with pytest.raises(NotFound):
        reader.statement(secret.urn)


def test_an_ancestor_that_is_not_in_the_store_is_told(store: Store, science: Science) -> None:
    change(store, sa.delete(TABLE["record"]).where(TABLE["record"].c.id == science.scan.id))
    statement = made(store, science)
    assert gaps(statement)["missing_records"]["records"] == [science.scan.urn]
    assert science.scan.urn in account(statement)


def test_an_ancestor_that_a_slice_left_out_is_told(store: Store, science: Science) -> None:
    change(
        store,
        sa.delete(TABLE["record"]).where(TABLE["record"].c.id == science.scan.id),
        sa.insert(TABLE["stub"]).values(id=science.scan.id, kind=2, name="scan-17"),
    )
    found = gaps(made(store, science))
    assert found["omitted"]["records"] == [science.scan.urn]
    assert "missing_records" not in found


def test_invalid_evidence_is_told_with_its_cause(store: Store, science: Science) -> None:
    before = made(store, science)
    store.invalidate(science.scan.urn, cause="the beam was off")
    after = made(store, science)
    invalid = gaps(after)["invalidated"]
    assert invalid["level"] == "against"
    assert science.peaks.urn in invalid["records"]
    assert after["predicate"]["evidence"]["tree"] == before["predicate"]["evidence"]["tree"]
    text = account(after)
    assert "the beam was off" in text
    assert "AGAINST" in text
    verdict = verified(store, before)
    assert not verdict.holds
    assert any("the beam was off" in d.sentence() for d in verdict.differences)
    assert verified(store, after).holds
    store.restore(science.scan.urn, cause="it was on")
    assert verified(store, before).holds
    assert any("valid again" in note for note in verified(store, after).notes)


def test_what_was_dropped_by_age_is_told_and_the_rest_compared(
    store: Store, science: Science
) -> None:
    before = made(store, science)
    store.reduce(before=NOON + HOUR)
    verdict = verified(store, before)
    assert verdict.holds
    assert "dropped by age" in verdict.notes[0]
    after = made(store, science)
    assert gaps(after)["reduced"]["count"] == 5
    assert verified(store, after).holds
    change(store, sa.insert(TABLE["tag"]).values(**A_TAG, record_id=science.peaks.id))
    assert [d.record for d in verified(store, before).differences] == [science.peaks.urn]
    change(store, where("version", id=science.model.id).values(depth=7))
    assert science.model.urn in {d.record for d in verified(store, before).differences}


A_TAG = {"name": "peaks", "id": 1, "type": 2, "text": "401", "number": 401.0, "set_at": NOON}


def checks(store: Store) -> set[str]:
    """The permanent names of all checks of files: which session made each."""
    with store.sink.session.read() as connection:
        return {store.sink.urn(row.id) for row in connection.execute(sa.select(CHECK))}


CHECK = TABLE["file_check"]


def test_it_is_the_same_after_a_slice_and_a_merge(
    store: Store, science: Science, tmp_path: Path
) -> None:
    check_file(store, science.scan.urn, "globus://collection/scan-17.h5", "sha256:00", NOON)
    with open_store(store.sink.session.engine.url.render_as_string(False)) as another_session:
        digest = "sha256:" + "cd" * 32
        uri = "globus://collection/setup.cfg"
        check_file(another_session, science.config.urn, uri, digest, NOON)
    statement = made(store, science)
    store.data("not part of it")
    store.slice(tmp_path / "slice.db", [science.peaks.urn])
    with open_store(f"sqlite:///{tmp_path / 'team.db'}") as team:
        team.data("so that numbers of origins differ")
        team.merge(tmp_path / "slice.db")
        assert verified(team, statement).holds
        again = team.reader().statement(science.peaks.urn)
        tree = again["predicate"]["evidence"]["tree"]
        assert tree == statement["predicate"]["evidence"]["tree"]
        assert again["subject"] == statement["subject"]
        assert checks(team) == checks(store)


def test_a_slice_tells_what_was_left_out_of_it(
    store: Store, science: Science, tmp_path: Path
) -> None:
    statement = made(store, science)
    store.slice(tmp_path / "slice.db", [science.peaks.urn], depth=2)
    with open_store(f"sqlite:///{tmp_path / 'slice.db'}") as part:
        own = part.reader().statement(science.peaks.urn)
        assert gaps(own)["omitted"]["count"] > 0
        assert verified(part, own).holds
        assert verified(store, own).holds
        verdict = verified(part, statement)
        assert not verdict.holds
        assert all("left out" in d.field or "not in" in d.field for d in verdict.differences)


def test_checks_of_files_stay_out_of_a_slice_without_uris(
    store: Store, science: Science, tmp_path: Path
) -> None:
    check_file(store, science.scan.urn, "globus://collection/scan-17.h5", "sha256:00", NOON)
    store.slice(tmp_path / "slice.db", [science.peaks.urn], without=["uris"])
    with open_store(f"sqlite:///{tmp_path / 'slice.db'}") as part:
        assert part.info()["tables"]["file_check"] == 0


# ---- whether it still holds ------------------------------------------------------------


def test_a_statement_holds_as_long_as_nothing_changes(store: Store, science: Science) -> None:
    verdict = verified(store, made(store, science))
    assert (verdict.holds, verdict.differences, verdict.notes) == (True, (), ())


def test_later_tags_and_descendants_do_not_break_it(store: Store, science: Science) -> None:
    statement = made(store, science)
    store.tag(science.scan, {"sample": "Cu", "quality": 1})
    store.data("later", depends_on=[science.peaks])
    assert verified(store, statement).holds
    tags = store.reader().statement(science.peaks.urn)["predicate"]["evidence"]["tree"]["root"]
    assert tags != statement["predicate"]["evidence"]["tree"]["root"]


def where(table: str, **columns: Any) -> sa.Update:
    chosen = TABLE[table]
    return sa.update(chosen).where(*(chosen.c[name] == value for name, value in columns.items()))


ALTERED: dict[str, tuple[Callable[[Science], sa.Executable], str, str]] = {
    "a name": (lambda s: where("record", id=s.scan.id).values(name="scan-18"), "scan", "name"),
    "a time": (lambda s: where("record", id=s.scan.id).values(created_at=1), "scan", "created_at"),
    "a kind": (lambda s: where("record", id=s.config.id).values(kind=2), "config", "kind"),
    "an owner": (lambda s: where("record", id=s.scan.id).values(audience=None), "scan", "owner"),
    "a run": (lambda s: where("record", id=s.apply.id).values(run_id="run-2"), "apply", "run_id"),
    "an environment": (
        lambda s: where("record", id=s.train.id).values(environment="sha256:00"),
        "train",
        "environment",
    ),
    "a digest": (
        lambda s: where("uri", record_id=s.scan.id).values(digest="sha256:00"),
        "scan",
        "digest of globus://collection/scan-17.h5",
    ),
    "a size": (
        lambda s: where("uri", record_id=s.model.id).values(size=1),
        "model",
        "size of globus://collection/weights.h5",
    ),
    "a file": (
        lambda s: where("uri", record_id=s.config.id).values(uri="file:///x"),
        "config",
        "the file file:///x is in the store only",
    ),
    "a tag": (
        lambda s: where("tag", record_id=s.peaks.id).values(text="401"),
        "peaks",
        "tags.peaks",
    ),
    "a tag's type": (
        lambda s: where("tag", record_id=s.peaks.id).values(type=1),
        "peaks",
        "tags.peaks",
    ),
    "parameters": (
        lambda s: where("payload", record_id=s.train.id).values(document="{}"),
        "train",
        "documents.parameters",
    ),
    "hyperparameters": (
        lambda s: where("payload", record_id=s.model.id).values(document='{"rate": 0.1}'),
        "model",
        "documents.hyperparameters",
    ),
    "a score": (
        lambda s: where("metric", record_id=s.model.id, name="mae").values(value=0.01),
        "model",
        "model.scores",
    ),
    "a curve": (
        lambda s: where("metric", record_id=s.model.id, name="loss", step=2).values(value=0.2),
        "model",
        "model.curve",
    ),
    "a version's number": (
        lambda s: where("version", id=s.model.id).values(depth=2),
        "model",
        "model.version",
    ),
    "a step's address": (
        lambda s: where("step", id=s.apply.id).values(action_url="https://a.example.org"),
        "apply",
        "step.action_url",
    ),
    "a step's outcome": (
        lambda s: where("outcome", id=s.train.id).values(status="FAILED"),
        "train",
        "step.status",
    ),
    "a step's end": (
        lambda s: where("outcome", id=s.train.id).values(completed_at=1),
        "train",
        "step.completed_at",
    ),
    "a link less": (
        lambda s: sa.delete(TABLE["link"]).where(TABLE["link"].c.from_id == s.peaks.id),
        "peaks",
        "the link generated_by",
    ),
    "a link more": (
        lambda s: sa.insert(TABLE["link"]).values(from_id=s.scan.id, to_id=s.config.id, role=4),
        "scan",
        "the link derived_from",
    ),
    "a record less": (
        lambda s: sa.delete(TABLE["record"]).where(TABLE["record"].c.id == s.config.id),
        "config",
        "not in the store",
    ),
}


@pytest.mark.parametrize("what", ALTERED)
def test_what_was_altered_in_the_store_is_named(store: Store, science: Science, what: str) -> None:
    make, name, field = ALTERED[what]
    statement = made(store, science)
    change(store, make(science))
    verdict = verified(store, statement)
    assert not verdict.holds
    assert verdict.is_whole
    altered = getattr(science, name).urn
    named = [d for d in verdict.differences if d.record == altered]
    assert any(field in difference.field for difference in named), verdict.differences
    assert {d.record for d in verdict.differences} == {altered}


@pytest.mark.parametrize(
    ("alter", "named"),
    [
        (lambda: sa.update(TABLE["origin"]).values(who="mallory"), "origin"),
        (lambda: sa.update(TABLE["run"]).values(run_owner="mallory"), "run"),
        (lambda: sa.update(TABLE["environment"]).values(document="{}"), "environment"),
    ],
)
def test_what_was_altered_around_the_records_is_named(
    store: Store, science: Science, alter: Callable[[], sa.Executable], named: str
) -> None:
    statement = made(store, science)
    change(store, alter())
    verdict = verified(store, statement)
    assert not verdict.holds
    assert any(d.record.startswith(named) for d in verdict.differences)


def leaf_of(statement: Statement, urn: str) -> dict[str, Any]:
    (leaf,) = (x for x in statement["predicate"]["evidence"]["leaves"] if x["id"] == urn)
    found: dict[str, Any] = leaf
    return found


def test_a_file_whose_evidence_was_altered_names_the_record(store: Store, science: Science) -> None:
    statement = copy.deepcopy(made(store, science))
    leaf_of(statement, science.scan.urn)["record"]["tags"]["sample"]["value"] = "Cu"
    verdict = judge(statement, None)
    assert [d.record for d in verdict.differences] == [science.scan.urn]


def test_a_file_with_a_new_leaf_for_altered_evidence_does_not_hold(
    store: Store, science: Science
) -> None:
    from provenance_store.statement.merkle import leaf_hash

    statement = copy.deepcopy(made(store, science))
    leaf = leaf_of(statement, science.scan.urn)
    leaf["record"]["name"] = "another"
    leaf["leaf"] = leaf_hash(leaf["record"]).hex()
    assert any(d.field == "tree root" for d in judge(statement, None).differences)


@pytest.mark.parametrize(
    "part", ["claim", "counts", "chain", "models", "facts", "begins_with", "not_supported"]
)
def test_an_account_that_does_not_follow_does_not_hold(
    store: Store, science: Science, part: str
) -> None:
    statement = copy.deepcopy(made(store, science))
    statement["predicate"][part] = {} if isinstance(statement["predicate"][part], dict) else []
    (difference,) = judge(statement, None).differences
    assert part in difference.field


def test_a_subject_that_does_not_follow_does_not_hold(store: Store, science: Science) -> None:
    statement = copy.deepcopy(made(store, science))
    statement["subject"][1]["digest"]["sha256"] = "00"
    assert [d.record for d in judge(statement, None).differences] == ["the subject"]


# ---- checks of files -------------------------------------------------------------------


def check_file(store: Store, urn: str, uri: str, digest: str, at: int) -> None:
    sink = store.sink
    with store.together() as batch:
        row = FileCheckRow(sink.resolve(urn), sink.new_id(), uri, at, 3, digest)
        batch.file_check.append(row)


def test_a_digest_found_later_counts_and_another_speaks_against_it(store: Store) -> None:
    science = some_science(store, digests=False)
    before = made(store, science)
    uri, then = "globus://collection/scan-17.h5", store.clock()
    check_file(store, science.scan.urn, uri, "sha256:" + "ab" * 32, then)
    after = made(store, science)
    assert science.scan.urn not in gaps(after)["no_digest"]["records"]
    assert "ab" * 32 in account(after)
    assert verified(store, before).holds
    check_file(store, science.scan.urn, uri, "sha256:" + "cd" * 32, store.clock())
    assert gaps(made(store, science))["files_changed"]["records"] == [science.scan.urn]
    assert verified(store, after).holds


# ---- what is no statement --------------------------------------------------------------


def broken(statement: Statement, how: Callable[[Statement], object]) -> Statement:
    wrong = copy.deepcopy(statement)
    how(wrong)
    return wrong


@pytest.mark.parametrize(
    "document",
    [None, [], "text", 3, {}, {"_type": "x"}, {"_type": "https://in-toto.io/Statement/v0.1"}],
)
def test_what_is_no_statement_is_refused(document: Any) -> None:
    with pytest.raises(InvalidInput, match="no in-toto Statement"):
        opened(document)


@pytest.mark.parametrize(
    ("how", "sentence"),
    [
        (lambda s: s.update(predicateType="https://slsa.dev/provenance/v1"), "another kind"),
        (lambda s: s.pop("predicate"), "not complete"),
        (lambda s: s.update(subject=None), "not complete"),
        (lambda s: s["predicate"].pop("evidence"), "not complete"),
        (lambda s: s["predicate"]["evidence"].pop("leaves"), "not complete"),
        (lambda s: s["predicate"]["evidence"].update(leaves=[{}]), "not complete"),
        (lambda s: s["predicate"]["evidence"].update(truncated="no"), "not complete"),
    ],
)
def test_a_statement_that_is_not_whole_is_refused(
    store: Store, science: Science, how: Callable[[Statement], object], sentence: str
) -> None:
    with pytest.raises(InvalidInput, match=sentence):
        opened(broken(made(store, science), how))


@pytest.mark.parametrize(
    "how",
    [
        lambda e: e.update(leaves=[]),
        lambda e: e.update(root="urn:braid:x"),
        lambda e: e["leaves"].reverse(),
        lambda e: e["leaves"].append(e["leaves"][-1]),
        lambda e: e["leaves"][0].update(record={}),
        lambda e: e["leaves"][0].update(leaf="zz"),
        lambda e: e["leaves"][0]["record"].pop("links"),
        lambda e: e["leaves"][0]["record"].update(links=3),
        lambda e: e["tree"].update(size=1),
        lambda e: e["tree"].clear(),
        lambda e: e.update(restricted=7),
        lambda e: e.update(environments={"sha256:00": {}}),
    ],
)
def test_evidence_that_makes_no_sense_does_not_hold(
    store: Store, science: Science, how: Callable[[dict[str, Any]], object]
) -> None:
    statement = broken(made(store, science), lambda s: how(s["predicate"]["evidence"]))
    verdict = judge(opened(statement)[0], None)
    assert not verdict.holds
    assert all(difference.sentence() for difference in verdict.differences)


def test_a_mark_is_not_part_of_a_record(store: Store, science: Science) -> None:
    statement = made(store, science)
    store.mark(science.scan, Mark.PROMOTED, "closed")
    assert verified(store, statement).holds
