"""History without touching the flow: a run's log, read afterwards, as recorded steps.

::

    harvested = harvest(store, RunLog(log, definition, run))
    harvested.added, harvested.known, harvested.waiting
"""

from __future__ import annotations

from flows.harvest.convention_files import Conventions, read_conventions
from flows.harvest.harvesting import check_definition, harvest, is_harvested
from flows.harvest.job import Harvested, RunLog

__all__ = [
    "Conventions",
    "Harvested",
    "RunLog",
    "check_definition",
    "harvest",
    "is_harvested",
    "read_conventions",
]
