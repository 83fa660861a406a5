"""Init runs without garbage collections."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from millrace.startup import starting
from tests.template_functions import url_functions


@contextmanager
def collections_counted() -> Iterator[list[str]]:
    seen: list[str] = []

    def note(phase: str, info: dict[str, int]) -> None:
        seen.append(phase)

    gc.callbacks.append(note)
    try:
        yield seen
    finally:
        gc.callbacks.remove(note)


def make_many() -> list[list[int]]:
    return [[at] for at in range(200_000)]


def test_init_is_without_collections_and_later_ones_skip_its_objects() -> None:
    before = gc.get_freeze_count()
    with collections_counted() as seen:
        with starting():
            made = make_many()
        assert seen == []
        assert gc.get_freeze_count() - before >= len(made)
        more = make_many()
    assert len(more) == len(made)
    assert seen


def test_collections_go_on_after_an_init_that_failed() -> None:
    with pytest.raises(RuntimeError), starting():
        raise RuntimeError("no configuration")
    assert gc.isenabled()


def test_functions_start_without_collections() -> None:
    """Streamed functions do so in the runtime."""
    streamed = {name for name, streams in url_functions() if streams}
    for path in (Path(__file__).parent.parent / "functions").glob("*/app.py"):
        assert ("with starting():" in path.read_text()) is (path.parent.name not in streamed), path
