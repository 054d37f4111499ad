"""The words for how records hang together, as a sentence from either end has them."""

from __future__ import annotations

from provenance_store.enums import SAME_AS, Role

__all__ = ["INFLUENCED_BY", "WORDS", "words_of"]

INFLUENCED_BY = "influenced_by"
"""The role of a link that stands for a way through nodes that are not shown (PROV's
wasInfluencedBy)."""

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
    INFLUENCED_BY: ("influenced by", "influenced"),
}
"""By role what is said of the record that depends, with the other one behind it, and what of the
one that is depended on. A test holds that every role is here."""


def words_of(role: str, *, down: bool = False) -> str:
    """How a record stands to one that it depends on; `down`: to one that depends on it."""
    here, there = WORDS.get(role, (role.replace("_", " "), f"{role.replace('_', ' ')} of"))
    return there if down else here
