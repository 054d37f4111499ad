"""`braid store upgrade`"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from braid.cli.options import writes
from braid.cli.source import Source

if TYPE_CHECKING:
    from provenance_store.opening import UpgradePlan

__all__ = ["command"]


@click.command()
@writes
@click.option("--dry-run", is_flag=True, help="Say what would be done, and change nothing.")
def command(*, source: Source, dry_run: bool) -> None:
    """Bring a store to the schema of this version.

    Nothing is lost, and nothing happens when the store is up to date. Safe while other programs
    start on the same store; make a backup first all the same (`braid store backup`). With
    --dry-run it says whether servers of the version that is there now can go on meanwhile.
    """
    from provenance_store.opening import plan_upgrade, upgrade_store

    if dry_run:
        click.echo(_sentence(plan_upgrade(source.url), source.shown), err=True)
        return
    upgrade_store(source.url)
    click.echo(f"The store {source.shown} is up to date.", err=True)


def _sentence(plan: UpgradePlan, shown: str) -> str:
    if plan.found is None:
        return f"There is no store {shown} yet; it would be made, with schema {plan.to}."
    if not plan.is_needed:
        newer = f"has schema {plan.found}, and this Braid {plan.to}, which can write to it."
        return f"The store {shown} {'is up to date.' if plan.found == plan.to else newer}"
    others = (
        "Programs of the version that is there now can go on meanwhile, and afterwards."
        if plan.others_go_on
        else f"Stop all programs of a Braid whose schema is older than {plan.min_writer} first: "
        "they cannot use it afterwards."
    )
    return f"The store {shown} would be upgraded from schema {plan.found} to {plan.to}. {others}"
