"""What the methods of handles take is what the recorder's take."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest

from provenance_store.handles import About, End, VersionAbout
from provenance_store.recording.recorder import Recorder


@pytest.mark.parametrize(
    ("options", "method", "besides"),
    [
        (About, Recorder.data, {"live"}),
        (VersionAbout, Recorder.update, set()),
        (VersionAbout, Recorder.model, {"trained_on", "resume"}),
        (End, Recorder.finish, set()),
    ],
)
def test_handles_take_the_keywords_of_the_recorder(
    options: Any, method: Callable[..., Any], besides: set[str]
) -> None:
    parameters = inspect.signature(method).parameters.values()
    keywords = {each.name for each in parameters if each.kind is each.KEYWORD_ONLY}
    assert options.__optional_keys__ == keywords - besides
