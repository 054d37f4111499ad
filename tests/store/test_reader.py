"""The typed reader: the same answers as the documents, as objects, and lists without pages."""

from __future__ import annotations

import copy
import math
import pickle
import sys
import uuid
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from provenance_store import EVERYTHING, Audience, Kind, Mark, Reader, Role, Store, Viewer
from provenance_store.errors import BadFile, InvalidInput, MissingExtra, NotFound
from provenance_store.extras import EXTRAS
from provenance_store.results import Listing, Record, RecordDetail, Result, Run, drawing
from provenance_store.results.base import read as read_result
from tests.support.histories import HISTORIES, stated
from tests.support.needs import need_module
from tests.support.science import ADA, NOON, Science, some_science

BOB = "urn:globus:auth:identity:bbbbbbbb-0000-0000-0000-000000000002"
VIEWERS = {
    "everybody": EVERYTHING,
    "ada": Viewer(frozenset({ADA})),
    "bob": Viewer(frozenset({BOB})),
}
NOON_UTC = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=NOON)


@pytest.mark.parametrize("viewer", VIEWERS)
@pytest.mark.parametrize("history", HISTORIES)
def test_each_result_gives_the_document_that_it_was_made_of(
    history: str, viewer: str, tmp_path: Path
) -> None:
    with stated(history, tmp_path) as (store, _):
        for result, document in both_ways(store, VIEWERS[viewer]):
            assert result.to_dict() == document


def both_ways(store: Store, viewer: Viewer) -> Iterator[tuple[Any, Mapping[str, Any]]]:
    """Everything that a reader answers, beside the document of the same question."""
    read, documents = store.reader(viewer), store.documents(viewer)
    for listing, page in (
        (read.records(), documents.records(limit=100)),
        (read.runs(), documents.runs(limit=100)),
        (read.models(), documents.models(limit=100)),
    ):
        yield listing, page
        name = next(iter(page))
        yield from zip(listing, page[name], strict=True)
    for record in read.records():
        yield read.record(record), documents.record(record.urn)
        for way in ("up", "down", "both"):
            yield read.lineage(record, way), documents.lineage(record.urn, way)
        yield read.lineage(record, folded=True), documents.lineage(record.urn, folded=True)
        yield read.statement(record, as_of=1 << 50), documents.statement(record.urn, as_of=1 << 50)
        yield read.resolve(record), documents.named(record.urn)["records"][0]
        if record.version is not None:
            yield read.model_version(record), documents.model_version(record.urn)
            line, page = read.model(record), documents.model(record.urn)
            yield line, page
            yield from zip(line.versions, page["versions"], strict=True)
    for run in read.runs():
        found, page = read.run(run), documents.run(run.run_id)
        yield found, page
        yield from zip(found.steps, page["steps"], strict=True)


def test_a_record_has_times_kinds_roles_and_marks_and_not_their_names(
    store: Store, science: Science
) -> None:
    store.invalidate(science.scan, cause="beam tripped")
    found = store.reader().record(science.scan)
    assert (found.urn, found.kind, found.name) == (science.scan.urn, Kind.DATA, "scan-17")
    assert found.created_at is not None
    assert found.created_at.utcoffset() == timedelta(0)
    assert NOON_UTC < found.created_at < NOON_UTC + timedelta(seconds=60)
    assert (f"{found.kind}", f"{found.kind:d}") == ("data", "2")
    assert found.tags == {"sample": "Ni"}
    assert [place.uri for place in found.uris] == ["globus://collection/scan-17.h5"]
    assert (found.version, found.hyperparameters, found.parent) == (None, None, None)
    assert [said.mark for said in found.marks] == [Mark.INVALIDATED]
    assert {(end.role, end.kind, end.name) for end in found.dependents} == {
        (Role.USED, Kind.STEP, "Train"),
        (Role.USED, Kind.STEP, "Apply"),
        (Role.TRAINED_ON, Kind.MODEL, "braggnn"),
    }
    assert found.invalidated is not None
    assert found.invalidated.cause == "beam tripped"
    assert type(found.invalidated.at) is datetime


