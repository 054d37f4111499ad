"""From an RO-Crate of a run by another program to a batch.

Process, Workflow and Provenance Run Crates are read alike: each action is a step, what it names as
object and result are records, its instrument is a fact. A workflow that ran as a whole is a run.
What an entity says is kept whole with its record.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from provenance_store.batch import Batch
from provenance_store.display import counted
from provenance_store.enums import Kind, Role
from provenance_store.errors import InvalidInput
from provenance_store.exchange.crate.reading import Crate, listed, path_in_crate, references
from provenance_store.exchange.import_target import Imported, Numbers, take_in
from provenance_store.exchange.parsing import odd_time
from provenance_store.exchange.prov.foreign import FACT, IMPORTED, MODEL
from provenance_store.rows import (
    LinkRow,
    OutcomeRow,
    PayloadRow,
    RecordRow,
    UriRow,
    VersionRow,
)
from provenance_store.settings import MAX_PAYLOAD_BYTES
from provenance_store.validation.limits import Gate
from provenance_store.validation.rows import (
    payload_document,
    run_event_row,
    status_of,
    step_row,
    tag_row,
    uri_row,
)
from provenance_store.values import digest_of

if TYPE_CHECKING:
    from provenance_store.store import Store

__all__ = ["import_crate"]

ACTIONS: Final = frozenset({"CreateAction", "ActivateAction", "UpdateAction"})
TOOLS: Final = frozenset(
    {"ComputationalWorkflow", "HowTo", "SoftwareApplication", "SoftwareSourceCode"}
)
VALUES: Final = frozenset({"PropertyValue", "FormalParameter"})
DIGESTS: Final = ("sha256", "sha512", "sha1", "md5")
"""The first that is there is kept as the digest of a file."""
ENDED: Final = {"CompletedActionStatus": "SUCCEEDED", "FailedActionStatus": "FAILED"}
GOING: Final = frozenset({"ActiveActionStatus", "PotentialActionStatus"})
TEXTS: Final = ("description", "version", "softwareVersion", "url", "encodingFormat")
"""Properties that are tags where they are text."""
INLINED: Final = frozenset({"ContainerImage", "PropertyValue", "SoftwareApplication"})
"""What is shown whole where an entity names it, and is no record of its own."""
LINKS: Final = ("hasMember", "hasPart", "mentions", "object", "result")
MOST_NAMED: Final = 3
_SIZE = re.compile(r"\s*([0-9]{1,18})\s*(?:B|bytes?)?\s*", re.IGNORECASE)
_HEX = re.compile(r"[0-9A-Fa-f]{32,128}")
_ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")


def import_crate(store: Store, crate: Crate, *, dry_run: bool = False) -> Imported:
    """Import the run or runs that a crate describes, in one transaction; again changes nothing.

    Raises InvalidInput when it describes none. Nothing is then written.
    """
    found = _Import(crate)
    batch = found.batch()
    return take_in(store, batch, found.numbers, found.notes(), file=crate.source, dry_run=dry_run)


class _Import:
    """Makes the batch of one crate."""

    def __init__(self, crate: Crate) -> None:
        self._crate = crate
        self._entities = crate.entities
        self._batch = Batch()
        self._gate = Gate()
        self._limit = MAX_PAYLOAD_BYTES.get()
        self._actions = [i for i in sorted(crate.entities) if ACTIONS & set(crate.typed(i))]
        if not self._actions:
            raise InvalidInput(
                "the crate describes no run: none of its entities is a CreateAction. A crate of "
                "data alone holds no history.",
                path=crate.place,
            )
        content = digest_of(sorted(crate.entities.values(), key=lambda e: str(e["@id"])))
        self.numbers = Numbers(f"ro-crate {content}", "RO-Crate")
        self._workflow = next(iter(crate.ends(crate.root, "mainEntity")), None)
        self._whole = self._runs()
        self._run_of = self._runs_of_actions()
        self._used = {a: self._ends(a, "object") for a in self._actions}
        self._made = {a: self._ends(a, "result") for a in self._actions}
        self._leave_to_steps()
        self._steps = self._find_steps()
        self._tools = {i for a in self._steps for i in crate.ends(a, "instrument")}
        self._odd: dict[str, None] = {}
        self._outside = 0
        self._differ: list[str] = []
        self._ids: dict[str, int] = {}
        self._makers = {i: a for a in (*self._whole, *self._steps) for i in self._made[a]}

    # ---- what is what ----------------------------------------------------------------------

    def _runs(self) -> dict[str, str]:
        """The actions that ran the crate's workflow as a whole, with the ids of their runs."""
        if self._workflow is None:
            return {}
        found = [a for a in self._actions if self._workflow in self._crate.ends(a, "instrument")]
        origin = self.numbers.own.uuid
        return {a: f"{origin}.{n}" for n, a in enumerate(found, start=1)}

    def _runs_of_actions(self) -> dict[str, str]:
        """The run of each action: as the engine says, or the only one."""
        found = dict(self._whole)
        for id_ in self._entities:
            if "OrganizeAction" not in self._crate.typed(id_):
                continue
            run = next((r for r in self._crate.ends(id_, "result") if r in self._whole), None)
            for control in self._crate.ends(id_, "object") if run else ():
                for action in self._crate.ends(control, "object"):
                    found.setdefault(action, self._whole[run or ""])
        if len(self._whole) == 1:
            for action in self._actions:
                found.setdefault(action, *self._whole.values())
        return found

    def _ends(self, action: str, name: str) -> list[str]:
        """What an action names as its object or result; a mention alone makes an entity."""
        found = []
        for value in listed(self._entities[action].get(name)):
            if isinstance(value, str) and value:
                self._entities.setdefault(value, {"@id": value, "@type": "Thing"})
                found.append(value)
        for id_ in references(self._entities[action].get(name)):
            self._entities.setdefault(id_, {"@id": id_, "@type": "Thing"})
            found.append(id_)
        return list(dict.fromkeys(found))

    def _leave_to_steps(self) -> None:
        """What a step of a run says it used or made is not said of the whole run once more."""
        steps = [a for a in self._actions if a not in self._whole]
        for ends in (self._used, self._made):
            told = {i for a in steps for i in ends[a]}
            for action in self._whole:
                ends[action] = [i for i in ends[action] if i not in told]

    def _find_steps(self) -> list[str]:
        """The actions that are steps: a run as a whole is one where something is left for it."""
        alone = len(self._whole) == len(self._actions)
        return [
            a
            for a in self._actions
            if a not in self._whole or alone or self._records_of(a) or self._made[a]
        ]

    def _records_of(self, action: str) -> list[str]:
        """What an action used that is no value of a parameter."""
        return [i for i in self._used[action] if not VALUES & set(self._crate.typed(i))]

    def _kind(self, id_: str) -> Kind:
        if ACTIONS & set(self._crate.typed(id_)):
            return Kind.STEP
        types = self._crate.typed(id_)
        said = [*types, *(str(t) for t in listed(self._entities[id_].get("additionalType")))]
        if id_ in self._tools or TOOLS & set(types):
            return Kind.FACT
        if self._members(id_) or "Collection" in types:
            return Kind.DATASET
        if any(MODEL.search(text.rpartition("/")[2]) for text in said):
            return Kind.MODEL
        return (
            Kind.FACT if any(FACT.search(text.rpartition("/")[2]) for text in said) else Kind.DATA
        )

    def _members(self, id_: str) -> list[str]:
        """The parts of a collection or folder; those of the crate and of programs are none."""
        types = set(self._crate.typed(id_))
        if id_ == self._crate.root or TOOLS & types or not types & {"Collection", "Dataset"}:
            return []
        parts = [*self._crate.ends(id_, "hasPart"), *self._crate.ends(id_, "hasMember")]
        return [i for i in dict.fromkeys(parts) if i in self._entities and i != id_]

    def _wanted(self) -> list[str]:
        """All entities that become records: steps, what they name, and the parts of that."""
        waiting = [i for a in self._steps for i in (*self._records_of(a), *self._made[a])]
        waiting += [i for i in self._tools if i in self._entities]
        found = dict.fromkeys(self._steps)
        while waiting:
            id_ = waiting.pop()
            if id_ not in found and not (ACTIONS | VALUES) & set(self._crate.typed(id_)):
                found[id_] = None
                waiting += self._members(id_)
        return sorted(found)

    # ---- rows --------------------------------------------------------------------------------

    def batch(self) -> Batch:
        wanted = self._wanted()
        for number, id_ in enumerate(wanted, start=1):
            self._ids[id_] = self.numbers.named(number)
        for id_ in wanted:
            self._record(id_)
        links: dict[LinkRow, None] = {}
        for id_ in wanted:
            links.update(dict.fromkeys(self._links(id_)))
        self._batch.link.extend(sorted(links))
        for action, run_id in self._whole.items():
            self._run(action, run_id)
        return self._batch

    def _record(self, id_: str) -> None:
        kind, record_id, at = self._kind(id_), self._ids[id_], self._created(id_)
        maker = id_ if id_ in self._run_of else self._makers.get(id_, "")
        run_id = self._run_of.get(maker)
        row = RecordRow(record_id, kind.value, self._name(id_), at, 0, run_id, None, None)
        self._batch.record.append(row)
        for name, value in self._tags(id_, kind).items():
            self._batch.tag.append(
                tag_row(self._gate, record_id, self.numbers.next(), name, value, at)
            )
        self._payload(record_id, "ro_crate", self._said(id_))
        if kind is Kind.STEP:
            return self._step(id_, record_id)
        if kind is Kind.MODEL:
            self._batch.version.append(VersionRow(record_id, record_id, None, 0))
        uri = self._uri(id_, record_id)
        if uri is not None:
            self._batch.uri.append(uri)

    def _payload(self, record_id: int, name: str, value: Any) -> None:
        document = payload_document(
            self._gate, value, limit=self._limit, decoded=True, path=f"document {name}"
        )
        self._batch.payload.append(PayloadRow(record_id, name, document))

    def _name(self, id_: str) -> str:
        entity = self._entities[id_]
        for key in ("name", "alternateName"):
            if isinstance(entity.get(key), str) and entity[key].strip():
                return str(entity[key])
        return id_.rstrip("/").rpartition("/")[2] or id_

    def _created(self, id_: str) -> int:
        """When it came about as far as the crate tells; 0 where it tells no time at all."""
        own = self._time(id_, "dateCreated", "startTime", "endTime")
        if own is not None:
            return own
        maker = self._makers.get(id_)
        made = None if maker is None else self._time(maker, "endTime", "startTime")
        if made is None:
            made = self._time(id_, "dateModified")
        if made is None:
            made = self._time(self._crate.root, "dateCreated", "datePublished")
        return made or 0

    def _time(self, id_: str, *names: str) -> int | None:
        for name in names:
            value = next(iter(listed(self._entities[id_].get(name))), None)
            if value is None:
                continue
            at, why = odd_time(value)
            if why:
                self._odd[f"{name} {str(value)[:40]!r} of {id_[:80]!r} {why}."] = None
            if at is not None:
                return at
        return None

    def _tags(self, id_: str, kind: Kind) -> dict[str, Any]:
        entity = self._entities[id_]
        tags: dict[str, Any] = {IMPORTED: "RO-Crate"}
        for key in TEXTS:
            if isinstance(entity.get(key), str) and entity[key]:
                tags[key] = entity[key]
        for key in ("agent", "author", "creator"):
            if people := [self._person(i) for i in self._crate.ends(id_, key)]:
                tags[key] = ", ".join(people)
        parameters = [*self._crate.ends(id_, "exampleOfWork")]
        if kind is not Kind.STEP and parameters:
            tags["parameter"] = ", ".join(map(self._described, parameters))
        return tags

    def _described(self, id_: str) -> str:
        return self._name(id_) if id_ in self._entities else id_

    def _person(self, id_: str) -> str:
        name = self._described(id_)
        return name if name == id_ else f"{name} ({id_})"

    def _said(self, id_: str) -> dict[str, Any]:
        """An entity, with the values and containers that it names in their place.

        What links say is left out: a run may have thousands of files.
        """
        return {
            key: self._inlined(value)
            for key, value in self._entities[id_].items()
            if key not in LINKS
        }

    def _inlined(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self._inlined(item) for item in value]
        for id_ in references(value):
            if id_ not in self._ids and INLINED & set(self._crate.typed(id_)):
                return self._entities[id_]
        return value

    def _step(self, id_: str, record_id: int) -> None:
        entity = self._entities[id_]
        self._batch.step.append(
            step_row(
                self._gate,
                record_id,
                type="Activity",
                action_url=None,
                action_id=next((v for v in listed(entity.get("identifier")) if _is_text(v)), None),
                run_as=None,
                definition_digest=None,
                ordinal=None,
                started_at=self._time(id_, "startTime"),
            )
        )
        status = self._status(id_)
        if status is not None:
            ended = self._time(id_, "endTime")
            self._batch.outcome.append(OutcomeRow(record_id, status_of(self._gate, status), ended))
        given: dict[str, list[Any]] = {}
        for value in self._used[id_]:
            if VALUES & set(self._crate.typed(value)):
                about = self._entities[value]
                given.setdefault(self._name(value), []).append(about.get("value"))
        if given:
            parameters = {n: v[0] if len(v) == 1 else v for n, v in given.items()}
            self._payload(record_id, "parameters", parameters)
        if entity.get("error") is not None:
            self._payload(record_id, "error", entity["error"])

    def _status(self, id_: str) -> str | None:
        """How an action ended; None where it goes on or nothing says."""
        said = [*references(self._entities[id_].get("actionStatus"))]
        said += [v for v in listed(self._entities[id_].get("actionStatus")) if isinstance(v, str)]
        for text in said:
            name = text.rpartition("/")[2].rpartition(":")[2]
            if name in ENDED or name in GOING:
                return ENDED.get(name)
        return "ENDED" if self._time(id_, "endTime") is not None else None

    def _run(self, action: str, run_id: str) -> None:
        title = self._described(self._workflow or "")
        said = (None, title, self._name(action), self._status(action), None)
        times = (self._time(action, "startTime"), self._time(action, "endTime"))
        event, at = self.numbers.next(), self._created(action)
        self._batch.run_event.append(
            run_event_row(self._gate, event, run_id, at, said, times, None)
        )

    # ---- files -------------------------------------------------------------------------------

    def _uri(self, id_: str, record_id: int) -> UriRow | None:
        """Where a file is, and what the crate says of its bytes."""
        entity = self._entities[id_]
        places = [v for v in listed(entity.get("contentUrl")) if isinstance(v, str)]
        places += references(entity.get("contentUrl"))
        path = path_in_crate(id_) if {"File", "Dataset"} & set(self._crate.typed(id_)) else None
        if _ABSOLUTE.match(id_):
            place: str | None = places[0] if places and id_.startswith("urn:") else id_
        elif path is not None:
            place = self._crate.content.uri(path) or self._archived(path)
        else:
            is_file = bool({"File", "Dataset"} & set(self._crate.typed(id_)))
            self._outside += is_file and not id_.startswith("#") and id_ != self._crate.root
            place = next(iter(places), None)
        if place is None:
            return None
        size, digest = self._claimed(id_)
        if path is not None and "File" in self._crate.typed(id_):
            size, digest = self._compared(path, id_, size, digest)
        media_type = next((v for v in listed(entity.get("encodingFormat")) if _is_type(v)), None)
        if "Dataset" in self._crate.typed(id_):
            media_type = media_type or "inode/directory"
        about = {"uri": place, "size": size, "digest": digest, "media_type": media_type}
        return uri_row(self._gate, record_id, about)

    def _archived(self, path: str) -> str:
        """The name of a file in a crate that lies nowhere: by the UUID of the import."""
        return f"arcp://uuid,{self.numbers.own.uuid}/{quote(path)}"

    def _claimed(self, id_: str) -> tuple[int | None, str | None]:
        entity = self._entities[id_]
        size = next(iter(listed(entity.get("contentSize"))), None)
        found = _SIZE.fullmatch(str(size)) if isinstance(size, str | int) else None
        for name in DIGESTS:
            value = next(iter(listed(entity.get(name))), None)
            if isinstance(value, str) and _HEX.fullmatch(value):
                return found and int(found[1]), f"{name}:{value.lower()}"
        return found and int(found[1]), None

    def _compared(
        self, path: str, id_: str, size: int | None, digest: str | None
    ) -> tuple[int | None, str | None]:
        """Size and digest as the crate says; what its file has where it says nothing."""
        content = self._crate.content
        real = content.size(path)
        if real is None:
            path, real = id_, content.size(id_)
        if real is None:
            return size, digest
        if size is not None and size != real:
            self._differ.append(
                f"{id_[:80]} has {counted(real, 'byte')} in the crate, which says {size}."
            )
        if digest is not None and not digest.startswith("sha256:"):
            return (real if size is None else size), digest
        found = content.sha256(path)
        if found is not None and digest is not None and digest != f"sha256:{found}":
            self._differ.append(f"{id_[:80]} has another SHA-256 in the crate than it says.")
        return (
            real if size is None else size,
            digest or (None if found is None else f"sha256:{found}"),
        )

    # ---- links -------------------------------------------------------------------------------

    def _links(self, id_: str) -> Iterable[LinkRow]:
        own = self._ids[id_]
        if ACTIONS & set(self._crate.typed(id_)):
            tools = self._crate.ends(id_, "instrument")
            for used in (*self._used[id_], *tools):
                if used in self._ids and used != id_:
                    action = ACTIONS & set(self._crate.typed(used))
                    role = Role.INFORMED_BY if action else Role.USED
                    yield LinkRow(self._ids[used], own, role.value)
            for made in self._made[id_]:
                if made in self._ids and not ACTIONS & set(self._crate.typed(made)):
                    yield LinkRow(own, self._ids[made], Role.GENERATED_BY.value)
            return
        for part in self._members(id_):
            if part in self._ids:
                yield LinkRow(self._ids[part], own, Role.HAS_MEMBER.value)

    def notes(self) -> list[str]:
        """What was left out or differs, a sentence each."""
        told = [*self._crate.notes, *self._gate.notes]
        for notes, what in (
            (self._differ, "files that differ from the crate"),
            (self._odd, "odd times"),
        ):
            told += [*notes][:MOST_NAMED]
            if len(notes) > MOST_NAMED:
                told.append(f"There are {len(notes) - MOST_NAMED} more {what}.")
        files = [i for i in self._entities if "File" in self._crate.typed(i)]
        unnamed = sum(i not in self._ids for i in files)
        for what, count in (
            ("Left out, since no action names them", unnamed),
            ("Not looked at, since their names lead out of the crate", self._outside),
            ("Not compared, since together they are too large", self._crate.content.unread),
        ):
            told += [f"{what}: {counted(count, 'file')}."] if count else []
        return told


def _is_type(value: Any) -> bool:
    return _is_text(value) and "/" in value and ":" not in value


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value)
