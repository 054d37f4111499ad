"""Finding records and runs again: filters, pages, and what a viewer may see."""

from __future__ import annotations

import contextlib
import itertools
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy.exc import DBAPIError

from provenance_store import Audience, Batch, Role, Store, Viewer, open_store
from provenance_store.errors import Ambiguous, InvalidInput, NotFound, StoreUnavailable
from provenance_store.filters import write_marker
from provenance_store.queries.prefetch import Prefetch
from provenance_store.rows import LinkRow
from provenance_store.service import StoreService
from provenance_store.sql.step_queries import LATEST
from provenance_store.values import EVERYTHING

ALICE, BOB = "urn:globus:auth:identity:alice", "urn:globus:auth:identity:bob"
TEAM = "urn:globus:groups:id:team"


def names(page: dict[str, Any]) -> list[str]:
    return [record["name"] for record in page["records"]]


@pytest.fixture
def filled(store: Store) -> Store:
    """Ten scans with tags and URIs, at times 0, 10, … 90, of two runs."""
    clock: Iterator[int] = iter(range(10_000))
    for n in range(10):
        recorder = store.recorder(run_id=f"run-{n % 2}", clock=lambda n=n: n * 10)  # type: ignore[misc]
        recorder.data(
            f"scan_{n}",
            uris=[{"uri": f"globus://c/scan_{n}.h5", "digest": f"sha256:{n:02x}"}],
            tags={"temperature_K": 280 + n, "sample": "Ni" if n < 5 else "Ti", "dark": n == 0},
        )
    next(clock)
    return store


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({"name": "scan_3"}, [3]),
        ({"name": "scan_*"}, range(9, -1, -1)),
        ({"name": "scanx3"}, []),
        ({"name": "scan%"}, []),
        ({"uri": "globus://c/scan_3.h5"}, [3]),
        ({"uri": "globus://c/scan_*"}, range(9, -1, -1)),
        ({"digest": "sha256:04"}, [4]),
        ({"tags": ["sample=Ni"]}, [4, 3, 2, 1, 0]),
        ({"tags": ["sample!=Ni"]}, [9, 8, 7, 6, 5]),
        ({"tags": ["temperature_K>287"]}, [9, 8]),
        ({"tags": ["temperature_K >= 287", "sample=Ti"]}, [9, 8, 7]),
        ({"tags": ["temperature_K<281"]}, [0]),
        ({"tags": ["temperature_K=285"]}, [5]),
        ({"tags": ["temperature_K=285.0"]}, [5]),
        ({"tags": ["dark=true"]}, [0]),
        ({"tags": ["sample"], "name": "scan_1"}, [1]),
        ({"tags": ["nothing"]}, []),
        ({"run_id": "run-1"}, [9, 7, 5, 3, 1]),
        ({"since": 70}, [9, 8, 7]),
        ({"since": 30, "until": 50}, [4, 3]),
        ({"kind": "model"}, []),
        ({"kind": "data", "limit": 2}, [9, 8]),
    ],
)
def test_records_are_found_by_what_is_known_of_them(
    filled: Store, wanted: dict[str, Any], found: list[int]
) -> None:
    assert names(filled.documents().records(**wanted)) == [f"scan_{n}" for n in found]


def test_a_run_is_named_by_the_beginning_of_its_id_that_no_other_has(store: Store) -> None:
    for run_id in ("abcd-1", "abcd-2", "abcd", "abc%-9", "x" * 64):
        store.run(run_id)
        store.recorder(run_id=run_id).step("only")
    store.run("abcd-3-secret", audience=Audience(BOB))
    reader = store.documents()
    for text, found in (("abcd-2", "abcd-2"), ("abcd", "abcd"), ("xxxx", "x" * 64)):
        run = reader.run(text)
        assert (run["run_id"], len(run["steps"])) == (found, 1)
    with pytest.raises(Ambiguous) as several:
        reader.run("abcd-")
    assert several.value.choices == ("abcd-1", "abcd-2", "abcd-3-secret")
    for text in ("xxx", "abc", "abcd-9", "ab%-", "abc_", "ABCD-1", "xxxx*", ""):
        with pytest.raises(NotFound):
            reader.run(text)
    with pytest.raises(NotFound):
        store.documents(Viewer(frozenset({ALICE}))).run("abcd-3")


