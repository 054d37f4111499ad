"""The reference pages of docs/reference, written from the code: `make docs`."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import re
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import click

import hpc
import provenance_store
from braid.commands import command
from braid.diagnosis.machine import PACKAGES
from provenance_store.decisions import Option
from provenance_store.handles import Dataset, ModelVersion, Record, StepHandle
from provenance_store.queries.lineage_graph import Lineage
from provenance_store.queries.reader import Reader
from provenance_store.recording.recorder import Recorder
from provenance_store.results.listing import Listing
from provenance_store.results.statement import Statement
from provenance_store.settings import Setting
from provenance_store.store import Store
from provenance_store.values import Audience, Uri

__all__ = [
    "LEFT_OUT",
    "Section",
    "cli_page",
    "python_directives",
    "python_page",
    "sections",
    "settings_page",
    "write",
]

WIDTH = 80
HEAD = """\
# Python

Every call that a script makes, with its arguments, what it does, the errors
that it raises, and an example. For a first script read
[Record from Python](../record-from-python.md); what becomes of unusual values
is in [Values](../values.md). This page is written from the docstrings by `make
docs`.

`import braid` has all of it. `store` is what `braid.open_store` returns.
`recorder` is a store, or what `hpc.spool`, `hpc.remote` and `hpc.aggregated`
give; all of them record in the same way.

