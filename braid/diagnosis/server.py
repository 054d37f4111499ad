"""Whether a server answers as Globus Flows needs it: address, certificate, description, callers."""

from __future__ import annotations

import json
import socket
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Generator, Iterator
from typing import NamedTuple
from urllib.parse import urlsplit

import globus_sdk

from action_provider.settings import AUTH_URL, CLIENT_ID, SCOPE, usual_scope
from braid.settings import SERVER_SCOPE
from flows.definition.introspection import NotTheProvider, ask_provider
from provenance_store.display import LOOPBACK, check_server, counted, shown
from provenance_store.errors import ConfigurationError
from provenance_store.extras import extra
from provenance_store.transfer.condition import Finding
from provenance_store.unreachable import why_unreachable

__all__ = ["examine_server"]

SECONDS = 10.0
LONGEST = 4 << 20
DAYS_WARN = 21
PROXY = "deploy/nginx.conf is a proxy that does."


class _Answer(NamedTuple):
    status: int
    body: bytes

    @property
    def sentence(self) -> str:
        """The description of an error."""
        try:
            return shown(str(json.loads(self.body)["description"]), 300)
        except (ValueError, KeyError, TypeError):
            return f"it answered {self.status}"


def examine_server(url: str | None, *, offline: bool) -> Iterator[Finding]:
    """What can be said of the server at a URL."""
    if not url or offline:
        how = "Leave out --offline." if url else "Give its public address: --server https://..."
        yield Finding("server", "skip", "No server was asked.", how)
        return
    url = url.rstrip("/")
    try:
        check_server(url)
    except ConfigurationError as error:
        yield Finding("address", "fail", error.message, f"Globus Flows calls no other. {PROXY}")
        return
    if urlsplit(url).path:
        yield Finding(
            "address",
            "warn",
            f"{shown(url, 200)} has a path; Braid's own paths are taken to follow it.",
            "Give the address of the server alone, without /record.",
        )
    if not (yield from _address(url)):
        return
    told = yield from _description(url)
    if not told.goes_on:
        return
    yield from _ready(url)
    yield from _caller(url, SERVER_SCOPE.get() or _expected_scope() or told.scope)
    yield from _metrics(url)


def _address(url: str) -> Generator[Finding, None, bool]:
    """The scheme, and of TLS the certificate; returns whether to go on."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme == "https":
        found = _certificate(host, parts.port or 443)
        yield found
        return found.status != "fail"
    if (urlsplit(AUTH_URL.get() or "").hostname or "") in LOOPBACK:
        yield Finding("address", "ok", f"{url} is for the sandbox on this machine.")
    else:
        yield Finding(
            "address",
            "warn",
            f"{url} is an address of this machine only, which Globus Flows cannot call.",
            f"Put a proxy with a certificate in front, and give its address here. {PROXY}",
        )
    return True


def _certificate(host: str, port: int) -> Finding:
    where = f"{host}:{port}"
    try:
        with (
            socket.create_connection((host, port), SECONDS) as plain,
            ssl.create_default_context().wrap_socket(plain, server_hostname=host) as secure,
        ):
            shown_by = secure.getpeercert() or {}
    except ssl.SSLCertVerificationError as error:
        return Finding(
            "certificate",
            "fail",
            f"The certificate of {where} is not taken: {error.verify_message}.",
            "Renew it, or serve the whole chain (fullchain.pem) of one that is issued for this "
            "name by a public authority: Globus Flows calls nobody else.",
        )
    except ssl.SSLError as error:
        return Finding(
            "certificate",
            "fail",
            f"{where} does not speak TLS: {shown(str(error.reason or error), 100)}.",
            f"The port must be that of a proxy with a certificate. {PROXY}",
        )
    except (OSError, UnicodeError) as error:  # a name that no DNS takes
        return Finding(
            "address",
            "fail",
            f"{where} cannot be reached from here: {why_unreachable(error)}.",
            "Is the name in DNS, does the proxy run, does the firewall let port 443 through?",
        )
    end = ssl.cert_time_to_seconds(str(shown_by["notAfter"]))
    days = int((end - time.time()) // 86_400)
    said = f"The certificate of {where} ends on {time.strftime('%Y-%m-%d', time.gmtime(end))}"
    if days < DAYS_WARN:
        return Finding(
            "certificate",
            "warn",
            f"{said}, in {counted(days, 'day')}.",
            "Renew it, and let that be done by itself (certbot); then reload the proxy.",
        )
    return Finding("certificate", "ok", f"{said}, in {counted(days, 'day')}.")


class _Introspected(NamedTuple):
    """Whether to go on, and the scope that the provider named for itself."""

    goes_on: bool
    scope: str | None = None


def _expected_scope() -> str | None:
    """The scope that the settings here say."""
    client_id = CLIENT_ID.get()
    return SCOPE.get() or (usual_scope(client_id) if client_id else None)


def _description(url: str) -> Generator[Finding, None, _Introspected]:
    """The provider's word on itself, as Globus Flows asks for it."""
    try:
        asked = ask_provider(url, "record")
    except NotTheProvider as error:
        yield Finding(
            "description",
            "fail",
            shown(error.said, 400),
            "The proxy must pass /record to Braid, and BRAID_VISIBLE_TO be public: otherwise "
            "Globus Flows cannot find out the scope, and calls nothing.",
        )
        return _Introspected(False)
    if asked.doubt:
        yield Finding(
            "description",
            "fail",
            f"{asked.url} did not describe itself: {asked.doubt}.",
            "Set BRAID_VISIBLE_TO=public: Globus Flows asks without a token."
            if asked.closed
            else "Is `braid serve` running, and does the proxy reach it? Look into its log.",
        )
        return _Introspected(asked.closed)
    expected = _expected_scope()
    if expected and asked.scope != expected:
        yield Finding(
            "description",
            "fail",
            f"{asked.url} asks for the scope {asked.scope}, the settings here say {expected}.",
            f"One of the two is wrong, or --server names another server: correct {SCOPE.name} and "
            "start the server again. The line `scope` tells whether the one here is registered.",
        )
        return _Introspected(True)
    yield Finding("description", "ok", f"{asked.url} is Braid, with the scope {asked.scope}.")
    return _Introspected(True, asked.scope)


