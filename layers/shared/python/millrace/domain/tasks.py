"""Tasks of A2A: a task is a run, and its context is the conversation."""

import hashlib
from typing import Any

import orjson
from msgspec import Struct

from millrace.domain.access import Principal
from millrace.domain.content import Attachment, Content, TextPart, fingerprint

CLIENT = "a2a"
"""The name under which a message keeps what its client called it."""


class TaskMessage(Struct, frozen=True):
    """A message of an A2A client. `id` is the client's own; `answers` are those of its parts that answer a
    call. Without a `task_id` it begins a task, without a `context_id` in a context of its own."""

    id: str
    text: str
    answers: tuple[dict[str, Any], ...] = ()
    attachments: tuple[Attachment, ...] = ()
    task_id: str = ""
    context_id: str = ""

    @property
    def content(self) -> Content:
        """The message as agents take it."""
        texts = [TextPart(text=self.text)] if self.text else []
        return [*texts, *self.attachments] if self.attachments else self.text

    @property
    def key(self) -> str:
        """The idempotency key: the same for the same message sent again. Its id alone is not: there are
        clients that give one id to several messages."""
        parts = [self.id, fingerprint(self.content), *self.answers, self.task_id, self.context_id]
        return hashlib.sha256(orjson.dumps(parts, option=orjson.OPT_SORT_KEYS)).hexdigest()


def new_context(caller: Principal, agent_id: str, message: TaskMessage) -> str:
    """The context of a message that names none. The same message sent again gets the same one, so that it
    meets what it began."""
    parts = "\0".join((caller.id, agent_id, message.key))
    return f"ctx_{hashlib.sha256(parts.encode(errors='surrogatepass')).hexdigest()[:32]}"


class PushConfig(Struct, frozen=True):
    """The address to which a task's updates are pushed. `sealed` holds, encrypted, the token and the
    credentials for the `scheme` of authentication. Events up to `seq` have been told; of the messages of the
    queue those of the `chain` go on."""

    id: str
    url: str
    scheme: str = ""
    sealed: bytes = b""
    seq: int = 0
    chain: str = ""


class PushMessage(Struct, frozen=True):
    """A message of the push queue: a configuration with whose events some process is to go on. `attempt`
    counts the failures in a row; `sent_ms` is the time of the first of the chain."""

    organization: str
    run_id: str
    config_id: str
    chain: str
    attempt: int = 0
    sent_ms: int = 0
