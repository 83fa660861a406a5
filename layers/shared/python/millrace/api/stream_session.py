"""A stream that was opened with a ticket: where a connection goes on that brings no cursor.

`EventSource` comes back with `Last-Event-ID`, but not when it had received nothing, and a page that makes a
new `EventSource` on the same URL never does. Such a connection begins where the first one began: whoever has
received nothing misses nothing. When the end of a run has been sent twice, it goes on after that.
"""

import logging

from msgspec import Struct
from starlette.requests import Request

from millrace.errors import MillraceError
from millrace.stores.tickets import Ticket, TicketStore

log = logging.getLogger(__name__)


class StreamSession(Struct, frozen=True):
    """The session of one request."""

    tickets: TicketStore
    secret: str
    ticket: Ticket

    @property
    def start(self) -> str:
        """The cursor of a connection that brings none; empty for the first."""
        return self.ticket.sure or self.ticket.begun or ""

    async def begin(self, at: str) -> None:
        """Note where the first connection begins."""
        if self.ticket.begun is None:
            await self.tickets.note(self.secret, "begun", at)

    async def finish(self, at: str) -> None:
        """Notes that the end of a run was sent. Nobody knows whether it arrived; the second time is taken
        for sure. Should the note fail, the client sees the run once more."""
        try:
            await self.tickets.note(self.secret, "sure" if self.ticket.ended == at else "ended", at)
        except MillraceError as error:
            log.warning("the end of a stream was not noted: %s", error.message)


def session_of(request: Request) -> StreamSession | None:
    """Return the session of a request that came with a ticket."""
    found: StreamSession | None = getattr(request.state, "stream_session", None)
    return found


def start_of(request: Request) -> str:
    """Return the cursor that the request's session has for it, empty without one."""
    session = session_of(request)
    return session.start if session else ""
