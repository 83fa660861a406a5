"""The session of a stream that was opened with a ticket, which knows where a connection without a cursor
continues.

`EventSource` reconnects with `Last-Event-ID`, but not if it had received nothing, and a page that creates a
new `EventSource` with the same URL never sends it. Such a connection begins where the first one did, so that
a client which received nothing misses nothing. Once the end of a run was sent twice, it continues after that.
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
        """The cursor of a connection that sends none; empty for the first."""
        return self.ticket.sure or self.ticket.begun or ""

    async def begin(self, at: str) -> None:
        """Note where the first connection begins."""
        if self.ticket.begun is None:
            await self.tickets.note(self.secret, "begun", at)

    async def finish(self, at: str) -> None:
        """Note that the end of a run was sent. It may not have arrived, so only the second time counts. If
        the note fails, the client sees the run once more."""
        try:
            await self.tickets.note(self.secret, "sure" if self.ticket.ended == at else "ended", at)
        except MillraceError as error:
            log.warning("the end of a stream was not noted: %s", error.message)


def session_of(request: Request) -> StreamSession | None:
    """Return the session of a request that came with a ticket; None without one."""
    found: StreamSession | None = getattr(request.state, "stream_session", None)
    return found


def start_of(request: Request) -> str:
    """Return the cursor from the request's session; empty if there is none."""
    session = session_of(request)
    return session.start if session else ""
