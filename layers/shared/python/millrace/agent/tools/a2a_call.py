"""Sends a message to a remote A2A agent and follows its task. Plain JSON, as the SDK takes 140 ms to import.

The message has the call's idempotency key as its `messageId`. If a stream is cut off, the task is polled. A
call that ends early (canceled, out of time, too large) cancels its task.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from typing import Any
from urllib.parse import quote

import httpx
import orjson

from millrace.agent.tools.a2a import Card
from millrace.agent.tools.a2a_card import VERSION
from millrace.agent.tools.a2a_task import RemoteTask
from millrace.agent.tools.mcp_server import McpServer as Remote
from millrace.agent.tools.tool import ToolContext, ToolResult
from millrace.domain.hops import HEADER, current_hops
from millrace.errors import InvalidRequest, MillraceError
from millrace.net.errors import RequestFailed

ANSWER_LIMIT = 8 * 1024 * 1024
SILENT_SECONDS = 120.0
POLL_SECONDS = (0.5, 1.0, 2.0, 5.0)
FAILED_POLLS = 5
CANCEL_SECONDS = 2.0
_PATHS = {
    "SendStreamingMessage": ("POST", "/message:stream"),
    "SendMessage": ("POST", "/message:send"),
    "GetTask": ("GET", "/tasks/{id}"),
    "CancelTask": ("POST", "/tasks/{id}:cancel"),
}


async def send_message(
    http: Callable[[], httpx.AsyncClient],
    remote: Remote,
    card: Card,
    arguments: dict[str, Any],
    context: ToolContext,
) -> ToolResult:
    """Send the message and return the answer, the agent's question, or the reason why there is none."""
    params = {"message": _message(arguments, context.idempotency_key)}
    call, task = _Call(http(), remote, card), RemoteTask()
    try:
        await _follow(call, task, params)
    except BaseException as error:
        await _give_up(call, task)
        if isinstance(error, MillraceError):
            raise RequestFailed(remote.redact(error.message)[:1000]) from error
        raise
    return task.result(remote)


def _message(arguments: dict[str, Any], id: str) -> dict[str, Any]:
    text, task_id = arguments.get("message"), arguments.get("taskId") or None
    if not isinstance(text, str) or not text.strip():
        raise InvalidRequest("message must be a non-empty string.", code="invalid_arguments")
    if task_id is not None and not isinstance(task_id, str):
        raise InvalidRequest("taskId must be a string.", code="invalid_arguments")
    message = {"role": "ROLE_USER", "messageId": id, "parts": [{"text": text}]}
    return message | ({"taskId": task_id} if task_id else {})


async def _follow(call: "_Call", task: RemoteTask, params: dict[str, Any]) -> None:
    method = "SendStreamingMessage" if call.streaming else "SendMessage"
    was_cut = False
    try:
        await _apply(call, method, params, task.fold)
    except _Cut:
        if not task.id and not task.settled:  # cannot be polled, and a second message might do it twice
            raise
        was_cut = True
    if task.id and (was_cut or not task.settled):
        await _poll(call, task)
    elif not task.settled:
        raise RequestFailed("The agent ended its answer without a task or a message.")


async def _apply(
    call: "_Call", method: str, params: dict[str, Any], fold: Callable[[dict[str, Any]], object]
) -> None:
    async with aclosing(call.answers(method, params)) as updates:
        async for update in updates:
            fold(update)


async def _poll(call: "_Call", task: RemoteTask) -> None:
    """Poll the task until it ends or asks a question. Raises `RequestFailed` if it cannot be read."""
    failures = 0
    for at in range(10_000):  # the toolbox ends the call long before this
        try:
            await _apply(call, "GetTask", {"id": task.id}, lambda found: task.fold({"task": found}))
            failures = 0
        except RequestFailed:
            failures += 1
            if failures == FAILED_POLLS:
                raise
        else:
            if task.settled:
                return
        await asyncio.sleep(POLL_SECONDS[min(at, len(POLL_SECONDS) - 1)])


async def _give_up(call: "_Call", task: RemoteTask) -> None:
    if not task.id or task.settled:
        return
    try:
        async with asyncio.timeout(CANCEL_SECONDS):
            await _apply(call, "CancelTask", {"id": task.id}, lambda _: None)
    except (TimeoutError, MillraceError):
        pass  # the agent cannot be reached, or its task has just ended


class _Cut(RequestFailed):
    """The connection ended before the answer did."""


