"""Receivers of deliveries on 127.0.0.1 that check what the real services check.

    with receiving() as receivers:
        receivers.url                   # /import, /2/httpapi, /v1/batch, /slack, /hook
        receivers.mixpanel.taken        # what each one accepted, in order
        receivers.answers.append(...)   # answers to the next requests instead, of any kind

Sources: developer.mixpanel.com/reference/import-events, amplitude.com/docs/apis/analytics/http-v2,
segment.com/docs/connections/sources/catalog/libraries/server/http-api, api.slack.com/messaging/webhooks.
"""

import base64
import gzip
import re
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from tests.serving import served

TOKEN = "the-right-token"
SEGMENT_EVENT_BYTES = 32 * 1024
_NO_PERSON = {"", "null", "none", "undefined", "anonymous", "0"}
_INSERT_ID = re.compile(r"[A-Za-z0-9-]{1,36}")


@dataclass
class Mixpanel:
    """Mixpanel with strict import: it keeps good events even if it answers 400, and one per deduplication
    key."""

    taken: dict[tuple[Any, ...], dict[str, Any]] = field(default_factory=dict)
    most: int = 2_000

    def answer(self, headers: dict[str, str], query: dict[str, str], body: bytes) -> Response:
        if _basic_user(headers) != TOKEN:
            return JSONResponse({"code": 401, "error": "Invalid credentials", "status": "Unauthorized"}, 401)
        if query.get("strict") != "1" or headers.get("content-encoding") != "gzip":
            return JSONResponse({"code": 400, "error": "not strict, not gzip"}, 400)
        events = orjson.loads(gzip.decompress(body))
        if len(events) > self.most:
            return JSONResponse({"code": 413, "error": "request exceeds max limit"}, 413)
        failed = [problem for n, event in enumerate(events) if (problem := self._accept(n, event))]
        said = {"num_records_imported": len(events) - len(failed)}
        if not failed:
            return JSONResponse(said | {"code": 200, "status": "OK"})
        error = "some data points in the request failed validation"
        return JSONResponse(
            said | {"code": 400, "error": error, "status": "Bad Request", "failed_records": failed}, 400
        )

    def _accept(self, index: int, event: dict[str, Any]) -> dict[str, Any] | None:
        own = event["properties"]
        for name, fine in (
            ("$insert_id", _INSERT_ID.fullmatch(str(own.get("$insert_id", "")))),
            ("time", isinstance(own.get("time"), int) and own["time"] > 0),
            ("distinct_id", str(own.get("distinct_id", "")).lower() not in _NO_PERSON),
        ):
            if not fine:
                reported = {
                    "index": index,
                    "$insert_id": own.get("$insert_id"),
                    "field": f"properties.{name}",
                }
                return reported | {"message": f"'properties.{name}' is invalid"}
        key = (event["event"], own["distinct_id"], own["time"], own["$insert_id"])
        self.taken.setdefault(key, event)
        return None


@dataclass
class Amplitude:
    """Amplitude: it refuses a whole request for one bad event, names the bad ones, and answers 413 above
    `most` events."""

    taken: dict[str, dict[str, Any]] = field(default_factory=dict)
    most: int = 2_000
    requests: int = 0

    def answer(self, headers: dict[str, str], query: dict[str, str], body: bytes) -> Response:
        self.requests += 1
        data = orjson.loads(body)
        if data.get("api_key") != TOKEN:
            return JSONResponse({"code": 400, "error": f"Invalid API key: {data.get('api_key')}"}, 400)
        events = data["events"]
        if len(events) >= self.most:
            return JSONResponse({"code": 413, "error": "Payload too large"}, 413)
        bad = [n for n, event in enumerate(events) if not -(2**41) < event["time"] < 2**42]
        short = [n for n, event in enumerate(events) if len(event["user_id"]) < _least(data)]
        if bad or short:
            reported = {
                "code": 400,
                "error": "Request missing required field",
                "events_with_invalid_fields": {"time": bad} if bad else {},
                "events_with_missing_fields": {},
                "events_with_invalid_id_lengths": {"user_id": short} if short else {},
                "silenced_events": [],
            }
            return JSONResponse(reported, 400)
        for event in events:
            self.taken.setdefault(event["insert_id"], event)
        return JSONResponse({"code": 200, "events_ingested": len(events)})


