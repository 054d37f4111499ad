"""The top of the command tree. `braid flow validate` is `braid/commands/flow/validate.py`."""

from __future__ import annotations

import click

from braid import __version__
from braid.cli.lazy_group import LazyGroup

__all__ = ["command"]

COMMANDS = {
    "demo": "Run the main job here: sandbox, provider, a flow, its history.",
    "serve": "Serve the action provider and the query API.",
    "doctor": "Look whether Braid is set up well; exit 1 when something fails.",
    "sandbox": "Serve a local stand-in for Globus Auth, Groups, Transfer and Flows.",
    "store": "Create, upgrade, describe, reduce or check a store.",
    "flow": "Validate, instrument, run or deploy flow definitions.",
    "runs": "List flow runs, newest first.",
    "run": "Show one flow run.",
    "record": "Record a fact, data, a model version or a step.",
    "exec": "Run a command and record it as a step.",
    "spool": "Load what jobs recorded into files.",
    "records": "List records, newest first.",
    "show": "Show everything known of one record, model version or run.",
    "tag": "Set tags of a record.",
    "untag": "Remove tags from a record.",
    "alias": "Give a model version a name such as champion.",
    "models": "List models, find the best, show the versions of one, or one version.",
    "export": "Write records, runs or a store as PROV, RO-Crate, DataCite or GMeta.",
    "import": "Import W3C PROV, an RO-Crate of a run, or a database of Braid-DB.",
    "invalidate": "Mark a record, and all that derives from it, as invalid.",
    "slice": "Write a part of the history as a store of its own.",
    "merge": "Merge other stores, SQLite files, into this one.",
    "mascot": "Record the Mascot workload of the Braid-DB paper, and count.",
    "lineage": "Show what a record came from, or what came of it.",
    "statement": "Make or verify a statement on how a result came to be.",
    "diff": "Show how two results differ; exit 1 if they do.",
    "digest": "Record size and digest of files that records name.",
    "verify": "Check that files are still as recorded; exit 1 if not.",
}


@click.command(
    cls=LazyGroup,
    package="braid.commands",
    commands_help=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog='Completion for bash: eval "$(_BRAID_COMPLETE=bash_source braid)"; '
    "zsh and fish likewise.",
)
@click.version_option(__version__, "-V", "--version", message="braid %(version)s")
def command() -> None:
    """Provenance for machine-learning-driven science."""
