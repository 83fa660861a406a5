"""A backend for tests of the page: real HTTP and real streams, with each event sent on command."""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import queue
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.types import Receive, Scope, Send

from local.front import web_pages
from local.oidc import PATH as OIDC_PATH
from local.oidc import LocalIssuer, Tokens
from local.web import WebFiles
from tests.serving import PromptServer
from tests.web.sound import VOICES, Sound

DIST = Path(__file__).parents[2] / "web" / "dist"
TIMEOUT_S = 30
NOW = "2026-03-02T09:00:00Z"
AGENTS = [
    {
        "id": "a1",
        "name": "Field guide",
        "model": "demo:guide",
        "description": "Knows rivers, mills and weirs.",
        "starters": ["What is a weir?"],
    },
    {"id": "a2", "name": "Analyst", "model": "demo:analyst"},
]
Json = dict[str, Any]


class Run:
    """The event log of one run. The test appends, any number of connections read, from wherever they left."""

    def __init__(self, run_id: str, conversation_id: str, loop: asyncio.AbstractEventLoop) -> None:
        self.id, self.conversation_id, self._loop = run_id, conversation_id, loop
        self.events: list[Json] = []
        self.connections = 0
        self._changed = asyncio.Event()
        self._cuts = 0
        self._swallowed = 0

    @property
    def is_active(self) -> bool:
        return not any(event["type"] in ("done", "error") for event in self.events)

    def event_id(self, number: int) -> str:
        return f"{self.id}.{number}"

    def emit(self, kind: str, /, **fields: Any) -> None:
        self._in_loop(lambda: self.events.append({"type": kind, **fields}))

    def start(self) -> None:
        self.emit("start", runId=self.id, conversationId=self.conversation_id, messageId="m")

    def say(self, *tokens: str) -> None:
        for token in tokens:
            self.emit("token", token=token)

    def done(self, reason: str = "stop", **fields: Any) -> None:
        usage = {"input": 1200, "output": 340, "total": 1540}
        self.emit(
            "done",
            messageId="m",
            usage=usage,
            finishReason=reason,
            **{"cost": 0.0042, "durationMs": 3200} | fields,
        )

    def stopped(self) -> Response:
        """The answer to a request that stops this run."""
        return JSONResponse({"runId": self.id, "state": "stopping"}, 202)

    def cut(self) -> None:
        """End every open connection without a last event, as a dead network does."""

        def cut() -> None:
            self._cuts += 1

        self._in_loop(cut)

    def swallow(self) -> None:
        """Keep every open connection open, and bring nothing more over it, as a black hole does."""

        def swallow() -> None:
            self._swallowed = self.connections

        self._in_loop(swallow)

    def _in_loop(self, change: Callable[[], None]) -> None:
        def apply() -> None:
            change()
            self._changed.set()
            self._changed = asyncio.Event()

        self._loop.call_soon_threadsafe(apply)

    async def stream(self, after: int) -> AsyncIterator[str]:
        cuts = self._cuts
        self.connections += 1
        number = self.connections
        for index in itertools.count(after):
            while index >= len(self.events) or number <= self._swallowed:
                await self._changed.wait()
                if cuts != self._cuts:
                    return
            yield f"id: {self.event_id(index + 1)}\ndata: {json.dumps(self.events[index])}\n\n"
            if self.events[index]["type"] in ("done", "error"):
                return


