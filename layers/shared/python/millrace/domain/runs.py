"""Runs: their states, their leases, and the limits that apply to them."""

from typing import Any, Literal

from msgspec import Struct, field
from msgspec.structs import asdict, replace

from millrace.domain.branches import LINE, MessageTree
from millrace.domain.conversations import Slot
from millrace.domain.events import Detail

RunState = Literal["queued", "running", "waiting", "completed", "failed", "stopped"]
StopReason = Literal["stopped", "interrupted"]
Parked = Literal["handed_over", "queued", "waiting"]
"""The reason why a run is between two processes: the time of the first one was over, its model's server was
throttled or down, or it waits for people."""

ANSWERED = "answered"
"""The reason why a run that waited for people continues."""
LEASE_MS = 15_000
"""A run whose lease has not been renewed for this long is lost, and another process continues it."""
WATCHED_LEASE_MS = 4_500
"""The same while somebody is watching, who would otherwise see a silent stream. The lease is renewed after a
fifth of this; a process must stall for the rest before it is wrongly considered dead."""
OVERDUE_MS = 1_500
"""A live process renews its lease long before this little of it is left. Whoever notices calls the next
process, which has time to start, and takes over the run when the lease has expired, not before."""
WATCH_MS = 60_000
"""A viewer counts as watching for this long, and renews that after half of it."""
MAX_ATTEMPTS = 3
"""The number of processes that may die in the same step of a run before it fails."""
NUMBERS_AT_ONCE = 10_000
"""The event numbers that a run's process reserves with each of its writes: more than a model produces while
the store does not respond for the duration of a lease."""
INJECTION_TTL_MS = 600_000
MAX_WAITING = 100
MAX_INJECTION_BYTES = 32 * 1024


class LeaseRecord(Struct, frozen=True):
    """The state of a slot: the active run, its holder (a nonce of the process) and until when, the last
    logged event (`seq`), the number of live messages accepted, whether to stop, the number of messages in the
    history, and whether the previous run left live messages.

    Clients may have seen events up to `reserved` that were never logged, so a process that takes over the run
    numbers its own events after that. The messages in the history cover the events up to `saved`.
    `last_run_id` is the last run that has ended here.

    A run that is `parked` has no holder; `until_ms` is then the time at which it may continue by itself.
    `drained` is the number of live messages that have left the queue, `attempts` the number of processes that
    have died since the last step was stored, and `progress` what the run had used up to that step (see
    `Progress`). The `tree` says which of the messages are on the active branch; while a run is active, that
    branch ends with its messages.
    """

    run_id: str | None = None
    holder: str | None = None
    until_ms: int = 0
    seq: int = 0
    accepted: int = 0
    stop: StopReason | None = None
    messages: int = 0
    pending_live_messages: bool = False
    reserved: int = 0
    saved: int = 0
    last_run_id: str | None = None
    parked: Parked | None = None
    drained: int = 0
    attempts: int = 0
    watched_ms: int = 0
    progress: dict[str, Any] = field(default_factory=dict)
    tree: MessageTree = LINE

    def newest(self) -> str | None:
        """Return the id of the active run, or of the last one."""
        return self.run_id or self.last_run_id

    def active(self, now_ms: int) -> bool:
        """Return whether a run is active and its process is alive."""
        return self.run_id is not None and self.until_ms > now_ms

    def lost(self, now_ms: int) -> bool:
        """Return whether a run is active but its process is gone, or the time for which it was parked is
        over."""
        return self.run_id is not None and self.until_ms <= now_ms

    def overdue(self, now_ms: int) -> bool:
        """Return whether a run is lost, or will be in a moment unless its process renews the lease."""
        return self.run_id is not None and self.overdue_at <= now_ms

    @property
    def overdue_at(self) -> int:
        """The time from which the run is overdue."""
        return self.until_ms - (0 if self.parked else OVERDUE_MS)

    def free(self, now_ms: int) -> bool:
        """Return whether a run is active and no process works on it."""
        return self.run_id is not None and (self.parked is not None or self.until_ms <= now_ms)


