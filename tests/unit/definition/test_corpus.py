"""Real flows, written by others: each is checked and instrumented, or refused for its reason."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from flows.definition import Options, Severity, instrument, load_document, strip, validate
from provenance_store.errors import InvalidInput
from tests.unit.definition.builders import URL

REFUSED: dict[str, list[str]] = {
    "cfde-deriva-ingest": [
        "$.States.DerivaIngest",
        "$.States.ErrorState.Parameters['body_template.=']",
    ],
    "mdf-curation": [
        "$.States.SendCuratorEmails.Parameters['body_template.=']",
        "$.States.CurateData.Parameters.landing_page['preamble_text.=']",
        "$.States.SendAuthorEmail.Parameters['body_template.=']",
    ],
    "mdf-ingest-json": [
        "$.States.UserTransfer",
        "$.States.CurateSubmission",
        "$.States.DataDestTransfer",
    ],
    "registered-api-tutorial": ["$.States.DemoRegisteredApi.Handler.Id"],
}
"""Templates whose blanks were filled in at run time: where their errors are."""

INSTRUMENTED: dict[str, tuple[int, int]] = {
    "ac-complex-hello-world": (4, 0),
    "ac-docs-two-stage": (7, 0),
    "ac-failed-consent": (2, 0),
    "ac-hello-world-run-as": (2, 0),
    "ac-loop-set-number": (2, 0),
    "ac-loop-with-batch": (3, 0),
    "ac-multi-transfer": (3, 0),
    "ac-pass-with-parameters": (2, 0),
    "ac-transfer-mv": (6, 0),
    "diaspora-produce-event": (2, 0),
    "frib-transfer-compute": (32, 0),
    "gladier-publishv2": (5, 0),
    "kanzus-full": (7, 0),
    "kanzus-search-6": (7, 0),
    "livepub-example-collection": (7, 0),
    "mdf-transfer-loop": (7, 1),
    "ptychodus-3step": (4, 0),
    "sdk-two-hop": (3, 0),
    "trig-tar-transfer": (3, 0),
    "trig-transfer": (2, 0),
    "trig-transfer-compute": (3, 0),
    "trig-transfer-compute-share": (5, 0),
    "trig-transfer-publish": (5, 0),
    "xpcs-boost-generated": (5, 0),
    "xpcs-eigen": (5, 0),
    "xpcs-result-transfer": (3, 0),
}
"""How many states are added where failures that nothing catches are left alone, and how many of
them keep inputs aside."""


def test_the_table_names_every_flow(shared_flows: Path) -> None:
    names = {path.stem for path in shared_flows.glob("*.json") if path.name.count(".") == 1}
    assert names == {*REFUSED, *INSTRUMENTED}


@pytest.mark.parametrize("name", REFUSED)
def test_an_unfinished_flow_is_refused_where_it_is_unfinished(
    shared_flows: Path, name: str
) -> None:
    definition = load_document(shared_flows / f"{name}.json").definition
    errors = [p.path for p in validate(definition) if p.severity is Severity.ERROR]
    assert errors == REFUSED[name]
    with pytest.raises(InvalidInput) as refusal:
        instrument(definition, provider_url=URL)
    assert refusal.value.path == errors[0]


@pytest.mark.parametrize("name", INSTRUMENTED)
def test_a_real_flow_is_valid_and_comes_back_from_being_instrumented(
    shared_flows: Path, name: str
) -> None:
    definition = load_document(shared_flows / f"{name}.json").definition
    assert not [p for p in validate(definition) if p.severity is Severity.ERROR]
    quiet = instrument(definition, provider_url=URL, options=Options(record_uncaught=False))
    added = {
        key: value
        for key, value in quiet.definition["States"].items()
        if key not in definition["States"]
    }
    captures = [state for state in added.values() if state["Type"] == "ExpressionEval"]
    assert (len(added), len(captures)) == INSTRUMENTED[name]
    woven = instrument(definition, provider_url=URL).definition
    assert not [p for p in validate(woven) if p.severity is Severity.ERROR]
    assert json.dumps(strip(woven)) == json.dumps(definition)
    assert instrument(woven, provider_url=URL).definition == woven
