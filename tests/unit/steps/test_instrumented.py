"""What `instrument` makes a flow send is what a body may be."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jsonschema import Draft7Validator

from flows.definition import MissingResultPath, Options, instrument
from flows.steps import body_schema, read_body
from provenance_store.errors import InvalidInput

PROVIDER = "https://braid.example.org/record"


KNOWN = {
    "status": "SUCCEEDED",
    "run_owner": "urn:globus:auth:identity:25af9d3b-aeb8-4f44-9c88-3264ad82a3ae",
}


def evaluated(value: Any) -> Any:
    """Parameters as a provider may get them: text for each reference and expression."""
    if isinstance(value, list):
        return [evaluated(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        key.removesuffix(".$").removesuffix(".="): KNOWN.get(key[:-2], "text")
        if key.endswith((".$", ".="))
        else evaluated(item)
        for key, item in value.items()
    }


def test_every_record_state_of_the_real_flows_sends_an_acceptable_body(shared_flows: Path) -> None:
    validator = Draft7Validator(body_schema())
    count = 0
    for path in sorted(shared_flows.glob("*.json")):
        document = json.loads(path.read_text())
        if "States" not in document:
            continue
        try:
            options = Options(on_missing_result_path=MissingResultPath.SKIP)
            woven = instrument(document, provider_url=PROVIDER, options=options).definition
        except InvalidInput:
            continue
        for name, state in woven["States"].items():
            if state.get("ActionUrl") == PROVIDER:
                for body in bodies(name, woven):
                    read_body(body)
                    validator.validate(body)
                    count += 1
    assert count > 100


def bodies(record: str, definition: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """What a record state sends; that of failures, of each step that may have failed."""
    states = definition["States"]
    body = evaluated(states[record]["Parameters"])
    if "step.$" not in states[record]["Parameters"]:
        yield body
        return
    for state in states.values():
        if state.get("Next") == record:
            yield {**body, "step": state["Result"]}
