"""The documentation: reference pages are what the code says, examples are what the code takes."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import click
import pytest

from action_provider.providers.harvest.body import read_harvest_body
from action_provider.providers.query.questions import read_question
from braid.commands import command as root
from braid.reference import LEFT_OUT, PACKAGES, cli_page, python_page, sections, settings_page
from flows.definition.problems import Severity
from flows.definition.validate import validate
from flows.steps.body import read_body

ROOT = Path(__file__).resolve().parents[3]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
FOUND = "5b0e8f6a-1c0d-4b7e-9a57-6d1f3c2e4a90"
"""What references are taken to find: the id of a run, or any text."""
READERS = {"record": read_body, "query": read_question, "harvest": read_harvest_body}
PAGES_WRITTEN = [("cli", cli_page), ("settings", settings_page), ("python", python_page)]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https?:)([^)#]+)\)")


def blocks(page: Path, language: str) -> list[str]:
    return [text for name, text in BLOCK.findall(page.read_text()) if name == language]


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def braid_calls(page: Path) -> list[str]:
    """Every `braid ...` in the page's shell examples, continued lines joined."""
    lines = "\n".join(blocks(page, "bash")).replace("\\\n", " ").splitlines()
    calls = (re.search(r"(?:^|\$\(|\| )(?:\.venv/bin/)?braid (.*)", line) for line in lines)
    return [call[1].removesuffix(")") for call in calls if call]


@pytest.mark.parametrize(("name", "text"), PAGES_WRITTEN)
def test_the_reference_is_what_the_code_says(name: str, text: Any) -> None:
    page = ROOT / "docs" / "reference" / f"{name}.md"
    assert page.read_text() == text(), "run `make docs`"


@pytest.mark.parametrize("owner", LEFT_OUT, ids=lambda owner: owner.__name__)
def test_everything_that_a_script_calls_is_in_the_reference(owner: type) -> None:
    told = {call for section in sections() for _, call in section.calls}
    public = {name for name, value in vars(owner).items() if name[0] != "_" and callable(value)}
    missing = {name for name in public if getattr(owner, name) not in told}
    assert missing == LEFT_OUT[owner]


def test_the_reference_of_python_fits_a_terminal() -> None:
    wide = [line for line in python_page().splitlines() if len(line) > 80]
    assert wide == []


def test_every_setting_has_a_help_text_and_is_named_once() -> None:
    page = settings_page()
    for package in PACKAGES:
        assert f"## {package}\n" in page
    names = re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE)
    assert sorted(names) == sorted(set(names))


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    broken = [link for link in LINK.findall(page.read_text()) if not (page.parent / link).exists()]
    assert broken == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_the_commands_shown_can_be_called(page: Path) -> None:
    for call in braid_calls(page):
        words = shlex.split(call.split(" | ")[0], comments=True)
        command: click.Command = root
        context = click.Context(root, info_name="braid")
        while isinstance(command, click.Group) and words:
            found = command.get_command(context, words.pop(0))
            assert found is not None, call
            command = found
        known = {
            option
            for parameter in command.params
            for option in (*parameter.opts, *parameter.secondary_opts)
        }
        used = {word.split("=")[0] for word in words if re.fullmatch(r"--?[a-z][\w-]*(=.*)?", word)}
        assert used <= known, call


def states_shown() -> list[tuple[str, dict[str, Any]]]:
    found = []
    for page in PAGES:
        for block in blocks(page, "json"):
            whole = block.lstrip().startswith("{")
            states = json.loads(block)["States"] if whole else json.loads("{" + block + "}")
            found += list(states.items())
    return found


@pytest.mark.parametrize(("name", "state"), states_shown())
def test_a_state_written_by_hand_is_valid_and_its_body_too(
    name: str, state: dict[str, Any]
) -> None:
    ends = {target: {"Type": "Pass", "End": True} for target in _targets(state)}
    definition = {"StartAt": name, "States": {name: state, **ends}}
    assert [p for p in validate(definition) if p.severity is Severity.ERROR] == []
    if ".globus.org/" not in state.get("ActionUrl", ".globus.org/"):
        read = READERS[state["ActionUrl"].rpartition("/")[2]]
        read(_filled(state["Parameters"]))


def _targets(state: dict[str, Any]) -> set[str]:
    """The states that may follow."""
    entries = (state, *state.get("Choices", ()), *state.get("Catch", ()))
    return {e[key] for e in entries for key in ("Next", "Default") if key in e}


def _filled(value: Any) -> Any:
    """Parameters as the provider gets them: references replaced by some text."""
    if isinstance(value, list):
        return [_filled(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        key.removesuffix(".$"): FOUND if key.endswith(".$") else _filled(item)
        for key, item in value.items()
    }


def test_the_python_of_the_readme_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (program,) = blocks(ROOT / "README.md", "python")
    exec(compile(program, "README.md", "exec"), {})
    assert (tmp_path / "braid.db").is_file()
