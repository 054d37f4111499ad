"""What a decision was about: its options, and which of them was chosen.

A decision is a step of the type `DECISION`. Options that are records are linked to it, `chosen` or
`considered`; its document under `DOCUMENT` has all of them, in the order in which they were given::

    {"question": "Which model goes to the edge?",
     "options": [{"id": "urn:braid:…", "name": "braggnn", "score": 0.93, "why": "fits best"},
                 {"id": null, "name": "train anew", "score": null, "why": null}],
     "chosen": ["urn:braid:…"], "why": "…", "decider": "ada", "policy": "lowest mae"}
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from provenance_store.handles import Record
from provenance_store.references import Reference, is_document, is_id, several
from provenance_store.validation.limits import Gate
from provenance_store.validation.scalars import described, is_a, plain

if TYPE_CHECKING:
    from provenance_store.recording.recorder import Recorder

__all__ = ["DECISION", "DOCUMENT", "Choice", "Option", "OptionLike", "read_choice"]

DECISION = "Decision"
"""The type of the step that a decision is."""
DOCUMENT = "decision"
"""The name of its document."""


class Option(NamedTuple):
    """One option of a decision: a record, or a name alone where nothing is recorded of it.

    `score` is the number by which the options were compared, `why` what speaks for or against it.

    >>> again = braid.Option(name="train again")
    >>> options = [braid.Option(version, score=0.28), again]
    >>> decision = store.decide("Which model?", options, chosen="train again")
    """

    record: Reference | None = None
    name: str | None = None
    score: float | None = None
    why: str | None = None


OptionLike = Option | Reference
"""A record stands for the option that it is."""


class Choice(NamedTuple):
    """Options as they are written down, and the records among them."""

    options: list[dict[str, Any]]
    chosen: list[str]
    chosen_ids: list[int]
    considered_ids: list[int]


def read_choice(
    recorder: Recorder, gate: Gate, options: OptionLike | Iterable[OptionLike], chosen: Any
) -> Choice:
    """The options of a decision and what was chosen of them, each once; what was chosen and is no
    option becomes one. `chosen` are records, or the names of options that are none."""
    found: dict[int | str, dict[str, Any]] = {}
    for option in map(_option, _several(options)):
        key, document = _written(recorder, gate, option)
        if key is not None:
            found.setdefault(key, document)
    keys = []
    for taken in _several(chosen):
        name = plain(taken)
        key = name if type(name) is str and name in found else None
        if key is None:
            key, document = _written(recorder, gate, _option(taken))
            found.setdefault(key or "", document)
        keys.append(key or "")
    ids = [key for key in found if type(key) is int]
    return Choice(
        list(found.values()),
        [found[key]["id"] or found[key]["name"] for key in dict.fromkeys(keys)],
        [key for key in ids if key in keys],
        [key for key in ids if key not in keys],
    )


def _several(given: Any) -> list[Any]:
    return [given] if type(given) is Option else several(given)


def _option(given: Any) -> Option:
    if type(given) is Option:
        return given
    if is_document(given):
        return Option(given["id"], *(given.get(name) for name in Option._fields[1:]))
    if type(given) is dict and given.keys() <= frozenset(Option._fields) - {"record"}:
        return Option(None, **given)
    return Option(given)


def _written(
    recorder: Recorder, gate: Gate, option: Option
) -> tuple[int | str | None, dict[str, Any]]:
    """An option as its document has it; its key is its id, or its name where it is no record."""
    name = plain(option.name)
    score, why = plain(option.score), plain(option.why)
    if score is not None and (type(score) is bool or not isinstance(score, int | float)):
        message = f"The score of an option is a number, not {described(score)}; it is left out."
        score = gate.instead(None, message, path="options")
    document = {"id": None, "name": name, "score": score, "why": why}
    if option.record is None:
        return (name if type(name) is str and name else None), document
    record_id = recorder.id_of(option.record)
    if name is None and is_a(option.record, Mapping):
        name = option.record.get("name")  # type: ignore[union-attr]
    if name is None and is_a(option.record, Record):
        name = option.record.name  # type: ignore[union-attr]
    elif name is None and type(option.record) is str and not is_id(option.record):
        name = option.record
    return record_id, document | {"id": recorder.sink.urn(record_id), "name": name}
