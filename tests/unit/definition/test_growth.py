"""How much definitions of others grow, in bytes of JSON without blanks: of those that need no
filling in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from flows.definition import (
    MissingResultPath,
    Mode,
    Options,
    Severity,
    WholeState,
    instrument,
    validate,
)
from flows.definition.options import size_of
from tests.support.corpus import CORPUS
from tests.unit.definition.builders import URL

WAYS: dict[str, dict[str, Any]] = {
    "default": {},
    "choices": {"record_choices": True},
    "earlier": {"record_either_way": False},
    "caught": {"record_uncaught": False},
    "run": {"mode": Mode.RUN},
}
MOST = {"default": 3.2, "choices": 3.42, "earlier": 3.45, "caught": 2.62, "run": 1.65}
"""Times the bytes of all definitions together; a single one may grow more."""


def grown(definition: dict[str, Any], way: dict[str, Any]) -> int:
    chosen = Options(
        on_missing_result_path=MissingResultPath.SET, on_whole_state=WholeState.ACCEPT, **way
    )
    url = URL.replace("record", "harvest") if chosen.mode is Mode.RUN else URL
    return size_of(instrument(definition, provider_url=url, options=chosen).definition)


def test_definitions_of_others_grow_little(shared_flows: Path) -> None:
    sizes: dict[str, list[int]] = {}
    for name in sorted(CORPUS):
        definition = CORPUS[name].definition(shared_flows)
        if not [p for p in validate(definition) if p.severity is Severity.ERROR]:
            ways = [grown(definition, way) for way in WAYS.values()]
            sizes[f"{name}, {len(definition['States'])} states"] = [size_of(definition), *ways]
    sizes["all"] = [sum(column) for column in zip(*sizes.values(), strict=True)]
    print("\n" + "".join(f"{word:>9}" for word in ("bytes", *WAYS)))
    for name, (before, *after) in sizes.items():
        print(f"{before:9,}" + "".join(f"{size / before:8.2f}x" for size in after) + f"  {name}")
    before, *after = sizes["all"]
    assert before > 20_000
    found = dict(zip(WAYS, (size / before for size in after), strict=True))
    assert {way: size for way, size in found.items() if size > MOST[way]} == {}