NO_TOKEN = -1


class Progress(Struct, frozen=True):
    """The usage of a run up to its last stored step, over all of its processes.

    `paused_ms` is the time for which it waited for people, `waiting_since` when it started to (0: it does not
    wait), `queued` how many times in a row its model could not be reached, `first_token_ms` the time to the
    first token of the answer (`NO_TOKEN`: none yet). The calls `not_begun` are in the last stored turn, but
    no process has started them yet.
    """

    iterations: int = 0
    input: int = 0
    output: int = 0
    cost: float | None = 0.0
    estimated: bool = False
    cache_read: int = 0
    cache_write: int = 0
    paused_ms: int = 0
    waiting_since: int = 0
    queued: int = 0
    not_begun: tuple[str, ...] = ()
    first_token_ms: int | None = None

    def time_to_first_token(self) -> int | None:
        """The time to the first token in milliseconds; None if there was none, or it is not known."""
        return None if self.first_token_ms == NO_TOKEN else self.first_token_ms

    def to_item(self) -> dict[str, Any]:
        """Return the JSON object that the lease stores, without default values."""
        return {name: value for name, value in asdict(self).items() if value != _FRESH[name]}

    def resumed(self, now_ms: int) -> "Progress":
        """Return the progress if another process continues now."""
        paused = now_ms - self.waiting_since if self.waiting_since else 0
        return replace(self, paused_ms=self.paused_ms + paused, waiting_since=0)

    @classmethod
    def of(cls, item: dict[str, Any]) -> "Progress":
        """Return the progress stored in a lease."""
        known = {name: value for name, value in item.items() if name in _FRESH}
        return cls(**known | {"not_begun": tuple(item.get("not_begun", ()))})


_FRESH: dict[str, Any] = asdict(Progress())


class ContinueRun(Struct, frozen=True):
    """A message of the run queue: a process is to continue this run, unless another one works on it."""

    organization: str
    run_id: str
    reason: str


class Run(Struct, frozen=True):
    """A run as it is stored, and as clients see it.

    `usage` is in tokens, `cost` in US dollars or None. `owner` is the owner of its conversation, `created_by`
    the sender of the message; both are empty in runs of releases without owners. `hops` is how many times its
    cause has left the platform and come back, `traceparent` the trace of its request. `previous_id` is the
    run before it, `last_seq` the number of its last event (None: it is active, or of an earlier release).
    `request` is returned to clients of other protocols.
    """

    id: str
    slot: Slot
    agent_id: str
    state: RunState
    started_at: str
    message_id: str
    visibility: Detail = "full"
    agent_name: str = ""
    model: str = ""
    ended_at: str | None = None
    finish_reason: str | None = None
    usage: dict[str, int] | None = None
    cost: float | None = None
    error: dict[str, Any] | None = None
    duration_ms: int | None = None
    first_token_ms: int | None = None
    owner: str = ""
    created_by: str = ""
    hops: int = 0
    traceparent: str = ""
    previous_id: str | None = None
    last_seq: int | None = None
    request: dict[str, Any] = field(default_factory=dict)

    def to_wire(self) -> dict[str, Any]:
        """Return the JSON object for clients."""
        return {
            "id": self.id,
            "conversationId": self.slot.conversation_id,
            "threadId": self.slot.thread_id,
            "agentId": self.agent_id,
            "agentName": self.agent_name,
            "model": self.model,
            "state": self.state,
            "messageId": self.message_id,
            "startedAt": self.started_at,
            "endedAt": self.ended_at,
            "durationMs": self.duration_ms,
            "firstTokenMs": self.first_token_ms,
            "finishReason": self.finish_reason,
            "usage": self.usage,
            "cost": self.cost,
            "error": self.error,
            "createdBy": self.created_by or None,
        }
