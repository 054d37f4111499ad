"""What libraries may write into the log: nothing of a token, a secret or a request body."""

from __future__ import annotations

import logging

from provenance_store.recorder import NOT_AS_GIVEN

__all__ = ["TALKATIVE", "quiet"]

TALKATIVE = ("globus_action_provider_tools", "globus_sdk", "urllib3")
"""Loggers that repeat pieces of tokens, request bodies or addresses below WARNING."""
ATTACHING = ("globus_action_provider_tools.authentication", "action_provider")
"""Loggers of the toolkit, which uses the application's too, that attach traces."""


class _Quoting(logging.Filter):
    """Leaves out the notes of recorders, which quote what callers sent: they are on the records."""

    def filter(self, record: logging.LogRecord) -> bool:
        return record.msg != NOT_AS_GIVEN


class _Traces(logging.Filter):
    """Takes away the traces that are attached: the errors in them may repeat what was sent."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.exc_info = record.exc_text = None
        return True


_QUOTING, _TRACES = _Quoting(), _Traces()
"""To add one again changes nothing."""


def quiet() -> None:
    """Keep the talkative libraries to warnings without traces, and notes out of the log."""
    logging.getLogger("braid").addFilter(_QUOTING)
    for name in ATTACHING:
        logging.getLogger(name).addFilter(_TRACES)
    for name in TALKATIVE:
        logger = logging.getLogger(name)
        if logger.getEffectiveLevel() < logging.WARNING or logger.level == logging.NOTSET:
            logger.setLevel(logging.WARNING)
