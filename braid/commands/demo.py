"""`braid demo`"""

from __future__ import annotations

from pathlib import Path

import click

from provenance_store.extras import require

__all__ = ["command"]


@click.command()
@click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where to work: an empty folder, or one to be made. "
    "[default: braid-demo here, or braid-demo-2 and so on]",
)
def command(*, folder: Path | None) -> None:
    """Run the main job here: sandbox, provider, a flow, its history.

    Starts a sandbox of Globus and the action provider on this machine, deploys and runs a flow
    that trains a small neural network on x-ray detector frames, and shows what was recorded: the
    run, the lineage of its result and the versions of the model. Takes less than a minute and
    needs no account. The store and the files stay in the folder.
    """
    require("demo", "The demo")
    from braid.demo.main_job import demonstrate, prepare_folder

    demonstrate(prepare_folder(folder))
