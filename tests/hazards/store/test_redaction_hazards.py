"""Redaction takes time in proportion to the text, whatever is in it."""

from __future__ import annotations

import time
from urllib.parse import quote

import pytest

from provenance_store.redaction import REDACTED, scrub_text


def nested(levels: int, inner: str = "http://h?z=1") -> str:
    for _ in range(levels):
        inner = "http://h?a=q?b=r?c=s?d=t?e=" + quote(inner, safe="/:")
    return inner


@pytest.mark.parametrize(
    "text",
    [
        nested(20),
        "http://h?a=" + "q?b=" * 50_000,
        "http://h?a=" + "%253A" * 50_000,
        "token -=: " + ".a" * 50_000,
        "token -=: " + ".-a" * 50_000,
    ],
    ids=["encoded again and again", "question marks", "percent", "dots", "options"],
)
def test_no_text_takes_long_to_redact(text: str) -> None:
    begin = time.perf_counter()
    scrub_text(text)
    assert time.perf_counter() - begin < 2


@pytest.mark.parametrize("levels", range(12))
def test_a_secret_is_redacted_however_deep_a_url_is_encoded(levels: int) -> None:
    shown = scrub_text(nested(levels, "http://h?token=hunter2"))
    assert "hunter2" not in shown
    assert REDACTED in shown


@pytest.mark.parametrize("levels", range(4))
def test_urls_inside_urls_without_secrets_are_kept(levels: int) -> None:
    assert scrub_text(nested(levels)) == nested(levels)
