"""A script that records in a parent and in children of it: `python recording_job.py WHERE HOW…`.

WHERE is the JSON of what to open, each HOW a way to start children, one after the other. Records
are named by it. It writes a JSON document of the parent's URNs by name. One of the tasks raises
after it has recorded.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hpc

if TYPE_CHECKING:  # each child that is not forked loads this module again
    from provenance_store import Record, Recorder

TASKS = 6
RAISES = 3
CHILDREN = 2


def opened(where: dict[str, str]) -> Any:
    if where["kind"] == "store":
        from provenance_store import open_store

        return open_store(where["url"])
    if where["kind"] == "spool":
        return hpc.spool(where["spool"], run_id="run-1")
    return hpc.remote(where["url"], where["token"], spool=where["spool"], run_id="run-1")


def work(recorder: Recorder, parent: Record, task: int) -> str:
    made = recorder.data(f"{parent.name}-{task}", depends_on=[parent], tags={"pid": os.getpid()})
    if task == RAISES:
        raise ValueError("the science went wrong")
    return made.urn


def alone(recorder: Recorder, parent: Record, tasks: list[int]) -> None:
    for task in tasks:
        work(recorder, parent, task)


def from_queue(recorder: Recorder, parent: Record, queue: Any, done: Any) -> None:
    """A worker that lives as long as there is work, like a DataLoader's."""
    while (task := queue.get()) is not None:
        try:
            done.put(work(recorder, parent, task))
        except ValueError:
            done.put("")


def by_os_fork(recorder: Recorder, parent: Record) -> None:
    children = []
    for tasks in ([0, 1, 2, RAISES], [4, 5]):
        if not (child := os.fork()):
            alone(recorder, parent, tasks)
            sys.exit(0)
        children.append(child)
    codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    assert codes == [1, 0], codes


def by_process(method: str, recorder: Recorder, parent: Record) -> None:
    context = multiprocessing.get_context(method)
    children = [
        context.Process(target=alone, args=(recorder, parent, tasks))  # type: ignore[attr-defined]
        for tasks in ([0, 1, 2, RAISES], [4, 5])
    ]
    for child in children:
        child.start()
    for child in children:
        child.join()
    assert [child.exitcode for child in children] == [1, 0]


def by_executor(method: str, recorder: Recorder, parent: Record) -> None:
    context = multiprocessing.get_context(method)
    with ProcessPoolExecutor(CHILDREN, mp_context=context) as pool:
        tasks = [pool.submit(work, recorder, parent, task) for task in range(TASKS)]
    assert [type(task.exception()) for task in tasks].count(ValueError) == 1
    assert [type(task.exception()) for task in tasks].count(type(None)) == TASKS - 1


def by_pool(method: str, recorder: Recorder, parent: Record) -> None:
    """Leaving the block terminates the workers with SIGTERM."""
    with multiprocessing.get_context(method).Pool(CHILDREN) as pool:
        tasks = [pool.apply_async(work, (recorder, parent, task)) for task in range(TASKS)]
        for task in tasks:
            task.wait(60)


def by_loader(method: str, recorder: Recorder, parent: Record) -> None:
    context = multiprocessing.get_context(method)
    queue, done = context.Queue(), context.Queue()
    children = [
        context.Process(  # type: ignore[attr-defined]
            target=from_queue, args=(recorder, parent, queue, done), daemon=True
        )
        for _ in range(CHILDREN)
    ]
    for child in children:
        child.start()
    for task in range(TASKS):
        queue.put(task)
    for _ in range(TASKS):
        done.get(timeout=60)
    for _ in children:
        queue.put(None)
    for child in children:
        child.join(60)
    assert [child.exitcode for child in children] == [0] * CHILDREN


def tolerant(recorder: Recorder, parent: Record, task: int) -> str:
    try:
        return work(recorder, parent, task)
    except ValueError:
        return ""


def by_joblib(recorder: Recorder, parent: Record) -> None:
    from joblib import Parallel, delayed

    jobs = [delayed(tolerant)(recorder, parent, task) for task in range(TASKS)]
    assert len(set(Parallel(CHILDREN)(jobs))) == TASKS
    from joblib.externals.loky import get_reusable_executor

    get_reusable_executor().shutdown(wait=True)


def start(how: str, recorder: Recorder, parent: Record) -> None:
    if how == "os.fork":
        return by_os_fork(recorder, parent)
    if how == "joblib":
        return by_joblib(recorder, parent)
    way, _, method = how.partition(" ")
    ways = {"process": by_process, "executor": by_executor, "pool": by_pool, "loader": by_loader}
    ways[way](method, recorder, parent)


def main() -> None:
    recorder = opened(json.loads(sys.argv[1]))
    urns = {}
    for how in sys.argv[2:]:
        parent = recorder.data(how)
        start(how, recorder, parent)
        after = recorder.data(f"{how}-after", depends_on=[parent])
        urns |= {parent.name: parent.urn, after.name: after.urn}
    recorder.close()
    Path("urns.json").write_text(json.dumps(urns))


if __name__ == "__main__":
    main()
