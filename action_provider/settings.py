"""What the action provider reads from the environment."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from flows.steps.values import PRINCIPAL, UUID
from provenance_store.errors import ConfigurationError
from provenance_store.settings import Setting, bounded_int, optional_text

__all__ = ["SETTINGS", "Options", "of_a_server", "usual_scope"]


def principals(*words: str) -> Callable[[str], tuple[str, ...]]:
    """A parser for comma-separated principal URNs and the given words."""

    def parse(text: str) -> tuple[str, ...]:
        items = tuple(item.strip() for item in text.split(",") if item.strip())
        for item in items:
            if item not in words and not PRINCIPAL.fullmatch(item):
                listed = ", ".join(words)
                raise ValueError(f"each item must be one of {listed} or the URN of a principal")
        return tuple(item if item in words else item.lower() for item in items)

    return parse


def one_of(*words: str) -> Callable[[str], str]:
    """A parser for one of the given words."""

    def parse(text: str) -> str:
        if text.strip() not in words:
            raise ValueError(f"it must be one of {', '.join(words)}")
        return text.strip()

    return parse


def group(text: str) -> str | None:
    """A parser for a Globus group: its UUID or URN; the URN comes back."""
    bare = text.strip().removeprefix("urn:globus:groups:id:")
    if not re.fullmatch(UUID, bare):
        raise ValueError("it must be the UUID of a Globus group")
    return f"urn:globus:groups:id:{bare.lower()}"


CLIENT_ID: Setting[str | None] = Setting(
    "BRAID_CLIENT_ID", None, "Globus Auth client id of this action provider.", optional_text
)
CLIENT_SECRET: Setting[str | None] = Setting(
    "BRAID_CLIENT_SECRET", None, "Secret of that Globus Auth client.", optional_text
)
SCOPE: Setting[str | None] = Setting(
    "BRAID_SCOPE",
    None,
    "Scope that a caller's token must have; when unset, the client's scope named action_all.",
    optional_text,
)
READER_GROUP: Setting[str | None] = Setting(
    "BRAID_READER_GROUP",
    None,
    "UUID of a Globus group whose members may read everything in the store.",
    group,
)
ADMIN_CONTACT = Setting(
    "BRAID_ADMIN_CONTACT",
    "the operator of this server",
    "Whom to write to about this server, usually an e-mail address.",
    str,
)
VISIBLE_TO: Setting[tuple[str, ...]] = Setting(
    "BRAID_VISIBLE_TO",
    ("public",),
    "Who may read the action provider's description: public, all_authenticated_users, or "
    "principal URNs, separated by commas.",
    principals("public", "all_authenticated_users"),
)
RUNNABLE_BY: Setting[tuple[str, ...]] = Setting(
    "BRAID_RUNNABLE_BY",
    ("all_authenticated_users",),
    "Who may record steps: all_authenticated_users, or principal URNs, separated by commas.",
    principals("all_authenticated_users"),
)
BODY_LIMIT = Setting(
    "BRAID_BODY_LIMIT_BYTES",
    4 << 20,
    "Largest request body, in bytes.",
    bounded_int(1024, 1 << 30),
)
BATCH_LIMIT = Setting(
    "BRAID_BATCH_LIMIT_BYTES",
    8 << 20,
    "Largest batch that a remote recorder may send, in bytes; recorders send 4 MiB where they can.",
    bounded_int(1024, 1 << 30),
)
JSON_DEPTH = Setting(
    "BRAID_JSON_DEPTH",
    100,
    "How deeply the JSON of a request may be nested.",
    bounded_int(8, 120),
)
TOKEN_CACHE_SIZE = Setting(
    "BRAID_TOKEN_CACHE_SIZE",
    20_000,
    "How many callers' tokens are remembered.",
    bounded_int(1, 10_000_000),
)
TOKEN_CACHE_SECONDS = Setting(
    "BRAID_TOKEN_CACHE_SECONDS",
    30,
    "How long Globus Auth's word on a token is remembered, in seconds; Globus asks for 30 at most.",
    bounded_int(1, 30),
)
GROUP_CACHE_SECONDS = Setting(
    "BRAID_GROUP_CACHE_SECONDS",
    300,
    "How long a caller's groups are remembered, in seconds.",
    bounded_int(1, 86_400),
)
RELEASE_AFTER_DAYS = Setting(
    "BRAID_RELEASE_AFTER_DAYS",
    30,
    "How long an action's status is kept when the caller does not say, in days. Records stay.",
    bounded_int(1, 3650),
)
RELEASE_AFTER_MAX_DAYS = Setting(
    "BRAID_RELEASE_AFTER_MAX_DAYS",
    365,
    "Longest release_after that a caller may ask for, in days.",
    bounded_int(1, 3650),
)
PURGE_SECONDS = Setting(
    "BRAID_PURGE_SECONDS",
    300,
    "How often each worker removes the actions whose release_after has passed, in seconds.",
    bounded_int(1, 86_400),
)
RECORDING = Setting(
    "BRAID_RECORDING",
    "auto",
    "Where each worker makes and writes records: in a process beside it, which takes all requests "
    "that wait together, or in the threads that answer, which is slower. auto is process.",
    one_of("auto", "process", "threads"),
)
AUTH_URL: Setting[str | None] = Setting(
    "GLOBUS_SDK_SERVICE_URL_AUTH",
    None,
    "Address of Globus Auth, where it is not the public one; globus-sdk's own variable.",
    optional_text,
)
GROUPS_URL: Setting[str | None] = Setting(
    "GLOBUS_SDK_SERVICE_URL_GROUPS",
    None,
    "Address of Globus Groups, where it is not the public one; globus-sdk's own variable.",
    optional_text,
)
FLOWS_URL: Setting[str | None] = Setting(
    "GLOBUS_SDK_SERVICE_URL_FLOWS",
    None,
    "Address of Globus Flows, where it is not the public one; globus-sdk's own variable.",
    optional_text,
)
HARVEST_CONVENTIONS: Setting[str | None] = Setting(
    "BRAID_HARVEST_CONVENTIONS",
    None,
    "Folder of the TOML files that say which results are models; /harvest names one without .toml.",
    optional_text,
)
HARVEST_THREADS = Setting(
    "BRAID_HARVEST_THREADS",
    2,
    "How many runs each worker harvests at the same time.",
    bounded_int(1, 64),
)
HARVEST_LEASE_SECONDS = Setting(
    "BRAID_HARVEST_LEASE_SECONDS",
    30,
    "How long a worker that died keeps the harvests it had begun, in seconds; then another may "
    "take them up.",
    bounded_int(2, 3600),
)
HARVEST_FOLLOW_SECONDS = Setting(
    "BRAID_HARVEST_FOLLOW_SECONDS",
    3600,
    "How long a run that asked to be harvested is looked after, in seconds, to record its end; "
    "0 to leave that to a later harvest.",
    bounded_int(0, 172_800),
)
HARVEST_SILENT_SECONDS = Setting(
    "BRAID_HARVEST_SILENT_SECONDS",
    600,
    "After how many seconds without a step the run of a flow with record states is looked at in "
    "Globus, if the server may, and harvested when it has ended; 0 to leave that to a later "
    "harvest.",
    bounded_int(0, 172_800),
)

LANES = Setting(
    "BRAID_LANES",
    "processes",
    "Where each worker works at large records, batches, harvests and questions: in processes "
    "beside it, which begin when they are needed, or in the threads that answer.",
    one_of("processes", "threads"),
)
LARGE_BYTES = Setting(
    "BRAID_LARGE_BYTES",
    64 << 10,
    "Size from which on a step is large, and waits for other large ones only, in bytes.",
    bounded_int(1024, 1 << 30),
)
LARGE_ITEMS = Setting(
    "BRAID_LARGE_ITEMS",
    500,
    "Number of JSON values, counted by their commas, from which on a step is large.",
    bounded_int(50, 1_000_000),
)
STEP_ROWS = Setting(
    "BRAID_STEP_ROWS",
    6_000,
    "Most rows that one step may be in the store: records, URIs, tags, links, metrics. It is one "
    "transaction, for which others wait: 6,000 rows are 2,000 files, and take some 20 ms. One "
    "record of a batch may be five times as many.",
    bounded_int(100, 1_000_000),
)
LANE_PLACES = Setting(
    "BRAID_LANE_PLACES",
    2,
    "How many large requests, and how many questions, each worker handles at a time.",
    bounded_int(1, 64),
)
WAITING = Setting(
    "BRAID_WAITING",
    48,
    "How many requests of each sort (usual ones, large ones, questions) may wait in each worker.",
    bounded_int(1, 1_000),
)
WAIT_SECONDS = Setting(
    "BRAID_WAIT_SECONDS",
    20,
    "How long a request waits for its turn, in seconds; then it is answered 429 when its caller's "
    "other requests are in the way, else 503.",
    bounded_int(1, 300),
)
QUESTION_SECONDS = Setting(
    "BRAID_QUESTION_SECONDS",
    30,
    "How long the store may take to find out what was asked, in seconds; then the answer is 503 "
    "and says to ask for less.",
    bounded_int(1, 3600),
)
IDENTITY_CONCURRENCY = Setting(
    "BRAID_IDENTITY_CONCURRENCY",
    48,
    "How many requests of each sort one identity may have under way or waiting in each worker; "
    "more are answered 429.",
    bounded_int(1, 1_000),
)
IDENTITY_RATE = Setting(
    "BRAID_IDENTITY_RATE",
    200,
    "How many requests a second one identity may send to each worker while others want to be "
    "served too, and twice as many at once; more are answered 429. 0 is no limit.",
    bounded_int(0, 1_000_000),
)
INTROSPECTIONS = Setting(
    "BRAID_INTROSPECTIONS",
    8,
    "How many tokens that are not known here each worker asks Globus Auth about at the same time; "
    "twice as many wait, and more are answered 503; addresses take turns. Callers known before are "
    "not among them.",
    bounded_int(1, 256),
)
LOG_FORMAT = Setting(
    "BRAID_LOG_FORMAT",
    "text",
    "How `braid serve` writes its log to standard error: text, or json, an object on each line.",
    one_of("text", "json"),
)
ACCESS_LOG = Setting(
    "BRAID_ACCESS_LOG",
    "off",
    "on: log a line for each request, with its id, method, path, status, bytes, seconds and the "
    "caller's identity.",
    one_of("on", "off"),
)
ADDRESS_HEADER = Setting(
    "BRAID_ADDRESS_HEADER",
    None,
    "Header in which the proxy in front says from which address a request comes, such as "
    "X-Real-IP; of several addresses in it the last counts. Set it only where nobody reaches the "
    "server past a proxy that sets it.",
    optional_text,
)

SETTINGS: tuple[Setting[Any], ...] = (
    CLIENT_ID,
    CLIENT_SECRET,
    SCOPE,
    READER_GROUP,
    ADMIN_CONTACT,
    VISIBLE_TO,
    RUNNABLE_BY,
    BODY_LIMIT,
    BATCH_LIMIT,
    JSON_DEPTH,
    TOKEN_CACHE_SIZE,
    TOKEN_CACHE_SECONDS,
    GROUP_CACHE_SECONDS,
    RELEASE_AFTER_DAYS,
    RELEASE_AFTER_MAX_DAYS,
    PURGE_SECONDS,
    RECORDING,
    AUTH_URL,
    GROUPS_URL,
    FLOWS_URL,
    HARVEST_CONVENTIONS,
    HARVEST_THREADS,
    HARVEST_LEASE_SECONDS,
    HARVEST_FOLLOW_SECONDS,
    HARVEST_SILENT_SECONDS,
    LANES,
    LARGE_BYTES,
    LARGE_ITEMS,
    STEP_ROWS,
    LANE_PLACES,
    WAITING,
    WAIT_SECONDS,
    QUESTION_SECONDS,
    IDENTITY_CONCURRENCY,
    IDENTITY_RATE,
    INTROSPECTIONS,
    LOG_FORMAT,
    ACCESS_LOG,
    ADDRESS_HEADER,
)
"""What `action_provider` reads from the environment."""

_OF_OTHERS_TOO = frozenset({AUTH_URL, GROUPS_URL, FLOWS_URL, HARVEST_CONVENTIONS})
"""Settings that commands read too, where no server is."""


def of_a_server(environ: Mapping[str, str]) -> list[str]:
    """The names in an environment that only a server reads: what says that one is wanted here.
    One that is set to nothing is among them, for somebody meant to set it."""
    names = {setting.name for setting in SETTINGS if setting not in _OF_OTHERS_TOO}
    return sorted(names & environ.keys())


@dataclass(frozen=True)
class Options:
    """Every setting of one server, read once when it starts."""

    client_id: str
    client_secret: str
    scope: str
    reader_group: str | None
    admin_contact: str
    visible_to: tuple[str, ...]
    runnable_by: tuple[str, ...]
    body_limit: int
    batch_limit: int
    json_depth: int
    token_cache_size: int
    token_cache_seconds: int
    group_cache_seconds: int
    release_after_days: int
    release_after_max_days: int
    purge_seconds: int
    recording: str
    auth_url: str | None
    groups_url: str | None
    flows_url: str | None
    harvest_conventions: str | None
    harvest_threads: int
    harvest_lease_seconds: int
    harvest_follow_seconds: int
    harvest_silent_seconds: int
    lanes: str
    large_bytes: int
    large_items: int
    step_rows: int
    lane_places: int
    waiting: int
    wait_seconds: int
    question_seconds: int
    identity_concurrency: int
    identity_rate: int
    introspections: int
    log_format: str
    access_log: str
    address_header: str | None

    @classmethod
    def read(cls, environ: Mapping[str, str] | None = None) -> Options:
        """The options in the environment; raises ConfigurationError for what is missing."""
        client_id = _required(CLIENT_ID, environ)
        return cls(
            client_id,
            _required(CLIENT_SECRET, environ),
            SCOPE.get(environ) or usual_scope(client_id),
            *(setting.get(environ) for setting in SETTINGS[3:]),
        )

    def __repr__(self) -> str:
        return f"Options(client_id={self.client_id!r})"


def _required(setting: Setting[str | None], environ: Mapping[str, str] | None) -> str:
    value = setting.get(environ)
    if not value or not value.strip():
        raise ConfigurationError(
            f"{setting.name} is not set. {setting.help} `braid serve --help` tells how to get one."
        )
    return value.strip()


def usual_scope(client_id: str) -> str:
    """The scope of the server that a client is, unless BRAID_SCOPE names another."""
    return f"https://auth.globus.org/scopes/{client_id.strip()}/action_all"
