"""The process in which a lane's requests are worked at, as the worker sees it."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from action_provider.child_process import Child
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
    """The least; what is asked gives up by itself much earlier."""

    def __init__(
        self,
        store_url: str,
        environ: Mapping[str, str] | None = None,
        *arguments: str,
        question_seconds: int = 0,
    ) -> None:
        super().__init__(store_url, environ, *arguments)
        self.wait_seconds = max(self.wait_seconds, 3 * question_seconds)

    def answer(self, request: Forwarded) -> Answered:
        """What the application there answers. Raises StoreUnavailable when the process ends
        meanwhile, Busy when it takes too long: the process is ended then.

        It is asked once, for not every request may be repeated.
        """
        try:
            return _decode(self._exchange(_encode(request)))
        except BlockingIOError:
            raise Busy(
                f"This took longer than {self.wait_seconds} seconds and was ended; ask for less, "
                "or send the request again."
            ) from None
        except OSError:
            raise StoreUnavailable("The work was interrupted; send the request again.") from None
