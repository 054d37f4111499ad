"""Bad batches: the right status, one clear sentence, nothing written; whatever is sent."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flows.sandbox import Sandbox
from provenance_store import Batch, encode_batch
from provenance_store.batch import TABLES
from provenance_store.rows import (
    AudienceMemberRow,
    AudienceRow,
    EnvironmentRow,
    LinkRow,
    MetricRow,
    OriginRow,
    RunTagRow,
)
from provenance_store.values import digest_of
from tests.functional.provider.batches import everything, post
from tests.functional.provider.house import House, Person, Town, serving

Change = Callable[[Batch], object]
SURROGATE = b"\xed\xa0\x80"
SOMEBODY = "urn:globus:auth:identity:00000000-0000-4000-8000-000000000000"
DAWN, DOOM = -(1 << 62), 1 << 62


class Bad(NamedTuple):
    """A change to a good batch, or bytes; how it is answered, and what the sentence mentions."""

    name: str
    change: Change | bytes
    status: int
    says: str


def put(table: str, place: int = 0, **fields: Any) -> Change:
    """Other values in a row."""

    def change(batch: Batch) -> None:
        rows = getattr(batch, table)
        rows[place] = rows[place]._replace(**fields)

    return change


def add(table: str, row: Callable[[Batch], Any]) -> Change:
    """One more row."""
    return lambda batch: getattr(batch, table).append(row(batch))


def drop(table: str, place: int = 0) -> Change:
    """A row less."""
    return lambda batch: getattr(batch, table).pop(place)


def raw(old: bytes, new: bytes) -> bytes:
    """The bytes of a good batch with other bytes in their midst."""
    data = encode_batch(everything()[1])
    assert old in data
    return data.replace(old, new, 1)


def document(**tables: Any) -> bytes:
    """Tables of any content."""
    return msgspec.msgpack.encode(tables)


def deep(levels: int) -> bytes:
    return b"\x91" * levels + b"\xc0"


def tag(type_: int, text: str, number: float | None) -> Change:
    return put("tag", type=type_, text=text, number=number)


def payload(text: str) -> Change:
    return put("payload", document=text)


def audience(owner: str, *members: tuple[str, int], digest: str | None = None) -> Change:
    """An audience of a digest that may not be its own."""
    own = digest or digest_of([owner, sorted(members)])

    def change(batch: Batch) -> None:
        batch.audience.append(AudienceRow(own, owner))
        batch.audience_member.extend(AudienceMemberRow(own, *member) for member in members)

    return change


def of_step(batch: Batch) -> int:
    return batch.step[0].id


def of_data(batch: Batch) -> int:
    return batch.record[1].id


WHOLE = encode_batch(everything()[1])

BAD: list[Bad] = [
    # bytes
    Bad("no body", b"", 400, "no body"),
    Bad("text", b"hello", 422, "batch"),
    Bad("JSON", b'{"record": []}', 422, "batch"),
    Bad("nil", b"\xc0", 422, "not a batch"),
    Bad("a list", b"\x90", 422, "not a batch"),
    Bad("cut off", WHOLE[:-1], 422, "truncated"),
    Bad("cut in the middle", WHOLE[: len(WHOLE) // 2], 422, "truncated"),
    Bad("something behind", WHOLE + b"\xc0", 422, "trailing"),
    Bad("two batches", WHOLE + WHOLE, 422, "trailing"),
    Bad("an extension type", b"\xc7\x01\x05\x00", 422, "not a batch"),
    Bad("a reserved byte", b"\xc1", 422, "batch"),
    Bad("a list said to be endless", b"\x81\xa6record\xdd\xff\xff\xff\xff", 422, "truncated"),
    Bad("text said to be endless", b"\x81\xdb\xff\xff\xff\xffx", 422, "truncated"),
    Bad("text that is not UTF-8", raw(b"calibration", b"cali\xff\xfeation"), 422, "UTF-8"),
    Bad("a lone surrogate", raw(b"cal", SURROGATE), 422, "UTF-8"),
    Bad("nested without end", b"\x81\xa6record" + deep(200_000), 413, "deep"),
    Bad("an unknown table, nested without end", b"\x81\xa1x" + deep(200_000), 413, "deep"),
    Bad("an unknown table", document(records=[]), 422, "'records'"),
    Bad("a table that is no list", document(record={}), 422, "list"),
    Bad("a row that is no list", document(record=[7]), 422, "record[0]"),
    Bad("a short row", document(link=[[1, 2]]), 422, "link[0]"),
    Bad("a long row", document(link=[[1, 2, 3, 4]]), 422, "link[0]"),
    Bad("text for a number", document(link=[["1", 2, 3]]), 422, "link[0]"),
    Bad("a fraction for a number", document(link=[[1.5, 2, 3]]), 422, "link[0]"),
    Bad("true for a number", document(link=[[True, 2, 3]]), 422, "link[0]"),
    Bad("nil for an id", document(link=[[None, 2, 3]]), 422, "link[0]"),
    # origins and ids
    Bad("no origins", lambda b: b.origin.clear(), 422, "no origin"),
    Bad("an origin that is none", put("origin", uuid="x"), 422, "UUID"),
    Bad(
        "an origin in capitals",
        put("origin", uuid="A" * 8 + "-AAAA" * 3 + "-" + "A" * 12),
        422,
        "lower",
    ),
    Bad("an origin of number 0", put("origin", no=0), 422, "number"),
    Bad("an origin of a negative number", put("origin", no=-1), 422, "number"),
    Bad("an origin of a large number", put("origin", no=1 << 31), 422, "number"),
    Bad(
        "two origins of a number",
        add("origin", lambda b: b.origin[0]._replace(uuid=SOMEBODY[-36:])),
        422,
        "same no",
    ),
    Bad("an origin twice", add("origin", lambda b: b.origin[0]._replace(no=2)), 422, "same uuid"),
    Bad(
        "thousands of origins",
        lambda b: b.origin.extend(
            OriginRow(n, f"{n:08d}-0000-4000-8000-000000000000", "", "", 0, "", 0)
            for n in range(2, 2000)
        ),
        422,
        "at most 1000",
    ),
    Bad("an origin of another age", put("origin", started_at=DOOM), 422, "time"),
    Bad("a long host", put("origin", host="x" * 600), 422, "512"),
    Bad("NUL in software", put("origin", software="a\x00"), 422, "NUL"),
    Bad("a negative id", put("record", id=-5), 422, "record[0].id"),
    Bad("id 0", put("record", id=0), 422, "record[0].id"),
    Bad("an id without a sequence", put("record", id=1 << 32), 422, "record[0].id"),
    Bad("an id of 64 bits", put("record", id=(1 << 64) - 1), 422, "record[0].id"),
    Bad("a foreign id", put("record", id=7 << 32 | 1), 422, "no origin"),
    Bad(
        "a link to a foreign id",
        add("link", lambda b: LinkRow(9 << 32 | 1, of_data(b), 4)),
        422,
        "to_id",
    ),
    # records
    Bad("kind 0", put("record", kind=0), 422, "kind 0"),
    Bad("kind 99", put("record", kind=99), 422, "kind 99"),
    Bad("no name", put("record", name=""), 422, "empty"),
    Bad("a long name", put("record", name="x" * 2000), 422, "1024"),
    Bad("NUL in a name", put("record", name="a\x00b"), 422, "NUL"),
    Bad("before all times", put("record", created_at=DAWN), 422, "time"),
    Bad("after all times", put("record", created_at=DOOM), 422, "time"),
    Bad("half alive", put("record", live=2), 422, "live"),
    Bad("an empty run id", put("record", run_id=""), 422, "run id"),
    Bad("a long run id", put("record", run_id="x" * 65), 422, "run id"),
    Bad("an environment that is not carried", put("record", environment="sha256:0"), 422, "carry"),
    Bad("an audience that is not carried", put("record", audience="sha256:0"), 422, "carry"),
    Bad(
        "a record twice, otherwise",
        add("record", lambda b: b.record[0]._replace(name="x")),
        409,
        "record",
    ),
    # environments and audiences
    Bad(
        "an environment under another digest",
        add("environment", lambda _: EnvironmentRow("sha256:0", "{}")),
        422,
        "digest",
    ),
    Bad(
        "an environment that is a list",
        add("environment", lambda _: EnvironmentRow(digest_of([]), "[]")),
        422,
        "object",
    ),
    Bad(
        "an environment that is no JSON",
        add("environment", lambda _: EnvironmentRow("x", "{")),
        422,
        "JSON",
    ),
    Bad("an audience of nobody", add("audience", lambda _: AudienceRow("x", "")), 422, "principal"),
    Bad(
        "an audience of everybody",
        audience(SOMEBODY, ("public", 1), (SOMEBODY, 2)),
        422,
        "principal",
    ),
    Bad("an audience of another", audience(SOMEBODY, (SOMEBODY, 2)), 403, "another owner"),
    Bad(
        "an audience under another digest",
        audience(SOMEBODY, (SOMEBODY, 2), digest="x"),
        422,
        "digest",
    ),
    Bad("an audience without its owner", audience(SOMEBODY), 422, "digest"),
    Bad("a member of level 3", audience(SOMEBODY, (SOMEBODY, 3)), 422, "level 3"),
    Bad("a member in capitals", audience(SOMEBODY, (SOMEBODY.upper(), 2)), 422, "lower"),
    Bad(
        "a member of nothing",
        add("audience_member", lambda _: AudienceMemberRow("x", SOMEBODY, 1)),
        422,
        "carry",
    ),
    # steps and versions
    Bad("a step without its row", drop("step"), 422, "table step"),
    Bad("a step's row without a step", put("step", id=1 << 32 | 900), 422, "step[0]"),
    Bad("a step's row of data", lambda b: put("step", id=of_data(b))(b), 422, "step[0]"),
    Bad("a step of no type", put("step", type=""), 422, "empty"),
    Bad("a long action id", put("step", action_id="x" * 9000), 422, "8192"),
    Bad("a negative ordinal", put("step", ordinal=-1), 422, "ordinal"),
    Bad("a large ordinal", put("step", ordinal=1 << 40), 422, "ordinal"),
    Bad("a step of another age", put("step", started_at=DOOM), 422, "time"),
    Bad("an outcome of data", lambda b: put("outcome", id=of_data(b))(b), 422, "outcome[0]"),
    Bad("an outcome of nothing", put("outcome", id=1 << 32 | 900), 422, "not in this store"),
    Bad("an outcome of no status", put("outcome", status=""), 422, "empty"),
    Bad("an outcome of another age", put("outcome", completed_at=DAWN), 422, "time"),
    Bad("a model without its version", drop("version", -1), 422, "table version"),
    Bad("a version of data", lambda b: put("version", id=of_data(b))(b), 422, "version"),
    Bad("a first version that is not 0", put("version", depth=1), 422, "version 0"),
    Bad("a negative version", put("version", 1, depth=-1), 422, "version"),
    Bad("a huge version", put("version", 1, depth=1 << 40), 422, "version"),
    Bad("a version that skips one", put("version", 1, depth=2), 422, "next one"),
    Bad("a version without a parent", put("version", 1, parent_id=None), 422, "parent"),
    Bad("its own parent", lambda b: put("version", 1, parent_id=b.version[1].id)(b), 422, "parent"),
    Bad(
        "a parent that is not here",
        put("version", 1, parent_id=1 << 32 | 900),
        422,
        "not in this store",
    ),
    Bad(
        "another line than the parent's",
        lambda b: put("version", 1, line_id=of_data(b))(b),
        422,
        "line",
    ),
    # what belongs to records
    Bad("an empty URI", put("uri", uri=""), 422, "empty"),
    Bad("a long URI", put("uri", uri="x" * 9000), 422, "8192"),
    Bad("a negative size", put("uri", size=-1), 422, "size"),
    Bad("a digest of no form", put("uri", digest="abc"), 422, "digest"),
    Bad("a URI of nothing", put("uri", record_id=1 << 32 | 900), 422, "not in this store"),
    Bad("a file of a negative size", put("file_check", size=-1), 422, "size"),
    Bad("a file of no digest", put("file_check", digest=""), 422, "digest"),
    Bad("a file of nothing", put("file_check", record_id=1 << 32 | 900), 422, "not in this store"),
    Bad("a file found in another age", put("file_check", at=DOOM), 422, "time"),
    Bad("a tag of no type", put("tag", type=9), 422, "type of tags 9"),
    Bad("a tag of no name", put("tag", name=""), 422, "empty"),
    Bad("a tag of a long name", put("tag", name="x" * 300), 422, "256"),
    Bad("a tag of a long text", tag(1, "x" * 20_000, None), 422, "16384"),
    Bad("a word as integer", tag(2, "many", 1.0), 422, "type"),
    Bad("a huge integer", tag(2, "9" * 30, 1e30), 422, "64-bit"),
    Bad("more digits than Python reads", tag(2, "9" * 10_000, 1e30), 422, "type"),
    Bad("an integer in another script", tag(2, "\u0663", 3.0), 422, "type"),
    Bad("a number that is another", tag(3, "1.5", 2.5), 422, "type"),
    Bad("a boolean that is none", tag(4, "yes", 1.0), 422, "type"),
    Bad("a tag of another age", put("tag", set_at=DOOM), 422, "time"),
    Bad("a tag of nothing", put("tag", record_id=1 << 32 | 900), 422, "not in this store"),
    Bad("a series of no kind", put("metric", series=9), 422, "series"),
    Bad("a metric of no name", put("metric", name=""), 422, "empty"),
    Bad(
        "a score of an epoch",
        add("metric", lambda b: MetricRow(b.version[1].id, 2, "x", 1, 0.0)),
        422,
        "epoch",
    ),
    Bad("a metric of data", lambda b: put("metric", record_id=of_data(b))(b), 422, "model"),
    Bad("a payload that is no JSON", payload("{"), 422, "JSON"),
    Bad("an empty payload", payload(""), 422, "not JSON"),
    Bad("a payload with NaN", payload("NaN"), 422, "JSON"),
    Bad("a payload that is too deep", payload("[" * 200 + "]" * 200), 422, "levels"),
    Bad("a payload that is far too deep", payload("[" * 100_000), 422, "JSON"),
    Bad("a payload of no name", put("payload", name=""), 422, "empty"),
    Bad("a payload of nothing", put("payload", record_id=1 << 32 | 900), 422, "not in this store"),
    Bad("a mark of no kind", put("mark", mark=99), 422, "99"),
    Bad("the store's own mark", put("mark", mark=4), 422, "REDUCED"),
    Bad(
        "a mark because of another",
        lambda b: put("mark", cause_id=b.record[0].id)(b),
        422,
        "must have no cause",
    ),
    Bad("a long note", put("mark", note="x" * 20_000), 422, "16384"),
    Bad("a mark of another age", put("mark", at=DOOM), 422, "time"),
    Bad("a mark of nothing", put("mark", record_id=1 << 32 | 900), 422, "not in this store"),
    # links
    Bad("role 0", put("link", role=0), 422, "role 0"),
    Bad("role 99", put("link", role=99), 422, "role 99"),
    Bad("a link to itself", lambda b: put("link", to_id=b.link[0].from_id)(b), 422, "itself"),
    Bad("a link from nothing", put("link", from_id=1 << 32 | 900), 422, "not in this store"),
    Bad(
        "data that uses", add("link", lambda b: LinkRow(b.record[0].id, of_data(b), 1)), 422, "step"
    ),
    Bad("made by data", add("link", lambda b: LinkRow(of_data(b), b.record[0].id, 3)), 422, "step"),
    Bad(
        "made by nothing",
        add("link", lambda b: LinkRow(1 << 32 | 900, of_data(b), 3)),
        422,
        "not in this store",
    ),
    Bad(
        "a step that is trained",
        add("link", lambda b: LinkRow(of_data(b), of_step(b), 5)),
        422,
        "model",
    ),
    Bad(
        "members of data",
        add("link", lambda b: LinkRow(b.record[0].id, of_data(b), 7)),
        422,
        "dataset",
    ),
    # runs
    Bad("a run of no status", put("run_event", status="DONE"), 422, "ACTIVE"),
    Bad("a run that began in another age", put("run_event", start_time=DOOM), 422, "time"),
    Bad("a run of a long label", put("run_event", label="x" * 5000), 422, "4096"),
    Bad("an event of no run", put("run_event", run_id=""), 422, "run id"),
    Bad("an event of an audience not carried", put("run_event", audience="x"), 422, "carry"),
    Bad(
        "a tag of an unknown run", add("run_tag", lambda _: RunTagRow("other", "x")), 422, "no run"
    ),
    Bad("an empty run tag", put("run_tag", tag=""), 422, "empty"),
    Bad(
        "a hundred runs",
        lambda b: b.run_tag.extend(RunTagRow(f"r{n}", "x") for n in range(101)),
        422,
        "100 runs",
    ),
]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[House, Person]]:
    """A provider for all bad batches: it stays empty."""
    file = tmp_path_factory.mktemp("bad") / "store.db"
    with Sandbox() as sandbox:
        town = Town(sandbox)
        with serving(f"sqlite:///{file}", town.environ()) as house:
            yield house, town.person("ada")


def sent(bad: Bad) -> bytes:
    if isinstance(bad.change, bytes):
        return bad.change
    _, batch = everything()
    bad.change(batch)
    return encode_batch(batch)


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: bad.name)
def test_a_bad_batch_is_refused_with_one_sentence(bad: Bad, served: tuple[House, Person]) -> None:
    house, ada = served
    answer = post(house, ada, sent(bad), params={"strict": "true"})
    assert answer.status_code == bad.status, answer.text
    document = answer.json()
    assert set(document) == {"code", "description"}
    assert bad.says in document["description"], document["description"]
    assert "\n" not in document["description"]
    assert set(house.counts().values()) == {0}


# ---- anything at all -------------------------------------------------------------------------

VALUES: list[Any] = [None, True, 0, 1, -1, 5, 1 << 32 | 1, 1 << 62, (1 << 64) - 1, -(1 << 63)]
VALUES += [0.5, math.nan, -math.inf, "", "x", "\x00", "\U0001f600", "sha256:0", SOMEBODY, b"x"]
VALUES += [[], {}, "9" * 400, "x" * 20_000, [[[]]]]


@pytest.fixture(scope="module")
def second(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[House, Person]]:
    """Another provider: what is changed a little may be taken."""
    file = tmp_path_factory.mktemp("fuzz") / "store.db"
    with Sandbox() as sandbox:
        town = Town(sandbox)
        with serving(f"sqlite:///{file}", town.environ()) as house:
            yield house, town.person("ada")


def changed(seed: int) -> bytes:
    """A good batch with some values replaced, rows left out, repeated or exchanged."""
    chance = random.Random(seed)
    tables = msgspec.msgpack.decode(encode_batch(everything(f"run {seed}")[1]))
    for _ in range(chance.randint(1, 3)):
        rows = tables[chance.choice([name for name in TABLES if tables.get(name)])]
        if not rows:
            continue
        row = chance.choice(rows)
        how = chance.randrange(5)
        if how == 0:
            rows.remove(row)
        elif how == 1:
            rows.append(list(row))
        else:
            other = chance.choice(rows)
            place = chance.randrange(len(row))
            row[place] = chance.choice(VALUES) if how < 4 else other[place]
    return msgspec.msgpack.encode(tables)


def answered_well(house: House, ada: Person, data: bytes) -> None:
    """It is taken, and again; or it is refused, and nothing of it is there. All can be read."""
    before = house.counts()
    answer = post(house, ada, data)
    assert answer.status_code in (200, 400, 403, 409, 413, 422), answer.text
    if answer.status_code != 200:
        assert house.counts() == before
        return
    after = house.counts()
    assert post(house, ada, data).status_code == 200
    assert house.counts() == after
    for path in ("runs", "records", "models"):
        assert house.get(f"/api/v1/{path}", ada).status_code == 200
    newest = house.get("/api/v1/records?limit=7", ada).json()["records"]
    for record in newest:
        for end in ("", "/lineage", "/lineage?direction=down"):
            shown = house.get(f"/api/v1/records/{record['id']}{end}", ada)
            assert shown.status_code == 200, shown.text


FUZZ = settings(
    max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
)


@given(seed=st.integers(0, 1 << 30))
@FUZZ
def test_a_batch_with_other_values_is_taken_whole_or_not_at_all(
    second: tuple[House, Person], seed: int
) -> None:
    answered_well(*second, changed(seed))


@given(place=st.integers(0, len(WHOLE) - 1), byte=st.integers(0, 255), cut=st.booleans())
@FUZZ
def test_a_batch_with_other_bytes_is_taken_whole_or_not_at_all(
    second: tuple[House, Person], place: int, byte: int, cut: bool
) -> None:
    data = bytearray(encode_batch(everything(None)[1]))
    place %= len(data)
    data[place] = byte
    answered_well(*second, bytes(data[:place] if cut else data))


@given(data=st.binary(max_size=300))
@FUZZ
def test_any_bytes_are_answered(second: tuple[House, Person], data: bytes) -> None:
    answered_well(*second, data)


def test_what_is_left_is_in_order(second: tuple[House, Person]) -> None:
    house, _ = second
    problems = [p for p in house.store.check() if "link.to_id" not in p and "cause" not in p]
    assert problems == []