def test_pages_follow_each_other_without_gap_or_repeat(filled: Store) -> None:
    seen: list[str] = []
    marker = None
    for expected_more in (True, True, True, False):
        page = filled.documents().records(limit=3, marker=marker)
        seen += names(page)
        marker = page["marker"]
        assert page["has_next_page"] is expected_more
        assert page["limit"] == 3
    assert marker is None
    assert seen == [f"scan_{n}" for n in range(9, -1, -1)]


def test_runs_are_listed_latest_first_with_the_field_names_of_globus(store: Store) -> None:
    for n in range(5):
        store.run(
            f"run-{n}",
            at=n,
            start_time=n * 1_000_000,
            flow_id="f-even" if n % 2 == 0 else "f-odd",
            label=f"scan {n}",
            status="SUCCEEDED" if n else "FAILED",
            run_owner=ALICE,
            tags=["hedm", f"n{n}"],
        )
    read = store.documents()
    page = read.runs(limit=2)
    assert [run["run_id"] for run in page["runs"]] == ["run-4", "run-3"]
    assert page["runs"][0] == {
        "run_id": "run-4",
        "flow_id": "f-even",
        "flow_title": None,
        "label": "scan 4",
        "status": "SUCCEEDED",
        "run_owner": ALICE,
        "recorded_by": None,
        "start_time": "1970-01-01T00:00:04.000000+00:00",
        "completion_time": None,
        "last_heard_at": None,
        "tags": ["hedm", "n4"],
    }
    rest = read.runs(limit=10, marker=page["marker"])
    assert [run["run_id"] for run in rest["runs"]] == ["run-2", "run-1", "run-0"]

    def found(**wanted: Any) -> list[str]:
        return [run["run_id"][4:] for run in read.runs(**wanted)["runs"]]

    assert found(flow_id="f-odd") == ["3", "1"]
    assert found(status="FAILED") == ["0"]
    assert found(label="scan 2") == ["2"]
    assert found(label="scan*") == ["4", "3", "2", "1", "0"]
    assert found(tag="n3") == ["3"]
    assert found(owner=BOB) == []
    assert found(since=2_000_000, until=4_000_000) == ["3", "2"]


@pytest.mark.parametrize(
    ("condition", "found"),
    [
        ("v=1.10", ["text", "number"]),
        ("v=1.1", ["number"]),
        ("v!=1.10", ["other text", "other number"]),
        ("v!=1.1", ["text", "other text", "other number"]),
        ("v>1.05", ["number", "other number"]),
        ("commit=12e3456", ["text"]),
    ],
)
def test_a_condition_holds_for_numbers_and_for_texts(
    store: Store, condition: str, found: list[str]
) -> None:
    recorder = store.recorder()
    recorder.data("other number", tags={"v": 2})
    recorder.data("other text", tags={"v": "1.9"})
    recorder.data("number", tags={"v": 1.1})
    recorder.data("text", tags={"v": "1.10", "commit": "12e3456"})
    assert names(store.documents().records(tags=[condition])) == found


@pytest.mark.parametrize(
    ("condition", "found"),
    [
        ("ok=yes", ["yes", "truth"]),
        ("ok=True", ["truth"]),
        ("ok=true", ["true", "truth"]),
        ("ok=no", ["lie"]),
        ("ok!=no", ["true", "yes", "truth"]),
        ("ok!=yes", ["true", "lie"]),
        ("ok=1", ["truth"]),
    ],
)
def test_truth_values_are_found_by_either_word(
    store: Store, condition: str, found: list[str]
) -> None:
    """Texts are equal to themselves only."""
    for name, value in {"lie": False, "truth": True, "yes": "yes", "true": "true"}.items():
        store.data(name, tags={"ok": value})
    assert names(store.documents().records(tags=[condition])) == found
    for name, value in {"lie": False, "truth": True, "yes": "yes", "true": "true"}.items():
        store.model(name, hyperparameters={"ok": value})
    models = store.documents().models(where=[condition])["models"]
    assert {model["name"] for model in models} == set(found)


