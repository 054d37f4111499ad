"""Secrets are taken out before anything is written.

`redact` cleans a document, `scrub_text` one text where there is `suspicion`. `is_secret_key` judges
a name alone, and `is_secret_value` a text by the name it has. What is recognised, and what cannot
be, is listed in docs/secrets.md.

The rules are compiled when one of them is first asked for: what every program imports names this
package, as `redaction.scrub_text`, and not what is in it.
"""

from typing import TYPE_CHECKING

from provenance_store.lazy_exports import names_of

if TYPE_CHECKING:
    from provenance_store.redaction.documents import is_secret_value, redact, scrub_text
    from provenance_store.redaction.names import is_secret_key
    from provenance_store.redaction.text import suspicion
    from provenance_store.redaction.values import REDACTED

__all__ = ["REDACTED", "is_secret_key", "is_secret_value", "redact", "scrub_text", "suspicion"]

__getattr__, __dir__ = names_of(
    __name__,
    {
        "provenance_store.redaction.documents": ("is_secret_value", "redact", "scrub_text"),
        "provenance_store.redaction.names": ("is_secret_key",),
        "provenance_store.redaction.text": ("suspicion",),
        "provenance_store.redaction.values": ("REDACTED",),
    },
)
