"""A backend for tests of the page with a command center, live and past."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from tests.web.backend import Backend, Json, Run

PAGE = 90


class CenterLog(Run):
    """The organization's events, whose ids are numbers."""

    def event_id(self, number: int) -> str:
        return str(number)

    def add(self, event: Json) -> None:
        self._in_loop(lambda: self.events.append(event))


class CenterBackend(Backend):
    """`log` is what the live page hears, `running` what its snapshot has, `past` what is replayed."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.log = CenterLog("center", "", self.loop)
        self.runs["center"] = self.log
        self.running: list[Json] = []
        self.past: list[Json] = []
        #: Events that come between the next snapshot and the stream that follows it.
        self.between: list[Json] = []

    def watched(self, after: int) -> AsyncIterator[str]:
        return self.log.stream(after)

    def _answer(self, request: Request, path: list[str]) -> Response:
        match path:
            case ["command-center", "snapshot"]:
                return self._snapshot()
            case ["command-center", "stream"]:
                after = int(request.headers.get("last-event-id", "0"))
                return StreamingResponse(self.watched(after), media_type="text/event-stream")
            case ["command-center", "events"]:
                return self._replay(request)
            case ["streaming", "pipelines"]:
                return JSONResponse({"items": [], "nextCursor": None})
        return super()._answer(request, path)

    def _snapshot(self) -> Response:
        since = len(self.log.events)
        self.log.events += self.between
        self.between = []
        return JSONResponse({"since": since, "runs": self.running, "alerts": [], "truncated": False})

    def _replay(self, request: Request) -> Response:
        """A page of the past: from a time, or after a cursor."""
        query = request.query_params
        begin = int(query["cursor"]) if "cursor" in query else self._place(query["from"])
        end = begin + PAGE
        cursor = str(end) if end < len(self.past) else None
        return JSONResponse({"items": self.past[begin:end], "nextCursor": cursor})

    def _place(self, time: str) -> int:
        return sum(event["time"] < time for event in self.past)


def run_event(run: str, kind: str, at: float, /, **fields: Any) -> Json:
    """An event of a run of the agent of the same name, `at` seconds since 1970."""
    about = {"runId": run, "agentId": f"agent-{run}", "agentName": f"Agent {run}", "conversationId": "c"}
    return {"id": f"{run}:{kind}:{at}", "type": f"run:{kind}", "time": iso(at), **about, **fields}


def running_run(run: str, at: float) -> Json:
    """A run of a snapshot."""
    about = {"runId": run, "agentId": f"agent-{run}", "agentName": f"Agent {run}", "model": "demo:"}
    figures = {"tokens": 12, "cost": 0.01, "tool": None}
    return {**about, **figures, "status": "running", "startedAt": iso(at), "lastEventAt": iso(at)}


def iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
