"""One digest for a flow definition, however its JSON is laid out."""

from __future__ import annotations

import hashlib
import json
from typing import Any

__all__ = ["definition_digest"]


def definition_digest(definition: Any) -> str:
    """``sha256:<hex>`` of the canonical JSON: sorted keys, no blanks, UTF-8.

    Equal for documents that are equal as JSON values; NaN and infinities raise ValueError.
    """
    text = json.dumps(
        definition, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )
    return f"sha256:{hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()}"
