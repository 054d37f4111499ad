"""A record with very many files."""

from __future__ import annotations

import time

from provenance_store import Store


def test_a_record_of_many_files_that_were_all_checked_is_stated_in_linear_time(
    store: Store,
) -> None:
    files = [f"file:///{number}" for number in range(4_000)]
    with store.together():
        scan = store.data("scan", uris=files)
        for file in files:
            store.found_file(scan, file, size=1, digest="sha256:ab")
    begin = time.perf_counter()
    store.reader().statement(scan.urn)
    assert time.perf_counter() - begin < 3
