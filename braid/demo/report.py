"""What the demo shows after the run, all of it asked of the query API as a user would."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from braid.cli.client import QueryClient
from braid.cli.output import printable, told_time
from braid.cli.tables import write_trimmed
from provenance_store.relations import words_of

__all__ = ["show_lineage", "show_models", "show_runs", "show_steps", "tell"]

Document = Mapping[str, Any]

TOLD = ("trained_on", "derived_from", "has_member", "revision_of", "used", "deployed")
"""The roles that are told, most telling first: of two things that link the same, the first wins."""
STYLES = {"model": "bold magenta", "fact": "bold cyan", "dataset": "bold yellow"}


class _Link(NamedTuple):
    role: str
    to: str


def tell(lineage: Document, *, place_of: Callable[[str], str]) -> Tree:
    """The root and, below each thing, what it was made from; `place_of` an id says where it is."""
    nodes = {node["id"]: node for node in lineage["nodes"]}
    links: defaultdict[str, list[_Link]] = defaultdict(list)
    for link in lineage["links"]:
        links[link["from"]].append(_Link(link["role"], link["to"]))
    return _Teller(nodes, links, place_of).told(lineage["root"])


class _Teller:
    def __init__(
        self,
        nodes: Mapping[str, Document],
        links: Mapping[str, list[_Link]],
        place_of: Callable[[str], str],
    ) -> None:
        self._nodes = nodes
        self._links = links
        self._place_of = place_of
        self._seen: set[str] = set()

    def told(self, root: str) -> Tree:
        tree = Tree(self._line("", root, again=False), guide_style="dim")
        self._seen.add(root)
        waiting = [(tree, link) for link in reversed(self._made_from(root))]
        while waiting:
            branch, link = waiting.pop()
            below = self._made_from(link.to)
            again = link.to in self._seen and bool(below)
            twig = branch.add(self._line(words_of(link.role), link.to, again=again))
            if not again:
                self._seen.add(link.to)
                waiting += [(twig, inner) for inner in reversed(below)]
        return tree

    def _made_from(self, node_id: str) -> list[_Link]:
        """What a thing was made from, each once: as its own links say; else what its step used."""
        own = self._links.get(node_id, [])
        told = [link for link in own if link.role in TOLD]
        if not told:
            steps = (link.to for link in own if link.role == "generated_by")
            told = [k for step in steps for k in self._links.get(step, []) if k.role in TOLD]
        first: dict[str, _Link] = {}
        for link in sorted(told, key=lambda k: TOLD.index(k.role)):
            first.setdefault(link.to, link)
        return list(first.values())

    def _line(self, word: str, node_id: str, *, again: bool) -> Text:
        node = self._nodes[node_id]
        version = f" v{node['version']}" if "version" in node else ""
        line = Text()
        line.append(f"{word} " if word else "", style="dim")
        line.append(printable(f"{node['name']}{version}"), style=STYLES.get(node["kind"], "bold"))
        line.append("  ")
        return line.append(self._remark(node, again=again), style="dim")

    def _remark(self, node: Document, *, again: bool) -> str:
        if again:
            return "(see above)"
        place, step = self._place_of(node["id"]), self._step(node["id"])
        said = [
            node["kind"] if node["kind"] in STYLES else "",
            f"at the {place}" if place else "",
            f"by the step {step}" if step else "",
        ]
        return ", ".join(filter(None, said))

    def _step(self, node_id: str) -> str:
        made_by = (k.to for k in self._links.get(node_id, []) if k.role == "generated_by")
        return ", ".join(str(self._nodes[step]["name"]) for step in made_by)


UUID = re.compile(r"\b([0-9a-f]{8})-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b")
BARS = "▁▂▃▄▅▆▇█"


def show_runs(console: Console, client: QueryClient) -> None:
    """The history of runs."""
    table = _table("Run", "Flow", "Status", "Started (UTC)", "Steps")
    for run in client.runs()["runs"]:
        started = told_time(run["start_time"])
        steps = len(client.run(run["run_id"])["steps"])
        _row(table, run["run_id"][:8], run["flow_title"] or "", run["status"], started, str(steps))
    write_trimmed(console, _indented(table))


def show_steps(console: Console, run: Document) -> None:
    """The steps of a run in order, with what went in and what came out."""
    table = _table("", "Step", "Used", "Made")
    for number, step in enumerate(run["steps"], start=1):
        versions = [model for model in step["models"] if model["how"] in ("trained", "updated")]
        others = [model for model in step["models"] if model not in versions]
        used, made = [*step["inputs"], *others], [*step["outputs"], *versions]
        _row(table, str(number), step["name"], _names(used), _names(made))
    write_trimmed(console, _indented(table))


def show_lineage(
    console: Console,
    client: QueryClient,
    record: Document,
    *,
    collections: Mapping[str, str],
) -> None:
    """What a record came from, as a tree; `collections` names them by their ids."""
    places = _places(client, record["run_id"], collections)
    write_trimmed(console, _indented(tell(client.lineage(record["id"]), place_of=places)))


def show_models(console: Console, client: QueryClient, name: str) -> None:
    """The versions of a model, with their convergence and their validation scores."""
    titles = ("Version", "Trained on", "Loss by epoch", "Median error", "95 % within")
    table = _table(*titles, whole=[title for title in titles if title != "Trained on"])
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
    write_trimmed(console, _indented(table, below=0))
    told = (
        "Errors, before → after: distances from the true (v0) or fitted centres of held-out peaks."
    )
    write_trimmed(console, _indented(Text(told, style="dim"), below=0))


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


def _table(*titles: str, whole: Sequence[str] = ()) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for title in titles:
        table.add_column(title, overflow="ellipsis", no_wrap=title in whole)
    return table


def _row(table: Table, *cells: str) -> None:
    table.add_row(*(escape(printable(cell)) for cell in cells))


def _indented(content: Any, *, below: int = 1) -> Padding:
    return Padding(content, (0, 0, below, 2))
