"""Recording through a Braid server, and asking it, with this project's own library.

Runs where globus-sdk is 4. SERVER is the server's address, TOKEN a token for its scope; the client
of BRAID_LOGIN_CLIENT_ID, with its secret, has one too.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

import globus_sdk

import hpc
from braid.cli.client import open_server
from provenance_store.errors import InvalidInput, NotFound


def main() -> dict[str, Any]:
    server = os.environ["SERVER"]
    told: dict[str, Any] = {"version": globus_sdk.__version__}
    with hpc.remote(server, os.environ["TOKEN"], spool="spool", run_id="job-1") as recorder:
        scans = [recorder.data(f"scan-{n}") for n in range(10)]
        recorder.model("net").update(scans[:3])
    client = open_server(server)
    assert client.authorizer is not None
    with hpc.remote(server, client.authorizer, spool="spool", run_id="job-2") as recorder:
        mine = recorder.data("mine")
    told["spooled"] = os.path.exists("spool")
    told["records"] = [record["name"] for record in client.records()["records"]]
    told["invalidated"] = client.invalidate(mine.urn, cause="misaligned")["record"]["id"]
    for name, wrong in (("unknown", NotFound), ("bad", InvalidInput)):
        try:
            client.record("9.999999") if wrong is NotFound else client.record("0.0")
        except wrong as error:
            told[name] = str(error)
    return told


if __name__ == "__main__":
    json.dump(main(), sys.stdout)
