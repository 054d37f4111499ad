"""What is accepted as a flow definition file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from flows.definition import load_document, parse_document
from provenance_store.errors import InvalidInput, TooLarge
from tests.unit.definition.builders import action, flow


def test_a_bare_definition_and_a_flow_document_are_read(tmp_path: Path) -> None:
    definition, schema = flow(A=action()), {"type": "object"}
    bare, whole = tmp_path / "bare.json", tmp_path / "whole.json"
    bare.write_text(json.dumps(definition), encoding="utf-8-sig")
    whole.write_text(json.dumps({"title": "T", "definition": definition, "input_schema": schema}))
    assert load_document(bare) == (definition, None, None, None)
    document = {"title": "T", "definition": definition, "input_schema": schema}
    assert load_document(whole) == (definition, schema, "T", document)


@pytest.mark.parametrize(
    ("data", "place", "message"),
    [
        (b"", "F: line 1 column 1", "is not JSON"),
        (b'{"a":\n tru}', "F: line 2 column 2", "is not JSON"),
        (b"\xff\xfe", "F", "is not UTF-8: byte 0"),
        (b"[1]", "F: $", "does not hold an object"),
        (b'{"a": {"b": 1, "c": 2, "b": 1}}', "F: $.a", "the key 'b' is given twice"),
        (b'{"a": [1, NaN]}', "F: $.a[1]", "not finite"),
        (b'{"a b": -Infinity}', "F: $['a b']", "not finite"),
        (b'{"a": 1e999}', "F: $.a", "not finite"),
        (b'{"a": "\\ud800"}', "F: $.a", "lone surrogate"),
        (b'{"a": ' + b"9" * 5000 + b"}", "F", "number that is too long"),
        (b'{"definition": 3}', "F: $.definition", "definition is not an object"),
        (b'{"definition": {}, "input_schema": []}', "F: $.input_schema", "is not an object"),
    ],
)
def test_what_is_not_a_definition_is_refused_with_its_place(
    data: bytes, place: str, message: str
) -> None:
    with pytest.raises(InvalidInput, match=message) as refusal:
        parse_document(data, name="F")
    assert refusal.value.path == place


@pytest.mark.parametrize("depth", [65, 5_000, 200_000])
def test_deep_nesting_is_refused(depth: int) -> None:
    with pytest.raises(TooLarge, match="nested too deeply"):
        parse_document(b'{"a": ' + b"[" * depth + b"]" * depth + b"}", name="F")


def test_a_large_file_is_refused_unread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BRAID_DEFINITION_LIMIT_BYTES", "1024")
    file = tmp_path / "large.json"
    file.write_text(json.dumps({"Comment": "x" * 2000}))
    with pytest.raises(TooLarge, match="BRAID_DEFINITION_LIMIT_BYTES"):
        load_document(file)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"none\.json: No such file"):
        load_document(tmp_path / "none.json")
    with pytest.raises(InvalidInput, match="directory"):
        load_document(tmp_path)
