"""Events from JSON lines, read as a stream."""

from collections.abc import Iterator
from itertools import islice
from typing import Any, BinaryIO

from millrace.domain.json_reader import InvalidJson, read_json
from millrace.errors import InvalidRequest
from millrace.pipelines.errors import EvaluationError
from millrace.pipelines.event import Event
from millrace.pipelines.expressions.times import instant
from millrace.pipelines.expressions.values import check_depth
from millrace.pipelines.limits import PAYLOAD_DEPTH

LINE_BYTES = 1_000_000
_CHUNK_LINES = 1_000
_MAX_PROBLEMS = 100
_PIPELINE = "local"
_FIELDS = {"id", "type", "source", "time", "payload"}


class Unreadable(InvalidRequest):
    """A file or line is invalid."""

    code = "unreadable"


class Reader:
    """Converts lines to events. Invalid lines are recorded in `problems` (at most 100) and skipped.

    An event without id is `line-<number>`. Each event is accepted one millisecond after the one on the line
    before.
    """

    def __init__(self, source: BinaryIO, envelope: bool, start: str) -> None:
        self._source = source
        self._envelope = envelope
        try:
            self._start = instant(start)
        except EvaluationError as error:
            raise Unreadable(f"--start: {error.message}") from None
        self.read = 0
        self.problems: list[dict[str, Any]] = []

    def chunks(self) -> Iterator[list[Event]]:
        """Yield events of up to 1,000 lines at a time."""
        lines = enumerate(self._lines(), start=1)
        while numbered := list(islice(lines, _CHUNK_LINES)):
            yield [event for number, line in numbered if (event := self._event(number, line))]

    def _lines(self) -> Iterator[bytes]:
        """Yield lines of at most `LINE_BYTES`. A longer one is truncated, which is enough to reject it."""
        while line := self._source.readline(LINE_BYTES + 1):
            rest = line
            while len(line) > LINE_BYTES and not rest.endswith(b"\n"):
                rest = self._source.readline(LINE_BYTES) or b"\n"
            yield line

    def _event(self, number: int, line: bytes) -> Event | None:
        if not line.strip():
            return None
        try:
            event = self._parsed(number, line)
        except (Unreadable, EvaluationError) as error:
            if len(self.problems) < _MAX_PROBLEMS:
                self.problems.append({"line": number, "message": error.message})
            return None
        self.read += 1
        return event

    def _parsed(self, number: int, line: bytes) -> Event:
        if len(line) > LINE_BYTES:
            raise Unreadable(f"A line must not exceed {LINE_BYTES:,} bytes.")
        try:
            data = read_json(line, "The line")
        except InvalidJson as error:
            raise Unreadable(error.message) from None
        if not isinstance(data, dict):
            raise Unreadable("An event must be a JSON object.")
        if line.count(b"{") + line.count(b"[") > PAYLOAD_DEPTH:  # otherwise it cannot be nested deeper
            check_depth(data)
        accepted = self._start + number - 1
        if not self._envelope:
            return Event(data, f"line-{number}", "file", "event", accepted, accepted, _PIPELINE)
        return _from_envelope(data, number, accepted)


def _from_envelope(data: dict[str, Any], number: int, accepted: int) -> Event:
    payload, unknown = data.get("payload"), sorted(data.keys() - _FIELDS)
    if not isinstance(payload, dict) or unknown:
        wrong = f"`{unknown[0]}` is none of its fields" if unknown else "`payload` is missing or no object"
        raise Unreadable(f"An envelope is {{id, type, source, time, payload}}: {wrong}.")
    texts = [
        data.get(name, default)
        for name, default in (("id", f"line-{number}"), ("source", "file"), ("type", "event"))
    ]
    if not all(isinstance(text, str) for text in texts):
        raise Unreadable("`id`, `source` and `type` of an envelope must be strings.")
    id, source, kind = texts
    time = instant(data["time"]) if "time" in data else accepted
    return Event(payload, id, source, kind, time, max(accepted, time), _PIPELINE)
