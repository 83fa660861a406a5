"""Tickets: a request that a browser may make once, within a minute, without headers.

A ticket is 256 bits of chance; the table's key is its SHA-256, so that neither the table nor its backups hold
one that works. It needs no signature: being used once means a look into the table anyway, and what is there
cannot be forged. Deleting it is using it: one conditional delete that gives the item back.
"""

import hashlib
import secrets
import zlib
from dataclasses import dataclass
from typing import Any

import orjson

from millrace.domain.access import Principal
from millrace.domain.clock import Clock
from millrace.errors import TooLarge, Unauthenticated, Unavailable
from millrace.stores.aws import Aws
from millrace.stores.dynamo import Dynamo, Item, from_item, put, to_item

TICKET_SECONDS = 60
BODY_BYTES = 350_000
"""What a ticket's body may have, compressed (an item of DynamoDB has 400 KB): 100,000 characters of most
texts."""


@dataclass(frozen=True, slots=True)
class Ticket:
    """What was asked for in advance: who may call which path by which method, and with what body."""

    caller: Principal
    method: str
    path: str
    body: dict[str, Any] | None


class TicketStore:
    """The table of tickets (`pk`, TTL attribute `expiresAt`). Without one its methods raise `Unavailable`."""

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
        """Stores a ticket; gives its secret and its end (milliseconds since the epoch). Raises `TooLarge`."""
        secret = secrets.token_urlsafe(32)
        expires_ms = self._clock() + 1000 * TICKET_SECONDS
        item = {
            "pk": _key(secret),
            "organization": ticket.caller.organization,
            "subject": ticket.caller.id,
            "scopes": " ".join(sorted(ticket.caller.scopes)),
            "roles": orjson.dumps(sorted(ticket.caller.roles)).decode(),
            "httpMethod": ticket.method,
            "httpPath": ticket.path,
            "body": _packed(ticket.body),
            "expiresMs": expires_ms,
            "expiresAt": -(-expires_ms // 1000),
        }
        await self._dynamo.write(put(self._table, item, new=True))
        return secret, expires_ms

    async def use(self, secret: str) -> Ticket:
        """Takes a ticket out. Raises `Unauthenticated` for one that is unknown, expired or used."""
        answer = await self._aws.call(
            "dynamodb",
            "delete_item",
            TableName=self._table,
            Key=to_item({"pk": _key(secret)}),
            ReturnValues="ALL_OLD",
        )
        item = from_item(answer["Attributes"]) if answer.get("Attributes") else None
        # DynamoDB deletes late, so time decides here as well.
        if item is None or item["expiresMs"] <= self._clock():
            raise invalid_ticket()
        return Ticket(_caller(item), item["httpMethod"], item["httpPath"], _unpacked(item["body"]))


def _caller(item: Item) -> Principal:
    """The caller as far as a GET needs it: without the claims, which only tools read."""
    roles = frozenset(orjson.loads(item.get("roles", "[]")))
    return Principal(item["organization"], item["subject"], frozenset(item["scopes"].split()), roles)


def invalid_ticket() -> Unauthenticated:
    """The error for a ticket that does not hold, whatever the reason."""
    return Unauthenticated(
        f"The ticket is unknown, used, for another path, or older than {TICKET_SECONDS} s: get another.",
        code="ticket_invalid",
    )


def _key(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


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