def test_runs_are_found_by_tags_of_their_steps(store: Store) -> None:
    for n in range(3):
        store.run(f"run-{n}")
        store.recorder(run_id=f"run-{n}").step("Measure", tags={"temperature_K": 290 + n})
    found = store.documents().runs(tag="temperature_K>290")["runs"]
    assert {run["run_id"] for run in found} == {"run-1", "run-2"}


def test_a_run_tells_its_steps_in_order_with_inputs_outputs_and_models(store: Store) -> None:
    store.run("r1", status="ACTIVE")
    recorder = store.recorder(run_id="r1")
    scan = recorder.data("scan", uris=["globus://c/scan"])
    late = recorder.step("Second", started_at=20, inputs=[scan])
    model = recorder.model("m")
    late.used(model)
    late.updated(model, [scan], scores={"v": 1.5})
    recorder.finish(late)
    with recorder.step("First", started_at=10) as first:
        first.output("out")
    steps = store.documents().run("r1")["steps"]
    assert [step["name"] for step in steps] == ["First", "Second"]
    assert [o["name"] for o in steps[0]["outputs"]] == ["out"]
    second = steps[1]
    assert [(i["name"], i["how"]) for i in second["inputs"]] == [("scan", "used")]
    assert second["inputs"][0]["uris"][0]["uri"] == "globus://c/scan"
    assert [(m["name"], m["version"], m["how"]) for m in second["models"]] == [
        ("m", 0, "used"),
        ("m", 1, "updated"),
    ]
    assert second["counts"] == {"inputs": 1, "outputs": 0, "models": 2}


def test_models_are_listed_with_their_latest_version(store: Store) -> None:
    scan = store.data("scan")
    first = store.model("a")
    latest = first.update([scan]).update([scan])
    first.update([scan])
    store.model("b")
    page = store.documents().models(name="a")
    assert [(m["name"], m["versions"], m["branches"]) for m in page["models"]] == [("a", 4, 2)]
    assert page["models"][0]["latest"]["id"] == latest.urn
    assert [m["name"] for m in store.documents().models()["models"]] == ["b", "a"]


# ---- who may see what ------------------------------------------------------------------


def as_viewer(store: Store, *principals: str) -> Any:
    return store.documents(Viewer(frozenset(principals)))


def test_a_record_is_seen_by_its_owner_and_readers_only(store: Store) -> None:
    mine = store.recorder(audience=Audience(ALICE, readers=(TEAM,)))
    scan = mine.data("scan", uris=["globus://c/x"])
    for principals in ([ALICE], [TEAM], [BOB, TEAM]):
        assert as_viewer(store, *principals).record(scan.urn)["owner"] == ALICE
    stranger = as_viewer(store, BOB)
    for question in (
        lambda: stranger.record(scan.urn),
        lambda: stranger.resolve(scan.short_id),
        lambda: stranger.lineage(scan.urn),
    ):
        with pytest.raises(NotFound):
            question()
    assert stranger.records()["records"] == []
    assert stranger.find_uri("globus://c/x") is None
    assert as_viewer(store, ALICE).find_uri("globus://c/x") == scan.id


def test_nobody_in_particular_sees_nothing(store: Store) -> None:
    store.data("scan")
    store.run("r1")
    nobody = as_viewer(store)
    assert nobody.records()["records"] == []
    assert nobody.runs()["runs"] == []


def test_who_may_see_a_run_sees_its_records(store: Store) -> None:
    store.run("r1", audience=Audience(ALICE, readers=(BOB,)))
    record = store.recorder(run_id="r1", audience=Audience(ALICE)).data("scan")
    assert as_viewer(store, BOB).record(record.urn)["name"] == "scan"
    assert StoreService(store).run_members("r1") == {ALICE: 2, BOB: 1}
    assert StoreService(store).run_members("r2") is None


