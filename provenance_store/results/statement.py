"""A statement on how a record came to be, as a Python object."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

__all__ = ["Statement"]


class Statement:
    """An in-toto Statement on how a record came to be; print it to read it on one page.

    `to_dict` is what is signed, and what `braid verify` compares with the store.
    """

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._document = dict(document)

    @property
    def urn(self) -> str:
        """The permanent name of the record that it is on."""
        return str(self.predicate["evidence"]["root"])

    @property
    def predicate(self) -> dict[str, Any]:
        """What is stated: claim, counts, chain, models, facts, what is not supported, evidence."""
        found: dict[str, Any] = self._document["predicate"]
        return found

    def to_dict(self) -> dict[str, Any]:
        """The statement as JSON has it.

        >>> document = reader.statement("braggnn@champion").to_dict()
        >>> document["predicate"]["counts"]["records"]["step"]
        2
        """
        return dict(self._document)

    def page(self, form: Literal["text", "markdown"] = "text", *, full: bool = False) -> str:
        """The statement as people read it: on one page, or with `full` each record of it.

        >>> page = reader.statement("braggnn@champion").page("markdown")
        >>> page.splitlines()[0]
        '# Statement on braggnn v2'
        """
        from provenance_store.statement import page

        return (page.account if full else page.page)(self._document, form)

    def __str__(self) -> str:
        return self.page()

    def __repr__(self) -> str:
        leaves = self.predicate["evidence"]["leaves"]
        name = next((one["record"]["name"] for one in leaves if one["id"] == self.urn), None)
        return f"<statement on {name!r} {self.urn}>"

    def _repr_markdown_(self) -> str:
        return self.page("markdown")
