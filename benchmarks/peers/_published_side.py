"""Mascot through braid-db, run in its own environment: `MODE FILE C M N E U DEPS SEED`.

MODE is ``each`` (the way its calls work by themselves: a session and a commit for every row) or
``session`` (one session for everything, one commit). Prints JSON.

Its classes for facts, data and models take no session and facts refuse to be derived from, so
both modes use BraidRecord, the class behind them. Models are one record however often they are
exposed, as in the paper: braid-db has no versions.
"""

from __future__ import annotations

import json
import logging
import random
import sys
import time
from contextlib import nullcontext
from importlib.metadata import version
from typing import Any

from braid_db import BraidDB, BraidRecord

logging.disable(logging.CRITICAL)


class Mascot:
    def __init__(self, database: Any, session: Any) -> None:
        self.database = database
        self.session = session
        self.entries = 0

    def record(self, name: str, uris: list[str], on: list[Any]) -> Any:
        made = BraidRecord(db=self.database, name=name, debug=False, session=self.session)
        if self.session is not None:
            self.session.flush()  # which gives the record its id
        for uri in uris:
            made.add_uri(uri, session=self.session)
        for record in on:
            record.add_derivation(made, session=self.session)
        self.entries += 1 + len(uris) + len(on)
        return made

    def expose(self, model: Any, records: list[Any]) -> None:
        for record in records:
            record.add_derivation(model, session=self.session)
        self.entries += len(records)

    def play(self, c: int, m: int, n: int, e: int, u: int, deps: int, seed: int) -> None:
        drawn = random.Random(seed)
        configurations = [
            self.record(
                f"configuration-{i}", [f"mascot://configuration/{i}/{x}" for x in range(u)], []
            )
            for i in range(c)
        ]
        models = [self.record(f"model-{i}", [], [configurations[i]]) for i in range(m)]
        for cycle in range(n):
            experiments = [
                self.record(
                    f"experiment-{cycle}-{i}",
                    [f"mascot://experiment/{cycle}/{i}/{x}" for x in range(u)],
                    drawn.sample(configurations, deps),
                )
                for i in range(e)
            ]
            for model in models:
                self.expose(model, experiments)


def main() -> None:
    mode, file, *numbers = sys.argv[1:]
    database = BraidDB(f"sqlite:///{file}")
    database.create()
    started = time.perf_counter()
    context = database.get_session(expire_on_commit=False) if mode == "session" else nullcontext()
    with context as session:
        mascot = Mascot(database, session)
        mascot.play(*map(int, numbers))
        if session is not None:
            session.commit()
    seconds = time.perf_counter() - started
    found = {"seconds": seconds, "entries": mascot.entries, "version": version("braid-db")}
    sys.stdout.write(f"{json.dumps(found)}\n")


if __name__ == "__main__":
    main()
