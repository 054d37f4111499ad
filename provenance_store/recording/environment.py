"""The environment of this process, and on whose behalf it records."""

from __future__ import annotations

import functools
import os
import platform
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from provenance_store.batch import Batch
from provenance_store.digests import measure
from provenance_store.display import escaped
from provenance_store.ids import SEQUENCE_BITS
from provenance_store.values import Audience

__all__ = [
    "Author",
    "current_environment",
    "hardware",
    "is_identity",
    "making_origins",
    "own",
    "read_parts",
    "system",
]


@functools.cache
def current_environment() -> dict[str, Any]:
    """Hardware, software and code of the running process; the same object every time.

    ``code`` names the script with its SHA-256 when there is one. Nothing is taken from
    environment variables or from command-line arguments: they may hold secrets. A part that
    cannot be read says so in ``unreadable``.
    """
    return read_parts({"hardware": hardware, "software": _software, "code": _code})


def read_parts(parts: Mapping[str, Callable[[], dict[str, Any]]]) -> dict[str, Any]:
    """What each part says; one that cannot be read says why in ``unreadable``. Never raises."""
    return {name: _read(part) for name, part in parts.items()}


def hardware() -> dict[str, Any]:
    """This machine: its name, architecture and number of CPUs."""
    machine = platform.uname()
    return {"host": machine.node, "machine": machine.machine, "cpu_count": os.cpu_count()}


def system() -> str:
    """The operating system with its version."""
    return f"{platform.system()} {platform.release()}"


def _read(part: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """A part of the environment. Whatever is wrong with an installation, nobody's record is lost
    for it."""
    try:
        return part()
    except Exception as error:
        return {"unreadable": f"{type(error).__name__}: {escaped(str(error))[:200]}"}


def _software() -> dict[str, Any]:
    return {"python": platform.python_version(), "system": system(), "packages": _packages()}


def _packages() -> dict[str, str]:
    """The versions of what is installed; without what has no readable metadata."""
    import importlib.metadata  # as slow to import as all of the recorder

    found = {}
    for distribution in importlib.metadata.distributions():
        try:
            name, version = distribution.metadata["Name"], distribution.version
        except Exception:  # Half-removed or damaged: any error, and of that package alone.
            continue
        if isinstance(name, str) and isinstance(version, str):
            found[name] = version
    return dict(sorted(found.items()))


def _code() -> dict[str, Any]:
    main = sys.modules.get("__main__")
    script = getattr(main, "__file__", None)
    if not script:
        return {}
    digest = measure(Path(script)).digest
    return {"script": escaped(script)} | ({"digest": digest} if digest else {})


MAKING = {
    "record": 0,
    "file_check": 1,
    "tag": 2,
    "mark": 0,
    "run_event": 1,
    "late_link": 1,
    "same_as": 2,
    "alias": 2,
}
"""The tables whose rows have an id of their own, and its place."""


@dataclass(frozen=True, slots=True)
class Author:
    """Somebody who shares the store with others, by his or her principals.

    What is new in a batch is made by origins whose `who` is one of the `identities`. In the runs
    of `alone_in` nobody may have recorded anything whose things these do not manage.
    """

    identities: frozenset[str]
    alone_in: frozenset[str] = frozenset()


def is_identity(who: str) -> bool:
    """Whether an origin's `who` is a principal, as servers write it, and no login name."""
    return who.startswith("urn:globus:auth:identity:")


def making_origins(batch: Batch) -> set[int]:
    """The numbers of the origins that made something of a batch: gave it an id."""
    return {
        row[place] >> SEQUENCE_BITS
        for name, place in MAKING.items()
        for row in getattr(batch, name)
    }


def own(batch: Batch, owners: Mapping[int, str]) -> None:
    """Give the records and run events without an audience one: that of their owner alone.

    `owners` are principals by the number of the origin that made what is theirs; the rows of
    other origins stay as they are.
    """
    made = {no: Audience(owner).rows() for no, owner in owners.items()}
    digests = {no: row.digest for no, (row, _) in made.items()}
    for place, row in enumerate(batch.record):
        if row.audience is None and (digest := digests.get(row.id >> SEQUENCE_BITS)):
            batch.record[place] = row._replace(audience=digest)
    for place, event in enumerate(batch.run_event):
        if event.audience is None and (digest := digests.get(event.id >> SEQUENCE_BITS)):
            batch.run_event[place] = event._replace(audience=digest)
    for audience, members in dict.fromkeys(made.values()):
        if audience not in batch.audience:
            batch.audience.append(audience)
            batch.audience_member.extend(members)
