"""Ids, times and tag conditions as people write them."""

from __future__ import annotations

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provenance_store.errors import BraidError, InvalidInput
from provenance_store.filters import parse_tag, read_marker, write_marker
from provenance_store.ids import (
    MAX_ORIGIN_NO,
    MAX_SEQUENCE,
    ShortId,
    Urn,
    looks_like_id,
    make_id,
    ordered_uuid,
    parse_id,
    short_id,
    split_id,
)
from provenance_store.times import format_time, parse_time

UUID = "0f0e0d0c-0b0a-4908-8706-050403020100"


@given(st.integers(1, MAX_ORIGIN_NO), st.integers(1, MAX_SEQUENCE))
def test_an_id_survives_its_short_form_and_its_urn(number: int, sequence: int) -> None:
    record_id = make_id(number, sequence)
    assert record_id < 1 << 63
    assert split_id(record_id) == ShortId(number, sequence)
    assert parse_id(short_id(record_id)) == ShortId(number, sequence)
    assert parse_id(str(Urn(UUID, sequence))) == Urn(UUID, sequence)


@given(st.text())
def test_any_text_is_an_id_or_is_refused_in_one_sentence(text: str) -> None:
    try:
        parse_id(text)
    except InvalidInput as error:
        assert "\n" not in error.message
    else:
        assert looks_like_id(text)


@pytest.mark.parametrize(
    "text", ["", "1", "0.1", "1.0", "01.1", "1.1 ", f"urn:braid:{UUID}", f"urn:braid:{UUID}:0"]
)
def test_near_misses_are_no_ids(text: str) -> None:
    assert not looks_like_id(text)


@pytest.mark.parametrize(
    ("text", "micros"),
    [
        ("1970-01-02", 86_400_000_000),
        ("1970-01-01T01:00:00Z", 3_600_000_000),
        ("1970-01-01T01:00:00+01:00", 0),
        ("1970-01-01T00:00:00.000001", 1),
        ("1d", 913_600_000_000),
        ("90s", 999_910_000_000),
    ],
)
def test_times_are_read_as_microseconds_utc(text: str, micros: int) -> None:
    assert parse_time(text, now=1_000_000_000_000) == micros


@given(st.integers(0, 4_000_000_000_000_000))
def test_a_formatted_time_reads_back(micros: int) -> None:
    text = format_time(micros)
    assert text is not None
    assert parse_time(text, now=0) == micros


@pytest.mark.parametrize("text", ["", "yesterday", "7 d", "2026-13-01", "-1d", "99999999d"])
def test_what_is_not_a_time_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="is not a time"):
        parse_time(text, now=0)


@given(st.integers(-(2**62), 2**62), st.text(max_size=50))
def test_a_marker_reads_back(number: int, text: str) -> None:
    assert read_marker(write_marker(number, text), str) == (number, text)


@given(st.text())
def test_any_text_as_a_marker_is_refused_or_read(text: str) -> None:
    try:
        read_marker(text, int)
    except InvalidInput as error:
        assert "begin again" in error.message


@given(st.text())
def test_any_text_as_a_tag_condition_is_refused_or_read(text: str) -> None:
    try:
        assert parse_tag(text).name
    except InvalidInput as error:
        assert "\n" not in error.message.replace("\\n", "")


def test_the_tree_of_errors_is_drawn_as_it_is() -> None:
    from provenance_store import errors

    drawing = (errors.__doc__ or "").split("::", 1)[1]
    for name in errors.__all__:
        kind = getattr(errors, name)
        assert issubclass(kind, BraidError)
        assert f" {name} " in drawing or name == "BraidError"
        assert kind().message


@given(st.lists(st.integers(0, 2**47), min_size=2, unique_by=lambda at: at // 1000))
def test_uuids_that_begin_with_a_time_sort_by_it(times: list[int]) -> None:
    made = {at: uuid.UUID(ordered_uuid(at)) for at in times}
    assert sorted(times) == sorted(times, key=lambda at: str(made[at]))
    assert {one.version for one in made.values()} == {7}
    assert {one.variant for one in made.values()} == {uuid.RFC_4122}
    assert ordered_uuid(times[0]) != ordered_uuid(times[0])
