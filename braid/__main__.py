"""Where `braid` starts: runs the command tree and turns whatever happens into an exit code."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Sequence

__all__ = ["main"]

INTERRUPTED = 130
"""128 + SIGINT, as shells expect of a command stopped with Ctrl-C."""
OBJECTS_BETWEEN_COLLECTIONS = 50_000
"""Imports make a hundred thousand objects that stay: looking through them again and again for
garbage is a fifth of what a short command costs."""


def main(args: Sequence[str] | None = None) -> int:
    """Run one command line; returns its exit code and never raises.

    0 done, 1 said no, 2 called wrong; 130 after Ctrl-C. Errors are one line on standard error.
    """
    if sys.stdout is None:
        print("braid: standard output is closed; open it to see the answer.", file=sys.stderr)
        return 1
    before = _opened_and_changed()
    try:
        return _run(args)
    except KeyboardInterrupt:
        print(f"braid: stopped{_what_was_written(before)}.", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        return _reader_went_away()


def _opened_and_changed() -> tuple[int, int]:
    """As the module of that name says, if anything has loaded it."""
    watch = sys.modules.get("provenance_store.sql.watch")
    return (0, 0) if watch is None else watch.opened_and_changed()


def _what_was_written(before: tuple[int, int]) -> str:
    """Of a command that has opened a store, whether it had changed it when it was stopped: a
    transaction is written whole or not at all."""
    opened, changed = _opened_and_changed()
    if opened == before[0]:
        return ""
    if changed == before[1]:
        return "; nothing was written to the store"
    return "; what was written to the store before stays there"


def _run(args: Sequence[str] | None) -> int:
    """As `main`; what is imported is imported here, where Ctrl-C is waited for already."""
    gc.set_threshold(OBJECTS_BETWEEN_COLLECTIONS)
    import click

    from braid.commands import command
    from braid.installation import check_installation

    try:
        check_installation()
        code = command.main(args=args, prog_name="braid", standalone_mode=False)
        sys.stdout.flush()
    except click.Abort:
        raise KeyboardInterrupt from None
    except BrokenPipeError:
        raise
    except Exception as error:
        from braid.cli.errors import report

        return report(error)
    return code if isinstance(code, int) else 0


def _reader_went_away() -> int:
    """`braid runs | head`: what is left unsaid is not wanted, and Python must not try again at
    exit. The code is the one that click gives when it notices first."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 1


if __name__ == "__main__":
    sys.exit(main())
