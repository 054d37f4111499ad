"""RO-Crates as they come: a folder, a zip or the metadata file alone, read within bounds.

Nothing is unpacked and nothing that a crate names is fetched. A file is looked at only where its
name stays inside the crate.
"""

from __future__ import annotations

import hashlib
import os
import zipfile
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO, Any, Final
from urllib.parse import unquote

from provenance_store.digests import measure
from provenance_store.errors import InvalidInput, TooLarge
from provenance_store.exchange.parsing import parse_json, read_bounded, read_json
from provenance_store.files import file_uri
from provenance_store.settings import MAX_IMPORT_BYTES

__all__ = [
    "METADATA",
    "OWN_HISTORY",
    "Content",
    "Crate",
    "is_metadata",
    "listed",
    "path_in_crate",
    "read_crate",
    "references",
]

METADATA: Final = ("ro-crate-metadata.json", "ro-crate-metadata.jsonld")
"""The metadata file of a crate; the second is of RO-Crate 1.0."""
OWN_HISTORY: Final = "provenance.prov.json"
"""The file in our own crates that holds all of the history."""
BROKEN: Final = (OSError, RuntimeError, EOFError, zipfile.BadZipFile, zlib.error)
"""What a zip that is broken, encrypted or packed in an unknown way raises."""
MOST_FILES: Final = 1_000_000
"""So many files a zip may list."""


class Content(ABC):
    """The files of a crate."""

    def __init__(self) -> None:
        self._left = MAX_IMPORT_BYTES.get()
        self._known: dict[str, str | None] = {}
        self.unread = 0
        """How many files were not read, since all together would be too many bytes."""

    @abstractmethod
    def size(self, path: str) -> int | None:
        """The size of a file in the crate; None where it is not there."""

    @abstractmethod
    def read(self, path: str) -> bytes:
        """The bytes of a file in the crate."""

    @abstractmethod
    def uri(self, path: str) -> str | None:
        """Where a file of the crate is; None where the crate does not say."""

    @abstractmethod
    def _sha256(self, path: str, size: int) -> str | None:
        """The SHA-256 of a file in the crate; None where it cannot be read."""

    def sha256(self, path: str) -> str | None:
        """The SHA-256 of a file that is there; None beyond BRAID_MAX_IMPORT_BYTES for all."""
        if path in self._known:
            return self._known[path]
        size = self.size(path)
        if size is None:
            return None
        if size > self._left:
            self.unread += 1
            return None
        self._left -= size
        found = self._known[path] = self._sha256(path, size)
        return found


class _Nothing(Content):
    """The metadata file alone."""

    def size(self, path: str) -> int | None:
        return None

    def read(self, path: str) -> bytes:
        raise FileNotFoundError(path)

    def uri(self, path: str) -> str | None:
        return None

    def _sha256(self, path: str, size: int) -> str | None:
        return None


class _Folder(Content):
    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = Path(os.path.realpath(folder))

    def _file(self, path: str) -> Path | None:
        """A regular file inside the folder, links followed; None for everything else."""
        try:
            found = Path(os.path.realpath(self._folder / path))
            inside = found.is_relative_to(self._folder) and found.is_file()
        except (OSError, ValueError):
            return None
        return found if inside else None

    def size(self, path: str) -> int | None:
        file = self._file(path)
        return None if file is None else file.stat().st_size

    def read(self, path: str) -> bytes:
        file = self._file(path)
        if file is None:
            raise FileNotFoundError(path)
        with file.open("rb") as opened:
            return read_bounded(file, opened)

    def uri(self, path: str) -> str | None:
        return file_uri(self._folder / path)

    def _sha256(self, path: str, size: int) -> str | None:
        file = self._file(path)
        digest = None if file is None else measure(file).digest
        return None if digest is None else digest.removeprefix("sha256:")


class _Zip(Content):
    def __init__(self, source: Path, archive: zipfile.ZipFile, top: str) -> None:
        super().__init__()
        self._source = source
        self._archive = archive
        self._top = top

    def _info(self, path: str) -> zipfile.ZipInfo | None:
        try:
            found = self._archive.getinfo(self._top + path)
        except KeyError:
            return None
        return None if found.is_dir() else found

    def size(self, path: str) -> int | None:
        info = self._info(path)
        return None if info is None else info.file_size

    def read(self, path: str) -> bytes:
        where = self._source / (self._top + path)
        try:
            with self._archive.open(self._top + path) as opened:
                return read_bounded(where, opened)
        except BROKEN as error:
            raise InvalidInput(f"it cannot be read: {error}.", path=f"{where}: $") from None

    def uri(self, path: str) -> str | None:
        return None

    def _sha256(self, path: str, size: int) -> str | None:
        digest = hashlib.sha256()
        try:
            # No more than the zip says: what is packed small may be endless.
            with self._archive.open(self._top + path) as file:
                for piece in _pieces(file, size):
                    digest.update(piece)
        except BROKEN:
            return None
        return digest.hexdigest()


