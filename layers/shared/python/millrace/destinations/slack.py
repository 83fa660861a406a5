"""Slack's incoming webhooks (api.slack.com/messaging/webhooks): 200 with the body `ok`.

Slack knows no repetitions: deliveries mark what they have sent. All other bodies (`invalid_payload`,
`action_prohibited`, `no_service`, `channel_is_archived` ...) are final.
"""

from collections.abc import Sequence

from millrace.destinations.bodies import json_bytes
from millrace.destinations.chat import Lines, message
from millrace.destinations.fates import Dead
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
from millrace.pipelines.expressions.template import escape_slack

LONGEST = 4_000


class Slack:
    """`HttpDestination` for one Slack channel."""

    limits = Limits(events=100, content=12_000, event=4 * LONGEST)

    def __init__(self, config: ChatConfig) -> None:
        self._url = config.webhook
        self._lines = Lines(config.template, escape_slack, LONGEST)

    def encode(self, event: Event) -> bytes:
        return self._lines.line(event)

    def request(self, items: Sequence[Item], now: int) -> Request:
        headers = {"content-type": "application/json", "user-agent": USER_AGENT}
        return Request(self._url, json_bytes({"text": message(items)}), headers=headers)

    def read(self, answer: Answer, items: Sequence[Item]) -> Verdict:
        said = answer.text().strip()
        if answer.status == 200 and said != "ok":
            return all_of(items, Dead(failure_of(answer, "Slack did not answer `ok`.", "refused")))
        return by_status(answer, items)
