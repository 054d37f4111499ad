"""Secrets are taken out before anything is written.

`redact` cleans a document, `scrub_text` one text, `is_secret_key` judges a name alone. What is
recognised, and what cannot be, is listed in docs/secrets.md.
"""

from provenance_store.redaction.documents import redact, scrub_text
from provenance_store.redaction.names import REDACTED, is_secret_key

__all__ = ["REDACTED", "is_secret_key", "redact", "scrub_text"]
