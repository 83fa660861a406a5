"""Revocation of tokens over HTTP: FastAPI, part of the management API."""

from typing import Any, Self

from pydantic import Field, model_validator

from millrace.api.json_route import Caller, JsonRouter
from millrace.domain.clock import iso
from millrace.domain.limits import Revocation
from millrace.domain.wire import WireModel
from millrace.services.revocations import Revocations


class NewRevocation(WireModel):
    """The body of a request that revokes the tokens of either a user or everybody."""

    user_id: str | None = Field(default=None, min_length=1, max_length=255)
    everybody: bool = Field(default=False, strict=True)

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if self.everybody == (self.user_id is not None):
            raise ValueError("send userId, or everybody as true")
        return self


def revocations_router(revocations: Revocations) -> JsonRouter:
    """Return the router of `/api/revocations`."""
    router = JsonRouter("/api")

    @router.operation(
        "GET",
        "/revocations",
        "List the revocations of tokens, latest first",
        "organization:manage",
        answers={200: "RevocationList"},
    )
    async def list_revocations(caller: Caller) -> dict[str, Any]:
        return {"items": [_view(one) for one in await revocations.all(caller)]}

    @router.operation(
        "POST",
        "/revocations",
        "Revoke all tokens that were issued until now, to a user or to everybody",
        "organization:manage",
        answers={201: "RevocationView"},
        errors=("invalid_id", "too_many_revocations"),
        body=NewRevocation,
    )
    async def create_revocation(caller: Caller, given: NewRevocation) -> dict[str, Any]:
        return _view(await revocations.revoke(caller, given.user_id))

    return router


def _view(one: Revocation) -> dict[str, Any]:
    return one.to_wire() | {"notBefore": iso(one.not_before)}
