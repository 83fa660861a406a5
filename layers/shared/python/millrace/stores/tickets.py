"""Tickets: a request that a browser may make once, within a minute, without headers.

A ticket is 256 random bits. The table's key is its SHA-256, so neither the table nor its backups contain a
usable ticket. A signature is not necessary: single use requires a read of the table anyway, and items there
cannot be forged. Using a ticket is one conditional update that marks the item with a nonce and returns it. If
botocore repeats the update after a lost answer, the nonce shows that this use succeeded.

A stream's ticket is opened instead. Its first use binds it to a client, which may reconnect for a while:
`EventSource` does so when a connection breaks, and `<audio>` does so to probe, seek and replay.
"""

import contextlib
import hashlib
import secrets
import zlib
from typing import Any, Literal
from urllib.parse import unquote

import orjson
from msgspec import Struct
from msgspec.structs import replace

from millrace.domain.access import Principal
from millrace.domain.clock import Clock
from millrace.errors import TooLarge, Unauthenticated, Unavailable
from millrace.stores.aws import Aws
from millrace.stores.dynamo import ConditionFailed, Dynamo, Item, TransactItem, from_item, put, update

TICKET_SECONDS = 60
SESSION_SECONDS = 3600
"""The time for which the client that opened a stream may reconnect with the same ticket."""
AUDIO_SECONDS = 600
"""The same for audio."""
AUDIO_BYTES = 350_000
"""The largest audio that is stored for replay: about 40 s of MP3."""
BODY_BYTES = 350_000
"""The maximum size of a ticket's compressed body: 100,000 characters of most texts.

A DynamoDB item holds 400 KB.
"""
_FOR_PATH = "httpMethod = :get AND httpPath = :path"
_UNUSED = "attribute_exists(pk) AND attribute_not_exists(clientAgent) AND attribute_not_exists(usedBy)"


class Ticket(Struct, frozen=True):
    """The call that a ticket allows: its caller, path, method and body.

    For an open stream, also where it began and the end of the run that was sent last: `ended` after it was
    sent once, `sure` after at least twice. `again` means that its client has opened it before.
    """

    caller: Principal
    method: str
    path: str
    body: dict[str, Any] | None
    begun: str | None = None
    ended: str | None = None
    sure: str | None = None
    again: bool = False


class Client(Struct, frozen=True):
    """The holder of a ticket, as far as the server can identify it.

    `agent` is the User-Agent, and `network` the address that it connects from. `proven` means that it names
    an event of the stream that only a client that received it can know.
    """

    agent: str
    network: str
    proven: bool = False


