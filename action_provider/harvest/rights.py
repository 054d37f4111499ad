"""Into which runs a harvest may write.

Whatever is harvested is Globus' own word, and belongs to the run's owner whoever asks. But who sees
a run sees its records: where a stranger has begun the run in this store under the same id, its
owner's records do not go there.

What it may refer to is another matter. The author of the flow writes the names, places and ids that
are looked up, so they mean what the run's owner may see, and nothing of others: not even of whoever
asks for the harvest.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from action_provider.auth import Caller
from provenance_store.errors import NotAllowed
from provenance_store.kinds import Level
from provenance_store.store import Store
from provenance_store.viewer import Viewer

__all__ = ["builds_on", "require_run"]


def require_run(store: Store, run: Mapping[str, Any], caller: Caller) -> frozenset[str] | None:
    """Raise NotAllowed when the run is known here, and neither the caller nor its owner in Globus
    manages it.

    Of a run that is not known, the principals as which the harvest must be alone in it.
    """
    run_id, owner = str(run["run_id"]), run.get("run_owner")
    members = store.reader().run_members(run_id)
    if members is None:
        return caller.identities | ({owner} if isinstance(owner, str) else set())
    managers = {principal for principal, level in members.items() if level is Level.MANAGE}
    if owner not in managers and not caller.is_one_of(managers, everybody=False):
        raise NotAllowed(
            f"Run {run_id} was recorded by somebody else; who records it can name you in manage_by."
        )
    return None


def builds_on(store: Store, run: Mapping[str, Any], caller: Caller) -> Viewer:
    """On whose behalf a harvest, for which `require_run` holds, looks for earlier records.

    That is the run's owner; with all its groups where the owner is the caller. A run that was
    recorded by the caller and not by its owner is read on behalf of both.
    """
    owner = run.get("run_owner")
    if not isinstance(owner, str) or owner in caller.identities:
        return caller.viewer()
    members = store.reader().run_members(str(run["run_id"]))
    if members is None or members.get(owner) is Level.MANAGE:
        return Viewer(frozenset({owner}))
    mine = caller.viewer()
    return Viewer(mine.principals | {owner}, everything=mine.everything)
