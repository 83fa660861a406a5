"""Output to stdout: log records with the request's id, and one line per uncaught error.

Text or JSON as `AWS_LAMBDA_LOG_FORMAT` says, in the shapes of Lambda's own Python runtime.
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
# Lambda's level names that Python's logging does not know.
LEVELS = {"TRACE": "DEBUG", "WARN": "WARNING", "FATAL": "CRITICAL"}


def configure() -> None:
    """Flush stdout and stderr by line, and give the root logger a handler, as Lambda's runtime does."""
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
    """The level that Lambda's logging configuration asks for."""
    name = os.environ.get("AWS_LAMBDA_LOG_LEVEL", "").upper()
    name = LEVELS.get(name, name)
    return name if name in logging.getLevelNamesMapping() else "WARNING"


class TextFormatter(logging.Formatter):
    """Tab-separated lines: level, time (UTC), request id, message."""

    def format(self, record: logging.LogRecord) -> str:
        record.request_id = request_id.get()
        return super().format(record)


class JSONFormatter(logging.Formatter):
    """One JSON object per record."""

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
    """Write an uncaught error: one JSON object, or text whose lines stay one event in CloudWatch."""
    if in_json():
        error = {"timestamp": _now(), "level": "ERROR", **json.loads(report.body())}
        line = json.dumps(error, ensure_ascii=False)
    else:
        title = f"[ERROR] {report.name}: {report.message}\tRequestId: {report.request_id}"
        # CloudWatch begins a new event at \n, but not at \r.
        line = "\r".join("\n".join([title, *report.stack]).splitlines())
    print(line, flush=True)


def note(message: str) -> None:
    """Write something worth knowing that is no error of the app."""
    if in_json():
        fields = {"timestamp": _now(), "level": "INFO", "message": message, "requestId": request_id.get()}
        print(json.dumps(fields, ensure_ascii=False), flush=True)
    else:
        print(f"[INFO]\t{_now()}\t{request_id.get()}\t{message}", flush=True)


def _now() -> str:
    return time.strftime(TIME + "Z", time.gmtime())
