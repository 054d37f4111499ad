"""The sandbox's action providers really do what they are asked, and no more."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from flows.sandbox import Identity, Sandbox
from flows.sandbox.webserver import Answer, NotLoopback, call
from tests.functional.sandbox.support import wait_for

Ask = Callable[..., Answer]


@pytest.fixture
def ask(sandbox: Sandbox, ada: Identity) -> Ask:
    """One request to a provider with ada's token."""

    def go(provider: str, path: str, body: Any = None, method: str = "POST", **more: Any) -> Answer:
        token = more.pop("token", None) or sandbox.token_for(
            more.pop("user", ada), sandbox.provider_scope(provider)
        )
        url = sandbox.provider_url(provider) + path
        return call(method, url, token=token, body=body)

    return go


@pytest.fixture
def do(ask: Ask) -> Callable[..., dict[str, Any]]:
    """An action's final status."""
    numbers = iter(range(1000))

    def go(provider: str, **body: Any) -> dict[str, Any]:
        answer = ask(provider, "/run", {"request_id": str(next(numbers)), "body": body})
        assert answer.status == 202, answer
        path = f"/{answer.body['action_id']}/status"
        status: dict[str, Any] = answer.body

        def final() -> bool:
            status.update(ask(provider, path, method="GET").body)
            return status["status"] in ("SUCCEEDED", "FAILED")

        wait_for(final)
        return status

    return go


Do = Callable[..., dict[str, Any]]


@pytest.fixture
def folders(sandbox: Sandbox, tmp_path: Path) -> dict[str, str]:
    """Two collections: the ids by name."""
    (tmp_path / "one" / "sub").mkdir(parents=True)
    (tmp_path / "one" / "a.txt").write_text("alpha")
    (tmp_path / "one" / "sub" / "b.txt").write_text("be")
    (tmp_path / "secret.txt").write_text("secret")
    (tmp_path / "one" / "link.txt").symlink_to(tmp_path / "secret.txt")
    return {name: sandbox.collection(name, tmp_path / name) for name in ("one", "two")}


def test_transfer_copies_in_both_dialects(
    do: Do, folders: dict[str, str], tmp_path: Path, ada: Identity
) -> None:
    new = do(
        "transfer",
        source_endpoint=folders["one"],
        destination_endpoint=folders["two"],
        DATA=[{"source_path": "/~/sub", "destination_path": "/new/", "recursive": True}],
    )
    old = do(
        "transfer",
        source_endpoint_id=folders["one"],
        destination_endpoint_id=folders["two"],
        transfer_items=[
            {"source_path": "a.txt", "destination_path": "/old/"},
            {"source_path": "/sub/b.txt", "destination_path": "/old/c.txt"},
        ],
    )
    assert (tmp_path / "two/new/b.txt").read_text() == "be"
    assert (tmp_path / "two/old/a.txt").read_text() == "alpha"
    assert (tmp_path / "two/old/c.txt").read_text() == "be"
    assert (new["status"], new["creator_id"]) == ("SUCCEEDED", ada.urn)
    assert new["details"]["files_transferred"] == 1
    details = old["details"]
    assert (details["files"], details["bytes_transferred"]) == (2, 7)
    assert details["source_endpoint_id"] == folders["one"]
    assert details["event_list"][0]["code"] == "SUCCEEDED"


@pytest.mark.parametrize(
    ("source", "destination"),
    [
        ("../secret.txt", "/x"),
        ("/sub/../../secret.txt", "/x"),
        ("/link.txt", "/x"),
        ("/a.txt", "../../escaped.txt"),
        ("/a.txt\0", "/x"),
        ("/missing.txt", "/x"),
        ("/sub", "/x"),
    ],
)
def test_transfer_does_not_leave_its_folders(
    do: Do, folders: dict[str, str], tmp_path: Path, source: str, destination: str
) -> None:
    before = sorted(tmp_path.rglob("*"))
    status = do(
        "transfer",
        source_endpoint=folders["one"],
        destination_endpoint=folders["two"],
        DATA=[{"source_path": source, "destination_path": destination, "recursive": False}],
    )
    assert status["status"] == "FAILED"
    assert status["details"]["code"]
    assert sorted(tmp_path.rglob("*")) == before


