"""`dedupe`: the first event of each key within `ttl` passes, whenever it is delivered.

A key's register contains the time until which others are held back, and the events that have passed, so that
these pass again if they are redelivered.
"""

from hashlib import sha256

import orjson
from msgspec import Struct

from millrace.domain.json_bytes import kept_json
from millrace.pipelines.event import Event
from millrace.pipelines.expressions.values import Value
from millrace.pipelines.state.registers import update
from millrace.pipelines.state.rows import canonical, identity
from millrace.pipelines.state.store import Key, Store
from millrace.pipelines.state.windows import Scope

_OWNERS = 8


def place_of(scope: Scope, value: Value) -> Key:
    """Return the register of a key. Raises `EvaluationError` for a value that is not JSON."""
    return scope.key("key-" + sha256(canonical(value)).hexdigest())


def passing(events: dict[Key, list[Event]], ttl: int, store: Store) -> dict[Key, list[bool]]:
    """Return for each event of each key whether it passes. Raises `Contended`."""
    passes: dict[Key, list[bool]] = {}

    def change(key: Key, data: bytes | None) -> tuple[bytes, int] | None:
        seen = _Seen(*orjson.loads(data)) if data else _Seen(0, [])
        passes[key] = [seen.lets_pass(event, ttl) for event in events[key]]
        return (kept_json([seen.until, seen.owners]), seen.until + ttl) if seen.is_changed else None

    update(store, events, change)
    return passes


class _Seen(Struct):
    """The state of a key."""

    until: int
    owners: list[int]
    is_changed: bool = False

    def lets_pass(self, event: Event, ttl: int) -> bool:
        me = identity(event.source, event.id)
        if me in self.owners:
            return True
        # The time of acceptance rather than the clock, so that a replay decides like the first pass.
        if event.ingested < self.until:
            return False
        self.until, self.owners = event.ingested + ttl, [*self.owners, me][-_OWNERS:]
        self.is_changed = True
        return True
