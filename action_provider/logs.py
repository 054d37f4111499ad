"""What libraries may write into the log: nothing of a token, a secret or a request body."""

from __future__ import annotations

import logging

__all__ = ["TALKATIVE", "quiet"]

TALKATIVE = ("globus_action_provider_tools", "globus_sdk", "urllib3")
"""Loggers that repeat pieces of tokens, request bodies or addresses below WARNING."""


def quiet() -> None:
    """Keep the talkative libraries to warnings, and take away the traces that they attach."""
    for name in TALKATIVE:
        logger = logging.getLogger(name)
        if logger.getEffectiveLevel() < logging.WARNING or logger.level == logging.NOTSET:
            logger.setLevel(logging.WARNING)
