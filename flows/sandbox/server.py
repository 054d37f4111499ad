"""A sandbox: local stand-ins for Globus Auth, Groups, Transfer and Flows, with action providers.

Everything listens on one loopback port of this process, and globus-sdk's own clients work
against it once they are pointed there (`Sandbox.environ`). Nothing outside this machine is
ever contacted, and no proxy is asked for what is on it.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any

from flows.sandbox.application import add_provider, add_transfer, build_application
from flows.sandbox.consents import ConsentStore
from flows.sandbox.directory import Client, Directory, Group, Identity
from flows.sandbox.engine import Engine, Limits, StandIn, Unmapped
from flows.sandbox.environment import direct, without_proxy
from flows.sandbox.providers.base import Provider, Workers
from flows.sandbox.providers.files import (
    CollectionInfoProvider,
    Collections,
    DeleteProvider,
    ListProvider,
    MakeDirectoryProvider,
    StatProvider,
    TransferProvider,
)
from flows.sandbox.providers.functions import ComputeProvider, Functions, FuncxProvider
from flows.sandbox.providers.simple import (
    EchoProvider,
    ExpressionProvider,
    FailingProvider,
    HelloProvider,
    SlowProvider,
)
from flows.sandbox.registered_apis import RegisteredApi, RegisteredApis
from flows.sandbox.scopes import FLOWS_RUN_STATUS, VIEW_MY_GROUPS
from flows.sandbox.times import Timing
from flows.sandbox.tokens import LIFETIME, TokenStore
from flows.sandbox.transfer_api import TransferApi
from flows.sandbox.webserver import WebServer

__all__ = ["GLOBUS_CLI_CLIENT", "Sandbox"]

GLOBUS_CLI_CLIENT = "95fdeba8-fac2-42bd-a357-e068d82ff78e"
"""The public client that globus-cli makes its own client from when somebody logs in."""


class Sandbox:
    """Starts on entering the context, and stops everything on leaving it.

    `time_scale` is how many real seconds each second of waiting takes; `unmapped` says what
    happens to Actions whose hosted provider has no stand-in ("echo" succeeds, "refuse" fails).
    """

    def __init__(
        self,
        *,
        port: int = 0,
        time_scale: float = 0.01,
        wait_time_scale: float = 1.0,
        unmapped: Unmapped = "echo",
        limits: Limits | None = None,
        function_timeout: float = 300.0,
    ) -> None:
        self._port = port
        self._server: WebServer | None = None
        self._direct = ExitStack()
        self.directory = Directory()
        self.tokens = TokenStore()
        timing = Timing(scale=time_scale, wait_time_scale=wait_time_scale)
        self.engine = Engine(self.tokens, timing, limits or Limits(), unmapped)
        self._workers = Workers(timing)
        self._collections = Collections()
        self._functions = Functions(function_timeout)
        self._workers.on_stop(self._functions.stop)
        self._echo = EchoProvider()
        self._default_client = self.directory.add_client("Sandbox application")
        self.directory.add_client("Globus CLI", client_id=GLOBUS_CLI_CLIENT, public=True)
        self._consents = ConsentStore()
        self._registered_apis = RegisteredApis()
        self._app = build_application(
            self.directory, self.engine, self._consents, self._registered_apis
        )
        copying, deleting = TransferProvider(self._collections), DeleteProvider(self._collections)
        transfer = TransferApi(self.directory, self.tokens, self._collections, copying, deleting)
        add_transfer(self._app, transfer)
        for provider in (copying, deleting, *self._providers()):
            add_provider(self._app, provider, self.directory, self.engine, self._workers)

    def _providers(self) -> list[Provider]:
        return [
            ListProvider(self._collections),
            StatProvider(self._collections),
            CollectionInfoProvider(self._collections),
            MakeDirectoryProvider(self._collections),
            ComputeProvider(self._functions),
            FuncxProvider(self._functions),
            HelloProvider(),
            SlowProvider(),
            FailingProvider(),
            ExpressionProvider(),
            self._echo,
        ]

    def __enter__(self) -> Sandbox:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> Sandbox:
        """Opens the port; returns the sandbox itself."""
        if self._server is None:
            self._server = WebServer(self._app, port=self._port, threads=16)
            self._direct.enter_context(direct())
            for name, known in self.engine.stand_ins.items():
                path = known.url if known.url.startswith("/") else f"/providers/{name}"
                self.engine.stand_ins[name] = StandIn(f"{self.url}{path}", known.scope)
        return self

    def stop(self) -> None:
        """Cancels runs, ends functions, closes the port; waits for all of it."""
        self._workers.stopping.set()
        self.engine.stop()
        self._workers.stop()
        if self._server is not None:
            self._server.stop()
            self._server = None
            self._direct.close()

    @property
    def url(self) -> str:
        """Where the sandbox listens, without a trailing slash; only while it is started."""
        if self._server is None:
            raise RuntimeError("The sandbox is not started.")
        return self._server.url

    def environ(self) -> dict[str, str]:
        """The environment variables that point globus-sdk clients here, past any proxy.

        Those of services that have no stand-in point here as well: they answer 404, and nothing
        is sent to Globus by mistake.
        """
        services = ("auth", "groups", "flows", "transfer", "search", "timer", "compute")
        urls = {f"GLOBUS_SDK_SERVICE_URL_{s.upper()}": f"{self.url}/{s}/" for s in services}
        return urls | without_proxy()

    def provider_url(self, name: str) -> str:
        """The ActionUrl of a sandbox provider: transfer, compute, hello, slow, failing, …"""
        return f"{self.url}/providers/{name}"

    def provider_scope(self, name: str) -> str:
        """The ActionScope of a sandbox provider."""
        return self.engine.stand_ins[name].scope

    def add_identity(self, username: str, **more: Any) -> Identity:
        """A new person (name=, email=, linked=); the same username is the same person."""
        return self.directory.add_identity(username, **more)

    def add_client(
        self, name: str, *, client_id: str | None = None, public: bool = False
    ) -> Client:
        """A new client with a secret, or a public one, which only logs people in."""
        return self.directory.add_client(name, client_id=client_id, public=public)

    def add_scope(
        self,
        client: Client,
        suffix: str,
        *,
        dependencies: Iterable[str] = (VIEW_MY_GROUPS, FLOWS_RUN_STATUS),
    ) -> str:
        """A new scope of a client, that by default may see the caller's groups and runs.

        A dependency with ``*`` in front is optional: it takes a consent of its own.
        """
        return self.directory.add_scope(client, suffix, dependencies=dependencies)

    def add_group(self, name: str, members: Iterable[Identity]) -> Group:
        """A new group."""
        return self.directory.add_group(name, members)

    def token_for(
        self,
        identity: Identity,
        scope: str,
        *,
        client: Client | None = None,
        lifetime: int = LIFETIME,
    ) -> str:
        """An access token as if the person had logged in to a client and agreed.

        Of a scope string for several resource servers, the first one's token.
        """
        issuer = client or self._default_client
        self._consents.grant(identity.id, issuer.client_id, scope)
        return self.tokens.issue(identity.id, issuer.client_id, scope, lifetime=lifetime)[0].text

    def revoke_tokens_of(self, token: str) -> None:
        """Ends a token."""
        self.tokens.revoke(token)

    def register_function(
        self,
        function: Callable[..., Any] | str,
        *,
        function_id: str | None = None,
        name: str | None = None,
    ) -> str:
        """Makes a function callable through the Compute provider, and gives its id.

        A callable must stand on its own (it is sent as source text, as in Globus Compute); a
        text is either source, in which the function has that name or is the last, or
        ``module:function``. Raises ValueError or SyntaxError when there is no such function.
        """
        return self._functions.register(function, function_id or str(uuid.uuid4()), name)

    def collection(self, name: str, folder: Path | str, *, collection_id: str | None = None) -> str:
        """Makes a folder a collection of the Transfer provider, and gives its id."""
        return self._collections.add(name, Path(folder), collection_id or str(uuid.uuid4()))

    def answer_with(self, action_url_prefix: str, details: Mapping[str, Any]) -> None:
        """What is answered for hosted addresses with this beginning, whoever else would answer.

        ``{"status": "FAILED", "details": …}`` lets the action fail.
        """
        self._echo.canned[action_url_prefix] = details
        self.engine.answered.add(action_url_prefix)

    def respond(self, web_input_id: str, choice: str) -> None:
        """Answers a question of a run, as whoever may, with the option of that value or label.

        Raises ValueError when there is no such question, or no such option.
        """
        web_input = self.engine.web_inputs.get(web_input_id)
        if web_input is None:
            raise ValueError(f"There is no web input {web_input_id}.")
        options = web_input.options
        chosen = [o for o in options if choice in (str(o.value), o.label)]
        if not chosen:
            offered = ", ".join(repr(str(o.value)) for o in options)
            raise ValueError(f"{choice!r} is not one of the options: {offered}.")
        self.engine.web_inputs.answer(web_input, chosen[0])

    def question(self, web_input_id: str) -> Mapping[str, Any]:
        """A question of a run: its context, and its options with ``value`` and ``label``.

        Raises ValueError when there is no such question.
        """
        web_input = self.engine.web_inputs.get(web_input_id)
        if web_input is None:
            raise ValueError(f"There is no web input {web_input_id}.")
        options = [{"value": o.value, "label": o.label} for o in web_input.options]
        return {"context": web_input.document([])["context"], "options": options}

    def add_registered_api(
        self,
        name: str,
        owner: Identity,
        *,
        url: str,
        method: str = "get",
        viewers: Iterable[str] = (),
        description: str = "",
    ) -> str:
        """Shows an API as registered with the Flows service, and gives its id."""
        api = RegisteredApi(
            name=name,
            method=method,
            url=url,
            owners=(owner.urn,),
            viewers=tuple(viewers),
            description=description,
        )
        self._registered_apis.add(api)
        return api.id

    def remove_registered_api(self, api_id: str) -> None:
        """Forgets a registered API."""
        self._registered_apis.remove(api_id)
