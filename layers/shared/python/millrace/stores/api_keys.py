"""API keys in DynamoDB: an item for each key, and an item for each of its valid secrets under the secret's
hash.

A secret's item has everything a request needs, so authentication takes one read. The transaction that revokes
the key deletes the item, but other processes may trust their cached copy for up to `CACHE_SECONDS`.
"""

import contextlib
import time
from collections import OrderedDict
from typing import Literal

from millrace.domain.api_keys import ApiKey, KeyHolder, hash_of, well_formed
from millrace.domain.clock import Clock
from millrace.errors import Conflict, NotFound, TooManyRequests, Unauthenticated, Unavailable
from millrace.stores.creations import TRIES, creations, next_creation
from millrace.stores.dynamo import (
    ConditionFailed,
    Contended,
    Dynamo,
    Item,
    TransactItem,
    delete,
    delete_when,
    put,
    put_when,
    update,
)
from millrace.stores.reading import readable

MOST_KEYS = 100
CACHE_SECONDS = 30.0
"""A process may accept a key for this long after another process revoked it."""
_CACHED = 1000
USE_SECONDS = 3600
"""The use of a key is recorded at most this often."""
Kept = Literal["latest", "previous"]
"""The secret that stays valid for a while after a rotation: the latest or the previous one."""


class ApiKeyStore:
    """The table of keys (`pk`, `sk`, TTL attribute `expiresAt`).

    Without a table, the methods raise `Unavailable`.
    """

    def __init__(self, dynamo: Dynamo, table: str, clock: Clock) -> None:
        self._dynamo = dynamo
        self._named = table
        self._clock = clock
        self._cache: OrderedDict[str, tuple[float, KeyHolder]] = OrderedDict()
        self._noted: OrderedDict[str, int] = OrderedDict()

    @property
    def _table(self) -> str:
        if not self._named:
            raise Unavailable("Set API_KEYS_TABLE in the function's environment.", code="not_configured")
        return self._named

    async def holder(self, secret: str) -> KeyHolder:
        """Return the holder of a secret, up to `CACHE_SECONDS` old. Raises `Unauthenticated`."""
        if not well_formed(secret):
            raise invalid_key()
        hashed = hash_of(secret)
        found = self._cached(hashed) or await self._read(hashed)
        if found.expires_ms <= self._clock():
            raise invalid_key()
        return found

    def _cached(self, hashed: str) -> KeyHolder | None:
        read_at, holder = self._cache.get(hashed, (float("-inf"), None))
        return holder if time.monotonic() - read_at < CACHE_SECONDS else None

    async def _read(self, hashed: str) -> KeyHolder:
        read_at = time.monotonic()  # taken before the read, because the key may be revoked during it
        item = await self._dynamo.get(self._table, _secret_key(hashed))
        if item is None:
            self._cache.pop(hashed, None)
            raise invalid_key()
        holder = KeyHolder(
            item["organization"], item["keyId"], frozenset(item["scopes"].split()), item["expiresMs"]
        )
        self._cache[hashed] = (read_at, holder)
        if len(self._cache) > _CACHED:
            self._cache.popitem(last=False)
        return holder

    async def note_use(self, holder: KeyHolder) -> None:
        """Record that a key was used, unless its use was recorded within the last hour."""
        now = self._clock()
        if now - self._noted.get(holder.key_id, 0) < 1000 * USE_SECONDS:
            return
        self._noted[holder.key_id] = now
        if len(self._noted) > _CACHED:
            self._noted.popitem(last=False)
        with contextlib.suppress(ConditionFailed):  # revoked, or noted by another process
            await self._dynamo.write(
                update(
                    self._table,
                    _key(holder.organization, holder.key_id),
                    "SET lastUsedMs = :now",
                    "attribute_exists(pk) AND (attribute_not_exists(lastUsedMs) OR lastUsedMs <= :before)",
                    now=now,
                    before=now - 1000 * USE_SECONDS,
                )
            )

    async def create(self, organization: str, key: ApiKey, secret: str) -> None:
        """Store a key with its first secret. Raises `TooManyRequests` beyond the limit."""
        for _ in range(TRIES):
            before = await creations(self._dynamo, self._table, organization)
            if len(await self.all(organization)) >= MOST_KEYS:
                raise TooManyRequests(
                    f"An organization may have {MOST_KEYS} API keys; revoke those that are no longer needed.",
                    code="too_many_keys",
                    limit=MOST_KEYS,
                )
            try:
                return await self._dynamo.transact(
                    put(self._table, _to_item(organization, key, hash_of(secret)), new=True),
                    self._put_secret(organization, key, hash_of(secret)),
                    next_creation(self._table, organization, before),
                )
            except ConditionFailed:
                continue
        raise Contended("Conflicting concurrent writes; retry.", retry_after=1)

    async def all(self, organization: str) -> list[ApiKey]:
        """Return the keys of an organization, oldest first."""
        found = await self._dynamo.query(
            self._table, "pk = :pk AND begins_with(sk, :key)", pk=organization, key="KEY#"
        )
        return readable(found, _to_key)

    async def get(self, organization: str, key_id: str) -> ApiKey:
        """Return a key. Raises `NotFound`."""
        return _to_key(await self._item(organization, key_id))

    async def _item(self, organization: str, key_id: str) -> Item:
        item = await self._dynamo.get(self._table, _key(organization, key_id))
        if item is None:
            raise _unknown_key(key_id)
        return item

    async def rotate(
        self, organization: str, seen: ApiKey, changed: ApiKey, secret: str, kept: Kept | None
    ) -> None:
        """Give a key a new secret.

        The `kept` one of its present secrets stays valid until the time in `changed`. Raises `NotFound`, and
        `Conflict` if the key differs from the one that was `seen`.
        """
        item = await self._item(organization, seen.id)
        hashes = {"latest": item["secretHash"], "previous": item.get("previousHash")}
        kept_hash = hashes.pop(kept) if kept else None
        new = _to_item(organization, changed, hash_of(secret), kept_hash)
        writes = [
            put_when(self._table, new, "secretHash = :latest AND rotatedMs = :rotated", **_state(seen, item)),
            self._put_secret(organization, changed, hash_of(secret)),
            *(delete(self._table, _secret_key(one), existing=False) for one in hashes.values() if one),
        ]
        if kept_hash and changed.previous_expires_ms is not None:
            writes.append(self._end_secret(kept_hash, changed.previous_expires_ms))
        try:
            await self._dynamo.transact(*writes)
        except ConditionFailed as error:
            raise _changed_meanwhile() from error
        self._cache.clear()

    async def revoke(self, organization: str, key_id: str) -> None:
        """Delete a key and its secrets.

        Raises `NotFound`, and `Conflict` if the key is rotated in the meantime.
        """
        item = await self._item(organization, key_id)
        hashes = filter(None, (item["secretHash"], item.get("previousHash")))
        key = _key(organization, key_id)
        try:
            await self._dynamo.transact(
                delete_when(self._table, key, "secretHash = :latest", latest=item["secretHash"]),
                *(delete(self._table, _secret_key(one), existing=False) for one in hashes),
            )
        except ConditionFailed as error:
            raise _changed_meanwhile() from error
        self._cache.clear()

    def _put_secret(self, organization: str, key: ApiKey, hashed: str) -> TransactItem:
        item = _secret_key(hashed) | {
            "organization": organization,
            "keyId": key.id,
            "scopes": " ".join(sorted(key.scopes)),
        }
        return put(self._table, item | _ends(key.expires_ms), new=True)

    def _end_secret(self, hashed: str, expires_ms: int) -> TransactItem:
        return update(
            self._table,
            _secret_key(hashed),
            "SET expiresMs = :expiresMs, expiresAt = :expiresAt",
            "attribute_exists(pk)",
            **_ends(expires_ms),
        )


