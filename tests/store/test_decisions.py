"""Decisions: what could be chosen, what was chosen and why, and what follows when it falls."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import hpc
from provenance_store import Audience, Option, Store, Viewer
from provenance_store.errors import InvalidInput, NotFound
from provenance_store.statement.page import account
from tests.support.statements import verified


def models(store: Store) -> list[Any]:
    return [store.model(name).update() for name in ("braggnn", "resnet", "unet")]


def roles(store: Store, step: Any) -> dict[str, list[str]]:
    graph = store.documents().lineage(step.urn, direction="up")
    names = {node["id"]: node["name"] for node in graph["nodes"]}
    found: dict[str, list[str]] = {}
    for link in graph["links"]:
        if link["from"] == step.urn:
            found.setdefault(link["role"], []).append(names[link["to"]])
    return {role: sorted(who) for role, who in found.items()}


def is_valid(store: Store, record: Any) -> bool:
    return "invalidated" not in store.documents().record(record.urn)


def test_a_decision_has_its_question_its_options_and_its_reason(store: Store) -> None:
    best, second, third = models(store)
    decision = store.decide(
        "Model for the edge",
        [Option(best, score=0.02, why="lowest error"), Option(second, score=0.05), third],
        best,
        question="Which model goes to the edge?",
        why="lowest error on the newest scans",
        decider="ada",
        policy="lowest mae",
    )
    shown = store.documents().record(decision.urn)
    assert (shown["type"], shown["status"]) == ("Decision", "SUCCEEDED")
    assert shown["decision"] == {
        "question": "Which model goes to the edge?",
        "why": "lowest error on the newest scans",
        "decider": "ada",
        "policy": "lowest mae",
        "options": [
            {"id": best.urn, "name": "braggnn", "score": 0.02, "why": "lowest error"},
            {"id": second.urn, "name": "resnet", "score": 0.05, "why": None},
            {"id": third.urn, "name": "unet", "score": None, "why": None},
        ],
        "chosen": [best.urn],
    }
    assert roles(store, decision) == {"chosen": ["braggnn"], "considered": ["resnet", "unet"]}


def test_a_rejected_option_that_falls_later_taints_nothing_and_the_chosen_one_does(
    store: Store,
) -> None:
    best, second, _ = models(store)
    decision = store.decide("Which", [best, second], best)
    with store.step("Deploy", inputs=[decision]) as deployed:
        report = deployed.output("report")
    store.invalidate(second.urn, cause="trained on the wrong energy")
    assert all(is_valid(store, thing) for thing in (decision, deployed, report, best))
    store.invalidate(best.urn, cause="a bug")
    assert not any(is_valid(store, thing) for thing in (decision, deployed, report, best))


@pytest.mark.parametrize(
    ("chosen", "said"),
    [((), []), ("train anew", ["train anew"]), ([Option(name="stop")], ["stop"])],
    ids=["none of them", "by its name", "one that was no option"],
)
def test_an_option_of_which_nothing_is_recorded_has_a_name(
    store: Store, chosen: Any, said: list[str]
) -> None:
    best, *_ = models(store)
    decision = store.decide("Go on?", [best, Option(name="train anew", score=1)], chosen)
    document = store.documents().record(decision.urn)["decision"]
    assert document["chosen"] == said
    names = [option["name"] for option in document["options"]]
    assert names[:2] == ["braggnn", "train anew"]
    assert set(said) <= set(names)
    assert roles(store, decision) == {"considered": ["braggnn"]}


def test_several_can_be_chosen_and_a_record_is_one_option_however_it_is_named(store: Store) -> None:
    best, second, third = models(store)
    decision = store.decide("Ensemble", [best, best.urn, second, third], [best.urn, second])
    document = store.documents().record(decision.urn)["decision"]
    assert (len(document["options"]), document["chosen"]) == (3, [best.urn, second.urn])
    assert roles(store, decision) == {"chosen": ["braggnn", "resnet"], "considered": ["unet"]}


def test_options_may_come_as_documents(store: Store) -> None:
    best, *_ = models(store)
    known = store.documents().record(best.urn)
    options = [{"id": best.urn, "score": 0.5, "why": "quick"}, {"name": "none", "why": "costly"}]
    decision = store.decide("Which", options, known)
    document = store.documents().record(decision.urn)["decision"]
    assert document["options"][0] | {"name": None} == options[0] | {"name": None}
    assert document["options"][1] == {"id": None, "name": "none", "score": None, "why": "costly"}
    assert document["chosen"] == [best.urn]


def test_a_decision_rests_on_what_it_looked_at(store: Store) -> None:
    best, second, _ = models(store)
    report = store.data("comparison")
    decision = store.decide("Which", [best, second], best, inputs=[report])
    assert roles(store, decision)["used"] == ["comparison"]
    store.invalidate(report.urn, cause="wrong axis")
    assert not is_valid(store, decision)


def test_what_was_decided_is_recorded_also_where_a_part_cannot_be_kept(store: Store) -> None:
    best, *_ = models(store)
    decision = store.decide(
        "Which",
        [Option(best, score="high", why="x" * 10), Option()],
        best,
        why=object(),  # type: ignore[arg-type]
    )
    shown = store.documents().record(decision.urn)
    assert shown["decision"]["options"][0]["score"] is None
    assert "score of an option" in shown["tags"]["braid_note"]
    assert "object" in shown["decision"]["why"]
    with pytest.raises(NotFound):
        store.decide("Which", ["urn:braid:11111111-1111-4111-8111-111111111111:7"], ())
    with pytest.raises(InvalidInput):
        store.recorder(strict=True).decide("Which", [Option(best, score="high")], best)  # type: ignore[arg-type]


def test_a_secret_in_a_reason_is_not_kept(store: Store) -> None:
    best, *_ = models(store)
    decision = store.decide("Which", [best], best, why="password=hunter2-hunter2 let me in")
    assert "hunter2" not in str(store.documents().record(decision.urn))


def test_a_record_tells_which_decisions_were_about_it(store: Store) -> None:
    best, second, _ = models(store)
    for number in range(12):
        store.decide("Try", [Option(second, why="cheap"), best], second, why=f"round {number}")
    last = store.decide("Deploy", [Option(best, score=0.02), second], best, why="lowest error")
    about = store.documents().record(best.urn)["decisions"]
    assert len(about) == 10
    assert {name: about[0][name] for name in ("id", "name", "chosen", "score", "why")} == {
        "id": last.urn,
        "name": "Deploy",
        "chosen": True,
        "score": 0.02,
        "why": "lowest error",
    }
    assert [one["chosen"] for one in about[1:]] == [False] * 9
    assert about[1]["why"] == "round 11"
    assert store.documents().record(second.urn)["decisions"][1]["why"] == "cheap"
    assert "decisions" not in store.documents().record(last.urn)


def test_who_may_not_see_a_decision_does_not_hear_of_it(store: Store) -> None:
    ada, bob = (f"urn:globus:auth:identity:{one * 8}-0000-4000-8000-{one * 12}" for one in "ab")
    both = store.recorder(audience=Audience(ada, (bob,)))
    scan = both.data("scan")
    store.recorder(audience=Audience(ada)).decide("Keep", [scan], scan, why="sharp")
    readers = [store.documents(Viewer(frozenset({who}))) for who in (ada, bob)]
    seen = [reader.record(scan.urn).get("decisions", []) for reader in readers]
    assert [len(found) for found in seen] == [1, 0]


def test_a_decision_may_be_recorded_into_a_spool(store: Store, tmp_path: Path) -> None:
    with hpc.spool(tmp_path / "spool") as recorder:
        one, other = recorder.data("one"), recorder.data("other")
        decision = recorder.decide("Which", [one, other], other, why="sharper")
    assert hpc.load_spool(store, tmp_path / "spool").bad == []
    shown = store.documents().record(decision.urn)
    assert shown["decision"]["chosen"] == [other.urn]
    assert roles(store, decision) == {"chosen": ["other"], "considered": ["one"]}
    assert store.check() == []


def test_a_statement_says_why_this_and_not_that(store: Store) -> None:
    best, second, _ = models(store)
    decision = store.decide(
        "Model for the edge",
        [Option(second, score=0.05, why="too slow"), Option(best, score=0.02), Option(name="none")],
        best,
        question="Which one?",
        why="lowest error",
        decider="ada",
    )
    with store.step("Deploy", inputs=[decision]) as step:
        report = step.output("report")
    statement = store.documents().statement(report.urn)
    told = account(statement)
    section = told[told.index("DECISIONS") : told.index("HOW IT CAME ABOUT")]
    for words in (
        "Which one?",
        "chose braggnn v1 [4], score 0.02",
        "and not resnet, score 0.05: too slow",
        "and not none",
        "because lowest error",
        "decided by ada",
    ):
        assert words in section, section
    assert verified(store, statement).holds
    store.invalidate(second, cause="wrong energy")
    later = store.documents().statement(report.urn)
    assert later["predicate"]["evidence"]["invalidated"] == {}
    assert verified(store, statement).holds


def test_an_option_that_follows_from_the_decision_is_left_out_with_a_note(store: Store) -> None:
    with store.step("Choose") as step:
        made = step.output("made by it")
        store.decided(step, [made], made)
    assert "would derive from itself" in store.documents().record(step.urn)["tags"]["braid_note"]
    assert store.check() == []
