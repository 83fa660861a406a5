"""Runs: states, leases, and the numbers that bound them."""

from typing import Any, Literal

from msgspec import Struct, field
from msgspec.structs import asdict, replace

from millrace.domain.branches import LINE, MessageTree
from millrace.domain.conversations import Slot
from millrace.domain.events import Detail

RunState = Literal["queued", "running", "waiting", "completed", "failed", "stopped"]
StopReason = Literal["stopped", "interrupted"]
Parked = Literal["handed_over", "queued", "waiting"]
"""Why a run is between two processes: the first one's time was over, its model's server was throttled or
down, or people are asked."""

ANSWERED = "answered"
"""The reason for which a run that waits for people goes on."""
LEASE_MS = 15_000
"""A run whose lease has not been renewed for this long is lost: another process continues it."""
WATCHED_LEASE_MS = 4_500
"""The same while somebody watches, who would otherwise wait in front of a silent stream. It is renewed after
a fifth of that; a process must stall for the rest before it is taken for dead by mistake."""
OVERDUE_MS = 1_500
"""A process that lives renews its lease long before so little of it is left. Whoever sees that calls the next
process, which has time to start, and takes the run once the lease is over and not before."""
WATCH_MS = 60_000
"""A viewer counts as watching for so long, and says so again when half of it is over."""
MAX_ATTEMPTS = 3
"""Processes that may die in the same step of a run before it fails."""
NUMBERS_AT_ONCE = 10_000
"""Event numbers that a run's process reserves ahead with each of its writes: more than a model says while the
store does not answer for as long as a lease lasts."""
INJECTION_TTL_MS = 600_000
MAX_WAITING = 100
MAX_INJECTION_BYTES = 32 * 1024


class LeaseRecord(Struct, frozen=True):
    """The state of a slot: which run is active, who holds it (a nonce of the process) and until when, the
    last event logged (`seq`), how many live messages it has accepted, whether it is to stop, how many
    messages the history holds, and whether live messages were left over by the run before.

    Clients may have seen events up to `reserved` whose log was never written: whoever takes a run over
    numbers its own events from there. The messages in the history cover the events up to `saved`.
    `last_run_id` is the latest run that has ended here.

    A run that is `parked` has no holder: `until_ms` is then the time at which it may go on by itself.
    `drained` is how many live messages have left the queue, `attempts` how many processes have died since the
    last step was stored, `progress` what the run has used up to that step (see `Progress`). The `tree` tells
    which of the messages are on the active branch; while a run is active, its messages end it."""

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
        """Return the id of the run that is here, or of the latest that was."""
        return self.run_id or self.last_run_id

    def active(self, now_ms: int) -> bool:
        """A run is here and alive."""
        return self.run_id is not None and self.until_ms > now_ms

    def lost(self, now_ms: int) -> bool:
        """A run is here, but whoever ran it is gone, or the time for which it was parked is over."""
        return self.run_id is not None and self.until_ms <= now_ms

    def overdue(self, now_ms: int) -> bool:
        """A run is here that is lost, or will be in a moment unless its process renews the lease."""
        return self.run_id is not None and self.overdue_at <= now_ms

    @property
    def overdue_at(self) -> int:
        """The time from which on the run is overdue."""
        return self.until_ms - (0 if self.parked else OVERDUE_MS)

    def free(self, now_ms: int) -> bool:
        """A run is here that no process works on."""
        return self.run_id is not None and (self.parked is not None or self.until_ms <= now_ms)


NO_TOKEN = -1


class Progress(Struct, frozen=True):
    """The usage of a run up to its last stored step, over all of its processes. `paused_ms` is the time in
    which it waited for people, `waiting_since` when it began to (0: it does not wait), `queued` how often
    in a row its model could not be reached, `first_token_ms` the time to the first token of the answer
    (`NO_TOKEN`: none has come). The calls `not_begun` stand in the last stored turn, and no
    process has begun them yet."""

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
        """The time to the first token in milliseconds; None where there was none, or it is not known."""
        return None if self.first_token_ms == NO_TOKEN else self.first_token_ms

    def to_item(self) -> dict[str, Any]:
        """The JSON object that the lease keeps; what has its default is left out."""
        return {name: value for name, value in asdict(self).items() if value != _FRESH[name]}

    def resumed(self, now_ms: int) -> "Progress":
        """The progress when another process goes on now."""
        paused = now_ms - self.waiting_since if self.waiting_since else 0
        return replace(self, paused_ms=self.paused_ms + paused, waiting_since=0)

    @classmethod
    def of(cls, item: dict[str, Any]) -> "Progress":
        """The progress that a lease keeps."""
        known = {name: value for name, value in item.items() if name in _FRESH}
        return cls(**known | {"not_begun": tuple(item.get("not_begun", ()))})


_FRESH: dict[str, Any] = asdict(Progress())


class ContinueRun(Struct, frozen=True):
    """A message of the run queue: some process is to continue this run, if no other one works on it."""

    organization: str
    run_id: str
    reason: str


class Run(Struct, frozen=True):
    """A run as stored and as clients see it. `usage` in tokens, `cost` in US dollars or None. `owner` is the
    user whose conversation it is in, `created_by` the one who sent the message; both are empty in runs that
    are older than owners. `hops` is how often what caused it has left here and come back, `traceparent` the
    trace that its request was part of. `previous_id` is the run that was here before it, `last_seq` the
    number of its last event (None: it goes on, or is older than this). `request` is what a client of another
    protocol gets back with it."""

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
        """The JSON object as clients see it."""
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