class Silence(Response):
    """No answer, over a connection that stays open until the page gives it up."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass


@dataclass
class Backend:
    """The server as the page sees it, and the page's requests as the test sees them."""

    loop: asyncio.AbstractEventLoop
    url: str = ""
    runs: dict[str, Run] = field(default_factory=dict)
    conversations: dict[str, Json] = field(default_factory=dict)
    messages: dict[str, list[Json]] = field(default_factory=dict)
    #: Live messages that the agent has not read.
    waiting: dict[str, list[Json]] = field(default_factory=dict)
    requests: list[tuple[str, str, Json]] = field(default_factory=list)
    #: (method, end of the path) -> answers to give, one per request, in place of the real one.
    answers: dict[tuple[str, str], list[Response]] = field(default_factory=dict)
    tokens: int = 0
    #: Whether the provider takes the refresh tokens that it has given.
    is_renewing: bool = True
    has_dev_user: bool = True
    #: Whether a run begins at once, or when the test emits its `start`.
    has_start: bool = True
    _new_runs: queue.Queue[Run] = field(default_factory=queue.Queue)
    _new_sounds: queue.Queue[Sound] = field(default_factory=queue.Queue)

    def next_run(self) -> Run:
        """The run of the message that the page sends next (or has just sent)."""
        return self._new_runs.get(timeout=TIMEOUT_S)

    def next_sound(self) -> Sound:
        """The speech that the page asks for next (or has just asked for)."""
        return self._new_sounds.get(timeout=TIMEOUT_S)

    def refuse(self, method: str, path_end: str, status: int, code: str, message: str) -> None:
        error = {"error": {"code": code, "message": message, "requestId": "req-1"}}
        self.answers.setdefault((method, path_end), []).append(JSONResponse(error, status))

    def revoke_tokens(self) -> None:
        self.tokens += 1

    def sent(self, method: str, path_end: str) -> list[Json]:
        """The bodies that the page sent there; an empty one for a request without."""
        return [
            body for verb, path, body in list(self.requests) if verb == method and path.endswith(path_end)
        ]

    def wait_until(self, condition: Callable[[], object]) -> None:
        deadline = time.monotonic() + TIMEOUT_S
        while not condition():
            assert time.monotonic() < deadline, f"never happened; the page sent {self.requests}"
            threading.Event().wait(0.01)

    def wait_until_sent(self, method: str, path_end: str, count: int = 1) -> None:
        self.wait_until(lambda: len(self.sent(method, path_end)) >= count)

    # --- the routes ---

    async def config(self, request: Request) -> Response:
        user = {"username": "dev", "password": "dev"} if self.has_dev_user else None
        metadata = f"{OIDC_PATH}/.well-known/openid-configuration"
        auth = {"issuer": self.url, "clientId": "web", "metadataUrl": metadata}
        return JSONResponse({"auth": auth, "devUser": user, "apiBase": {"/api": ""}})

    async def by_password(self, username: str, password: str) -> Tokens | None:
        """The provider's pool, in which every password but `wrong` is right."""
        self.requests.append(("POST", "/oidc/password", {"username": username}))
        return None if password == "wrong" else self._tokens() | {"refresh_token": "refresh"}

    async def by_refresh_token(self, token: str) -> Tokens | None:
        self.requests.append(("POST", "/oidc/refresh", {"token": token}))
        return self._tokens() if self.is_renewing else None

    def _tokens(self) -> Json:
        return {"id_token": self.id_token, "access_token": "a", "token_type": "Bearer", "expires_in": 3600}

    @property
    def id_token(self) -> str:
        """The only one that the API takes."""
        claims = {"sub": "u1", "name": "Ada", "custom:organization": "acme", "number": self.tokens}
        parts = [{"alg": "none"}, claims]
        encoded = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts]
        return ".".join([*encoded, "x"])

    async def api(self, request: Request) -> Response:
        """Everything under /api: recorded, authorised, then one scripted answer or the real one."""
        raw = await request.body()
        path = request.url.path.removeprefix("/api")
        self.requests.append((request.method, path, json.loads(raw) if raw else {}))
        if request.headers.get("authorization") != f"Bearer {self.id_token}":
            return JSONResponse({"error": {"code": "unauthorized", "message": "Sign in."}}, 401)
        for (method, end), answers in self.answers.items():
            if method == request.method and path.endswith(end) and answers:
                return answers.pop(0)
        return self._answer(request, path.strip("/").split("/"))

    def _answer(self, request: Request, path: list[str]) -> Response:
        match request.method, *path:
            case "GET", "agents":
                return JSONResponse({"items": AGENTS, "nextCursor": None})
            case "GET", "conversations":
                newest_first = list(self.conversations.values())[::-1]
                return JSONResponse({"items": newest_first, "nextCursor": None})
            case "GET", "conversations", name if name in self.conversations:
                return JSONResponse(self.conversations[name])
            case "GET", "conversations", name:
                error = {"code": "conversation_not_found", "message": "No conversation has this id."}
                return JSONResponse({"error": error}, 404)
            case "DELETE", "conversations", name:
                self.conversations.pop(name, None)
                return Response(status_code=204)
            case "GET", "conversations", name, "messages":
                return JSONResponse({"items": self._history(name), "nextCursor": None})
            case "GET", "conversations", name, "inject":
                return JSONResponse({"items": self.waiting.get(name, []), "nextCursor": None})
            case "GET", "runs", name, "stream":
                last = request.headers.get("last-event-id", f"{name}.0")
                assert last.startswith(f"{name}."), f"{last} is not of this run"
                return self._stream(self.runs[name], int(last.rpartition(".")[2]))
            case _:
                return self._act(request.method, path, self.requests[-1][2])

    def _act(self, method: str, path: list[str], body: Json) -> Response:
        match method, *path:
            case "GET", "voice", "voices":
                return JSONResponse(VOICES)
            case "POST", "voice", "streams", stream, "stop":
                return JSONResponse({"streamId": stream, "state": "stopping"}, 202)
            case "POST", "voice", *_, "stream":
                return self._speak()
            case "POST", "conversations", name, "messages":
                return self._start(name, body)
            case "POST", "conversations", name, "regenerate":
                return self._again(name, body)
            case "POST", "conversations", name, "stop":
                run = self._active_run(name)
                run.done("stopped")
                return run.stopped()
            case "POST", "conversations", name, "inject":
                return JSONResponse(self._keep(name, body["content"]), 202)
            case "DELETE", "conversations", name, "inject", message_id:
                self.consume(name, message_id)
                return Response(status_code=204)
            case _:
                return JSONResponse(
                    {"error": {"code": "not_found", "message": "There is no such thing."}}, 404
                )

    def _keep(self, name: str, content: str) -> Json:
        number = len(self.sent("POST", "/inject"))
        made = {"messageId": f"live{number}", "content": content, "expiresAt": "2999-01-01T00:00:00Z"}
        self.waiting.setdefault(name, []).append(made)
        return made

    def settle(self, run: Run) -> None:
        """Keep the end of a run: its conversation has no active run any more."""
        self.conversations[run.conversation_id]["activeRunId"] = None

    def consume(self, name: str, message_id: str) -> None:
        """Remove a live message from those that wait."""
        self.waiting[name] = [one for one in self.waiting[name] if one["messageId"] != message_id]

    def _start(self, name: str, body: Json) -> Response:
        run = self.runs.get(f"run-{body['idempotencyKey']}") or self._new_run(name, body)
        return self._stream(run, 0)

    def _again(self, name: str, body: Json) -> Response:
        """Another run of the last question, in the place of the one that it had."""
        run = Run(f"run-{body['idempotencyKey']}", name, self.loop)
        self.runs[run.id] = run
        self.messages[name][-1]["runId"] = run.id
        run.start()
        self._new_runs.put(run)
        return self._stream(run, 0)

    def _speak(self) -> Response:
        sound = Sound(self.loop, len(self.requests))
        self._new_sounds.put(sound)
        return sound.response()

    def _new_run(self, name: str, body: Json) -> Run:
        run = Run(f"run-{body['idempotencyKey']}", name, self.loop)
        self.runs[run.id] = run
        self.add_conversation(name, body["content"][:60], run.id, body.get("agentId", "a1"))
        message = {"role": "user", "content": [{"text": body["content"]}], "runId": run.id, "createdAt": NOW}
        self.messages.setdefault(name, []).append({"id": f"q-{run.id}", **message})
        if self.has_start:
            run.start()
        self._new_runs.put(run)
        return run

    def add_conversation(
        self, name: str, title: str, run_id: str | None = None, agent_id: str = "a1"
    ) -> None:
        stamps = {"createdAt": NOW, "updatedAt": NOW, "activeRunId": run_id}
        self.conversations.pop(name, None)
        self.conversations[name] = {"id": name, "agentId": agent_id, "title": title, **stamps}

    def _stream(self, run: Run, after: int) -> Response:
        return StreamingResponse(run.stream(after), media_type="text/event-stream")

    def _active_run(self, name: str) -> Run:
        return next(run for run in self.runs.values() if run.conversation_id == name and run.is_active)

    def _history(self, name: str) -> list[Json]:
        """The stored messages; each finished run adds its answer."""
        answers = {run.id: _stored_answer(run) for run in self.runs.values() if not run.is_active}
        history: list[Json] = []
        for message in self.messages.get(name, []):
            history += [message, *filter(None, [answers.get(message["runId"])])]
        return history