class _Call:
    """Requests to one agent, in the binding of its card."""

    def __init__(self, http: httpx.AsyncClient, remote: Remote, card: Card) -> None:
        self._http, self._remote, self._card = http, remote, card
        self.streaming = card.streaming

    async def answers(self, method: str, params: dict[str, Any]) -> AsyncGenerator[dict[str, Any], None]:
        """Yield the objects of the answer as they arrive. Raises `RequestFailed`, `AddressNotAllowed`."""
        request = self._request(method, params)
        try:
            response = await self._http.send(request, stream=True)
            try:
                async for data in _objects(response):
                    yield self._unwrapped(data, response.status_code)
            finally:
                await response.aclose()
        except httpx.HTTPError as error:
            raise _Cut(f"The connection to the agent failed: {error or type(error).__name__}") from error

    def _request(self, method: str, params: dict[str, Any]) -> httpx.Request:
        headers = (
            dict(self._remote.headers)
            | VERSION
            | {"Accept": "application/json, text/event-stream", "Accept-Encoding": "identity"}
            | {HEADER: str(current_hops() + 1)}  # so that agents that call each other do not do so endlessly
        )
        timeout = httpx.Timeout(15.0, read=SILENT_SECONDS)
        url = httpx.URL(self._card.url)
        query = self._remote.url.partition("?")[2].encode()
        if self._card.binding == "JSONRPC":
            named = {"tenant": self._card.organization} if self._card.organization else {}
            body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params | named}
            verb = "POST"
        else:
            verb, path = _PATHS[method]
            organization = self._card.organization
            start = url.path.rstrip("/") + (f"/{quote(organization, safe='')}" if organization else "")
            whole = start + path.format(id=quote(params.get("id", ""), safe=""))
            url, body = url.copy_with(path=whole), {} if method == "CancelTask" else params
        url = url.copy_with(query=url.query or query or None)
        content = orjson.dumps(body) if verb == "POST" else None
        typed = headers | ({"Content-Type": "application/json"} if content else {})
        return self._http.build_request(verb, url, headers=typed, content=content, timeout=timeout)

    def _unwrapped(self, data: Any, status: int) -> dict[str, Any]:
        """Return the object in a response. Raises `RequestFailed` with the agent's message for an error."""
        if 300 <= status < 400:
            raise RequestFailed("The agent's address redirects, and redirects are not followed.")
        error = data.get("error") if isinstance(data, dict) else None
        if error or status >= 400:
            said = error.get("message") if isinstance(error, dict) else error
            raise RequestFailed(f"The agent refused: {said or f'status {status}'}")
        found = data.get("result") if isinstance(data, dict) and self._card.binding == "JSONRPC" else data
        if not isinstance(found, dict):
            raise RequestFailed("The agent's answer is not A2A 1.0.")
        return found


async def _objects(response: httpx.Response) -> AsyncIterator[Any]:
    """Yield the JSON values of an answer: each event of a stream, or the single body."""
    if not response.headers.get("Content-Type", "").startswith("text/event-stream"):
        body = b"".join([chunk async for chunk in _bounded(response)])
        yield _json(body) if response.is_success else _json_or_nothing(body)
        return
    data: list[bytes] = []
    async for line in _lines(response):
        if line.startswith(b"data:"):
            data.append(line[5:].removeprefix(b" "))
        elif not line and data:
            yield _json(b"\n".join(data))
            data = []


async def _lines(response: httpx.Response) -> AsyncIterator[bytes]:
    rest = b""
    async for chunk in _bounded(response):
        *lines, last = chunk.split(b"\n")
        for line in lines:
            yield (rest + line).rstrip(b"\r")
            rest = b""
        rest += last


async def _bounded(response: httpx.Response) -> AsyncIterator[bytes]:
    if response.headers.get("Content-Encoding", "identity") != "identity":
        raise RequestFailed("The agent's answer is compressed, which was not requested.")
    size = 0
    async for chunk in response.aiter_raw():
        size += len(chunk)
        if size > ANSWER_LIMIT:
            raise RequestFailed(f"The agent's answer has more than {ANSWER_LIMIT // 2**20} MB.")
        yield chunk


def _json(data: bytes) -> Any:
    try:
        return orjson.loads(data)
    except ValueError as error:
        raise RequestFailed("The agent's answer is not JSON.") from error


def _json_or_nothing(data: bytes) -> Any:
    try:
        return orjson.loads(data)
    except ValueError:
        return None
