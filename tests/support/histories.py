"""Small histories of many kinds, each with a statement on it, for what a statement may claim."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa

from provenance_store import Audience, Store, Viewer, open_store
from provenance_store.exchange.formats import import_file
from provenance_store.sql.tables import TABLE
from tests.support.exchange import whole
from tests.support.science import ADA, HOUR, NOON, some_science
from tests.support.statements import Statement, change, check_file

__all__ = ["HISTORIES", "stated"]

BOB = "urn:globus:auth:identity:bbbbbbbb-0000-0000-0000-000000000002"
Made = tuple[Store, Statement]


@contextmanager
def stated(name: str, folder: Path) -> Iterator[Made]:
    """A store with the history of that name, and a statement made of it."""
    with open_store(f"sqlite:///{folder / 'first.db'}") as store:
        made = HISTORIES[name](store, folder)
        try:
            yield made
        finally:
            if made[0] is not store:
                made[0].close()


def _science(store: Store, _: Path) -> Made:
    science = some_science(store)
    return store, store.documents().statement(science.peaks.urn)


def _troubled(store: Store, _: Path) -> Made:
    """A failed step in a failed run, open live data, checked files, invalid and reduced records."""
    science = some_science(store)
    uri = "globus://collection/scan-17.h5"
    for at, byte in ((NOON, "ab"), (NOON + 1, "cd")):
        check_file(store, science.scan.urn, uri, "sha512:" + byte * 64, at)
    store.reduce(before=NOON + HOUR)
    recorder = store.recorder(run_id="run-2", audience=Audience(ADA), environment={"a": [1, 2.5]})
    recorder.run("run-2", flow_id="flow-2", label="Second try", status="ACTIVE")
    live = recorder.data("stream", live=True, tags={"ok": True, "n": 1, "x": 0.5, "t": "a"})
    step = recorder.step("Fit", inputs=[live, science.peaks], parameters={"p": [1, None]})
    result = step.output("fit", uris=["file:///b", "file:///a"])
    recorder.finish(step, "FAILED", error={"why": "no beam"})
    recorder.run("run-2", status="FAILED", completion_time=store.clock())
    store.invalidate(science.scan.urn, cause="the beam was off")
    store.invalidate(science.config.urn, cause="the wrong crystal")
    return store, store.documents().statement(result.urn)


def _sliced(store: Store, folder: Path) -> Made:
    science = some_science(store)
    store.slice(folder / "slice.db", [science.peaks.urn], depth=2)
    part = open_store(f"sqlite:///{folder / 'slice.db'}")
    return part, part.documents().statement(science.peaks.urn)


def _hidden(store: Store, _: Path) -> Made:
    """What Bob sees: one of two inputs, the second of two versions, and not the other's run."""
    ada = store.recorder(run_id="run-a", audience=Audience(ADA), environment=None)
    ada.run("run-a", label="Ada's")
    secret = ada.data("secret scan")
    deeper = ada.data("deeper", depends_on=[secret])
    first = ada.model("net")
    audience = Audience(ADA, readers=(BOB,))
    both = store.recorder(run_id="run-b", audience=audience, environment={"b": 1})
    both.run("run-b", label="Shared")
    known = both.data("known scan", uris=[{"uri": "file:///k", "size": 3, "digest": "sha256:00"}])
    net = both.update(first, [known], scores={"mae": 0.5})
    step = both.step("Apply", inputs=[known, deeper], models=[net])
    peaks = step.output("peaks")
    both.finish(step)
    store.invalidate(secret.urn, cause="not to be told")
    reader = store.documents(Viewer(principals=frozenset({BOB})))
    return store, reader.statement(peaks.urn)


def _cut_off(store: Store, _: Path) -> Made:
    science = some_science(store)
    return store, store.documents().statement(science.peaks.urn, limit=4)


def _missing(store: Store, _: Path) -> Made:
    science = some_science(store)
    change(store, sa.delete(TABLE["record"]).where(TABLE["record"].c.id == science.train.id))
    return store, store.documents().statement(science.peaks.urn)


def _merged(store: Store, folder: Path) -> Made:
    """Made where it was recorded, compared where it was merged into."""
    science = some_science(store)
    statement = store.documents().statement(science.peaks.urn)
    team = open_store(f"sqlite:///{folder / 'team.db'}")
    team.data("so that numbers of origins differ")
    team.merge(folder / "first.db")
    return team, statement


def _one_thing(store: Store, _: Path) -> Made:
    """The scan of a science was recorded by another team too, which knows where it came from."""
    science = some_science(store)
    digest = f"sha256:{len('scan-17.h5'):064x}"
    place = {"uri": "globus://Collection//scan%2D17.h5", "digest": digest, "size": 10}
    beam = store.data("beam")
    step = store.step("Expose", inputs=[beam])
    step.output("scan of another team", uris=[place])
    step.finish()
    store.invalidate(beam.urn, cause="the beam was off")
    return store, store.documents().statement(science.peaks.urn)


def _hidden_thing(store: Store, _: Path) -> Made:
    """What Bob sees: his copy of a file, of which Ada knows where it came from, and that his step
    used something of hers, which was found later."""
    place = {"uri": "globus://c/scan", "digest": "sha256:" + "5" * 64, "size": 3}
    ada = store.recorder(run_id="run-a", audience=Audience(ADA), environment=None)
    ada.run("run-a", label="Ada's")
    ada.data("scan", depends_on=[ada.data("beam")], uris=[place])
    seen, unseen = store.recorder(audience=Audience(ADA, readers=(BOB,))), ada.data("flat field")
    known = seen.data("dark field")
    bob = store.recorder(run_id="run-b", audience=Audience(BOB), environment=None)
    bob.run("run-b", label="Bob's")
    copy = bob.data("copy", uris=[place])
    step = bob.step("Fit", inputs=[copy, bob.data("mask")])
    result = step.output("fit")
    bob.finish(step)
    bob.link_later(step, [known, unseen], rule="by hand", by="ada")
    assert store.link_same() == 1
    reader = store.documents(Viewer(principals=frozenset({BOB})))
    return store, reader.statement(result.urn)


def _imported(store: Store, folder: Path) -> Made:
    """Something here derives from what came by two imports, of another store and of others."""
    with open_store(f"sqlite:///{folder / 'theirs.db'}") as theirs:
        science = some_science(theirs)
        check_file(theirs, science.scan.urn, "globus://collection/scan-17.h5", "sha512:ab", NOON)
        (folder / "theirs.json").write_text(whole(theirs))
    entity = {"prefix": {"ex": "http://example.org/"}, "entity": {"ex:mask": {}, "ex:flat": {}}}
    (folder / "others.json").write_text(json.dumps(entity))
    for name in ("theirs.json", "others.json"):
        import_file(store, folder / name)
    found = store.documents().records()["records"]
    masks = [record["id"] for record in found if record["name"] in ("mask", "flat")]
    mine = store.data("fit", depends_on=[science.peaks.urn, *masks])
    return store, store.documents().statement(mine.urn)


HISTORIES: Mapping[str, Callable[[Store, Path], Made]] = {
    "science": _science,
    "troubled": _troubled,
    "sliced": _sliced,
    "hidden": _hidden,
    "cut off": _cut_off,
    "missing": _missing,
    "merged": _merged,
    "one thing": _one_thing,
    "hidden thing": _hidden_thing,
    "imported": _imported,
}