def test_what_may_not_be_seen_has_neither_kind_nor_name_and_names_nothing(store: Store) -> None:
    ada = store.recorder(audience=Audience(ADA))
    secret = ada.data("secret")
    shared = store.recorder(audience=Audience(ADA, readers=(BOB,)))
    made = shared.data("made", depends_on=[secret])
    read = store.reader(Viewer(frozenset({BOB})))
    (hidden,) = read.record(made).links
    assert (hidden.kind, hidden.name, hidden.restricted) == (None, None, True)
    assert repr(hidden) == "<restricted restricted:1>"
    assert hidden.to_dict()["kind"] == "restricted"
    with pytest.raises(NotFound, match="may not see"):
        read.record(hidden)
    with pytest.raises(NotFound):
        read.record(secret)


def test_numbers_that_are_not_finite_are_floats_in_python_and_text_in_documents(
    store: Store,
) -> None:
    points = [{"epoch": 1, "loss": 0.5}, {"epoch": 2, "loss": math.nan}]
    store.model("net", metrics=points, scores={"mae": math.inf, "rmse": 0.5})
    found = store.reader().model_version("net")
    assert found.metrics is not None
    assert math.isnan(found.metrics[1]["loss"])
    assert found.scores == {"mae": math.inf, "rmse": 0.5}
    assert found.to_dict() == store.documents().model_version("net")


def test_a_list_goes_on_over_all_pages_and_reads_them_as_they_are_looked_at(store: Store) -> None:
    with store.transaction():
        made = [store.data(f"scan-{number:04}") for number in range(1230)]
    asked: list[int] = []

    def ask(size: int, marker: str | None) -> dict[str, Any]:
        asked.append(size)
        return store.documents().records(limit=size, marker=marker)

    listing = Listing("records", Record, ask)
    assert asked == [100]
    names = iter(listing)
    assert [next(names).name for _ in range(100)] == [f"scan-{n:04}" for n in range(1229, 1129, -1)]
    assert asked == [100]
    assert next(names).name == "scan-1129"
    assert asked == [100, 1000]
    for _ in range(2):
        assert [record.urn for record in listing] == [each.urn for each in reversed(made)]
    assert repr(listing) == "<100 or more records>"
    for limit in (1, 99, 100, 101, 1200, 1230, 2000):
        assert len(store.reader().records(limit=limit).all()) == min(limit, 1230)
    assert repr(store.reader().records(limit=100)) == "<100 records>"


def test_steps_of_a_run_and_versions_of_a_model_are_lists_too(store: Store) -> None:
    recorder = store.recorder(run_id="run-1", environment=None)
    with recorder.transaction():
        recorder.run("run-1", label="many")
        version = first = recorder.model("net")
        for number in range(205):
            with recorder.step(f"Step {number}") as step:
                version = step.updated(version)
    read = store.reader()
    run = read.run("run-1")
    assert [step.name for step in run.steps] == [f"Step {number}" for number in range(205)]
    assert read.run(next(iter(read.runs()))).label == "many"
    model = read.model(version)
    assert [one.version for one in model.versions] == list(range(206))
    newest = model.versions.all()[-1]
    assert (newest.head, newest.urn) == (True, version.urn)
    assert (model.urn, repr(model)) == (first.urn, f"<model 'net' {first.urn}>")


def test_a_list_of_nothing_is_false_and_tells_names_that_are_like_it(store: Store) -> None:
    store.data("scan-17")
    read = store.reader()
    nothing = read.records(name="scan-71")
    assert (bool(nothing), nothing.first(), nothing.all()) == (False, None, [])
    assert "scan-17" in str(nothing.hint)
    assert "scan-17" in nothing._repr_html_()
    assert bool(read.records(name="scan-17"))


@pytest.mark.parametrize("limit", [0, -1, True, 2.5, "3"])
def test_a_limit_that_is_none_is_refused_when_the_list_is_asked_for(
    store: Store, limit: Any
) -> None:
    with pytest.raises(InvalidInput, match="limit"):
        store.reader().records(limit=limit)


def forms(store: Store, science: Science) -> dict[str, Any]:
    """Everything that names the version of the model that was trained."""
    read = store.reader()
    store.alias(science.model, "champion")
    return {
        "handle": science.model,
        "record": read.record(science.model.urn),
        "in a list": read.records(kind="model").first(),
        "version": read.model_version(science.model.urn),
        "version of a model": read.model("braggnn").versions.all()[-1],
        "mention": next(end for end in read.record(science.apply).links if end.version),
        "part of a step": read.run("run-1").steps.all()[1].models[0],
        "resolved": read.resolve("braggnn"),
        "model in a list": read.models().first(),
        "model searched for": read.models(best="mae").first(),
        "document": store.documents().record(science.model.urn),
        "urn": science.model.urn,
        "short id": science.model.short_id,
        "number": science.model.id,
        "name": "braggnn",
        "name and number": "braggnn@v1",
        "name and alias": "braggnn@champion",
        "uri": "globus://collection/weights.h5",
    }


