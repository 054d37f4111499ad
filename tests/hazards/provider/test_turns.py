"""In a process that writes for others, nobody works while one of its threads holds the store."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from action_provider.auth import Caller
from action_provider.fair_queue import Turns
from action_provider.providers.record.actions import CallersLookup
from provenance_store import open_store


def begun(work: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def test_a_thread_works_when_the_one_before_it_is_done() -> None:
    turns, did = Turns(), list[str]()

    def second() -> None:
        with turns.alone():
            did.append("second")

    with turns.alone():
        other = begun(second)
        with turns.alone():  # within itself it changes nothing
            other.join(0.05)
            did.append("first")
    other.join(10)
    assert did == ["first", "second"]


def test_a_thread_works_while_another_waits_and_not_before_or_after() -> None:
    turns, did, waits, waited = Turns(), list[str](), threading.Event(), threading.Event()

    def first() -> None:
        with turns.alone():
            did.append("begins")
            with turns.aside():
                waits.set()
                waited.wait(10)
            did.append("goes on")

    other = begun(first)
    assert waits.wait(10)
    with turns.alone():
        waited.set()
        other.join(0.05)
        did.append("works")
    other.join(10)
    assert did == ["begins", "works", "goes on"]


def test_who_has_no_turn_waits_without_one() -> None:
    turns, did = Turns(), list[str]()

    def work() -> None:
        with turns.alone():
            did.append("works")

    with turns.aside():
        begun(work).join(10)
    assert did == ["works"]


def test_who_waits_for_globus_keeps_nobody_else_from_looking_anything_up(tmp_path: Path) -> None:
    turns, asked, answered = Turns(), threading.Event(), threading.Event()

    def ask() -> frozenset[str]:
        with turns.aside():
            asked.set()
            answered.wait(60)
        return frozenset()

    def caller(name: str, ask_for_groups: Callable[[], frozenset[str]]) -> Caller:
        return Caller(name, (), known_groups=None, ask_for_groups=ask_for_groups, reader_group=None)

    with open_store(f"sqlite:///{tmp_path}/s.db") as store:
        slow, quick = (
            CallersLookup(store, caller("a", ask)),
            CallersLookup(store, caller("b", frozenset)),
        )

        def look(lookup: CallersLookup) -> None:
            with turns.alone():
                lookup.find_uris(["globus://c/x"])

        first = begun(lambda: look(slow))
        assert asked.wait(10)
        second = begun(lambda: look(quick))
        second.join(10)
        was_kept_waiting = second.is_alive()
        answered.set()
        first.join(10)
        assert not was_kept_waiting
        assert not first.is_alive()
