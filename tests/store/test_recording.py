"""What a script records is what the store says afterwards."""

from __future__ import annotations

import math
import random
import string
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from provenance_store import Audience, Kind, Role, Store, Uri, open_store
from provenance_store.errors import Conflict, InvalidInput, NotFound, Sealed
from provenance_store.ids import now
from provenance_store.recording.recorder import NOTE_TAG, Recorder
from provenance_store.service import StoreService
from provenance_store.sink import MemorySink
from provenance_store.sql.tables import TABLE
from provenance_store.values import TagValue


def test_the_lines_of_the_readme_record_facts_data_models_and_steps(store: Store) -> None:
    cfg = store.fact("setup.cfg", uris=["globus://c/setup.cfg"])
    scan = store.data(
        "scan-17",
        depends_on=[cfg],
        uris=[Uri("globus://c/scan-17.h5", 1024, "sha256:ab", "application/x-hdf5")],
        tags={"sample": "Ni", "temperature_K": 293.5, "frames": 1800, "dark": False},
    )
    model = store.model("braggnn", depends_on=[cfg]).update(
        [scan],
        hyperparameters={"lr": 0.001},
        metrics=[{"epoch": 1, "loss": 0.5}, {"epoch": 2, "loss": 0.25}],
        scores={"val_loss": 0.3},
    )
    with store.step("Train", inputs=[scan], models=[model]) as step:
        weights = step.output("weights.h5", uris=["globus://c/weights.h5"])

    read = store.documents()
    assert read.record(scan.urn) | {"created_at": ""} == {
        "id": scan.urn,
        "short_id": scan.short_id,
        "kind": "data",
        "name": "scan-17",
        "marks": [],
        "created_at": "",
        "owner": None,
        "run_id": None,
        "live": False,
        "environment": None,
        "uris": [
            {
                "uri": "globus://c/scan-17.h5",
                "size": 1024,
                "digest": "sha256:ab",
                "media_type": "application/x-hdf5",
            }
        ],
        "tags": {"sample": "Ni", "temperature_K": 293.5, "frames": 1800, "dark": False},
        "links": [
            {
                "role": "derived_from",
                "id": cfg.urn,
                "short_id": cfg.short_id,
                "kind": "fact",
                "name": "setup.cfg",
            }
        ],
        "dependents": read.record(scan.urn)["dependents"],
        "truncated": False,
    }
    version = read.record(model.urn)
    assert version["version"] == 1
    assert version["metrics"] == [{"epoch": 1, "loss": 0.5}, {"epoch": 2, "loss": 0.25}]
    assert version["scores"] == {"val_loss": 0.3}
    assert version["hyperparameters"] == {"lr": 0.001}
    assert {(k["role"], k["name"]) for k in version["links"]} == {
        ("trained_on", "scan-17"),
        ("revision_of", "braggnn"),
    }
    made_by = read.record(weights.urn)["links"]
    assert [(link["role"], link["name"]) for link in made_by] == [("generated_by", "Train")]
    assert read.record(step.urn)["status"] == "SUCCEEDED"


def test_a_step_that_raises_is_recorded_as_failed_and_the_error_goes_on(store: Store) -> None:
    with pytest.raises(ZeroDivisionError), store.step("Fit") as step:
        _ = 1 // 0
    document = store.documents().record(step.urn)
    assert document["status"] == "FAILED"
    assert document["error"]["type"] == "ZeroDivisionError"


def test_a_step_that_was_cut_off_stays_active(store: Store) -> None:
    step = store.step("Simulate")
    assert store.documents().record(step.urn)["status"] == "ACTIVE"
    assert store.documents().record(step.urn)["completion_time"] is None


def test_steps_and_model_versions_keep_the_environment_once(store: Store) -> None:
    first = store.step("One")
    second = store.step("Two")
    digests = {store.documents().record(s.urn)["environment"] for s in (first, second)}
    assert len(digests) == 1
    assert next(iter(digests)).startswith("sha256:")
    assert store.info()["tables"]["environment"] == 1


def test_two_updates_of_one_version_are_two_branches(store: Store) -> None:
    start = store.model("braggnn")
    scans = [store.data(f"scan-{n}") for n in range(3)]
    left, right = start.update(scans[:1]), start.update(scans[1:2])
    end = right.update(scans[2:])
    assert (start.version, left.version, right.version, end.version) == (0, 1, 1, 2)

    line = store.documents().model("braggnn")
    assert line["id"] == start.urn
    assert [(v["id"], v["version"], v["parent"], v["head"]) for v in line["versions"]] == [
        (start.urn, 0, None, False),
        (left.urn, 1, start.urn, True),
        (right.urn, 1, start.urn, False),
        (end.urn, 2, right.urn, True),
    ]
    assert [head.id for head in store.documents().heads("braggnn")] == [end.id, left.id]