class TicketStore:
    """The table of tickets (`pk`, TTL attribute `expiresAt`). Without one, methods raise `Unavailable`."""

    def __init__(self, aws: Aws, table: str, clock: Clock) -> None:
        self._aws = aws
        self._dynamo = Dynamo(aws)
        self._named = table
        self._clock = clock

    @property
    def _table(self) -> str:
        if not self._named:
            raise Unavailable("Set TICKETS_TABLE in the function's environment.", code="not_configured")
        return self._named

    async def issue(self, ticket: Ticket) -> tuple[str, int]:
        """Store a ticket, and return its secret and its expiry in epoch milliseconds. Raises `TooLarge`."""
        secret = secrets.token_urlsafe(32)
        expires_ms = self._clock() + 1000 * TICKET_SECONDS
        item = {
            "pk": _key(secret),
            "organization": ticket.caller.organization,
            "subject": ticket.caller.id,
            "scopes": " ".join(sorted(ticket.caller.scopes)),
            "roles": orjson.dumps(sorted(ticket.caller.roles)).decode(),
            "issuedMs": ticket.caller.issued_ms,
            "httpMethod": ticket.method,
            # Decoded, because that is how servers see the path of the request.
            "httpPath": unquote(ticket.path),
            "body": _packed(ticket.body),
            "expiresMs": expires_ms,
            "expiresAt": -(-expires_ms // 1000),
        }
        await self._dynamo.write(put(self._table, item, new=True))
        return secret, expires_ms

    async def use(self, secret: str, path: str) -> Ticket:
        """Redeem a ticket for a GET of `path`.

        Raises `Unauthenticated` for a ticket that is unknown, expired or used. A request for another path
        does not use the ticket.
        """
        nonce = secrets.token_urlsafe(16)
        request = update(
            self._table,
            {"pk": _key(secret)},
            "SET usedBy = :nonce",
            f"{_UNUSED} AND {_FOR_PATH} AND expiresMs > :now",
            nonce=nonce,
            path=path,
            get="GET",
            now=self._clock(),
        )
        item, won = await self._marked(request)
        if not won and item.get("usedBy") != nonce:
            raise invalid_ticket()
        return _ticket(item)

    async def open(self, secret: str, path: str, client: Client, seconds: int = SESSION_SECONDS) -> Ticket:
        """Open a stream at `path`, or reconnect to it within `seconds`.

        Raises `Unauthenticated` for a ticket that is unknown, expired, for another path, or held by another
        client.
        """
        now = self._clock()
        end = now + 1000 * seconds
        request = update(
            self._table,
            {"pk": _key(secret)},
            "SET clientAgent = :agent, clientNetwork = :network, expiresMs = :end, expiresAt = :ttl",
            f"{_UNUSED} AND {_FOR_PATH} AND expiresMs > :now",
            path=path,
            get="GET",
            # It is only compared, and a hash has a bounded length.
            agent=_key(client.agent),
            network=client.network,
            end=end,
            ttl=-(-end // 1000),
            now=now,
        )
        item, won = await self._marked(request)
        # If botocore repeated an update after a lost answer, the ticket is held by this client, which is
        # admitted as if it reconnected.
        return _ticket(item) if won else self._again(item, path, client)

    async def _marked(self, request: TransactItem) -> tuple[Item, bool]:
        """Return the ticket after the update and True, or the ticket that the condition refused and False."""
        from botocore.exceptions import ClientError

        try:
            answer = await self._aws.call(
                "dynamodb", "update_item", **request["Update"], ReturnValues="ALL_NEW"
            )
        except ClientError as error:
            if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
                raise
            found: Any = error.response.get("Item")
            return from_item(found) if found else {}, False
        return from_item(answer["Attributes"]), True

    def _again(self, item: Item, path: str, client: Client) -> Ticket:
        """Return the ticket of an open stream for the client that holds it."""
        is_open = "clientAgent" in item and item["expiresMs"] > self._clock()
        if not is_open or item["httpPath"] != path or item["clientAgent"] != _key(client.agent):
            raise invalid_ticket()
        if item["clientNetwork"] != client.network and not client.proven:
            raise invalid_ticket()
        return replace(_ticket(item), again=True)

    async def keep_audio(self, secret: str, media_type: str, audio: bytes) -> None:
        """Store audio for the holder of a ticket, for replay within `AUDIO_SECONDS`."""
        expires = self._clock() // 1000 + AUDIO_SECONDS
        item = {"pk": _audio_key(secret), "mediaType": media_type, "audio": audio, "expiresAt": expires}
        await self._dynamo.write(put(self._table, item))

    async def kept_audio(self, secret: str) -> tuple[str, bytes] | None:
        """Return the media type and bytes of stored audio."""
        item = await self._dynamo.get(self._table, {"pk": _audio_key(secret)})
        return (item["mediaType"], item["audio"]) if item else None

    async def note(self, secret: str, name: Literal["begun", "ended", "sure"], at: str) -> None:
        """Record a position of an open stream (see `Ticket`). An expired ticket is not created again."""
        with contextlib.suppress(ConditionFailed):
            await self._dynamo.write(
                update(
                    self._table,
                    {"pk": _key(secret)},
                    f"SET {name}At = :at",
                    "attribute_exists(pk)",
                    at=at,
                )
            )


def _ticket(item: Item) -> Ticket:
    return Ticket(
        _caller(item),
        item["httpMethod"],
        item["httpPath"],
        _unpacked(item["body"]),
        item.get("begunAt"),
        item.get("endedAt"),
        item.get("sureAt"),
    )


def _caller(item: Item) -> Principal:
    """Return the caller as far as a GET needs it, without the claims, which only tools read."""
    roles = frozenset(orjson.loads(item.get("roles", "[]")))
    scopes = frozenset(item["scopes"].split())
    return Principal(item["organization"], item["subject"], scopes, roles, issued_ms=item.get("issuedMs"))


def invalid_ticket() -> Unauthenticated:
    """Return the error for an invalid ticket, which never reveals the reason."""
    return Unauthenticated(
        f"The ticket is unknown, used, older than {TICKET_SECONDS} s, or for another path or client; "
        "request a new one.",
        code="ticket_invalid",
    )


def _key(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _audio_key(secret: str) -> str:
    return f"{_key(secret)}#audio"


def _packed(body: dict[str, Any] | None) -> bytes | None:
    if body is None:
        return None
    packed = zlib.compress(orjson.dumps(body), 6)
    if len(packed) > BODY_BYTES:
        raise TooLarge("The body is too large for a ticket; POST it to the path itself.", code="too_large")
    return packed


def _unpacked(packed: bytes | None) -> dict[str, Any] | None:
    if packed is None:
        return None
    body: dict[str, Any] = orjson.loads(zlib.decompress(packed))
    return body
