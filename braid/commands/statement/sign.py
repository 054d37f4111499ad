"""`braid statement sign`"""

from __future__ import annotations

from pathlib import Path

import click

from braid.cli.files import read_given
from braid.commands.statement.make import KEY, signed, tell

__all__ = ["command"]


@click.command()
@click.argument(
    "file", metavar="FILE", type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
@click.option("--key", metavar="KEY.pem", type=KEY, required=True, help="The private key.")
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write it to this file. [default: standard output]",
)
def command(*, file: Path, key: Path, output: Path | None) -> None:
    """Sign a statement that was written as JSON.

    What `braid statement ID --format json` wrote has to hold by itself, as `braid statement verify
    FILE` says. What is signed already is refused. The key is ed25519 or ECDSA P-256, in PEM as
    openssl writes it.
    """
    from provenance_store.errors import BadFile
    from provenance_store.statement.envelope import read_json
    from provenance_store.statement.verdict import judge, opened

    document = read_json(read_given(file), path=f"{file}: $")
    statement, envelope = opened(document, path=str(file))
    if envelope is not None:
        raise BadFile("The statement is signed already; sign the one that it was made from.")
    if not judge(statement, None).holds:
        raise BadFile(f"The statement does not hold; `braid statement verify {file}` says why not.")
    tell(signed(statement, key), output)
