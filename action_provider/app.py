"""The application: `create_app` is what a WSGI server is given."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, partial

import msgspec

from provenance_store.extras import extra

with extra("server", "The action provider"):
    import globus_action_provider_tools  # noqa: F401  # most of what follows needs it
    from flask import Flask

from action_provider import errors, health, logs, openapi
from action_provider.api import batch_routes as batches
from action_provider.api import invalidation, statement
from action_provider.api import routes as query
from action_provider.api.batch_service import BatchService
from action_provider.auth import Authenticator, Caller
from action_provider.lanes.admission import PLACES, Lanes
from action_provider.lanes.lane_overrides import Tally, open_patiently
from action_provider.metrics import Metrics
from action_provider.providers.harvest import blueprint as harvest
from action_provider.providers.harvest.actions import HarvestActions
from action_provider.providers.harvest.blueprint import HarvestBlueprint
from action_provider.providers.harvest.body import harvest_schema
from action_provider.providers.harvest.worker_pool import WorkerPool
from action_provider.providers.query import blueprint as questions
from action_provider.providers.query.actions import QueryActions
from action_provider.providers.query.blueprint import QueryBlueprint
from action_provider.providers.query.questions import question_schema
from action_provider.providers.record import blueprint as record
from action_provider.providers.record.actions import RecordActions, RecordAnswer
from action_provider.providers.record.blueprint import RecordBlueprint
from action_provider.recording_process.client import RecordingProcess
from action_provider.recording_process.without_flask import WithoutFlask
from action_provider.settings import Options
from action_provider.stores import StoreHolder
from flows.settings import ENDPOINT_COLLECTIONS
from flows.steps.schema import body_schema
from provenance_store.ids import now
from provenance_store.settings import STORE_URL
from provenance_store.version import VERSION

__all__ = ["EXTENSION", "OPERATIONS", "Braid", "create_app"]

EXTENSION = "braid"
OPERATIONS = (
    *(*record.OPERATIONS, *questions.OPERATIONS, *harvest.OPERATIONS),
    *(*query.OPERATIONS, *statement.OPERATIONS, *invalidation.OPERATIONS),
    *batches.OPERATIONS,
    *(*health.OPERATIONS, openapi.OPERATION),
)
"""Every operation of the server."""


@dataclass(frozen=True)
class Braid:
    """What one application holds; it is ``app.extensions["braid"]``."""

    options: Options
    stores: StoreHolder
    authenticator: Authenticator
    metrics: Metrics
    recording_process: RecordingProcess | None
    crew: WorkerPool
    lanes: Lanes | None

    def begin(self) -> None:
        """Start the processes beside this one, so that nobody waits for them later."""
        if self.lanes is not None:
            self.lanes.begin()

    def close(self) -> None:
        """Let the processes beside this one and the harvests end, and let go of the store."""
        if self.lanes is not None:
            self.lanes.close()
        self.crew.close()
        if self.recording_process is not None:
            self.recording_process.close()
        self.stores.close()


def create_app(
    store_url: str | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    create: bool = True,
    places: int = PLACES,
    lane: bool = False,
) -> Flask:
    """The WSGI application over the store at a URL, by default the one BRAID_STORE_URL names.

    Settings come from `environ`, by default the process's. Raises ConfigurationError for what
    is missing or makes no sense. The store is opened at the first request of each process, so
    the server starts, and answers 503, while its database is away. An empty database is made a
    store then, unless `create` is false.

    At `places` usual requests it works at the same time; the server needs more threads than that
    (`action_provider.lanes.admission.threads_for`), or who waits for a place holds all of them.
    With `lane` it is the application of a lane's process: it admits all, and records in threads.
    """
    logs.quiet()
    options = Options.read(environ)
    ENDPOINT_COLLECTIONS.get(environ)  # asked with every step: what is wrong is said now
    metrics = Tally() if lane else Metrics()
    url = store_url or STORE_URL.get(environ)
    patiently = partial(open_patiently, question_seconds=options.question_seconds)
    stores = (
        StoreHolder(url, purge_seconds=None, create=create, open_it=patiently)
        if lane
        else StoreHolder(url, purge_seconds=options.purge_seconds, create=create)
    )
    authenticator = Authenticator(options)
    app = Flask("action_provider", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = options.body_limit
    recording_process = (
        None if lane or options.recording == "threads" else RecordingProcess(url, environ)
    )
    lanes = None
    if not lane:
        lanes = Lanes(options, authenticator, metrics, url, environ, stores=stores, places=places)
    crew = WorkerPool(stores, options, metrics, now)
    braid = Braid(options, stores, authenticator, metrics, recording_process, crew, lanes)
    app.extensions[EXTENSION] = braid
    errors.install(app)
    logs.watch(app, access=options.access_log == "on" and not lane)
    if lanes is not None:
        metrics.watch(app)
        lanes.watch(app)
    schema = body_schema()
    actions = RecordActions(stores, options, now)
    recording = actions.run if recording_process is None else _recording(recording_process, stores)
    provider = RecordBlueprint(
        actions, recording, authenticator, metrics, options, schema, crew.silent.heard
    )
    app.register_blueprint(provider)
    if lanes is not None:
        direct = WithoutFlask(
            app.wsgi_app,
            provider,
            authenticator,
            lanes.usual.queue,
            metrics,
            options,
            recording_process,
        )
        app.wsgi_app = direct  # type: ignore[method-assign]
    app.register_blueprint(query.query_blueprint(stores, authenticator))
    app.register_blueprint(statement.statement_blueprint(stores, authenticator))
    app.register_blueprint(invalidation.invalidation_blueprint(stores, authenticator, options))
    advice = QueryActions(stores, options, now)
    app.register_blueprint(QueryBlueprint(advice, authenticator, options))
    harvests = HarvestActions(stores, options, now, crew)
    app.register_blueprint(HarvestBlueprint(harvests, authenticator, options))
    taking = BatchService(stores, options, metrics)
    app.register_blueprint(batches.batches_blueprint(taking, authenticator, options))
    app.register_blueprint(health.health_blueprint(stores, metrics))
    app.register_blueprint(openapi.openapi_blueprint(_document))
    return app


@cache
def _document() -> bytes:
    """The OpenAPI document. It is the same for each application, and takes as long to make as all
    else of one: no worker and no lane waits for it at its start."""
    bodies = {
        "Envelope": body_schema(),
        "QueryEnvelope": question_schema(),
        "HarvestEnvelope": harvest_schema(),
    }
    return msgspec.json.encode(openapi.openapi(OPERATIONS, version=VERSION, bodies=bodies))


def _recording(
    recording_process: RecordingProcess, stores: StoreHolder
) -> Callable[[Caller, bytes], RecordAnswer]:
    """Record apart, in a store that this process has opened, and has not lost, itself."""

    def record(caller: Caller, data: bytes) -> RecordAnswer:
        stores.get().glance()
        return recording_process.run(caller, data)

    return record