def _least(data: dict[str, Any]) -> int:
    return int(data.get("options", {}).get("min_id_length", 5))


@dataclass
class Segment:
    """Segment: it answers 200 for any events, and silently drops invalid ones."""

    taken: dict[str, dict[str, Any]] = field(default_factory=dict)
    gone: list[dict[str, Any]] = field(default_factory=list)

    def answer(self, headers: dict[str, str], query: dict[str, str], body: bytes) -> Response:
        if _basic_user(headers) != TOKEN:
            return JSONResponse({"success": False, "message": "invalid write key"}, 401)
        if len(body) > 500_000:
            return JSONResponse({"code": "invalid_request"}, 400)
        for event in orjson.loads(body)["batch"]:
            whole = event.get("type") == "track" and event.get("event") and event.get("userId")
            if whole and len(orjson.dumps(event)) <= SEGMENT_EVENT_BYTES:
                self.taken.setdefault(event["messageId"], event)
            else:
                self.gone.append(event)
        return JSONResponse({"success": True})


@dataclass
class Slack:
    """Slack: it answers `ok` or the error as text, and does not recognize repetitions."""

    taken: list[str] = field(default_factory=list)

    def answer(self, headers: dict[str, str], query: dict[str, str], body: bytes) -> Response:
        try:
            text = orjson.loads(body)["text"]
        except (orjson.JSONDecodeError, KeyError, TypeError):
            return PlainTextResponse("invalid_payload", 400)
        if not text:
            return PlainTextResponse("no_text", 400)
        self.taken.append(text)
        return PlainTextResponse("ok")


@dataclass(frozen=True)
class Received:
    """A request to /hook as received."""

    method: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Hook:
    taken: list[Received] = field(default_factory=list)

    def answer(self, method: str, headers: dict[str, str], body: bytes) -> Response:
        self.taken.append(Received(method, headers, body))
        return PlainTextResponse("thanks")


@dataclass
class Receivers:
    """All receivers on one address. `always` answers every request until it is removed."""

    url: str = ""
    mixpanel: Mixpanel = field(default_factory=Mixpanel)
    amplitude: Amplitude = field(default_factory=Amplitude)
    segment: Segment = field(default_factory=Segment)
    slack: Slack = field(default_factory=Slack)
    hook: Hook = field(default_factory=Hook)
    answers: deque[Response] = field(default_factory=deque)
    always: Response | None = None
    requests: int = 0

    async def serve(self, request: Request) -> Response:
        self.requests += 1
        body = await request.body()
        if self.answers:
            return self.answers.popleft()
        if self.always:
            return self.always
        headers = dict(request.headers)
        path = request.url.path
        if path == "/hook":
            return self.hook.answer(request.method, headers, body)
        kinds: dict[str, Mixpanel | Amplitude | Segment | Slack] = {
            "/import": self.mixpanel,
            "/2/httpapi": self.amplitude,
            "/v1/batch": self.segment,
            "/slack": self.slack,
        }
        return kinds[path].answer(headers, dict(request.query_params), body)


@contextmanager
def receiving() -> Iterator[Receivers]:
    """Run the receivers on a free port until the block ends."""
    receivers = Receivers()
    methods = ["GET", "POST", "PUT", "PATCH"]
    app = Starlette(routes=[Route("/{path:path}", receivers.serve, methods=methods)])
    with served(app) as url:
        receivers.url = url
        yield receivers


def _basic_user(headers: dict[str, str]) -> str:
    kind, _, encoded = headers.get("authorization", "").partition(" ")
    return base64.b64decode(encoded).decode().partition(":")[0] if kind == "Basic" else ""