FORMS = (
    *("handle", "record", "in a list", "version", "version of a model", "mention"),
    *("part of a step", "resolved", "model in a list", "model searched for", "document", "urn"),
    *("short id", "number", "name", "name and number", "name and alias", "uri"),
)


@pytest.mark.parametrize("form", FORMS)
def test_a_reference_of_any_form_is_taken_where_a_record_is_named(
    store: Store, science: Science, form: str
) -> None:
    given, urn = forms(store, science)[form], science.model.urn
    read = store.reader()
    assert read.record(given).urn == urn
    assert read.model_version(given).urn == urn
    assert read.lineage(given).root.urn == urn
    assert read.statement(given).urn == urn
    assert read.resolve(given).urn == urn
    assert read.model(given).name == "braggnn"
    assert read.models(model=given, versions=True).first() is not None
    made = store.data("made", depends_on=[given])
    step = store.step("Use", inputs=[given], models=[given])
    step.finish()
    other = store.model("other", trained_on=given)
    for record, role in ((made, Role.DERIVED_FROM), (other, Role.TRAINED_ON)):
        (link,) = read.record(record).links
        assert (link.role, link.urn) == (role, urn)
    assert {link.urn for link in read.record(step).links} == {urn}
    affected = store.invalidate(given, cause="it was wrong", dry_run=True)
    assert affected.to_dict()["record"]["id"] == urn
    again = store.update(given, hyperparameters={"rate": 0.02})
    assert (again.name, again.version) == ("braggnn", 2)


def test_a_search_takes_records_of_any_form(store: Store, science: Science, tmp_path: Path) -> None:
    read = store.reader()
    (tmp_path / "scan.h5").write_bytes(b"scan")
    scan = store.data("file", file=tmp_path / "scan.h5")
    model = store.model("net", trained_on=[scan])
    for given in (scan, read.record(scan), scan.urn, tmp_path / "scan.h5", [scan]):
        found = read.models(trained_on=given).first()
        assert found is not None
        assert found.match is not None
        assert found.match.urn == model.urn
    assert [one.urn for one in read.records(uri=tmp_path / "scan.h5")] == [scan.urn]
    assert read.record(tmp_path / "scan.h5").urn == scan.urn
    assert [one.urn for one in read.records(kind=Kind.MODEL, name="net")] == [model.urn]
    run = read.run("run-1")
    ids = {one.urn for one in read.records(run_id="run-1")}
    assert ids == {one.urn for one in read.records(run_id=run)}
    assert science.scan.urn in ids


def test_a_run_is_named_by_a_uuid_too(store: Store) -> None:
    run_id = uuid.uuid4()
    store.run(str(run_id), label="second try", flow_id=str(run_id))
    read = store.reader()
    assert read.run(run_id).label == "second try"
    assert [run.run_id for run in read.runs(flow_id=run_id)] == [str(run_id)]


def test_a_slice_begins_with_records_and_runs_that_a_reader_found(
    store: Store, science: Science, tmp_path: Path
) -> None:
    store.data("of no run")
    read = store.reader()
    taken = [
        store.slice(tmp_path / "of-run.db", run_ids=read.run("run-1")),
        store.slice(tmp_path / "of-runs.db", run_ids=read.runs()),
        store.slice(tmp_path / "of-records.db", read.records(run_id="run-1")),
    ]
    assert [sum(one.kinds.values()) for one in taken] == [7, 7, 7]


def test_a_model_of_many_versions_is_no_record_to_depend_on(store: Store, science: Science) -> None:
    model = store.reader().model("braggnn")
    with pytest.raises(InvalidInput, match="several versions"):
        store.reader().record(model)
    assert store.reader().model(model).urn == model.urn


def test_a_list_is_handed_to_recording_calls_as_its_records(store: Store, science: Science) -> None:
    read = store.reader()
    step = store.step("Sum up", inputs=read.records(kind="data"))
    step.finish()
    wanted = {science.scan.urn, science.peaks.urn}
    assert {link.urn for link in read.record(step).links} == wanted


