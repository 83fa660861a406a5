"""Output to CloudWatch: one event per error, and the request's id on every line."""

import io
import json
import logging

import pytest

from streaming_runtime import logs
from streaming_runtime.errors import ErrorReport

Captured = pytest.CaptureFixture[str]
REPORT = ErrorReport("Function.ValueError", "ValueError", "two\nlines", ("File x\n    code", "last"), "id-1")


def test_text_error_is_one_event(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delenv("AWS_LAMBDA_LOG_FORMAT", raising=False)
    logs.failure(REPORT)
    assert capsys.readouterr().out == (
        "[ERROR] ValueError: two\rlines\tRequestId: id-1\rFile x\r    code\rlast\n"
    )


def test_json_error_is_one_object(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AWS_LAMBDA_LOG_FORMAT", "JSON")
    logs.failure(REPORT)
    [line] = capsys.readouterr().out.splitlines()
    error = json.loads(line)
    assert (error["level"], error["requestId"], error["errorType"]) == ("ERROR", "id-1", "ValueError")
    assert error["errorMessage"] == "two\nlines"
    assert error["stackTrace"] == ["File x\n    code", "last"]


@pytest.mark.parametrize("formatter", [logs.TextFormatter(logs.TEXT, logs.TIME), logs.JSONFormatter()])
def test_records_carry_the_id_of_their_request(formatter: logging.Formatter) -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter)
    token = logs.request_id.set("id-2")
    try:
        handler.handle(logging.LogRecord("agent", logging.INFO, "f", 1, "hello %s", ("you",), None))
    finally:
        logs.request_id.reset(token)
    assert "id-2" in stream.getvalue()
    assert "hello you" in stream.getvalue()


@pytest.mark.parametrize(
    ("asked", "level"),
    [("", "WARNING"), ("debug", "DEBUG"), ("WARN", "WARNING"), ("FATAL", "CRITICAL"), ("?", "WARNING")],
)
def test_level_is_lambda_s(monkeypatch: pytest.MonkeyPatch, asked: str, level: str) -> None:
    monkeypatch.setenv("AWS_LAMBDA_LOG_LEVEL", asked)
    assert logs.level() == level
