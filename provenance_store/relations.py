"""The words for how records hang together, as a sentence from either end has them."""

from __future__ import annotations

from collections.abc import Sequence

from provenance_store.enums import SAME_AS, Role

__all__ = ["INFLUENCED_BY", "WORDS", "words_of"]

INFLUENCED_BY = "influenced_by"
"""The role of a link that stands for a way through nodes that are not shown (PROV's
wasInfluencedBy)."""
NAMED = 2
"""So many of the records between two others are named."""

WORDS: dict[str, tuple[str, str]] = {
    Role.USED.label: ("used", "used by"),
    Role.DEPLOYED.label: ("deployed", "deployed by"),
    Role.GENERATED_BY.label: ("made by", "made"),
    Role.DERIVED_FROM.label: ("derived from", "gave rise to"),
    Role.TRAINED_ON.label: ("trained on", "trained"),
    Role.REVISION_OF.label: ("revision of", "revised by"),
    Role.HAS_MEMBER.label: ("has member", "member of"),
    Role.INFORMED_BY.label: ("informed by", "informed"),
    Role.CHOSEN.label: ("chose", "chosen by"),
    Role.CONSIDERED.label: ("considered", "considered by"),
    SAME_AS.label: ("same as", "same as"),
    INFLUENCED_BY: ("through records not shown", "through records not shown"),
}
"""By role what is said of the record that depends, with the other one behind it, and what of the
one that is depended on. A test holds that every role is here."""


def words_of(role: str, *, down: bool = False, through: Sequence[str] = ()) -> str:
    """How a record stands to one that it depends on; `down`: to one that depends on it. `through`
    names what is not shown between the two, where one record is."""
    if through:
        more = f" and {len(through) - NAMED:,} more" if len(through) > NAMED else ""
        return f"through {', '.join(through[:NAMED])}{more}"
    here, there = WORDS.get(role, (role.replace("_", " "), f"{role.replace('_', ' ')} of"))
    return there if down else here
