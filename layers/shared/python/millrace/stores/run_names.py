"""Names that clients have given to parts of runs, for a day: AG-UI's client names each of its runs, and one
of ours that waits for people is several of its.

One item per name in the table of conversations, in a partition of its user's; it holds ids and nothing else.
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
        """Return the event after which the part of a run with this name begins; None for an unknown name."""
        item = await self._dynamo.get(self._table, _key(user, name))
        alive = item and item["expiresAt"] > self._clock() // 1000
        return parse_event_id(item["event"]) if item and alive else None

    async def put(self, user: Principal, name: str, after: EventId) -> EventId:
        """Give the name to the part that begins after an event; what has it, where it is taken."""
        now = self._clock() // 1000
        item = _key(user, name) | {"event": str(after), "expiresAt": now + LIFE_SECONDS}
        try:
            await self._dynamo.write(put_unless_alive(self._table, item, now))
        except ConditionFailed as error:
            return parse_event_id((error.items[0] or {})["event"])
        return after


def run_id_of(user: Principal, name: str) -> str:
    """The id of the run that begins under a name: always the same, so that the name alone finds it."""
    text = "\0".join((user.organization, user.id, name))
    return f"run_{sha256(text.encode()).hexdigest()[:26].upper()}"


def _key(user: Principal, name: str) -> Item:
    # The name is hashed: it is the client's, and keys have a limit.
    return {"pk": f"{user.organization}#~names#{user.id}", "sk": f"N#{sha256(name.encode()).hexdigest()}"}
