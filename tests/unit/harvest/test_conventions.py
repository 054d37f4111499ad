"""The TOML file that says which results are models."""

from __future__ import annotations

from pathlib import Path

import pytest

from flows.harvest import read_conventions
from flows.steps import parse_body
from provenance_store.errors import InvalidInput

BODY = """{
    "run": {"run_id": "r"},
    "step": {"name": "Train (1)"},
    "parameters": {"tasks": [{"function_id": "f-1", "kwargs": {"lr": 0.1}}]},
    "result": {"details": {"result": [
        {"name": "a", "weights": "globus://c/a.h5", "mae": 0.5, "v": "7b"},
        {"name": "b", "weights": "globus://c/b.h5", "mae": 0.4}
    ]}}
}"""


def models(text: str, tmp_path: Path) -> tuple[list[tuple[str | None, str]], list[str]]:
    file = tmp_path / "models.toml"
    file.write_text(text)
    found, notes = read_conventions(file).models_of(parse_body(BODY))
    return [(entry.name, entry.verb) for entry in found], notes


def test_a_rule_names_a_state_or_a_function_or_both(tmp_path: Path) -> None:
    text = """
    [[model]]
    state = "Train*"
    name = "by state"
    [[model]]
    function = "f-1"
    name = "by function"
    how = "trained"
    [[model]]
    state = "Test*"
    function = "f-1"
    name = "not this"
    """
    expected = [("by state", "used"), ("by function", "trained")]
    assert models(text, tmp_path) == (expected, [])


def test_paths_give_values_and_each_gives_several_models(tmp_path: Path) -> None:
    file = tmp_path / "models.toml"
    file.write_text(
        """
        [[model]]
        state = "Train*"
        how = "trained"
        each = "$.result.details.result"
        name = "$.item.name"
        uri = "$.item.weights"
        version = "$.item.v"
        hyperparameters = "$.parameters.tasks[0].kwargs"
        scores.mae = "$.item.mae"
        tags.sample = "Ni"
        """
    )
    (first, second), notes = read_conventions(file).models_of(parse_body(BODY))
    assert notes == []
    assert (first.name, first.uri, first.scores) == ("a", "globus://c/a.h5", {"mae": 0.5})
    assert first.hyperparameters == {"lr": 0.1}
    assert first.tags == {"sample": "Ni", "version": "7b"}
    assert (second.name, second.tags) == ("b", {"sample": "Ni"})


def test_a_name_that_is_not_found_is_no_model(tmp_path: Path) -> None:
    assert models('[[model]]\nstate = "*"\nname = "$.result.none"', tmp_path) == ([], [])


def test_values_that_cannot_be_are_told(tmp_path: Path) -> None:
    text = '[[model]]\nstate = "*"\nhow = "trained"\nname = "m"\nmetrics = "$.parameters"'
    found, notes = models(text, tmp_path)
    assert found == []
    assert "model 'm': models[0].metrics" in notes[0]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[[model]", "is not TOML"),
        ('[[model]]\nstate = "a"', "field name is missing"),
        ('[[model]]\nname = "a"', "which state or function"),
        ('[[model]]\nstate = "a"\nname = 7', "text"),
        ('[[model]]\nstate = "a"\nname = "m"\nhow = "made"', "none of used, trained"),
        ('[[model]]\nstate = "a"\nname = "m"\nscores.x = 1', "trained or updated"),
        ('[[model]]\nstate = "a"\nname = "$.a[*]"', "names and indexes"),
        ('[[model]]\nstate = "a"\nname = "m"\nwieghts = "x"', "wieghts"),
        ('[model]\nstate = "a"', "list"),
        ('[[modle]]\nstate = "a"', "modle"),
    ],
)
def test_a_file_that_is_wrong_is_refused_with_its_place(
    text: str, words: str, tmp_path: Path
) -> None:
    with pytest.raises(InvalidInput, match=words) as refused:
        models(text, tmp_path)
    assert str(refused.value).startswith(f"{tmp_path / 'models.toml'}: $")
    assert str(refused.value).count("\n") == 0
