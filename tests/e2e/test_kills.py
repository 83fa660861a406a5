"""Processes of the running stack are killed during runs with tools, live messages and sub-agents: each run
has one history, no completed tool runs twice, each live message is read once, and every viewer ends with
the view of a late one."""

import os
import random
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from statistics import median
from typing import Any

import httpx
import pytest

from tests.api.talk import STREAM, attach, say, saying
from tests.continuing import settled_view
from tests.e2e.streaming import wait_until
from tests.effort import effort, soak
from tests.fakes.steady_model import HURRIED, LEAD, PARTS, TURNS, Office
from tests.sse import Sent, answer, read_events
from tests.stack import RunningStack

ROUNDS = int(os.environ.get("SOAK_KILLS", effort(1, 50)))
AT_ONCE = effort(3, 1)
"""Runs that one kill ends; one at a time where times are measured."""
APART_SECONDS = 0.8
MOMENTS = (0.1, 3.0)
"""Seconds after its beginning between which a run is killed; an uninterrupted one takes four."""
RETRY_SECONDS = 1.0
"""The `retry` of the streams, which `EventSource` obeys."""
SAID = [text for text, _ in TURNS["lead"] if text != HURRIED]
LIVE = "And hurry."


@dataclass
class Story:
    """A run and the client that began it, which stays or leaves before the kill."""

    chat: httpx.Client
    office: Office
    conversation: str
    watched: bool
    seen: list[tuple[float, Sent]] = field(default_factory=list)
    run_id: str = ""
    hurried: bool = False
    live: list[str] = field(default_factory=list)
    begun: threading.Event = field(default_factory=threading.Event)

    @property
    def path(self) -> str:
        return f"/api/conversations/{self.conversation}"

    @property
    def events(self) -> list[Sent]:
        """All that the client has seen but heartbeats."""
        return [event for _, event in self.seen if event.id is not None]

    def play(self) -> None:
        """Begin the run and see it through, as `EventSource` would."""
        self._listen(saying(self.chat, f"Pay order-{self.conversation}.", self.conversation, agentId=LEAD))
        while self.watched and not self._is_over():
            threading.Event().wait(RETRY_SECONDS)
            self._listen(self._resumed())
        wait_until(lambda: bool(self.run().get("endedAt")), 120)

    def run(self) -> dict[str, Any]:
        """The run; nothing of it where the process that is asked is killed."""
        found = self.chat.get(f"/api/runs/{self.run_id}")
        assert found.status_code in (200, 502), found.text
        return found.json() if found.status_code == 200 else {}

    def _is_over(self) -> bool:
        return bool(self.events) and self.events[-1].data["type"] in ("done", "error")

    @contextmanager
    def _resumed(self) -> Iterator[Iterator[Sent]]:
        headers = STREAM | {"last-event-id": str(self.events[-1].id)}
        with self.chat.stream("GET", f"/api/runs/{self.run_id}/stream", headers=headers) as response:
            assert response.status_code == 200, response.read()
            yield read_events(response.iter_lines())

    def _listen(self, stream: Any) -> None:
        try:
            with stream as events:
                for event in events:
                    self._see(event)
                    if not self.watched and event.data["type"] == "tool_call":
                        return
        except httpx.TransportError:
            pass  # its process is gone

    def _see(self, event: Sent) -> None:
        self.seen.append((time.monotonic(), event))
        self.run_id = self.run_id or event.data.get("runId", "")
        self.begun.set()
        if event.data["type"] == "token" and not self.hurried:
            self.hurried = True
            self._hurry()

    def _hurry(self) -> None:
        """Send the live message, again where its process is killed. A client that has lost its connection may
        do so after the run's end, and is told."""
        body = {"content": LIVE, "idempotencyKey": self.conversation}
        for _ in range(5):
            sent = self.chat.post(f"{self.path}/inject", json=body)
            if sent.status_code != 502:
                break
        assert sent.status_code in (202, 409), sent.text
        self.live += [sent.json()["messageId"]] if sent.status_code == 202 else []

    def check(self, deaths: int) -> None:
        """Check the run's end: history, tools, live message, views."""
        assert self.run()["state"] == "completed", self.run()
        late = [event for event in attach(self.chat, f"/api/runs/{self.run_id}/stream") if event.id]
        view = [event.data for event in settled_view(late)]
        numbers = [event.seq for event in late]
        assert numbers == sorted(set(numbers))
        assert sum(event.data["type"] == "rewind" for event in late) <= deaths
        if self.watched:
            assert [event.data for event in settled_view(self.events)] == view
            seen = [event.seq for event in self.events]
            assert seen == sorted(set(seen))
        said = [data["token"] for data in view if data["type"] == "token" and "parent" not in data]
        assert "".join(said).removesuffix(HURRIED) == "".join(SAID)
        assert [one["messageId"] for one in view if one["type"] == "injected"] == self.live
        self._check_history()

    def _check_history(self) -> None:
        history = self.chat.get(f"{self.path}/messages").json()["items"]
        texts = ["".join(block.get("text", "") for block in one["content"]) for one in history]
        said = [text for text, one in zip(texts, history, strict=True) if one["role"] == "assistant"]
        assert said in ([*SAID, "next"], [*SAID, HURRIED, "next"])
        assert texts.count(LIVE) == len(self.live)
        results = [step for one in history for step in one.get("steps", ()) if step["type"] == "tool_result"]
        ids = [step["id"] for step in results]
        assert len(ids) == len(set(ids)) == 1 + len(PARTS)
        order = f"order-{self.conversation}"
        assert all(self.office.paid[order, part] <= 1 for part in PARTS), self.office.paid

    def seconds_to_token(self, kills: list[float]) -> float | None:
        """The seconds from a kill to the next token, as the client saw it; without one, until the model was
        asked for it. None when all had been said. Where two processes were killed before they said anything,
        the second one counts."""
        if self.watched:
            kinds = [event.data["type"] for _, event in self.seen]
            rest = self.seen[kinds.index("rewind") :] if "rewind" in kinds else []
            times = [moment for moment, event in rest if event.data["type"] == "token"]
        else:
            times = [at for order, at in self.office.model.asked if order == f"order-{self.conversation}"]
        next_token = min((moment for moment in times if moment > kills[0]), default=None)
        if next_token is None:
            return None
        return next_token - max(killed for killed in kills if killed < next_token)


