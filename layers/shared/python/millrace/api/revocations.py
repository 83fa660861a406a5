"""Revocation of tokens over HTTP: FastAPI, part of the management API."""

from typing import Any

from pydantic import Field

from millrace.api.json_route import Caller, JsonRouter
from millrace.domain.clock import iso
from millrace.domain.limits import Revocation
from millrace.domain.wire import WireModel
from millrace.services.revocations import Revocations


class NewRevocation(WireModel):
    """The body of a request that revokes the tokens of a user; without `userId` those of everybody."""

    user_id: str | None = Field(default=None, max_length=255)


def revocations_router(revocations: Revocations) -> JsonRouter:
    """The routes under `/api/revocations`."""
    router = JsonRouter("/api")

    @router.operation(
        "GET",
        "/revocations",
        "List the revocations of tokens, the latest first",
        "organization:manage",
        answers={200: "RevocationList"},
    )
    async def list_revocations(who: Caller) -> dict[str, Any]:
        return {"items": [_view(one) for one in await revocations.all(who)]}

    @router.operation(
        "POST",
        "/revocations",
        "Revoke the tokens that a user has until now, or that anybody has",
        "organization:manage",
        answers={201: "RevocationView"},
        errors=("invalid_id", "too_many_revocations"),
        body=NewRevocation,
        body_required=False,
    )
    async def create_revocation(who: Caller, given: NewRevocation | None = None) -> dict[str, Any]:
        return _view(await revocations.revoke(who, given.user_id if given else None))

    return router


def _view(one: Revocation) -> dict[str, Any]:
    return one.to_wire() | {"notBefore": iso(one.not_before)}
