"""From a visit of a Choice to the decision that it was: its branches, and what it looked at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from flows.harvest.visits import Visit
from flows.language.errors import LanguageError
from flows.language.paths import CONTEXT_KEY, plain_steps, resolve
from flows.steps.body import Decision, OptionEntry
from provenance_store.redaction import REDACTED, is_secret_key

__all__ = ["branches", "looked_at"]

MOST_RULES, DEEPEST = 100, 5
LONGEST_CONDITION = 500
PRIVATE = "_private"
"""How the names of members begin whose values the service hides."""
_COMBINED = {"And": " and ", "Or": " or "}


def branches(state: Mapping[str, Any], taken: str | None) -> Decision | None:
    """The ways that a Choice could go, with the conditions that lead there; `taken` is the name of
    the state that it went to, None where that is not known. None for what is no Choice."""
    conditions: dict[str, list[str]] = {}
    for rule in _rules(state):
        if isinstance(target := rule.get("Next"), str):
            conditions.setdefault(target, []).append(_in_words(rule, DEEPEST))
    if isinstance(default := state.get("Default"), str):
        conditions.setdefault(default, []).append("otherwise")
    if not conditions:
        return None
    options = [
        OptionEntry(name=name, why="; or ".join(why)[:LONGEST_CONDITION])
        for name, why in conditions.items()
    ]
    return Decision(options=options, chosen=taken, question="Which way does the run go?")


def looked_at(visit: Visit, state: Mapping[str, Any], context: Mapping[str, Any]) -> Any:
    """What the rules of a Choice compared, by the paths in the rules, as it was then; None where
    the log does not tell."""
    if not isinstance(visit.before, dict):  # a log may not tell
        return None
    view = {**visit.before, CONTEXT_KEY: context}
    found: dict[str, Any] = {}
    for path in _variables(list(_rules(state)), DEEPEST):
        steps = plain_steps(path) or ()
        names = [step for step in steps if isinstance(step, str)]
        if any(name.startswith(PRIVATE) or is_secret_key(name) for name in names):
            found[path] = REDACTED
            continue
        try:
            found[path] = resolve(path, view)
        except (LanguageError, RecursionError):
            continue
    return found or None


def _rules(state: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    rules = state.get("Choices")
    listed = rules[:MOST_RULES] if isinstance(rules, list) else []
    return (rule for rule in listed if isinstance(rule, dict))


def _in_words(rule: Mapping[str, Any], depth: int) -> str:
    """A rule as it is written, on one line: ``$.n NumericLessThan 30``."""
    for name, between in _COMBINED.items():
        if isinstance(rules := rule.get(name), list) and depth:
            inner = (_in_words(one, depth - 1) for one in rules[:MOST_RULES] if type(one) is dict)
            return f"({between.join(inner)})"
    if isinstance(inner_rule := rule.get("Not"), dict) and depth:
        return f"not {_in_words(inner_rule, depth - 1)}"
    operators = (key for key in rule if key not in ("Variable", "Next", "Comment"))
    operator = next(operators, "")
    return f"{rule.get('Variable', '')} {operator} {_constant(rule.get(operator))}".strip()


def _constant(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return str(value).lower() if value is not None else ""
    return str(value)[:LONGEST_CONDITION] if isinstance(value, str | int | float) else ""


def _variables(rules: list[Any], depth: int) -> Iterator[str]:
    """The paths that rules read, each once or more."""
    for rule in rules[:MOST_RULES]:
        if not isinstance(rule, dict) or depth < 0:
            continue
        for key, value in rule.items():
            if isinstance(value, str) and (key == "Variable" or key.endswith("Path")):
                yield value
            elif key in _COMBINED and isinstance(value, list):
                yield from _variables(value, depth - 1)
            elif key == "Not":
                yield from _variables([value], depth - 1)
