"""Steps of flow runs, turned into records.

::

    body = parse_body(data)
    recorder = store.recorder(run_id=body.run.run_id, audience=..., environment=body.environment)
    receipt = record_step(recorder, StoreLookup(store.documents(viewer)), body)
    receipt.document()
"""

from __future__ import annotations

from flows.steps.body import Body, parse_body, read_body
from flows.steps.lookup import Lookup, MemoryLookup, StoreLookup
from flows.steps.receipt import Receipt
from flows.steps.record import audience_of, record_step
from flows.steps.schema import body_schema

__all__ = [
    "Body",
    "Lookup",
    "MemoryLookup",
    "Receipt",
    "StoreLookup",
    "audience_of",
    "body_schema",
    "parse_body",
    "read_body",
    "record_step",
]
