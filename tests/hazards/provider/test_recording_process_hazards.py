"""The recording process hangs or ends while a request waits for it."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from action_provider.auth import Caller
from action_provider.recording_process import client as desk_module
from action_provider.recording_process.client import RecordingProcess
from provenance_store.errors import StoreUnavailable

CALLER = Caller(
    "urn:globus:auth:identity:00000000-0000-4000-8000-000000000000",
    (),
    known_groups=frozenset(),
    ask_for_groups=frozenset,
    reader_group=None,
)


class Lines:
    """Stands for the recording process: hands out sockets, and counts them."""

    def __init__(self, *, ended: bool) -> None:
        self._ended = ended
        self.others: list[socket.socket] = []

    def connect(self) -> socket.socket:
        ours, theirs = socket.socketpair()
        if self._ended:
            theirs.close()
        else:
            ours.setblocking(False)  # As with SO_RCVTIMEO, reading is a BlockingIOError at once.
        self.others.append(theirs)
        return ours


@pytest.fixture
def recording_process(monkeypatch: pytest.MonkeyPatch) -> Iterator[RecordingProcess]:
    monkeypatch.setattr(desk_module.RecordingProcess, "_start", lambda self: None)
    recording_process = RecordingProcess("sqlite://")
    yield recording_process
    recording_process.close()


@pytest.mark.parametrize(("ended", "asked"), [(False, 1), (True, 2)], ids=["hangs", "ended"])
def test_a_request_is_asked_again_only_when_the_process_has_ended(
    recording_process: RecordingProcess, monkeypatch: pytest.MonkeyPatch, ended: bool, asked: int
) -> None:
    lines = Lines(ended=ended)
    monkeypatch.setattr(recording_process, "_connect", lines.connect)
    with pytest.raises(StoreUnavailable):
        recording_process.run(CALLER, b"{}")
    assert len(lines.others) == asked
    for line in lines.others:
        line.close()