def test_in_a_lineage_the_unseen_is_a_placeholder_and_not_a_hole(store: Store) -> None:
    alice = store.recorder(audience=Audience(ALICE))
    bob = store.recorder(audience=Audience(BOB))
    raw = bob.data("raw")
    secret = alice.data("secret recipe", depends_on=[raw])
    result = bob.data("result", depends_on=[secret])
    lineage = as_viewer(store, BOB).lineage(result.urn)
    assert [(node["name"], node["distance"]) for node in lineage["nodes"]] == [
        ("result", 0),
        (None, 1),
        ("raw", 2),
    ]
    assert lineage["nodes"][1] == {
        "id": "restricted:1",
        "kind": "restricted",
        "name": None,
        "restricted": True,
        "distance": 1,
    }
    assert len(lineage["links"]) == 2
    assert "secret" not in str(lineage)
    assert secret.urn not in str(lineage)
    assert "secret" not in str(as_viewer(store, BOB).record(result.urn))


def test_models_of_others_are_not_listed(store: Store) -> None:
    store.recorder(audience=Audience(ALICE)).model("m")
    assert as_viewer(store, BOB).models()["models"] == []
    assert as_viewer(store, BOB).heads("m") == []
    with pytest.raises(NotFound):
        as_viewer(store, BOB).model("m")


def test_among_very_many_versions_neither_the_newest_nor_the_viewers_own_is_missed(
    store: Store,
) -> None:
    own = store.recorder(audience=Audience(ALICE)).model("net")
    theirs = store.recorder(audience=Audience(BOB, readers=(ALICE,)))
    with theirs.transaction():
        last = theirs.model("net")
        for _ in range(LATEST + 1):
            last = theirs.update(last)
    for viewer, wanted in ((ALICE, own), (BOB, last)):
        reader = as_viewer(store, viewer)
        assert [head.id for head in reader.heads("net")] == [wanted.id]
        with StoreService(store).read_snapshot():
            StoreService(store).prefetch(
                Prefetch(heads={Viewer(frozenset([viewer])): {"net", "none"}})
            )
            assert [head.id for head in reader.heads("net")] == [wanted.id]
            assert reader.heads("none") == []


# ---- lineage ---------------------------------------------------------------------------


def test_lineage_goes_up_and_down_by_depth(store: Store) -> None:
    a = store.data("a")
    b = store.data("b", depends_on=[a])
    c = store.data("c", depends_on=[a, b])
    read = store.documents()

    def reached(reference: str, **how: Any) -> set[str]:
        return {node["name"] for node in read.lineage(reference, **how)["nodes"]}

    assert reached(c.urn) == {"a", "b", "c"}
    assert reached(a.urn) == {"a"}
    assert reached(a.urn, direction="down") == {"a", "b", "c"}
    assert reached(c.urn, depth=1) == {"a", "b", "c"}
    assert reached(b.urn, direction="down", depth=1) == {"b", "c"}
    assert read.lineage(c.urn)["truncated"] is False
    assert read.lineage(c.urn, limit=2)["truncated"] is True
    assert len(read.lineage(c.urn, limit=2)["nodes"]) == 2


def test_a_model_cycle_is_unrolled_by_version(store: Store) -> None:
    model = store.model("m")
    for n in range(3):
        data = store.data(f"made by version {n}", depends_on=[model])
        model = model.update([data])
    nodes = store.documents().lineage(model.urn)["nodes"]
    assert sorted(node["version"] for node in nodes if node["kind"] == "model") == [0, 1, 2, 3]
    assert len(nodes) == 7


def test_a_cycle_of_links_is_harmless(store: Store) -> None:
    one = store.data("one", live=True)
    two = store.data("two", depends_on=[one])
    store.sink.write(Batch(link=[LinkRow(two.id, one.id, Role.DERIVED_FROM.value)]))
    assert len(store.documents().lineage(one.urn)["nodes"]) == 2


