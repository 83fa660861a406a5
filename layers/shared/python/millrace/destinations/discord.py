"""Discord's webhooks (discord.com/developers/docs/resources/webhook): status 204, content of 2,000
characters.

Mentions in values notify nobody.
"""

from collections.abc import Sequence
from typing import Any

import orjson

from millrace.destinations.chat import Chat
from millrace.destinations.wire import Answer, EncodedEvent, RequestLimits, Verdict, by_status
from millrace.pipelines.definitions.destinations import ChatConfig

LONGEST = 2_000


class Discord(Chat):
    """A Discord channel."""

    # A text has at least as many bytes as characters, so a message within the limit in bytes is within
    # Discord's.
    limits = RequestLimits(events=20, content=LONGEST, event=4 * LONGEST)

    def __init__(self, config: ChatConfig) -> None:
        super().__init__(config, _body, LONGEST)

    def read(self, answer: Answer, items: Sequence[EncodedEvent]) -> Verdict:
        if answer.status == 429 and "retry-after" not in answer.headers:
            answer = Answer(429, {**answer.headers, "retry-after": _asked(answer.body)}, answer.body)
        return by_status(answer, items)


def _body(text: str) -> dict[str, Any]:
    return {"content": text, "allowed_mentions": {"parse": []}}


def _asked(body: bytes) -> str:
    """Return the body's `retry_after` in seconds."""
    try:
        return str(float(orjson.loads(body)["retry_after"]))
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError):
        return ""
