"""What comes from outside is read in time linear in its length, at every entrance.

The measure is the number of calls. What runs inside of C makes none: there the processor's time is
compared, at sizes so far apart that what grows with their square takes many times longer.
"""

from __future__ import annotations

import gc
import json
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

from action_provider.api.batch_service import read_batch
from action_provider.providers.envelope import check_deadline, read_envelope, release_seconds
from action_provider.providers.harvest.body import read_harvest_body
from action_provider.providers.query.questions import read_question
from action_provider.request_body import check_json
from braid.cli.files import JsonFile
from braid.web_server.requests import Incoming
from flows.definition.expressions import ExpressionSyntaxError, parse_expression
from flows.definition.load import parse_document
from flows.definition.paths import Names, PathSyntaxError, parse_path
from flows.definition.validate import validate
from flows.harvest.log import read_log
from flows.harvest.state_visits import read_visits
from flows.language import expressions
from flows.language.errors import LanguageError
from flows.steps.body import parse_body
from hpc.spooling.files import SpoolWriter, read_frames
from provenance_store.batch import Batch, encode_batch
from provenance_store.errors import BraidError
from provenance_store.exchange.prov.reading import read_prov
from provenance_store.filters import parse_tag, read_marker
from provenance_store.ids import parse_id
from provenance_store.rows import PayloadRow
from provenance_store.settings import MAX_PAYLOAD_BYTES
from provenance_store.statement.document import PREDICATE_TYPE, STATEMENT_TYPE
from provenance_store.statement.verify import read_statement
from provenance_store.times import parse_time
from provenance_store.validation.batches import gated
from provenance_store.validation.limits import Gate
from tests.functional.provider.house import a_body
from tests.support.needs import need_module

MOST_GROWTH = 2.3
FAR = 16
MOST_TIME_GROWTH = 5 * FAR
"""What is linear takes 16 times as long, what is quadratic 256 times."""
LEAST_SECONDS = 0.004
"""Times below are not told apart."""
DEPTH = 100

Work = Callable[[int], Callable[[], object]]


class Entrance(NamedTuple):
    """What is read, with a size at which the reading takes some milliseconds."""

    name: str
    size: int
    work: Work


def text(
    read: Callable[[Any], object], make: Callable[[int], object], name: str, size: int = 8000
) -> Entrance:
    """An entrance that reads what is made in a size."""

    def work(n: int) -> Callable[[], object]:
        given = make(n)
        return lambda: read(given)

    return Entrance(name, size, work)


def depth_checked(data: bytes) -> None:
    check_json(data, depth=DEPTH)


def enveloped(**fields: Any) -> bytes:
    return json.dumps({"request_id": "r", "body": a_body(), **fields}).encode()


def stepped(count: int) -> str:
    inputs = [{"name": f"scan {n}", "uri": f"globus://c/scan-{n}"} for n in range(count)]
    return json.dumps(a_body(inputs=inputs, outputs=[], models=[]))


def released(given: str) -> None:
    envelope = read_envelope(enveloped(release_after=given))
    release_seconds(envelope, default=1, most=10)


def due(given: str) -> None:
    check_deadline(read_envelope(enveloped(deadline=given)), now=0)


def batch_of(count: int) -> bytes:
    batch = Batch()
    batch.tag = [(n, n, f"name {n}", 1, "text", None, 0) for n in range(count)]  # type: ignore[misc]
    return encode_batch(batch)


def cleaned(document: str) -> None:
    batch = Batch()
    batch.payload = [PayloadRow(1, "result", document)]
    gated(Gate(), batch, limit=MAX_PAYLOAD_BYTES.get())


def received(data: bytes) -> None:
    """As the server's main loop reads it, a few bytes at a time."""
    incoming = Incoming()
    for begin in range(0, len(data), 7):
        if incoming.feed(data[begin : begin + 7], head_bytes=1 << 20, most=1 << 24):
            return


def validated(states: dict[str, Any]) -> None:
    validate({"StartAt": "S0", "States": states})


def passes(count: int) -> dict[str, Any]:
    states = {f"S{n}": {"Type": "Pass", "Next": f"S{n + 1}"} for n in range(count)}
    return states | {f"S{count}": {"Type": "Pass", "End": True}}


def numbered(count: int) -> None:
    names = Names([])
    for _ in range(count):
        names.unique("step", mark="_")


