"""The expressions and paths of real flows."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from flows.language import LanguageError, is_present, references, render_for_log, resolve
from flows.language.expressions import parse_expression


def _suffixed(value: Any, suffix: str) -> Iterator[Any]:
    if isinstance(value, list):
        for item in value:
            yield from _suffixed(item, suffix)
    elif isinstance(value, dict):
        for key, item in value.items():
            if key.endswith(suffix):
                yield item
            yield from _suffixed(item, suffix)


def _definitions(folder: Path) -> dict[str, Any]:
    paths = sorted(folder.glob("*.json"))
    loaded = {path.stem: json.loads(path.read_text()) for path in paths}
    return {k: v for k, v in loaded.items() if isinstance(v, dict) and "States" in v}


def test_every_expression_parses_but_two_mistakes_of_their_authors(shared_flows: Path) -> None:
    refused = {}
    for name, definition in _definitions(shared_flows).items():
        for expression in _suffixed(definition, ".="):
            try:
                assert isinstance(parse_expression(expression).tree, ast.Expression)
                references(expression)
            except LanguageError:
                refused[name] = expression
    assert set(refused) == {"cfde-deriva-ingest", "mdf-curation"}
    assert refused["cfde-deriva-ingest"].startswith("A CFDE Flow has encountered an error.")
    assert refused["mdf-curation"] is None


def test_every_path_is_valid(shared_flows: Path) -> None:
    for definition in _definitions(shared_flows).values():
        for path in _suffixed(definition, ".$"):
            assert not is_present(path, {})


def test_the_log_of_a_real_run_shows_the_input_that_we_would_log(shared_flows: Path) -> None:
    definition = json.loads((shared_flows / "livepub-example-collection.json").read_text())
    log = json.loads((shared_flows / "livepub-example-collection.run_log.json").read_text())
    state: Any = None
    compared = 0
    for entry in sorted(log, key=lambda e: (e["time"], not e["code"].endswith("Completed"))):
        details = entry["details"]
        if entry["code"] == "ActionStarted":
            template = definition["States"][details["state_name"]]["Parameters"]
            assert render_for_log(template, state) == details["input"]
            compared += 1
        state = details.get("output", state if entry["code"] != "FlowStarted" else details["input"])
    assert compared == 6
    assert resolve("$.Transfer.state_name", state) == "TransferFromCompute"
