"""Erasure of users and organizations over HTTP: FastAPI, part of the management API."""

from typing import Any, Self

from pydantic import Field, model_validator

from millrace.api.json_route import Caller, JsonRouter
from millrace.domain.wire import WireModel
from millrace.errors import InvalidRequest
from millrace.services.erasures import Erasures


class NewErasure(WireModel):
    """The body of a request that erases a user, or the caller's organization, which has to be named."""

    user_id: str | None = Field(default=None, min_length=1, max_length=255)
    organization: str | None = Field(default=None, min_length=1, max_length=128)

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.user_id is None) == (self.organization is None):
            raise ValueError("give userId, or the organization")
        return self


def erasures_router(erasures: Erasures) -> JsonRouter:
    """The routes under `/api/erasures`."""
    router = JsonRouter("/api")

    @router.operation(
        "GET",
        "/erasures",
        "List the erasures that run, or were done in the last 30 days",
        "organization:manage",
        answers={200: "ErasureList"},
        checks_caller=True,
    )
    async def list_erasures(who: Caller) -> dict[str, Any]:
        return {"items": [one.to_wire() for one in await erasures.all(who)]}

    @router.operation(
        "POST",
        "/erasures",
        "Erase all that a user has left, or the whole organization; it cannot be undone",
        "organization:manage",
        answers={202: "ErasureView"},
        errors=("invalid_id", "wrong_organization"),
        body=NewErasure,
    )
    async def create_erasure(who: Caller, given: NewErasure) -> dict[str, Any]:
        if given.organization not in (None, who.organization):
            raise InvalidRequest(
                "To erase your organization, give its name as `organization`.", code="wrong_organization"
            )
        return (await erasures.begin(who, given.user_id or "")).to_wire()

    return router