def log_of(count: int) -> list[dict[str, Any]]:
    return [
        {
            "time": f"2026-11-29T{n // 3600 % 24:02}:{n // 60 % 60:02}:{n % 60:02}.000000+00:00",
            "code": f"Action{'Completed' if n % 2 else 'Started'}",
            "details": {"state_name": f"S{n // 2}", "state_type": "Action", "output": {}},
        }
        for n in range(count)
    ]


def followed(log: list[dict[str, Any]]) -> None:
    read_visits(read_log(log), {"States": {}})


def evaluated(source: str) -> None:
    expressions.parse_expression.cache_clear()
    expressions.parse_expression(source)


def statement_of(count: int) -> dict[str, Any]:
    leaves = [{"id": f"{n}", "leaf": "00", "record": {}} for n in range(count)]
    return {
        "_type": STATEMENT_TYPE,
        "predicateType": PREDICATE_TYPE,
        "subject": [],
        "predicate": {"evidence": {"leaves": leaves}},
    }


ENTRANCES = [
    text(depth_checked, lambda n: b"[]" * 150 + b'"' + b'\\"' * n, "a text without end", 50_000),
    text(depth_checked, lambda n: b"[]" * 150 + b'"' * n, "quotes", 50_000),
    text(depth_checked, lambda n: b"[]" * n, "brackets", 50_000),
    text(depth_checked, lambda n: (b"[" * 99 + b"]" * 99) * (n // 200), "nests", 50_000),
    text(depth_checked, lambda n: b"[" * n + b"]" * n, "one nest", 50_000),
    text(depth_checked, lambda n: b'["a","["' * n, "short texts", 20_000),
    text(depth_checked, lambda n: b'"' + b"\\" * n + b'\\u0000"', "backslashes", 50_000),
    text(read_envelope, lambda n: enveloped(**{" - at `$" * n: 1}), "the name of a field"),
    text(read_envelope, lambda n: enveloped(label="x" * n), "a label"),
    text(read_envelope, lambda n: enveloped(request_id="`" * n), "a request id"),
    text(read_envelope, lambda n: enveloped(monitor_by=["x"] * n), "monitors"),
    text(released, lambda n: "P" + "1" * n + "Y", "a duration"),
    text(due, lambda n: "2026-11-29T" + "1" * n, "a deadline"),
    text(parse_body, stepped, "inputs of a step", 500),
    text(parse_body, lambda n: json.dumps(a_body(**{"`, got `" * n: 1})), "a field of a step"),
    text(parse_body, lambda n: json.dumps(a_body(status="`" * n)), "a step's fields"),
    text(read_question, lambda n: {"ask": "x" * n}, "a question"),
    text(read_question, lambda n: {"ask": "valid", " - at `$" * n: 1}, "a question's field"),
    text(read_harvest_body, lambda n: {"run_id": "0" * n}, "the id of a run"),
    text(read_batch, batch_of, "rows of a batch", 500),
    text(read_batch, lambda n: msgspec.msgpack.encode({"x" * n: []}), "a table of a batch"),
    text(read_batch, lambda n: b"\x81\xa3tag" + b"\x91" * n, "a nested batch"),
    text(cleaned, lambda n: json.dumps([{"a": '"['}] * n), "a document of a batch", 500),
    text(received, lambda n: b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * n, "headers", 2000),
    text(
        received,
        lambda n: b"GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1;" + b"x" * n,
        "the size of a chunk",
        4000,
    ),
    text(
        received,
        lambda n: (
            b"GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
            + b"100\r\n" * 0
            + (b"100\r\n" + b"x" * 256 + b"\r\n") * (n // 200)
        ),
        "chunks",
        20_000,
    ),
    text(parse_tag, lambda n: "a" + " " * n + "\x01", "a tag with blanks"),
    text(parse_tag, lambda n: "a=" + "1" * n, "a tag's value"),
    text(lambda t: read_marker(t, str), lambda n: "W" * n, "a marker"),
    text(parse_id, lambda n: "urn:braid:" + "0" * n, "an id"),
    text(lambda t: parse_time(t, now=0), lambda n: "1" * n, "a time"),
    text(lambda d: parse_document(d, name="flow"), lambda n: b"[" * n, "a nested definition"),
    text(
        lambda d: parse_document(d, name="flow"),
        lambda n: json.dumps({"States": passes(n)}).encode(),
        "a definition",
        300,
    ),
    text(validated, passes, "states of a definition", 300),
    text(parse_expression, lambda n: "'" + "\\'" * n, "a text of an expression", 4000),
    text(parse_expression, lambda n: "`$.a` + " * n, "paths of an expression", 200),
    text(parse_path, lambda n: "$['" + "\\'" * n, "a path without end"),
    text(parse_path, lambda n: "$.a" * n, "dollars of a path"),
    text(parse_path, lambda n: "$" + "[?x]" * n, "filters of a path", 2000),
    text(parse_path, lambda n: "$.a[" + "9" * n + "]", "an index of a path"),
    text(numbered, lambda n: n, "states of one name", 1000),
    text(evaluated, lambda n: "'" + "\\'" * n, "an expression of a log", 500),
    text(followed, log_of, "a log", 300),
    text(read_statement, statement_of, "a statement", 2000),
]


def attempt(thunk: Callable[[], object]) -> None:
    """What is refused has been read too."""
    with suppress(BraidError, ExpressionSyntaxError, PathSyntaxError, LanguageError):
        thunk()


def calls(thunk: Callable[[], object]) -> int:
    """How many functions are called, in Python and from it in C."""
    count = 0

    def note(_frame: object, event: str, _argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    before = sys.getprofile()
    gc.disable()  # What other tests left behind would be cleared away, and counted, here.
    sys.setprofile(note)
    try:
        attempt(thunk)
    finally:
        sys.setprofile(before)
        gc.enable()
    return count


def seconds(thunk: Callable[[], object]) -> float:
    """The processor's time, the least of three."""

    def once() -> float:
        begun = time.process_time()
        attempt(thunk)
        return time.process_time() - begun

    return min(once() for _ in range(3))


@pytest.mark.parametrize("entrance", ENTRANCES, ids=lambda entrance: entrance.name)
def test_twice_as_much_takes_twice_as_many_calls(entrance: Entrance) -> None:
    attempt(entrance.work(10))  # What is made at the first call does not count.
    counted = [calls(entrance.work(entrance.size * times)) for times in (1, 2, 4)]
    assert counted[1] <= MOST_GROWTH * counted[0] + 50
    assert counted[2] <= MOST_GROWTH * counted[1] + 50


@pytest.mark.parametrize("entrance", ENTRANCES, ids=lambda entrance: entrance.name)
def test_sixteen_times_as_much_does_not_take_the_square_of_that(entrance: Entrance) -> None:
    attempt(entrance.work(10))
    short = max(LEAST_SECONDS, seconds(entrance.work(entrance.size)))
    assert seconds(entrance.work(FAR * entrance.size)) <= MOST_TIME_GROWTH * short


def frames(folder: Path, count: int) -> Path:
    writer = SpoolWriter(folder / f"{count}")
    for number in range(count):
        writer.append(b"%d" % number)
    writer.finish()
    (file,) = (folder / f"{count}" / "new").iterdir()
    return file


def test_frames_of_a_spool_file_are_read_one_by_one(tmp_path: Path) -> None:
    files = [frames(tmp_path, 200 * times) for times in (1, 2, 4)]
    counted = [calls(lambda file=file: list(read_frames(file))) for file in files]
    assert counted[2] <= MOST_GROWTH * counted[1] <= MOST_GROWTH**2 * counted[0]


def prov_of(folder: Path, count: int) -> Path:
    file = folder / f"{count}.json"
    entities = {f"ex:e{n}": {"prov:label": f"e {n}"} for n in range(count)}
    used = {f"_:u{n}": {"prov:entity": f"ex:e{n}", "prov:activity": "ex:a"} for n in range(count)}
    document = {"prefix": {"ex": "https://example.org/"}, "entity": entities, "used": used}
    file.write_text(json.dumps({**document, "activity": {"ex:a": {}}}))
    return file


def test_a_prov_document_is_read_in_linear_time(tmp_path: Path) -> None:
    need_module("prov.model")
    attempt(lambda: read_prov(prov_of(tmp_path, 5)))
    files = [prov_of(tmp_path, 100 * times) for times in (1, 2, 4)]
    counted = [calls(lambda file=file: read_prov(file)) for file in files]
    assert counted[2] <= MOST_GROWTH * counted[1] <= MOST_GROWTH**2 * counted[0]


def test_an_object_with_keys_given_twice_is_refused_in_linear_time(tmp_path: Path) -> None:
    def given(count: int) -> Path:
        file = tmp_path / f"{count}.json"
        pairs = [f'"k{n}": 1' for n in range(count)]
        file.write_text("{" + ", ".join([*pairs, pairs[-1]]) + "}")
        return file

    def refused(file: Path) -> float:
        return seconds(lambda: JsonFile().convert(str(file), None, None))

    assert refused(given(FAR * 1000)) <= MOST_TIME_GROWTH * max(LEAST_SECONDS, refused(given(1000)))
