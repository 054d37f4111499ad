"""Run the examples in a sandbox and keep what the Flows service tells of each run.

python -m flows.examples.harvest FOLDER [NAME]...
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from flows.examples.harvest.example import NAMES, Site, conventions, definition
from flows.sandbox import Sandbox

RUNS = 2


def main() -> None:
    """Write log.json, definition.json and run.json of each run; print how to harvest them."""
    parser = argparse.ArgumentParser(prog="python -m flows.examples.harvest", description=__doc__)
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES)}")
    given = parser.parse_args()
    if unknown := set(given.names) - set(NAMES):
        parser.error(f"there is no example {sorted(unknown)[0]}; there are {', '.join(NAMES)}.")
    with Sandbox(time_scale=0.001) as sandbox:
        site = Site(sandbox, given.folder / "collections")
        for name in given.names or NAMES:
            for number in range(1, RUNS + 1):
                outcome = site.run(name, number)
                folder = given.folder / f"{name}-{number}"
                _keep(folder, log=outcome.log, definition=definition(name), run=outcome.run)
                files = " ".join(f"--{f} {folder}/{f}.json" for f in ("log", "definition", "run"))
                sys.stdout.write(f"braid flow harvest --models {conventions(name)} {files}\n")


def _keep(folder: Path, **documents: Any) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, document in documents.items():
        (folder / f"{name}.json").write_text(json.dumps(document, indent=1))


if __name__ == "__main__":
    main()
