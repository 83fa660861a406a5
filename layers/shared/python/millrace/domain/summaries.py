"""The summary that stands for the older part of a conversation when a model is asked."""

from collections.abc import Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import asdict, replace

from millrace.domain.conversations import StoredMessage

LATEST_BYTES = 64_000
"""The most that is stored of the latest question, in bytes of UTF-8."""
SUMMARY_ID = "summary"
"""The id of the message that brings a summary into a history; no stored message has it."""


class Summary(Struct, frozen=True):
    """The `text` tells what was said before the message `first_kept`. Kept word by word are the `first`
    question of the conversation, and, where the work on it has been going on since, the `latest` one."""

    text: str
    first_kept: str
    first: str = ""
    latest: str = ""

    def to_json(self) -> dict[str, str]:
        """The JSON object that is stored."""
        return asdict(self)

    def bounded(self) -> "Summary":
        """The summary as it is stored: a conversation is opened with it, so a long question is cut."""
        whole = self.latest.encode(errors="replace")
        if len(whole) <= LATEST_BYTES:
            return self
        latest = whole[:LATEST_BYTES].decode(errors="ignore")
        return replace(self, latest=f"{latest}\n[The rest of the question is left out.]")

    @classmethod
    def of(cls, stored: dict[str, Any]) -> "Summary":
        """The summary that is stored."""
        return cls(**stored)

    def message(self) -> StoredMessage:
        """The user's message with which a history begins instead of what was summarized."""
        parts = [
            ("The first message of this conversation", self.first),
            ("Summary of what was said since then; the messages themselves are left out", self.text),
            ("The latest question before what follows", self.latest),
        ]
        content = [{"text": f"[{title}]\n{text}"} for title, text in parts if text]
        return StoredMessage(SUMMARY_ID, "user", content, "", extra={SUMMARY_ID: self.to_json()})


def summary_in(history: Sequence[StoredMessage]) -> Summary | None:
    """Return the summary with which a history begins, None where it begins with something else."""
    found = history[0].extra.get(SUMMARY_ID) if history and history[0].id == SUMMARY_ID else None
    return Summary.of(found) if found else None


def summarized(history: Sequence[StoredMessage], summary: Summary | None) -> list[StoredMessage]:
    """The history as a model gets it: with the summary in place of what it stands for. A history that
    begins later than what the summary leaves is whole behind it."""
    if summary is None:
        return list(history)
    ids = [message.id for message in history]
    first = ids.index(summary.first_kept) if summary.first_kept in ids else 0
    return [summary.message(), *history[first:]]
