"""A hostile stranger: values that raise, calls of odd shapes, and rows that no recorder writes.

Whatever comes of it, `harmed` says what can no longer be done with the store.
"""

from __future__ import annotations

import collections
import contextlib
import math
import os
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from decimal import Decimal
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from provenance_store import Audience, Batch, Store, Uri, open_store
from provenance_store.batch import TABLES
from provenance_store.enums import Mark, Role
from provenance_store.exchange.catalog import to_datacite
from provenance_store.exchange.crate.export import write_crate
from provenance_store.exchange.globus_search import ingest_document, to_gmeta
from provenance_store.exchange.prov.export import to_prov, to_prov_json
from provenance_store.queries.document_reader import DocumentReader
from provenance_store.recording.recorder import Recorder
from provenance_store.service import StoreService

__all__ = ["Caller", "harmed", "mutated", "odd_values"]


class Liar:
    """Raises whatever it is asked, its class too."""

    def __getattribute__(self, name: str) -> Any:
        raise RuntimeError(name)

    __eq__ = __hash__ = __len__ = __iter__ = __bool__ = __str__ = __repr__ = None  # type: ignore


class Raising:
    """Has every method, and each raises."""

    shape = ()

    def _raise(self, *_: Any) -> Any:
        raise ValueError("no")

    __eq__ = __hash__ = __len__ = __iter__ = __bool__ = __str__ = __repr__ = _raise  # type: ignore
    __fspath__ = __index__ = __float__ = __getitem__ = __contains__ = keys = item = _raise


class FivePath(os.PathLike[str]):
    """A path that is a number."""

    def __fspath__(self) -> str:
        return 5  # type: ignore[return-value]


class OddText(str):
    """Text that lies about itself."""

    def __len__(self) -> int:
        return -1

    def __iter__(self) -> Iterator[str]:
        raise RuntimeError

    def __eq__(self, other: object) -> bool:
        raise RuntimeError

    def __str__(self) -> str:
        return 5  # type: ignore[return-value]

    __hash__ = str.__hash__


class OddNumber(int):
    """A number that lies about itself."""

    def __int__(self) -> int:
        raise RuntimeError

    def __index__(self) -> int:
        raise RuntimeError

    def __lt__(self, other: object) -> bool:
        raise RuntimeError

    def __eq__(self, other: object) -> bool:
        raise RuntimeError

    __hash__ = int.__hash__


class OddFloat(float):
    """A float that is no float when asked."""

    def __float__(self) -> float:
        raise RuntimeError

    def is_integer(self) -> bool:
        raise RuntimeError


class OddZone(tzinfo):
    """A time zone that cannot say where it is."""

    def utcoffset(self, _: datetime | None) -> Any:
        raise ZeroDivisionError


class OddMoment(datetime):
    """A datetime whose distances are texts."""

    def __sub__(self, other: Any) -> Any:
        return "far"

    def isoformat(self, *_: Any, **__: Any) -> Any:
        return 7


class Changing(Mapping[str, Any]):
    """A mapping that is another one each time, and ends with an error."""

    def __getitem__(self, key: str) -> Any:
        raise KeyError(key)

    def __len__(self) -> int:
        return 3

    def __iter__(self) -> Iterator[str]:
        yield "a"
        raise RuntimeError("dictionary changed size during iteration")


class NoItems(dict[str, Any]):
    """A dict that does not let go of its items."""

    def items(self) -> Any:
        raise RuntimeError

    def __iter__(self) -> Any:
        raise RuntimeError


class Itself(Enum):
    """An enumeration that is its own value."""

    ME = "me"


Itself.ME._value_ = Itself.ME


