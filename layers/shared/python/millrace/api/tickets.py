"""Tickets over HTTP: for `<audio>` and `EventSource`, which cannot send an Authorization header."""

from ipaddress import ip_address, ip_network
from typing import Any, Literal

from msgspec import Struct
from pydantic import Field, field_validator
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from millrace.api.accept import wants_stream
from millrace.api.auth import Authenticator, identify
from millrace.api.endpoint import Endpoint, read_body
from millrace.api.operation import ANY_TOKEN, Operation
from millrace.api.stream_session import StreamSession
from millrace.domain.access import Principal
from millrace.domain.clock import iso
from millrace.domain.wire import WireModel
from millrace.settings import Settings
from millrace.stores.connect import Stores
from millrace.stores.tickets import AUDIO_SECONDS, Client, Ticket, TicketStore

PARAMETER = "ticket"


class NewTicket(WireModel):
    """The request that a ticket allows. `body` replaces the body that a GET does not have, so that a long
    text does not have to be part of the URL."""

    path: str = Field(max_length=1024)
    method: Literal["GET"] = "GET"
    body: dict[str, Any] | None = None

    @field_validator("path")
    @classmethod
    def _of_this_api(cls, path: str) -> str:
        if not path.startswith(("/api/", "/v1/", "/agui")) or {"?", "#"} & set(path):
            raise ValueError("must be a path of this API without its query, such as /api/voice/tts/stream")
        return path


class Callers(Struct, frozen=True):
    """An `Authenticator` that also accepts a ticket instead of a token."""

    auth: Authenticator
    tickets: TicketStore

    async def __call__(self, request: Request) -> Principal:
        """Return the caller, by any credential that the operation accepts. Raises `Unauthenticated`."""
        operation: Operation = request.state.operation
        if operation.credential == "token" or not _has_ticket(request, operation):
            return await self.auth(request)
        secret, path = request.query_params.get(PARAMETER, ""), request.scope["path"]
        if _is_audio(operation):
            # Players request the headers, ranges, and all of it once more.
            found = await self.tickets.open(secret, path, _client(request), AUDIO_SECONDS)
        elif _is_event_stream(request, operation):
            found = await self.tickets.open(secret, path, _client(request))
        else:
            found = await self.tickets.use(secret, path)
        await self.auth.stores.limits.check_caller(found.caller)
        request.state.stream_session = StreamSession(self.tickets, secret, found)
        request.state.ticket = found
        identify(request, found.caller, self.auth.stores)
        return found.caller


def ticket_body(request: Request) -> dict[str, Any]:
    """Return the body that was given when the request's ticket was created."""
    found: Ticket = request.state.ticket
    return found.body or {}


def _has_ticket(request: Request, operation: Operation) -> bool:
    if operation.credential == "ticket":
        return True
    return "authorization" not in request.headers and PARAMETER in request.query_params


def _is_audio(operation: Operation) -> bool:
    media = [kind for status in operation.answers for kind in operation.answer(status).media]
    return any(kind.startswith("audio/") for kind in media)


def _is_event_stream(request: Request, operation: Operation) -> bool:
    """Return whether the answer is an event stream, which the endpoint must support. Otherwise any request
    could ask for a stream in order to use its ticket twice."""
    return operation.streams and (wants_stream(request) or request.scope["path"].endswith("/stream"))


def _client(request: Request) -> Client:
    agent = request.headers.get("user-agent", "")
    host = request.client.host if request.client else ""
    run_id, dot, _ = request.headers.get("last-event-id", "").rpartition(".")
    # An id that can be guessed proves nothing: `none`, or the run that the URL itself names.
    proven = bool(dot) and run_id != "none" and run_id not in request.scope["path"]
    return Client(agent, _network(host), proven)


def _network(host: str) -> str:
    """Return the address; for IPv6 only the network, since browsers change the rest at will."""
    try:
        address = ip_address(host)
    except ValueError:
        return host
    return str(ip_network(f"{host}/64", strict=False)) if address.version == 6 else host


def callers(settings: Settings, stores: Stores) -> Callers:
    """Return the authentication of a streamed function: by token or by ticket."""
    tickets = TicketStore(stores.aws, settings.tickets_table, stores.clock)
    return Callers(Authenticator(settings, stores), tickets)


class Tickets(Struct, frozen=True):
    """The endpoint that creates tickets."""

    tickets: TicketStore

    def endpoints(self) -> list[Endpoint]:
        """Return the endpoint."""
        return [
            Endpoint(
                "POST",
                "/api/stream-tickets",
                "Create a ticket for one GET within a minute, or for one event stream",
                ANY_TOKEN,
                self.create_ticket,
                audited=False,
                credential="token",
                body=NewTicket,
                answers={201: "Ticket"},
                errors=("not_configured",),
            )
        ]

    async def create_ticket(self, request: Request, caller: Principal) -> Response:
        given = await read_body(request, NewTicket)
        secret, expires_ms = await self.tickets.issue(Ticket(caller, given.method, given.path, given.body))
        url = f"{given.path}?{PARAMETER}={secret}"
        answer = {"ticket": secret, "url": url, "expiresAt": iso(expires_ms)}
        return JSONResponse(answer, 201, {"cache-control": "no-store"})