def test_a_model_name_with_two_lines_is_answered_with_the_list(store: Store) -> None:
    from provenance_store.errors import Ambiguous

    lines = [store.model("unet"), store.model("unet")]
    with pytest.raises(Ambiguous) as caught:
        store.documents().model("unet")
    assert set(caught.value.choices) == {line.urn for line in lines}
    assert store.documents().model(lines[0].short_id)["id"] == lines[0].urn


def test_live_data_takes_additions_until_it_is_promoted(store: Store) -> None:
    live = store.data("beamtime", live=True)
    cfg = store.fact("cfg")
    live.add(uris=["globus://c/1"], depends_on=[cfg])
    assert store.documents().record(live.urn)["live"] is True
    live.promote("end of shift")
    assert store.documents().record(live.urn)["live"] is False
    with pytest.raises(Sealed, match="takes no additions"):
        live.add(uris=["globus://c/2"])
    live.add(uris=["globus://c/1"])  # what is there already may be said again
    assert [u["uri"] for u in store.documents().record(live.urn)["uris"]] == ["globus://c/1"]


def test_static_data_takes_no_additions(store: Store) -> None:
    scan, other = store.data("scan"), store.data("other")
    with pytest.raises(Sealed):
        scan.add(depends_on=[other])
    with pytest.raises(Sealed):
        scan.add(uris=["file:///x"])


def test_a_live_dataset_grows_until_it_is_promoted(store: Store) -> None:
    scans = [store.data(f"scan-{n}") for n in range(3)]
    dataset = store.dataset("cycle-1", scans[:1], live=True)
    dataset.add_members(scans[1:])
    dataset.promote()
    with pytest.raises(Sealed):
        dataset.add_members([store.data("late")])
    links = store.documents().record(dataset.urn)["links"]
    assert [link["name"] for link in links if link["role"] == "has_member"] == [
        "scan-0",
        "scan-1",
        "scan-2",
    ]


def test_a_finished_step_takes_no_more_inputs(store: Store) -> None:
    scan = store.data("scan")
    with store.step("Fit") as step:
        step.used(scan)
    with pytest.raises(Sealed):
        step.used(store.data("late"))


def test_a_tag_that_changes_keeps_its_history(store: Store) -> None:
    scan = store.data("scan", tags={"quality": "unknown"})
    scan.tag(quality="good").tag(quality="best")
    assert store.documents().record(scan.urn)["tags"] == {"quality": "best"}
    assert store.info()["tables"]["tag"] == 3


def test_of_what_is_said_twice_of_one_record_together_the_first_stays(store: Store) -> None:
    with store.transaction():
        scan = store.data("scan")
        step = store.step("Fit", inputs=[scan])
        for number in (1, 1, 2):
            store.payload(step, "settings", {"n": number})
        for size in (5, 6):
            store.add(step, uris=[{"uri": "file:///log", "size": size}])
        for status in ("FAILED", "SUCCEEDED"):
            step.finish(status)
        other = store.data("other", depends_on=[scan])
    shown = store.documents().extract([step.urn]).records[step.urn]
    assert (shown["payloads"]["settings"], shown["status"]) == ({"n": 1}, "FAILED")
    assert [uri["size"] for uri in shown["uris"]] == [5]
    assert shown["tags"][NOTE_TAG].count("was said first stays") == 3
    assert store.documents().record(other.urn)["name"] == "other"
    strict = store.recorder(strict=True)
    with pytest.raises(InvalidInput, match="twice in one block"), strict.transaction():
        twice = strict.data("twice")
        for number in (1, 2):
            strict.payload(twice, "settings", {"n": number})
    assert store.documents().records(name="twice")["records"] == []


def test_everything_together_is_all_or_nothing(store: Store) -> None:
    with pytest.raises(RuntimeError), store.transaction():
        store.data("one")
        store.data("two")
        raise RuntimeError("changed my mind")
    assert store.info()["records"]["data"] == 0
    with store.transaction():
        a = store.data("one")
        store.data("two", depends_on=[a])
    assert store.info()["records"]["data"] == 2


def test_a_metric_that_is_not_finite_is_kept_as_what_it_was(store: Store) -> None:
    model = store.model("m").update([], metrics=[{"epoch": 1, "loss": math.inf}])
    assert store.documents().record(model.urn)["metrics"] == [{"epoch": 1, "loss": "Infinity"}]


