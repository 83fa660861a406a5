"""Checks after a chaos run: nothing that was accepted is lost, stuck or duplicated."""

from collections import Counter
from typing import Any

from tests.chaos.clients import CALM_SECONDS, LIVE, Client, content_of
from tests.e2e.streaming import act, dead_letters, depth, wait_until, wait_until_delivered
from tests.fakes.sink import Sink
from tests.fakes.steady_model import PARTS, Office
from tests.stack import RunningStack

FAILED_BY_DEATHS = frozenset({"step_keeps_failing"})
"""The error of a run whose step three processes died of, as promised."""
DEAD = ("Run", "Ingest", "Delivery", "Record")


class Checks:
    """Checks of everything after the faults. Problems go into `wrong` of the books."""

    def __init__(
        self, stack: RunningStack, client: Client, office: Office, sink: Sink, pipeline: str
    ) -> None:
        self._stack, self._client, self._office, self._sink = stack, client, office, sink
        self._pipeline = pipeline
        self._books = client.books
        self.figures: list[str] = []

    def run(self) -> None:
        self._runs()
        for name, accepted in self._books.rushes.items():
            self._rush(name, accepted)
        self._send_back()
        self._events()
        self._listed()
        self._expect(500 not in self._books.statuses, "an answer had the status 500")
        self.figures.append(
            f"answers by status: {dict(sorted(self._books.statuses.items()))}, "
            f"{self._books.broken} connections that broke"
        )

    def _send_back(self) -> None:
        """Send messages that failed ten times back to their queues, as in the runbook. None may remain."""
        sqs, resources, moved = self._stack.client("sqs"), self._stack.deployment["resources"], Counter[str]()
        wait_until_delivered(self._stack, CALM_SECONDS)
        for queue in DEAD:
            url = resources[f"{queue}DeadLetterQueue"]
            while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", ()):
                for one in messages:
                    sqs.send_message(QueueUrl=resources[f"{queue}Queue"], MessageBody=one["Body"])
                    sqs.delete_message(QueueUrl=url, ReceiptHandle=one["ReceiptHandle"])
                    moved[queue] += 1
        wait_until_delivered(self._stack, CALM_SECONDS)
        left = {
            queue: waiting for queue in DEAD if (waiting := depth(self._stack, f"{queue}DeadLetterQueue"))
        }
        self._expect(not left, f"messages in dead-letter queues: {left}")
        self.figures.append(f"sent back from dead-letter queues: {dict(moved)}")

    def _expect(self, holds: bool, problem: str) -> None:
        if not holds:
            self._books.wrong.append(problem)

    def _runs(self) -> None:
        states: Counter[str] = Counter()
        for name, run_id in self._books.runs.items():
            run = self._client.wait_for_end(run_id)
            if run:
                states[run["state"]] += 1
                self._run(name, run)
        self._expect(bool(states["completed"]), "no run was completed")
        self.figures.append(
            f"{len(self._books.runs)} messages accepted, runs by state {dict(states)}, "
            f"{sum(map(len, self._books.rushes.values()))} in {len(self._books.rushes)} rushes, "
            f"{len(self._books.live)} live messages, {len(self._books.answered)} approvals, "
            f"{sum(self._office.paid.values())} payments"
        )

    def _run(self, name: str, run: dict[str, Any]) -> None:
        code = (run["error"] or {}).get("code")
        self._expect(run["state"] == "completed" or code in FAILED_BY_DEATHS, f"{name}: {run}")
        messages = self._messages(name)
        texts = [(one["role"], _text(one)) for one in messages]
        asked, live = texts.count(("user", content_of(name))), texts.count(("user", LIVE))
        self._expect(asked == 1, f"{name}: the message is there {asked} times")
        if run["state"] == "completed":
            self._expect(
                live == (name in self._books.live), f"{name}: the live message is there {live} times"
            )
            self._expect(texts[-1][0] == "assistant" and texts[-1][1] != "", f"{name}: no answer")
        results = [
            step["id"] for one in messages for step in one.get("steps", ()) if step["type"] == "tool_result"
        ]
        self._expect(len(results) == len(set(results)), f"{name}: results twice: {results}")
        paid = {part: self._office.paid[f"order-{name}", part] for part in PARTS}
        self._expect(max(paid.values()) <= 1, f"{name}: paid {paid}")
        self._log(name, run)

    def _rush(self, name: str, accepted: list[tuple[str, str]]) -> None:
        """Check that messages that interrupted each other each exist once, and each have a run that has
        ended."""
        runs = [self._client.wait_for_end(run_id) for _, run_id in accepted]
        for run in runs:
            code = (run.get("error") or {}).get("code")
            ended = run.get("state") in ("completed", "stopped") or code in FAILED_BY_DEATHS
            self._expect(ended, f"{name}: {run}")
            self._log(name, run)
        self._expect(len({run.get("id") for run in runs}) == len(runs), f"{name}: messages share a run")
        said = [_text(one) for one in self._messages(name) if one["role"] == "user"]
        asked = Counter(filter(None, said))  # without the results of tools
        expected = Counter(text for text, _ in accepted if text)
        self._expect(asked == expected, f"{name}: {expected} were accepted, and {asked} are there")

    def _messages(self, name: str) -> list[dict[str, Any]]:
        path = f"/api/conversations/{name}/messages"
        return list(self._client.until_accepted("GET", path, params={"limit": "100"}).json()["items"])

    def _log(self, name: str, run: dict[str, Any]) -> None:
        """Check that the log has one end and no repeated number."""
        events = self._client.until_accepted("GET", f"/api/runs/{run['id']}/events").json()["items"]
        ids = [one["id"] for one in events]
        ends = [one["event"]["type"] for one in events if one["event"]["type"] in ("done", "error")]
        self._expect(len(ids) == len(set(ids)), f"{name}: a number was given twice")
        self._expect(len(ends) <= 1, f"{name}: ends {ends}")

    def _listed(self) -> None:
        """Check that no run is shown as active, and that each message has one."""
        listed: list[dict[str, Any]] = []
        cursor: str | None = ""
        while cursor is not None:
            params = {"limit": "100"} | ({"cursor": cursor} if cursor else {})
            page = self._client.until_accepted("GET", "/api/runs", params=params).json()
            listed += page["items"]
            cursor = page["nextCursor"]
        under_way = [one["id"] for one in listed if not one["endedAt"]]
        self._expect(not under_way, f"listed as under way: {under_way}")
        each = Counter(one["conversationId"] for one in listed)
        more = {name: times for name, times in each.items() if times > self._runs_of(name)}
        self._expect(not more, f"more runs than messages: {more}")
        rushed = {run_id for accepted in self._books.rushes.values() for _, run_id in accepted}
        lost = set(self._books.runs.values()) - {one["id"] for one in listed}
        lost |= rushed - {one["id"] for one in listed}
        self._expect(not lost, f"not listed: {lost}")

    def _runs_of(self, name: str) -> int:
        """Return the maximum number of runs of a conversation, because a live message may begin its own."""
        return len(self._books.rushes[name]) if name in self._books.rushes else 1 + (name in self._books.live)

    def _events(self) -> None:
        """Check that each accepted event arrived once. Dead letters arrive when they are sent again."""
        wait_until_delivered(self._stack, CALM_SECONDS)
        dead = dead_letters(self._client.http, self._pipeline)
        if dead:
            act(self._client.http, self._pipeline, "dead-letters/redrive")
            wait_until(lambda: not dead_letters(self._client.http, self._pipeline), CALM_SECONDS)
            wait_until_delivered(self._stack, CALM_SECONDS)
        arrived = Counter(payload["n"] for payload in self._sink.effects.values() if "n" in payload)
        twice = [n for n, times in arrived.items() if times > 1]
        lost = self._books.events - set(arrived)
        self._expect(not twice, f"events under two ids: {twice[:20]}")
        self._expect(not lost, f"{len(lost)} events are lost: {sorted(lost)[:20]}")
        self.figures.append(
            f"{len(self._books.events)} events accepted, {len(arrived)} arrived, "
            f"{len(dead)} were dead letters, "
            f"{self._sink.requests} requests at the destination, {self._sink.repeats} of them repeats"
        )


def _text(message: dict[str, Any]) -> str:
    return "".join(block.get("text", "") for block in message["content"])
