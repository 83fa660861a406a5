"""Requests to stop a speech, left for the function that speaks.

They are in the table of tickets, whose items live for minutes. The key contains the caller, so nobody can
stop another user's speech. Nothing is written when a speech begins: its id is random, and a request for an id
that is not spoken expires.
"""

from millrace.domain.access import Principal
from millrace.domain.clock import Clock
from millrace.errors import Unavailable
from millrace.stores.aws import Aws
from millrace.stores.dynamo import Dynamo, put

SECONDS = 3600
"""The lifetime of a request: four times that of a function."""


class SpeechStops:
    """Stores and finds requests to stop. Without a table, no speech can be stopped."""

    def __init__(self, aws: Aws, table: str, clock: Clock) -> None:
        self._dynamo = Dynamo(aws)
        self._table = table
        self._clock = clock

    async def stop(self, caller: Principal, speech_id: str) -> None:
        """Ask for a speech to stop. Raises `Unavailable` if no table is configured."""
        if not self._table:
            raise Unavailable("Set TICKETS_TABLE in the function's environment.", code="not_configured")
        expires = self._clock() // 1000 + SECONDS
        await self._dynamo.write(put(self._table, _key(caller, speech_id) | {"expiresAt": expires}))

    async def wanted(self, caller: Principal, speech_id: str) -> bool:
        """Return whether the caller asked for this speech to stop."""
        if not self._table:
            return False
        return await self._dynamo.get(self._table, _key(caller, speech_id)) is not None


def _key(caller: Principal, speech_id: str) -> dict[str, str]:
    return {"pk": f"speech#{caller.organization}#{caller.id}#{speech_id}"}