def test_secrets_are_redacted_before_they_are_written(store: Store) -> None:
    parameters = {
        "headers": {"Authorization": "Bearer abc"},
        "api_key": "k",
        "max_tokens": 5,
        "hidden": 1,
        "__Private_Parameters": ["hidden"],
        "_private_thing": 2,
    }
    step = store.step("Call", parameters=parameters)
    assert store.documents().record(step.urn)["parameters"] == {
        "headers": {"Authorization": "[redacted]"},
        "api_key": "[redacted]",
        "max_tokens": 5,
        "hidden": "[redacted]",
        "_private_thing": "[redacted]",
    }


def test_secrets_in_tags_names_and_uris_are_redacted(store: Store) -> None:
    url = "https://u:S3CRET@h/x"
    tags: dict[str, Any] = {"api_token": 5, "where": url}
    made = store.data(url, uris=[url], tags=tags)
    step = store.step("Call", action_url=url)
    store.run("r", label="PASSWORD=S3CRET", tags=[url])
    found = [store.documents().record(each.urn) for each in (made, step)]
    assert found[0]["tags"] == {"api_token": "[redacted]", "where": "https://u:[redacted]@h/x"}
    assert "S3CRET" not in f"{found}{store.documents().run('r')}"


def test_a_long_document_keeps_its_digest_and_beginning(store: Store) -> None:
    step = store.step("Call", parameters={"text": "x" * 1_000_000})
    kept = store.documents().record(step.urn)["parameters"]["_truncated"]
    assert kept["bytes"] == 1_000_011
    assert kept["digest"].startswith("sha256:")
    assert kept["beginning"].startswith('{"text":"xxx')
    note = store.documents().record(step.urn)["tags"]["braid_note"]
    assert "parameters: The document has 1,000,011 bytes" in note


def test_a_long_document_is_refused_by_a_strict_recorder(store: Store) -> None:
    with pytest.raises(InvalidInput, match="1,000,011 bytes"):
        Recorder(store.sink, strict=True).step("Call", parameters={"text": "x" * 1_000_000})
    assert store.documents().records()["records"] == []


@pytest.mark.parametrize("wrong", [["a"], "abc", [1], 5])
@pytest.mark.parametrize("what", ["tags", "scores", "hyperparameters"])
def test_what_is_no_mapping_is_left_out_and_told(store: Store, what: str, wrong: Any) -> None:
    about: Any = {what: wrong}
    made = store.model("net", **about)
    note = store.documents().record(made.urn)["tags"]["braid_note"]
    assert note.startswith(f"{what}: The {what} are given as a mapping of names to values, not as")
    with pytest.raises(InvalidInput, match="as a mapping"):
        Recorder(store.sink, strict=True).model("net", **about)


def test_tags_that_are_no_mapping_change_nothing_afterwards(store: Store) -> None:
    made = store.data("scan", tags={"sample": "Ni"})
    store.tag(made, ["sample"])  # type: ignore[arg-type]
    tags = store.documents().record(made.urn)["tags"]
    assert tags.pop("braid_note").startswith("tags: ")
    assert tags == {"sample": "Ni"}


@pytest.mark.parametrize("reference", [None, 1.5, [], object(), True])
def test_what_names_no_record_is_one_clear_error(store: Store, reference: Any) -> None:
    for call in (
        lambda: store.data("scan", depends_on=[reference]),
        lambda: store.dataset("all", [reference]),
        lambda: store.step("Call", inputs=[reference]),
        lambda: store.tag(reference, {"a": 1}),
        lambda: store.finish(reference),
    ):
        with pytest.raises(InvalidInput, match="is named by its handle, its id, its URN"):
            call()
    assert store.documents().records()["records"] == []


def test_none_where_several_are_meant_is_nothing(store: Store) -> None:
    nothing: Any = None
    made = store.model(
        "net",
        **dict.fromkeys(("uris", "depends_on", "tags", "metrics", "scores", "trained_on"), nothing),
    )
    document = store.documents().record(made.urn)
    assert document["uris"] == [] == document["links"]
    assert document["tags"] == {}


def test_a_run_is_what_was_last_said_of_it(store: Store) -> None:
    store.run("r1", at=10, flow_id="f", status="ACTIVE", label="first", tags=["hedm"])
    store.run("r1", at=30, status="SUCCEEDED", completion_time=30)
    store.run("r1", at=20, status="INACTIVE")
    document = store.documents().run("r1")
    assert document["status"] == "SUCCEEDED"
    assert document["label"] == "first"
    assert document["flow_id"] == "f"
    assert document["tags"] == ["hedm"]
    assert document["start_time"] == "1970-01-01T00:00:00.000010+00:00"


