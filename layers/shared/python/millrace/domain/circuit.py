"""A circuit breaker for one destination, as pure steps from one state to the next.

closed: requests are sent and counted. It opens if half of at least 20 failed within a minute, or if two were
not answered in time and none was answered. It is proven if it has answered well within the last ten minutes,
and no worse since. open: nothing is sent until `until`; then one probe is allowed (half-open), and all others
wait for its result. A probe that succeeds closes the circuit; one that fails opens it again, each time for
twice as long. disabled: the server said that the destination no longer exists (410), or an operator disabled
it; nothing is sent.
"""

from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

WINDOW_MS = 60_000
LEAST_REQUESTS = 20
FAILED_SHARE = 0.5
OPEN_MS = 15_000
LONGEST_OPEN_MS = 10 * 60_000
PROBE_MS = 60_000
ASK_AGAIN_MS = 5_000
HANGS = 2
PROVEN_MS = 10 * 60_000


class Circuit(Struct, frozen=True):
    """The state of a circuit. Times are in epoch milliseconds. `until` is 0 while it is closed; `opened`
    counts consecutive openings. `reason` says in words why nothing is sent. `hung` counts jobs without an
    answer in time, and `proven` is the time until which the destination counts as one that answers."""

    since: int = 0
    succeeded: int = 0
    failed: int = 0
    opened: int = 0
    until: int = 0
    probe_until: int = 0
    disabled: bool = False
    reason: str = ""
    hung: int = 0
    proven: int = 0

    @property
    def is_open(self) -> bool:
        return self.until > 0


class Admission(Struct, frozen=True):
    """The decision on a request. With `probe`, the caller must first reserve the probe with `probing`.
    `wait_ms` says when to ask again. `proven` says that the job needs no slot."""

    verdict: Literal["go", "probe", "wait", "disabled"]
    wait_ms: int = 0
    proven: bool = True


def admission(circuit: Circuit, now: int) -> Admission:
    """Return whether a request may be sent now."""
    if circuit.disabled:
        return Admission("disabled")
    if not circuit.is_open:
        return Admission("go", proven=now < circuit.proven)
    if now < circuit.until:
        return Admission("wait", circuit.until - now)
    if now < circuit.probe_until:  # after that, its holder must have died; it may report at any moment
        return Admission("wait", min(circuit.probe_until - now, ASK_AGAIN_MS))
    return Admission("probe", proven=False)


def probing(circuit: Circuit, now: int) -> Circuit:
    """Reserve the probe, for at most a minute as its holder may crash."""
    return replace(circuit, probe_until=now + PROBE_MS)


def unused(circuit: Circuit) -> Circuit:
    """Release the probe: nothing was sent."""
    return replace(circuit, probe_until=0)


def probed(circuit: Circuit, healthy: bool, now: int, reason: str = "") -> Circuit:
    """Apply the result of a probe."""
    if healthy:
        return Circuit(since=now, proven=now + PROVEN_MS)
    # A late probe, after another one or an operator has closed the circuit, does not open it.
    return _opened(circuit, now, reason) if circuit.is_open else circuit


def counted(
    circuit: Circuit, succeeded: int, failed: int, now: int, reason: str = "", hung: bool = False
) -> Circuit:
    """Apply the results of requests that were allowed; `hung` says that none was answered in time. Results
    that arrive after the circuit has opened change nothing."""
    if circuit.is_open or circuit.disabled:
        return circuit
    if now - circuit.since >= WINDOW_MS:
        circuit = Circuit(since=now, proven=circuit.proven)
    circuit = replace(
        circuit,
        succeeded=circuit.succeeded + succeeded,
        failed=circuit.failed + failed,
        hung=circuit.hung + hung,
        proven=_proven(circuit, succeeded, failed, now),
    )
    return _opened(circuit, now, reason) if _is_failing(circuit) else circuit


def recent(circuit: Circuit, now: int) -> tuple[int, int]:
    """Return how many requests have succeeded and failed in the current minute: nobody resets the counts of
    an earlier one before the next request."""
    if now - circuit.since >= WINDOW_MS:
        return 0, 0
    return circuit.succeeded, circuit.failed


def disabled(circuit: Circuit, now: int, reason: str = "") -> Circuit:
    """Disable the circuit: nothing is sent any more. The first reason is kept."""
    return circuit if circuit.disabled else replace(circuit, disabled=True, since=now, reason=reason)


def _proven(circuit: Circuit, succeeded: int, failed: int, now: int) -> int:
    """Return the time until which the destination counts as one that answers. It is extended at most once per
    minute."""
    if failed >= succeeded:
        return 0 if failed else circuit.proven
    return now + PROVEN_MS if circuit.proven < now + PROVEN_MS - WINDOW_MS else circuit.proven


def _is_failing(circuit: Circuit) -> bool:
    requests = circuit.succeeded + circuit.failed
    if circuit.hung >= HANGS and not circuit.succeeded:
        return True
    return requests >= LEAST_REQUESTS and circuit.failed >= FAILED_SHARE * requests


def _opened(circuit: Circuit, now: int, reason: str) -> Circuit:
    length = min(LONGEST_OPEN_MS, OPEN_MS * 2 ** min(circuit.opened, 16))
    since = circuit.since if circuit.is_open else now
    return Circuit(since, opened=circuit.opened + 1, until=now + length, reason=reason or circuit.reason)
