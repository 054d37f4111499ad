"""Whether the packages that lie beside this one are Braid's own.

Braid has five packages at the top level, and PyPI has other distributions with a `flows` or a
`braid`: pip lets a later one overwrite the files of an earlier one.
"""

from __future__ import annotations

from importlib import import_module, metadata
from importlib.util import find_spec
from pathlib import Path

from provenance_store.errors import ConfigurationError
from provenance_store.version import VERSION

__all__ = ["check_installation"]

DISTRIBUTION = "braid-provenance"
PACKAGES = ("provenance_store", "flows", "hpc", "action_provider")


def check_installation() -> None:
    """Raise ConfigurationError when a package of Braid is another's, missing or of another version.

    Their `__init__` are small, and import nothing else before it is asked for.
    """
    for name in PACKAGES:
        found = _version_of(name)
        if found != VERSION:
            raise ConfigurationError(
                f"The package {name} {_at(name)} is {_whose(name, found)}: install Braid in an "
                "environment of its own (python -m venv)."
            )


def _version_of(name: str) -> str | None:
    """The version that a package says it has; None for one that is not ours, or not there."""
    try:
        return getattr(import_module(name), "__version__", None)
    except Exception:  # whatever somebody else's package does when it is imported
        return None


def _at(name: str) -> str:
    spec = find_spec(name)
    places = list(spec.submodule_search_locations or ()) if spec else []
    return f"in {Path(places[0])}" if places else "beside braid"


def _whose(name: str, found: str | None) -> str:
    others = set(metadata.packages_distributions().get(name, ())) - {DISTRIBUTION}
    if others:
        return f"not Braid's but of {' and '.join(sorted(others))}"
    if found is None:
        return "missing or not Braid's"
    return f"of version {found[:20]} and not {VERSION}"