def play_together(stack: RunningStack, stories: list[Story], moment: float, again: float) -> list[float]:
    """Play the stories, with a kill of all processes `moment` seconds after the last one has begun, and
    another one `again` seconds after the `rewind` where that is not 0. Return when the kills were."""

    def kill() -> list[float]:
        assert all(story.begun.wait(60) for story in stories)
        threading.Event().wait(moment)
        assert stack.kill("ConversationFunction") > 0
        kills = [stack.killed_at]
        if again:
            wait_until(lambda: any(event.data["type"] in ("rewind", "done") for event in stories[-1].events))
            threading.Event().wait(again)
            stack.kill("ContinueRunsFunction")
            kills.append(stack.killed_at)
        return kills

    with ThreadPoolExecutor(len(stories) + 1) as pool:
        killing = pool.submit(kill)
        playing = [pool.submit(story.play) for story in _apart(stories)]
        for one in playing:
            one.result()
        return killing.result()


def _apart(stories: list[Story]) -> Iterator[Story]:
    """Begin them one after the other, so that the kill meets each somewhere else."""
    for number, story in enumerate(stories):
        if number:
            threading.Event().wait(APART_SECONDS)
        yield story


def summary(times: list[float]) -> str:
    times.sort()
    if not times:
        return "none"
    p95 = times[min(len(times) - 1, len(times) * 95 // 100)]
    return f"median {median(times):.1f} s, p95 {p95:.1f} s, max {times[-1]:.1f} s of {len(times)}"


@soak
@pytest.mark.timeout(0 if ROUNDS > 1 else 180)
def test_runs_of_killed_processes_go_on_and_nothing_is_lost_or_repeated(
    stack: RunningStack, chat: httpx.Client, steady_office: Office
) -> None:
    for agent in steady_office.agents():
        assert chat.post("/api/agents", json=agent).status_code == 201
    times: dict[bool, list[float]] = {True: [], False: []}
    for number in range(ROUNDS):
        chance = random.Random(number)
        watched = number % 3 < 2
        stories = [Story(chat, steady_office, f"{number}x{place}", watched) for place in range(AT_ONCE)]
        again = chance.uniform(0.1, 2) if watched and number % 2 == 0 else 0
        kills = play_together(stack, stories, chance.uniform(*MOMENTS), again)
        for story in stories:
            assert answer(say(chat, "/echo tools=0\nnext", story.conversation)) == "next"
            story.check(deaths=1 + bool(again))
            if (seconds := story.seconds_to_token(kills)) is not None:
                times[watched].append(seconds)
                print(f"round {number}: {seconds:.2f} s, watched {watched}", flush=True)
    print(f"From kill to the next token: watched {summary(times[True])}; unwatched {summary(times[False])}")