@dataclass(slots=True)
class Crate:
    """What a crate says: its entities by id, and its files."""

    entities: dict[str, dict[str, Any]]
    root: str
    content: Content
    source: Path
    place: str
    notes: list[str]
    _types: dict[str, list[str]] = field(default_factory=dict)

    def typed(self, id_: str) -> list[str]:
        """The types of an entity, without a namespace; none where it is not described."""
        known = self._types.get(id_)
        if known is None and id_ in self.entities:
            known = self._types[id_] = self._read_types(id_)
        return known or []

    def _read_types(self, id_: str) -> list[str]:
        types = listed(self.entities[id_].get("@type"))
        return [str(t).rpartition("/")[2].rpartition("#")[2].rpartition(":")[2] for t in types]

    def ends(self, id_: str, name: str) -> list[str]:
        """The ids that a property names."""
        return references(self.entities.get(id_, {}).get(name))


def references(value: Any) -> list[str]:
    """The ids in the value of a property."""
    found = [item.get("@id") for item in listed(value) if isinstance(item, dict)]
    return [id_ for id_ in found if isinstance(id_, str) and id_]


def listed(value: Any) -> list[Any]:
    """The values of a property, which may be one, several or none."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def is_metadata(value: Any) -> bool:
    """Whether a JSON value is the metadata of a crate: one of its entities is the file itself."""
    graph = value.get("@graph") if isinstance(value, dict) else None
    return isinstance(graph, list) and any(
        isinstance(e, dict) and str(e.get("@id")).rpartition("/")[2] in METADATA for e in graph
    )


@contextmanager
def read_crate(source: Path, value: Any = None) -> Iterator[Crate]:
    """The crate in a folder, in a zip, or around its metadata file, whose JSON is `value`.

    It is open inside the block. Raises InvalidInput for what is no crate,
    TooLarge beyond the bounds.
    """
    if source.is_dir():
        name = next((n for n in METADATA if (source / n).is_file()), None)
        if name is None:
            raise InvalidInput(
                f"the folder has no {METADATA[0]}; it is not an RO-Crate.", path=f"{source}: $"
            )
        yield _crate(source, source / name, read_json(source / name), _Folder(source))
    elif value is not None:
        is_plain = source.name in METADATA
        content = _Folder(source.parent) if is_plain else _Nothing()
        yield _crate(source, source, value, content)
    else:
        try:
            archive = zipfile.ZipFile(source)
        except (*BROKEN, ValueError) as error:
            raise InvalidInput(f"the zip cannot be read: {error}.", path=f"{source}: $") from None
        with archive:
            top, name = _inside(source, archive)
            packed = _Zip(source, archive, top)
            where = source / (top + name)
            yield _crate(source, where, parse_json(where, packed.read(name)), packed)


def _inside(source: Path, archive: zipfile.ZipFile) -> tuple[str, str]:
    """The folder in a zip that the crate is in, if any, and its metadata file."""
    names = archive.namelist()
    if len(names) > MOST_FILES:
        raise TooLarge(f"it lists more than {MOST_FILES} files.", path=f"{source}: $")
    parts = [PurePosixPath(name) for name in names]
    found = [p for p in parts if p.name in METADATA and len(p.parts) <= 2 and ".." not in p.parts]
    top = [p for p in found if len(p.parts) == 1] or found
    if not top or len({p.parent for p in top}) > 1:
        many = "more than one" if top else "no"
        raise InvalidInput(
            f"the zip has {many} {METADATA[0]}; it is not an RO-Crate.", path=f"{source}: $"
        )
    folder = "" if len(top[0].parts) == 1 else f"{top[0].parts[0]}/"
    return folder, top[0].name


def _pieces(file: IO[bytes], size: int) -> Iterator[bytes]:
    while size > 0 and (piece := file.read(min(size, 1 << 20))):
        size -= len(piece)
        yield piece


def _crate(source: Path, where: Path, value: Any, content: Content) -> Crate:
    """The entities of a metadata file. Raises InvalidInput with the place of what is none."""
    graph = value.get("@graph") if isinstance(value, dict) else None
    if not isinstance(graph, list):
        raise InvalidInput(
            "RO-Crate metadata is an object with the list @graph.",
            path=f"{where}: $",
        )
    notes: list[str] = []
    entities: dict[str, dict[str, Any]] = {}
    for place, entity in enumerate(graph):
        id_ = entity.get("@id") if isinstance(entity, dict) else None
        if not isinstance(id_, str) or not id_:
            raise InvalidInput(
                "an entity is an object with the text @id.", path=f"{where}: $.@graph[{place}]"
            )
        known = entities.setdefault(id_, entity)
        if known is not entity and known != entity:
            notes.append(f"{id_[:80]!r} is described twice in the crate; the first counts.")
    return Crate(entities, _root(where, entities), content, source, f"{where}: $", notes)


def _root(where: Path, entities: Mapping[str, dict[str, Any]]) -> str:
    """The id of the root: what the metadata file is about."""
    for id_, entity in entities.items():
        if id_.rpartition("/")[2] in METADATA:
            about = references(entity.get("about"))
            if about and about[0] in entities:
                return about[0]
    if "./" in entities:
        return "./"
    raise InvalidInput(
        "the metadata file names no root of the crate (about).", path=f"{where}: $.@graph"
    )


def path_in_crate(id_: str) -> str | None:
    """The path of a file in the crate by the id of its entity; None for what is elsewhere."""
    if id_.startswith(("#", "_:", "/", "\\")) or ":" in id_.partition("/")[0] or "\x00" in id_:
        return None
    path = PurePosixPath(unquote(id_.partition("#")[0]))
    inside = path.parts and ".." not in path.parts and not path.is_absolute()
    return str(path) if inside and "\x00" not in str(path) else None
