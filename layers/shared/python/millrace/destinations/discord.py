"""Discord's webhooks (discord.com/developers/docs/resources/webhook): 204, content of 2,000 characters. No
mention in a value notifies anybody."""

from collections.abc import Sequence

import orjson

from millrace.destinations.bodies import json_bytes
from millrace.destinations.chat import Lines, escape_markdown, message
from millrace.destinations.wire import USER_AGENT, Answer, Item, Limits, Request, Verdict, by_status
from millrace.pipelines.definitions.destinations import ChatConfig
from millrace.pipelines.event import Event

LONGEST = 2_000


class Discord:
    """`HttpDestination` for one Discord channel."""

    # Bytes are never fewer than characters, so what fits in bytes fits.
    limits = Limits(events=20, content=LONGEST, event=4 * LONGEST)

    def __init__(self, config: ChatConfig) -> None:
        self._url = config.webhook
        self._lines = Lines(config.template, escape_markdown, LONGEST)

    def encode(self, event: Event) -> bytes:
        return self._lines.line(event)

    def request(self, items: Sequence[Item], now: int) -> Request:
        content = {"content": message(items), "allowed_mentions": {"parse": []}}
        headers = {"content-type": "application/json", "user-agent": USER_AGENT}
        return Request(self._url, json_bytes(content), headers=headers)

    def read(self, answer: Answer, items: Sequence[Item]) -> Verdict:
        if answer.status == 429 and "retry-after" not in answer.headers:
            answer = Answer(429, {**answer.headers, "retry-after": _asked(answer.body)}, answer.body)
        return by_status(answer, items)


def _asked(body: bytes) -> str:
    """`retry_after` of the body, in seconds."""
    try:
        return str(float(orjson.loads(body)["retry_after"]))
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError):
        return ""
