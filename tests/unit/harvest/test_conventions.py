"""The TOML file that says which results are models."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from flows.examples.harvest import example
from flows.harvest import read_conventions
from flows.steps import parse_body, read_body
from flows.steps.body import Body, ModelEntry, Run, Step
from flows.steps.references import UriReference
from provenance_store.errors import InvalidInput

LAB = "ddb59aef-6d04-11e5-ba46-22000b92c6ec"
RETURNED = [
    {"name": "a", "weights": "/eagle/lab/a.h5", "mae": 0.5, "v": "7b", "loss": [0.9, 0.5]},
    {"name": "b", "weights": "/eagle/lab/b.h5", "mae": 0.4, "loss": [0.8, 0.4]},
]
TASKS = [
    {"function_id": "f-1", "kwargs": {"lr": 0.1, "scans": ["/eagle/lab/1.h5", "/2.h5"]}},
    {"function_id": "f-2", "args": [7]},
]


def body(parameters: Any = None, returned: Any = None, label: str = "Ni 3") -> Body:
    """A Compute step of two tasks, unless it is said otherwise."""
    given = {"endpoint_id": "e", "tasks": TASKS} if parameters is None else parameters
    result = {"details": {"result": RETURNED if returned is None else returned}}
    run, step = {"run_id": "r", "label": label}, {"name": "Train (1)"}
    return parse_body(json.dumps({"run": run, "step": step, "parameters": given, "result": result}))


def read(text: str, tmp_path: Path, of: Body | None = None) -> tuple[list[ModelEntry], list[str]]:
    file = tmp_path / "models.toml"
    file.write_text(text)
    return read_conventions(file).models_of(body() if of is None else of)


def one(text: str, tmp_path: Path, of: Body | None = None) -> ModelEntry:
    """The model that a rule for all states finds, and nothing to be told."""
    (found,), notes = read(f'[[model]]\nstate = "*"\nname = "m"\n{text}', tmp_path, of)
    assert notes == []
    return found


def test_a_rule_names_states_or_functions_or_both(tmp_path: Path) -> None:
    text = """
    [[model]]
    state = ["Retrain", "Train*"]
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
    found, notes = read(text, tmp_path)
    assert [(m.name, m.verb) for m in found] == [("by state", "used"), ("by function", "trained")]
    assert notes == []


def test_each_gives_a_model_for_each_item_of_a_list(tmp_path: Path) -> None:
    text = """
    [[model]]
    state = "Train*"
    how = "trained"
    each = "$.result.details.result"
    name = "$.item.name"
    version = "$.item.v"
    hyperparameters = "$.parameters.tasks[0].kwargs"
    scores.mae = "$.item.mae"
    tags.sample = "Ni"
    """
    (first, second), notes = read(text, tmp_path)
    assert notes == []
    assert (first.name, first.scores) == ("a", {"mae": 0.5})
    assert first.hyperparameters == TASKS[0]["kwargs"]
    assert first.tags == {"sample": "Ni", "version": "7b"}
    assert (second.name, second.tags) == ("b", {"sample": "Ni"})


def test_arguments_and_what_was_returned_are_those_of_the_function(tmp_path: Path) -> None:
    how = 'how = "trained"\ntags.mae = "$.returned.mae"\n'
    first = one(how + 'hyperparameters.lr = "$.arguments.lr"', tmp_path)
    assert (first.tags, first.hyperparameters) == ({"mae": 0.5}, {"lr": 0.1})
    named = how + 'function = "f-2"\nhyperparameters.depth = "$.arguments[0]"'
    second = one(named, tmp_path)
    assert (second.tags, second.hyperparameters) == ({"mae": 0.4}, {"depth": 7})


def test_tasks_pair_what_each_was_given_with_what_it_returned(tmp_path: Path) -> None:
    text = 'each = "$.tasks"\ntags.f = "$.item.function"\ntags.mae = "$.item.returned.mae"'
    found, _ = read(f'[[model]]\nstate = "*"\nname = "m"\n{text}', tmp_path)
    assert [model.tags for model in found] == [{"f": "f-1", "mae": 0.5}, {"f": "f-2", "mae": 0.4}]


