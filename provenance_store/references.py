"""How records are named: one reading of what people and programs write.

A reference is a handle, what a reader returned, an id, or text: a URN, a short id (``3.17``), a
URI, ``NAME@v3`` for a version of a model, ``NAME@ALIAS`` for the version that has an alias, or a
name that one thing alone has; of a model that is its newest version. A `Path` is the file at that
path, and a document the record that its ``id`` names.

What a text names depends on the store and on who asks: `queries.records.find` looks it up.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple
from urllib.parse import unquote

from provenance_store.errors import InvalidInput
from provenance_store.handles import Record
from provenance_store.ids import short_id
from provenance_store.validation.scalars import described, is_a, one_or_many, plain, type_name

__all__ = [
    "NAMED_TAG",
    "Head",
    "NamesRecord",
    "Parts",
    "Reference",
    "has_scheme",
    "is_document",
    "is_id",
    "is_name",
    "local",
    "named_at",
    "parts_of",
    "path_of",
    "places_of",
    "several",
    "spelled",
    "spellings_of",
]

NAMED_TAG = "braid_named"
"""The tag of an id that stands for a reference by name until a store is asked: see `Sink.named`."""
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")
_ID = re.compile(r"urn:braid:|[0-9]+\.[0-9]+$", re.IGNORECASE)
_VERSION = re.compile(r"v([0-9]{1,9})")
_FILE = "file:///"
_PATHS = ("/", "./", "../", "~/")


@dataclass(frozen=True, slots=True)
class Head:
    """A model version as a store finds it, such as one that none revises.

    `status` is that of the step that made it, None where that is not known or no step did.
    `passed_over` are the versions that came of it and whose step failed, as far as that was asked.
    """

    id: int
    line_id: int
    version: int
    name: str
    run_id: str | None
    status: str | None = None
    passed_over: tuple[int, ...] = ()


class NamesRecord:
    """What a reader returned of a record: it names that record."""

    __slots__ = ()

    def _spelled(self) -> str:
        """The text of the reference; raises what is wrong with it as one."""
        raise NotImplementedError


Reference = Record | Head | NamesRecord | str | int | os.PathLike[str] | Mapping[str, Any]
"""What names a record, see above; a bare integer is an id of the store."""


class Parts(NamedTuple):
    """A text that names a version of a model: by its number, or by an alias."""

    name: str
    version: int | None
    alias: str | None


def named_at(text: str) -> tuple[str, int | None]:
    """A reference by name, and the time for which it stands, where a handle brought it here from
    a process that could not look it up (`Sink.travelling`)."""
    tag, _, rest = text.partition(":")
    at, _, name = rest.partition(":")
    return (name, int(at)) if tag == NAMED_TAG and at.isdigit() else (text, None)


def is_document(given: object) -> bool:
    """Whether it is a document of one record, such as `DocumentReader.record` answers with."""
    return type(given) is dict and "id" in given


def several(given: object) -> list[Reference]:
    """The references that are given where several may be: one alone is taken as one."""
    return list(one_or_many(given, mapping=is_document(given)))


def spelled(given: object) -> str:
    """The text of a reference. Raises InvalidInput for what names nothing."""
    if is_a(given, Record):
        handle: Record = given  # type: ignore[assignment]
        return handle.urn
    if is_a(given, NamesRecord):
        result: NamesRecord = given  # type: ignore[assignment]
        return result._spelled()
    if is_a(given, Head):
        return short_id(given.id)  # type: ignore[attr-defined]
    if is_a(given, os.PathLike):
        return _file_of(given)
    if is_document(given):
        return spelled(given["id"])  # type: ignore[index]
    value = plain(given)
    if type(value) is int and value > 0:
        return short_id(value)
    if type(value) is str:
        return value
    raise InvalidInput(
        "A record is named by its handle, its id, its URN, a URI or a name, not by "
        f"{described(given)}."
    )


def _file_of(given: Any) -> str:
    try:
        return _file(Path(os.fsdecode(given)))
    except Exception as error:  # whatever a path of somebody else's class does when it is asked
        raise InvalidInput(
            f"A path that names a record cannot be read: {type_name(error)} was raised."
        ) from None


def local(text: str) -> str:
    """A reference as it is typed on this machine: a path, or the name of a file that is here,
    becomes the URI of that file. A folder needs a slash in its name: models are often called like
    the folder of their checkpoints."""
    if (path := path_of(text)) is not None:
        return _file(path)
    if is_id(text) or has_scheme(text) or "\x00" in text:
        return text
    try:
        found = os.lstat(text)
    except (OSError, ValueError):
        return text
    is_path = os.sep in text or not stat.S_ISDIR(found.st_mode)
    return _file(Path(text)) if is_path else text


def path_of(text: str) -> Path | None:
    """The path that a text is without doubt: it begins with ``/``, ``./``, ``../`` or ``~/``, be
    there such a file or not. None for anything else."""
    if not text.startswith(_PATHS) or "\x00" in text:
        return None
    try:
        return Path(text).expanduser()
    except RuntimeError:  # nobody's home
        return None


def places_of(text: str) -> list[str]:
    """The URIs of the file of this machine that a text names as a path, and that of its folder as
    it is called where links lead there; none for what is no path, or a relative one of no file."""
    path = path_of(text)
    if path is None:
        if os.sep not in text or has_scheme(text) or "\x00" in text or not os.path.lexists(text):
            return []
        path = Path(text)
    try:
        return list(dict.fromkeys((_file(path), path.absolute().as_uri())))
    except (OSError, ValueError):
        return []


def spellings_of(text: str, *, here: bool) -> Iterator[str]:
    """How a place may be written in a store, where a text names it: as it is, as the URI of a file
    of this machine, or as the path that it was recorded by before paths became URIs.

    With `here` the text is of somebody on this machine, whose files may be looked at.
    """
    yield text
    if here:
        places = [local(text), *places_of(text)]
    else:
        places = [PurePosixPath(text).as_uri() if text.startswith("/") else text]
    for place in places:
        yield place
        if place.startswith(_FILE):
            yield (path := unquote(place[len(_FILE) - 1 :]))
            with suppress(OSError, ValueError):
                if here and (beside := Path(path).relative_to(Path.cwd())).parts:
                    yield str(beside)
                    yield f"./{beside}"


def is_id(text: str) -> bool:
    """Whether a text is meant as an id, be it one or not."""
    return _ID.match(text) is not None


def has_scheme(text: str) -> bool:
    """Whether a text begins like a URI."""
    return _SCHEME.match(text) is not None


def is_name(text: str) -> bool:
    """Whether a text is a bare name: neither an id nor a URI or a path, and of no version."""
    return not (is_id(text) or has_scheme(text) or text.startswith("/") or parts_of(text))


def parts_of(text: str) -> Parts | None:
    """What ``NAME@v3`` or ``NAME@ALIAS`` says; None for anything else."""
    name, at, rest = text.partition("@")
    if not (name and at and rest):
        return None
    number = _VERSION.fullmatch(rest)
    return Parts(name, int(number[1]) if number else None, None if number else rest)


def _file(path: Path) -> str:
    from provenance_store.files import file_uri

    return file_uri(path)
