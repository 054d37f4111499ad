"""Statements over HTTP: JSON, Markdown and text, and only what the caller may see."""

from __future__ import annotations

import json

import pytest

from provenance_store.statement.verdict import judge, opened
from tests.functional.provider.house import House, Person, a_body


@pytest.fixture
def urn(both_houses: House, ada: Person) -> str:
    """The model that Ada's step trained."""
    answer = both_houses.run(ada, "r1", body=a_body())
    assert answer.status_code == 202
    found: str = answer.json()["details"]["models"][0]["id"]
    return found


def test_json_is_a_statement_that_holds(both_houses: House, urn: str, ada: Person) -> None:
    answer = both_houses.get(f"/api/v1/records/{urn}/statement", ada)
    assert answer.headers["Content-Type"] == "application/json"
    statement, _ = opened(answer.json())
    assert judge(statement, None).holds
    assert statement["predicate"]["claim"]["id"] == urn
    assert statement["predicate"]["evidence"]["scope"] == "restricted"


@pytest.mark.parametrize(
    ("accept", "query", "content_type", "start"),
    [
        ("*/*", "", "application/json", "{"),
        ("text/html,*/*;q=0.8", "", "application/json", "{"),
        ("text/plain", "", "text/plain; charset=utf-8", "Statement on braggnn"),
        ("text/markdown, text/plain;q=0.5", "", "text/markdown; charset=utf-8", "# Statement"),
        ("application/json", "?format=text", "text/plain; charset=utf-8", "Statement on"),
        ("text/plain", "?format=json", "application/json", "{"),
        ("image/png", "", "application/json", "{"),
    ],
)
def test_the_form_is_asked_for(
    both_houses: House,
    urn: str,
    ada: Person,
    accept: str,
    query: str,
    content_type: str,
    start: str,
) -> None:
    path = f"/api/v1/records/{urn}/statement{query}"
    answer = both_houses.get(path, ada, headers={"Accept": accept})
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == content_type
    assert answer.headers["Vary"] == "Accept"
    assert answer.text.startswith(start)


def test_what_others_may_not_see_is_counted_and_never_named(
    both_houses: House, ada: Person, bob: Person
) -> None:
    secret = both_houses.run(ada, "a", body=a_body("Secret", "run-a")).json()["details"]
    body = a_body("Open", "run-b", models=[], inputs=[])
    body["run"]["monitor_by"] = [bob.urn]
    body["inputs"] = [secret["outputs"][0]]
    shared = both_houses.run(ada, "b", body=body, monitor_by=[bob.urn]).json()["details"]
    answer = both_houses.get(f"/api/v1/records/{shared['outputs'][0]}/statement", bob)
    assert answer.status_code == 200
    gaps = {gap["what"]: gap for gap in answer.json()["predicate"]["not_supported"]}
    assert gaps["restricted"]["count"] > 0
    assert "Secret" not in answer.text
    assert "run-a" not in answer.text
    assert secret["outputs"][0] not in answer.text
    hidden = both_houses.get(f"/api/v1/records/{secret['outputs'][0]}/statement", bob)
    assert hidden.status_code == 404


@pytest.mark.parametrize(
    ("query", "path"),
    [
        ("format=xml", "format"),
        ("limit=0", "limit"),
        ("limit=20001", "limit"),
        ("limit=many", "limit"),
        ("as_of=yesterday", "as_of"),
        ("format=text&format=json", "format"),
        ("nonsense=1", "nonsense"),
    ],
)
def test_parameters_that_make_no_sense_are_refused(
    both_houses: House, urn: str, ada: Person, query: str, path: str
) -> None:
    answer = both_houses.get(f"/api/v1/records/{urn}/statement?{query}", ada)
    assert (answer.status_code, answer.json()["code"]) == (422, "InvalidInput")
    assert path in answer.json()["description"]


def test_the_account_and_host_of_the_server_are_its_own(
    both_houses: House, urn: str, ada: Person
) -> None:
    statement = both_houses.get(f"/api/v1/records/{urn}/statement", ada).json()
    (origin,) = statement["predicate"]["evidence"]["origins"].values()
    assert (origin["who"], origin["host"], origin["process"]) == (None, None, None)
    own = both_houses.store.documents().statement(urn)["predicate"]["evidence"]["origins"]
    assert all(origin["host"] for origin in own.values())


def test_without_a_token_or_a_record_there_is_none(
    both_houses: House, urn: str, ada: Person
) -> None:
    assert both_houses.get(f"/api/v1/records/{urn}/statement").status_code == 401
    assert both_houses.get("/api/v1/records/9.9/statement", ada).status_code == 404
    assert both_houses.get("/api/v1/records/x/statement", ada).status_code == 404


def test_tags_are_those_of_the_time(both_houses: House, urn: str, ada: Person) -> None:
    path = f"/api/v1/records/{urn}/statement"
    before = both_houses.get(path, ada).json()
    both_houses.store.tag(urn, {"quality": "good"})
    then = before["predicate"]["evidence"]["as_of"]
    again = both_houses.get(path, ada, params={"as_of": then}).json()
    assert again["predicate"]["evidence"]["tree"] == before["predicate"]["evidence"]["tree"]
    assert "quality" in json.dumps(both_houses.get(path, ada).json())
