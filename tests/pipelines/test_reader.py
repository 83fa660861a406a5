"""Parsing of lines into events: invalid ones are refused, their neighbors are not."""

from io import BytesIO

import pytest

from millrace.pipelines.limits import PAYLOAD_DEPTH
from millrace.pipelines.reader import LINE_BYTES, Reader


def read(*lines: bytes) -> tuple[list[str], list[int]]:
    """The ids of the events, and the lines that were none."""
    reader = Reader(BytesIO(b"\n".join(lines)), envelope=False, start="1970-01-01T00:00:00Z")
    ids = [event.id for events in reader.chunks() for event in events]
    return ids, [problem["line"] for problem in reader.problems]


def nested(levels: int, inside: bytes = b"1") -> bytes:
    """An object with lists in it, so many levels in all."""
    return b'{"a":' + b"[" * (levels - 1) + inside + b"]" * (levels - 1) + b"}"


@pytest.mark.parametrize(
    ("line", "fine"),
    [
        (nested(PAYLOAD_DEPTH), True),
        (nested(PAYLOAD_DEPTH + 1), False),
        (nested(PAYLOAD_DEPTH + 1, b""), True),
        (nested(2_000), False),
        (b'{"text":"' + b"[{" * PAYLOAD_DEPTH + b'"}', True),
        (b'{"many":[' + b",".join([b"[]"] * PAYLOAD_DEPTH) + b"]}", True),
        (b'{"a":"' + b"x" * LINE_BYTES + b'"}', False),
        (b"[1]", False),
        (b'{"a":1', False),
    ],
    ids=["deep", "too deep", "empty inside", "far too deep", "in text", "flat", "long", "no object", "cut"],
)
def test_line_that_is_no_event_is_left_out_alone(line: bytes, fine: bool) -> None:
    ids, problems = read(b'{"n":1}', line, b"", b'{"n":2}')
    assert ids == ["line-1", *(["line-2"] if fine else []), "line-4"]
    assert problems == ([] if fine else [2])
