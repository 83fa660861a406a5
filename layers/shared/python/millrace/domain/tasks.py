"""Tasks of A2A: a task is a run, and its context is the conversation."""

import hashlib
from typing import Any

import orjson
from msgspec import Struct

from millrace.domain.access import Principal
from millrace.domain.content import Attachment, Content, TextPart, fingerprint

CLIENT = "a2a"
"""The name under which a message keeps its client's id."""


class TaskMessage(Struct, frozen=True):
    """A message of an A2A client. `id` is the client's own; `answers` are its parts that answer a call.
    Without a `task_id` it starts a task, without a `context_id` in a new context."""

    id: str
    text: str
    answers: tuple[dict[str, Any], ...] = ()
    attachments: tuple[Attachment, ...] = ()
    task_id: str = ""
    context_id: str = ""

    @property
    def content(self) -> Content:
        """Return the message in the form of agents."""
        texts = [TextPart(text=self.text)] if self.text else []
        return [*texts, *self.attachments] if self.attachments else self.text

    @property
    def key(self) -> str:
        """Return the idempotency key: the same when the message is sent again. Its id alone is not enough,
        since some clients give one id to several messages."""
        parts = [self.id, fingerprint(self.content), *self.answers, self.task_id, self.context_id]
        return hashlib.sha256(orjson.dumps(parts, option=orjson.OPT_SORT_KEYS)).hexdigest()


def new_context(caller: Principal, agent_id: str, message: TaskMessage) -> str:
    """Return the context of a message that names none. The same message sent again gets the same context, in
    which it finds what it started."""
    parts = "\0".join((caller.id, agent_id, message.key))
    return f"ctx_{hashlib.sha256(parts.encode(errors='surrogatepass')).hexdigest()[:32]}"


class PushConfig(Struct, frozen=True):
    """The address to which a task's updates are pushed. `sealed` has, encrypted, the token and the
    credentials for the `scheme` of authentication. Events up to `seq` have been sent. Only messages of the
    current `chain` in the queue continue."""

    id: str
    url: str
    scheme: str = ""
    sealed: bytes = b""
    seq: int = 0
    chain: str = ""


class PushMessage(Struct, frozen=True):
    """A message of the push queue: a process is to continue with the events for a configuration. `attempt`
    counts consecutive failures; `sent_ms` is the time of the first message of the chain."""

    organization: str
    run_id: str
    config_id: str
    chain: str
    attempt: int = 0
    sent_ms: int = 0
