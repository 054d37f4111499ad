"""Whether a flow calls the provider that it means to call: asked before it is too late."""

from __future__ import annotations

import json
import threading
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from flows.definition import record_state_example
from tests.support.command_line import Braid
from tests.unit.definition.builders import action, flow

STATES = flow(Copy=action())


@pytest.fixture
def asking(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A definition, where providers are asked."""
    monkeypatch.delenv("BRAID_OFFLINE")
    file = tmp_path / "flow.json"
    file.write_text(json.dumps(STATES))
    return file


def called(file: Path) -> set[str]:
    """The addresses that the states of a definition call, those of the author's aside."""
    states: dict[str, Any] = json.loads(file.read_text())["States"]
    return {s["ActionUrl"] for n, s in states.items() if n != "Copy" and "ActionUrl" in s}


@pytest.mark.parametrize("mode", ["step", "run"])
@pytest.mark.parametrize("ending", ["", "/", "/NAME", "/NAME/"])
def test_the_address_of_a_server_is_enough(
    braid: Braid, asking: Path, server: str, mode: str, ending: str
) -> None:
    name = {"step": "record", "run": "harvest"}[mode]
    url = f"{server}{ending.replace('NAME', name)}"
    done = braid("flow", "instrument", asking, "-o", "with.json", "--mode", mode, *of(url))
    assert done.code == 0, done.err
    assert "could not be asked" not in done.err
    assert {each.rstrip("/") for each in called(Path("with.json"))} == {f"{server}/{name}"}


def test_an_address_at_which_no_provider_is_is_refused_with_what_was_tried(
    braid: Braid, asking: Path, server: str
) -> None:
    done = braid("flow", "instrument", asking, "-o", "with.json", *of(f"{server}/healthz"))
    assert done.code == 2
    assert f"{server}/healthz answered 404" in done.err
    assert f"{server}/healthz/record answered 404" in done.err
    assert not Path("with.json").exists()


def test_another_provider_of_the_server_is_not_taken_for_it(
    braid: Braid, asking: Path, server: str
) -> None:
    done = braid("flow", "instrument", asking, *of(f"{server}/query/record"))
    assert (done.code, done.out) == (2, "")
    assert "answered 404" in done.err
    assert done.err.count("\n") == 1


def test_the_scope_is_that_of_the_provider(
    braid: Braid, asking: Path, server: str, environ: dict[str, str]
) -> None:
    own = braid(
        "flow", "instrument", asking, *of(server), "--provider-scope", environ["BRAID_SCOPE"]
    )
    assert own.code == 0, own.err
    other = braid("flow", "instrument", asking, *of(server), "--provider-scope", "https://x/y")
    assert (other.code, environ["BRAID_SCOPE"] in other.err) == (2, True)


@pytest.mark.parametrize("how", ["--offline", "BRAID_OFFLINE"])
def test_nobody_is_asked_when_that_is_wanted(
    braid: Braid, asking: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    if how == "BRAID_OFFLINE":
        monkeypatch.setenv(how, "1")
    options = [how] if how.startswith("--") else []
    url = "http://127.0.0.1:9/braid"
    done = braid("flow", "instrument", asking, "-o", "with.json", *of(url), *options)
    assert done.code == 0
    assert "could not be asked" not in done.err
    assert called(Path("with.json")) == {url}


def test_who_cannot_be_reached_from_here_is_in_doubt_only(braid: Braid, asking: Path) -> None:
    done = braid("flow", "instrument", asking, "-o", "with.json", *of("http://127.0.0.1:9"))
    assert done.code == 0
    assert "http://127.0.0.1:9/record could not be asked whether it is Braid's /record" in done.err
    assert called(Path("with.json")) == {"http://127.0.0.1:9/record"}


def test_a_flow_that_calls_another_address_is_not_deployed(
    braid: Braid, asking: Path, server: str
) -> None:
    braid("flow", "instrument", asking, "-o", "with.json", "--offline", *of(f"{server}/recrod"))
    done = braid("flow", "deploy", "with.json", "--title", "Peaks")
    assert (done.code, done.out) == (2, "")
    assert f"{server}/recrod answered 404" in done.err
    by_hand = {"Record": record_state_example(provider_url=f"{server}/recrod", following=None)}
    Path("by-hand.json").write_text(json.dumps(flow(Copy=action(Next="Record"), **by_hand)))
    done = braid("flow", "deploy", "by-hand.json", "--title", "Peaks")
    assert (done.code, f"{server}/recrod answered 404" in done.err) == (2, True)
    braid("flow", "instrument", asking, "-o", "with.json", *of(server))
    made = braid("flow", "deploy", "with.json", "--title", "Peaks")
    assert made.code == 0, made.err


@pytest.fixture
def earlier(server: str) -> Iterator[str]:
    """The address of a provider that describes itself as a server of an earlier version did."""
    with urllib.request.urlopen(f"{server}/record/") as answer:
        described = json.loads(answer.read())
    for name in ("outcome", "choice"):
        del described["input_schema"]["properties"][name]

    class Described(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(described).encode())

        def log_message(self, *_: object) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Described) as serving:
        thread = threading.Thread(target=serving.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{serving.server_port}/record"
        serving.shutdown()
        thread.join()


def test_a_server_of_an_earlier_version_is_sent_only_what_it_knows(
    braid: Braid, asking: Path, server: str, earlier: str
) -> None:
    done = braid("flow", "instrument", asking, "-o", "with.json", *of(earlier))
    assert done.code == 0, done.err
    assert (
        "is of an earlier version: failures that nothing catches are recorded without" in done.err
    )
    assert "outcome" not in Path("with.json").read_text()
    now = braid("flow", "instrument", "with.json", "-o", "now.json", *of(server))
    assert "earlier version" not in now.err
    assert "outcome" in Path("now.json").read_text()
    changed = Path("now.json").read_text().replace(f"{server}/record", earlier)
    Path("now.json").write_text(changed)
    deployed = braid("flow", "deploy", "now.json", "--title", "Peaks")
    assert (deployed.code, deployed.out) == (2, "")
    assert (
        "would refuse what 'Braid Copy' sends: it does not know the field outcome" in deployed.err
    )


def test_choices_are_not_recorded_at_a_server_that_would_refuse_them(
    braid: Braid, tmp_path: Path, asking: Path, earlier: str
) -> None:
    rule = {"Variable": "$.n", "IsPresent": True, "Next": "Copy"}
    which = {"Type": "Choice", "Choices": [rule], "Default": "Copy"}
    asking.write_text(json.dumps(flow(Which=which, Copy=action())))
    done = braid("flow", "instrument", asking, "--record-choices", *of(earlier))
    assert (done.code, done.out) == (2, "")
    assert "does not know the field choice" in done.err
    assert "update the server, or leave out --record-choices" in done.err


def of(url: str) -> tuple[str, str]:
    return "--provider-url", url