@pytest.mark.parametrize(
    "parameters",
    [
        {"endpoint": "e", "function": "f", "kwargs": {"lr": 1}},
        {"endpoint": "e", "function": "f", "payload": {"lr": 1}},
        {"tasks": [{"endpoint": "e", "func": "f", "payload": {"lr": 1}}]},
        {"endpoint": "e", "function": "f", "tasks": [{"function": "f", "kwargs": {"lr": 1}}]},
        {"endpoint_id": "e", "tasks": [{"function_id": "f", "kwargs": {"lr": 1}}]},
    ],
)
@pytest.mark.parametrize("returned", [{"mae": 2}, [{"mae": 2}]])
def test_all_versions_of_compute_are_read_alike(
    parameters: Any, returned: Any, tmp_path: Path
) -> None:
    text = 'function = "f"\ntags.lr = "$.arguments.lr"\ntags.mae = "$.returned.mae"'
    assert one(text, tmp_path, body(parameters, returned)).tags == {"lr": 1, "mae": 2}


def test_a_text_may_have_values_in_it(tmp_path: Path) -> None:
    text = (
        '[[model]]\nstate = "*"\nname = "braggnn-{$.returned.name}-{$.arguments.lr} {$.run.label}"'
    )
    (found,), _ = read(text, tmp_path)
    assert found.name == "braggnn-a-0.1 Ni 3"
    missing = '[[model]]\nstate = "*"\nname = "braggnn-{$.returned.none}"'
    assert read(missing, tmp_path) == ([], [])
    assert one('tags.t = "{}, {x} and ${y}"', tmp_path).tags == {"t": "{}, {x} and ${y}"}


def test_a_place_is_a_path_on_a_collection(tmp_path: Path) -> None:
    place = f'collection = "{LAB}", path = "$.returned.weights", root = "/eagle/"'
    (uri,) = one(f'uri = {{{place}, size = 7, media_type = "a/b"}}', tmp_path).uris or ()
    assert (uri.uri, uri.size, uri.media_type) == (f"globus://{LAB}/lab/a.h5", 7, "a/b")  # type: ignore[union-attr]
    assert one(f'uri.collection = "{LAB}"\nuri.path = "a b.h5"', tmp_path).uris == [
        f"globus://{LAB}/~/a%20b.h5"
    ]


def test_values_in_uris_are_quoted(tmp_path: Path) -> None:
    given = body(returned=[{"path": "Ni #3 100%.h5", "base": "https://a.org/x%20y"}])
    uris = 'uris = ["s3://b/{$.returned.path}", "{$.returned.base}/w", "$.returned.base"]'
    assert one(uris, tmp_path, given).uris == [
        "s3://b/Ni%20%233%20100%25.h5",
        "https://a.org/x%20y/w",
        "https://a.org/x%20y",
    ]


def test_described_files_are_taken_with_what_they_say(tmp_path: Path) -> None:
    digest = "ab" * 32
    file = {"uri": "file:///w", "size": 3, "sha256": digest, "made_by": "me"}
    given = body(returned=[{"file": file, "files": [file, "file:///v"]}])
    (uri,) = one('uri = "$.returned.file"', tmp_path, given).uris or ()
    assert (uri.uri, uri.size, uri.digest) == ("file:///w", 3, f"sha256:{digest}")  # type: ignore[union-attr]
    assert len(one('uris = "$.returned.files"', tmp_path, given).uris or ()) == 2


def test_what_a_version_was_trained_on_and_began_with(tmp_path: Path) -> None:
    text = f"""
    how = "updated"
    trained_on = [{{collection = "{LAB}", path = "$.arguments.scans"}}, "file:///more"]
    depends_on = {{collection = "{LAB}", path = "$.returned.weights", root = "/eagle/lab"}}
    """
    found = one(text, tmp_path)
    uris = [f"globus://{LAB}/eagle/lab/1.h5", f"globus://{LAB}/2.h5", "file:///more"]
    assert found.trained_on == [UriReference(uri) for uri in uris]
    assert found.depends_on == [UriReference(f"globus://{LAB}/a.h5")]


CURVE = [{"epoch": 1, "loss": 0.9}, {"epoch": 2, "loss": 0.5}]


@pytest.mark.parametrize(
    ("rule", "returned", "expected"),
    [
        ('metrics = "$.returned.h"', {"h": CURVE}, CURVE),
        ('metrics = "$.returned.h"', {"h": {"loss": [0.9, 0.5]}}, CURVE),
        ('metrics.loss = "$.returned.h"', {"h": [0.9, 0.5]}, CURVE),
        (
            'metrics.loss = "$.returned.h[*].train.loss"',
            {"h": [{"train": {"loss": 0.9}}]},
            CURVE[:1],
        ),
        ('metrics.loss = "$.returned.h"', {"h": 0.9}, CURVE[:1]),
        (
            'metrics.loss = "$.returned.h"\nmetrics.step = "$.returned.s"',
            {"h": [0.9, 0.5], "s": [100, 200.0]},
            [{"step": 100, "loss": 0.9}, {"step": 200, "loss": 0.5}],
        ),
        (
            'metrics = "$.returned.h"',
            {"h": [{**CURVE[0], "phase": "warm-up", "ok": True}]},
            CURVE[:1],
        ),
    ],
)
def test_curves_are_lists_of_points_or_a_list_for_each_metric(
    rule: str, returned: Any, expected: Any, tmp_path: Path
) -> None:
    assert one(f'how = "trained"\n{rule}', tmp_path, body(returned=[returned])).metrics == expected


