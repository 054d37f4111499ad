"""A proxy of the Flows service that holds requests back until it is opened, and counts them."""

from __future__ import annotations

import threading
from typing import Self

import requests
from flask import Flask, Response, jsonify, request

from flows.sandbox import Sandbox
from flows.sandbox.webserver import WebServer

TIMEOUT = 60


class Gate:
    """In front of a sandbox's Flows; `asked` are the paths that were asked for, in order.

    `answers` are the statuses of the next answers that are not the service's own; of the next
    `behind` logs only the first entry is told.
    """

    def __init__(self, sandbox: Sandbox) -> None:
        self._target = f"{sandbox.url}/flows"
        self._open = threading.Event()
        self._session = requests.Session()
        self.asked: list[str] = []
        self.tokens: set[str] = set()
        self.answers: list[int] = []
        self.behind = 0
        app = Flask(__name__)
        app.add_url_rule("/<path:path>", view_func=self._answer)
        self._server = WebServer(app, port=0, threads=16)

    @property
    def environ(self) -> dict[str, str]:
        """What points a provider here."""
        return {"GLOBUS_SDK_SERVICE_URL_FLOWS": f"{self._server.url}/"}

    def open(self) -> None:
        """Let all requests through, those that wait too."""
        self._open.set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.set()
        self._server.stop()
        self._session.close()

    def _answer(self, path: str) -> Response:
        self.asked.append(path)
        authorization = request.headers.get("Authorization", "")
        self.tokens.add(authorization.removeprefix("Bearer "))
        self._open.wait(TIMEOUT)
        if self.answers:
            return Response('{"error": {"code": "NO", "detail": "no"}}', self.answers.pop(0))
        found = self._session.get(
            f"{self._target}/{path}",
            params=request.args.to_dict(),
            headers={"Authorization": authorization},
            timeout=TIMEOUT,
        )
        if path.endswith("/log") and self.behind:
            self.behind -= 1
            page = found.json()
            return jsonify({**page, "entries": page["entries"][:1]})
        return Response(found.content, found.status_code, content_type="application/json")
