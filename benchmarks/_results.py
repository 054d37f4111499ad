"""What a benchmark found: lines for people, and as its last line JSON for `results.py`."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

__all__ = ["Result", "read", "tell"]


@dataclass(frozen=True, kw_only=True)
class Result:
    """One figure, beside the floor that was measured in the same run.

    The ratio is ours / floor. `budget` is the most that it may be, with `at_least` the least. A
    figure that was not measured but worked out from measured ones is `extrapolated`.
    """

    what: str
    ours: float
    unit: str = ""
    floor: float | None = None
    floor_is: str = ""
    budget: float | None = None
    at_least: bool = False
    extrapolated: bool = False
    note: str = ""

    @property
    def ratio(self) -> float | None:
        return self.ours / self.floor if self.floor else None

    @property
    def is_met(self) -> bool | None:
        """Whether the ratio is within the budget; None without one."""
        if self.ratio is None or self.budget is None:
            return None
        return self.ratio >= self.budget if self.at_least else self.ratio <= self.budget

    def line(self) -> str:
        said = f"{self.what}: {number(self.ours)} {self.unit}"
        if self.extrapolated:
            said += " (extrapolated)"
        if self.ratio is not None:
            said += f", floor {number(self.floor)} {self.unit}, ratio {self.ratio:.2f}"
        if self.is_met is not None:
            bound = ">=" if self.at_least else "<="
            said += f" (budget {bound} {self.budget:g}: {'met' if self.is_met else 'MISSED'})"
        return said


def number(value: float | None) -> str:
    """Three digits that count, thousands apart."""
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def tell(benchmark: str, results: Sequence[Result], **about: Any) -> None:
    """Print the figures, and last a line of JSON with them and `about`."""
    for result in results:
        sys.stdout.write(f"{result.line()}\n")
    document = {"benchmark": benchmark, **about, "results": [_brief(each) for each in results]}
    sys.stdout.write(f"{json.dumps(document)}\n")
    sys.stdout.flush()


def _brief(result: Result) -> dict[str, Any]:
    """As JSON, without what is not said."""
    found = {name: v for name, v in asdict(result).items() if v or name in ("what", "ours")}
    return {name: round(v, 6) if isinstance(v, float) else v for name, v in found.items()}


def read(output: str) -> dict[str, Any]:
    """The document in what a benchmark printed, with `Result`s; empty when it printed none."""
    lines = output.strip().splitlines()
    if not lines or not lines[-1].startswith("{"):
        return {}
    document: dict[str, Any] = json.loads(lines[-1])
    document["results"] = [Result(**each) for each in document["results"]]
    return document
