"""Names of a package that are imported when they are first asked for (PEP 562)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any

__all__ = ["names_of"]


def names_of(
    package: str, homes: Mapping[str, Sequence[str]], modules: Mapping[str, str] | None = None
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """The `__getattr__` and the `__dir__` of `package`.

    `homes` gives for each module the public names that it defines; `modules` names modules that
    are shown under a name of the package. Type checkers do not see either: the package imports
    them under TYPE_CHECKING as well.
    """
    home_of = {name: module for module, names in homes.items() for name in names}
    modules = modules or {}

    def __getattr__(name: str) -> Any:
        if name in modules:
            value: Any = import_module(modules[name])
        elif name in home_of:
            value = getattr(import_module(home_of[name]), name)
        else:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        setattr(import_module(package), name, value)  # found at once from now on
        return value

    def __dir__() -> list[str]:
        return sorted({*vars(import_module(package)), *home_of, *modules})

    return __getattr__, __dir__
