"""API keys of an organization: create, list, rotate, revoke."""

from msgspec.structs import replace

from millrace.domain.access import Principal
from millrace.domain.api_keys import ApiKey, new_secret, start_of_secret
from millrace.domain.clock import Clock
from millrace.domain.ids import new_id
from millrace.errors import Conflict, Forbidden, InvalidRequest
from millrace.stores.api_keys import ApiKeyStore, Kept

DAY_MS = 24 * 3600 * 1000
HOUR_MS = 3600 * 1000


class ApiKeys:
    """Operations on keys, for callers that the API has authorized.

    No operation gives a caller more scopes through a key than the caller has.
    """

    def __init__(self, store: ApiKeyStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def all(self, caller: Principal) -> list[ApiKey]:
        """Return the organization's keys, oldest first."""
        return await self._store.all(caller.organization)

    async def get(self, caller: Principal, key_id: str) -> ApiKey:
        """Return a key. Raises `NotFound`."""
        return await self._store.get(caller.organization, key_id)

    async def create(
        self, caller: Principal, name: str, scopes: frozenset[str], days: int
    ) -> tuple[ApiKey, str]:
        """Create a key, and return it with its secret, which cannot be read again.

        Raises `Forbidden` for scopes that the caller lacks, and `TooManyRequests` beyond the limit.
        """
        _check_scopes(caller, scopes)
        now, secret = self._clock(), new_secret()
        key = ApiKey(
            id=new_id("key"),
            name=name,
            scopes=scopes,
            created_by=caller.id,
            created_ms=now,
            days=days,
            expires_ms=now + days * DAY_MS,
            start=start_of_secret(secret),
        )
        await self._store.create(caller.organization, key, secret)
        return key, secret

    async def rotate(
        self, caller: Principal, key_id: str, overlap_hours: int, keep: Kept | None
    ) -> tuple[ApiKey, str]:
        """Give a key a new secret. The present one stays valid for some more hours.

        If two are valid, `keep` tells which of them stays. Raises `NotFound`, `Forbidden` or `Conflict`.
        """
        seen = await self._store.get(caller.organization, key_id)
        _check_scopes(caller, seen.scopes)
        now, secret = self._clock(), new_secret()
        kept: Kept | None = _kept(seen, keep, now)
        until = min(_end_of(seen, kept), now + overlap_hours * HOUR_MS)
        changed = replace(
            seen,
            expires_ms=now + seen.days * DAY_MS,
            start=start_of_secret(secret),
            rotated_ms=max(now, (seen.rotated_ms or 0) + 1),
            previous_start=seen.start if kept == "latest" else seen.previous_start,
            previous_expires_ms=until,
        )
        if until <= now:
            kept = None
            changed = replace(changed, previous_start=None, previous_expires_ms=None)
        await self._store.rotate(caller.organization, seen, changed, secret, kept)
        return changed, secret

    async def revoke(self, caller: Principal, key_id: str) -> None:
        """Delete a key and thereby invalidate its secrets. Raises `NotFound`."""
        await self._store.revoke(caller.organization, key_id)


def _check_scopes(caller: Principal, scopes: frozenset[str]) -> None:
    if not scopes:
        raise InvalidRequest("A key needs at least one scope.", code="invalid_request")
    if missing := sorted(scopes - caller.scopes):
        raise Forbidden(
            f"A key cannot have the scope {missing[0]!r}, because you do not have it.",
            code="missing_scope",
            scope=missing[0],
        )


def _kept(seen: ApiKey, keep: Kept | None, now: int) -> Kept:
    if not seen.previous_valid(now):
        return "latest"
    if keep is None:
        raise Conflict(
            f"Two secrets of this key are valid: {seen.previous_start}... and {seen.start}... . Set `keep` "
            "to the one that stays valid with the new one, `previous` or `latest`; the other one is "
            "revoked now.",
            code="rotation_under_way",
        )
    return keep


def _end_of(key: ApiKey, kept: Kept | None) -> int:
    return key.expires_ms if kept == "latest" else key.previous_expires_ms or 0
