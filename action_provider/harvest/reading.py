"""Runs as their caller may see them: the Flows service, asked on the caller's behalf.

The token for that is one that Globus Auth gives this server in exchange for the caller's own, for
the scope that the server's scope depends on. It is in the memory of the process only: neither
the store nor the log ever has it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import globus_sdk
from globus_sdk.authorizers import GlobusAuthorizer

from action_provider.auth import Caller
from action_provider.settings import Options
from flows.harvest.service import FlowsLogs
from provenance_store.errors import NotAllowed, ServiceUnavailable
from provenance_store.globus import transport_options

__all__ = ["RUN_STATUS", "ConsentRequired", "Runs"]

RUN_STATUS = str(globus_sdk.FlowsClient.scopes.run_status)
"""Reads runs and their logs, and changes nothing."""
TRANSPORT = {"http_timeout": 30, "max_retries": 5, "max_sleep": 20}
"""Seconds. What is refused for the moment is asked again so often."""
EXPIRED = "Globus Flows does not take the token any more; ask for the harvest again."


class ConsentRequired(NotAllowed):
    """The caller has not agreed that this server reads runs on their behalf."""

    def __init__(self, scope: str) -> None:
        super().__init__(
            "Globus gives this server no token to read your runs: consent to the scope that is "
            "named and resume. If there is no such consent to give, the operator of this server "
            "has not let its scope depend on that of Globus Flows (docs/harvest.md)."
        )
        self.required_scope = f"{scope}[{RUN_STATUS}]"


class Runs:
    """Opens the Flows service as one caller may see it; may be kept longer than the request."""

    def __init__(self, caller: Caller, options: Options) -> None:
        assert caller.dependents is not None
        self._dependents = caller.dependents
        self._options = options

    @contextmanager
    def open(self) -> Iterator[FlowsLogs]:
        """Reads runs. Raises ConsentRequired, NotAllowed, or ServiceUnavailable."""
        client = globus_sdk.FlowsClient(
            authorizer=self._authorizer(),
            base_url=self._options.flows_url,
            **transport_options(**TRANSPORT),
        )
        try:
            yield FlowsLogs(client, when_expired=EXPIRED)
        except NotAllowed:
            self._dependents.forget()
            raise
        finally:
            client.transport.session.close()

    def _authorizer(self) -> GlobusAuthorizer:
        try:
            return self._dependents.authorizer(RUN_STATUS)
        except ValueError:
            raise ConsentRequired(self._options.scope) from None
        except globus_sdk.GlobusAPIError as error:
            if error.http_status in (400, 401, 403):
                raise NotAllowed(
                    "Globus Auth gives this server no token on your behalf; your own may have "
                    "expired. Ask for the harvest again."
                ) from None
            raise ServiceUnavailable(
                f"Globus Auth answered {error.http_status} when asked for a token to read runs."
            ) from None
        except globus_sdk.GlobusError:
            raise ServiceUnavailable("Globus Auth cannot be reached; try again.") from None