def odd_values() -> list[Any]:
    """Values that scripts hand over by mistake, or by intent."""
    itself: list[Any] = []
    itself.append(itself)
    return [
        *(None, True, 0, -1, 1.5, math.nan, math.inf, 10**30, 10**5000, 1 << 64, -(1 << 63)),
        *("", "x", "a\0b", "\ud800", "é" * 3000, "1.2", "urn:braid:x:1", "password=hunter22"),
        *(b"\xff\0", bytearray(b"x"), memoryview(b"abc")),
        *(Decimal("NaN"), Decimal("1e999"), 3 + 4j, object(), int),
        *(Liar(), Raising(), FivePath(), OddText("odd"), OddNumber(7), OddFloat(2.0)),
        *(datetime(2026, 1, 1), datetime(2026, 1, 1, tzinfo=OddZone())),
        *(datetime(2999, 1, 1, tzinfo=UTC), OddMoment(2026, 1, 1, tzinfo=UTC)),
        *(Changing(), NoItems(a=1), {}, {"a": 1}, {1: 2}, {None: None}, {"a": {"b": Liar()}}),
        *({OddText("k"): 1}, {"epoch": Liar()}, {"epoch": math.nan, "loss": 1}),
        *({"uri": FivePath()}, [], [None], [[]], itself, (1, 2), {1, "a"}, frozenset()),
        *([Liar()], ["x", Raising()], range(3)),
        *(
            np.float64(1.5),
            np.int64(3),
            np.array([1, 2]),
            np.array("x"),
            np.datetime64("NaT", "ns"),
        ),
        *(Uri("file:///a"), Uri(Liar()), Uri("file:///b", size=-1)),  # type: ignore[arg-type]
        *(Uri("x", digest=OddText("sha256:ab")), Path("relative"), Path("/a\0b")),
        *(Itself.ME, Role.USED, Mark.PROMOTED, Exception("x")),
        *(collections.UserDict(a=1), collections.deque([1]), lambda: 1, type("T", (), {})()),
        Audience("urn:globus:auth:identity:0b2f9f1c-11a4-4a2e-9d9f-3f1f5a0e6d11"),
    ]


PARAMETERS: dict[str, tuple[str, ...]] = {
    "fact": ("name", "depends_on", "uris", "tags"),
    "data": ("name", "depends_on", "uris", "tags", "live"),
    "dataset": ("name", "members", "depends_on", "uris", "tags", "live"),
    "model": (
        *("name", "depends_on", "uris", "tags", "hyperparameters"),
        *("metrics", "scores", "trained_on"),
    ),
    "update": (
        *("version", "trained_on", "depends_on", "uris", "tags", "hyperparameters"),
        *("metrics", "scores"),
    ),
    "step": (
        *("name", "inputs", "models", "informed_by", "parameters", "tags", "type"),
        *("action_url", "action_id", "run_as", "definition_digest", "ordinal", "started_at"),
    ),
    "finish": ("step", "status", "completed_at", "result", "error"),
    "used": ("step", "records", "role"),
    "generated": ("step", "records"),
    "tag": ("record", "tags"),
    "add": ("record", "depends_on", "members", "uris"),
    "found_file": ("record", "uri", "size", "digest", "at"),
    "promote": ("record", "note"),
    "mark": ("record", "mark", "note"),
    "payload": ("record", "name", "document", "private"),
    "run": (
        *("run_id", "at", "flow_id", "flow_title", "label", "status", "run_owner"),
        *("start_time", "completion_time", "audience", "tags"),
    ),
}
"""The public calls of a Recorder that record, and what each is given."""
NEEDED = {"name", "version", "step", "record", "records", "tags", "uri", "size", "digest"}
NEEDED |= {"mark", "document", "run_id"}
REFERENCES = frozenset(
    "version record records step depends_on members trained_on inputs models informed_by".split()
)
"""Parameters that name records; what names none is refused with a sentence, in a list too."""
SENSIBLE: dict[str, Any] = {
    **dict.fromkeys(("name", "uri", "type", "label"), "file:///a"),
    "tags": {"a": 1},
    "mark": Mark.PROMOTED,
    "document": {"a": 1},
    "run_id": "run-1",
    "size": 1,
    "digest": "sha256:ab",
}


@dataclass
class Caller:
    """Calls a recorder at random; `errors` are those that are no sentence of ours."""

    recorder: Recorder
    chance: random.Random

    def __post_init__(self) -> None:
        self.made: list[Any] = []
        self.calls = 0
        self.errors: list[str] = []
        self.values = odd_values()

    def call(self, allowed: tuple[type[BaseException], ...]) -> None:
        """One call, with a sensible or an odd value for each parameter."""
        name = self.chance.choice(list(PARAMETERS))
        given = self.arguments(name)
        self.calls += 1
        try:
            made = getattr(self.recorder, name)(**given)
        except allowed:
            return
        except Exception as error:
            shown = {key: type(value).__name__ for key, value in given.items()}
            self.errors.append(f"{name}({shown}): {type(error).__name__}: {error}")
            return
        if made is not None:
            self.made.append(made)

    def arguments(self, name: str) -> dict[str, Any]:
        """Arguments of a call."""
        given = {}
        for parameter in PARAMETERS[name]:
            if parameter in NEEDED or self.chance.random() < 0.4:
                given[parameter] = self.value(parameter, name)
        return given

    def value(self, parameter: str, call: str) -> Any:
        """A value for a parameter."""
        sensible = self.chance.random() < 0.6
        if parameter in REFERENCES and self.made and sensible:
            return self.chance.choice(self.made)
        if parameter in SENSIBLE and sensible and (parameter, call) != ("tags", "run"):
            return SENSIBLE[parameter]
        return self.chance.choice(self.values)


