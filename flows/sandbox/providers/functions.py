"""The Compute provider: really runs registered functions, each call in a process of its own.

Compute takes bodies of the second version (endpoint, function, args, kwargs or payload, or tasks of
these) and of the third (endpoint_id, and tasks with function_id).
"""

from __future__ import annotations

import ast
import contextlib
import inspect
import json
import os
import re
import signal
import subprocess
import sys
import textwrap
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flows.sandbox.environment import inherited
from flows.sandbox.providers import function_worker
from flows.sandbox.providers.base import Action, ActionFailed, ActionRefused, Provider

__all__ = ["ComputeProvider", "Function", "FunctionFailed", "Functions", "FuncxProvider"]

TASK_VARIABLE = "GC_TASK_UUID"
_MODULE_FUNCTION = re.compile(r"^(?P<module>[A-Za-z_][\w.]*):(?P<name>[A-Za-z_]\w*)$")


class FunctionFailed(Exception):
    """The function raised, was stopped, or gave something that is not JSON."""


@dataclass(frozen=True)
class Function:
    """A function by source text, or by module and name."""

    name: str
    source: str | None = None
    module: str | None = None


def _describe(function: Callable[..., Any] | str, name: str | None) -> Function:
    """Raises ValueError when there is no function to be found."""
    if not isinstance(function, str):
        source = textwrap.dedent(inspect.getsource(function))
        return Function(function.__name__, source=source)
    reference = _MODULE_FUNCTION.match(function)
    if reference:
        return Function(reference["name"], module=reference["module"])
    source = textwrap.dedent(function)
    names = [n.name for n in ast.parse(source).body if isinstance(n, ast.FunctionDef)]
    if not names:
        raise ValueError("The source text defines no function.")
    if name is not None and name not in names:
        raise ValueError(
            f"The source text defines no function {name!r}; it has {', '.join(names)}."
        )
    return Function(name or names[-1], source=source)


class Functions:
    """The registered functions, and the processes that run them now."""

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._functions: dict[str, Function] = {}
        self._running: set[subprocess.Popen[bytes]] = set()
        self._lock = threading.Lock()
        self._stopped = False

    def register(
        self, function: Callable[..., Any] | str, function_id: str, name: str | None = None
    ) -> str:
        """Registers a function under an id. Raises ValueError when it cannot be sent."""
        self._functions[function_id] = _describe(function, name)
        return function_id

    def get(self, function_id: str) -> Function | None:
        """The function with an id."""
        return self._functions.get(function_id)

    def call(
        self, function: Function, args: list[Any], kwargs: dict[str, Any], task_id: str = ""
    ) -> Any:
        """What the function returns. Raises FunctionFailed, with its traceback if it has one.

        The function finds its task's id in the environment, under the name that Globus Compute
        uses too.
        """
        task = {"source": function.source, "module": function.module, "name": function.name}
        text = self._run(json.dumps({**task, "args": args, "kwargs": kwargs}).encode(), task_id)
        try:
            answer = json.loads(text)
        except ValueError:
            raise FunctionFailed(f"{function.name} ended without a result.") from None
        if "error" in answer:
            raise FunctionFailed(answer["error"])
        return answer["result"]

    def _run(self, task: bytes, task_id: str) -> bytes:
        reading, writing = os.pipe()
        try:
            process = self._start(writing, task_id)
        except BaseException:
            os.close(reading)
            raise
        finally:
            os.close(writing)
        collected: list[bytes] = []
        reader = threading.Thread(target=_read_all, args=(reading, collected), daemon=True)
        reader.start()
        try:
            process.communicate(task, timeout=self._timeout)
        except subprocess.TimeoutExpired:
            _kill(process)
            raise FunctionFailed(f"It took longer than {self._timeout:g} seconds.") from None
        finally:
            _kill(process)
            process.wait()
            with contextlib.suppress(OSError):
                if process.stdin is not None:
                    process.stdin.close()
            reader.join(5)
            with self._lock:
                self._running.discard(process)
        return b"".join(collected)

    def _start(self, writing: int, task_id: str) -> subprocess.Popen[bytes]:
        worker = str(Path(function_worker.__file__))
        paths = os.pathsep.join(filter(None, sys.path))
        environ = {**inherited(), "PYTHONPATH": paths, TASK_VARIABLE: task_id}
        with self._lock:
            if self._stopped:
                raise FunctionFailed("The sandbox has stopped.")
            process = subprocess.Popen(
                [sys.executable, "-P", worker, str(writing)],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=(writing,),
                env=environ,
                start_new_session=True,
            )
            self._running.add(process)
        return process

    def stop(self) -> None:
        """Kills what runs, and lets nothing new start."""
        with self._lock:
            self._stopped = True
            running = list(self._running)
        for process in running:
            _kill(process)


