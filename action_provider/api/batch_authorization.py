"""What a caller may write: new things of its own, and additions to what it manages.

Everything else in a batch is only a mention. A record may depend on what was made by an origin
that is not known here: it may come later. Of an origin that is known the caller must see the
record, for what becomes of it shows on what depends on it: else whoever guesses ids would learn
about records of others. So it is with the version of a model that another one revises.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from action_provider.auth import Caller
from provenance_store.batch import Batch, mentioned_origins
from provenance_store.enums import Kind, Level
from provenance_store.errors import InvalidInput, NotAllowed, TooLarge
from provenance_store.ids import MAX_SEQUENCE, SEQUENCE_BITS, Urn, make_id
from provenance_store.queries.document_reader import Head
from provenance_store.recording.environment import making_origins
from provenance_store.rows import OriginRow
from provenance_store.service import StoreService
from provenance_store.sql.ownership import OriginOwner, RecordOwner
from provenance_store.validation.batches import additions
from provenance_store.values import Viewer

__all__ = ["Claim", "check_owners"]

MAX_SAID = 4_000
"""How often one tag of a record may have been set, or marks made of it, before a batch adds to
these: each value of a tag is compared with the later ones."""
_RANDOM = re.compile("[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
"""UUIDs of version 4. Those that are made of a name, such as a run's, anybody could claim."""


def check_owners(caller: Caller, batch: Batch) -> None:
    """Raise NotAllowed for an audience whose owner is not the caller."""
    for row in batch.audience:
        if row.owner not in caller.identities:
            raise NotAllowed(
                "The batch holds records of another owner; record with no audience, or your own."
            )


