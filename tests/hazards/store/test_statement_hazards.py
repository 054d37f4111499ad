"""A record with very many files."""

from __future__ import annotations

import time

from provenance_store import Store


def processor_time(store: Store, files: int) -> float:
    """How long this process computes to state a record with so many files, all checked."""
    uris = [f"file:///{number}" for number in range(files)]
    with store.transaction():
        scan = store.data(f"scan {files}", uris=uris)
        for uri in uris:
            store.found_file(scan, uri, size=1, digest="sha256:ab")
    taken = []
    for _ in range(3):
        begin = time.process_time()
        store.documents().statement(scan.urn)
        taken.append(time.process_time() - begin)
    return min(taken)


def test_a_record_of_many_files_that_were_all_checked_is_stated_in_linear_time(
    store: Store,
) -> None:
    assert processor_time(store, 8_000) < 8 * processor_time(store, 2_000)