BAD_QUESTIONS: list[tuple[str, Callable[[Any], object]]] = [
    ("limit 0", lambda r: r.records(limit=0)),
    ("limit over 1000", lambda r: r.runs(limit=1001)),
    ("marker of nobody", lambda r: r.records(marker="xyz")),
    ("marker that is not base64", lambda r: r.records(marker="é")),
    ("marker of runs for records", lambda r: r.records(marker="WzEsImEiXQ")),
    ("marker with a huge number", lambda r: r.runs(marker="W" + "9" * 60)),
    ("unknown kind", lambda r: r.records(kind="thing")),
    ("tag condition without a name", lambda r: r.records(tags=["=5"])),
    ("comparison with text", lambda r: r.records(tags=["t>warm"])),
    ("direction", lambda r: r.lineage("1.1", direction="sideways")),
    ("depth 0", lambda r: r.lineage("1.1", depth=0)),
    ("limit of nodes", lambda r: r.lineage("1.1", limit=0)),
    ("not an id", lambda r: r.record("urn:braid:scan")),
    ("id with a number too large", lambda r: r.record("1.99999999999")),
    ("line of a record that is no model", lambda r: r.model("1.1")),
]


@pytest.mark.parametrize(("what", "ask"), BAD_QUESTIONS, ids=[what for what, _ in BAD_QUESTIONS])
def test_a_bad_question_is_answered_with_one_sentence(
    store: Store, what: str, ask: Callable[[Any], object]
) -> None:
    store.data("scan")
    with pytest.raises(InvalidInput) as caught:
        ask(store.documents())
    assert "\n" not in caught.value.message
    assert caught.value.message.endswith(".")


@pytest.mark.parametrize("text", ["a\x00b", "\udcff"])
def test_what_no_store_can_hold_is_not_found_in_one(store: Store, text: str) -> None:
    reader = store.documents()
    for ask in (reader.run, reader.model, lambda name: reader.record(f"urn:{name}")):
        with pytest.raises((NotFound, InvalidInput)):
            ask(text)
    marker = write_marker(1, "a\x00b")
    with contextlib.suppress(InvalidInput):
        assert reader.runs(marker=marker)["runs"] == []
    with contextlib.suppress(InvalidInput):
        assert StoreService(store).actions.get(text) is None


@pytest.mark.parametrize("alone", [False, True])
def test_many_questions_over_one_connection_survive_one_that_fails(
    store: Store, alone: bool
) -> None:
    scan = store.data("scan", uris=["file:///scan.h5"])
    reader = store.documents()
    with StoreService(store).read_snapshot(alone=alone):
        assert reader.find_uri("file:///scan.h5") == scan.id
        with pytest.raises((DBAPIError, StoreUnavailable)), store.sink.session.look() as raw:
            raw.execute("SELECT nothing FROM nowhere")
        assert reader.find_uri("file:///scan.h5") == scan.id
        assert reader.find_uri("file:///\ud800") is None
        assert reader.find_uri("file:///scan.h5") == scan.id
        with pytest.raises(NotFound):
            reader.resolve("urn:braid:00000000-0000-4000-8000-000000000000:1")
        assert reader.find_uri("file:///scan.h5") == scan.id
    later = store.data("later", uris=["file:///later.h5"])
    assert reader.find_uri("file:///later.h5") == later.id


def test_what_is_asked_together_is_answered_as_if_it_was_asked_singly(store: Store) -> None:
    store.run("r1", flow_id="f")
    store.data("scan", uris=["file:///scan.h5"])
    first = store.model("net")
    second, branch = store.update(first), store.update(first)
    reader = store.documents()
    names, uris = ("net", "none", 'quoted "\\ {}, NULL'), ["file:///scan.h5", "file:///none\\n"]

    def answers() -> list[object]:
        heads = [[head.id for head in reader.heads(name)] for name in names]
        return [
            heads,
            reader.find_uris(uris),
            *map(StoreService(store).run_members, ("r1", "none")),
        ]

    singly = answers()
    assert singly[0] == [[branch.id, second.id], [], []]
    wanted = Prefetch(
        {"r1", "none"}, {"paths": {"r1"}}, dict.fromkeys(uris), {EVERYTHING: {*names}}
    )
    with StoreService(store).read_snapshot():
        StoreService(store).prefetch(wanted)
        assert answers() == singly
        assert store.sink.run_known("none") is None
        assert not reader.has_documents("r1", "paths")
    # One that no database takes leaves the others to be asked singly.
    odd = Prefetch({"\ud800", "r1"}, {}, dict.fromkeys([*uris, "\ud800"]), {})
    with StoreService(store).read_snapshot():
        StoreService(store).prefetch(odd)
        assert answers() == singly


