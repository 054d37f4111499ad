"""The recording process hangs or ends while a request waits for it."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from action_provider.auth import Caller
from action_provider.child_process import ChildConnection
from action_provider.recording_process import client
from action_provider.recording_process.client import RecordingProcess
from provenance_store.errors import StoreUnavailable

CALLER = Caller(
    "urn:globus:auth:identity:00000000-0000-4000-8000-000000000000",
    (),
    known_groups=frozenset(),
    ask_for_groups=frozenset,
    reader_group=None,
)


class Connections:
    """Stands for the recording process: hands out connections to one that has ended or hangs, and
    counts them."""

    def __init__(self, *, ended: bool) -> None:
        self._ended = ended
        self.others: list[socket.socket] = []
        self.process = subprocess.Popen([sys.executable, "-c", ""])
        self.process.wait()

    def connect(self) -> ChildConnection:
        ours, theirs = socket.socketpair()
        if self._ended:
            theirs.close()
        else:
            ours.setblocking(False)  # As with SO_RCVTIMEO, reading is a BlockingIOError at once.
        self.others.append(theirs)
        return ChildConnection(ours, self.process)


@pytest.fixture
def recording_process(monkeypatch: pytest.MonkeyPatch) -> Iterator[RecordingProcess]:
    monkeypatch.setattr(client.RecordingProcess, "_start", lambda self: None)
    recording_process = RecordingProcess("sqlite://")
    yield recording_process
    recording_process.close()


@pytest.mark.parametrize(("ended", "asked"), [(False, 1), (True, 2)], ids=["hangs", "ended"])
def test_a_request_is_asked_again_only_when_the_process_has_ended(
    recording_process: RecordingProcess, monkeypatch: pytest.MonkeyPatch, ended: bool, asked: int
) -> None:
    connections = Connections(ended=ended)
    monkeypatch.setattr(recording_process, "_connect", connections.connect)
    with pytest.raises(StoreUnavailable):
        recording_process.run(CALLER, b"{}")
    assert len(connections.others) == asked
    for other in connections.others:
        other.close()
