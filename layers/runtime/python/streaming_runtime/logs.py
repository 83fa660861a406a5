"""Output to stdout: log records with the request's id, and one event per uncaught error.

`AWS_LAMBDA_LOG_FORMAT` selects text or JSON, in the formats of Lambda's own Python runtime.
"""

import json
import logging
import os
import sys
import time
from contextvars import ContextVar
from io import TextIOWrapper

from streaming_runtime.errors import ErrorReport

request_id: ContextVar[str] = ContextVar("request_id", default="")
TEXT = "[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(request_id)s\t%(message)s"
TIME = "%Y-%m-%dT%H:%M:%S"
# Names of Lambda's levels that Python's logging does not have.
LEVELS = {"TRACE": "DEBUG", "WARN": "WARNING", "FATAL": "CRITICAL"}


def configure() -> None:
    """Make stdout and stderr line-buffered, and give the root logger a handler, as Lambda's runtime does."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(line_buffering=True, errors="backslashreplace")
    formatter = JSONFormatter() if in_json() else TextFormatter(TEXT, TIME)
    formatter.converter = time.gmtime
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(formatter)
    logging.basicConfig(handlers=[handler], level=level())


def in_json() -> bool:
    return os.environ.get("AWS_LAMBDA_LOG_FORMAT", "").upper() == "JSON"


def level() -> str:
    """Return the level of Lambda's logging configuration."""
    name = os.environ.get("AWS_LAMBDA_LOG_LEVEL", "").upper()
    name = LEVELS.get(name, name)
    return name if name in logging.getLevelNamesMapping() else "WARNING"


class TextFormatter(logging.Formatter):
    """Formats tab-separated lines: level, time (UTC), request id, message."""

    def format(self, record: logging.LogRecord) -> str:
        record.request_id = request_id.get()
        return super().format(record)


class JSONFormatter(logging.Formatter):
    """Formats one JSON object per record."""

    def format(self, record: logging.LogRecord) -> str:
        fields = {
            "timestamp": self.formatTime(record, TIME + "Z"),
            "level": record.levelname,
            "message": record.getMessage(),
            "logger": record.name,
            "requestId": request_id.get(),
        }
        if record.exc_info:
            fields["stackTrace"] = self.formatException(record.exc_info)
        return json.dumps(fields, ensure_ascii=False)


def failure(report: ErrorReport) -> None:
    """Write an uncaught error as one JSON object, or as text whose lines remain one event in CloudWatch."""
    if in_json():
        error = {"timestamp": _now(), "level": "ERROR", **json.loads(report.body())}
        line = json.dumps(error, ensure_ascii=False)
    else:
        title = f"[ERROR] {report.name}: {report.message}\tRequestId: {report.request_id}"
        # CloudWatch starts a new event at \n, but not at \r.
        line = "\r".join("\n".join([title, *report.stack]).splitlines())
    print(line, flush=True)


def note(message: str) -> None:
    """Write a note that is not an error of the app."""
    if in_json():
        fields = {"timestamp": _now(), "level": "INFO", "message": message, "requestId": request_id.get()}
        print(json.dumps(fields, ensure_ascii=False), flush=True)
    else:
        print(f"[INFO]\t{_now()}\t{request_id.get()}\t{message}", flush=True)


def _now() -> str:
    return time.strftime(TIME + "Z", time.gmtime())
