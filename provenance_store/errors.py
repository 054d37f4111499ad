"""Every error Braid raises on purpose, in one tree.

::

    BraidError
    ├── InvalidInput        the caller's data is wrong: says where (``path``) and what to do
    │   ├── TooLarge        ... and it is only its size or depth that is wrong
    │   └── BadFile         ... and it is what a file holds, not how anything was called
    ├── NotFound            no such thing, or the viewer may not know that there is
    ├── Ambiguous           a name that fits several records: carries them as ``choices``
    ├── NotAllowed          the viewer sees the thing but may not do this to it
    ├── Conflict            the store already says otherwise: record, field and both values
    │   └── Sealed          an addition to a record that is closed to additions
    ├── StoreUnavailable    locked, full, unreachable: the same call may work later
    │   ├── DiskFull        ... and there is no room to write
    │   └── StoreDamaged    ... and not before a backup is put back
    ├── SchemaMismatch      the store's schema is older or newer than this program
    ├── ServiceUnavailable  another service (Globus Auth, Flows, a provider) did not answer
    └── ConfigurationError  a setting or an option is missing or makes no sense
        └── MissingExtra    ... and it is a library that an extra of Braid brings

Views and commands never catch these: ``action_provider.errors`` maps them to HTTP and
``braid.cli.errors`` to exit codes, once, each in one table.

Views and commands do not catch these errors: `action_provider.errors` maps them to HTTP answers and
`braid.cli.errors` to exit codes, each in one table.
"""

from __future__ import annotations

from collections.abc import Sequence

__all__ = [
    "Ambiguous",
    "BadFile",
    "BraidError",
    "ConfigurationError",
    "Conflict",
    "DiskFull",
    "InvalidInput",
    "MissingExtra",
    "NotAllowed",
    "NotFound",
    "SchemaMismatch",
    "Sealed",
    "ServiceUnavailable",
    "StoreDamaged",
    "StoreUnavailable",
    "TooLarge",
]


class BraidError(Exception):
    """Something went wrong in Braid."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or (type(self).__doc__ or "").split("\n")[0])

    @property
    def message(self) -> str:
        """One sentence for the person who called: what was wrong where, and what to do."""
        return str(self.args[0])


class InvalidInput(BraidError):
    """The input is not valid."""

    def __init__(self, message: str | None = None, *, path: str = "") -> None:
        super().__init__(f"{path}: {message}" if path and message else message)
        self.path = path


class TooLarge(InvalidInput):
    """The input is too large or too deeply nested."""


class BadFile(InvalidInput):
    """The file does not hold what it should."""


class NotFound(BraidError):
    """There is no such thing."""


class Ambiguous(BraidError):
    """The name fits several records; give an id instead.

    `told` says of each choice what it can be told by; `asked` is the message without that.
    """

    def __init__(
        self,
        message: str | None = None,
        *,
        choices: Sequence[str] = (),
        told: Sequence[str] = (),
    ) -> None:
        super().__init__(f"{message} {'; '.join(told)}." if told else message)
        self.choices = tuple(choices)
        self.told = tuple(told)
        self.asked = message or ""


class NotAllowed(BraidError):
    """You may see this, but not change it."""


class Conflict(BraidError):
    """The store already holds this with another content."""

    def __init__(
        self,
        message: str | None = None,
        *,
        record: str = "",
        field: str = "",
        stored: object = None,
        given: object = None,
    ) -> None:
        if message is None and record:
            message = f"{record}: {field} is stored as {stored!r}, but {given!r} was given."
        super().__init__(message)
        self.record = record
        self.field = field
        self.stored = stored
        self.given = given


class Sealed(Conflict):
    """The record is static and takes no additions; record a new one that derives from it."""


class StoreUnavailable(BraidError):
    """The store cannot be reached or written to at the moment; try again."""


class DiskFull(StoreUnavailable):
    """There is no room to write."""


class StoreDamaged(StoreUnavailable):
    """What is at the place of the store is damaged, or is no store."""


class SchemaMismatch(BraidError):
    """The store's schema does not fit this version of Braid; run `braid store upgrade`."""


class ServiceUnavailable(BraidError):
    """A service that is needed did not answer; try again."""


class ConfigurationError(BraidError):
    """A setting is missing or not valid."""


class MissingExtra(ConfigurationError, ImportError):
    """A library is not installed that one of Braid's extras brings."""

    def __init__(self, message: str | None = None, *, name: str | None = None) -> None:
        super().__init__(message)
        self.name = name
