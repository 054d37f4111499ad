"""What the demo shows after the run, all of it asked of the query API as a user would."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table

from braid.client import QueryClient
from braid.demo.story import tell
from braid.output import printable, told_time

__all__ = ["show_lineage", "show_models", "show_runs", "show_steps"]

Document = Mapping[str, Any]
UUID = re.compile(r"\b([0-9a-f]{8})-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b")
BARS = "▁▂▃▄▅▆▇█"


def show_runs(console: Console, client: QueryClient) -> None:
    """The history of runs."""
    table = _table("Run", "Flow", "Status", "Started (UTC)", "Steps")
    for run in client.runs()["runs"]:
        started = told_time(run["start_time"])
        steps = len(client.run(run["run_id"])["steps"])
        _row(table, run["run_id"][:8], run["flow_title"] or "", run["status"], started, str(steps))
    console.print(_indented(table))


def show_steps(console: Console, run: Document) -> None:
    """The steps of a run in order, with what went in and what came out."""
    table = _table("", "Step", "Used", "Made")
    for number, step in enumerate(run["steps"], start=1):
        versions = [model for model in step["models"] if model["how"] in ("trained", "updated")]
        others = [model for model in step["models"] if model not in versions]
        used, made = [*step["inputs"], *others], [*step["outputs"], *versions]
        _row(table, str(number), step["name"], _names(used), _names(made))
    console.print(_indented(table))


def show_lineage(
    console: Console,
    client: QueryClient,
    record: Document,
    *,
    collections: Mapping[str, str],
) -> None:
    """What a record came from, as a tree; `collections` names them by their ids."""
    places = _places(client, record["run_id"], collections)
    console.print(_indented(tell(client.lineage(record["id"]), place_of=places)))


def show_models(console: Console, client: QueryClient, name: str) -> None:
    """The versions of a model, with their convergence and their validation scores."""
    table = _table("Version", "Trained on", "Loss by epoch", "Median error", "95 % within")
    for listed in client.model(name)["versions"]:
        version = client.record(listed["id"])
        scores = version["scores"]
        _row(
            table,
            f"v{version['version']}",
            _trained_on(version),
            _curve([point["loss"] for point in version["metrics"]]),
            f"{scores['median_px_before']:.3f} → {scores['median_px']:.3f} px",
            f"{scores['p95_px']:.3f} px",
        )
    console.print(_indented(table, below=0))
    told = (
        "Errors, before → after: distances from the true (v0) or fitted centres of held-out peaks."
    )
    console.print(f"  {told}", style="dim")


def _trained_on(version: Document) -> str:
    return _names([link for link in version["links"] if link["role"] == "trained_on"])


def _curve(losses: Sequence[float]) -> str:
    """The losses as a row of bars on a logarithmic scale, with the first and the last."""
    heights = [math.log(max(loss, 1e-12)) for loss in losses]
    low, high = min(heights), max(heights)
    steps = (len(BARS) - 1) / ((high - low) or 1.0)
    bars = "".join(BARS[round((height - low) * steps)] for height in heights)
    return f"{losses[0]:.4f} {bars} {losses[-1]:.4f}"


def _places(
    client: QueryClient, run_id: str, collections: Mapping[str, str]
) -> Callable[[str], str]:
    """From the id of a record to the site where its file is."""
    places = {
        record["id"]: collections.get(uri["uri"].removeprefix("globus://").split("/")[0], "")
        for record in client.records(run_id=run_id, limit=1000)["records"]
        for uri in record["uris"][:1]
    }
    return lambda record_id: places.get(record_id, "")


def _names(items: Sequence[Document]) -> str:
    return ", ".join(_name(item) for item in items)


def _name(item: Document) -> str:
    """A name with its version; ids inside names by their beginning."""
    version = f" v{item['version']}" if "version" in item else ""
    return UUID.sub(r"\1...", str(item["name"])) + version


def _table(*titles: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for title in titles:
        table.add_column(title, overflow="ellipsis")
    return table


def _row(table: Table, *cells: str) -> None:
    table.add_row(*(escape(printable(cell)) for cell in cells))


def _indented(content: Any, *, below: int = 1) -> Padding:
    return Padding(content, (0, 0, below, 2))
