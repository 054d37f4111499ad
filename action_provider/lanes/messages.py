"""What a worker and the process of a lane say to each other: a request, and its answer."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from io import BytesIO
from typing import Any

import msgspec

__all__ = ["Answered", "Forwarded"]


class Forwarded(msgspec.Struct, array_like=True, frozen=True):
    """A request as WSGI has it, its token included, and its body."""

    environ: dict[str, str]
    body: bytes

    @classmethod
    def of(cls, environ: Mapping[str, Any], body: bytes) -> Forwarded:
        """What a process elsewhere needs of a request; a body in chunks is in one piece there."""
        text = {name: value for name, value in environ.items() if isinstance(value, str)}
        text.pop("HTTP_TRANSFER_ENCODING", None)
        return cls(text, body)

    def wsgi(self) -> dict[str, Any]:
        """As WSGI has it again."""
        return {
            **self.environ,
            "CONTENT_LENGTH": str(len(self.body)),
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": self.environ.get("wsgi.url_scheme", "http"),
            "wsgi.input": BytesIO(self.body),
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": True,
            "wsgi.multiprocess": True,
            "wsgi.run_once": False,
        }


class Answered(msgspec.Struct, array_like=True, frozen=True):
    """Its answer, and how many records and steps were written for it."""

    status: str
    headers: list[tuple[str, str]]
    body: bytes
    records: int = 0
    steps: int = 0
