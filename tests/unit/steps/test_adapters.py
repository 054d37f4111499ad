"""What adapters make of the documents of action providers, real ones among them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.steps.adapters import ADAPTERS, adapter_for, derive
from flows.steps.adapters.base import Action, Derived
from flows.steps.adapters.compute import ComputeAdapter
from flows.steps.adapters.delete import DeleteAdapter, ListAdapter, MakeDirectoryAdapter
from flows.steps.adapters.services import DataciteAdapter, GenericAdapter, SearchIngestAdapter
from flows.steps.adapters.transfer import TransferAdapter
from flows.steps.uris import globus_uri, name_of_uri, tidy_uri
from provenance_store.ids import now
from provenance_store.validation.limits import Gate, Policy
from provenance_store.validation.rows import payload_document, tag_row, uri_row
from provenance_store.values import Uri

TRANSFER = "https://transfer.actions.globus.org/transfer"
COMPUTE = "https://compute.actions.globus.org/v3"


def action(url: str | None, parameters: Any, details: Any = None, **more: Any) -> Action:
    result = {"status": "SUCCEEDED", "details": details}
    return Action("S", url, parameters, result, more.pop("succeeded", True), **more)


def uris(things: tuple[Any, ...]) -> list[str]:
    return [uri.uri for thing in things for uri in thing.uris]


# ---- which adapter -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "adapter"),
    [
        ("https://actions.automate.globus.org/transfer/transfer", TransferAdapter),
        ("https://actions.globus.org/transfer/transfer/", TransferAdapter),
        ("https://transfer.actions.globus.org/transfer/", TransferAdapter),
        ("https://actions.globus.org/transfer/delete", DeleteAdapter),
        ("https://actions.globus.org/transfer/mkdir", MakeDirectoryAdapter),
        ("https://transfer.actions.globus.org/ls", ListAdapter),
        ("https://compute.actions.globus.org", ComputeAdapter),
        ("https://compute.actions.globus.org/", ComputeAdapter),
        ("https://compute.actions.globus.org/fxap", ComputeAdapter),
        ("https://compute.actions.globus.org/v3", ComputeAdapter),
        ("https://api.funcx.org/automate", ComputeAdapter),
        ("https://actions.globus.org/search/ingest", SearchIngestAdapter),
        ("https://actions.globus.org/datacite/mint/basic_auth", DataciteAdapter),
        ("https://actions.globus.org/transfer/set_permission", GenericAdapter),
        ("https://actions.globus.org/hello_world", GenericAdapter),
        ("https://transfer.actions.globus.org.example.org/transfer", GenericAdapter),
        ("not a url", GenericAdapter),
        ("http://[", GenericAdapter),
        (None, GenericAdapter),
    ],
)
def test_the_url_chooses_the_adapter(url: str | None, adapter: type) -> None:
    assert type(adapter_for(action(url, {}))) is adapter


@pytest.mark.parametrize(
    ("parameters", "adapter"),
    [
        ({"source_endpoint": "a", "destination_endpoint": "b", "DATA": []}, TransferAdapter),
        (
            {"source_endpoint_id": "a", "destination_endpoint_id": "b", "transfer_items": []},
            TransferAdapter,
        ),
        ({"endpoint": "e", "function": "f", "kwargs": {}}, ComputeAdapter),
        ({"tasks": [{"endpoint": "e", "func": "f", "payload": {}}]}, ComputeAdapter),
        ({"endpoint_id": "e", "tasks": [{"function_id": "f"}]}, ComputeAdapter),
        ({"search_index": "i", "subject": "s", "content": {}}, SearchIngestAdapter),
        ({"Doi": {"attributes": {"doi": "10.1/x"}}}, DataciteAdapter),
        ({"endpoint_id": "e", "items": ["/a"]}, DeleteAdapter),
        ({"endpoint_id": "e", "path": "/a"}, GenericAdapter),
        ({"echo_string": "x"}, GenericAdapter),
        ("text", GenericAdapter),
        (None, GenericAdapter),
    ],
)
def test_parameters_choose_the_adapter_at_an_unknown_url(parameters: Any, adapter: type) -> None:
    assert type(adapter_for(action("http://127.0.0.1:1/providers/x", parameters))) is adapter


def test_a_state_that_calls_no_action_derives_nothing() -> None:
    body = {"source_endpoint": "a", "destination_endpoint": "b", "DATA": [pair("/x", "/y")]}
    assert derive(action(None, body, called=False)) == Derived()


# ---- transfer ----------------------------------------------------------------------------


def pair(source: str, destination: str, **more: Any) -> dict[str, Any]:
    return {"source_path": source, "destination_path": destination, **more}


def transfer(*pairs: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"source_endpoint": "SRC", "destination_endpoint": "dst", "DATA": list(pairs), **more}


def test_each_item_of_a_transfer_is_a_source_and_a_destination_derived_from_it() -> None:
    body = transfer(pair("/a/1", "/b/1"), pair("/a/dir/", "/b/dir/", recursive=True))
    derived = derive(action(TRANSFER, body, {"task_id": "t", "label": "L", "faults": 0}))
    assert uris(derived.inputs) == ["globus://src/a/1", "globus://src/a/dir"]
    assert uris(derived.outputs) == ["globus://dst/b/1", "globus://dst/b/dir"]
    assert [thing.derived_from for thing in derived.outputs] == [(0,), (1,)]
    assert [thing.tags for thing in derived.outputs] == [{}, {"recursive": True}]
    assert derived.tags == {"task_id": "t", "label": "L", "faults": 0}


def test_a_transfer_that_failed_made_nothing() -> None:
    derived = derive(action(TRANSFER, transfer(pair("/a", "/b")), {}, succeeded=False))
    assert uris(derived.inputs) == ["globus://src/a"]
    assert derived.outputs == ()


def test_bytes_of_a_task_are_the_size_only_of_one_file_that_was_moved() -> None:
    moved = {"bytes_transferred": 5, "files": 1, "files_transferred": 1, "files_skipped": 0}

    def sizes(body: dict[str, Any], **more: Any) -> list[int | None]:
        derived = derive(action(TRANSFER, body, moved | more))
        return [uri.size for thing in derived.outputs for uri in thing.uris]

    assert sizes(transfer(pair("/a", "/b"))) == [5]
    assert sizes(transfer(pair("/a", "/b", recursive=True))) == [None]
    assert sizes(transfer(pair("/a", "/b")), files_skipped=1) == [None]
    assert sizes(transfer(pair("/a", "/b"), pair("/c", "/d"))) == [None, None]


def test_sizes_come_from_the_list_of_successful_transfers() -> None:
    listed = [{"source_path": "/c", "destination_path": "/d", "size": 7}]
    body = transfer(pair("/a", "/b"), pair("/c", "/d"))
    for form in (listed, {"DATA": listed}):
        derived = derive(action(TRANSFER, body, {"successful_transfers": form}))
        assert [thing.uris[0].size for thing in derived.inputs] == [None, 7]


def test_items_with_unevaluated_paths_are_left_out() -> None:
    unevaluated = {"source_path.=": "`$.x`", "destination_path": "/b"}
    derived = derive(action(TRANSFER, transfer(unevaluated, pair("/c", "/d"))))
    assert uris(derived.inputs) == ["globus://src/c"]
    assert derive(action(TRANSFER, transfer(unevaluated))).inputs == ()


def test_values_that_were_left_out_are_not_taken_for_paths_or_ids() -> None:
    body = transfer(pair("[not recorded]", "/b"), pair("/c", "[redacted]"), pair("/d", "/e"))
    assert uris(derive(action(TRANSFER, body)).inputs) == ["globus://src/d"]
    hidden = {"endpoint": "[not recorded]", "function": "[redacted]"}
    assert derive(action(COMPUTE, hidden)) == Derived()


# ---- compute -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        {"endpoint": "E", "function": "F", "args": [], "kwargs": {"path": "/a"}},
        {"endpoint": "E", "function": "F", "payload": {"path": "/a"}},
        {"tasks": [{"endpoint": "E", "function": "F", "payload": {}}]},
        {"tasks": [{"endpoint": "E", "func": "F", "payload": {}}]},
        {"endpoint_id": "E", "tasks": [{"function_id": "F", "args": [1]}]},
        {"endpoint_id": "E", "tasks": [{"function_id": "F"}], "user_endpoint_config": {"q": "x"}},
    ],
)
def test_functions_are_facts_that_are_used_in_every_version_of_the_body(body: Any) -> None:
    details = {"result": [4], "results": [{"task_id": "t1", "output": 4}]}
    derived = derive(action(COMPUTE, body, details))
    (function,) = derived.inputs
    assert (function.kind, uris(derived.inputs)) == ("fact", ["globus-compute://function/f"])
    (result,) = derived.outputs
    assert result.name == "S result"
    assert uris(derived.outputs) == ["globus-compute://task/t1"]
    assert (result.tags, result.value) == ({"value": 4}, None)
    assert derived.tags == {"endpoint_id": "E"}


def test_each_task_result_is_an_output_with_its_small_values_as_tags() -> None:
    outputs = [{"loss": 0.25, "ok": True, "rows": [1, 2], "token": "[redacted]"}, None, [1, 2]]
    details = {"results": [{"task_id": f"t{n}", "output": o} for n, o in enumerate(outputs)]}
    body = {"endpoint_id": "E", "tasks": [{"function_id": "F"}, {"function_id": "G"}]}
    derived = derive(action(COMPUTE, body, details))
    assert [thing.name for thing in derived.outputs] == [f"S result {n}" for n in (1, 2, 3)]
    assert [thing.tags for thing in derived.outputs] == [{"loss": 0.25, "ok": True}, {}, {}]
    assert [thing.value for thing in derived.outputs] == outputs
    assert len(derived.inputs) == 2


def test_results_without_ids_are_outputs_too() -> None:
    body = {"tasks": [{"endpoint": "E", "func": "F"}]}
    derived = derive(action(COMPUTE, body, {"result": {"metadata": {"a": 1}}}))
    assert [thing.value for thing in derived.outputs] == [{"metadata": {"a": 1}}]
    assert uris(derived.outputs) == []


def test_a_field_called_value_does_not_hide_the_whole_result() -> None:
    body = {"endpoint": "E", "function": "F"}
    derived = derive(action(COMPUTE, body, {"result": [{"value": 1, "more": [2]}]}))
    assert derived.outputs[0].value == {"value": 1, "more": [2]}


KEPT = {
    "uri": "https://portal.example.org/plot.png?token=secret",
    "size": 12,
    "sha256": "ab" * 32,
    "media_type": "image/png",
}


def test_arguments_that_are_uris_are_inputs_wherever_they_stand() -> None:
    task = {
        "function_id": "F",
        "args": ["globus://C/a.h5", "/not/a/uri", 3, ["S3://bucket/b", "see https://x.org now"]],
        "kwargs": {"where": {"deep": [{"uri": "doi:10.1/x"}]}, "scheme": "ftp://x/y"},
    }
    legacy = {
        "function": "G",
        "payload": "file:///data/c",
        "label": "https://x.org/not-an-argument",
    }
    derived = derive(action(COMPUTE, {"endpoint_id": "E", "tasks": [task, legacy, task]}))
    assert uris(derived.inputs)[2:] == [
        "globus://c/a.h5",
        "S3://bucket/b",
        "doi:10.1/x",
        "file:///data/c",
    ]
    assert [thing.name for thing in derived.inputs[2:]] == ["a.h5", "b", "doi:10.1/x", "c"]


def test_secrets_in_the_uris_of_arguments_are_not_kept() -> None:
    body = {"endpoint": "E", "function": "F", "kwargs": {"from": "https://u:pw@h/x?sig=abc"}}
    derived = derive(action(COMPUTE, body))
    assert uris(derived.inputs)[1:] == ["https://u:[redacted]@h/x?sig=[redacted]"]


def test_files_that_results_describe_are_outputs_beside_the_results() -> None:
    results = [{"plots": [KEPT], "table": {"uri": "file:///t.csv", "digest": "sha256:0f"}}, None]
    derived = derive(action(COMPUTE, {"endpoint": "E", "function": "F"}, {"result": results}))
    first, second, plot, table = derived.outputs
    assert [first.value, second.value] == results
    assert plot.uris == (
        Uri(
            "https://portal.example.org/plot.png?token=[redacted]",
            12,
            f"sha256:{KEPT['sha256']}",
            "image/png",
        ),
    )
    assert table.uris == (Uri("file:///t.csv", None, "sha256:0f"),)
    assert (plot.name, table.name) == ("plot.png", "t.csv")


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("globus://C/a", ["globus://c/a"]),
        (["doi:10.1/x", "doi:10.1/x"], ["doi:10.1/x"]),
        ({"mean": 3, "files": {"a": "globus://c/a"}}, ["globus://c/a"]),
        ("https://example.org/a", []),
        ("file:///a", []),
        ("the file globus://c/a", []),
        ({"search": {"subject": "globus://portal"}}, []),
        ({"uri": "https://example.org/a", "method": "GET"}, []),
        ({"uri": "https://example.org/a", "size": "large"}, []),
        ({"uri": "https://example.org/a", "sha256": "abc"}, []),
        ({"uri": "/a/b", "size": 3}, []),
        ({"uri": "globus://c/a", "size": "large"}, ["globus://c/a"]),
        ({"uri": "x:" + "y" * 10_000}, []),
        ("globus://c/" + "y" * 10_000, []),
    ],
)
def test_nothing_else_in_a_result_is_taken_for_a_file(value: Any, found: list[str]) -> None:
    derived = derive(action(COMPUTE, {"endpoint": "E", "function": "F"}, {"result": [value]}))
    assert uris(derived.outputs) == found


def test_the_search_for_uris_ends() -> None:
    deep: Any = "globus://c/deep"
    for _ in range(100):
        deep = [deep]
    wide = [0] * 50_000 + ["globus://c/late"]
    body = {"endpoint": "E", "function": "F", "args": [deep, ["globus://c/early", *wide]]}
    assert uris(derive(action(COMPUTE, body)).inputs)[1:] == ["globus://c/early"]


# ---- the others --------------------------------------------------------------------------


def test_an_ingest_uses_its_subject_and_makes_an_entry() -> None:
    body = {"search_index": "IDX", "subject": "globus://A//x/", "content": {}, "id": "e 1"}
    derived = derive(action("https://actions.globus.org/search/ingest", body))
    assert uris(derived.inputs) == ["globus://a/x"]
    assert uris(derived.outputs) == ["globus-search://idx/globus%3A%2F%2FA%2F%2Fx%2F#e%201"]
    assert derived.outputs[0].derived_from == (0,)


def test_an_ingest_of_a_list_makes_an_entry_for_each_subject() -> None:
    entries = [{"subject": "one"}, {"subject": "file:///two"}, {"content": {}}]
    body = {"search_index": "i", "ingest_data": {"gmeta": entries}}
    derived = derive(action("https://actions.globus.org/search/ingest", body))
    assert uris(derived.inputs) == ["file:///two"]
    assert [thing.derived_from for thing in derived.outputs] == [(), (0,)]


def test_a_minted_doi_is_made() -> None:
    attributes = {
        "doi": "10.80206/AP_test",
        "titles": [{"title": "Test Title"}],
        "publisher": "Globus",
        "url": "https://example.org/landing",
    }
    body = {"as_test": True, "username": "u", "password": "[redacted]"}
    body["Doi"] = {"id": "10.80206/AP_test", "type": "dois", "attributes": attributes}
    derived = derive(action("https://actions.globus.org/datacite/mint/basic_auth", body))
    assert uris(derived.inputs) == ["https://example.org/landing"]
    assert uris(derived.outputs) == ["https://doi.org/10.80206/ap_test"]
    assert derived.outputs[0].name == "Test Title"
    assert derived.outputs[0].tags == {"doi": "10.80206/AP_test", "publisher": "Globus"}


def test_deleting_uses_making_a_folder_makes_and_listing_uses() -> None:
    base = "https://actions.globus.org/transfer/"
    deleted = derive(action(base + "delete", {"endpoint_id": "E", "items": ["/a", "/b/"]}))
    made = derive(action(base + "mkdir", {"endpoint_id": "E", "path": "/c"}))
    listed = derive(action(base + "ls", {"endpoint_id": "E", "path": "/~/"}, {"DATA": [{}, {}]}))
    assert (uris(deleted.inputs), deleted.outputs) == (["globus://e/a", "globus://e/b"], ())
    assert (made.inputs, uris(made.outputs)) == ((), ["globus://e/c"])
    assert (uris(listed.inputs), listed.tags["entries"]) == (["globus://e/~"], 2)


# ---- a real run --------------------------------------------------------------------------

STAGING = "b782400e-3e59-412c-8f73-56cd0782301f"
WORKSPACE = "8ee44381-114a-45de-b8f8-d105a90c200d"
ORCHESTRATION = "4a420ad5-4113-4d7d-aba2-883f8208e897"


@pytest.fixture
def real_actions(shared_flows: Path) -> dict[str, Action]:
    """The actions of a production run, by state name: parameters and results as logged."""
    log = json.loads((shared_flows / "livepub-example-collection.run_log.json").read_text())
    flow = json.loads((shared_flows / "livepub-example-collection.json").read_text())
    actions = {}
    for entry in log:
        if entry["code"] == "ActionCompleted":
            name = entry["details"]["state_name"]
            state = flow["States"][name]
            result = entry["details"]["output"][state["ResultPath"].removeprefix("$.")]
            started = next(
                e["details"]["input"]
                for e in log
                if e["code"] == "ActionStarted" and e["details"]["state_name"] == name
            )
            actions[name] = Action(name, state["ActionUrl"], started, result, True)
    return actions


def test_a_real_transfer_of_one_file(real_actions: dict[str, Action]) -> None:
    there = derive(real_actions["TransferToCompute"])
    back = derive(real_actions["TransferFromCompute"])
    assert uris(there.inputs) == [f"globus://{STAGING}/output/test.txt"]
    assert uris(there.outputs) == [f"globus://{WORKSPACE}/input/test.txt"]
    assert back.outputs[0].uris == (Uri(f"globus://{STAGING}/input/test.txt", 86091),)
    assert back.outputs[0].name == "test.txt"
    assert back.tags["files_transferred"] == 1
    assert back.tags["label"] == "For Action id yXYVm68fZ2Eg"


def test_real_compute_results(real_actions: dict[str, Action]) -> None:
    listed, script = derive(real_actions["Ls"]), derive(real_actions["Getscript"])
    function = "globus-compute://function/0944fd60-b64c-49f0-96fd-05c9c85d7360"
    assert uris(listed.inputs) == [function]
    assert uris(listed.outputs) == ["globus-compute://task/b2bb0cea-ce63-4a83-ba58-74df9b8bce71"]
    crate = "aca695cd-82ec-4442-86b7-e2254bdbbc1a.crate"
    assert listed.outputs[0].value == ["input", "output", crate]
    assert listed.tags == {"endpoint_id": "58fb6f2d-ff78-4f39-9669-38c12d01f566"}
    assert uris(script.outputs) == ["globus-compute://task/7a171870-b038-4174-84e1-29cdcc42f72c"]
    assert script.outputs[0].value is None


def test_a_real_transfer_with_unevaluated_paths_keeps_its_label(
    real_actions: dict[str, Action],
) -> None:
    derived = derive(real_actions["Transfer_provenance_ls"])
    assert (derived.inputs, derived.outputs) == ((), ())


def test_every_action_of_the_real_definitions_can_be_derived(shared_flows: Path) -> None:
    count = 0
    for path in sorted(shared_flows.glob("*.json")):
        document = json.loads(path.read_text())
        for name, state in document.get("States", {}).items() if "States" in document else ():
            if state["Type"] == "Action":
                derive(Action(name, state.get("ActionUrl"), state.get("Parameters"), {}, True))
                count += 1
    assert count > 80


# ---- whatever comes ----------------------------------------------------------------------

NAMES = st.sampled_from(
    (
        *("source_endpoint", "source_endpoint_id", "destination_endpoint", "transfer_items"),
        *("destination_endpoint_id", "DATA", "source_path", "destination_path", "recursive"),
        *("tasks", "function", "function_id", "func", "endpoint", "endpoint_id", "payload"),
        *("results", "result", "output", "task_id", "details", "status", "size", "items", "path"),
        *("args", "kwargs", "uri", "digest", "sha256", "media_type"),
        *("search_index", "subject", "ingest_data", "gmeta", "Doi", "attributes", "doi", "url"),
        *("successful_transfers", "bytes_transferred", "files", "files_transferred", "label"),
    )
)
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=20)
    | st.sampled_from(["/a", "globus://x/y", "http://[", "a\x00b", "x" * 10_000, ""])
)


def documents(leaves: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """JSON values that often have the fields that adapters look at."""
    return st.recursive(
        leaves,
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(NAMES | st.text(max_size=5), inner, max_size=8)
        ),
        max_leaves=25,
    )


SOUND = documents(LEAVES)
JSON = documents(LEAVES | st.just("\ud800"))
URLS = st.sampled_from(
    [
        None,
        "http://127.0.0.1/x",
        TRANSFER,
        COMPUTE,
        "https://actions.globus.org/search/ingest",
        "https://actions.globus.org/datacite/mint/basic_auth",
        *(f"https://transfer.actions.globus.org/{name}" for name in ("delete", "mkdir", "ls")),
    ]
)


@settings(max_examples=300, deadline=None)
@given(url=URLS, parameters=JSON, result=JSON, succeeded=st.booleans())
def test_no_document_makes_an_adapter_raise_or_derive_what_cannot_be_kept(
    url: str | None, parameters: Any, result: Any, succeeded: bool
) -> None:
    derived = derive(Action("S", url, parameters, result, succeeded))
    for thing in (*derived.inputs, *derived.outputs):
        assert thing.name
        for uri in thing.uris:
            uri_row(Gate(Policy.REFUSE), 1, uri)
        for name, value in thing.tags.items():
            tag_row(Gate(Policy.REFUSE), 1, 2, name, value, now())
        assert all(0 <= place < len(derived.inputs) for place in thing.derived_from)
    for name, value in derived.tags.items():
        tag_row(Gate(Policy.REFUSE), 1, 2, name, value, now())


@settings(max_examples=100, deadline=None)
@given(parameters=JSON, details=st.dictionaries(NAMES, JSON, max_size=6))
def test_every_adapter_survives_every_document(parameters: Any, details: Any) -> None:
    for adapter in ADAPTERS:
        if isinstance(parameters, dict):
            adapter.fits(parameters)
    derive(action(None, parameters, details))


# ---- URIs --------------------------------------------------------------------------------


def test_a_folder_has_one_uri_however_it_is_written() -> None:
    spellings = {globus_uri("AB", p) for p in ("/x y/z", "/x y/z/", "//x y//z")}
    assert spellings == {"globus://ab/x%20y/z"}
    assert tidy_uri("globus://AB/x y/z/") == tidy_uri("GLOBUS://ab/x%20y/z") == spellings.pop()


def test_a_relative_path_is_in_the_home_of_the_collection() -> None:
    assert globus_uri("ab", "x.crate") == globus_uri("ab", "/~/x.crate") == "globus://ab/~/x.crate"


def test_passwords_and_signatures_in_uris_are_redacted() -> None:
    assert tidy_uri("https://u:p@h/x") == "https://u:[redacted]@h/x"
    assert tidy_uri("https://u@h/x?a=1") == "https://u@h/x?a=1"
    signed = tidy_uri("https://h/x?a=1&X-Amz-Signature=abc&token=t")
    assert signed == "https://h/x?a=1&X-Amz-Signature=[redacted]&token=[redacted]"
    assert tidy_uri("http://[::1/?token=x") == "http://[::1/?token=[redacted]"
    assert "SECRET" not in tidy_uri("globus://C/p?token=SECRET")


@pytest.mark.parametrize(
    ("uri", "name"),
    [
        ("globus://a/x/my%20file.h5", "my file.h5"),
        ("globus://a/", "globus://a/"),
        ("https://h/a/b/?q=1#f", "b"),
        ("doi:10.1/x", "doi:10.1/x"),
    ],
)
def test_a_uri_names_its_record(uri: str, name: str) -> None:
    assert name_of_uri(uri) == name


def test_values_of_results_can_be_kept() -> None:
    body = {"endpoint": "E", "function": "F"}
    derived = derive(action(COMPUTE, body, {"result": [{"deep": "\x00"}]}))
    document = payload_document(Gate(), derived.outputs[0].value, limit=4096)
    assert json.loads(document) == {"deep": "\x00"}
