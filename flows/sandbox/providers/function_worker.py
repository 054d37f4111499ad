"""Runs one function in a process of its own; started by `flows.sandbox.providers.functions`.

Reads ``{"source" | "module", "name", "args", "kwargs"}`` from standard input, and writes
``{"result": …}`` or ``{"error": traceback}`` to the file descriptor given as argument. Imports the
standard library only, and nothing of this project.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import traceback
from typing import Any


def _load(task: dict[str, Any]) -> Any:
    if task.get("module"):
        return getattr(importlib.import_module(task["module"]), task["name"])
    namespace: dict[str, Any] = {"__name__": "sandbox_function"}
    exec(compile(task["source"], f"<function {task['name']}>", "exec"), namespace)
    return namespace[task["name"]]


def _run(task: dict[str, Any]) -> str:
    try:
        result = _load(task)(*task["args"], **task["kwargs"])
        return json.dumps({"result": result}, allow_nan=False)
    except BaseException:
        return json.dumps({"error": traceback.format_exc(limit=20)})


def main() -> None:
    """Reads, runs, writes."""
    task = json.load(sys.stdin)
    answer = _run(task)
    with os.fdopen(int(sys.argv[1]), "w") as channel:
        channel.write(answer)


if __name__ == "__main__":
    main()
