"""The console output of the stack: start-up lines, one line per request, and the functions' own lines.

api           3f2a91bc  GET /api/health 200  first byte 4 ms  total 5 ms  81 MB
"""

import json
import time
from collections import deque
from collections.abc import Iterable
from typing import Any

from rich.console import Console as Terminal
from rich.text import Text

from local.function_urls import Served

QUIET, NORMAL, VERBOSE = range(3)
_COLOURS = ("cyan", "magenta", "green", "blue", "yellow", "bright_cyan", "bright_magenta", "bright_green")
_BAD_LEVELS = ("WARNING", "WARN", "ERROR", "CRITICAL", "FATAL")
_BOILERPLATE = "LAMBDA_WARNING: Unhandled exception."
_METRICS = '{"_aws":'  # CloudWatch's embedded metric format
_KEPT_LINES = 1000


class Console:
    """Writes to the terminal and keeps the last lines for /_local/logs."""

    def __init__(self, level: int = NORMAL, terminal: Terminal | None = None) -> None:
        self._level = level
        self._terminal = terminal or Terminal(highlight=False, soft_wrap=True)
        self._kept: deque[str] = deque(maxlen=_KEPT_LINES)
        self._colours: dict[str, str] = {}
        self._begun = time.monotonic()
        self._width = 0

    def functions(self, names: Iterable[str]) -> None:
        """Set the functions that will log, so that each has a color and the columns are aligned."""
        for number, name in enumerate(names):
            self._colours[name] = _COLOURS[number % len(_COLOURS)]
            self._width = max(self._width, len(_short(name)))

    def step(self, what: str) -> None:
        """Show a finished step of the start-up, with the time since the start."""
        if self._level > QUIET:
            self._print(Text(f"  {time.monotonic() - self._begun:4.1f} s  {what}", style="dim"))

    def say(self, what: str, style: str = "") -> None:
        self._print(Text(what, style=style))

    def served(self, served: Served) -> None:
        """Show a request in one line, and a second line with the reason if it failed."""
        self._keep(served.function, served.request_id, _served_text(served))
        if served.failure:
            self._keep(served.function, served.request_id, _failure_text(served.failure))
        if self._level > QUIET or served.failure:
            bad = served.failure or served.status >= 500
            self._row(served.function, served.request_id, _served_text(served), "red" if bad else "")
        if served.failure:
            self._row(served.function, served.request_id, _failure_text(served.failure), "red")

    def line(self, function: str, request_id: str, line: str) -> None:
        """Show a line that a function wrote.

        JSON logs are shown as level and message, or whole with --verbose, which also shows metrics.
        """
        # AWS's runtime client uses them to keep an entry on one line
        line = line.replace("\r", "\n").rstrip()
        if not line or _BOILERPLATE in line:
            return
        self._keep(function, request_id, line)
        if line.startswith(_METRICS) and self._level < VERBOSE:
            return
        level, text = _readable(line)
        if self._level > QUIET or level in _BAD_LEVELS:
            shown = line if self._level == VERBOSE else text
            self._row(function, request_id, shown, "yellow" if level in _BAD_LEVELS else "dim")

    def kept_lines(self) -> list[str]:
        """Return JSON objects with time (Unix seconds), function, request_id and text, oldest first."""
        return list(self._kept)

    def _keep(self, function: str, request_id: str, text: str) -> None:
        entry = {"time": time.time(), "function": function, "request_id": request_id, "text": text}
        self._kept.append(json.dumps(entry))

    def _row(self, function: str, request_id: str, text: str, style: str) -> None:
        row = Text()
        row.append(_short(function).ljust(self._width + 2), style=self._colours.get(function, ""))
        row.append(f"{request_id[:8]:8}  ", style="dim")
        # A function's line may repeat what a client sent, so no escape sequence may reach the terminal.
        row.append(text.replace("\x1b", ""), style=style)
        self._print(row)

    def _print(self, text: Text) -> None:
        self._terminal.print(text)


def _short(function: str) -> str:
    """Return a function's name for people: `Conversation` for ConversationFunction."""
    return function.removesuffix("Function")


def _served_text(served: Served) -> str:
    path = served.path if len(served.path) <= 80 else served.path[:77] + "..."
    memory = f"  {served.memory} MB" if served.memory else ""
    times = f"first byte {served.first_byte * 1000:.0f} ms  total {served.total * 1000:.0f} ms"
    return f"{served.method} {path} {served.status}  {times}{memory}"


def _failure_text(failure: Exception) -> str:
    kind = getattr(failure, "kind", "Malformed response")
    trace = "".join(f"\n{line.rstrip()}" for line in getattr(failure, "trace", ()))
    return f"{kind}: {failure}{trace}"


def _readable(line: str) -> tuple[str, str]:
    """Return level and text of a log line: those of a JSON object, or the line itself."""
    try:
        record: Any = json.loads(line) if line.startswith("{") else None
    except ValueError:
        record = None
    if not isinstance(record, dict):
        return ("ERROR" if line.startswith(("[ERROR]", "Traceback")) else "", line)
    level = str(record.get("level", ""))
    message = record.get("message", record.get("errorMessage", line))
    exception = record.get("exception") or record.get("stackTrace") or ""
    return level, f"{level} {message}".strip() + (f"\n{_joined(exception)}" if exception else "")


def _joined(exception: object) -> str:
    return "".join(map(str, exception)) if isinstance(exception, list) else str(exception)
