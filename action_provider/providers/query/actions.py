"""Questions of flows: from a question to a small document of which a Choice state can make use.

In an answer booleans and numbers are at the top. Lists are short, and what would make the answer
large is left out; ``truncated`` says that there is more.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from action_provider.auth import Caller
from action_provider.providers.action_store import MICROSECONDS, ActionStore, status_of
from action_provider.providers.envelope import check_deadline, read_envelope
from action_provider.providers.query.questions import (
    MAX_REFERENCES,
    ModelsQuestion,
    Question,
    RecordsQuestion,
    ValidityQuestion,
    read_question,
)
from flows.steps.lookup import StoreLookup
from flows.steps.references import IdReference, ReceiptReference, Reference, UriReference
from provenance_store.errors import Conflict, InvalidInput
from provenance_store.ids import ordered_uuid, short_id
from provenance_store.queries.document_reader import DocumentReader

__all__ = ["MAX_ANSWER_BYTES", "QueryActions", "answer_to"]


class QueryActions(ActionStore):
    """Answers questions. A request is answered once: again it has the same answer, whatever was
    recorded since, and with another content it is a Conflict."""

    space = " query"

    def run(self, caller: Caller, data: bytes) -> tuple[str, bool]:
        """Answer the question in a request body; the status as JSON, and whether it is new."""
        envelope = read_envelope(data)
        question = read_question(envelope.body)
        seconds = self._release_seconds(envelope)
        service = self._stores.get()
        if (known := self._known(service, caller, envelope)) is not None:
            return known, False
        now = self._clock()
        check_deadline(envelope, now=now)
        answer = answer_to(question, service.documents(caller.viewer()))
        details = {"ask": envelope.body["ask"], **answer}
        status = status_of(
            ordered_uuid(now), caller, envelope, details, said="Answered", now=now, seconds=seconds
        )
        release_at = now + int(seconds * MICROSECONDS)
        try:
            kept = self._keep(service, caller, envelope, status, now=now, release_at=release_at)
        except Conflict:  # the same request at the same moment
            known = self._known(service, caller, envelope)
            if known is None:
                raise
            return known, False
        return kept, True


MAX_ANSWER_BYTES = 16_384
MAX_FIELD_BYTES = 1_024
"""Of the tags, scores and URIs of one thing."""

Document = dict[str, Any]


def answer_to(question: Question, reader: DocumentReader) -> Document:
    """The answer as the reader's viewer may know it, below MAX_ANSWER_BYTES."""
    if isinstance(question, ModelsQuestion):
        return _models(question, reader)
    if isinstance(question, RecordsQuestion):
        return _records(question, reader)
    return _validity(question, reader)


def _models(question: ModelsQuestion, reader: DocumentReader) -> Document:
    exposed = [_ids(reference, reader) for reference in question.trained_on or ()]
    if not all(exposed):  # what nobody knows trained nothing
        return _listed("models", [], more=False, first="best")
    records = list(dict.fromkeys(itertools.chain(*exposed)))
    if len(records) > MAX_REFERENCES:
        raise InvalidInput(
            f"These receipts list {len(records)} records; ask about at most {MAX_REFERENCES}.",
            path="trained_on",
        )
    try:
        page = reader.models(
            name=question.name,
            trained_on=[short_id(one) for one in records],
            tags=question.tags,
            where=question.where,
            alias=question.alias,
            best=question.best,
            highest=question.highest,
            valid=question.valid,
            limit=question.limit,
        )
    except InvalidInput as error:
        if error.path not in ("best", "where", "tag", "alias"):
            raise
        # A run does not fail since no model has such a score yet; who looks at it is told.
        return _listed("models", [], more=False, first="best") | {"note": error.message[:1024]}
    models = [_model(line) for line in page["models"]]
    return _listed("models", models, more=page["has_next_page"], first="best")


def _model(line: Document) -> Document:
    version: Document = line["match"] if "match" in line else line["latest"]
    value = {"value": version["value"]} if version.get("value") is not None else {}
    if version.get("diverged"):
        value = {"diverged": True}
    return _brief(version) | value | {"line": line["id"], "versions": line["versions"]}


