"""Slack's incoming webhooks (api.slack.com/messaging/webhooks): status 200 with the body `ok`.

Slack does not detect duplicates, so deliveries record what they have sent. All other bodies
(`invalid_payload`, `action_prohibited`, `no_service`, `channel_is_archived` ...) are final.
"""

from collections.abc import Sequence
from typing import Any

from millrace.destinations.chat import Chat
from millrace.destinations.results import Dead
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
from millrace.pipelines.expressions.template import escape_slack

LONGEST = 4_000


class Slack(Chat):
    """A Slack channel."""

    limits = RequestLimits(events=100, content=12_000, event=4 * LONGEST)

    def __init__(self, config: ChatConfig) -> None:
        super().__init__(config, _body, LONGEST, escape_slack)

    def read(self, answer: Answer, items: Sequence[EncodedEvent]) -> Verdict:
        said = answer.text().strip()
        if answer.status == 200 and said != "ok":
            return all_of(items, Dead(failure_of(answer, "Slack did not answer `ok`.", "refused")))
        return by_status(answer, items)


def _body(text: str) -> dict[str, Any]:
    return {"text": text}
