"""What others recorded cannot drive the terminal of who reads it, whatever the command."""

from __future__ import annotations

from pathlib import Path

import pytest

from provenance_store import open_store
from tests.support.command_line import Braid

HOSTILE = "a\x1b[2J\x9b31m\x07\u202egnp.h5\u2066\u2028z"
TEXTS = ("text", "json", "csv")

COMMANDS = [
    *(("records", "--format", form) for form in TEXTS),
    *(("models", "--format", form) for form in TEXTS),
    *(("models", "NAME", "--format", form) for form in TEXTS),
    *(("models", "MODEL", "--format", form) for form in ("text", "json")),
    *(("runs", "--format", form) for form in TEXTS),
    *(("run", "show", "run-1", "--format", form) for form in TEXTS),
    *(("lineage", "MODEL", "--format", form) for form in (*TEXTS, "dot", "svg", "mermaid")),
    *(("statement", "MODEL", "--format", form) for form in ("text", "json", "markdown")),
    *(("export", "MODEL", "--format", form) for form in ("prov-json", "prov-n", "datacite")),
    ("export", "MODEL", "--format", "gmeta", "--visible-to", "public"),
    *(("verify", "MODEL", "--format", form) for form in TEXTS),
    *(("digest", "DATA", "--format", form) for form in TEXTS),
    ("invalidate", "DATA", "--cause", HOSTILE, "--dry-run"),
    ("invalidate", "DATA", "--cause", HOSTILE, "--yes"),
    ("records", "--kind", HOSTILE),
    ("lineage", HOSTILE),
    ("run", "show", HOSTILE),
    ("digest", HOSTILE),
    ("exec", "--input", HOSTILE, "--model", HOSTILE, "--", HOSTILE),
    ("flow", "validate", HOSTILE),
    ("merge", HOSTILE),
    ("import", HOSTILE),
    ("diff", "DATA", "MODEL"),
    (HOSTILE,),
]


@pytest.fixture
def ids(braid: Braid) -> dict[str, str]:
    """A store in which everything has a hostile name; ids by what they stand for."""
    with open_store("sqlite:///braid.db") as store:
        store.run("run-1", label=HOSTILE, flow_title=HOSTILE, status=HOSTILE, tags=[HOSTILE])
        recorder = store.recorder(run_id="run-1")
        tags, uris = {HOSTILE: HOSTILE}, [f"file:///{HOSTILE}"]
        data = recorder.data(HOSTILE, uris=uris, tags=tags)
        with recorder.step(HOSTILE, inputs=[data], type=HOSTILE, parameters=tags) as step:
            step.output(HOSTILE, uris=uris)
        recorder.finish(recorder.step(HOSTILE), HOSTILE, error={HOSTILE: HOSTILE})
        about = {"scores": {HOSTILE: 1}, "metrics": [{"epoch": 1, HOSTILE: 0.5}], "tags": tags}
        model = recorder.model(HOSTILE, trained_on=[data], hyperparameters=tags, **about)  # type: ignore[arg-type]
        return {"DATA": data.urn, "MODEL": model.urn, "NAME": HOSTILE}


@pytest.mark.parametrize("command", COMMANDS, ids=lambda words: " ".join(words)[:40].encode())
def test_no_command_writes_control_characters(
    braid: Braid, ids: dict[str, str], command: tuple[str, ...]
) -> None:
    answer = braid(*(ids.get(word, word) for word in command))
    written = answer.out + answer.err
    assert written
    assert not {c for c in written if not c.isprintable()} - {"\n"}


def test_files_that_are_written_are_escaped_too(braid: Braid, ids: dict[str, str]) -> None:
    for command in (("export",), ("statement", "--format", "json")):
        assert braid(*command, ids["MODEL"], "-o", "made").code == 0
        written = Path("made").read_text(encoding="utf-8")
        assert r"\u202e" in written
        assert not {c for c in written if not c.isprintable()} - {"\n"}
        Path("made").unlink()
