"""A circuit breaker for one destination, as pure steps from one state to the next.

closed: requests go out and are counted. Half of at least 20 failed within a minute, or two were not answered
in time and none was: open. Proven: it has answered well within ten minutes, and no worse since.
open: nothing goes out until `until`; then one probe may (half-open), all others wait for its result.
A probe that succeeds closes the circuit, one that fails opens it again, each time for twice as long.
disabled: the server said that the destination is gone (410), or an operator; nothing goes out any more.
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
    """Times in epoch milliseconds. `until` is 0 while closed; `opened` counts openings in a row. `reason`
    says in words why nothing goes out. `hung` counts jobs that got no answer in time, `proven` is until when
    it counts as one that answers."""

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
    """`probe` asks for the probe's place, which has to be taken with `probing` first; `wait_ms` says when
    to ask again. `proven`: no place is needed for the job."""

    verdict: Literal["go", "probe", "wait", "disabled"]
    wait_ms: int = 0
    proven: bool = True


def admission(circuit: Circuit, now: int) -> Admission:
    """Return whether a request may go out now."""
    if circuit.disabled:
        return Admission("disabled")
    if not circuit.is_open:
        return Admission("go", proven=now < circuit.proven)
    if now < circuit.until:
        return Admission("wait", circuit.until - now)
    if now < circuit.probe_until:  # which is when its holder must have died; it may tell any moment
        return Admission("wait", min(circuit.probe_until - now, ASK_AGAIN_MS))
    return Admission("probe", proven=False)


def probing(circuit: Circuit, now: int) -> Circuit:
    """The probe's place is taken, for a minute at most: its holder may crash."""
    return replace(circuit, probe_until=now + PROBE_MS)


def unused(circuit: Circuit) -> Circuit:
    """The probe's place is given back: nothing was sent."""
    return replace(circuit, probe_until=0)


def probed(circuit: Circuit, healthy: bool, now: int, reason: str = "") -> Circuit:
    """Apply the result of a probe."""
    if healthy:
        return Circuit(since=now, proven=now + PROVEN_MS)
    # A probe that comes late, after another one or an operator has closed the circuit, opens nothing.
    return _opened(circuit, now, reason) if circuit.is_open else circuit


def counted(
    circuit: Circuit, succeeded: int, failed: int, now: int, reason: str = "", hung: bool = False
) -> Circuit:
    """After requests that were let through; `hung`: none of them was answered in time. Results that come in
    after it opened change nothing."""
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


def disabled(circuit: Circuit, now: int, reason: str = "") -> Circuit:
    """Nothing goes out any more; the first reason stays."""
    return circuit if circuit.disabled else replace(circuit, disabled=True, since=now, reason=reason)


def _proven(circuit: Circuit, succeeded: int, failed: int, now: int) -> int:
    """Until when it counts as one that answers. A write a minute is enough to keep it so."""
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
