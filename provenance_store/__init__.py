"""Records, the SQL store that keeps them, and questions to it.

::

    store = open_store("sqlite:///braid.db")
    scan = store.data("scan-17", uris=["globus://…/scan-17.h5"], tags={"sample": "Ni"})
    model = store.model("braggnn").update([scan], hyperparameters={"lr": 0.001})
    store.reader().lineage(model.urn, direction="up")
"""

from provenance_store.batch import Batch, decode_batch, encode_batch
from provenance_store.handles import Dataset, ModelVersion, Record, StepHandle
from provenance_store.kinds import Kind, Level, Mark, Role
from provenance_store.opening import open_store, upgrade_store
from provenance_store.reader import Reader
from provenance_store.recorder import Recorder
from provenance_store.store import Store
from provenance_store.values import Audience, Uri
from provenance_store.viewer import EVERYTHING, Viewer

__all__ = [
    "EVERYTHING",
    "Audience",
    "Batch",
    "Dataset",
    "Kind",
    "Level",
    "Mark",
    "ModelVersion",
    "Reader",
    "Record",
    "Recorder",
    "Role",
    "StepHandle",
    "Store",
    "Uri",
    "Viewer",
    "decode_batch",
    "encode_batch",
    "open_store",
    "upgrade_store",
]
