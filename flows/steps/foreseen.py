"""What recording a step is going to ask the store."""

from __future__ import annotations

from collections.abc import Iterable

from flows.steps.body import Body
from flows.steps.run_files import PATHS, are_moved
from flows.steps.things import UrisOf, uris_in
from flows.steps.uris import norm_of
from provenance_store.reading.foreseen import Foreseen
from provenance_store.viewer import Viewer

__all__ = ["foresee"]


def foresee(bodies: Iterable[tuple[Body, Viewer | None, UrisOf]]) -> Foreseen:
    """What recording these bodies asks, as far as they tell; each with who asks, where it is known
    what that one may see, and a place for the URIs of its definitions."""
    foreseen = Foreseen()
    with_paths = foreseen.documents.setdefault(PATHS, set())
    for body, viewer, known in bodies:
        run_id = body.run.run_id
        foreseen.runs.add(run_id)
        uris = [*uris_in(body.inputs or (), known)]
        if are_moved(uris):
            with_paths.add(run_id)
        foreseen.uris.update((norm_of(uri), None) for uri in uris)
        if viewer is not None:
            names = (m.name for m in body.models or () if m.id is None and not m.new)
            foreseen.heads.setdefault(viewer, set()).update(filter(None, names))
    return foreseen
