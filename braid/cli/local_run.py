"""Trying a flow: a sandbox, a provider over a real store if the flow records, and one run.

The flow is created, started and watched with globus-sdk's own clients, as it would be in Globus.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from action_provider.settings import HARVEST_CONVENTIONS
from braid.cli.sandbox_options import GivenFunction, furnish
from flows.definition.deploy import told_plainly
from flows.definition.strip import injected
from flows.sandbox import Identity, Sandbox
from flows.sandbox.webserver import WebServer
from flows.settings import ENDPOINT_COLLECTIONS
from provenance_store.errors import InvalidInput
from provenance_store.extras import extra

with extra("sandbox", "Running a flow in the sandbox"):
    import globus_sdk
    from globus_sdk import AccessTokenAuthorizer, FlowsClient, SpecificFlowClient

    from flows.sandbox.runner import with_role_tokens
    from provenance_store.globus import given

__all__ = ["Trial", "try_flow"]

FINAL = ("SUCCEEDED", "FAILED", "ENDED", "INACTIVE")
PROVIDERS = ("record", "query", "harvest")
POLL_SECONDS = 0.1
USERNAME = "you@sandbox.example.org"
USER_ID = "5b0e8f6a-1c0d-4b7e-9a57-6d1f3c2e4a90"
"""One person in all trials, who so finds again what earlier ones recorded in the same store."""

Entry = dict[str, Any]


@dataclass(frozen=True)
class Trial:
    """What to run, and in what surroundings.

    ``provider_urls`` are addresses of action providers that stand for the one over ``store_url``,
    besides those of the states that `braid flow instrument` made.
    """

    definition: Mapping[str, Any]
    input_schema: Mapping[str, Any]
    input: Mapping[str, Any]
    store_url: str
    title: str = "Trial"
    label: str | None = None
    tags: Sequence[str] = ()
    provider_urls: frozenset[str] = frozenset()
    collections: Sequence[tuple[str, Path]] = ()
    functions: Sequence[tuple[str, GivenFunction]] = ()
    answers: Sequence[tuple[str, Mapping[str, Any]]] = ()
    choices: Sequence[str] = ()
    """What web inputs are answered with, one after the other."""
    ask: Callable[[Mapping[str, Any]], str] | None = None
    """Asks somebody to choose, when the choices are used up."""
    time_scale: float = 0.01
    timeout: float = 600.0
    watch: Callable[[Entry], None] = field(default=lambda entry: None)

    @property
    def served(self) -> Mapping[str, str]:
        """The addresses that states of this definition call and the store's own provider answers,
        each with which of its three: ``record``, or ``query`` or ``harvest`` for an address that
        ends so. With one of them the others are known."""
        states = self.definition.get("States") or {}
        known = {states[name].get("ActionUrl") for name in injected(states)} | self.provider_urls
        bases = {_base(url) for url in known if url} - {None}
        named = {state.get("ActionUrl") for state in states.values() if isinstance(state, dict)}
        return {
            url: name if (name := url.rstrip("/").rpartition("/")[2]) in PROVIDERS else PROVIDERS[0]
            for url in named
            if isinstance(url, str) and (url in known or _base(url) in bases)
        }


def _base(url: str) -> str | None:
    """What comes before the name of one of our providers; None for another address."""
    base, _, last = url.rstrip("/").rpartition("/")
    return base if last in PROVIDERS else None


def try_flow(trial: Trial) -> dict[str, Any]:
    """Run it to its end; returns the run's document as Globus Flows gives it.

    Raises InvalidInput when the definition or the input is refused, and when the run is not done
    within the time allowed.
    """
    with ExitStack() as stack:
        sandbox = stack.enter_context(Sandbox(time_scale=trial.time_scale))
        furnish(sandbox, trial.collections, trial.functions, trial.answers)
        definition = trial.definition
        if trial.served:
            provider = stack.enter_context(_provider(sandbox, trial.store_url))
            definition = _redirected(definition, trial.served, provider)
        identity = sandbox.add_identity(USERNAME, identity_id=USER_ID)
        with told_plainly():
            return _run(sandbox, identity, trial, definition)


@contextmanager
def _provider(sandbox: Sandbox, store_url: str) -> Iterator[tuple[str, str]]:
    """The action provider over a store, as (url, scope)."""
    client = sandbox.add_client("Braid")
    scope = sandbox.add_scope(client, "action_all")
    with extra("server", "A flow that records, run here,"):
        from action_provider.app import EXTENSION, create_app

    app = create_app(
        store_url,
        environ={
            **sandbox.environ(),
            HARVEST_CONVENTIONS.name: HARVEST_CONVENTIONS.get() or "",
            ENDPOINT_COLLECTIONS.name: ",".join(ENDPOINT_COLLECTIONS.get()),
            "BRAID_CLIENT_ID": client.client_id,
            "BRAID_CLIENT_SECRET": client.client_secret,
            "BRAID_SCOPE": scope,
            "BRAID_LANES": "threads",
        },
    )
    server = WebServer(app)
    try:
        yield server.url, scope
        app.extensions[EXTENSION].crew.look_now()  # whether runs that were harvested have ended
    finally:
        server.stop()
        app.extensions[EXTENSION].close()


def _redirected(
    definition: Mapping[str, Any], served: Mapping[str, str], provider: tuple[str, str]
) -> dict[str, Any]:
    address, scope = provider
    states = {}
    for name, state in definition["States"].items():
        url = state.get("ActionUrl") if isinstance(state, dict) else None
        if isinstance(url, str) and url in served:
            state = {**state, "ActionUrl": f"{address}/{served[url]}", "ActionScope": scope}
        states[name] = state
    return {**definition, "States": states}


def _run(
    sandbox: Sandbox, identity: Identity, trial: Trial, definition: Mapping[str, Any]
) -> dict[str, Any]:
    base_url = sandbox.environ()["GLOBUS_SDK_SERVICE_URL_FLOWS"]
    token = sandbox.token_for(identity, str(FlowsClient.scopes.all))
    flows = FlowsClient(base_url=base_url, authorizer=AccessTokenAuthorizer(token))
    made = flows.create_flow(trial.title, dict(definition), dict(trial.input_schema))
    flow = SpecificFlowClient(made["id"])
    flow.base_url = base_url
    token = sandbox.token_for(identity, str(flow.scopes.user))
    flow.authorizer = AccessTokenAuthorizer(token)
    body = with_role_tokens(trial.definition, trial.input, sandbox, made["id"])
    run = flow.run_flow(body, tags=list(trial.tags), **given(label=trial.label))
    return _watched(sandbox, flows, run["run_id"], trial)


def _watched(sandbox: Sandbox, flows: FlowsClient, run_id: str, trial: Trial) -> dict[str, Any]:
    """Wait for the end, telling the log as it grows and answering what the run asks."""
    deadline = time.monotonic() + trial.timeout
    told = 0
    choices, answered = trial.choices, set[str]()
    while True:
        run: globus_sdk.GlobusHTTPResponse = flows.get_run(run_id)
        entries = list(flows.paginated.get_run_logs(run_id, limit=100).items())
        for entry in entries[told:]:
            trial.watch(entry)
        told = len(entries)
        question = run.get("blocking_web_input_id")
        if question and question not in answered and (trial.ask or len(answered) < len(choices)):
            _answer(sandbox, question, [*choices[len(answered) :]], trial.ask)
            answered.add(question)
        if run["status"] in FINAL and question not in answered:
            return dict(run.data)
        if time.monotonic() > deadline:
            raise InvalidInput(f"The run is not done after {trial.timeout:g} s; raise --timeout.")
        time.sleep(POLL_SECONDS)


def _answer(
    sandbox: Sandbox,
    question: str,
    choices: Sequence[str],
    ask: Callable[[Mapping[str, Any]], str] | None,
) -> None:
    """Answer a question of the run: with the first of the choices, else as somebody says."""
    try:
        if choices:
            sandbox.respond(question, choices[0])
        elif ask is not None:
            sandbox.respond(question, ask(sandbox.question(question)))
    except ValueError as error:
        raise InvalidInput(str(error), path="--choose") from None
