"""Names that are near to one that nothing has, for "did you mean". What is looked through is
bounded, and only what the viewer may see."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any

from provenance_store.filters import RecordFilter, RunFilter, TagCondition
from provenance_store.queries.view import View
from provenance_store.references import Parts, parts_of
from provenance_store.sql import models as search
from provenance_store.sql import names as sql

__all__ = ["LOOKED_AT", "did_you_mean", "hint", "models_near", "records_near", "run_hint"]

LOOKED_AT = 1000
"""Of so many of the newest records, or runs, the names are looked through."""
LONGEST = 200
"""What is longer is compared with nothing."""
MOST = 3


def records_near(view: View, text: str) -> list[str]:
    """Names, or ``NAME@ALIAS`` of versions of models, that are near to a reference."""
    parts = parts_of(text)
    if parts is None:
        return _near(text, _all(view, sql.newest_names(view.viewer, LOOKED_AT)))
    if view.first(sql.versions_named(parts.name, view.viewer)) is None:
        return [_with(name, parts) for name in models_near(view, parts.name)]
    if parts.alias is None:
        newest = view.first(sql.highest_version(parts.name, view.viewer))
        return [] if newest is None else [f"{parts.name}@v{newest.depth}"]
    given = _all(view, sql.aliases_of(parts.name, view.viewer, LOOKED_AT))
    return [f"{parts.name}@{alias}" for alias in _near(parts.alias, given)]


def _with(name: str, parts: Parts) -> str:
    return f"{name}@{parts.alias or f'v{parts.version}'}"


def models_near(view: View, name: str) -> list[str]:
    """Names of models that are near to a name."""
    return _near(name, _all(view, sql.newest_names(view.viewer, LOOKED_AT, models=True)))


def did_you_mean(near: Iterable[str]) -> str:
    """A sentence that begins with a space; nothing where there is no name."""
    quoted = [repr(name) for name in near]
    if not quoted:
        return ""
    *others, last = quoted
    return f" Did you mean {', '.join(others)} or {last}?" if others else f" Did you mean {last}?"


def hint(view: View, wanted: RecordFilter) -> dict[str, Any]:
    """`hint`, a sentence on why no record may have been found: a name or a tag that is near to one
    that there is."""
    if wanted.name is not None and "*" not in wanted.name:
        near = _near(wanted.name, _all(view, sql.newest_names(view.viewer, LOOKED_AT)))
        if near and wanted.name not in near:
            return {"hint": f"No record is named {wanted.name[:80]!r}.{did_you_mean(near)}"}
    return _tag_hint(view, wanted.tags)


def run_hint(view: View, wanted: RunFilter) -> dict[str, Any]:
    """`hint`, as for records, on the label or the tag of runs."""
    if wanted.label is not None and "*" not in wanted.label:
        near = _near(wanted.label, _all(view, sql.newest_labels(view.viewer, LOOKED_AT)))
        if near and wanted.label not in near:
            return {"hint": f"No run has the label {wanted.label[:80]!r}.{did_you_mean(near)}"}
    return _tag_hint(view, () if wanted.tag is None else (wanted.tag,))


def _tag_hint(view: View, conditions: Iterable[TagCondition]) -> dict[str, Any]:
    for condition in conditions:
        if view.first(search.has_tag(condition, view.viewer)) is None:
            near = _near(condition.name, _all(view, search.tag_names(view.viewer, LOOKED_AT)))
            if near:
                said = f"No record has a tag {condition.name[:80]!r}.{did_you_mean(near)}"
                return {"hint": said}
    return {}


def _near(text: str, names: Iterable[str]) -> list[str]:
    """The nearest of these, in any case of letters."""
    if len(text) > LONGEST:
        return []
    folded = {name.casefold(): name for name in names if len(name) <= LONGEST}
    return [folded[each] for each in difflib.get_close_matches(text.casefold(), folded, n=MOST)]


def _all(view: View, query: Any) -> list[str]:
    return [row.name for row in view.all(query)]