def _ready(url: str) -> Iterator[Finding]:
    answer = _get(f"{url}/readyz")
    if answer.status == 200:
        yield Finding("ready", "ok", "The server is ready: it reads its store.")
    else:
        yield Finding(
            "ready",
            "fail",
            f"The server is not ready: {answer.sentence}",
            "Its log says more; `braid doctor` on its machine looks at the store.",
        )


def _caller(url: str, scope: str | None) -> Iterator[Finding]:
    """A call with a token for a scope that may be asked for: not any that a server names, for the
    token is sent there."""
    from braid.cli.login import SCOPE as OF_A_CLIENT
    from braid.diagnosis.registration import token_of_the_login

    try:
        token = token_of_the_login(scope) if scope and OF_A_CLIENT.fullmatch(scope) else None
    except globus_sdk.GlobusError as error:
        yield Finding(
            "caller",
            "warn",
            f"The service account of the login got no token: {shown(str(error), 200)}",
            "Compare BRAID_LOGIN_CLIENT_ID and BRAID_LOGIN_CLIENT_SECRET with "
            "https://app.globus.org/settings/developers.",
        )
        return
    if token is None:
        yield Finding(
            "caller",
            "skip",
            "Nobody called with a token.",
            "Set BRAID_LOGIN_CLIENT_ID and BRAID_LOGIN_CLIENT_SECRET to a service account.",
        )
        return
    answer = _get(f"{url}/record/actions", token)
    if answer.status == 200:
        yield Finding("caller", "ok", "The service account of the login may record.")
    elif answer.status == 403:
        yield Finding(
            "caller",
            "warn",
            "The service account of the login is a valid caller, and may not record.",
            "BRAID_RUNNABLE_BY names who may; runs of others are not recorded.",
        )
    else:
        yield Finding(
            "caller",
            "fail",
            f"A valid token for the server's scope was answered {answer.status}: {answer.sentence}",
            "The client id, secret and scope that the server was started with are not those of its "
            "registration; see the lines on client and scope, on its machine.",
        )


def _metrics(url: str) -> Iterator[Finding]:
    answer = _get(f"{url}/metrics")
    if answer.status in (401, 403, 404):
        yield Finding(
            "workers",
            "skip",
            "The metrics are hidden here, as they should be to others.",
            "At the server's own address, such as --server http://127.0.0.1:8000, they "
            "say how its workers are.",
        )
        return
    with extra("server", "Reading metrics"):
        from prometheus_client.parser import text_string_to_metric_families

    values: dict[str, float] = {}
    faults = requests = 0.0
    try:
        for family in text_string_to_metric_families(answer.body.decode()):
            for sample in family.samples:
                values[sample.name] = sample.value
                if sample.name == "braid_requests_total":
                    requests += sample.value
                    faults += sample.value if sample.labels["status"].startswith("5") else 0
        workers = int(values["braid_workers"])
    except (ValueError, KeyError):
        yield Finding("workers", "fail", "/metrics is not that of a Braid server.", PROXY)
        return
    said = f"{workers} answer; of {requests:,.0f} requests {faults:,.0f} were answered 500 or more."
    if urlsplit(url).scheme == "https":
        yield Finding(
            "workers",
            "warn",
            f"{said} Everybody can see that at {url}/metrics.",
            f"Let the proxy hide /metrics. {PROXY}",
        )
    elif faults > max(10, requests / 100):
        yield Finding("workers", "warn", said, "The log says why, a line for each.")
    else:
        yield Finding("workers", "ok", said)


def _get(url: str, token: str | None = None) -> _Answer:
    headers = {"Accept": "application/json", "User-Agent": "braid"}
    try:
        request = urllib.request.Request(url, headers=headers)
        if token is not None:  # which is for this address, and for none that it leads to
            request.add_unredirected_header("Authorization", f"Bearer {token}")
        with urllib.request.urlopen(request, timeout=SECONDS) as answer:
            return _Answer(answer.status, answer.read(LONGEST))
    except urllib.error.HTTPError as error:
        with error:
            return _Answer(error.code, error.read(LONGEST))
    except (OSError, ValueError) as error:
        told = f"it cannot be reached: {why_unreachable(error)}."
        return _Answer(0, json.dumps({"description": told}).encode())
