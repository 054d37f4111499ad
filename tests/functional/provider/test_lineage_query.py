"""Lineage and model versions over HTTP: their parameters, and what a caller may see."""

from __future__ import annotations

from typing import Any

import pytest

from provenance_store.values import Audience
from tests.functional.provider.house import House, Person


@pytest.fixture
def urns(both_houses: House, ada: Person, bob: Person) -> dict[str, str]:
    """Ada's model, trained on Bob's data; Bob may not see the model, nor Ada the data."""
    store = both_houses.store
    hers = store.recorder(audience=Audience(ada.urn))
    his = store.recorder(audience=Audience(bob.urn))
    scan = his.data("his scan")
    first = hers.model("hers")
    second = hers.update(first, [scan], scores={"loss": 0.2})
    third = hers.update(second, [hers.data("her data", depends_on=[second])])
    result = his.data("his result", depends_on=[third])
    made = {"scan": scan, "first": first, "second": second, "third": third, "result": result}
    return {name: record.urn for name, record in made.items()}


def lineage(house: House, who: Person, urn: str, **how: Any) -> dict[str, Any]:
    answer = house.get(f"/api/v1/records/{urn}/lineage", who, params=how)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_lineage_takes_roles_kinds_and_folding(
    both_houses: House, ada: Person, urns: dict[str, str]
) -> None:
    def names(**how: Any) -> list[str]:
        nodes = lineage(both_houses, ada, urns["third"], **how)["nodes"]
        return [str(node["name"]) for node in nodes]

    assert sorted(names()) == ["None", "her data", "hers", "hers", "hers"]
    assert names(roles="revision_of") == ["hers"] * 3
    assert sorted(names(roles=["revision_of", "trained_on"], depth=1)) == [
        "her data",
        *["hers"] * 2,
    ]
    assert names(kinds=["model", "fact"]).count("hers") == 3
    folded = lineage(both_houses, ada, urns["third"], folded="true")
    (model,) = [node for node in folded["nodes"] if node["kind"] == "model"]
    assert model["versions"] == {"first": 0, "last": 2, "count": 3}
    both = lineage(both_houses, ada, urns["second"], direction="both")
    assert both["direction"] == "both"
    assert len(both["nodes"]) == 6


def test_what_is_not_the_callers_is_a_placeholder_whatever_it_is(
    both_houses: House, bob: Person, urns: dict[str, str]
) -> None:
    for how in ({}, {"kinds": "data"}, {"folded": "true"}, {"roles": ["derived_from"]}):
        found = lineage(both_houses, bob, urns["result"], **how)
        assert "her" not in str(found)
        assert urns["third"] not in str(found)
        assert found["nodes"][1]["kind"] == "restricted"


@pytest.mark.parametrize(
    "how", [{"roles": "eats"}, {"kinds": "thing"}, {"folded": "perhaps"}, {"direction": "sideways"}]
)
def test_what_there_is_not_is_refused_with_its_path(
    both_houses: House, ada: Person, urns: dict[str, str], how: dict[str, str]
) -> None:
    answer = both_houses.get(f"/api/v1/records/{urns['third']}/lineage", ada, params=how)
    assert answer.status_code == 422
    assert next(iter(how)) in answer.json()["description"]


def test_a_model_version_tells_what_made_it_as_far_as_the_caller_may_know(
    both_houses: House, ada: Person, bob: Person, urns: dict[str, str]
) -> None:
    path = f"/api/v1/records/{urns['second']}/model"
    version = both_houses.get(path, ada).json()
    assert [item["id"] for item in version["fine_tuned_from"]] == [urns["first"]]
    assert [item["kind"] for item in version["trained_on"]] == ["restricted"]
    assert [item["id"] for item in version["revised_by"]] == [urns["third"]]
    assert [item["name"] for item in version["produced"]] == ["her data"]
    assert version["scores"] == {"loss": 0.2}
    assert "his scan" not in str(version)
    assert both_houses.get(path, bob).status_code == 404
    other = both_houses.get(f"/api/v1/records/{urns['scan']}/model", bob)
    assert (other.status_code, other.json()["code"]) == (422, "InvalidInput")
