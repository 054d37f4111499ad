"""Records, the SQL store that keeps them, and questions to it.

::

    store = open_store("sqlite:///braid.db")
    scan = store.data("scan-17", uris=["globus://…/scan-17.h5"], tags={"sample": "Ni"})
    model = store.model("braggnn").update([scan], hyperparameters={"lr": 0.001})
    store.reader().lineage(model)

A name is imported when it is first asked for: a recorder needs msgspec only, a store SQLAlchemy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from provenance_store.lazy_exports import names_of
from provenance_store.version import VERSION as __version__

if TYPE_CHECKING:
    from provenance_store.batch import Batch, decode_batch, encode_batch
    from provenance_store.decisions import Option
    from provenance_store.enums import Kind, Level, Mark, Role
    from provenance_store.handles import Dataset, ModelVersion, Record, StepHandle
    from provenance_store.opening import open_store, upgrade_store
    from provenance_store.queries.document_reader import DocumentReader
    from provenance_store.queries.reader import Reader
    from provenance_store.recording.recorder import Recorder
    from provenance_store.store import Store
    from provenance_store.values import EVERYTHING, Audience, Uri, Viewer

__all__ = [
    "EVERYTHING",
    "Audience",
    "Batch",
    "Dataset",
    "DocumentReader",
    "Kind",
    "Level",
    "Mark",
    "ModelVersion",
    "Option",
    "Reader",
    "Record",
    "Recorder",
    "Role",
    "StepHandle",
    "Store",
    "Uri",
    "Viewer",
    "__version__",
    "decode_batch",
    "encode_batch",
    "open_store",
    "upgrade_store",
]

__getattr__, __dir__ = names_of(
    __name__,
    {
        "provenance_store.batch": ("Batch", "decode_batch", "encode_batch"),
        "provenance_store.decisions": ("Option",),
        "provenance_store.handles": ("Dataset", "ModelVersion", "Record", "StepHandle"),
        "provenance_store.enums": ("Kind", "Level", "Mark", "Role"),
        "provenance_store.opening": ("open_store", "upgrade_store"),
        "provenance_store.queries.document_reader": ("DocumentReader",),
        "provenance_store.queries.reader": ("Reader",),
        "provenance_store.recording.recorder": ("Recorder",),
        "provenance_store.store": ("Store",),
        "provenance_store.values": ("EVERYTHING", "Audience", "Uri", "Viewer"),
    },
)
