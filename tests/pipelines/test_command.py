"""`python -m millrace.pipelines`: streams, reports and exit codes."""

import io
from pathlib import Path
from typing import Any

import orjson
import pytest

from millrace.domain.clock import iso, now_ms
from millrace.pipelines.__main__ import main
from millrace.pipelines.reader import LINE_BYTES, Reader, Unreadable
from tests.pipelines.definitions import definition_json, step

UPPER = step("map", {"expression": {"name": "upper(name)"}})
KEPT = step("filter", {"field": "name", "operator": "neq", "value": "skip"})


@pytest.fixture
def files(tmp_path: Path) -> Any:
    def write(lines: bytes, *transforms: dict[str, Any]) -> list[str]:
        definition, events = tmp_path / "definition.json", tmp_path / "events.ndjson"
        definition.write_bytes(orjson.dumps(definition_json(*transforms)))
        events.write_bytes(lines)
        return [str(definition), str(events)]

    return write


def lines(text: str) -> list[Any]:
    return [orjson.loads(line) for line in text.splitlines()]


def test_run_prints_each_output_as_a_line_and_the_rest_on_stderr(files: Any, capfd: Any) -> None:
    paths = files(b'{"name":"a"}\n\n{"name":"skip"}\n{"name":5}\nnope\n[1]\n{"name":"b"}', KEPT, UPPER)
    assert main(["run", *paths]) == 1
    out, err = capfd.readouterr()
    assert lines(out) == [{"name": "A"}, {"name": "B"}]
    dead_letter, report = lines(err)
    assert dead_letter["deadLetter"]["payload"] == {"name": 5}
    assert dead_letter["deadLetter"]["step"] == 1
    assert [each["line"] for each in report["unreadable"]] == [5, 6]
    assert (report["read"], report["steps"][0]["dropped"], report["steps"][1]["failed"]) == (4, 1, 1)


def test_run_ends_well_when_all_is_well(files: Any, capfd: Any) -> None:
    assert main(["run", *files(b'{"name":"a"}\n', UPPER)]) == 0
    assert lines(capfd.readouterr().out) == [{"name": "A"}]


def test_run_can_report_all_at_once(files: Any, capfd: Any) -> None:
    assert main(["run", "--json", *files(b'{"name":"a"}\n{"name":5}\n', UPPER)]) == 1
    report = orjson.loads(capfd.readouterr().out)
    assert report["outputs"] == [{"name": "A"}]
    assert report["deadLetters"][0]["meta"]["id"] == "line-2"


def test_run_fires_windows_when_the_input_is_over(files: Any, capfd: Any) -> None:
    window = step("window", {"type": "tumbling", "size": 1_000, "aggregations": [{"function": "count"}]})
    events = b"".join(b'{"id":"e%d","time":%d,"payload":{}}\n' % (at % 5, at % 5 * 400) for at in range(10))
    assert main(["run", "--envelope", *files(events, window)]) == 0
    assert [each["count"] for each in lines(capfd.readouterr().out)] == [3, 2], "each id counts once"


def test_explain_says_what_each_step_did(files: Any, capfd: Any) -> None:
    assert main(["explain", *files(b'{"name":"a"}\n{"name":"skip"}\n{"name":5}\n', KEPT, UPPER)]) == 0
    first, second, third = lines(capfd.readouterr().out)
    assert [each["did"] for each in first["steps"]] == ["passed", "mapped"]
    assert first["outputs"] == [{"name": "A"}]
    assert [each["did"] for each in second["steps"]] == ["dropped"]
    assert third["steps"][1]["error"] == "`upper` needs a string, not a number."


@pytest.mark.parametrize(
    ("definition", "words"),
    [
        (b"nope", "not JSON"),
        (
            orjson.dumps(definition_json(step("map", {"expression": {"a": "1 +"}}))),
            "transforms.0.config.expression.a",
        ),
        (b"{}", "name: This field is required"),
        (b" " * 1_000_001, "1,000,000 bytes"),
    ],
)
def test_wrong_definition_is_explained(tmp_path: Path, capfd: Any, definition: bytes, words: str) -> None:
    path = tmp_path / "definition.json"
    path.write_bytes(definition)
    assert main(["run", str(path), "/dev/null"]) == 2
    assert words in capfd.readouterr().err


def test_missing_file_is_named(capfd: Any) -> None:
    assert main(["run", "/nowhere/definition.json"]) == 2
    assert "/nowhere/definition.json: No such file" in capfd.readouterr().err


def test_schema_is_printed(capfd: Any) -> None:
    assert main(["schema"]) == 0
    assert orjson.loads(capfd.readouterr().out)["title"] == "PipelineDefinition"


def read(data: bytes, envelope: bool = True) -> tuple[list[Any], list[Any]]:
    reader = Reader(io.BytesIO(data), envelope, "1970-01-01")
    return [event for chunk in reader.chunks() for event in chunk], reader.problems


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b"{}", "`payload` is missing"),
        (b'{"payload":{},"x":1}', "`x` is none of its fields"),
        (b'{"payload":{},"id":1}', "must be strings"),
        (b'{"payload":{},"time":"never"}', "ISO 8601"),
        (b'{"payload":' + b"[" * 300 + b"]" * 300 + b"}", "nested deeper"),
        (b'"' + b"x" * LINE_BYTES + b'"', "1,000,000 bytes"),
        (b"\xff", "not JSON"),
    ],
)
def test_line_that_is_no_event_is_named_and_the_next_one_is_read(line: bytes, words: str) -> None:
    events, problems = read(line + b'\n{"payload":{"ok":1}}\n')
    assert [event.payload for event in events] == [{"ok": 1}]
    assert problems[0]["line"] == 1
    assert words in problems[0]["message"]


def test_start_that_is_no_time_is_refused() -> None:
    with pytest.raises(Unreadable):
        Reader(io.BytesIO(), False, "tomorrow")


def test_windows_take_present_day_events_without_a_start(files: Any, capfd: Any) -> None:
    window = {
        "type": "tumbling",
        "size": 60_000,
        "timeField": "at",
        "aggregations": [{"function": "count"}],
    }
    now = orjson.dumps({"at": iso(now_ms())})
    assert main(["run", *files(now, step("window", window))]) == 0
    (counted,) = lines(capfd.readouterr().out)
    assert counted["count"] == 1
