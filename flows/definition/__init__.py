"""Flow definitions: read, check, instrument, strip, deploy. Pure functions over JSON values,
but for `flows.definition.deploy`, which is imported by name so
that nobody waits for globus-sdk who does not deploy.
"""

from __future__ import annotations

from flows.definition.instrument import instrument
from flows.definition.load import Document, definition_digest, load_document, parse_document
from flows.definition.options import (
    Instrumented,
    MissingResultPath,
    Mode,
    Note,
    Options,
    ResultDetail,
    WholeState,
)
from flows.definition.problems import Problem, Severity
from flows.definition.record_state import record_state_example
from flows.definition.strip import strip
from flows.definition.validate import validate

__all__ = [
    "Document",
    "Instrumented",
    "MissingResultPath",
    "Mode",
    "Note",
    "Options",
    "Problem",
    "ResultDetail",
    "Severity",
    "WholeState",
    "definition_digest",
    "instrument",
    "load_document",
    "parse_document",
    "record_state_example",
    "strip",
    "validate",
]
