"""The page of results, from the documents of the benchmarks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from _results import Result, number

__all__ = ["missed", "page"]

PUBLISHED_SECONDS, PUBLISHED_ENTRIES = 169.9, 20_146_000
PUBLISHED_RATE, PUBLISHED_COMMITS = 97_166, 128

HEAD = """\
# Results

How fast Braid is, for those who ask whether it can keep up with their jobs. Every measurement ran
beside its *floor* on the same machine: what the database, or the bare toolkit, does by itself. The
ratios say more than the absolute figures, which depend on the machine and on what else it does.
Written by `make results`; the figures behind it are in
[results/results.json](results/results.json).
"""

REPEAT = """\
## How to repeat

```
make venv
make results
make results RESULTS_ARGS="--only mpi"
make results RESULTS_ARGS=--full
```

The first takes about a quarter of an hour, of a machine with nothing else to do; `--only` repeats
one of them, and `--full` adds the published size on PostgreSQL. PostgreSQL is measured where it
is installed. Each benchmark can be run by itself and tells at its top what it compares:
"""

SCALING = """\
## Ten thousand nodes

The question: 10,000 nodes report a training epoch every five minutes, which is 33 reports a
second and 20 million in a week, or all of them within one second. Service times were measured;
a simulation with the same queue, group commit and pauses was fitted to one burst, and held
against measured points that it was not fitted to; what it says of 10,000 nodes is extrapolated.
Not in the model: the network, and what an MPI library needs for 10,000 peers.
"""

BLIND = """\
What it says of the points below was written to a file at {predicted_at}, before they were measured;
they were at {checked_at}.
"""


def page(known: Mapping[str, Any], names: Iterable[str]) -> str:
    """The whole page in Markdown."""
    runs = {name: known["runs"][name] for name in names if name in known["runs"]}
    results = {name: [Result(**r) for r in run["results"]] for name, run in runs.items()}
    parts = [
        HEAD,
        _pairs(known["machine"]),
        _published(runs, results),
        _floors(name_results(results, but=("scaling", "peers"))),
        _others(name_results(results, but=("scaling", "peers"))),
        _scaling(runs.get("scaling", {}), results.get("scaling", [])),
        _peers(results.get("peers", [])),
        REPEAT,
        _commands(runs),
    ]
    return "\n".join(part for part in parts if part)


def name_results(results: Mapping[str, list[Result]], *, but: Iterable[str]) -> list[Result]:
    return [each for name, found in results.items() if name not in but for each in found]


def missed(known: Mapping[str, Any]) -> list[str]:
    """What failed or did not keep its budget, a sentence each."""
    found = []
    for name, run in known["runs"].items():
        if run["failed"]:
            found.append(f"{name} failed.")
        for each in (Result(**r) for r in run["results"]):
            if each.is_met is False:
                found.append(f"{each.what}: the ratio is {each.ratio:.2f}.")
    return found


def _pairs(about: Mapping[str, str]) -> str:
    rows = [(name, text) for name, text in about.items()]
    return _table(("", ""), rows)


def _published(runs: Mapping[str, Any], results: Mapping[str, list[Result]]) -> str:
    rows = []
    full = [
        each
        for name in ("published", "published-postgresql")
        for each in results.get(name, [])
        if each.floor
    ]
    for each in full:
        database = each.what.rpartition(" ")[2]
        here = f"{each.ours:.1f} s, {PUBLISHED_ENTRIES / each.ours:,.0f} rows/s"
        rows.append((f"20,146,000 entries, {database}", f"{PUBLISHED_SECONDS} s", here))
    points = runs.get("sweep", {}).get("points", [])
    for commit, rate, what in (
        ("none", PUBLISHED_RATE, "rows/s without commits"),
        ("each", PUBLISHED_COMMITS, "rows/s with a commit per operation"),
    ):
        found = [point for point in points if point["commit"] == commit]
        if found:
            best = max(found, key=lambda point: point["rows_per_second"])
            here = f"{best['rows_per_second']:,} rows/s at {best['entries']:,} entries, SQLite"
            rows.append((what, f"{rate:,}", here))
    text = "## Beside what was published\n\nThe paper's figures are from an i7-8700.\n\n"
    text += _table(("Mascot", "published", "here"), rows)
    if points:
        text += (
            "\n![Rows a second over entries](results/mascot.svg)\n\n"
            "Entries are counted as the paper does. A commit here is one call of the recorder: a "
            "record with its\nURIs and links, durable on disk. The points are in "
            "[results/mascot.csv](results/mascot.csv).\n"
        )
    return text


def _floors(results: Iterable[Result]) -> str:
    found = [each for each in results if each.floor]
    floors = list(dict.fromkeys(each.floor_is for each in found))
    rows = [
        (
            each.what,
            f"{number(each.ours)} {each.unit}",
            f"{number(each.floor)} {each.unit} ({floors.index(each.floor_is) + 1})",
            f"{each.ratio:.2f}",
            _budget(each),
        )
        for each in found
    ]
    notes = "".join(f"{n}. {text}\n" for n, text in enumerate(floors, 1))
    head = ("what", "Braid", "floor", "ratio", "budget")
    return f"## Beside the floors\n\n{_table(head, rows)}\nThe floors:\n\n{notes}"


def _budget(result: Result) -> str:
    if result.budget is None:
        return ""
    bound = "at least" if result.at_least else "at most"
    return f"{bound} {result.budget:g}: {'met' if result.is_met else '**missed**'}"


def _others(results: Iterable[Result]) -> str:
    rows = [
        (each.what, f"{number(each.ours)} {each.unit}", each.note)
        for each in results
        if not each.floor
    ]
    return f"## Other figures\n\n{_table(('what', 'measured', ''), rows)}"


def _scaling(run: Mapping[str, Any], results: list[Result]) -> str:
    if not results:
        return ""
    measured = [
        (each.what.removeprefix("measured: "), f"{number(each.ours)} {each.unit}")
        for each in results
        if not each.extrapolated and not each.floor
    ]
    checked = [
        (
            each.what.removeprefix("predicted: "),
            f"{number(each.ours)} {each.unit}",
            f"{number(each.floor)} {each.unit}",
            f"{each.floor / each.ours - 1:+.0%}",
        )
        for each in results
        if each.floor
    ]
    further = [
        (each.what.removeprefix("10,000 nodes: "), f"{number(each.ours)} {each.unit}")
        for each in results
        if each.extrapolated
    ]
    return "\n".join(
        [
            SCALING,
            _table(("measured", ""), measured),
            BLIND.format_map(run),
            _table(("checked", "simulated", "measured", "deviation"), checked),
            _table(("extrapolated to 10,000 nodes", ""), further),
        ]
    )


def _peers(results: list[Result]) -> str:
    if not results:
        return ""
    rows = [
        (
            each.what,
            f"{number(each.ours)} {each.unit}",
            f"{number(each.floor)} {each.unit}",
            f"{each.ratio:.0f} times",
        )
        for each in results
    ]
    text = "## Beside the published prototype\n\n"
    text += "[How it was run, and what differs](../benchmarks/peers/README.md).\n\n"
    return text + _table(("what", "Braid", "braid-db", ""), rows)


def _commands(runs: Mapping[str, Any]) -> str:
    rows = [
        (
            f"`{run['command']}`",
            run["date"],
            f"{run['seconds']} s" + (", **failed**" if run["failed"] else ""),
            str(run.get("load", "")),
        )
        for run in runs.values()
    ]
    return _table(("command", "ran", "took", "load before"), rows)


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
