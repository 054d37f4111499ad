"""Harvesting keeps of a value in a log what a script that has it would keep."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from provenance_store import Store, open_store
from tests.support.command_line import Braid
from tests.support.entrances import kept_of, noted
from tests.support.values import Case, of_field

FIELDS = ("document", "metric", "epoch", "tag", "uri", "size", "digest", "media_type")
RULES = """
[[model]]
state = "M*"
how = "trained"
new = true
name = "$.parameters.name"
metrics = "$.parameters.curve"

[[file]]
state = "F*"
how = "made"
name = "$.parameters.name"
tags = { t = "$.parameters.t" }

[file.uri]
uri = "$.parameters.uri"
size = "$.parameters.size"
digest = "$.parameters.digest"
media_type = "$.parameters.media_type"
"""


def cases() -> list[Case]:
    """What a log can hold; null says there that there is nothing."""
    return [case for case in of_field(*FIELDS, json=True) if case.value is not None]


def named(case: Case) -> str:
    return f"{case.field}-{case.name}"


def given(case: Case, number: int) -> tuple[str, Any]:
    """The name of a state and the input of its action."""
    value = case.value
    if case.field == "document":
        return f"D{number}", value
    if case.field in ("metric", "epoch"):
        point = {"epoch": 0, "loss": 1} | {"epoch" if case.field == "epoch" else "loss": value}
        return f"M{number}", {"name": f"m{number}", "curve": [point]}
    about = {"name": f"f{number}", "uri": f"file:///{number}"}
    return f"F{number}", about | {"t" if case.field == "tag" else case.field: value}


def written(folder: Path) -> list[str]:
    """A run of one action for each case, in files."""
    states: dict[str, Any] = {}
    entries: list[dict[str, Any]] = []

    def say(code: str, **details: Any) -> None:
        at = f"2026-11-01T12:{len(entries) // 60:02}:{len(entries) % 60:02}+00:00"
        entries.append({"time": at, "code": code, "description": "", "details": details})

    say("FlowStarted", input={})
    names = [given(case, number) for number, case in enumerate(cases())]
    for number, (name, value) in enumerate(names):
        onward = {"Next": names[number + 1][0]} if number + 1 < len(names) else {"End": True}
        states[name] = {
            "Type": "Action",
            "ActionUrl": "https://example.org/action",
            "Parameters": value if isinstance(value, dict) else {},
            "ResultPath": "$.done",
            **onward,
        }
        named_so = {"state_name": name, "state_type": "Action"}
        say("ActionStarted", **named_so, input=value)
        done = {"action_id": f"a{number}", "status": "SUCCEEDED", "details": {}, "state_name": name}
        say("ActionCompleted", **named_so, output={"done": done})
    say("FlowSucceeded", output={})
    (folder / "log.json").write_text(json.dumps(entries))
    (folder / "flow.json").write_text(json.dumps({"StartAt": names[0][0], "States": states}))
    (folder / "rules.toml").write_text(RULES)
    return [name for name, _ in names]


def test_a_harvest_keeps_whatever_value_a_log_has(braid: Braid, tmp_path: Path) -> None:
    names = written(tmp_path)
    files = ("--log", "log.json", "--definition", "flow.json", "--models", "rules.toml")
    done = braid("flow", "harvest", *files, "--run-id", "gate")
    assert done.code == 0, done.err
    with open_store("sqlite:///braid.db") as store:
        made = [
            (case, urn_of(store, name, case)) for case, name in zip(cases(), names, strict=True)
        ]
        wrong = [named(c) for c, urn in made if not c.matches(kept_of(store, urn, c.field))]
        # In the table of a training log there may be text: what is no number is passed over.
        told = [(c, urn) for c, urn in made if c.field not in ("metric", "epoch")]
        silent = [named(c) for c, urn in told if (noted(store, urn) is None) != c.strict]
        assert silent == []
        assert wrong == []
        assert store.check() == []


def urn_of(store: Store, name: str, case: Case) -> str:
    step = store.documents().records(kind="step", name=name)["records"][0]
    if case.field == "document":
        return str(step["id"])
    kind = "model" if case.field in ("metric", "epoch") else "data"
    called = name.lower()
    return str(store.documents().records(kind=kind, name=called)["records"][0]["id"])
