"""Microsoft Teams: a workflow's webhook accepts a message with an Adaptive Card and answers 202.

The older connectors answer 200 with `1`, and report errors as text in a 200 as well.
"""

from collections.abc import Sequence
from typing import Any

from millrace.destinations.chat import Chat
from millrace.destinations.results import THROTTLED, Dead, Retry
from millrace.destinations.wire import (
    Answer,
    EncodedEvent,
    RequestLimits,
    Verdict,
    all_of,
    by_status,
    failure_of,
)
from millrace.pipelines.definitions.destinations import ChatConfig

LONGEST = 4_000


class Teams(Chat):
    """A Teams channel. A message has at most 28 KB."""

    limits = RequestLimits(events=50, content=16_000, event=4 * LONGEST)

    def __init__(self, config: ChatConfig) -> None:
        super().__init__(config, _body, LONGEST)

    def read(self, answer: Answer, items: Sequence[EncodedEvent]) -> Verdict:
        said = answer.text()
        if answer.status == 200 and "HTTP error 429" in said:
            return all_of(items, Retry(failure_of(answer, "Teams asks for fewer requests.", THROTTLED)))
        if answer.status == 200 and "error" in said.lower():
            return all_of(items, Dead(failure_of(answer, "Teams refused the message.", "refused")))
        return by_status(answer, items)


def _body(text: str) -> dict[str, Any]:
    lines = text.replace("\n", "\n\n")  # a single line break is shown as a space
    card = {
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": [{"type": "TextBlock", "text": lines, "wrap": True}],
    }
    attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "content": card}
    return {"type": "message", "attachments": [attachment]}