def mutated(batch: Batch, chance: random.Random, *, texts: bool = True) -> Batch:
    """A batch with some values of its rows exchanged, dropped or doubled, texts too."""
    for _ in range(chance.randint(1, 3)):
        name = chance.choice([name for name in TABLES[1:] if getattr(batch, name)] or ["record"])
        rows = getattr(batch, name)
        if not rows:
            continue
        place = chance.randrange(len(rows))
        row = rows[place]
        what = chance.random()
        if what < 0.15:
            del rows[place]
        elif what < 0.25:
            rows.append(row)
        else:
            columns = [n for n in row._fields if texts or type(getattr(row, n)) is int]
            if not columns:
                continue
            column = chance.choice(columns)
            rows[place] = row._replace(**{column: _other(getattr(row, column), batch, chance)})
    return batch


def _other(value: Any, batch: Batch, chance: random.Random) -> Any:
    ids = [row.id for row in batch.record] or [1 << 32 | 1]
    if type(value) is int:
        some = (0, 1, 2, 3, 4, 5, 7, 10, 99, -1, 1 << 62, int(9e17), chance.choice(ids) + 1)
        return chance.choice((*some, *ids))
    if type(value) is float:
        return chance.choice((0.0, -1.0, math.nan, math.inf, 1e300))
    return chance.choice(("", "x", "a\0b", "é" * 2000, "sha256:ab", "{}", "[", "null", "NaN", "1"))


def harmed(file: Path, folder: Path) -> list[str]:
    """What cannot be done with the store in a file: reading, listing, every export, slice, merge
    into a fresh store, and its check, whose sentences are part of the answer."""
    found: list[str] = []

    @contextlib.contextmanager
    def trying(what: str) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            found.append(f"{what}: {type(error).__name__}: {error}")

    with open_store(f"sqlite:///{file}", create=False) as store:
        with trying("check"):
            found += [f"check: {sentence}" for sentence in store.check()]
        urns = _read(store, trying)
        (folder / "crate.zip").unlink(missing_ok=True)
        for name, write in _exports(store, urns, folder).items():
            with trying(name), StoreService(store).explaining():
                write()
        with trying("slice"):
            store.slice(folder / "slice.db", force=True)
    for name in (file, folder / "slice.db"):
        fresh = folder / "fresh.db"
        fresh.unlink(missing_ok=True)
        with trying(f"merge of {name.name}"), open_store(f"sqlite:///{fresh}") as other:
            other.merge(name)
            found += [f"check after merge: {sentence}" for sentence in other.check()]
    return found


def _read(store: Store, trying: Callable[[str], Any]) -> list[str]:
    reader = store.documents()
    urns: list[str] = []
    marker = None
    with trying("records"):
        while True:
            page = reader.records(limit=500, marker=marker)
            urns += [row["id"] for row in page["records"]]
            if (marker := page.get("marker") or page.get("next")) is None:
                break
    for urn in urns:
        with trying(f"record {urn}"):
            reader.record(urn)
    for urn in urns[:: max(1, len(urns) // 20)]:
        with trying(f"statement of {urn}"):
            reader.statement(urn)
        for way in ("up", "down"):
            with trying(f"lineage {way}"):
                reader.lineage(urn, direction=way)  # type: ignore[arg-type]
    with trying("models"):
        for model in reader.models()["models"]:
            reader.model(model["id"])
    with trying("runs"):
        for run in reader.runs()["runs"]:
            reader.run(run["run_id"])
    return urns


def _exports(store: Store, urns: list[str], folder: Path) -> dict[str, Callable[[], object]]:
    reader = store.documents()
    made: dict[str, Callable[[], object]] = {
        "prov-json": lambda: to_prov_json(reader.extract([], everything=True)),
        "prov-n": lambda: to_prov(reader.extract([], everything=True), "prov-n"),
        "ro-crate": lambda: write_crate(
            reader.extract([], everything=True),
            folder / "crate.zip",
            run_id=None,
            published="2026-01-01T00:00:00+00:00",
        ),
    }
    for urn in urns[:: max(1, len(urns) // 8)]:
        made[f"gmeta of {urn}"] = partial(_gmeta, reader, urn)
        made[f"datacite of {urn}"] = partial(_datacite, reader, urn)
    return made


def _gmeta(reader: DocumentReader, urn: str) -> str:
    return ingest_document([to_gmeta(reader.extract([urn]), run_id=None, visible_to=("public",))])


def _datacite(reader: DocumentReader, urn: str) -> str:
    extract = reader.extract([urn])
    return to_datacite(extract, run_id=None, publisher=None, doi=None, url=None, license=None)
