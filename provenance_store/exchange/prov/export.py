"""W3C PROV: the history as a PROV document, written as PROV-JSON or PROV-N.

Records are entities and steps activities under their own URNs; runs are activities that started
their steps; owners are agents. What a role becomes is `RELATIONS`; a pair of ends that PROV has no
relation for is an influence. Records that are one thing are alternates, which in PROV need not be
exact; that they have the same bytes, ``braid:same_as`` says. Everything that `prov_import` needs to
make the same records again is in attributes of our own.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final

from provenance_store.enums import Kind, Role
from provenance_store.errors import InvalidInput
from provenance_store.exchange.extract import Extract, Link
from provenance_store.exchange.libraries import prov_model, provided, quietly
from provenance_store.exchange.prov.names import (
    NAMESPACES,
    encoded,
    origin_prefixes,
    principal_name,
)
from provenance_store.exchange.prov.verbatim import is_as_said, said_again
from provenance_store.ids import Urn, parse_id
from provenance_store.queries.documents import RESTRICTED
from provenance_store.values import canonical_json

__all__ = ["RELATIONS", "TYPES", "prov_document", "to_prov", "to_prov_json"]

TYPES: Final = {kind.label: kind.name.capitalize() for kind in Kind}
"""The ``prov:type`` of a kind, in our namespace; a dataset is a ``prov:Collection`` too."""

RELATIONS: Final[Mapping[Role, tuple[str, bool, bool, str | None]]] = {
    Role.USED: ("used", True, False, None),
    Role.DEPLOYED: ("used", True, False, "deployed"),
    Role.GENERATED_BY: ("wasGeneratedBy", False, True, None),
    Role.DERIVED_FROM: ("wasDerivedFrom", False, False, None),
    Role.TRAINED_ON: ("wasDerivedFrom", False, False, "trained_on"),
    Role.REVISION_OF: ("wasDerivedFrom", False, False, "revision"),
    Role.HAS_MEMBER: ("hadMember", False, False, None),
    Role.INFORMED_BY: ("wasInformedBy", True, True, None),
    Role.CHOSEN: ("used", True, False, "chosen"),
    Role.CONSIDERED: ("used", True, False, "considered"),
}
"""What a role is in PROV: the relation, whether each end is an activity, and what tells it apart:
``prov:role`` braid:deployed, braid:chosen or braid:considered, ``prov:type`` braid:TrainedOn,
``prov:type`` prov:Revision."""


FORMATS: Final = {"prov-n": "provn", "prov-xml": "xml", "prov-jsonld": "jsonld"}
"""What `prov` calls the formats beside PROV-JSON."""
UNKNOWN: Final = ("wasInfluencedBy", False, False, None)
"""What a role is that this version does not know: an influence, which says its number."""


def to_prov_json(extract: Extract) -> str:
    """The document as PROV-JSON; the same history gives the same text."""
    found = json.loads(prov_document(extract).serialize(format="json"))
    return json.dumps(_in_order(found), indent=1, ensure_ascii=False) + "\n"


def to_prov(extract: Extract, format: str) -> str:
    """The document as prov-json, prov-n, prov-xml or prov-jsonld.

    Raises MissingExtra when the format needs a further library, InvalidInput for what it cannot
    write, such as a tag in PROV-XML whose name XML does not have.
    """
    if format == "prov-json":
        return to_prov_json(extract)
    name = FORMATS[format]
    document = prov_document(extract)
    provided(name)
    with quietly():
        try:
            text: str = document.serialize(format=name)
        except Exception as error:
            why = " ".join(str(error).split())[:200].rstrip(".") or type(error).__name__
            raise InvalidInput(
                f"This history cannot be written as {format}: {why}. PROV-JSON can write all."
            ) from None
    return f"{text.rstrip()}\n"


def prov_document(extract: Extract) -> Any:
    """The `prov.model.ProvDocument` of a part of the history.

    What came of PROV documents by others alone, and was not added to, is in their own words.
    """
    return said_again(extract) if is_as_said(extract) else _Writer(extract).document()


class _Writer:
    """Makes one PROV document."""

    def __init__(self, extract: Extract) -> None:
        self._model = prov_model()
        self._extract = extract
        self._document = self._model.ProvDocument()
        self._spaces: dict[str, Any] = {}
        self._activities = self._all_activities()
        self._same: dict[str, list[str]] = {}
        for same in extract.same:
            about = {"id": same.id, "other": same.other, "at": same.at, "digest": same.digest}
            self._same.setdefault(same.record, []).append(_json(about))
        self._flows: set[str] = set()
        self._principals: set[str] = set()

    def document(self) -> Any:
        extract = self._extract
        self._declare()
        for digest, environment in sorted(extract.environments.items()):
            self._entity(
                self._name("environment", _hex(digest)),
                {"prov:type": [self._term("Environment")]}
                | {"braid:document": [canonical_json(environment).decode()]},
            )
        for run_id in sorted(extract.runs):
            self._run(extract.runs[run_id])
        records = sorted(extract.records, key=_urn)
        for name in records:
            self._record(name, extract.records[name])
        for name in sorted(extract.stubs):
            self._stub(name, extract.stubs[name])
        for name in sorted(extract.hidden):
            self._node(name, {"prov:type": [self._term("Hidden")]})
        for link in extract.links:
            self._link(link)
        for one, other in sorted({(min(s[:2]), max(s[:2])) for s in extract.same}):
            self._document.alternateOf(self._of(one), self._of(other))
        for name in records:
            self._responsible(name)
        self._agents()
        return self._document

    # ---- names ---------------------------------------------------------------------------

    def _declare(self) -> None:
        urns = {*self._extract.records, *self._extract.stubs}
        for record in self._extract.records.values():
            urns |= {record[key] for key in ("line", "parent") if _known_id(record.get(key))}
            if (cause := record.get("invalidated")) and cause["root"].startswith("urn:"):
                urns.add(cause["root"])
        prefixes = origin_prefixes({_urn(urn).origin for urn in urns})
        for prefix, uri in NAMESPACES.items():
            self._spaces[prefix] = self._document.add_namespace(prefix, uri)
        for uuid, prefix in sorted(prefixes.items()):
            self._spaces[uuid] = self._document.add_namespace(prefix, f"urn:braid:{uuid}:")

    def _name(self, prefix: str, text: str) -> Any:
        return self._spaces[prefix][encoded(text)]

    def _term(self, text: str) -> Any:
        return self._spaces["braid"][text]

    def _of(self, node: str) -> Any:
        """The qualified name of a node: its URN, or its placeholder."""
        if node in self._extract.hidden:
            return self._name("hidden", node.partition(":")[2])
        origin, sequence = _urn(node)
        return self._spaces[origin][str(sequence)]

    def _all_activities(self) -> set[str]:
        """The nodes that are activities; what is hidden is one where its links say so."""
        extract = self._extract
        known = {**extract.stubs, **extract.records}
        found = {name for name, node in known.items() if node["kind"] == "step"}
        for link in extract.links:
            _, _, is_activity, _ = RELATIONS.get(link.role, UNKNOWN)
            if is_activity and link.target in extract.hidden:
                found.add(link.target)
        return found

    # ---- nodes ---------------------------------------------------------------------------

    def _node(
        self,
        node: str,
        attributes: Mapping[str, list[Any]],
        start: str | None = None,
        end: str | None = None,
    ) -> None:
        if node in self._activities:
            times = (start and _moment(start), end and _moment(end))
            self._document.activity(self._of(node), *times, self._pairs(attributes))
        else:
            self._entity(self._of(node), attributes)

    def _entity(self, name: Any, attributes: Mapping[str, list[Any]]) -> None:
        self._document.entity(name, self._pairs(attributes))

    def _pairs(self, attributes: Mapping[str, list[Any]]) -> list[tuple[Any, Any]]:
        pairs = []
        for key, values in attributes.items():
            prefix, _, local = key.partition(":")
            name = key if prefix == "prov" else self._name(prefix, local)
            pairs += [(name, value) for value in values if value is not None]
        return pairs

    def _record(self, node: str, record: dict[str, Any]) -> None:
        types = [self._term(TYPES.get(record["kind"], "Unknown"))]
        if record["kind"] == "dataset":
            types.append(self._model.PROV["Collection"])
        attributes: dict[str, list[Any]] = {
            "prov:label": [record["name"]],
            "prov:type": types,
            "braid:created_at": [_moment(record["created_at"])],
            "braid:run_id": [record["run_id"]],
            "braid:live": [record["opened_live"] or None],
            "braid:mark": [_json(mark) for mark in record["marks"]],
            "braid:tag_setting": [_json(setting) for setting in record["tag_settings"]],
            "braid:file_check": [_json(check) for check in record["file_checks"]],
            "braid:same_as": self._same.get(node, []),
        }
        if record["environment"]:
            attributes["braid:environment"] = [
                self._name("environment", _hex(record["environment"]))
            ]
        attributes |= self._places(record["recorded_uris"])
        attributes |= {f"tag:{name}": [value] for name, value in sorted(record["tags"].items())}
        attributes |= {f"document:{name}": [_json(p)] for name, p in record["payloads"].items()}
        if record["kind"] == "model":
            attributes |= self._version(record)
        if record["kind"] != "step":
            self._entity(self._of(node), attributes)
            return self._invalid(node, record)
        attributes |= self._step(record)
        self._node(node, attributes, record["start_time"], record["completion_time"])
        if record["run_id"] in self._extract.runs:
            self._document.wasStartedBy(self._of(node), None, self._name("run", record["run_id"]))

    def _places(self, uris: Iterable[Mapping[str, Any]]) -> dict[str, list[Any]]:
        """Each URI as a location; with what else is known of the bytes there as JSON."""
        places = [self._model.Literal(u["uri"], self._model.XSD_ANYURI) for u in uris]
        files = [_json({k: v for k, v in u.items() if v is not None}) for u in uris if _known(u)]
        return {"prov:location": places, "braid:file": files}

    def _version(self, record: Mapping[str, Any]) -> dict[str, list[Any]]:
        if "line" not in record:
            return {}
        return {
            "braid:version": [record["version"]],
            "braid:line": [self._of(record["line"]) if _known_id(record["line"]) else None],
            "braid:parent": [self._of(record["parent"]) if _known_id(record["parent"]) else None],
            "braid:metrics": [_json(record["metrics"]) if record["metrics"] else None],
            "braid:scores": [_json(record["scores"]) if record["scores"] else None],
        }

    def _step(self, record: Mapping[str, Any]) -> dict[str, list[Any]]:
        names = ("action_url", "action_id", "run_as", "definition_digest", "ordinal")
        return {f"braid:{name}": [record[name]] for name in names} | {
            "braid:step_type": [record["type"]],
            "braid:status": [record["status"] if record["ended"] else None],
            "braid:invalidated": [_json(record["invalidated"])] if "invalidated" in record else [],
        }

    def _invalid(self, node: str, record: Mapping[str, Any]) -> None:
        said = record.get("invalidated")
        if said is None:
            return
        root = said["root"]
        name = self._of(root) if root.startswith("urn:") else self._term("Hidden")
        self._document.wasInvalidatedBy(
            self._of(node),
            None,
            said["at"] and _moment(said["at"]),
            other_attributes=self._pairs({"braid:cause": [said["cause"]], "braid:root": [name]}),
        )

    def _stub(self, node: str, about: Mapping[str, Any]) -> None:
        attributes = {
            "prov:label": [about["name"]],
            "prov:type": [self._term("Stub")],
            "braid:kind": [about["kind"]],
        }
        self._node(node, attributes)

    def _run(self, run: Mapping[str, Any]) -> None:
        times = [run[key] and _moment(run[key]) for key in ("start_time", "completion_time")]
        attributes = {
            "prov:label": [run["label"]],
            "prov:type": [self._term("Run")],
            "braid:run_id": [run["run_id"]],
            "braid:run_tag": run["tags"],
        } | {f"braid:{key}": [run[key]] for key in ("flow_id", "flow_title", "status")}
        name = self._name("run", run["run_id"])
        self._document.activity(name, *times, self._pairs(attributes))
        plan = None
        if run["flow_id"]:
            plan = self._name("flow", run["flow_id"])
            if run["flow_id"] not in self._flows:
                self._flows.add(run["flow_id"])
                about = [self._model.PROV["Plan"], self._term("Flow")]
                self._entity(plan, {"prov:label": [run["flow_title"]], "prov:type": about})
        for role, who in (("run_owner", run["run_owner"]), ("recorder", run["recorded_by"])):
            if who:
                self._associate(name, who, role, plan if role == "run_owner" else None)

    # ---- relations and agents -------------------------------------------------------------

    def _link(self, link: Link) -> None:
        relation, source_acts, target_acts, special = RELATIONS.get(link.role, UNKNOWN)
        source, target = self._of(link.source), self._of(link.target)
        ends = (link.source in self._activities, link.target in self._activities)
        if link.role not in RELATIONS or ends != (source_acts, target_acts):
            about = {"braid:role": [link.role.label]}
            self._document.wasInfluencedBy(source, target, other_attributes=self._pairs(about))
            return
        attributes: list[tuple[Any, Any]] = []
        if special in ("deployed", "chosen", "considered"):
            attributes = [("prov:role", self._term(special))]
        elif special == "trained_on":
            attributes = [("prov:type", self._term("TrainedOn"))]
        elif special == "revision":
            attributes = [("prov:type", self._model.PROV["Revision"])]
        if relation == "hadMember":
            self._document.hadMember(source, target)
        else:
            getattr(self._document, relation)(source, target, other_attributes=attributes)

    def _responsible(self, node: str) -> None:
        owner = self._extract.records[node]["owner"]
        if not owner:
            return
        if node in self._activities:
            self._associate(self._of(node), owner, None, None)
        else:
            self._document.wasAttributedTo(self._of(node), self._agent(owner))

    def _associate(self, activity: Any, who: str, role: str | None, plan: Any) -> None:
        about = [] if role is None else [("prov:role", self._term(role))]
        self._document.wasAssociatedWith(activity, self._agent(who), plan, other_attributes=about)

    def _agent(self, principal: str) -> Any:
        self._principals.add(principal)
        return self._name(*principal_name(principal))

    def _agents(self) -> None:
        for principal in sorted(self._principals):
            self._document.agent(self._agent(principal))


def _urn(text: str) -> Urn:
    parsed = parse_id(text)
    if not isinstance(parsed, Urn):
        raise InvalidInput(
            f"{text} is a short id, valid only in its own store, and cannot be exported."
        )
    return parsed


def _known(uri: Mapping[str, Any]) -> bool:
    return any(uri[key] is not None for key in ("size", "digest", "media_type"))


def _hex(digest: str) -> str:
    return digest.removeprefix("sha256:")


def _known_id(urn: str | None) -> bool:
    return urn is not None and urn != RESTRICTED


def _moment(text: str) -> datetime | None:
    """The time, but nothing for one that no calendar has."""
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _in_order(value: Any, section: str = "") -> Any:
    """The same document with the values of every attribute in order; PROV gives them none."""
    if isinstance(value, dict) and section != "prefix":
        return {key: _in_order(item, key) for key, item in value.items()}
    return _sorted(value) if not _are_statements(value) else list(map(_in_order, value))


def _are_statements(value: Any) -> bool:
    """Whether these are several statements with one name, and not the values of an attribute."""
    return isinstance(value, list) and all(isinstance(v, dict) and "$" not in v for v in value)


def _sorted(value: Any) -> Any:
    return sorted(value, key=json.dumps) if isinstance(value, list) else value
