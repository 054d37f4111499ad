"""What the command line reads from the environment."""

from __future__ import annotations

from provenance_store.settings import Setting, optional_text

__all__ = ["SETTINGS"]

SERVER: Setting[str | None] = Setting(
    "BRAID_SERVER",
    None,
    "Address of a Braid server, such as https://braid.example.org; reading commands then ask "
    "its query API instead of a store.",
    optional_text,
)
SERVER_SCOPE: Setting[str | None] = Setting(
    "BRAID_SERVER_SCOPE",
    None,
    "Globus Auth scope of that server; when unset, the server is asked for it.",
    optional_text,
)
LOGIN_CLIENT_ID: Setting[str | None] = Setting(
    "BRAID_LOGIN_CLIENT_ID",
    None,
    "Globus Auth client that the command line logs in with: a native (thick) client for people, "
    "or a service account together with its secret.",
    optional_text,
)
LOGIN_CLIENT_SECRET: Setting[str | None] = Setting(
    "BRAID_LOGIN_CLIENT_SECRET",
    None,
    "Secret of that client; when set, the command line acts as the service account.",
    optional_text,
)
DEBUG: Setting[str | None] = Setting(
    "BRAID_DEBUG",
    None,
    "Any value: show the Python trace after an error's line.",
    optional_text,
)

SETTINGS: tuple[Setting[str | None], ...] = (
    SERVER,
    SERVER_SCOPE,
    LOGIN_CLIENT_ID,
    LOGIN_CLIENT_SECRET,
    DEBUG,
)
"""What `braid` reads from the environment."""
