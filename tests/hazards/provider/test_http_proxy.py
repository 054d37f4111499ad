"""The reverse proxy as `deploy/nginx.conf` sets it up, in front of a real server."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.functional.provider.house import Town, a_body
from tests.support.nginx import Proxy, proxy_to
from tests.support.processes import Serving, serving
from tests.support.raw_http import connect

HALF_HEAD = b"POST /record/run HTTP/1.1\r\nHost: here\r\n"


@pytest.fixture(scope="module")
def server(town: Town, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    folder = tmp_path_factory.mktemp("server")
    arguments = ["serve", "--port", "0", "--threads", "2"]
    with serving(*arguments, environ=town.environ(), folder=folder) as server:
        yield server


@pytest.fixture(scope="module")
def proxy(server: Serving, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    with proxy_to(server.url, tmp_path_factory.mktemp("proxy") / "nginx") as proxy:
        yield proxy


def ask(proxy: Proxy, method: str, path: str, **more: Any) -> requests.Response:
    return requests.request(
        method, proxy.url + path, verify=str(proxy.certificate), timeout=30, **more
    )


def test_a_step_is_recorded_and_asked_for_through_the_proxy(proxy: Proxy, town: Town) -> None:
    ada = town.person("ada")
    headers = {"Authorization": f"Bearer {ada.token}", "X-Request-Id": "of-the-caller"}
    body = {"request_id": "by proxy", "body": a_body(run_id="by proxy")}
    recorded = ask(proxy, "POST", "/record/run", json=body, headers=headers)
    assert (recorded.status_code, recorded.json()["status"]) == (202, "SUCCEEDED")
    runs = ask(proxy, "GET", "/api/v1/runs?label=Ni*", headers=headers).json()["runs"]
    assert [run["run_id"] for run in runs] == ["by proxy"]
    assert ask(proxy, "GET", "/record/").status_code == 200
    assert ask(proxy, "GET", "/healthz").json() == {"status": "ok"}
    log = proxy.log.read_text()
    assert '"GET /api/v1/runs" 200' in log
    assert f" {recorded.headers['X-Request-Id']}\n" in log
    assert "of-the-caller" not in log
    assert "label" not in log
    assert ada.token not in log


def test_who_comes_without_tls_is_sent_to_the_secure_address(proxy: Proxy) -> None:
    answer = requests.get(f"{proxy.plain_url}/record/", allow_redirects=False, timeout=10)
    assert (answer.status_code, answer.headers["Location"][:8]) == (301, "https://")


@pytest.mark.parametrize("path", ["/metrics", "/metrics/", "/", "/recorder", "/%6detrics"])
def test_what_is_not_for_the_world_is_hidden(proxy: Proxy, path: str) -> None:
    answer = ask(proxy, "GET", path)
    assert (answer.status_code, answer.json()["code"]) == (404, "NotFound")


@pytest.mark.parametrize(
    ("path", "size"), [("/record/run", 5 << 20), ("/record/run", 9 << 20), ("/", 9 << 20)]
)
def test_too_large_a_body_is_refused_by_whichever_notices(
    proxy: Proxy, town: Town, path: str, size: int
) -> None:
    headers = {"Authorization": f"Bearer {town.person('ada').token}"}
    answer = ask(proxy, "POST", path, data=b" " * size, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (413, "RequestEntityTooLarge")


def test_errors_of_the_server_come_through_as_they_are(proxy: Proxy) -> None:
    for path, status in (("/record/run", 401), ("/api/v1/nothing", 404)):
        answer = ask(proxy, "POST" if path == "/record/run" else "GET", path)
        assert answer.status_code == status, answer.text
        assert set(answer.json()) == {"code", "description"}


def test_an_honest_caller_is_answered_while_many_requests_are_half_sent(proxy: Proxy) -> None:
    context = ssl.create_default_context(cafile=str(proxy.certificate))
    with ExitStack() as stack:
        for number in range(64):
            plain = stack.enter_context(connect(proxy.url))
            secure = stack.enter_context(context.wrap_socket(plain, server_hostname="127.0.0.1"))
            body = b"Content-Length: 1000\r\n\r\n{" if number % 2 else b""
            secure.sendall(HALF_HEAD + body)
        assert ask(proxy, "GET", "/readyz").status_code == 200


def test_a_server_that_is_away_is_told_in_the_shape_of_every_error(tmp_path: Path) -> None:
    with proxy_to("http://127.0.0.1:1", tmp_path / "nginx") as proxy:
        answer = ask(proxy, "GET", "/record/")
    assert (answer.status_code, answer.json()["code"]) == (503, "ServiceUnavailable")
    assert int(answer.headers["Retry-After"]) > 0
