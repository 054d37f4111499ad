"""Libraries that only an extra brings, imported where they are used.

::

    with extra("globus", "Recording through a server"):
        import globus_sdk
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

from provenance_store.errors import MissingExtra

__all__ = ["EXTRAS", "extra", "require"]

EXTRAS = {
    "exchange": ("prov", "rocrate"),
    "frames": ("pandas",),
    "globus": ("globus_sdk", "requests"),
    "graph": ("networkx",),
    "hpc": ("mpi4py",),
    "pictures": ("cairosvg",),
    "plot": ("matplotlib",),
    "postgres": ("psycopg",),
    "sandbox": (
        "flask",
        "werkzeug",
        "waitress",
        "jsonschema",
        "globus_sdk",
        "requests",
        "jwt",
        "cryptography",
    ),
    "server": (
        "flask",
        "werkzeug",
        "globus_action_provider_tools",
        "globus_sdk",
        "gunicorn",
        "isodate",
        "prometheus_client",
    ),
    "sign": ("securesystemslib", "cryptography"),
}
EXTRAS["demo"] = ("numpy", *EXTRAS["sandbox"], *EXTRAS["server"])
"""For each extra of braid-provenance the modules that it brings and that are imported here."""


@contextmanager
def extra(name: str, what: str) -> Iterator[None]:
    """Around imports of what the extra `name` brings, for the sake of `what`.

    Raises MissingExtra, with the command that installs it, when one of its modules is not there.
    Other errors of the imports are left as they are; of blocks in one another the outermost says
    which extra it is.
    """
    try:
        yield
    except (ModuleNotFoundError, MissingExtra) as error:
        missing = (error.name or "").partition(".")[0]
        if missing not in EXTRAS[name]:
            raise
        raise _missing(name, what, missing) from None


def require(name: str, what: str) -> None:
    """Raise MissingExtra when a module of the extra `name` is not there; import none of them."""
    for module in EXTRAS[name]:
        if find_spec(module) is None:
            raise _missing(name, what, module)


def _missing(name: str, what: str, module: str) -> MissingExtra:
    pins = "globus_action_provider_tools" in EXTRAS[name]  # old versions of what others need
    where = ", in an environment of its own" if pins else ""
    return MissingExtra(
        f"{what} needs {module}, which is not installed: "
        f"pip install 'braid-provenance[{name}]'{where}.",
        name=module,
    )
