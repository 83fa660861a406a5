"""The log lines of functions that the emulator runs from queues and schedules, shown on the console.

The emulator writes them to CloudWatch Logs. Its own log names a function each time it runs, so that file is
watched, and nothing is requested while nothing happens.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import boto3

from local.deploy import Function
from local.ministack import ClientArguments

_SECONDS = 0.5
_PAGE = 1000
_LATE_MS = 5000  # lines of concurrent requests come in any order
_PLATFORM = ("START RequestId:", "END RequestId:", "INIT_START", "REPORT RequestId:")

_Event = tuple[int, str]
OnLine = Callable[[str, str, str], None]
"""Called with a function's logical id, a request id and a line."""


class EmulatedLogs:
    """Follows the functions without a URL."""

    def __init__(
        self, functions: Mapping[str, Function], arguments: ClientArguments, log: Path, on_line: OnLine
    ) -> None:
        self._functions = {name: one for name, one in functions.items() if one.url is None}
        self._logs: Any = boto3.client("logs", **arguments)
        self._log = log
        self._on_line = on_line
        self._read = 0
        self._since = dict.fromkeys(self._functions, 0)
        self._seen: dict[str, list[_Event]] = {name: [] for name in self._functions}

    async def follow(self) -> None:
        """Follow until canceled."""
        while self._functions:
            await asyncio.sleep(_SECONDS)
            for name in self._mentioned(self._news()):
                for message in await asyncio.to_thread(self._messages, name):
                    self._forward(name, message)

    def _news(self) -> str:
        with self._log.open("rb") as log:
            log.seek(self._read)
            news = log.read()
        self._read += len(news)
        return news.decode(errors="replace")

    def _mentioned(self, news: str) -> list[str]:
        return [name for name, one in self._functions.items() if one.name in news]

    def _messages(self, name: str) -> list[str]:
        """Return the new messages, oldest first. The events have no ids, so they are counted."""
        try:
            answer = self._logs.filter_log_events(
                logGroupName=self._functions[name].log_group, startTime=self._since[name], limit=_PAGE
            )
        except self._logs.exceptions.ResourceNotFoundException:
            return []
        found = [(one["timestamp"], one["message"]) for one in answer["events"]]
        fresh = _beyond(found, self._seen[name])
        newest = max((at for at, _ in found), default=self._since[name])
        self._since[name] = max(0, newest - (0 if len(found) >= _PAGE else _LATE_MS))
        self._seen[name] = [one for one in found if one[0] >= self._since[name]]
        return [message for _, message in fresh]

    def _forward(self, name: str, message: str) -> None:
        line = message.rstrip()
        if line.startswith("REPORT RequestId:"):
            request_id, _, rest = line.removeprefix("REPORT RequestId:").strip().partition("\t")
            self._on_line(name, request_id, rest.partition("\t")[0].lower())
        elif line and not line.startswith(_PLATFORM):
            self._on_line(name, "", line)


def _beyond(found: list[_Event], seen: list[_Event]) -> list[_Event]:
    left = Counter(seen)
    left.subtract(found)
    fresh = []
    for event in reversed(found):
        if left[event] < 0:
            left[event] += 1
            fresh.append(event)
    return fresh[::-1]
