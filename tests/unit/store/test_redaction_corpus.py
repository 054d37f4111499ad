"""How much redaction finds and how much it harms, counted over labelled inputs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from detect_secrets.core.plugins.util import get_mapping_from_secret_type_to_class
from detect_secrets.plugins.base import BasePlugin
from hypothesis import example, given, settings
from hypothesis import strategies as st

from provenance_store.redaction import REDACTED, redact, scrub_text
from tests.unit.store.redaction_corpus import HARMLESS, SECRET, Labelled

RECALL = 0.98
PRECISION = 0.99


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)


def _redacted(label: Labelled) -> Any:
    return redact({"x": label.value})["x"]


def _is_missed(label: Labelled) -> bool:
    text = _text(_redacted(label))
    return any(gone in text or json.dumps(gone)[1:-1] in text for gone in label.gone)


def _is_harmed(label: Labelled) -> bool:
    redacted = _redacted(label)
    if label.is_secret:
        return any(word not in _text(redacted) for word in label.stays)
    return _text(redacted) != _text(label.value)


def test_nearly_all_secrets_are_found_and_nearly_nothing_else(
    record_property: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    missed = [label for label in SECRET if _is_missed(label)]
    harmed = [label for label in (*SECRET, *HARMLESS) if _is_harmed(label)]
    found = len(SECRET) - len(missed)
    recall, precision = found / len(SECRET), found / (found + len(harmed))
    record_property("recall", recall)
    record_property("precision", precision)
    with capsys.disabled():
        print(
            f"\nredaction: recall {recall:.3f} of {len(SECRET)} secrets, precision {precision:.3f} "
            f"beside {len(HARMLESS)} harmless inputs"
        )
        for title, labels in (("missed", missed), ("harmed", harmed)):
            for label in labels:
                print(f"  {title}: {label.kind}: {str(label.value)[:90]!r}")
    assert recall >= RECALL
    assert precision >= PRECISION


def test_the_list_is_long_and_holds_both_kinds() -> None:
    assert len(SECRET) >= 300
    assert len(HARMLESS) >= 250
    assert len({label.kind for label in (*SECRET, *HARMLESS)}) >= 15


@pytest.mark.parametrize("label", [*SECRET, *HARMLESS], ids=lambda label: label.kind)
def test_what_was_redacted_stays_as_it_is(label: Labelled) -> None:
    once = _redacted(label)
    assert redact(once) == once


PIECES = [label.value for label in (*SECRET, *HARMLESS) if isinstance(label.value, str)]


@settings(deadline=None)
@given(
    st.lists(st.sampled_from(PIECES) | st.text(max_size=8), min_size=1, max_size=5),
    st.sampled_from(["", " ", "\n", ", ", "=", ": ", '"', "'", "&", "<", "--"]),
)
def test_any_pieces_together_are_scrubbed_once_and_for_all(pieces: list[str], glue: str) -> None:
    once = scrub_text(glue.join(pieces))
    assert scrub_text(once) == once


@settings(deadline=None)
@example([["PGPASSWORD=hunter2 psql", "nothing"]])
@given(st.recursive(st.sampled_from(PIECES), lambda inner: st.lists(inner, max_size=4)))
def test_any_lists_of_pieces_are_redacted_once_and_for_all(value: Any) -> None:
    once = redact(value)
    assert redact(once) == once


# They find digests and addresses of machines, which are no secrets in a record of science.
NOT_COMPARED = {"Base64 High Entropy String", "Hex High Entropy String", "Public IP (ipv4)"}
_PLUGINS = get_mapping_from_secret_type_to_class()


def _found_by(plugin: BasePlugin) -> Iterator[tuple[Labelled, str]]:
    for label in SECRET:
        if isinstance(label.value, str):
            for line in label.value.splitlines():
                yield from ((label, found) for found in plugin.analyze_string(line) if found)


@pytest.mark.parametrize("kind", sorted(_PLUGINS.keys() - NOT_COMPARED))
def test_whatever_detect_secrets_finds_is_redacted(kind: str) -> None:
    found = list(_found_by(_PLUGINS[kind]()))
    assert found, f"the labelled list has no input in which {kind!r} is found: add one"
    left = [(label.value, secret) for label, secret in found if secret in scrub_text(label.value)]
    assert left == []


def test_a_value_that_cannot_be_read_is_replaced_and_the_rest_is_kept() -> None:
    class Torn(dict[str, Any]):
        def items(self) -> Any:
            raise RuntimeError("the device is gone: password=hunter2")

    assert redact({"a": Torn(x=1), "n": 1}) == {"a": REDACTED, "n": 1}


def test_a_fault_inside_redaction_lets_nothing_through(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(text: str, found: int) -> str:
        raise RecursionError

    monkeypatch.setattr("provenance_store.redaction.documents.scrubbed", fail)
    assert redact({"cmd": "run --password hunter2", "n": 1}) == {"cmd": REDACTED, "n": 1}


def test_two_keys_that_differ_only_in_their_secrets_are_both_kept() -> None:
    document = {"https://u:one1@h/x": 1, "https://u:two2@h/x": 2}
    redacted = redact(document)
    assert list(redacted.values()) == [1, 2]
    assert "one1" not in str(redacted)
    assert "two2" not in str(redacted)
