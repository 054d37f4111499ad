"""Batches in which records are named by a reference, since no store could be asked: see
`hpc.named_references`. Here they come to a store, which is.

What a name stood for when it was recorded takes its place. A link to it becomes a link that was
added later (`late_link`), by the rule that it was named. Of what names nothing, or more than one
thing, the link is left out, and a note of the record says so; whoever knows better adds it with
`Recorder.link_later`. What is *said of* such a name, a tag or the end of a step, is refused as any
addition to an unknown record, and stays where it was: in the spool.

Each part of a batch is looked up once what was recorded before it is in the store. Bringing a batch
in again changes nothing, since the time of the recording decides.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import NamedTuple

from provenance_store import redaction
from provenance_store.batch import ID_PLACES, TABLES, Batch
from provenance_store.enums import Kind, Role
from provenance_store.errors import BraidError, InvalidInput
from provenance_store.ids import MAX_SEQUENCE, SEQUENCE_BITS, Urn, make_id, parse_id, short_id
from provenance_store.queries.named_then import named_then
from provenance_store.queries.view import View
from provenance_store.recording.recorder import NOTE_TAG
from provenance_store.references import NAMED_TAG, is_id, parts_of, spellings_of
from provenance_store.rows import LinkRow, OriginRow, TagRow, VersionRow
from provenance_store.sink import VersionOf
from provenance_store.sinks.database import BatchRefused, DatabaseSink
from provenance_store.validation import rows
from provenance_store.validation.batches import SPOKEN
from provenance_store.validation.limits import Gate
from provenance_store.validation.uris import normal_uri
from provenance_store.values import EVERYTHING, Viewer

__all__ = ["Unsettled", "has_names", "settled", "write_named"]

CHOICES = 5
NOTHING = (
    "{text} named nothing in the store that this was brought into, as of when it was recorded; {so}"
)
SEVERAL = "{text} named more than one record: {choices}; {so}"
WAITS = "it is not written without that."
NO_LINK = "the link ({role}) is left out."
NEW_LINE = "what was made of it begins a line of its own."


class Unsettled(InvalidInput):
    """A part of a batch says something of a name that names nothing here, or nothing yet."""


def has_names(batch: Batch) -> bool:
    """Whether ids of a batch stand for references by name."""
    return any(row[1] == NAMED_TAG for row in batch.tag) and bool(_markers(batch))


def write_named(sink: DatabaseSink, batch: Batch, *, patient: bool = False) -> list[BatchRefused]:
    """Write a batch with references by name; what was refused of it, by the places of its parts.

    `patient` refuses a part in which a name names nothing, for it may come.
    """
    refused: list[BatchRefused] = []
    waiting: list[tuple[int, Batch]] = []
    new: set[str] = set()

    def write() -> None:
        places = [place for place, _ in waiting]
        if waiting:
            (answers,) = sink.write_parts([Batch.joined([part for _, part in waiting])])
            refused.extend(BatchRefused(places[each.part], each.error) for each in answers)
        waiting.clear()
        new.clear()

    for place, part in enumerate(batch.parted()):
        if has_names(part):
            if not new.isdisjoint(_asked_for(part)):
                write()
            try:
                part = settled(sink, part, patient=patient)
            except BraidError as error:
                refused.append(BatchRefused(place, error))
                continue
        new |= _names_made(part)
        waiting.append((place, part))
    write()
    return sorted(refused, key=itemgetter(0))


def settled(
    sink: DatabaseSink, part: Batch, *, viewer: Viewer = EVERYTHING, patient: bool = False
) -> Batch:
    """What was recorded together, with the records in place of their names, as a viewer sees them.

    Raises Unsettled where something is said of what is not there, and with `patient` also where
    something only depends on it. The batch that is given may carry more origins then.
    """
    own = Batch(origin=part.origin)
    for name in TABLES:
        if name != "origin":  # numbers that are given here hold for all parts
            setattr(own, name, [*getattr(part, name)])
    with sink.session.read() as connection:
        return _Settling(View(connection, viewer, sink.urn), sink, own, patient).done()


def _markers(batch: Batch) -> dict[int, list[TagRow]]:
    """The tags that say what an id stands for, by that id."""
    made = {row.id for row in batch.record}
    found: dict[int, list[TagRow]] = {}
    for row in batch.tag:
        if row.name == NAMED_TAG and row.record_id not in made:
            found.setdefault(row.record_id, []).append(row)
    return found


def _asked_for(part: Batch) -> Iterator[str]:
    """What something that is named so may be called where it is made."""
    for some in _markers(part).values():
        text = some[0].text
        parts = parts_of(text)
        yield from (text, *((parts.name, parts.alias or "") if parts else ()))
        yield from map(normal_uri, spellings_of(text, here=False))


def _names_made(part: Batch) -> set[str]:
    return {
        *(row.name for row in part.record),
        *(row.name for row in part.alias),
        *(normal_uri(row.uri) for row in part.uri),
    }


class _Found(NamedTuple):
    """What a name stood for: the id in the store, and one in the batch; or why it is none."""

    here: int
    there: int
    why: str = ""


@dataclass
class _Settling:
    view: View
    sink: DatabaseSink
    part: Batch
    patient: bool
    notes: dict[int, list[tuple[TagRow, str]]] = field(default_factory=dict)

    def done(self) -> Batch:
        markers = _markers(self.part)
        found = {i: self._found(some[0]) for i, some in markers.items()}
        lost = {i for i, one in found.items() if not one.here}
        if lost & self._spoken_of() or (lost and self.patient):
            raise Unsettled(" ".join(found[i].why.format(so=WAITS) for i in sorted(lost)))
        self.part.tag = [
            row for row in self.part.tag if not (row.name == NAMED_TAG and row.record_id in markers)
        ]
        lines = self._versions(markers, found)
        self._aliases(markers, found, lines)
        self._links(markers, found)
        self._renamed({i: one.there for i, one in found.items() if one.here})
        self._say()
        return self.part

    def _found(self, marker: TagRow) -> _Found:
        text = marker.text
        if is_id(text):
            here = self.sink.locate(text)
            ids = [here] if here is not None and here in self.view.by_id([here]) else []
        else:
            ids = named_then(self.view, self.sink.prepared, text, marker.set_at)
        if self._is_parent(marker.record_id):
            models = [i for i, row in self.view.by_id(ids).items() if row.kind == Kind.MODEL]
            ids = sorted(models, reverse=True)[:1] or ids  # the one that was made last
        if len(ids) == 1:
            return _Found(ids[0], self._there(ids[0]))
        choices = ", ".join(self.view.urn(i) for i in ids[:CHOICES])
        shown = repr(redaction.scrub_text(text))[:200].replace("{", "{{").replace("}", "}}")
        return _Found(
            0, 0, (SEVERAL if ids else NOTHING).format(text=shown, choices=choices, so="{so}")
        )

    def _is_parent(self, named: int) -> bool:
        return any(named in (row.parent_id, row.line_id) for row in self.part.version)

    def _spoken_of(self) -> set[int]:
        """The names that something is said of, rather than that something comes from them."""
        spoken = {
            row[place]
            for name, place in SPOKEN.items()
            for row in getattr(self.part, name)
            if name != "alias" and not (name == "tag" and row[1] == NAMED_TAG)
        }
        return spoken | {row.version_id or row.line_id for row in self.part.alias}

    # ---- numbering -----------------------------------------------------------------------

    def _there(self, record_id: int) -> int:
        """The id that a record of the store has in the batch, which comes to carry its origin."""
        urn = parse_id(self.view.urn(record_id))
        assert isinstance(urn, Urn)
        numbers = {row.uuid: row.no for row in self.part.origin}
        if (number := numbers.get(urn.origin)) is None:
            number = max(numbers.values(), default=0) + 1
            self.part.origin.append(OriginRow(number, urn.origin, "", "", 0, "", 0))
        return make_id(number, urn.sequence)

    def _here(self, record_id: int) -> int | None:
        """The id in the store of what has one in the batch; None where its origin is not known."""
        uuids = {row.no: row.uuid for row in self.part.origin}
        uuid = uuids.get(record_id >> SEQUENCE_BITS)
        return (
            None
            if uuid is None
            else self.sink.locate(f"urn:braid:{uuid}:{record_id & MAX_SEQUENCE}")
        )

    # ---- rows ----------------------------------------------------------------------------

    def _versions(
        self, markers: Mapping[int, Sequence[TagRow]], found: Mapping[int, _Found]
    ) -> dict[int, tuple[int, int, str]]:
        """Versions of a named model: of its line, and the next in it; line, number and name."""
        lines: dict[int, tuple[int, int, str]] = {}
        names: dict[int, str] = {}
        for place, row in enumerate(self.part.version):
            if row.line_id not in markers and row.parent_id not in markers:
                continue
            assert row.parent_id is not None
            parent = self._parent(row.parent_id, found, lines)
            if parent is None:
                if row.parent_id not in markers:
                    raise Unsettled(
                        f"The version before {short_id(row.id)} is not in the store yet; it comes "
                        "from another recorder."
                    )
                self.part.version[place] = VersionRow(row.id, row.id, None, 0)
                lines[row.id] = (row.id, 0, "")
                self._begins(row, markers[row.parent_id][0], found[row.parent_id])
                continue
            line, depth, name = parent
            before = found[row.parent_id].there if row.parent_id in found else row.parent_id
            self.part.version[place] = VersionRow(row.id, line, before, depth + 1)
            lines[row.id] = (line, depth + 1, name)
            if name:
                names[row.id] = name
        if names:
            self.part.record = [
                row if row.id not in names else row._replace(name=names[row.id])
                for row in self.part.record
            ]
        return lines

    def _aliases(
        self,
        markers: Mapping[int, Sequence[TagRow]],
        found: Mapping[int, _Found],
        lines: Mapping[int, tuple[int, int, str]],
    ) -> None:
        """An alias is of the line of its version; one that is taken away, of that of what is
        named."""
        for place, row in enumerate(self.part.alias):
            if row.line_id in markers:
                version = self._parent(row.version_id or row.line_id, found, lines)
                if version is None:
                    raise Unsettled("An alias is given to a version of a model, which is not here.")
                self.part.alias[place] = row._replace(line_id=version[0])

    def _parent(
        self,
        parent_id: int,
        found: Mapping[int, _Found],
        lines: Mapping[int, tuple[int, int, str]],
    ) -> tuple[int, int, str] | None:
        """Line, number and name of the version that another one is made of, by ids of the batch."""
        if parent_id in lines:
            return lines[parent_id]
        here = found[parent_id].here if parent_id in found else self._here(parent_id)
        known: VersionOf | None = None if not here else self.sink.version_of(here)
        return None if known is None else (self._there(known.line_id), known.version, known.name)

    def _begins(self, row: VersionRow, marker: TagRow, found: _Found) -> None:
        """Say why a version begins a line. It derives from what was named, if that is no model."""
        why = (
            found.why.format(so=NEW_LINE)
            if not found.here
            else (f"{marker.text!r:.200} is not a model version; {NEW_LINE}")
        )
        self.notes.setdefault(row.id, []).append((marker, why))
        role = Role.REVISION_OF.value
        self.part.link = [
            link
            if (link.to_id, link.from_id, link.role) != (marker.record_id, row.id, role)
            else link._replace(role=Role.DERIVED_FROM.value)
            for link in self.part.link
            if found.here
            or (link.to_id, link.from_id, link.role) != (marker.record_id, row.id, role)
        ]

    def _links(self, markers: Mapping[int, Sequence[TagRow]], found: Mapping[int, _Found]) -> None:
        """Links to what was named, each with who said so and when; or a note instead."""
        left = {i: iter(some) for i, some in markers.items()}
        kept: list[LinkRow] = []
        for link in self.part.link:
            one = found.get(link.to_id)
            if one is None:
                kept.append(link)
                continue
            marker = next(left[link.to_id], markers[link.to_id][-1])
            if not one.here:
                note = one.why.format(so=NO_LINK.format(role=Role(link.role).label))
                self.notes.setdefault(link.from_id, []).append((marker, note))
                continue
            made = LinkRow(one.there, link.from_id, link.role)
            if made.to_id == made.from_id or made in kept:
                continue
            kept.append(made)
            if link.role != Role.REVISION_OF:
                rule = f"named {marker.text!r:.200} where it was recorded"
                about = (marker.id, marker.set_at, self._who(marker.id), rule)
                self.part.late_link.append(rows.late_link_row(Gate(), made, *about))
        self.part.link = kept

    def _who(self, marker_id: int) -> str:
        number = marker_id >> SEQUENCE_BITS
        return next(
            (row.who for row in self.part.origin if row.no == number and row.who), "recorder"
        )

    def _renamed(self, ids: Mapping[int, int]) -> None:
        for name, places in ID_PLACES.items():
            table = getattr(self.part, name)
            if any(row[place] in ids for row in table for place in places):
                table[:] = [
                    type(row)(
                        *(
                            ids.get(value, value) if place in places else value
                            for place, value in enumerate(row)
                        )
                    )
                    for row in table
                ]

    def _say(self) -> None:
        """The notes, each record's as one: beside what was noted when it was recorded."""
        for record_id, some in self.notes.items():
            text = " ".join(dict.fromkeys(note for _, note in some))
            for place, row in enumerate(self.part.tag):
                if (row.record_id, row.name) == (record_id, NOTE_TAG):
                    about = (row.id, NOTE_TAG, f"{row.text} {text}", row.set_at)
                    self.part.tag[place] = rows.tag_row(Gate(), record_id, *about)
                    break
            else:
                marker = some[0][0]
                about = (marker.id, NOTE_TAG, text, marker.set_at)
                self.part.tag.append(rows.tag_row(Gate(), record_id, *about))
