"""The Compute provider: really runs registered functions.

Bodies of the second version (endpoint, function, args, kwargs or payload, or tasks of these) and of
the third (endpoint_id and tasks with function_id).
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

from flows.sandbox.providers.base import Action, ActionFailed, ActionRefused, Provider
from flows.sandbox.providers.functions import FunctionFailed, Functions

__all__ = ["ComputeProvider", "FuncxProvider"]


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
