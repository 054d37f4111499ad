"""Braid: provenance for machine-learning-driven science.

::

    import braid

    with braid.open_store("sqlite:///braid.db") as store:
        scan = store.data("scan-17", uris=["file:///data/scan-17.h5"])
        model = store.model("braggnn").update([scan], hyperparameters={"lr": 0.001})
        store.reader().lineage(model)

    with braid.hpc.spool("spool") as recorder: ...

The names of `provenance_store` are here, `braid.hpc` records from HPC jobs, and `braid.flows`
handles flow definitions. Each is imported when it is first asked for. The command line is
`braid.commands`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import provenance_store
from provenance_store.lazy_exports import names_of
from provenance_store.results.drawing import draw_with
from provenance_store.version import VERSION

if TYPE_CHECKING:
    import flows as flows
    import hpc as hpc
    from provenance_store import *  # noqa: F403

__version__ = VERSION
__all__ = ["flows", "hpc"]
__all__ += provenance_store.__all__
_MODULES = {"flows": "flows", "hpc": "hpc"}

_named, __dir__ = names_of(
    __name__,
    {"provenance_store": provenance_store.__all__},
    modules=_MODULES,
)


def _draw(lineage: Mapping[str, Any]) -> str:
    from braid.pictures.svg import as_svg

    return "\n".join(as_svg(dict(lineage)))


draw_with(_draw)


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        from braid.installation import check_installation

        check_installation()
    return _named(name)