def test_who_is_alone_looks_and_writes_by_turns(store: Store, store_url: str) -> None:
    with open_store(store_url) as other:
        for number in range(3):
            theirs = other.data("theirs", uris=[f"file:///theirs-{number}"])
            with StoreService(store).read_snapshot(alone=True):
                assert store.documents().find_uri(f"file:///theirs-{number}") == theirs.id
            with pytest.raises(ZeroDivisionError), StoreService(store).read_snapshot(alone=True):
                assert store.documents().find_uri(f"file:///ours-{number}") is None
                raise ZeroDivisionError  # what it looked at is let go
            ours = store.data("ours", uris=[f"file:///ours-{number}"])
            assert other.documents().find_uri(f"file:///ours-{number}") == ours.id


END = 1 << 62


def test_what_a_step_asks_does_not_grow_with_its_run_or_its_model(tmp_path: Path) -> None:
    def work(steps: int) -> int:
        """Hundreds of instructions of SQLite's virtual machine."""
        looks = itertools.count()
        with open_store(f"sqlite:///{tmp_path}/{steps}.db") as store:
            recorder = store.recorder(run_id="long")
            with recorder.transaction():
                version = recorder.model("net")
                for _ in range(steps // 10):
                    version = recorder.update(version)
                made = [recorder.step(f"step {number}") for number in range(steps)]
            prepared, session = store.sink.prepared, store.sink.session
            with session.look() as raw:
                raw.set_progress_handler(lambda: next(looks) and None, 100)
                assert prepared.last_step(raw, EVERYTHING, "long") == made[-1].id
                assert prepared.documented(raw, ["long"], "paths")() == set()
                heads = prepared.nearest_heads(raw, EVERYTHING, "net")
                assert [head[0] for head in heads] == [version.id]
                raw.set_progress_handler(None, 0)
        return next(looks)

    assert work(20_000) < 2 * work(5_000)


class Counting:
    """A driver's connection that counts: instructions of SQLite's virtual machine, by hundreds, or
    rows and index entries of records that PostgreSQL read."""

    def __init__(self, raw: Any) -> None:
        self._raw = raw
        self.count = 0

    def execute(self, text: str, values: Any, **how: Any) -> Any:
        if isinstance(self._raw, sqlite3.Connection):
            self._raw.set_progress_handler(self._step, 100)
            found = self._raw.execute(text, values).fetchall()
            self._raw.set_progress_handler(None, 0)
            return SimpleNamespace(fetchall=lambda: found)
        explained = f"EXPLAIN (ANALYZE, FORMAT JSON) {text}"
        plan = self._raw.execute(explained, values, **how).fetchone()[0][0]["Plan"]
        self.count += sum(
            (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"]
            for node in every_node(plan)
            if node.get("Relation Name") == "record" or "record" in node.get("Index Name", "")
        )
        return self._raw.execute(text, values, **how)

    def _step(self) -> None:
        self.count += 1


def every_node(plan: Any) -> Iterator[Any]:
    yield plan
    for below in plan.get("Plans", ()):
        yield from every_node(below)


def test_what_a_step_asks_of_its_run_does_not_grow_with_the_run(store: Store) -> None:
    last = {}
    for run, steps in (("of 2,000", 2_000), ("of 12,000", 12_000), ("another", 2_000)):
        recorder = store.recorder(run_id=run)
        with recorder.transaction():
            recorder.step("first", parameters={"n": 0} if steps > 2_000 else None)
            last[run] = [recorder.step(f"step {number}").id for number in range(1, steps)][-1]
    prepared, session = store.sink.prepared, store.sink.session

    def work(run: str) -> int:
        with session.look() as raw:
            counting = Counting(raw)
            assert prepared.last_step(counting, EVERYTHING, run) == last[run]
            found = prepared.documented(counting, [run, "another"], "parameters")()
            assert found == {run} & {"of 12,000"}
            assert last[run] in {row[0] for row in prepared.run_files(counting, run, "paths", END)}
        assert counting.count
        return counting.count

    assert work("of 12,000") < 1.5 * work("of 2,000")
