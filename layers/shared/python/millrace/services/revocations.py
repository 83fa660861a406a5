"""Revocation of tokens issued before a time, of a user or of everybody."""

from millrace.domain.access import Principal
from millrace.domain.api_keys import OWNER_PREFIX
from millrace.domain.clock import Clock, iso
from millrace.domain.ids import valid_user
from millrace.domain.limits import Control, Revocation
from millrace.errors import Conflict, InvalidRequest
from millrace.stores.limits import LimitStore

KEPT_MS = 90 * 24 * 3600 * 1000
"""Tokens must not live longer than a revocation is kept."""
MOST_REVOCATIONS = 1000


class Revocations:
    """Operations on revocations, for callers that the API has authorized."""

    def __init__(self, store: LimitStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def all(self, caller: Principal) -> list[Revocation]:
        """Return the stored revocations, latest first."""
        control = await self._store.read_control(caller.organization)
        return sorted(control.revocations, key=lambda one: one.not_before, reverse=True)

    async def revoke(self, caller: Principal, user_id: str | None) -> Revocation:
        """Revoke all present tokens of a user, or of everybody.

        Raises `InvalidRequest`, or `Conflict` beyond the limit.
        """
        if user_id is not None and not valid_user(user_id):
            raise InvalidRequest("userId must name a user.", code="invalid_id")
        if user_id and user_id.startswith(OWNER_PREFIX):
            raise InvalidRequest("To revoke an API key, use DELETE /api/keys/{id}.", code="invalid_id")
        made = _revocation(caller, user_id, self._clock())

        def revoked(seen: Control) -> Control:
            kept = [one for one in seen.revocations if _counts(one, made)]
            if len(kept) >= MOST_REVOCATIONS:
                raise Conflict(
                    f"There are already {MOST_REVOCATIONS} revocations, which is the maximum; revoke the "
                    "tokens of everybody instead.",
                    code="too_many_revocations",
                )
            return seen.model_copy(update={"revocations": (*kept, made)})

        await self._store.change(caller.organization, revoked)
        return made


def with_revocation(control: Control, caller: Principal, user_id: str, now: int) -> Control:
    """Return the control with a user's tokens revoked, even beyond the limit of revocations."""
    made = _revocation(caller, user_id, now)
    kept = [one for one in control.revocations if _counts(one, made)]
    return control.model_copy(update={"revocations": (*kept, made)})


def _revocation(caller: Principal, user_id: str | None, now: int) -> Revocation:
    return Revocation(user_id=user_id, not_before=now, created_by=caller.id, created_at=iso(now))


def _counts(one: Revocation, newer: Revocation) -> bool:
    """Return whether an earlier revocation still has an effect beyond a newer one."""
    covered = newer.user_id in (None, one.user_id)
    return not covered and newer.not_before - one.not_before < KEPT_MS