def test_whoever_speaks_of_a_run_later_cannot_take_it_over(store: Store) -> None:
    from provenance_store import Viewer

    owner, thief = "urn:globus:auth:identity:1", "urn:globus:auth:identity:2"
    store.run("r1", at=10, audience=Audience(owner))
    store.run("r1", at=20, audience=Audience(thief))
    assert store.documents(Viewer(frozenset({owner}))).run("r1")["run_id"] == "r1"
    with pytest.raises(NotFound):
        store.documents(Viewer(frozenset({thief}))).run("r1")


def test_a_record_of_another_session_can_be_named_by_its_urn(store: Store) -> None:
    scan = store.data("scan")
    made = store.data("fit", depends_on=[scan.urn, scan.short_id])
    assert [link["id"] for link in store.documents().record(made.urn)["links"]] == [scan.urn]


@pytest.mark.parametrize(
    ("reference", "error"),
    [
        ("urn:braid:00000000-0000-4000-8000-000000000000:1", NotFound),
        ("9.9", NotFound),
        ("scan", NotFound),
        ("1.99999999999", InvalidInput),
        ("urn:braid:zzz:1", InvalidInput),
    ],
)
def test_a_reference_to_nothing_is_refused(
    store: Store, reference: str, error: type[Exception]
) -> None:
    with pytest.raises(error):
        store.data("fit", depends_on=[reference])
    assert store.info()["records"]["data"] == 0


BAD_VALUES: list[tuple[str, Callable[[Store], object]]] = [
    ("empty name", lambda s: s.data("")),
    ("long name", lambda s: s.data("x" * 2000)),
    ("NUL in name", lambda s: s.data("a\0b")),
    ("surrogate in name", lambda s: s.data("a\ud800")),
    ("name not text", lambda s: s.data(5)),  # type: ignore[arg-type]
    ("tag of a wrong type", lambda s: s.data("a", tags={"t": [1]})),  # type: ignore[dict-item]
    ("tag too large", lambda s: s.data("a", tags={"t": 1 << 70})),
    ("tag with NUL", lambda s: s.data("a", tags={"t": "\0"})),
    ("empty tag name", lambda s: s.data("a", tags={"": 1})),
    ("empty URI", lambda s: s.data("a", uris=[""])),
    ("URI with unknown field", lambda s: s.data("a", uris=[{"uri": "x", "sise": 1}])),
    ("negative size", lambda s: s.data("a", uris=[Uri("x", -1)])),
    ("digest without algorithm", lambda s: s.data("a", uris=[Uri("x", 1, "abc")])),
    ("metric that is text", lambda s: s.model("m", metrics=[{"loss": "low"}])),
    ("metric that is no mapping", lambda s: s.model("m", metrics=[3])),  # type: ignore[list-item]
    ("epoch that is text", lambda s: s.model("m", metrics=[{"epoch": "x", "loss": 1}])),
    ("parameters without JSON form", lambda s: s.step("s", parameters=object())),
    ("long run id", lambda s: s.run("r" * 65)),
]


@pytest.mark.parametrize(("what", "call"), BAD_VALUES, ids=[what for what, _ in BAD_VALUES])
def test_who_records_strictly_is_told_of_bad_values_and_nothing_is_written(
    store_url: str, what: str, call: Callable[[Store], object]
) -> None:
    with open_store(store_url, strict=True) as store:
        with pytest.raises(InvalidInput) as caught:
            call(store)
        assert "\n" not in caught.value.message
        assert caught.value.message.endswith(".")
        assert sum(store.info()["records"].values()) == 0


def test_roles_tell_how_a_model_took_part(store: Store) -> None:
    model = store.model("m")
    step = store.step("Deploy")
    step.used(model, role=Role.DEPLOYED)
    assert store.documents().record(step.urn)["links"][0]["role"] == "deployed"
    assert model.kind is Kind.MODEL


def test_a_model_whose_name_holds_a_secret_is_found_again_without_it(store: Store) -> None:
    first = store.model("net token=abcdefgh1234").update()
    assert "abcdefgh1234" not in store.documents().record(first.urn)["name"]
    assert [head.id for head in store.documents().heads("net token=abcdefgh1234")] == [first.id]