BEGAN: list[Callable[[int], Any]] = [
    lambda at: at,
    lambda at: datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=at),
    lambda at: (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=at)).isoformat(),
]


@pytest.mark.parametrize("spelled", BEGAN, ids=["microseconds", "datetime", "text"])
def test_times_are_given_in_any_form(
    store: Store, science: Science, spelled: Callable[[int], Any]
) -> None:
    read = store.reader()
    made = read.record(science.peaks).created_at
    assert made is not None
    at = (made - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    assert science.peaks.urn in {one.urn for one in read.records(since=spelled(at))}
    assert science.peaks.urn not in {one.urn for one in read.records(until=spelled(at - 1))}
    assert [run.run_id for run in read.runs(since=spelled(NOON), until=spelled(at))] == ["run-1"]
    assert not read.runs(until=spelled(NOON - 1))
    assert not read.models(as_of=spelled(NOON))
    assert read.models(as_of=spelled(at))
    stated = read.statement(science.peaks, as_of=spelled(at)).to_dict()
    assert stated == store.documents().statement(science.peaks.urn, as_of=at)
    assert store.reduce(before=spelled(at + 1), dry_run=True).records > 0


def test_a_datetime_without_a_time_zone_is_refused(store: Store) -> None:
    with pytest.raises(InvalidInput, match="time zone"):
        store.reader().records(since=datetime(2026, 11, 1))


def test_results_are_equal_by_value_and_can_be_copied_and_sent(
    store: Store, science: Science
) -> None:
    read = store.reader()
    for result in (
        read.record(science.scan),
        read.model_version(science.model),
        read.records(kind="step").first(),
        read.runs().first(),
        read.resolve(science.peaks),
    ):
        assert isinstance(result, Result)
        sent = pickle.loads(pickle.dumps(result))
        assert (sent, sent.to_dict()) == (result, result.to_dict())
        assert copy.copy(result) is copy.deepcopy(result) is result
        assert {result: 1}[sent] == 1
        with pytest.raises(AttributeError):
            result.tags = {}  # type: ignore[misc,union-attr]


def test_data_frames_have_a_row_for_each_item_and_a_column_for_each_tag(
    store: Store, science: Science
) -> None:
    pandas = need_module("pandas")
    science.scan.tag(measured_at="Tuesday")
    read = store.reader()
    frame = read.records().to_dataframe().set_index("name")
    assert frame.loc["scan-17", "tags.sample"] == "Ni"
    assert frame.loc["scan-17", "tags.measured_at"] == "Tuesday"
    assert frame.loc["peaks", "tags.peaks"] == 400
    assert frame.loc["scan-17", "uris"] == ["globus://collection/scan-17.h5"]
    assert frame.loc["scan-17", "kind"] == "data"
    assert frame.loc["scan-17", "created_at"] == read.record(science.scan).created_at
    assert str(frame["created_at"].dtype) == "datetime64[us, UTC]"
    assert "action_id" not in read.records(kind="data").to_dataframe()
    runs = read.runs().to_dataframe()
    assert (runs["run_id"][0], runs["start_time"][0]) == ("run-1", read.run("run-1").start_time)
    assert pandas.isna(runs["completion_time"][0])
    (best,) = read.models(best="mae", where="rate<1").to_dataframe().to_dict("records")
    assert (best["match"], best["match.value"]) == (science.model.urn, 0.07)
    assert (best["match.compared.rate"], best["match.scores.mae"]) == (0.01, 0.07)
    assert list(read.model("braggnn").versions.to_dataframe()["version"]) == [0, 1]
    steps = read.run("run-1").steps.to_dataframe()
    assert list(steps["inputs"]) == [[science.scan.urn]] * 2
    assert steps["parameters.epochs"][0] == 2
    lineage = read.lineage(science.peaks).to_dataframe()
    assert next(iter(lineage["name"])) == "peaks"
    assert list(lineage["distance"]) == sorted(lineage["distance"])
    nothing = read.records(name="none of that name").to_dataframe()
    assert (len(nothing), str(nothing["created_at"].dtype)) == (0, "datetime64[us, UTC]")


def test_without_pandas_one_sentence_says_how_to_install_it(
    store: Store, science: Science, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    assert EXTRAS["frames"] == ("pandas",)
    read = store.reader()
    for ask in (read.records().to_dataframe, read.lineage("peaks").to_dataframe):
        with pytest.raises(MissingExtra, match=r"pip install 'braid-provenance\[frames\]'"):
            ask()


def test_notebooks_show_tables_in_which_names_are_text(store: Store) -> None:
    name = "<script>alert('x')</script>"
    recorder = store.recorder(run_id="run-1", environment=None)
    recorder.run("run-1", label=name)
    data = recorder.data(name, tags={name: name}, uris=[f"file:///{name}"])
    with recorder.step(name, inputs=[data]) as step:
        made = step.updated(recorder.model(name), [data], hyperparameters={name: name})
    read = store.reader()
    shown = [
        read.records(),
        read.record(data),
        read.record(step),
        read.model_version(made),
        read.models(),
        read.model(made),
        read.runs(),
        read.run("run-1"),
        read.lineage(made),
        read.resolve(made),
    ]
    for result in shown:
        html = result._repr_html_()
        assert "<script" not in html
        assert "&lt;script&gt;" in html
    assert "<td>step</td>" in read.records()._repr_html_()


def test_a_notebook_shows_the_first_items_of_a_long_list(store: Store) -> None:
    with store.transaction():
        last = [store.data(f"scan-{number}") for number in range(150)][-1]
    html = store.reader().records()._repr_html_()
    assert html.count("<tr>") == 21
    assert last.short_id in html
    assert "The first 20 of 100 or more" in html


def test_a_lineage_is_drawn_where_braid_is_imported_and_a_table_where_it_is_not(
    store: Store, science: Science, monkeypatch: pytest.MonkeyPatch
) -> None:
    import braid

    lineage = store.reader().lineage(science.peaks)
    drawing.draw_with(braid._draw)
    picture = lineage._repr_html_()
    assert picture.startswith("<svg")
    assert "peaks" in picture
    monkeypatch.setattr(drawing, "_ways", [])
    assert lineage._repr_html_().startswith("<table")


def test_a_text_of_a_result_is_short_and_says_kind_name_and_urn(
    store: Store, science: Science
) -> None:
    read = store.reader()
    scan, model = science.scan.urn, science.model.urn
    assert repr(read.record(scan)) == f"<data 'scan-17' {scan}>"
    assert repr(read.record(model)) == f"<model 'braggnn' v1 {model}>"
    assert repr(read.run("run-1")) == "<run None run-1>"
    assert repr(read.statement(scan)) == f"<statement on 'scan-17' {scan}>"
    assert str(read.statement(scan)).startswith("Statement on scan-17")
    assert repr(read.records()) == "<7 records>"


def test_a_document_of_a_damaged_store_is_refused_with_what_is_wrong_where() -> None:
    run = dict.fromkeys(Run.__struct_fields__) | {"run_id": "run-1", "tags": []}
    assert read_result(run, Run).run_id == "run-1"
    for name, value in (("label", 3), ("start_time", "17"), ("tags", None)):
        with pytest.raises(BadFile, match=rf"{name}.*braid store check"):
            read_result(run | {name: value}, Run)


def test_what_a_later_version_names_is_no_reason_not_to_read(store: Store) -> None:
    store.data("scan")
    document = store.documents().record("scan")
    found = read_result(document | {"kind": "unknown_9", "later": 1}, RecordDetail)
    assert (found.kind, found.kind.label) == (9, "unknown_9")
    assert found.to_dict()["kind"] == "unknown_9"


def test_the_reader_is_found_under_its_name() -> None:
    import braid

    assert braid.Reader is Reader


def test_the_lineage_of_a_reader_is_the_graph_of_the_documents(store: Store) -> None:
    science = some_science(store)
    how: dict[str, Any] = {"roles": [Role.GENERATED_BY], "kinds": [Kind.STEP]}
    found = store.reader().lineage(science.peaks, "up", **how)
    document = store.documents().lineage(
        science.peaks.urn, "up", roles=["generated_by"], kinds=["step"]
    )
    assert found.to_dict() == document
    assert store.reader().lineage(science.peaks, kinds="model").to_dict() == (
        store.documents().lineage(science.peaks.urn, kinds=["model"])
    )
    assert not hasattr(store, "lineage")
