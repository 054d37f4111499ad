"""The routes of the query API: one table, from which Flask and the OpenAPI document are fed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec
from flask import Blueprint, Response, request

from action_provider.api import answer_shapes as shapes
from action_provider.api.parameters import (
    LineageParameters,
    ModelParameters,
    ModelsParameters,
    NameParameters,
    NoParameters,
    Period,
    RecordsParameters,
    RunParameters,
    RunsParameters,
)
from action_provider.auth import Authenticator
from action_provider.errors import answer
from action_provider.operations import Operation
from action_provider.query_string import read_parameters
from action_provider.stores import StoreHolder
from provenance_store.errors import InvalidInput
from provenance_store.ids import now
from provenance_store.queries.document_reader import DocumentReader
from provenance_store.times import parse_time

__all__ = ["OPERATIONS", "query_blueprint"]

PREFIX = "/api/v1"

Ask = Callable[..., dict[str, Any]]


@dataclass(frozen=True)
class Question:
    """A route: what it is called with, and what the reader is then asked."""

    name: str
    path: str
    summary: str
    parameters: type[msgspec.Struct]
    shape: type[msgspec.Struct]
    ask: Ask
    errors: tuple[int, ...] = ()
    path_help: tuple[tuple[str, str], ...] = ()

    def operation(self) -> Operation:
        """The same as an HTTP operation."""
        return Operation(
            self.name,
            "GET",
            PREFIX + self.path,
            self.summary,
            {200: self.shape},
            errors=(401, 403, 422, 503, *self.errors),
            parameters=self.parameters,
            path_help=dict(self.path_help),
        )


def _runs(reader: DocumentReader, wanted: RunsParameters) -> dict[str, Any]:
    return reader.runs(**_filters(wanted))


def _run(reader: DocumentReader, wanted: RunParameters, *, run_id: str) -> dict[str, Any]:
    return reader.run(run_id, **msgspec.structs.asdict(wanted))


def _records(reader: DocumentReader, wanted: RecordsParameters) -> dict[str, Any]:
    filters = _filters(wanted)
    return reader.records(tags=filters.pop("tag"), **filters)


def _named(reader: DocumentReader, wanted: NameParameters) -> dict[str, Any]:
    return reader.named(wanted.reference)


def _record(reader: DocumentReader, _: NoParameters, *, record_id: str) -> dict[str, Any]:
    return reader.record(record_id)


def _lineage(
    reader: DocumentReader, wanted: LineageParameters, *, record_id: str
) -> dict[str, Any]:
    return reader.lineage(record_id, **msgspec.structs.asdict(wanted))


def _model_version(reader: DocumentReader, _: NoParameters, *, record_id: str) -> dict[str, Any]:
    return reader.model_version(record_id)


def _models(reader: DocumentReader, wanted: ModelsParameters) -> dict[str, Any]:
    if wanted.highest and not wanted.best:
        raise InvalidInput("It needs the parameter best.", path="highest")
    filters = msgspec.structs.asdict(wanted)
    if wanted.as_of is not None:
        filters["as_of"] = _micros(wanted.as_of, "as_of")
    return reader.models(tags=filters.pop("tag"), **filters)


def _model(reader: DocumentReader, wanted: ModelParameters, *, name: str) -> dict[str, Any]:
    return reader.model(name, **msgspec.structs.asdict(wanted))


def _filters(wanted: Period) -> dict[str, Any]:
    """As the reader takes them: times in microseconds UTC."""
    filters = msgspec.structs.asdict(wanted)
    for name in ("since", "until"):
        if filters[name] is not None:
            filters[name] = _micros(filters[name], name)
    return filters


def _micros(text: str, path: str) -> int:
    try:
        return parse_time(text, now=now())
    except InvalidInput as error:
        raise InvalidInput(error.message, path=path) from None


RECORD_ID = (
    (
        "record_id",
        "A record's URN (urn:braid:…), its short id (3.17), or its name without a slash, such as "
        "net@v3; for URIs and names with slashes ask /resolve first.",
    ),
)

QUESTIONS: tuple[Question, ...] = (
    Question(
        "list_runs",
        "/runs",
        "Flow runs that the caller may see, latest start first.",
        RunsParameters,
        shapes.RunPage,
        _runs,
    ),
    Question(
        "get_run",
        "/runs/<string:run_id>",
        "A flow run with a page of its steps in order, each with its inputs, outputs and models.",
        RunParameters,
        shapes.RunDetail,
        _run,
        errors=(404, 409),
        path_help=(("run_id", "The run's id, or 4 first characters of it or more."),),
    ),
    Question(
        "list_records",
        "/records",
        "Records that the caller may see, newest first.",
        RecordsParameters,
        shapes.RecordPage,
        _records,
    ),
    Question(
        "resolve",
        "/resolve",
        "Which record a reference names: an id, a URI, a name, a version or an alias of a model.",
        NameParameters,
        shapes.NamedRecords,
        _named,
    ),
    Question(
        "get_record",
        "/records/<string:record_id>",
        "A record with its links, one hop each way.",
        NoParameters,
        shapes.RecordDetail,
        _record,
        errors=(404, 409),
        path_help=RECORD_ID,
    ),
    Question(
        "get_lineage",
        "/records/<string:record_id>/lineage",
        "Everything that a record depends on, or everything that depends on it.",
        LineageParameters,
        shapes.Lineage,
        _lineage,
        errors=(404, 409),
        path_help=RECORD_ID,
    ),
    Question(
        "get_model_version",
        "/records/<string:record_id>/model",
        "A model version: data, facts and environment that made it, its curve, what came of it.",
        NoParameters,
        shapes.ModelVersion,
        _model_version,
        errors=(404, 409),
        path_help=RECORD_ID,
    ),
    Question(
        "list_models",
        "/models",
        "Models that the caller may see, newest first, each with its latest version, or the best "
        "of those looked for.",
        ModelsParameters,
        shapes.ModelPage,
        _models,
        errors=(404, 409),
    ),
    Question(
        "get_model",
        "/models/<path:name>",
        "A model with a page of its versions, by number.",
        ModelParameters,
        shapes.ModelLine,
        _model,
        errors=(404, 409),
        path_help=(("name", "The model's name, or the id of one of its versions."),),
    ),
)

OPERATIONS: tuple[Operation, ...] = tuple(question.operation() for question in QUESTIONS)


def query_blueprint(stores: StoreHolder, authenticator: Authenticator) -> Blueprint:
    """The routes under ``/api/v1``; every answer holds only what the caller may see."""
    blueprint = Blueprint("query", __name__, url_prefix=PREFIX)
    blueprint.register_error_handler(Exception, answer)
    for question in QUESTIONS:
        view = _view(question, stores, authenticator)
        blueprint.add_url_rule(question.path, question.name, view, methods=["GET"])
    return blueprint


def _view(
    question: Question, stores: StoreHolder, authenticator: Authenticator
) -> Callable[..., Response]:
    def view(**path: str) -> Response:
        caller = authenticator.caller(request)
        wanted = read_parameters(request.args, question.parameters)
        reader = stores.get().documents(caller.viewer())
        document = question.ask(reader, wanted, **path)
        return Response(msgspec.json.encode(document), mimetype="application/json")

    return view
