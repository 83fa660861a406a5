"""Receives the events of a stream, each once and in order, over as many connections as necessary.

A stream begins with a request that may start a run. Once a part of its answer has arrived, the client
continues by GET with the id of the last event that its caller has received. Until then it repeats the
request, whose idempotency key makes it the same run.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx
import orjson

from millrace.client.actions import Deliver, Pause, ReadAll, Receive, Steps
from millrace.client.calls import EVENTS, Request, Sender, lost
from millrace.client.errors import APIError, ConnectionLostError, MillraceError, ProtocolError, error_of
from millrace.client.policy import NOT_SENT
from millrace.client.sse import EventParser, Message

Event = dict[str, Any]


@dataclass(slots=True)
class Cursor:
    """The position up to which a stream has been received: its run, and the last event with an id."""

    run_id: str | None = None
    last_id: str | None = None

    def is_old(self, id: str | None) -> bool:
        """Return whether an event has been received before: the numbers in a run only increase."""
        if id is None or self.last_id is None:
            return False
        run, _, number = id.rpartition(".")
        last_run, _, last = self.last_id.rpartition(".")
        return run == last_run and _place(number) <= _place(last)

    def pass_to(self, message: Message) -> None:
        """Move on to after an event."""
        if message.event["type"] == "start":
            self.run_id = message.event["runId"]
        self.last_id = message.id or self.last_id


def _place(number: str) -> tuple[int, float]:
    """Return the position of an event in its run. The n-th of several chunks of an event is `<number>-<n>`;
    the last one has the event's own number."""
    digits, dash, part = number.partition("-")
    if not digits.isdigit():
        return (0, 0.0)
    return (int(digits), float(part) if dash and part.isdigit() else math.inf)


@dataclass(frozen=True, slots=True)
class Plan:
    """A kind of stream: its first request, the request that continues it (None if it cannot be continued,
    like audio), and the event that ends it."""

    first: Request
    resume: Callable[[Cursor], Request | None]
    is_last: Callable[[Event], bool]


@dataclass(slots=True)
class Follower:
    """The reception of one stream. The caller moves `cursor` as it receives events; the connection may be
    ahead of it. `accepted` is the JSON that arrived instead of a stream, if the message became a live
    message."""

    sender: Sender
    plan: Plan
    cursor: Cursor = field(default_factory=Cursor)
    accepted: Mapping[str, Any] | None = None

    def steps(self) -> Steps[None]:
        """Open the stream, then deliver its events in batches. Raises `MillraceError`."""
        failures = 0
        while True:
            progress, failure = False, None
            try:
                if not (yield from self._open()):
                    return
                parser = EventParser()
                while chunk := (yield Receive()):
                    messages = parser.feed(chunk)
                    progress = progress or bool(messages)
                    if (yield from self._hand_over(messages)):
                        return
            except httpx.TransportError as error:
                failure = self._checked(error)
            except APIError as error:
                if not self._may_try(error):
                    raise
                failure = error
            failures = 0 if progress else failures + 1
            if failures >= self.sender.policy.attempts:
                raise failure or ConnectionLostError("The stream ended repeatedly without an event.")
            yield Pause(self.sender.policy.wait(max(failures - 1, 0), failure))

    def _open(self) -> Steps[bool]:
        """Open a connection; return False if there are no more events."""
        policy = self.sender.policy
        timeout = httpx.Timeout(policy.opening, connect=10.0)
        response = yield from self.sender.send(self._request(), timeout, stream=True)
        if response.status_code == 204:
            return False
        if not response.is_success:
            yield ReadAll()
            raise error_of(response)
        if response.headers.get("content-type", "").startswith(EVENTS):
            # Headers may take a cold start; after that, a stream is never silent for longer than a heartbeat.
            response.request.extensions["timeout"]["read"] = policy.silence
            self.cursor.run_id = self.cursor.run_id or response.headers.get("x-run-id")
            yield Deliver([])
            return True
        yield ReadAll()
        return (yield from self._join(response))

    def _request(self) -> Request:
        resumed = self.plan.resume(self.cursor) if self._has_begun() else None
        if resumed is None:
            return self.plan.first
        if self.cursor.last_id is None:
            return resumed
        return _after(resumed, self.cursor.last_id)

    def _has_begun(self) -> bool:
        return self.cursor.run_id is not None or self.cursor.last_id is not None

    def _join(self, response: httpx.Response) -> Steps[bool]:
        """Continue with the active run, to which the message was sent."""
        try:
            found = orjson.loads(response.content)
            self.cursor.run_id = found["runId"]
        except (orjson.JSONDecodeError, KeyError, TypeError) as error:
            raise ProtocolError(f"{response.request.url} did not answer with an event stream.") from error
        self.accepted = found
        return (yield from self._open())

    def _hand_over(self, messages: list[Message]) -> Steps[bool]:
        """Deliver new events; return True after the last event of the stream."""
        for number, message in enumerate(messages):
            if self.plan.is_last(message.event):
                yield Deliver(messages[: number + 1])
                return True
        if messages:
            yield Deliver(messages)
        return False

    def _checked(self, error: httpx.TransportError) -> MillraceError:
        """Return the error for a failed connection. Raises it if another connection could do harm or cannot
        continue."""
        failure = lost(error)
        if self._has_begun():
            if self.plan.resume(self.cursor) is None:
                raise failure from error
        elif not (self.plan.first.may_repeat or isinstance(error, NOT_SENT)):
            raise failure from error
        return failure

    def _may_try(self, error: APIError) -> bool:
        if not self.sender.policy.may_pass(error):
            return False
        return self._has_begun() or self.plan.first.may_repeat or error.status in (429, 503)


def _after(request: Request, last_id: str) -> Request:
    headers = {**request.headers, "last-event-id": last_id}
    return Request(request.method, request.path, request.query, headers=headers)
