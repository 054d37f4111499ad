"""The process in which a lane's requests are worked at, as the worker sees it."""

from __future__ import annotations

import msgspec

from action_provider.child import Child
from action_provider.errors import Busy
from action_provider.lanes.messages import Answered, Forwarded
from provenance_store.errors import StoreUnavailable

__all__ = ["LaneProcess"]

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Answered).decode


class LaneProcess(Child):
    """Another process with the same application; it begins with `begin`, or the first request."""

    module = "action_provider.lanes.lane_process"
    wait_seconds = 100

    def answer(self, request: Forwarded) -> Answered:
        """What the application there answers. Raises StoreUnavailable when the process ends
        meanwhile, Busy when it takes too long.

        It is asked once, for not every request may be repeated.
        """
        process = self._process
        if process is not None and process.poll() is not None:
            self._hang_up()
        try:
            return _decode(self._exchange(_encode(request)))
        except BlockingIOError:
            raise Busy("This takes too long; ask for less, or send the request again.") from None
        except OSError:
            raise StoreUnavailable("The work was interrupted; send the request again.") from None
