"""Receive the events of a stream, each once and in order, over as many connections as it takes.

A stream begins with a request that may start a run. Once something of its answer has come, the client goes on
by GET with the id of the last event that its caller has been given. Until then the same request is sent
again: its idempotency key makes it the same run.
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
    """The place up to which a stream has been received: its run, and the last event with an id."""

    run_id: str | None = None
    last_id: str | None = None

    def is_old(self, id: str | None) -> bool:
        """Return whether an event has been received before: numbers of a run only grow."""
        if id is None or self.last_id is None:
            return False
        run, _, number = id.rpartition(".")
        last_run, _, last = self.last_id.rpartition(".")
        return run == last_run and _place(number) <= _place(last)

    def pass_to(self, message: Message) -> None:
        """Move on behind an event."""
        if message.event["type"] == "start":
            self.run_id = message.event["runId"]
        self.last_id = message.id or self.last_id


def _place(number: str) -> tuple[int, float]:
    """The place of an event in its run. The n-th of several chunks of an event is `<number>-<n>`, and the
    last of them has the event's own number."""
    digits, dash, part = number.partition("-")
    if not digits.isdigit():
        return (0, 0.0)
    return (int(digits), float(part) if dash and part.isdigit() else math.inf)


@dataclass(frozen=True, slots=True)
class Plan:
    """One kind of stream: its first request, the one that goes on with it (None where nothing can, as for an
    audio), and the event that ends it."""

    first: Request
    resume: Callable[[Cursor], Request | None]
    is_last: Callable[[Event], bool]


@dataclass(slots=True)
class Follower:
    """The reception of one stream. `cursor` is moved by the caller as it takes events; the connection may be
    ahead of it. `accepted` is the JSON that came in the place of a stream, when the message became a live
    one."""

    sender: Sender
    plan: Plan
    cursor: Cursor = field(default_factory=Cursor)
    accepted: Mapping[str, Any] | None = None

    def steps(self) -> Steps[None]:
        """Open the stream, then deliver its events by the batch. Raises `MillraceError`."""
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
                raise failure or ConnectionLostError("The stream ended again and again without an event.")
            yield Pause(self.sender.policy.wait(max(failures - 1, 0), failure))

    def _open(self) -> Steps[bool]:
        """Open a connection; False where nothing more is to come."""
        policy = self.sender.policy
        timeout = httpx.Timeout(policy.opening, connect=10.0)
        response = yield from self.sender.send(self._request(), timeout, stream=True)
        if response.status_code == 204:
            return False
        if not response.is_success:
            yield ReadAll()
            raise error_of(response)
        if response.headers.get("content-type", "").startswith(EVENTS):
            # Headers may take a cold start; what follows is never silent for longer than a heartbeat.
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
        """The message went to the run that is at work: go on with that run."""
        try:
            found = orjson.loads(response.content)
            self.cursor.run_id = found["runId"]
        except (orjson.JSONDecodeError, KeyError, TypeError) as error:
            raise ProtocolError(f"{response.request.url} did not answer with an event stream.") from error
        self.accepted = found
        return (yield from self._open())

    def _hand_over(self, messages: list[Message]) -> Steps[bool]:
        """Hand over what is new; True behind the last event of the stream."""
        for number, message in enumerate(messages):
            if self.plan.is_last(message.event):
                yield Deliver(messages[: number + 1])
                return True
        if messages:
            yield Deliver(messages)
        return False

    def _checked(self, error: httpx.TransportError) -> MillraceError:
        """The failure of a connection, raised where another one could do harm or cannot go on."""
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
