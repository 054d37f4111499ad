"""From an exception to an exit code and one line on standard error, once, in one table."""

from __future__ import annotations

import re
import traceback
from urllib.parse import urlsplit

import click

from braid.cli.output import printable, say
from braid.settings import DEBUG
from provenance_store.errors import (
    Ambiguous,
    BadFile,
    BraidError,
    ConfigurationError,
    InvalidInput,
    StoreUnavailable,
)

__all__ = ["EXIT_CODES", "SAID_NO", "describe", "exit_code", "report"]

LONGEST = 4000
"""Characters of a sentence."""
SAID_NO = 1
CALLED_WRONG = 2

EXIT_CODES: tuple[tuple[type[BaseException], int], ...] = (
    (BadFile, SAID_NO),
    (InvalidInput, CALLED_WRONG),
    (ConfigurationError, CALLED_WRONG),
    (click.UsageError, CALLED_WRONG),
    (BaseException, SAID_NO),
)
"""The first row that fits decides. Everything not listed is a "no" (1), and so is what a file
holds, as opposed to what an option says: BadFile, and what has a PLACE_IN_A_FILE."""

PLACE_IN_A_FILE = re.compile(r"(^|: )(\$|line )")
"""The path of a problem inside a document: ``$.States.A`` or ``flow.json: line 3 column 5``."""

GLOBUS_API_ERROR = "globus_sdk.exc.api.GlobusAPIError"
GLOBUS_NETWORK_ERROR = "globus_sdk.exc.convert.NetworkError"
GLOBUS_ERROR = "globus_sdk.exc.base.GlobusError"


def report(error: BaseException) -> int:
    """Say what went wrong in one line on standard error, and below it what a name may stand for;
    returns the exit code.

    With BRAID_DEBUG set the trace follows. A group called without a command shows its help.
    """
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        click.echo(error.format_message(), err=True)
        return CALLED_WRONG
    from provenance_store.display import shown
    from provenance_store.redaction import scrub_text

    if isinstance(error, Ambiguous) and error.told:
        say(shown(error.asked, LONGEST))
        for choice in error.told:
            click.echo(f"  {printable(shown(choice))}", err=True)
    else:
        say(shown(describe(error), LONGEST))
    if DEBUG.get():
        for line in scrub_text("".join(traceback.format_exception(error))).splitlines():
            click.echo(printable(line), err=True)
    return exit_code(error)


def exit_code(error: BaseException) -> int:
    """1 for a "no", 2 for a call that was wrong."""
    if isinstance(error, InvalidInput) and PLACE_IN_A_FILE.search(error.path):
        return SAID_NO
    return next(code for kind, code in EXIT_CODES if isinstance(error, kind))


CONSENTS = ("--yes",)
"""Options that are never suggested for another one: they would do what is only asked about."""


def describe(error: BaseException) -> str:
    """One sentence: what was wrong, and what to do about it."""
    if isinstance(error, Ambiguous) and error.choices and not error.told:
        return f"{error.message} It may be: {', '.join(error.choices)}."
    if isinstance(error, StoreUnavailable) and (server := _database_server(error)):
        return (
            f"The store's database server at {server} cannot be reached; check the store's URL, "
            "and whether PostgreSQL runs there and lets this machine connect."
        )
    if isinstance(error, BraidError):
        return error.message
    if isinstance(error, click.UsageError):
        return _with_help_hint(error)
    if isinstance(error, click.ClickException):
        return error.format_message()
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}." if error.filename else f"{error.strerror}."
    return _foreign(error) or _unexpected(error)


def _with_help_hint(error: click.UsageError) -> str:
    if isinstance(error, click.NoSuchOption) and set(CONSENTS).intersection(
        error.possibilities or ()
    ):
        error = click.NoSuchOption(error.option_name, ctx=error.ctx)
    message = error.format_message()
    if error.ctx is None:
        return message
    return f"{message} See '{error.ctx.command_path} --help'."


def _foreign(error: BaseException) -> str | None:
    """Errors of globus-sdk, told by name so that this module need not import it."""
    names = {f"{kind.__module__}.{kind.__qualname__}" for kind in type(error).__mro__}
    if GLOBUS_API_ERROR in names:
        status = getattr(error, "http_status", "an error")
        message = getattr(error, "message", None) or getattr(error, "code", "no explanation")
        return f"Globus answered {status}: {message}"
    if GLOBUS_NETWORK_ERROR in names:
        from provenance_store.unreachable import why_unreachable

        return (
            f"{_asked(error)} cannot be reached: {why_unreachable(error)}; check its address and "
            "the network, or try again later."
        )
    return f"Globus login: {error}" if GLOBUS_ERROR in names else None


SERVER = re.compile(
    r"""server at "([^"]{1,200})"(?:, port (\d{1,5}))?|resolve host '([^']{1,200})'"""
)
"""Of the words of libpq and psycopg on a connection that came to nothing."""


def _database_server(error: BaseException) -> str:
    """Where the database server is to be that was not reached; empty for any other error. What is
    answered over HTTP does not say it."""
    if "cannot be reached" not in str(error):
        return ""
    found = SERVER.search(str(error.__cause__ or error.__context__))
    if found is None:
        return ""
    return (found[1] or found[3]) + (f" port {found[2]}" if found[2] else "")


def _asked(error: BaseException) -> str:
    """The machine that a request was for, where the error tells."""
    request = getattr(getattr(error, "underlying_exception", None), "request", None)
    parts = urlsplit(str(getattr(request, "url", "") or ""))
    if not parts.hostname:
        return "A Globus service or the Braid server"
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def _unexpected(error: BaseException) -> str:
    first_line = (str(error).splitlines() or [""])[0]
    return (
        f"unexpected {type(error).__name__}: {first_line} "
        "(set BRAID_DEBUG=1 to see the trace, and please report it)"
    )
