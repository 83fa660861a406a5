"""Microsoft Teams: a workflow's webhook takes a message with an Adaptive Card and answers 202. The older
connectors answer 200 with `1`, and with an error as text in a 200 as well."""

from collections.abc import Sequence

from millrace.destinations.bodies import json_bytes
from millrace.destinations.chat import Lines, escape_markdown, message
from millrace.destinations.fates import Dead, Retry
from millrace.destinations.wire import (
    USER_AGENT,
    Answer,
    Item,
    Limits,
    Request,
    Verdict,
    all_of,
    by_status,
    failure_of,
)
from millrace.pipelines.definitions.destinations import ChatConfig
from millrace.pipelines.event import Event

LONGEST = 4_000


class Teams:
    """`HttpDestination` for one Teams channel; a message has 28 KB at most."""

    limits = Limits(events=50, content=16_000, event=4 * LONGEST)

    def __init__(self, config: ChatConfig) -> None:
        self._url = config.webhook
        self._lines = Lines(config.template, escape_markdown, LONGEST)

    def encode(self, event: Event) -> bytes:
        return self._lines.line(event)

    def request(self, items: Sequence[Item], now: int) -> Request:
        lines = message(items).replace("\n", "\n\n")  # a single line break shows as a space
        card = {
            "type": "AdaptiveCard",
            "version": "1.4",
            "body": [{"type": "TextBlock", "text": lines, "wrap": True}],
        }
        attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "content": card}
        content = json_bytes({"type": "message", "attachments": [attachment]})
        return Request(
            self._url, content, headers={"content-type": "application/json", "user-agent": USER_AGENT}
        )

    def read(self, answer: Answer, items: Sequence[Item]) -> Verdict:
        said = answer.text()
        if answer.status == 200 and "HTTP error 429" in said:
            return all_of(items, Retry(failure_of(answer, "Teams asks for fewer requests.", "throttled")))
        if answer.status == 200 and "error" in said.lower():
            return all_of(items, Dead(failure_of(answer, "Teams refused the message.", "refused")))
        return by_status(answer, items)