def test_what_is_at_a_path_is_told_and_that_nothing_is(do: Do, folders: dict[str, str]) -> None:
    file = do("stat", endpoint_id=folders["one"], path="/sub/b.txt")["details"]
    assert (file["type"], file["name"]) == ("file", "b.txt")
    assert file["size"] > 0
    for path, name in (("/sub/", "sub"), ("/sub", "sub"), ("/", "/"), ("/~/", "/")):
        folder = do("stat", endpoint_id=folders["one"], path=path)["details"]
        assert (folder["type"], folder["name"]) == ("dir", name)
    missing = do("stat", endpoint_id=folders["one"], path="/no")
    assert (missing["status"], missing["details"]["code"]) == ("SUCCEEDED", "NotFound")
    assert "type" not in missing["details"]
    assert do("stat", endpoint_id="unknown", path="/")["status"] == "FAILED"
    info = do("collection_info", endpoint_id=folders["one"])["details"]
    assert (info["id"], info["display_name"]) == (folders["one"], "one")


def test_folders_are_listed_made_and_deleted(
    do: Do, folders: dict[str, str], tmp_path: Path
) -> None:
    listed = do("ls", endpoint_id=folders["one"], path="/")["details"]
    assert [(e["name"], e["is_folder"]) for e in listed["DATA"]] == [
        *(("a.txt", False), ("link.txt", False), ("sub", True))
    ]
    only = do("ls", endpoint_id=folders["one"], path="/sub/b.txt", path_only=True)["details"]
    assert (only["path"], only["length"], only["DATA"][0]["name"]) == ("/sub/", 1, "b.txt")
    assert do("ls", endpoint_id=folders["one"], path="/no")["status"] == "FAILED"
    assert do("ls", endpoint_id="unknown", path="/")["details"]["code"] == "EndpointNotFound"
    assert do("mkdir", endpoint_id=folders["two"], path="/made")["status"] == "SUCCEEDED"
    assert do("mkdir", endpoint_id=folders["two"], path="/made")["status"] == "FAILED"
    assert do("delete", endpoint_id=folders["one"], items=["/sub"])["status"] == "FAILED"
    recursive = {"items": ["/sub", "/a.txt"], "recursive": True}
    assert do("delete", endpoint_id=folders["one"], **recursive)["status"] == "SUCCEEDED"
    assert do("delete", endpoint_id=folders["one"], items=[".."])["status"] == "FAILED"
    assert [path.name for path in (tmp_path / "one").iterdir()] == ["link.txt"]
    assert (tmp_path / "secret.txt").exists()


def add(a: int, b: int = 0) -> int:
    """A function that tests register."""
    return a + b


def test_compute_runs_functions_of_both_versions(do: Do, sandbox: Sandbox) -> None:
    by_callable = sandbox.register_function(add)
    by_source = sandbox.register_function("def helper(x): return x\ndef f(**k): return helper(k)")
    by_name = sandbox.register_function("math:factorial")
    v3 = do(
        "compute",
        endpoint_id="e",
        tasks=[
            {"function_id": by_callable, "args": [1], "kwargs": {"b": 2}},
            {"function_id": by_name, "args": [5]},
        ],
        user_endpoint_config={"queue": "debug"},
    )
    assert v3["action_id"].startswith("tg_")
    assert v3["details"]["result"] == [3, 120]
    assert [set(r) for r in v3["details"]["results"]] == [{"task_id", "output"}] * 2
    v2 = do("compute", endpoint="e", function=by_source, kwargs={"a": 1})
    assert v2["details"]["result"] == [{"a": 1}]
    payload = {"tasks": [{"endpoint": "e", "func": by_source, "payload": {"p": 1}}]}
    assert do("funcx", **payload)["details"]["result"] == {"p": 1}


@pytest.mark.parametrize(
    ("source", "known"),
    [
        ("def f(): raise ValueError('dark frame')", "ValueError: dark frame"),
        ("def f(): return {1, 2}", "not JSON serializable"),
        ("def f(): return float('nan')", "not JSON compliant"),
        ("def f():\n import os\n os._exit(3)", "ended without a result"),
        ("def f():\n import sys\n sys.exit(3)", "SystemExit"),
    ],
)
def test_a_function_that_fails_says_why(do: Do, sandbox: Sandbox, source: str, known: str) -> None:
    status = do("compute", endpoint="e", function=sandbox.register_function(source))
    assert status["status"] == "FAILED"
    assert known in status["details"]["result"][0]
    assert known in status["details"]["results"][0]["exception"]


def test_what_a_function_prints_is_not_its_result(do: Do, sandbox: Sandbox) -> None:
    function_id = sandbox.register_function("def f():\n print('noise' * 100_000)\n return 1")
    assert do("compute", endpoint="e", function=function_id)["details"]["result"] == [1]