def invalid_key() -> Unauthenticated:
    """Return the error for an invalid secret, which never reveals the reason."""
    return Unauthenticated("The API key is unknown, revoked or expired.", code="api_key_invalid")


def _unknown_key(key_id: str) -> NotFound:
    return NotFound(f"No API key has the id {key_id!r}.", code="api_key_not_found")


def _changed_meanwhile() -> Conflict:
    return Conflict("Another request changed this key; read it again and retry.", code="changed")


def _key(organization: str, key_id: str) -> Item:
    return {"pk": organization, "sk": f"KEY#{key_id}"}


def _secret_key(hashed: str) -> Item:
    # No organization has `#` in its name.
    return {"pk": f"SECRET#{hashed}", "sk": "SECRET"}


def _ends(expires_ms: int) -> Item:
    return {"expiresMs": expires_ms, "expiresAt": -(-expires_ms // 1000)}


def _state(seen: ApiKey, item: Item) -> Item:
    return {"latest": item["secretHash"], "rotated": seen.rotated_ms or 0}


def _to_item(organization: str, key: ApiKey, hashed: str, previous: str | None = None) -> Item:
    item = _key(organization, key.id) | {
        "secretHash": hashed,
        "previousHash": previous,
        "keyName": key.name,
        "scopes": " ".join(sorted(key.scopes)),
        "createdBy": key.created_by,
        "createdMs": key.created_ms,
        "days": key.days,
        "expiresMs": key.expires_ms,
        "secretStart": key.start,
        "rotatedMs": key.rotated_ms or 0,
        "previousStart": key.previous_start,
        "previousExpiresMs": key.previous_expires_ms,
    }
    return item | ({"lastUsedMs": key.last_used_ms} if key.last_used_ms else {})


def _to_key(item: Item) -> ApiKey:
    return ApiKey(
        id=item["sk"].partition("#")[2],
        name=item["keyName"],
        scopes=frozenset(item["scopes"].split()),
        created_by=item["createdBy"],
        created_ms=item["createdMs"],
        days=item["days"],
        expires_ms=item["expiresMs"],
        start=item["secretStart"],
        rotated_ms=item["rotatedMs"] or None,
        previous_start=item["previousStart"],
        previous_expires_ms=item["previousExpiresMs"],
        last_used_ms=item.get("lastUsedMs"),
    )