Arguments that take records (`depends_on`, `inputs`, `models`, `trained_on`,
...) take one or several: what a call returned, an id, a URN, a URI, a `Path`, a
name, `NAME@v3` or `NAME@ALIAS`
([how things are named](../query-history.md#how-things-are-named)). `uris`,
`file` and `files` take one or several, too. `metrics` are points such as
`{"epoch": 3, "loss": 0.2}`.

The examples run as tests. Each begins with a new `store` that holds the data
`scan`, the model `model`, and `version`, the first version after it, which was
trained on `scan`. Calls that only read are shown on
[a longer history](#ask-about-the-history). Methods that say so return the
record itself, so that calls can follow each other:
`store.data("scan-17").tag(sample="Ni")`.
"""


class Section(NamedTuple):
    """Calls that serve one purpose, each as it is written and what is called."""

    title: str
    text: str
    calls: tuple[tuple[str, Callable[..., Any]], ...]


LEFT_OUT = {
    Recorder: {
        *("decided", "decoded_payload", "generated", "link_later", "mark", "payload", "run_news"),
    },
    Store: set[str](),
    Reader: set[str](),
}
"""What servers, adapters and commands call, and scripts need not."""


def sections() -> list[Section]:
    """The sections in the order of the page."""
    return [
        Section(
            "Open a store, or record without one",
            "All of them are context managers, and have `close()`.",
            (
                ("braid.open_store", provenance_store.open_store),
                ("hpc.spool", hpc.spool),
                ("hpc.remote", hpc.remote),
                ("hpc.aggregated", hpc.aggregated),
                ("hpc.workers", hpc.workers),
                ("hpc.load_spool", hpc.load_spool),
                ("store.recorder", Store.recorder),
                ("store.bulk_load", Store.bulk_load),
            ),
        ),
        Section(
            "Record facts, data, datasets and models",
            "",
            _methods("recorder", Recorder, "fact", "data", "dataset", "model", "update"),
        ),
        Section(
            "Record a step",
            "`step` is what `recorder.step` returns. Used as a context manager it ends with the "
            "block, as FAILED if the block raises.",
            (
                *_methods("recorder", Recorder, "step"),
                *_methods("step", StepHandle, "used", "output", "updated", "finish"),
                *_methods("recorder", Recorder, "used", "finish"),
            ),
        ),
        Section(
            "Train a model",
            "`version` is what `model`, `update` and `step.updated` return.",
            (
                *_methods("version", ModelVersion, "update", "log", "add", "alias"),
                *_methods("recorder", Recorder, "log", "alias", "unalias"),
            ),
        ),
        Section(
            "Add to a record, or invalidate it",
            "`record` is what a recording call returned. It has the attributes `urn`, `short_id`, "
            "`name` and `kind`.",
            (
                *_methods("record", Record, "tag", "untag", "add", "promote"),
                *_methods("dataset", Dataset, "add_members"),
                *_methods("recorder", Recorder, "tag", "untag", "add", "promote", "found_file"),
                *_methods("store", Store, "invalidate", "restore", "link_same"),
            ),
        ),
        Section(
            "Record runs, decisions, and several things at once",
            "",
            _methods("recorder", Recorder, "run", "decide", "transaction", "flush"),
        ),
        Section(
            "Ask about the history",
            "`reader` is `store.reader()`. It answers with objects: a record has `urn`, `name`, "
            "`kind`, `created_at`, `tags` and the other fields of the query API's documents as "
            "attributes, None where the document has none. Times are datetimes in UTC, kinds, "
            "roles and marks members of `braid.Kind`, `braid.Role` and `braid.Mark`. What is found "
            "may be handed to recording calls. `to_dict()` gives the document, and notebooks show "
            "tables, and lineages as pictures.\n\n"
            "The examples here and in the next section read one history. A flow run, hedm-17, "
            "found `peaks-17` in the data `scan-17` (nickel, at 293.5 K) and trained version 1 of "
            "the model `braggnn` on these peaks; version 0 is the model before its training. Later "
            "a script trained version 2, the champion. Another step failed on `scan-18` (titanium, "
            "at 310 K).",
            (
                *_methods("store", Store, "reader", "documents"),
                *_methods("reader", Reader, "record", "records", "runs", "run"),
                *_methods("reader", Reader, "models", "model", "model_version"),
                *_methods("reader", Reader, "lineage", "statement", "resolve"),
            ),
        ),
        Section(
            "Go through what was found",
            "`listing` is what `records`, `runs` and `models` return, `reader.run(...).steps` and "
            "`reader.model(...).versions`: iterate over it. `lineage` and `statement` are what the "
            "calls of these names return; a lineage has `root`, `nodes`, `links` and `truncated`.",
            (
                *_methods("listing", Listing, "first", "all", "to_dataframe", "to_dict"),
                *_methods("lineage", Lineage, "to_dict", "to_dataframe", "to_networkx"),
                *_methods("statement", Statement, "page", "to_dict"),
            ),
        ),
        Section(
            "Maintain a store",
            "",
            _methods(
                "store", Store, "info", "check", "repair", "slice", "merge", "reduce", "close"
            ),
        ),
        Section(
            "Values",
            "",
            (("braid.Uri", Uri), ("braid.Audience", Audience), ("braid.Option", Option)),
        ),
    ]


def python_page() -> str:
    """Every call that a script makes, with its signature and what it does."""
    return "\n".join([HEAD, *(part for section in sections() for part in _section(section))])


def python_directives() -> str:
    """The same page for Sphinx, which takes what the calls do from their docstrings (autodoc)."""
    return "\n".join([HEAD, *(part for section in sections() for part in _directives(section))])


def _directives(section: Section) -> Iterator[str]:
    yield f"## {section.title}\n"
    yield from (f"{_folded(text)}\n" for text in section.text.split("\n\n") if text)
    for name, call in section.calls:
        yield f"### {name}\n"
        yield f"```{{eval-rst}}\n.. auto{_kind(call)}:: {_place(name, call)}\n```\n"


def _kind(call: Callable[..., Any]) -> str:
    if inspect.isclass(call):
        return "class"
    return "method" if "." in call.__qualname__ else "function"


def _place(name: str, call: Callable[..., Any]) -> str:
    """Where a method is defined; anything else is where scripts import it from."""
    return f"{call.__module__}.{call.__qualname__}" if _kind(call) == "method" else name


def _methods(name: str, owner: type, *methods: str) -> tuple[tuple[str, Callable[..., Any]], ...]:
    return tuple((f"{name}.{method}", getattr(owner, method)) for method in methods)


def _section(section: Section) -> Iterator[str]:
    yield f"## {section.title}\n"
    yield from (f"{_folded(text)}\n" for text in section.text.split("\n\n") if text)
    for name, call in section.calls:
        yield f"### {name}\n\n```\n{_call(name, call)}\n```\n"
        yield f"{_described(call)}\n"


def _call(name: str, call: Callable[..., Any]) -> str:
    """How it is called: the names of what it takes and their defaults, in lines that fit."""
    words = [f"{word}," for word in _parameters(call)]
    if not words:
        return f"{name}()"
    words[-1] = words[-1].removesuffix(",")
    text = f"{name}({' '.join(word.replace(' ', chr(0)) for word in words)})"
    lines = textwrap.wrap(
        text, WIDTH, subsequent_indent="    ", break_long_words=False, break_on_hyphens=False
    )
    return "\n".join(lines).replace(chr(0), " ")


def _parameters(call: Callable[..., Any]) -> Iterator[str]:
    only_by_name = False
    for parameter in inspect.signature(call).parameters.values():
        if parameter.name == "self":
            continue
        if parameter.kind is parameter.KEYWORD_ONLY and not only_by_name:
            only_by_name = True
            yield "*"
        if parameter.kind is parameter.VAR_POSITIONAL:
            only_by_name = True
            yield f"*{parameter.name}"
        elif parameter.kind is parameter.VAR_KEYWORD:
            names = _unpacked(call, parameter.name)
            if names and not only_by_name:
                yield "*"
            yield from names or (f"**{parameter.name}",)
        elif parameter.default is parameter.empty:
            yield parameter.name
        else:
            yield f"{parameter.name}={_default_of(parameter.default)}"


def _unpacked(call: Callable[..., Any], name: str) -> tuple[str, ...]:
    """The names that a typed ``**options`` takes."""
    found = re.fullmatch(r"Unpack\[(\w+)\]", str(inspect.get_annotations(call).get(name, "")))
    if found is None:
        return ()
    options = vars(inspect.getmodule(call))[found[1]]
    return tuple(f"{key}=..." for key in options.__annotations__)


def _default_of(value: object) -> str:
    return "..." if callable(value) else repr(value)


def _described(call: Callable[..., Any]) -> str:
    """Its docstring as Markdown."""
    paragraphs = (inspect.getdoc(call) or "").split("\n\n")
    return "\n\n".join(map(_paragraph, paragraphs))


def _paragraph(text: str) -> str:
    if text.startswith(">>> "):
        return f"```pycon\n{text}\n```"
    return _folded(" ".join(text.replace("``", "`").split()))


def _folded(text: str) -> str:
    return textwrap.fill(text, WIDTH, break_long_words=False, break_on_hyphens=False)


CLI_HEAD = """\
# The command line

Written from the code by `make docs`. Exit codes: 0 done, 1 said no, 2 called wrong, 130 stopped
with Ctrl-C. Errors are one line on standard error; `BRAID_DEBUG=1` adds the Python trace.
`--format json` prints the documents of the query API.
"""

SETTINGS_HEAD = """\
# Settings

Written from the code by `make docs`. Every setting is an environment variable; an empty one
counts as unset. The `GLOBUS_SDK_*` variables of globus-sdk are honoured too.
"""


def write(folder: Path) -> list[Path]:
    """Write every page into the folder; returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    pages = {"cli.md": cli_page(), "settings.md": settings_page(), "python.md": python_page()}
    for name, text in pages.items():
        (folder / name).write_text(text, encoding="utf-8")
    return [folder / name for name in pages]


def cli_page() -> str:
    """Every command with its help, as it prints at 80 columns."""
    return "\n".join([CLI_HEAD, *_sections(command, "braid", None)])


def settings_page() -> str:
    """Every declared setting with its default and help, a table a package."""
    return "\n".join([SETTINGS_HEAD, *(_settings_of(name) for name in PACKAGES)])


def _sections(found: click.Command, path: str, parent: click.Context | None) -> Iterator[str]:
    name = path.rsplit(" ", 1)[-1]
    context = click.Context(
        found, info_name=name, parent=parent, terminal_width=80, **found.context_settings
    )
    with context:
        yield f"## {path}\n\n```\n{found.get_help(context)}\n```\n"
    if isinstance(found, click.Group):
        for child in found.list_commands(context):
            inner = found.get_command(context, child)
            if inner is not None:
                yield from _sections(inner, f"{path} {child}", context)


def _settings_of(package: str) -> str:
    if importlib.util.find_spec(f"{package}.settings") is None:
        return ""
    settings: tuple[Setting[Any], ...] = importlib.import_module(f"{package}.settings").SETTINGS
    rows = [f"| `{s.name}` | {_default(s.default)} | {s.help} |" for s in settings]
    return "\n".join(
        [f"## {package}", "", "| name | default | meaning |", "|---|---|---|", *rows, ""]
    )


def _default(value: object) -> str:
    if isinstance(value, tuple):
        value = ",".join(value)
    return "" if value is None or value == "" else f"`{value}`"


if __name__ == "__main__":
    for page in write(Path(sys.argv[1])):
        click.echo(page)
