"""Which runs a list request asks for, and in which order."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from flows.sandbox.flow_errors import FlowsError
from flows.sandbox.paging import in_order

__all__ = ["select_runs"]

_ORDER_FIELDS = {
    "id": "run_id",
    "run_id": "run_id",
    "start_time": "start_time",
    "completion_time": "completion_time",
    "status": "status",
    "label": "label",
}
Document = dict[str, Any]


def select_runs(documents: list[Document], args: dict[str, str]) -> list[Document]:
    """The run documents that pass the filters, in the order asked for (newest first if none).

    Raises FlowsError for an order or a time that is not valid.
    """
    for name, keep in _FILTERS.items():
        if args.get(name):
            documents = [d for d in documents if keep(d, args[name])]
    return in_order(documents, args, _ORDER_FIELDS, "start_time DESC")


def _among(field: str) -> Callable[[Document, str], bool]:
    return lambda document, text: document[field] in text.split(",")


def _containing(field: str) -> Callable[[Document, str], bool]:
    return lambda document, text: text.lower() in document[field].lower()


def _within(field: str) -> Callable[[Document, str], bool]:
    def keep(document: Document, text: str) -> bool:
        value = document.get(field)
        since, _, until = text.partition(",")
        if value is None:
            return False
        moment = datetime.fromisoformat(value)
        return (not since or moment >= _time(since)) and (not until or moment < _time(until))

    return keep


def _time(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text.strip())
        return moment if moment.tzinfo else moment.astimezone()
    except ValueError:
        raise FlowsError(422, "UNPROCESSABLE_ENTITY", f"{text!r} is not a time.") from None


_FILTERS: dict[str, Callable[[Document, str], bool]] = {
    "filter_flow_id": _among("flow_id"),
    "filter_status": _among("status"),
    "filter_label": _containing("label"),
    "filter_flow_title": _containing("flow_title"),
    "filter_start_time": _within("start_time"),
    "filter_completion_time": _within("completion_time"),
}
