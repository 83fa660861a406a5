"""Patient clients, which repeat a request under the same key until it is accepted, and record the results."""

import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.api.talk import STREAM
from tests.fakes.steady_model import LEAD
from tests.sse import read_events

AGAIN = frozenset({429, 502, 503, 504})
"""Answers after which a client sends the same again: 502 is that of a function whose process died."""
LIVE = "And hurry."
PER_REQUEST = 10
RUSHING = 3
"""Messages that interrupt each other."""
CAREFUL = {
    "id": "careful",
    "name": "Careful",
    "model": "echo:",
    "tools": [{"name": "echo_tool", "policy": "ask"}],
}
CALM_SECONDS = 240.0
"""The most that anything may take to come to its end, once it is calm."""


def content_of(name: str) -> str:
    """Return the message of a conversation with this name."""
    return f"/echo tools=1\n{name}" if name.startswith("careful") else f"Pay order-{name}."


@dataclass
class Books:
    """Everything that was accepted.

    `rushes` are the messages of a conversation with their runs, and at the end the one for another answer.
    `statuses` counts those of all responses.
    """

    runs: dict[str, str] = field(default_factory=dict)
    live: dict[str, str] = field(default_factory=dict)
    rushes: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    answered: dict[str, str] = field(default_factory=dict)
    events: set[int] = field(default_factory=set)
    statuses: Counter[int] = field(default_factory=Counter)
    broken: int = 0
    wrong: list[str] = field(default_factory=list)


