"""A proxy that counts requests and refuses some: what a service under load answers."""

from __future__ import annotations

from collections import deque
from typing import Self

import requests
from flask import Flask, Response, request

from flows.sandbox.webserver import WebServer

TIMEOUT = 30


class Proxy:
    """`refusals` are the statuses of the next answers; 0 lets a request through."""

    def __init__(self, target: str) -> None:
        self._target = target
        self._session = requests.Session()
        self.refusals: deque[int] = deque()
        self.asked: list[str] = []
        app = Flask(__name__)
        app.add_url_rule("/<path:path>", view_func=self._answer)
        self._server = WebServer(app, port=0, threads=4)

    @property
    def url(self) -> str:
        return f"{self._server.url}/"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop()
        self._session.close()

    def _answer(self, path: str) -> Response:
        self.asked.append(path)
        if self.refusals and (status := self.refusals.popleft()):
            headers = {"Retry-After": "0"} if status in (429, 503) else {}
            body = '{"error": {"code": "REFUSED", "detail": "not now"}}'
            return Response(body, status, headers, content_type="application/json")
        token = {"Authorization": request.headers.get("Authorization", "")}
        found = self._session.get(
            f"{self._target}/{path}",
            params=request.args.to_dict(),
            headers=token,
            timeout=TIMEOUT,
        )
        return Response(found.content, found.status_code, content_type="application/json")
