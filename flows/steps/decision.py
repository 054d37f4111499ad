"""What a step decided, as its documents tell."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["DecidedOption", "StepDecision"]


@dataclass(frozen=True, slots=True)
class DecidedOption:
    """One of what could be chosen: by its id where it is a record, else by its name alone."""

    id: str | None = None
    name: str | None = None
    score: float | None = None
    why: str | None = None


@dataclass(frozen=True, slots=True)
class StepDecision:
    """A decision; `chosen` are ids or names of options."""

    question: str | None = None
    policy: str | None = None
    decider: str | None = None
    why: str | None = None
    options: tuple[DecidedOption, ...] = ()
    chosen: tuple[str, ...] = ()