@dataclass
class Client:
    """A client of the stack. `over` is set when the faults end; active work is still finished."""

    http: httpx.Client
    books: Books
    over: threading.Event
    draw: random.Random

    def until_accepted(self, method: str, path: str, **request: Any) -> httpx.Response:
        """Send until the answer is not one of those that ask for a retry."""
        until = time.monotonic() + CALM_SECONDS
        while True:
            try:
                answer = self.http.request(method, path, **request)
            except httpx.TransportError:
                self.books.broken += 1
            else:
                self.books.statuses[answer.status_code] += 1
                if answer.status_code not in AGAIN:
                    return answer
            if time.monotonic() > until:
                raise AssertionError(f"{method} {path} is never accepted")
            threading.Event().wait(self.draw.uniform(0.05, 0.4))

    def expect(self, answer: httpx.Response, *statuses: int) -> bool:
        """Record an answer whose status is not one of these."""
        if answer.status_code not in statuses:
            self.books.wrong.append(f"{answer.request.method} {answer.url.path}: {answer.text:.300}")
        return answer.status_code in statuses

    def repeat(self, work: Callable[[int], None]) -> None:
        """Repeat the work until the faults end."""
        number = 0
        while not self.over.is_set():
            work(number)
            number += 1

    # --- conversations -----------------------------------------------------------------------------

    def converse(self, name: str, agent: str) -> None:
        """Send one message to an agent, and a live message if the agent is the lead."""
        body = {"agentId": agent, "content": content_of(name), "idempotencyKey": name}
        run_id = self._stream(f"/api/conversations/{name}/messages", body, name if agent == LEAD else "")
        if run_id:
            self.books.runs[name] = run_id
            self.wait_for_end(run_id)

    def _stream(self, path: str, body: dict[str, Any], hurry: str = "", may_be_refused: bool = False) -> str:
        """Send a message until its run is known or it is refused in favor of another; read its stream to the
        end."""
        until, run_id = time.monotonic() + CALM_SECONDS, ""
        while not run_id and time.monotonic() < until:
            try:
                with self.http.stream("POST", path, json=body, headers=STREAM) as answer:
                    self.books.statuses[answer.status_code] += 1
                    if answer.status_code == 200:
                        run_id = answer.headers["x-run-id"]
                        self._read(answer, path, hurry)
                    elif answer.status_code not in AGAIN:
                        answer.read()
                        self.expect(answer, 409 if may_be_refused else 200)
                        return ""
            except httpx.TransportError:
                self.books.broken += 1
            threading.Event().wait(self.draw.uniform(0.05, 0.4))
        return run_id

    def _read(self, answer: httpx.Response, path: str, hurry: str) -> None:
        for event in read_events(answer.iter_lines()):
            if event.data["type"] == "token" and hurry:
                self._hurry(path, hurry)
                hurry = ""

    def _hurry(self, path: str, name: str) -> None:
        body = {"content": LIVE, "idempotencyKey": name}
        sent = self.until_accepted("POST", path.replace("/messages", "/inject"), json=body)
        if self.expect(sent, 202, 409) and sent.status_code == 202:
            self.books.live[name] = sent.json()["messageId"]

    def run(self, run_id: str) -> dict[str, Any]:
        answer = self.until_accepted("GET", f"/api/runs/{run_id}")
        return dict(answer.json()) if self.expect(answer, 200) else {}

    def wait_for_end(self, run_id: str, *states: str) -> dict[str, Any]:
        """Return the run once it has ended or is in one of these states."""
        until = time.monotonic() + CALM_SECONDS
        while time.monotonic() < until:
            if not self.over.is_set():  # nothing promises a time while processes are killed
                until = time.monotonic() + CALM_SECONDS
            run = self.run(run_id)
            if not run or run["endedAt"] or run["state"] in states:
                return run
            threading.Event().wait(0.3)
        self.books.wrong.append(f"run {run_id} is stuck: {run}")
        return {}

    def rush(self, name: str) -> None:
        """Send messages that interrupt each other, a stop among them, and ask again for the last one's
        answer."""
        conversation = f"/api/conversations/{name}"
        with ThreadPoolExecutor(RUSHING) as pool:
            sent = [pool.submit(self._interrupt, name, number) for number in range(RUSHING)]
            self.expect(self.until_accepted("POST", f"{conversation}/stop"), 202, 404, 409)
            accepted = [one for one in (each.result() for each in sent) if one]
        if accepted:
            body = {"idempotencyKey": f"{name}-again", "ifBusy": "interrupt"}
            accepted.append(("", self._stream(f"{conversation}/regenerate", body)))
        self.books.rushes[name] = accepted
        for _, run_id in accepted:
            self.wait_for_end(run_id)

    def _interrupt(self, name: str, number: int) -> tuple[str, str] | None:
        """Send one of the messages that interrupt each other; return its text and its run."""
        content = f"/echo delayMs=40 repeat=4\nRush {number}."
        body = {"agentId": "echo", "content": content, "idempotencyKey": f"{name}-{number}"}
        path = f"/api/conversations/{name}/messages"
        run_id = self._stream(path, body | {"ifBusy": "interrupt"}, may_be_refused=True)
        return (content, run_id) if run_id else None

    # --- approvals ---------------------------------------------------------------------------------

    def approve(self, name: str) -> None:
        """Send a message whose tool call has to be approved."""
        path = f"/api/conversations/{name}/messages"
        body = {"agentId": CAREFUL["id"], "content": content_of(name), "idempotencyKey": name}
        run_id = self._stream(path, body)
        if not run_id:
            return
        self.books.runs[name] = run_id
        run = self.wait_for_end(run_id, "waiting")
        if run.get("state") != "waiting":
            return
        waiting = self.until_accepted("GET", "/api/approvals", params={"limit": "100"}).json()["items"]
        for call in (one for one in waiting if one["runId"] == run_id):
            given = {"callId": call["callId"], "decision": "approve"}
            answer = self.until_accepted("POST", f"/api/runs/{run_id}/answers", json=given)
            if self.expect(answer, 200, 202):
                self.books.answered[name] = call["callId"]
        self.wait_for_end(run_id)

    # --- events ------------------------------------------------------------------------------------

    def push(self, pipeline: str, first: int) -> None:
        """Push some events, sometimes twice."""
        numbers = range(first, first + PER_REQUEST)
        events = [{"id": f"e{n}", "payload": {"n": n}} for n in numbers]
        for _ in range(self.draw.choice((1, 1, 2))):
            path = f"/api/streaming/pipelines/{pipeline}/batch"
            answer = self.until_accepted("POST", path, json={"items": events})
            if self.expect(answer, 202):
                self.books.events |= set(numbers)
        threading.Event().wait(self.draw.uniform(0, 0.2))