def test_a_function_that_takes_too_long_is_stopped(ada: Identity) -> None:
    with Sandbox(time_scale=0.002, function_timeout=0.5) as sandbox:
        user = sandbox.add_identity("ada@example.org")
        token = sandbox.token_for(user, sandbox.provider_scope("compute"))
        function_id = sandbox.register_function("def f():\n while True: pass")
        body = {"request_id": "1", "body": {"endpoint": "e", "function": function_id}}
        url = sandbox.provider_url("compute")
        action_id = call("POST", f"{url}/run", token=token, body=body).body["action_id"]

        def final() -> bool:
            found = call("GET", f"{url}/{action_id}/status", token=token).body
            return found["status"] == "FAILED" and "longer than" in found["details"]["result"][0]

        wait_for(final)


def test_stopping_ends_functions_runs_and_threads() -> None:
    before = set(threading.enumerate())
    started = time.monotonic()
    with Sandbox() as sandbox:
        user = sandbox.add_identity("ada@example.org")
        function_id = sandbox.register_function("def f():\n import time\n time.sleep(60)")
        for provider, body in (
            ("compute", {"endpoint": "e", "function": function_id}),
            ("slow", {"seconds": 100_000}),
        ):
            token = sandbox.token_for(user, sandbox.provider_scope(provider))
            request = {"request_id": "1", "body": body}
            answer = call(
                "POST", f"{sandbox.provider_url(provider)}/run", token=token, body=request
            )
            assert answer.body["status"] == "ACTIVE"
    assert time.monotonic() - started < 30
    assert set(threading.enumerate()) <= before


def test_the_action_api_in_both_styles(ask: Ask, sandbox: Sandbox) -> None:
    described = ask("slow", "/", method="GET", token="none-needed").body
    assert described["globus_auth_scope"] == sandbox.provider_scope("slow")
    for run, status, cancel, release in (
        ("/run", "/{}/status", "/{}/cancel", "/{}/release"),
        ("/actions", "/actions/{}", "/actions/{}/cancel", "/actions/{}/release"),
    ):
        request = {"request_id": run, "body": {"seconds": 100_000}, "label": "slow"}
        first, again = ask("slow", run, request), ask("slow", run, request)
        action_id = first.body["action_id"]
        assert (first.status, again.status) == (202, 200)
        assert again.body["action_id"] == action_id
        assert ask("slow", run, {**request, "body": {"seconds": 1}}).status == 409
        assert ask("slow", status.format(action_id), method="GET").body["status"] == "ACTIVE"
        assert ask("slow", release.format(action_id), {}).status == 409
        canceled = ask("slow", cancel.format(action_id), {})
        assert (canceled.status, canceled.body["status"]) == (200, "FAILED")
        assert ask("slow", cancel.format(action_id), {}).status == 409
        listed = ask("slow", "/actions", method="GET").body["actions"]
        assert [found["action_id"] for found in listed] == [action_id]
        assert ask("slow", release.format(action_id), {}).status == 200
        assert ask("slow", status.format(action_id), method="GET").status == 404


@pytest.mark.parametrize(
    "request_body",
    [None, [], {}, {"request_id": "1"}, {"body": {}}, {"request_id": "1", "body": {}, "x": 1}],
)
def test_a_request_that_is_not_valid_is_refused(ask: Ask, request_body: Any) -> None:
    assert ask("echo", "/run", request_body).status == 422


def test_tokens_and_access_are_checked(ask: Ask, sandbox: Sandbox, bob: Identity) -> None:
    request = {"request_id": "1", "body": {"seconds": 100_000}}
    wrong = sandbox.token_for(bob, sandbox.provider_scope("hello"))
    assert ask("slow", "/run", request, token="nonsense-token").status == 401
    assert ask("slow", "/run", request, token=wrong).status == 403
    eve = sandbox.add_identity("eve@example.org")
    action_id = ask("slow", "/run", {**request, "monitor_by": [bob.urn]}).body["action_id"]
    assert ask("slow", f"/{action_id}/status", method="GET", user=bob).status == 200
    assert ask("slow", f"/{action_id}/cancel", {}, user=bob).status == 403
    assert ask("slow", f"/{action_id}/status", method="GET", user=eve).status == 404


@pytest.mark.parametrize(
    "url",
    ["https://127.0.0.1/", "http://192.0.2.1/", "http://localhost.example.org/", "http://[", ""],
)
def test_calls_stay_on_this_machine(url: str) -> None:
    with pytest.raises(NotLoopback):
        call("GET", url)
