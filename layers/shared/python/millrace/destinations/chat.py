"""What chat channels share: events become lines of text, and as many lines as fit become one message, since
chats take about one message a second."""

import re
from collections.abc import Callable, Sequence

from millrace.destinations.fates import Unsendable
from millrace.destinations.wire import Item
from millrace.pipelines.event import Event
from millrace.pipelines.expressions.template import compile_template

_MARKDOWN = re.compile(r"([\\`*_{}\[\]()#+!|>~<-])")


class Lines:
    """A template's text for each event; `longest` is counted in characters."""

    def __init__(self, template: str, escape: Callable[[str], str], longest: int) -> None:
        self._template = compile_template(template)
        self._escape = escape
        self._longest = longest

    def line(self, event: Event) -> bytes:
        """Raises `Unsendable` for a line that is empty; one that is too long is cut."""
        text = self._template.render(event.payload, event, self._escape).strip()
        if not text:
            raise Unsendable("empty", "The template gives no text for this event.")
        shorter = text if len(text) <= self._longest else text[: self._longest - 1] + "…"
        return shorter.encode(errors="replace")


def message(items: Sequence[Item]) -> str:
    """The lines of a message."""
    return "\n".join(item.content.decode() for item in items)


def escape_markdown(value: str) -> str:
    """A value as Discord and Teams show it literally."""
    return _MARKDOWN.sub(r"\\\1", value)