def _stored_answer(run: Run) -> Json:
    text = "".join(event.get("token", "") for event in run.events)
    return {
        "id": f"a-{run.id}",
        "role": "assistant",
        "content": [{"text": text}],
        "runId": run.id,
        "createdAt": NOW,
    }


def _app(backend: Backend) -> Starlette:
    methods = ["GET", "POST", "DELETE"]
    return Starlette(
        routes=[
            Route("/config.json", backend.config),
            *LocalIssuer(backend, backend.url).routes(),
            Route("/api/{path:path}", backend.api, methods=methods),
            Mount("/", web_pages(WebFiles(DIST))),
        ]
    )


class BackendThread:
    """A backend on a free port of the loopback interface, in a thread of its own."""

    def __init__(self, kind: type[Backend] = Backend) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.backend = kind(asyncio.new_event_loop())
        self.backend.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        config = uvicorn.Config(
            _app(self.backend), log_level="warning", ws="none", lifespan="off", timeout_graceful_shutdown=1
        )
        self._server = PromptServer(config)
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        self.backend.loop.run_until_complete(self._server.serve([self._socket]))

    def __enter__(self) -> Backend:
        self._thread.start()
        self._server.ready.wait()
        return self.backend

    def __exit__(self, *_: object) -> None:
        for run in self.backend.runs.values():
            run.cut()
        self._server.end()
        self._thread.join(TIMEOUT_S)
        self.backend.loop.close()
        self._socket.close()
