"""Wishes that a speech may stop, left by another request for the function that speaks.

They lie in the table of tickets, which is made for what lives minutes. The key names the caller, so that
nobody stops another's speech, and nothing is written when a speech begins: its id is chance, and a wish for
an id that speaks nowhere expires.
"""

from millrace.domain.access import Principal
from millrace.domain.clock import Clock
from millrace.errors import Unavailable
from millrace.stores.aws import Aws
from millrace.stores.dynamo import Dynamo, put

SECONDS = 3600
"""The life of a wish: four times that of a function."""


class SpeechStops:
    """Stores wishes and finds them. Without a table nothing can be stopped."""

    def __init__(self, aws: Aws, table: str, clock: Clock) -> None:
        self._dynamo = Dynamo(aws)
        self._table = table
        self._clock = clock

    async def stop(self, caller: Principal, speech_id: str) -> None:
        """Ask for a speech to end. Raises `Unavailable` where no table is configured."""
        if not self._table:
            raise Unavailable("Set TICKETS_TABLE in the function's environment.", code="not_configured")
        expires = self._clock() // 1000 + SECONDS
        await self._dynamo.write(put(self._table, _key(caller, speech_id) | {"expiresAt": expires}))

    async def wanted(self, caller: Principal, speech_id: str) -> bool:
        """Return whether the caller wants this speech to end."""
        if not self._table:
            return False
        return await self._dynamo.get(self._table, _key(caller, speech_id)) is not None


def _key(caller: Principal, speech_id: str) -> dict[str, str]:
    return {"pk": f"speech#{caller.organization}#{caller.id}#{speech_id}"}
