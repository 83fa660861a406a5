"""Names that clients give to parts of runs, kept for a day.

AG-UI clients name each of their runs. One of our runs that waits for people corresponds to several of theirs.
Each name is an item in the table of conversations, in a partition of its user, and contains only ids.
"""

from hashlib import sha256

from millrace.domain.access import Principal
from millrace.domain.clock import Clock
from millrace.domain.event_ids import EventId, parse_event_id
from millrace.stores.dynamo import ConditionFailed, Dynamo, Item, put_unless_alive
from millrace.stores.idempotency import LIFE_SECONDS


class RunNameStore:
    """The names in the table of conversations."""

    def __init__(self, dynamo: Dynamo, table: str, clock: Clock) -> None:
        self._dynamo = dynamo
        self._table = table
        self._clock = clock

    async def get(self, user: Principal, name: str) -> EventId | None:
        """Return the event after which the named part of a run begins, or None for an unknown name."""
        item = await self._dynamo.get(self._table, _key(user, name))
        alive = item and item["expiresAt"] > self._clock() // 1000
        return parse_event_id(item["event"]) if item and alive else None

    async def put(self, user: Principal, name: str, after: EventId) -> EventId:
        """Name the part that begins after an event. Return the event that has the name, if it is taken."""
        now = self._clock() // 1000
        item = _key(user, name) | {"event": str(after), "expiresAt": now + LIFE_SECONDS}
        try:
            await self._dynamo.write(put_unless_alive(self._table, item, now))
        except ConditionFailed as error:
            return parse_event_id((error.items[0] or {})["event"])
        return after


def run_id_of(user: Principal, name: str) -> str:
    """Return the id of the run that begins under a name.

    It is deterministic, so the name is enough to find it.
    """
    text = "\0".join((user.organization, user.id, name))
    return f"run_{sha256(text.encode()).hexdigest()[:26].upper()}"


def _key(user: Principal, name: str) -> Item:
    # The name is hashed, because the client chooses it and the length of keys is limited.
    return {"pk": f"{user.organization}#~names#{user.id}", "sk": f"N#{sha256(name.encode()).hexdigest()}"}