def test_a_uri_of_any_length_is_kept_and_found(store: Store) -> None:
    long = "https://c/" + "".join(random.Random(1).choices(string.printable[:62], k=8000))
    sink = MemorySink()
    Recorder(sink, environment=None).data("scan", uris=[long, long + "x", "globus://c/short"])
    StoreService(store).write(sink.batch)
    StoreService(store).write(sink.batch)
    found = store.documents().records(uri=long)["records"]
    assert [uri["uri"] for uri in found[0]["uris"]] == sorted(
        (long, long + "x", "globus://c/short")
    )
    assert store.info()["tables"]["uri"] == 3
    changed = sink.batch
    changed.uri[0] = changed.uri[0]._replace(size=3)
    with pytest.raises(Conflict):
        StoreService(store).write(changed)


def test_texts_and_numbers_of_any_kind_are_kept_as_they_are(store: Store) -> None:
    texts = [
        "NULL",
        "null",
        "{}",
        "a,b",
        'q"q',
        "back\\slash",
        "\\n",
        "new\nline\ttab",
        " ",
        "α—𝕏",
        "{",
    ]
    numbers = [0.1, -0.0, 1e300, 5e-324, math.pi]
    values: list[TagValue] = [*texts, *numbers, 7, -(2**62), True]
    made = [store.data(f"x{text}y", tags={"t": text}) for text in texts]
    with store.transaction():  # many rows of a table at once, and one after the other
        made += [store.data(f"x{text}y", tags={"t": text}) for text in texts]
        kept = store.data("values", tags={f"t{n}": value for n, value in enumerate(values)})
        version = store.model("m", metrics=[{"epoch": n, "x": x} for n, x in enumerate(numbers)])
        version.update(scores={"nan": math.nan, "inf": math.inf})
    reader = store.documents()
    assert [reader.record(one.urn)["name"] for one in made] == [f"x{text}y" for text in texts] * 2
    assert [reader.record(one.urn)["tags"]["t"] for one in made] == texts * 2
    tags = reader.record(kept.urn)["tags"]
    assert [tags[f"t{n}"] for n in range(len(values))] == values
    curve = reader.record(version.urn)["metrics"]
    assert [point["x"] for point in curve] == numbers
    assert store.check() == []


def test_a_recorder_of_a_store_keeps_the_environment_as_the_store_does(store: Store) -> None:
    steps = (store.step("One"), store.recorder().step("Two"))
    digests = {store.documents().record(step.urn)["environment"] for step in steps}
    assert len(digests) == 1
    assert next(iter(digests)).startswith("sha256:")
    without = store.recorder(environment=None).step("Three")
    assert store.documents().record(without.urn)["environment"] is None


def test_file_takes_several_as_files_does(store: Store, tmp_path: Path) -> None:
    paths = [tmp_path / "a.txt", tmp_path / "b.txt"]
    for path in paths:
        path.write_text(path.name)
    one = store.documents().record(store.data("one", file=paths).urn)
    other = store.documents().record(store.data("other", files=paths).urn)
    assert [uri["digest"] for uri in one["uris"]] == [uri["digest"] for uri in other["uris"]]
    assert len(one["uris"]) == 2
    assert NOTE_TAG not in one["tags"]


def test_a_late_link_has_the_time_when_it_became_known(store: Store) -> None:
    noon = 1_700_000_000_000_000
    recorder = store.recorder(clock=lambda: noon)  # of a run that is recorded afterwards
    scan, step = recorder.data("scan"), recorder.step("Find peaks")
    recorder.finish(step)
    before = now()
    recorder.link_later(step, scan, rule="by hand")
    with store.sink.session.read() as connection:
        (at,) = connection.execute(sa.select(TABLE["late_link"].c.at)).scalars()
    assert before <= at <= now()


def test_inputs_are_linked_one_by_one_or_as_a_list(store: Store) -> None:
    scans = [store.data(f"scan-{n}") for n in range(3)]
    steps = [store.step("Listed"), store.step("Each"), store.step("Both"), store.step("One list")]
    steps[0].used(scans)
    steps[1].used(*scans)
    steps[2].used(scans[0], scans[1:])
    store.used(steps[3], scans)
    for step in steps:
        used = {link["id"] for link in store.documents().record(step.urn)["links"]}
        assert used == {scan.urn for scan in scans}
        assert NOTE_TAG not in store.documents().record(step.urn)["tags"]


def test_a_version_is_trained_on_the_same_argument_from_the_first_to_the_last(store: Store) -> None:
    scan = store.data("scan")
    first = store.model("net", trained_on=[scan])
    second = store.update(first, trained_on=[scan])
    third = second.update(trained_on=[scan])
    with store.step("Train") as step:
        fourth = step.updated(third, trained_on=[scan])
    found = store.reader().models(trained_on=scan, versions=True)
    assert {line.match.id for line in found if line.match} == {
        version.urn for version in (first, second, third, fourth)
    }
