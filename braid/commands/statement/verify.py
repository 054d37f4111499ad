"""`braid statement verify`"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from braid.errors import SAID_NO
from braid.options import displays
from braid.output import Display
from braid.source import Source
from provenance_store.errors import InvalidInput

if TYPE_CHECKING:
    from provenance_store.statement.verdict import Verdict

__all__ = ["command"]

NOT_THERE = "the record is not in the store"
SHOWN = 10
"""How many differences are told people."""
SIGNATURE = {
    "none": "Signature: it is not signed{}.",
    "unchecked": "Signature: not checked; give the signer's public key with --key.",
    "holds": "Signature: made with the key given, over these very bytes.",
    "broken": "Signature: NOT made with the key given, or the content was altered since.",
}


@click.command()
@click.argument(
    "file", metavar="FILE", type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
@click.option(
    "--key",
    metavar="PUB.pem",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The public key that it must be signed with; a file that is not signed then fails.",
)
@click.option("--store", metavar="URL", help="Compare it with the records of this store.")
@click.option("--server", metavar="URL", help="Compare it with what this server shows you.")
@displays("text", "json")
@click.pass_context
def command(
    context: click.Context,
    /,
    *,
    file: Path,
    key: Path | None,
    store: str | None,
    server: str | None,
    display: Display,
) -> None:
    """Check a statement; exit 1 when it does not hold.

    That its digests are right and its account follows from its evidence; with --key that it was
    signed so; with --store or --server that the records still say the same today, and that none
    has been marked invalid since. What does not hold is told record by record.
    """
    if store and server:
        raise click.UsageError("--store and --server exclude each other; give one of them.")
    from provenance_store.statement.verdict import judge, opened

    document = _document(file)
    statement, envelope = opened(document, path=str(file))
    present = None
    if store or server:
        present = _present(statement["predicate"]["evidence"], Source(store=store, server=server))
    public_key = key.read_bytes() if key else None
    verdict = judge(statement, envelope, public_key=public_key, present=present)
    if display.format == "json":
        display.json(verdict.document())
    else:
        display.lines(list(_lines(verdict)))
    context.exit(0 if verdict.holds else SAID_NO)


def _document(file: Path) -> Any:
    data = file.read_bytes()
    try:
        return json.loads(data)
    except RecursionError:
        levels = sys.getrecursionlimit()
        why = f"it is nested more than {levels} levels deep."
    except ValueError as error:
        why = f"it is not JSON: {error}."
        if not data.lstrip().startswith((b"{", b"[")):
            why = "verify takes the JSON form of a statement, as `--format json` writes it."
    raise InvalidInput(why, path=f"{file}: $")


def _present(evidence: dict[str, Any], source: Source) -> dict[str, Any]:
    """What the store, or the server, says of the same records today, as of the same time."""
    from provenance_store.ids import now
    from provenance_store.statement.document import evidence_of
    from provenance_store.times import parse_time

    as_of = parse_time(evidence["as_of"], now=now())
    with source.read() as history:
        if source.server is None:
            ids = [leaf["id"] for leaf in evidence["leaves"]]
            found: dict[str, Any] = history.evidence(ids, as_of=as_of)  # type: ignore[union-attr]
            return found
        again = history.statement(evidence["root"], limit=evidence["limit"], as_of=as_of)
    return evidence_of(again)


def _lines(verdict: Verdict) -> Iterator[str]:
    yield f"Statement on {verdict.root}, over {verdict.records:,} records."
    yield f"Evidence: {'its digests are right' if verdict.is_whole else 'it was ALTERED'}."
    wanted = ", but should be" if verdict.signature_wanted and verdict.signature == "none" else ""
    yield SIGNATURE[verdict.signature].format(wanted)
    if verdict.compared:
        same = "the records say the same today" if verdict.is_same else "the records DIFFER today"
        yield f"Store: {same}."
    else:
        why = "give --store or --server" if verdict.is_whole else "the evidence is not as it was"
        yield f"Store: not compared; {why}."
    missing = [one.record for one in verdict.changed or () if one.field == NOT_THERE]
    if len(missing) > 1:
        yield f"  {len(missing):,} of the {verdict.records:,} records are not in the store."
    yield from (f"  {difference.sentence()}" for difference in verdict.differences[:SHOWN])
    if len(verdict.differences) > SHOWN:
        yield f"  and {len(verdict.differences) - SHOWN:,} more; --format json has all of them."
    yield from (f"Note: {note}" for note in verdict.notes)
    yield "As far as it was checked, it holds." if verdict.holds else "It does NOT hold."