def test_the_scores_are_the_numbers_of_an_object(tmp_path: Path) -> None:
    given = body(returned=[{"mae": 0.5, "name": "a", "curve": [1], "good": True}])
    assert one('how = "trained"\nscores = "$.returned"', tmp_path, given).scores == {"mae": 0.5}


def test_a_name_that_is_not_found_is_no_model(tmp_path: Path) -> None:
    assert read('[[model]]\nstate = "*"\nname = "$.result.none"', tmp_path) == ([], [])
    hidden = body({"function": "f", "kwargs": {"name": "[redacted]"}})
    assert read('[[model]]\nstate = "*"\nname = "$.arguments.name"', tmp_path, hidden) == ([], [])


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ('metrics = "$.parameters"', "metrics: holds no list of numbers"),
        ('metrics = "$.returned.name"', "metrics: is neither a list of points"),
        ('metrics.loss = "$.returned.loss"\nmetrics.late = "$.returned.mae"', "late has 1 values"),
        ('scores.name = "$.returned.name"', "scores.name: is not a number"),
        ('scores = "$.returned.mae"', "scores: there is no object at $.returned.mae"),
        ('hyperparameters = "$.returned.name"', "hyperparameters: there is no object"),
        ('uri = "$.returned.weights"', "'/eagle/lab/a.h5' is not a URI; give the collection too"),
        (
            f'uri = {{collection = "{LAB}", path = "$.returned.weights", root = "/grand"}}',
            "'/eagle/lab/a.h5' is not below the root '/grand'",
        ),
        ('uri = "$.returned.mae"', "uri: float is not a URI"),
        ('uri = "$.retruned.weights"'.replace("retruned", "result"), "check its paths"),
    ],
)
def test_a_value_that_cannot_be_is_left_out_and_told(rule: str, words: str, tmp_path: Path) -> None:
    text = f'[[model]]\nstate = "*"\nhow = "trained"\nname = "m"\n{rule}'
    (found,), (note,) = read(text, tmp_path)
    assert found.name == "m"
    assert note.startswith("model 'm': ")
    assert words in note
    assert note.count("\n") == 0


def test_a_list_that_is_none_and_a_model_that_cannot_be_are_told(tmp_path: Path) -> None:
    text = '[[model]]\nstate = "*"\nname = "m"\neach = "$.returned.name"'
    assert read(text, tmp_path) == ([], ["each: there is no list at $.returned.name."])
    text = '[[model]]\nstate = "*"\nname = "m"\nuri = "file:///w"\nsize = "$.returned.name"'
    found, (note,) = read(text, tmp_path)
    assert found == []
    assert note == "model 'm': size: This must be a whole number or null, not text."