def _records(question: RecordsQuestion, reader: DocumentReader) -> Document:
    page = reader.records(
        kind=question.kind,
        name=question.name,
        uri=question.uri,
        digest=question.digest,
        tags=question.tags,
        run_id=question.run_id,
        limit=question.limit,
    )
    records = [_brief(record) for record in page["records"]]
    return _listed("records", records, more=page["has_next_page"], first="newest")


def _validity(question: ValidityQuestion, reader: DocumentReader) -> Document:
    ids, missing = _subjects(question, reader)
    invalid = reader.invalid(ids)
    entries = [_cut(entry) for entry in invalid[: question.limit]]
    return {
        "found": bool(ids) and not missing,
        "valid": bool(ids) and not missing and not invalid,
        "count": len(ids),
        "of": [reader.urn(one) for one in ids[: question.limit]],
        "missing": missing,
        "invalid_count": len(invalid),
    } | _fitting("invalid", entries, more=len(invalid) > len(entries))


# ---- what is asked about -----------------------------------------------------------------


def _subjects(question: ValidityQuestion, reader: DocumentReader) -> tuple[list[int], int]:
    """The ids that are asked about, and how many references name nothing."""
    found = [_ids(reference, reader) for reference in question.of or ()]
    if question.model is not None:
        found.append([head.id for head in reader.heads(question.model)[:1]])
    ids = dict.fromkeys(record_id for several in found for record_id in several)
    return list(ids), sum(1 for several in found if not several)


def _ids(reference: Reference, reader: DocumentReader) -> list[int]:
    """What a reference stands for; nothing when any of it cannot be seen."""
    if isinstance(reference, UriReference):
        at_uri = reader.find_uri(reference.uri)
        return [] if at_uri is None else [at_uri]
    if isinstance(reference, IdReference):
        return _resolved([reference.id], reader)
    if not isinstance(reference, ReceiptReference):
        return []
    step = _resolved([reference.step], reader)
    if reference.cut and step:
        made = StoreLookup(reader).made_by(step[0])
        return [*made.outputs, *made.models] or step
    return _resolved([*reference.outputs, *reference.made_models], reader) or step


def _resolved(references: Iterable[str], reader: DocumentReader) -> list[int]:
    wanted = list(references)
    ids = reader.resolve_all(wanted)
    return list(ids.values()) if len(ids) == len(set(wanted)) else []


# ---- small documents ---------------------------------------------------------------------


def _listed(name: str, items: list[Document], *, more: bool, first: str) -> Document:
    return {
        "found": bool(items),
        "count": len(items),
        first: items[0] if items else None,
    } | _fitting(name, items, more=more)


def _fitting(name: str, items: list[Document], *, more: bool) -> Document:
    """As many of the items as fit."""
    kept, size = [], 0
    for item in items:
        size += len(msgspec.json.encode(item))
        if size > MAX_ANSWER_BYTES // 2:
            break
        kept.append(item)
    return {name: kept, "truncated": more or len(kept) < len(items)}


def _brief(record: Mapping[str, Any]) -> Document:
    """What a flow may want to know of a record, and no more."""
    document = {name: record[name] for name in ("id", "kind", "name", "created_at", "run_id")}
    document["valid"] = "invalidated" not in record
    document["uris"] = _small(uri["uri"] for uri in record["uris"])
    document["tags"] = dict(_small(record["tags"].items()))
    for name in ("version", "status"):
        if name in record:
            document[name] = record[name]
    if record.get("aliases"):
        document["aliases"] = _small(record["aliases"])
    if "scores" in record:
        document["scores"] = dict(_small(record["scores"].items()))
    return document


def _small(items: Iterable[Any]) -> list[Any]:
    """The first of the items that are not large together."""
    kept, left = [], MAX_FIELD_BYTES
    for item in items:
        left -= len(msgspec.json.encode(item))
        if left < 0:
            break
        kept.append(item)
    return kept


def _cut(entry: Document) -> Document:
    return {name: value[:512] if isinstance(value, str) else value for name, value in entry.items()}
