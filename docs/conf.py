"""How Sphinx makes the site of the documentation: `make site`.

The pages are the Markdown files that also read well where the source is shown, at the paths that
they have there: so each link between them leads to the same page in both places. Nothing is
fetched while the site is built.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

from braid.reference import python_directives
from provenance_store.version import VERSION

project = "Braid"
author = copyright = "The Braid developers"
version = release = VERSION

root_doc = "README"
include_patterns = [
    "README.md",
    "CHANGELOG.md",
    "CODE_OF_CONDUCT.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "docs/**.md",
    "flows/examples/harvest/README.md",
    "benchmarks/peers/README.md",
]
exclude_patterns = [".*", "build", "tests"]  # not even looked through
extensions = ["myst_parser", "sphinx.ext.autodoc"]

myst_heading_anchors = 4
default_role = "code"  # docstrings name things in `single backticks`
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
maximum_signature_line_length = 80
add_module_names = False
python_use_unqualified_type_names = True
toc_object_entries = False  # each call has a heading

html_theme = "furo"
html_title = f"Braid {VERSION}"
html_copy_source = False
html_show_sphinx = False

NAVIGATION = "## Documentation"
"""The heading of the README below which every page is linked, in groups: the site's navigation."""
BESIDE = ("flows/", "benchmarks/")
"""Pages that stand beside what they describe, and are linked from others alone."""
PAGE = re.compile(r"\]\((?!https?:)([^)#]+)\.md\)")


def setup(app: Any) -> None:
    app.connect("source-read", _read)
    app.connect("build-finished", _begin)


def _read(app: Any, page: str, source: list[str]) -> None:
    """Lists of links are the navigation; the calls of Python come from their docstrings."""
    if page == root_doc:
        _, *groups = source[0].partition(NAVIGATION)[2].split("\n### ")
        source[0] += "".join(_toctree(*group.split("\n", 1)) for group in groups)
    elif page == "docs/decisions/README":
        source[0] += _toctree("Decisions", source[0])
    elif page == "docs/reference/python":
        source[0] = python_directives()
    elif page.startswith(BESIDE):
        source[0] = f"---\norphan: true\n---\n{source[0]}"


def _toctree(caption: str, links: str) -> str:
    pages = "\n".join(PAGE.findall(links))
    return f"\n```{{toctree}}\n:hidden:\n:caption: {caption}\n\n{pages}\n```\n"


def _begin(app: Any, failure: Exception | None) -> None:
    """Whoever opens the folder sees the README."""
    if failure is None and app.builder.format == "html":
        shutil.copyfile(Path(app.outdir) / "README.html", Path(app.outdir) / "index.html")