class Claim:
    """What a caller's batch claims, compared with what the store holds."""

    def __init__(self, service: StoreService, caller: Caller, batch: Batch) -> None:
        self._service = service
        self._caller = caller
        self._batch = batch
        self._uuids = {row.no: row.uuid for row in batch.origin}
        self._holders = service.holders(self._uuids.values())

    def owners(self) -> dict[int, str]:
        """Whose the things are that each origin makes: the identity that used the origin first.

        By the batch's number of the origin. Raises NotAllowed for an origin of somebody else.
        """
        return {no: self._owner(self._uuids[no]) for no in sorted(making_origins(self._batch))}

    def origins(self, owners: dict[int, str]) -> list[OriginRow]:
        """The rows of the origins that the batch needs: of its own with their owners as writers,
        of others with the UUID alone."""
        numbers = mentioned_origins(self._batch)
        return [
            row._replace(who=owners[row.no])
            if row.no in owners
            else OriginRow(row.no, row.uuid, "", "", 0, "", 0)
            for row in self._batch.origin
            if row.no in numbers
        ]

    def require_managed(self) -> dict[int, Kind]:
        """The kinds of the records that the batch adds to, all of which the caller manages.

        Raises InvalidInput for one that is not here, as far as the caller may know, NotAllowed
        for one that the caller may only see, and for one of its own batch that is here already
        and somebody else's.
        """
        added = additions(self._batch)
        here = self._here({row.id for row in self._batch.record} | added)
        audiences = {belonging.audience for belonging in here.values()}
        managed = {audience for audience in audiences if self._manages(audience)}
        for record_id in sorted(here.keys() - added):
            if here[record_id].audience not in managed:
                urn = self._urn(record_id)
                raise NotAllowed(f"{urn} exists already and belongs to somebody else.")
        for record_id in sorted(added):
            if record_id not in here or here[record_id].audience not in managed:
                raise self._refusal(record_id)
        return {record_id: here[record_id].kind for record_id in added}

    def require_room(self) -> None:
        """Raise TooLarge for one more tag or mark of a record of which so much was said already
        that whoever reads it would wait."""
        spoken = {row.record_id for row in self._batch.tag}
        spoken.update(row.record_id for row in self._batch.mark)
        here = {self._here_as(i): i for i in spoken - {row.id for row in self._batch.record}}
        said = self._service.histories([own for own in here if own is not None])
        for own, times in sorted(said.items()):
            if times >= MAX_SAID:
                raise TooLarge(
                    f"A tag of {self._urn(here[own])} was set, or the record marked, {times} times "
                    "already; record a new one that derives from it."
                )

    def require_links(self) -> None:
        """Raise InvalidInput for a link to a record that is not here, as far as the caller may
        know, of an origin of somebody else that is.

        A link that was taken before is taken again.
        """
        made = {row.id for row in self._batch.record}
        ends = {row.to_id for row in self._batch.link} - made
        theirs = {i: own for i in ends if (own := self._of_others(i)) is not None}
        unseen = theirs.keys() - self._seen(theirs)
        links = [row for row in self._batch.link if row.to_id in unseen]
        if links:
            stored = {
                (row.from_id, row.to_id): (self._here_as(row.from_id), theirs[row.to_id])
                for row in links
            }
            known = self._service.linked((a, b) for a, b in stored.values() if a is not None)
            for (_, to_id), ends_here in sorted(stored.items()):
                if ends_here not in known:
                    urn = self._urn(to_id)
                    raise InvalidInput(f"The batch links to {urn}, which is not in this store.")

    def require_lines(self) -> None:
        """Raise InvalidInput for a version of a line that is not here, as far as the caller may
        know, or whose number is not the next one there."""
        made = {row.id for row in self._batch.version}
        for place, row in enumerate(self._batch.version):
            if row.parent_id is None or row.parent_id in made:
                continue
            parent = self._version(row.parent_id)
            if parent is None:
                raise InvalidInput(
                    f"The batch revises {self._urn(row.parent_id)}, which is not in this store."
                )
            if (parent.line_id, parent.version + 1) != (self._here_as(row.line_id), row.depth):
                raise InvalidInput(
                    "A version must be the next one of the model line of its parent.",
                    path=f"version[{place}]",
                )

    def require_aliases(self) -> None:
        """Raise InvalidInput for an alias that is given to a version which is not of its line."""
        lines = {row.id: row.line_id for row in self._batch.version}
        for place, row in enumerate(self._batch.alias):
            if row.version_id is None or lines.get(row.version_id) == row.line_id:
                continue
            known = self._version(row.version_id)
            if known is None or known.line_id != self._here_as(row.line_id):
                raise InvalidInput(
                    "An alias must be given to a version of its own model.", path=f"alias[{place}]"
                )

    def _version(self, version_id: int) -> Head | None:
        own = self._here_as(version_id)
        if own is None:
            return None
        mine = self._service.documents(Viewer(self._caller.identities)).version(own)
        return mine or self._service.documents(self._caller.viewer()).version(own)

    def _of_others(self, record_id: int) -> int | None:
        """The id that a record has in the store if somebody else's origin made it; else None."""
        holder = self._holders.get(self._uuids[record_id >> SEQUENCE_BITS])
        mine = holder is not None and holder.who in self._caller.identities
        return None if mine else self._here_as(record_id)

    def _seen(self, ids: Mapping[int, int]) -> set[int]:
        """Those of these records that the caller sees; groups are asked for only if they count."""
        mine = Viewer(self._caller.identities)
        seen = self._service.documents(mine).sees(ids.values()) if ids else set()
        if len(seen) < len(set(ids.values())):
            seen |= self._service.documents(self._caller.viewer()).sees(ids.values())
        return {i for i, own in ids.items() if own in seen}

    def _owner(self, uuid: str) -> str:
        holder = self._holders.get(uuid, OriginOwner(0, "", False))
        if holder.who in self._caller.identities:
            return holder.who
        if not _RANDOM.fullmatch(uuid):
            raise InvalidInput(f"The origin {uuid} is not a recorder's: its UUID is not random.")
        if holder.who or holder.used:
            raise NotAllowed(f"The origin {uuid} belongs to somebody else; record with your own.")
        return self._caller.identity

    def _here(self, ids: Iterable[int]) -> dict[int, RecordOwner]:
        """Those of these records that the store has, by their ids in the batch."""
        own = {self._here_as(record_id): record_id for record_id in ids}
        found = self._service.belongings([i for i in own if i is not None])
        return {own[i]: belonging for i, belonging in found.items()}

    def _here_as(self, record_id: int) -> int | None:
        """The id that a record has in the store if it is there; None if it cannot be."""
        holder = self._holders.get(self._uuids[record_id >> SEQUENCE_BITS])
        if holder is None or not holder.used:
            return None
        return make_id(holder.no, record_id & MAX_SEQUENCE)

    def _manages(self, audience: str | None) -> bool:
        if audience is None:
            return False
        members = self._service.actions.members(audience)
        managers = {principal for principal, level in members.items() if level is Level.MANAGE}
        return self._caller.is_one_of(managers, everybody=False)

    def _refusal(self, record_id: int) -> InvalidInput | NotAllowed:
        urn = self._urn(record_id)
        if self._service.documents(self._caller.viewer()).resolve_all([urn]):
            return NotAllowed(f"You may see {urn}, but not add to it.")
        return InvalidInput(f"The batch adds to {urn}, which is not in this store.")

    def _urn(self, record_id: int) -> str:
        return str(Urn(self._uuids[record_id >> SEQUENCE_BITS], record_id & MAX_SEQUENCE))
