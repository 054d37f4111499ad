"""Lineage documents of shapes that real histories have, of any size: for tests and benchmarks of
pictures, which need no store.

Each function takes how many nodes there are to be, about, and makes the same document each time.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

__all__ = ["SHAPES", "campaigns", "layered", "members", "versions"]

Document = dict[str, Any]

TRAINED_ON = 20
"""Data items that each version of `versions` is trained on."""
MODELS = 5
"""Models that the runs of `campaigns` share."""


class _Lineage:
    """A lineage that grows, with the last node as its root."""

    def __init__(self) -> None:
        self.nodes: list[Document] = []
        self.links: list[Document] = []

    def add(self, kind: str, name: str, **links: list[str]) -> str:
        """A node with links by role; answers its id."""
        number = len(self.nodes) + 1
        id_ = f"urn:braid:00000000-0000-4000-8000-000000000000:{number}"
        version = {"version": len(self.nodes)} if kind == "model" else {}
        about = {"id": id_, "short_id": f"1.{number}", "kind": kind, "name": name, **version}
        self.nodes.append(about)
        for role, others in links.items():
            self.links += [{"from": id_, "to": other, "role": role} for other in others]
        return id_

    def document(self) -> Document:
        """As `braid lineage --format json` has it, the root first."""
        nodes = self.nodes[::-1]
        return {
            "root": nodes[0]["id"],
            "direction": "up",
            "truncated": False,
            "nodes": nodes,
            "links": self.links,
        }


def versions(nodes: int) -> Document:
    """A long chain of model versions, each trained on twenty data items and its predecessor."""
    lineage = _Lineage()
    model: list[str] = []
    code = lineage.add("fact", "train.py")
    for version in range(max(1, nodes // (TRAINED_ON + 1))):
        data = [lineage.add("data", f"scan-{version}-{n}.h5") for n in range(TRAINED_ON)]
        links = {"trained_on": data, "derived_from": [code], "revision_of": model}
        model = [lineage.add("model", "braggnn", **links)]
    return lineage.document()


def members(nodes: int) -> Document:
    """A model that was trained on a dataset with thousands of members."""
    lineage = _Lineage()
    data = [lineage.add("data", f"frame-{number:05}.tif") for number in range(nodes - 2)]
    dataset = lineage.add("dataset", "frames of the whole sample", has_member=data)
    lineage.add("model", "segmenter", trained_on=[dataset])
    return lineage.document()


def campaigns(nodes: int) -> Document:
    """Runs of transfer, analyse, train and publish, which share models and the data of the run
    before; the last result depends on all that was published."""
    chance = random.Random(7)
    lineage = _Lineage()
    code = lineage.add("fact", "analysis 2.1")
    models = [lineage.add("model", f"net-{number}") for number in range(MODELS)]
    published = []
    for run in range(max(1, nodes // 8)):
        raw = lineage.add("data", f"raw-{run:04}.h5")
        transfer = lineage.add("step", "Transfer", used=[raw])
        scan = lineage.add("data", f"scan-{run:04}.h5", generated_by=[transfer])
        which = chance.randrange(MODELS)
        analyse = lineage.add("step", "Analyse", used=[scan, code], deployed=[models[which]])
        peaks = lineage.add("data", f"peaks-{run:04}.csv", generated_by=[analyse])
        train = lineage.add("step", "Train", used=[peaks])
        before = models[which]
        models[which] = lineage.add(
            "model", f"net-{which}", generated_by=[train], revision_of=[before], trained_on=[peaks]
        )
        publish = lineage.add("step", "Publish", used=[peaks], informed_by=[train])
        published.append(publish)
    lineage.add("data", "catalogue", generated_by=published)
    return lineage.document()


def layered(nodes: int) -> Document:
    """A random graph in layers, each node with two links to one of the three layers before."""
    chance = random.Random(11)
    lineage = _Lineage()
    wide = max(2, round(nodes**0.5))
    ids: list[str] = []
    for number in range(nodes):
        layer = number // wide
        begin, end = max(0, layer - 3) * wide, layer * wide
        # Mostly from the layer before, as the results of a pipeline are.
        from_ = begin if chance.random() < 0.2 else max(begin, end - wide)
        others = sorted(set(chance.choices(range(from_, end), k=2))) if layer else []
        kind = "step" if layer % 2 else "data"
        role = "used" if layer % 2 else "derived_from"
        ids.append(lineage.add(kind, f"{kind} {number}", **{role: [ids[n] for n in others]}))
    return lineage.document()


SHAPES: dict[str, Callable[[int], Document]] = {
    "model versions on 20 data items each": versions,
    "a dataset and its members": members,
    "runs that share models": campaigns,
    "a random graph in layers": layered,
}
"""What is drawn, in words."""
