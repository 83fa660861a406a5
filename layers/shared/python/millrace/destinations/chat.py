"""The common part of chat channels.

Events become lines of text, and each message has as many lines as fit, because chats accept about one message
per second.
"""

import re
from collections.abc import Callable, Sequence
from typing import Any

from millrace.destinations.bodies import json_bytes
from millrace.destinations.results import Unsendable
from millrace.destinations.wire import USER_AGENT, EncodedEvent, Request, RequestLimits
from millrace.pipelines.definitions.destinations import ChatConfig
from millrace.pipelines.event import Event
from millrace.pipelines.expressions.template import compile_template

_MARKDOWN = re.compile(r"([\\`*_{}\[\]()#+!|>~<-])")


def escape_markdown(value: str) -> str:
    """Escape a value so that Discord and Teams show it literally."""
    return _MARKDOWN.sub(r"\\\1", value)


class Chat:
    """`HttpDestination` for one channel, without reading the answers.

    `body` returns the JSON of a message with these lines. `longest` is the maximum length of a line in
    characters.
    """

    limits: RequestLimits

    def __init__(
        self,
        config: ChatConfig,
        body: Callable[[str], dict[str, Any]],
        longest: int,
        escape: Callable[[str], str] = escape_markdown,
    ) -> None:
        self._url = config.webhook
        self._template = compile_template(config.template)
        self._body = body
        self._longest = longest
        self._escape = escape

    def encode(self, event: Event) -> bytes:
        """Return the event's line, truncated if necessary. Raises `Unsendable` for an empty one."""
        text = self._template.render(event.payload, event, self._escape).strip()
        if not text:
            raise Unsendable("empty", "The template produces no text for this event.")
        shorter = text if len(text) <= self._longest else text[: self._longest - 1] + "…"
        return shorter.encode(errors="replace")

    def request(self, items: Sequence[EncodedEvent], now: int) -> Request:
        text = "\n".join(item.content.decode() for item in items)
        headers = {"content-type": "application/json", "user-agent": USER_AGENT}
        return Request(self._url, json_bytes(self._body(text)), headers=headers)