RULE = '[[model]]\nstate = "a"\nname = "m"\n'


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("", "$", "has no rules"),
        ("# nothing yet", "$", "has no rules"),
        ("[[model]", "$", "is not TOML"),
        ('[[model]]\nname = "a\n', "$", "line 2"),
        ('[[model]]\nname = "a"\nname = "b"', "$", "is not TOML"),
        ('[model]\nstate = "a"', "$.model", "list"),
        ('[[modle]]\nstate = "a"', "$", "'modle'; the fields here are model, file"),
        ('[[model]]\nstate = "a"', "line 1: $.model[0]", "field name is missing"),
        ('[[model]]\nname = "a"', "line 1: $.model[0]", "which state or function"),
        ('[[model]]\nname = "a"\nstate = []', "line 1: $.model[0]", "which state or function"),
        ('[[model]]\nstate = "a"\nname = ""', "line 1: $.model[0].name", "empty"),
        ('[[model]]\nstate = "a"\nname = 7', "line 1: $.model[0].name", "text"),
        (f'# two\n{RULE}\n{RULE}how = "made"', "line 6: $.model[1].how", "must be one of used"),
        (f"{RULE}scores.x = 1", "line 1: $.model[0].scores", 'say how = "trained"'),
        (
            f'{RULE}trained_on = "$.returned"',
            "line 1: $.model[0].trained_on",
            'say how = "trained"',
        ),
        (f'{RULE}how = "updated"\nnew = true', "line 1: $.model[0].new", "is there already"),
        (
            f'{RULE}wieghts = "x"',
            "line 1: $.model[0]",
            "'wieghts'; the fields here are state, function",
        ),
        (f'{RULE}digest = "$.a[*]"', "line 1: $.model[0].digest", "names and indexes"),
        (f'{RULE}digest = "$.returned[*]"', "line 1: $.model[0].digest", "names and indexes"),
        (
            f'{RULE}digest = "$.results.x"',
            "line 1: $.model[0].digest",
            "begins with none of $.name",
        ),
        (f'{RULE}tags.a = "$result"', "line 1: $.model[0].tags.a", "is not a path"),
        (f'{RULE}tags.a = "x {{$.}}"', "line 1: $.model[0].tags.a", "not a valid JSONPath"),
        (f'{RULE}tags.a = "x {{$.item}}"', "line 1: $.model[0].tags.a", "say which with each"),
        (f"{RULE}tags.a = 2026-11-22", "line 1: $.model[0].tags", "must be"),
        (f'{RULE}each = "tasks"', "line 1: $.model[0].each", "'tasks' is not a path"),
        (f'{RULE}each = "$.tasks["', "line 1: $.model[0].each", "not a valid JSONPath"),
        (f'{RULE}each = "$.item.x"', "line 1: $.model[0].each", "one of a list"),
        (f'{RULE}how = "trained"\nmetrics = "loss"', "line 1: $.model[0].metrics", "is not a path"),
        (f'{RULE}uri = {{path = "/a"}}', "line 1: $.model[0].uri", "give a collection and a path"),
        (
            f'{RULE}uris = ["a:b", {{uri = "a:b", path = "/a"}}]',
            "line 1: $.model[0].uris[1]",
            "not both",
        ),
        (
            f'{RULE}uri = {{colection = "a"}}',
            "line 1: $.model[0].uri",
            "fields here are collection",
        ),
        (f"{RULE}size = 3", "line 1: $.model[0].size", "said of bytes"),
        ('x = """\n[[model]]\n"""\n' + f"{RULE}", "$", "'x'; the fields here are model"),
    ],
)
def test_a_file_that_is_wrong_is_refused_with_its_place(
    text: str, place: str, words: str, tmp_path: Path
) -> None:
    with pytest.raises(InvalidInput) as refused:
        read(text, tmp_path)
    said = str(refused.value)
    assert said.startswith(f"{tmp_path / 'models.toml'}: {place}: "), said
    assert words in said
    assert said.count("\n") == 0


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="name a TOML file"):
        read_conventions(tmp_path)
    (tmp_path / "latin").write_bytes(b"# \xe9")
    with pytest.raises(InvalidInput, match="is not UTF-8"):
        read_conventions(tmp_path / "latin")


FILE = '[[file]]\nstate = "a"\n'


def files(text: str, tmp_path: Path) -> tuple[list[Any], list[Any], list[str]]:
    file = tmp_path / "models.toml"
    file.write_text(text)
    return read_conventions(file).files_of(body())


def test_files_are_told_of_with_how_they_took_part(tmp_path: Path) -> None:
    text = f"""
    [[file]]
    function = "f-1"
    uri = {{collection = "{LAB}", path = "$.arguments.scans"}}
    [[file]]
    state = "Train*"
    how = "made"
    each = "$.tasks"
    name = "weights {{$.item.returned.name}}"
    kind = "fact"
    uri = {{uri = "s3://b{{$.item.returned.weights}}", size = 3, digest = "no", media_type = "a/b"}}
    tags = {{mae = "$.item.returned.mae", curve = "$.item.returned.loss"}}
    """
    used, made, notes = files(text, tmp_path)
    assert [(thing.name, thing.kind) for thing in used] == [("1.h5", "data"), ("2.h5", "data")]
    assert [thing.name for thing in made] == ["weights a", "weights b"]
    ((uri,), (_,)) = (thing.uris for thing in made)
    assert (uri.uri, uri.size, uri.digest) == ("s3://b/eagle/lab/a.h5", 3, "no")
    assert (made[1].kind, made[1].tags) == ("fact", {"mae": 0.4, "curve": [0.8, 0.4]})
    assert notes == []


