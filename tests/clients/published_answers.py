"""The answers that globus-sdk 4 publishes for tests, by the name of the method that they are of.

Needs the library `responses`. What is asked for are the arguments.
"""

from __future__ import annotations

import json
import sys

from globus_sdk.testing import get_response_set

if __name__ == "__main__":
    found = {}
    for name in sys.argv[1:]:
        answer = get_response_set(name).lookup("default")
        found[name] = getattr(answer, "json", None) or answer.responses[0].json
    json.dump(found, sys.stdout)
