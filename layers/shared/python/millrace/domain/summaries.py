"""The summary that replaces the older part of a conversation when a model is asked."""

from collections.abc import Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import asdict, replace

from millrace.domain.conversations import StoredMessage

LATEST_BYTES = 64_000
"""The maximum size of the stored latest question, in bytes of UTF-8."""
SUMMARY_ID = "summary"
"""The id of the message with a summary in a history; no stored message has it."""


class Summary(Struct, frozen=True):
    """A summary. `text` summarizes what was said before the message `first_kept`. The `first` question of the
    conversation is kept verbatim and, if the work on it continues, so is the `latest` one."""

    text: str
    first_kept: str
    first: str = ""
    latest: str = ""

    def to_json(self) -> dict[str, str]:
        """Return the JSON object that is stored."""
        return asdict(self)

    def bounded(self) -> "Summary":
        """Return the summary with a long question cut for storage, since it is read whenever the conversation
        is opened."""
        whole = self.latest.encode(errors="replace")
        if len(whole) <= LATEST_BYTES:
            return self
        latest = whole[:LATEST_BYTES].decode(errors="ignore")
        return replace(self, latest=f"{latest}\n[The rest of the question is left out.]")

    @classmethod
    def of(cls, stored: dict[str, Any]) -> "Summary":
        """Return the summary in a stored JSON object."""
        return cls(**stored)

    def message(self) -> StoredMessage:
        """Return the user's message that begins a history instead of what was summarized."""
        parts = [
            ("The first message of this conversation", self.first),
            ("Summary of what was said since then; the messages themselves are left out", self.text),
            ("The latest question before what follows", self.latest),
        ]
        content = [{"text": f"[{title}]\n{text}"} for title, text in parts if text]
        return StoredMessage(SUMMARY_ID, "user", content, "", extra={SUMMARY_ID: self.to_json()})


def summary_in(history: Sequence[StoredMessage]) -> Summary | None:
    """Return the summary at the beginning of a history; None if there is none."""
    found = history[0].extra.get(SUMMARY_ID) if history and history[0].id == SUMMARY_ID else None
    return Summary.of(found) if found else None


def summarized(history: Sequence[StoredMessage], summary: Summary | None) -> list[StoredMessage]:
    """Return the history for a model, with the summary in place of what it covers. A history that begins
    later than that follows the summary completely."""
    if summary is None:
        return list(history)
    ids = [message.id for message in history]
    first = ids.index(summary.first_kept) if summary.first_kept in ids else 0
    return [summary.message(), *history[first:]]
