"""Actions that change: of several who change one at the same time, one does."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from provenance_store import Batch, Store
from provenance_store.rows import ActionRow
from provenance_store.service import StoreService
from provenance_store.values import Audience

OWNER = "urn:globus:auth:identity:00000000-0000-4000-8000-000000000000"


def kept(store: Store) -> ActionRow:
    audience, members = Audience(OWNER).rows()
    action = ActionRow("a1", OWNER, "r1", "d", "ACTIVE", "{}", None, audience.digest, 1, 100)
    store.sink.write(Batch(audience=[audience], audience_member=list(members), action=[action]))
    return action


def test_an_action_changes_its_status_its_document_and_its_release(store: Store) -> None:
    before = kept(store)
    after = before._replace(status="SUCCEEDED", document='{"a": 1}', release_at=200)
    assert StoreService(store).actions.swap(before, after._replace(creator="nobody"))
    assert StoreService(store).actions.get("a1") == after


def test_an_action_that_changed_meanwhile_is_left_alone(store: Store) -> None:
    before = kept(store)
    assert StoreService(store).actions.swap(before, before._replace(document='{"a": 1}'))
    assert not StoreService(store).actions.swap(before, before._replace(document='{"a": 2}'))
    assert not StoreService(store).actions.swap(before._replace(action_id="a2"), before)
    found = StoreService(store).actions.get("a1")
    assert found is not None
    assert found.document == '{"a": 1}'


def test_of_many_who_change_an_action_at_once_one_does(store: Store) -> None:
    before = kept(store)
    with ThreadPoolExecutor(8) as pool:
        done = list(
            pool.map(
                lambda n: StoreService(store).actions.swap(
                    before, before._replace(document=f'{{"a": {n}}}')
                ),
                range(16),
            )
        )
    assert done.count(True) == 1
