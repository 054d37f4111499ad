"""Lists that are read page by page, as they are looked at."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from provenance_store.errors import InvalidInput
from provenance_store.results.base import Result, read
from provenance_store.results.frames import HEADS, frame, row
from provenance_store.results.html import table

if TYPE_CHECKING:
    import pandas

__all__ = ["Ask", "Listing"]

FIRST_PAGE, LATER_PAGES = 100, 1000
"""Items that are asked for at once: few, for most lists are only looked at."""
SHOWN = 20
"""Items that a notebook shows."""

R = TypeVar("R", bound=Result)
Ask = Callable[[int, str | None], dict[str, Any]]
"""Asks for a page of so many items, behind a marker."""


class Listing(Generic[R]):
    """All items of a list, in its order: iterate over it, as often as you like.

    The first page is read when the list is asked for, which raises what is wrong with the question;
    further pages are read while it is iterated over, and not kept. What is recorded meanwhile may
    be among them. It is true when it has any item.
    """

    def __init__(self, name: str, kind: type[R], ask: Ask, limit: int | None = None) -> None:
        if limit is not None and (type(limit) is not int or limit < 1):
            raise InvalidInput("A limit must be a whole number of 1 or more, or None for all.")
        self._name = name
        self._kind = kind
        self._ask = ask
        self._limit = limit
        self._first = ask(min(FIRST_PAGE, limit or FIRST_PAGE), None)

    @property
    def hint(self) -> str | None:
        """Of an empty list: a name that was asked for, and those that are like it."""
        return self._first.get("hint")

    def first(self) -> R | None:
        """The first item; None where there is none.

        >>> reader.records(kind="data", tags="sample=Ni").first().name
        'scan-17'
        """
        return next(iter(self), None)

    def all(self) -> list[R]:
        """Every item, in memory.

        >>> steps = reader.run("8c1f2d3e").steps.all()
        >>> len(steps)
        2
        """
        return list(self)

    def to_dict(self) -> dict[str, Any]:
        """The first page as the document of the query API.

        >>> import json
        >>> text = json.dumps(reader.records(kind="data").to_dict())
        >>> [record["name"] for record in json.loads(text)["records"]]
        ['peaks-17', 'scan-18', 'scan-17']
        """
        return dict(self._first)

    def to_dataframe(self) -> pandas.DataFrame:
        """Every item as a row of a pandas data frame.

        Columns are the fields of the items; tags, scores, hyperparameters and parameters have a
        column for each name, such as ``tags.sample``. Times are in UTC. Records that are mentioned
        are URNs, places URIs. Raises MissingExtra where pandas is not installed.

        >>> frame = reader.records(kind="data", name="scan-*").to_dataframe()
        >>> frame[["name", "tags.sample", "tags.temperature_K"]]
              name tags.sample  tags.temperature_K
        0  scan-18          Ti               310.0
        1  scan-17          Ni               293.5
        """
        return frame(self._kind, self)

    def __iter__(self) -> Iterator[R]:
        return islice(self._items(), self._limit)

    def _items(self) -> Iterator[R]:
        page, read_so_far = self._first, 0
        while True:
            for document in page[self._name]:
                yield read(document, self._kind)
            read_so_far += len(page[self._name])
            left = LATER_PAGES if self._limit is None else self._limit - read_so_far
            if page["marker"] is None or left < 1:
                return
            page = self._ask(min(left, LATER_PAGES), page["marker"])

    def __bool__(self) -> bool:
        return bool(self._first[self._name])

    def __repr__(self) -> str:
        return f"<{self._size()} {self._name}>"

    def _repr_html_(self) -> str:
        some = list(islice(self, SHOWN))
        columns = HEADS[self._name]
        more = len(some) == SHOWN and (len(self._first[self._name]) > SHOWN or self._goes_on())
        below = f"The first {SHOWN} of {self._size()}" if more else (self.hint or "")
        return table(columns, (row(each, columns) for each in some), below=below)

    def _size(self) -> str:
        number = len(self._first[self._name])
        return f"{number} or more" if self._goes_on() else f"{number}"

    def _goes_on(self) -> bool:
        number = len(self._first[self._name])
        return self._first["marker"] is not None and (self._limit is None or self._limit > number)