def _read_all(descriptor: int, collected: list[bytes]) -> None:
    with os.fdopen(descriptor, "rb") as channel:
        collected.append(channel.read())


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Kills the process with all it has started."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


@dataclass(frozen=True)
class _Task:
    task_id: str
    function_id: str
    args: list[Any]
    kwargs: dict[str, Any]


def _tasks(body: dict[str, Any]) -> list[_Task]:
    """The tasks of a body of either version. Raises ActionRefused."""
    described = body.get("tasks", [body])
    if not isinstance(described, list) or not described:
        raise ActionRefused(422, "RequestValidationError", "There are no tasks.")
    return [_task(item, body) for item in described]


def _task(item: Any, body: dict[str, Any]) -> _Task:
    if not isinstance(item, dict):
        raise ActionRefused(422, "RequestValidationError", "A task must be an object.")
    function_id = item.get("function_id") or item.get("function") or item.get("func")
    endpoint = item.get("endpoint") or body.get("endpoint_id") or body.get("endpoint")
    if not function_id or not endpoint:
        text = "A task needs a function and an endpoint."
        raise ActionRefused(422, "RequestValidationError", text)
    args = item.get("args") or []
    kwargs = item.get("kwargs") or item.get("payload") or {}
    if not isinstance(args, list) or not isinstance(kwargs, dict):
        text = "args must be a list; kwargs or payload an object."
        raise ActionRefused(422, "RequestValidationError", text)
    return _Task(str(uuid.uuid4()), str(function_id), args, kwargs)


class ComputeProvider(Provider):
    """Runs the functions registered with the sandbox, one process for each task."""

    name = "compute"
    title = "Compute"
    synchronous = False

    def __init__(self, functions: Functions) -> None:
        super().__init__()
        self._functions = functions

    def check(self, action: Action) -> None:
        """All functions must be registered."""
        for task in _tasks(action.body):
            if self._functions.get(task.function_id) is None:
                text = f"There is no function {task.function_id}."
                raise ActionRefused(404, "FunctionNotFound", text)

    def new_id(self) -> str:
        """Task groups have ids of their own kind."""
        return f"tg_{uuid.uuid4()}"

    def perform(self, action: Action) -> Any:
        """The results, in the order of the tasks; fails when any task does."""
        outcomes = [self._outcome(task, action) for task in _tasks(action.body)]
        details = self.details([value for value, _ in outcomes], [r for _, r in outcomes])
        if any("exception" in result for _, result in outcomes):
            raise ActionFailed(details, "Failed tasks")
        return details

    def _outcome(self, task: _Task, action: Action) -> tuple[Any, dict[str, Any]]:
        function = self._functions.get(task.function_id)
        try:
            if function is None or action.canceled.is_set():
                raise FunctionFailed("The task was canceled.")
            value = self._functions.call(function, task.args, task.kwargs, task.task_id)
        except FunctionFailed as failure:
            return str(failure), {"task_id": task.task_id, "exception": str(failure)}
        return value, {"task_id": task.task_id, "output": value}

    def details(self, values: list[Any], results: list[dict[str, Any]]) -> dict[str, Any]:
        """The details of a finished action."""
        return {"result": values, "results": results}


class FuncxProvider(ComputeProvider):
    """The older Compute provider, whose result of a single task is not in a list."""

    name = "funcx"
    title = "Compute (older)"

    def details(self, values: list[Any], results: list[dict[str, Any]]) -> dict[str, Any]:
        """As its flows read them: ``details.result.<member>``."""
        return {"result": values[0] if len(values) == 1 else values, "results": results}
