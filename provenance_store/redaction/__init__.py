"""Secrets are taken out before anything is written.

`redact` cleans a document, `scrub_text` one text where there is `suspicion`. `is_secret_key` judges
a name alone, and `is_secret_value` a text by the name it has. What is recognised, and what cannot
be, is listed in docs/secrets.md.
"""

from provenance_store.redaction.documents import is_secret_value, redact, scrub_text
from provenance_store.redaction.names import is_secret_key
from provenance_store.redaction.text import suspicion
from provenance_store.redaction.values import REDACTED

__all__ = ["REDACTED", "is_secret_key", "is_secret_value", "redact", "scrub_text", "suspicion"]
