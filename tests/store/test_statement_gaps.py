"""Statements tell as plainly what is not supported, and what a slice left out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import sqlalchemy as sa

from provenance_store import Audience, Store, Viewer, open_store
from provenance_store.errors import InvalidInput, NotFound, TooLarge
from provenance_store.sql.tables import TABLE
from provenance_store.statement import evidence
from provenance_store.statement.page import account
from tests.support.science import ADA, HOUR, NOON, Science, some_science
from tests.support.statements import (
    change,
    check_file,
    gaps,
    made,
    verified,
    where,
)

A_TAG = {"name": "peaks", "id": 1, "type": 2, "text": "401", "number": 401.0, "set_at": NOON}
CHECK = TABLE["file_check"]


def test_evidence_without_a_gap_says_so(store: Store) -> None:
    ada = store.recorder(audience=Audience(ADA), environment={"a": 1})
    config = ada.fact("g", tags={"value": 9.81})
    statement = store.documents().statement(config.urn)
    assert statement["predicate"]["not_supported"] == []
    assert "None: every rule was applied, and found nothing." in account(statement)


def test_missing_digests_and_files_are_told(store: Store) -> None:
    science = some_science(store, digests=False)
    found = gaps(made(store, science))
    assert set(found["no_digest"]["records"]) == {
        science.config.urn,
        science.scan.urn,
        science.model.urn,
        science.peaks.urn,
    }
    assert "no_file" not in found
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
    with recorder.transaction():
        fourth = recorder.data("fourth", depends_on=[third])
        recorder.generated(going_on, [fourth])
        recorder.generated(backwards, [fourth])
    recorder.finish(backwards, completed_at=NOON + 2 * HOUR - 1)
    found = gaps(store.documents().statement(fourth.urn))
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
    assert gaps(store.documents().statement(result.urn))["still_open"]["records"] == [live.urn]
    live.promote()
    assert "still_open" not in gaps(store.documents().statement(result.urn))


def test_more_than_the_limit_is_told(store: Store, science: Science) -> None:
    statement = store.documents().statement(science.peaks.urn, limit=3)
    assert len(statement["predicate"]["evidence"]["leaves"]) == 3
    gap = gaps(statement)["truncated"]
    assert gap["level"] == "unseen"
    assert gap["text"] == "The limit of 3 records was reached: what lies beyond is not told."
    assert verified(store, statement).holds
    for limit in (0, 100_001):
        with pytest.raises(InvalidInput, match="1 to 100000"):
            store.documents().statement(science.peaks.urn, limit=limit)


def test_an_account_of_a_part_counts_at_least_and_acquits_only_what_it_tells(
    store: Store, science: Science, tmp_path: Path
) -> None:
    store.slice(tmp_path / "slice.db", [science.peaks.urn], depth=2)
    with open_store(f"sqlite:///{tmp_path / 'slice.db'}") as part:
        sliced = part.documents().statement(science.peaks.urn)
    for statement in (store.documents().statement(science.peaks.urn, limit=3), sliced):
        text = account(statement)
        assert "It rests on at least " in text
        assert "At least " in text.split("HOW IT CAME ABOUT")[1]
        assert "Nothing that is told here; it rests on more" in text
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
    reader = store.documents(Viewer(principals=frozenset({bob})))
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


def checks(store: Store) -> set[str]:
    """The permanent names of all checks of files: which session made each."""
    with store.sink.session.read() as connection:
        return {store.sink.urn(row.id) for row in connection.execute(sa.select(CHECK))}


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
        again = team.documents().statement(science.peaks.urn)
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
        own = part.documents().statement(science.peaks.urn)
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


def test_the_name_that_a_model_begins_with_is_no_gap(store: Store) -> None:
    """The version before the first training has no file, and is asked for none."""
    begun = store.model("net", depends_on=store.fact("code", uris={"uri": "file:///c"}))
    scan = store.data("scan", uris={"uri": "file:///s", "digest": "sha256:aa"})
    with store.step("Train", inputs=[scan], models=[begun]) as step:
        trained = step.updated(begun, [scan], uris={"uri": "file:///w", "digest": "sha256:bb"})
    found = gaps(store.documents().statement(trained))
    assert "no_file" not in found
    blank = store.model("bare")
    first = blank.update([scan], uris="file:///w1")
    assert gaps(store.documents().statement(first))["origin_unknown"]["records"] == [scan.urn]


def test_a_first_version_that_was_used_or_trained_needs_its_file(store: Store) -> None:
    scan = store.data("scan", uris="file:///s")
    used = store.model("used")
    with store.step("Apply", inputs=[scan], models=[used]) as step:
        peaks = step.output("peaks", uris="file:///p")
    later = used.update([peaks], uris="file:///w")
    trained = store.model("trained", trained_on=[scan])
    for version, missing in ((later, used), (trained.update([scan], uris="file:///v"), trained)):
        assert gaps(store.documents().statement(version))["no_file"]["records"] == [missing.urn]