def test_what_cannot_be_a_file_is_told(tmp_path: Path) -> None:
    text = '[[file]]\nstate = "*"\nuris = ["$.returned.name", "$.returned.none", "file:///a"]'
    (thing,), _, notes = files(text, tmp_path)
    assert thing.uris[0].uri == "file:///a"
    assert notes == ["file: uris: 'a' is not a URI; give the collection too: {collection, path}."]


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        (FILE, "line 1: $.file[0]", "say where the file is"),
        (
            f'{RULE}{FILE}uri = "a:b"\nhow = "trained"',
            "line 4: $.file[0].how",
            "one of used, made",
        ),
        (f'{FILE}uri = "a:b"\nkind = "model"', "line 1: $.file[0].kind", "one of data, fact"),
        (f'{FILE}uri = "a:b"\nscores.x = 1', "line 1: $.file[0]", "'scores'; the fields here are"),
        (f'{FILE}uri = {{collection = "a"}}', "line 1: $.file[0].uri", "give a collection and"),
        ('[[file]]\nuri = "a:b"', "line 1: $.file[0]", "which state or function"),
    ],
)
def test_a_wrong_rule_of_a_file_is_refused_with_its_place(
    text: str, place: str, words: str, tmp_path: Path
) -> None:
    with pytest.raises(InvalidInput) as refused:
        files(text, tmp_path)
    said = str(refused.value)
    assert said.startswith(f"{tmp_path / 'models.toml'}: {place}: "), said
    assert words in said


NAMES = (
    "tasks kwargs args payload function func endpoint details result results output task_id uri "
    "model name file path version log train loss best mae_px structures protein mtz R history test "
    "encoder steps checkpoint weights arguments mount peaks ints int q sha256 size digest"
).split()
SCALARS = some.none() | some.booleans() | some.integers() | some.floats() | some.text(max_size=5)
VALUES = some.recursive(
    SCALARS | some.sampled_from(["globus://a/b", "/a/b", "file:///a", "urn:x", "[redacted]"]),
    lambda inner: (
        some.lists(inner, max_size=3)
        | some.dictionaries(some.sampled_from(NAMES), inner, max_size=6)
    ),
    max_leaves=30,
)
STATES = sorted({s for name in example.NAMES for s in example.definition(name)["States"]})
CONVENTIONS = [read_conventions(example.conventions(name)) for name in example.NAMES]


@settings(max_examples=150)
@given(some.sampled_from(STATES), VALUES, VALUES, VALUES)
def test_whatever_a_step_holds_rules_find_what_can_be_recorded_or_tell_why_not(
    state: str, arguments: Any, returned: Any, other: Any
) -> None:
    tasks = [{"function": "f", "endpoint": LAB, "kwargs": arguments}]
    for parameters, result in (
        ({"endpoint_id": LAB, "tasks": tasks}, {"details": {"result": [returned]}}),
        (other, returned),
        (arguments, {"details": other}),
    ):
        run, step = {"run_id": "r"}, {"name": state}
        of = read_body({"run": run, "step": step, "parameters": parameters, "result": result})
        for conventions in CONVENTIONS:
            found, notes = conventions.models_of(of)
            used, made, more = conventions.files_of(of)
            assert all(isinstance(entry, ModelEntry) for entry in found)
            assert all(len(thing.uris) == 1 for thing in (*used, *made))
            assert all("\n" not in note for note in (*notes, *more))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[[file]]\nstate = "*"\nuri = "$.result.a"\n' + "x." * 50_000 + "x = 1", "hundred parts"),
        ("[" + "x." * 50_000 + "x]", "hundred parts"),
        ('[[model]]\nstate = "*"\nname = "x"\nversion = ' + "9" * 5000, "not TOML"),
        ('[[file]]\nstate = "*"\nuris = "$.result..*..*"', "all depths"),
        ("#" * 200_001, "200000 bytes"),
    ],
)
def test_a_file_that_would_be_read_for_hours_is_refused_at_once(
    text: str, words: str, tmp_path: Path
) -> None:
    file = tmp_path / "models.toml"
    file.write_text(text)
    with pytest.raises(InvalidInput, match=words):
        read_conventions(file)


def test_numbers_and_texts_that_cannot_be_kept_are_told_or_replaced(tmp_path: Path) -> None:
    file = tmp_path / "models.toml"
    file.write_text(
        '[[model]]\nstate = "*"\nname = "x"\nversion = '
        + "9" * 400
        + '\n[[file]]\nstate = "*"\nuri = "https://x/{$.result.name}"\n'
    )
    conventions = read_conventions(file)
    body = Body(run=Run(run_id="r"), step=Step(name="s"), result={"name": "a\ud800"})
    models, notes = conventions.models_of(body)
    assert notes == []  # the recorder keeps such a number as text
    assert [entry.name for entry in models] == ["x"]
    _, made, _ = conventions.files_of(body)
    assert made == []
