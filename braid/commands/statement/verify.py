"""`braid statement verify`"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from braid.cli.errors import SAID_NO
from braid.cli.files import LARGEST_KEY, read_given
from braid.cli.options import displays
from braid.cli.output import Display
from braid.cli.source import Source
from provenance_store.display import counted

if TYPE_CHECKING:
    from provenance_store.statement.compare import Present
    from provenance_store.statement.verdict import Verdict

__all__ = ["command"]

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

    That its digests are right, and that its parts agree and follow from its evidence; with --key
    that it was signed so; with --store or --server that all that it says still follows from the
    records, and that none has been marked invalid since. What does not hold is told record by
    record. Not compared are the program that made it, and the time and limit that were asked for.
    """
    if store and server:
        raise click.UsageError("--store and --server exclude each other; give one of them.")
    from provenance_store.statement.envelope import read_json
    from provenance_store.statement.verdict import judge, opened

    document = read_json(read_given(file), path=f"{file}: $")
    statement, envelope = opened(document, path=str(file))
    look = None
    if store or server:
        evidence = statement["predicate"]["evidence"]
        look = _looking(evidence, Source(store=store, server=server))
    public_key = read_given(key, most=LARGEST_KEY) if key else None
    verdict = judge(statement, envelope, public_key=public_key, look=look)
    if display.format == "json":
        display.json(verdict.document())
    else:
        display.lines(list(_lines(verdict)))
    context.exit(0 if verdict.holds else SAID_NO)


def _looking(evidence: dict[str, Any], source: Source) -> Callable[[], Present]:
    """Asks the store, or the server, what it says of the same records, as of the same time."""
    from provenance_store.ids import now
    from provenance_store.statement.compare import as_shown
    from provenance_store.statement.document import evidence_of
    from provenance_store.times import parse_time

    def look() -> Present:
        with source.read() as history:
            if source.server is None:
                found: Present = history.evidence_again(evidence)  # type: ignore[union-attr]
                return found
            as_of = parse_time(evidence["as_of"], now=now())
            again = history.statement(evidence["root"], limit=evidence["limit"], as_of=as_of)
            return as_shown(
                evidence, evidence_of(again), lambda urn: history.record(urn)["metrics"]
            )

    return look


def _lines(verdict: Verdict) -> Iterator[str]:
    yield f"Statement on {verdict.root}, over {counted(verdict.records, 'record')}."
    yield f"Evidence: {'its digests are right' if verdict.is_whole else 'it was ALTERED'}."
    wanted = ", but should be" if verdict.signature_wanted and verdict.signature == "none" else ""
    yield SIGNATURE[verdict.signature].format(wanted)
    if verdict.compared:
        same = "the records say the same today" if verdict.is_same else "the records DIFFER today"
        yield f"Store: {same}."
    else:
        why = "give --store or --server" if verdict.is_whole else "the evidence is not as it was"
        yield f"Store: not compared; {why}."
    from provenance_store.statement.compare import NOT_THERE

    missing = [one.record for one in verdict.changed or () if one.field == NOT_THERE]
    if len(missing) > 1:
        yield f"  {len(missing):,} of the {verdict.records:,} records are not in the store."
    yield from (f"  {difference.sentence()}" for difference in verdict.differences[:SHOWN])
    if len(verdict.differences) > SHOWN:
        yield f"  and {len(verdict.differences) - SHOWN:,} more; --format json has all of them."
    yield from (f"Note: {note}" for note in verdict.notes)
    yield "As far as it was checked, it holds." if verdict.holds else "It does NOT hold."
