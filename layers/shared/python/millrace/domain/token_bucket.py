"""A rate limit as slots in time: `per_second` requests on average, `burst` at once. Pure.

Slots are reserved a little ahead, so that whoever has one waits for it in place. A job without a slot is sent
back to the queue until its turn is near, in the order of a line, so that jobs come back one after the other
instead of all at once. Times are epoch milliseconds.

A slot may be used a little late, but never early. A late request comes closer to the next ones, so a second
may contain the requests of `late` more milliseconds. If slots are further apart than that, it contains no
more. If they are closer, they are spaced that much wider than the limit requires, so that no second exceeds
it.
"""

from msgspec import Struct

AHEAD_MS = 2_000
LONGEST_AHEAD_MS = 5_000
"""The maximum time for which slots are reserved ahead, which is otherwise `AHEAD_MS` and three intervals."""
LATE_MS = 20
LONGEST_LATE_MS = 250
_EXACT_MS = 0.01


class Rate(Struct, frozen=True):
    """A limit: a request every `interval` ms, and `burst` at once after a pause. A request that is `late` ms
    late for its slot needs another one."""

    per_second: float
    burst: int

    @property
    def interval(self) -> float:
        wanted = 1000 / self.per_second
        return wanted if wanted >= LATE_MS else wanted * (1 + LATE_MS / 1000)

    @property
    def tolerance(self) -> float:
        """The milliseconds by which `full_at` may be ahead while there is room for another request."""
        return (self.burst - 1) * self.interval

    @property
    def late(self) -> float:
        return min(max(self.interval, LATE_MS), LONGEST_LATE_MS)

    @property
    def ahead(self) -> float:
        """The time for which slots are reserved ahead."""
        return min(AHEAD_MS + 3 * self.interval, LONGEST_AHEAD_MS)


class Bucket(Struct, frozen=True):
    """The state of a limit. `full_at` is when the whole burst is available again; `queue_end` is when a job
    that joins the queue now may send (both in epoch milliseconds)."""

    full_at: float = 0.0
    queue_end: float = 0.0


class SlotRequest(Struct, frozen=True):
    """A request for `count` slots at once, until `ends`. `due` is the number of requests still to come in
    total. A job that is `new` does not overtake the line; one that was `served` does not go to its end.
    `lead` is the time in milliseconds until the first slot can be used."""

    count: int
    due: int
    ends: float
    new: bool = False
    served: bool = False
    lead: int = 0


class Grant(Struct, frozen=True):
    """The times of the reserved slots or, if there are none, the milliseconds to wait before asking again."""

    slots: tuple[float, ...] = ()
    wait_ms: int = 0


def reserve(bucket: Bucket, rate: Rate, request: SlotRequest, now: int) -> tuple[Bucket, Grant]:
    """Reserve as many of the slots as possible, or a place in the line. Returns the new bucket, and the slots
    or the wait. A clock that goes backwards does not create slots."""
    overtakes = request.new and bucket.queue_end > now + rate.ahead
    start = now + request.lead
    until = start if overtakes else min(now + rate.ahead, request.ends)
    slots: list[float] = []
    full_at = bucket.full_at
    while len(slots) < request.count and (slot := _first_free(full_at, rate, start)) <= until:
        slots.append(slot)
        # This is the generic cell rate algorithm; `full_at` is its theoretical arrival time.
        full_at = max(slot, full_at) + rate.interval
    if slots:
        return Bucket(full_at, bucket.queue_end), Grant(tuple(slots))
    return _join_queue(bucket, rate, request, now)


def _join_queue(bucket: Bucket, rate: Rate, request: SlotRequest, now: int) -> tuple[Bucket, Grant]:
    """Add a job to the line. Jobs come back before their turn, so that no slot is unused while they are on
    their way."""
    slot = _first_free(bucket.full_at, rate, now)
    queue_end = bucket.queue_end
    if not request.served:
        slot = max(slot, queue_end)
        queue_end = slot + request.due * rate.interval
    return Bucket(bucket.full_at, queue_end), Grant(wait_ms=max(1, int(slot - now - rate.ahead / 2)))


def _first_free(full_at: float, rate: Rate, now: int) -> float:
    """Return the first time that is free. Floats of this size are exact to some tenths of a microsecond."""
    free = full_at - rate.tolerance
    return free if free > now + _EXACT_MS else float(now)
