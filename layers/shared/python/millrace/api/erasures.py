"""Erasure of users and organizations over HTTP: FastAPI, part of the management API."""

from typing import Any

from millrace.api.json_route import Caller, JsonRouter
from millrace.api.subjects import Subject
from millrace.services.erasures import Erasures


class NewErasure(Subject):
    """The body of a request that erases a user, or the caller's organization, which must be named."""


def erasures_router(erasures: Erasures) -> JsonRouter:
    """Return the router of `/api/erasures`."""
    router = JsonRouter("/api")

    @router.operation(
        "GET",
        "/erasures",
        "List the erasures that are in progress or ended in the last 30 days",
        "organization:manage",
        answers={200: "ErasureList"},
        checks_caller=True,
    )
    async def list_erasures(caller: Caller) -> dict[str, Any]:
        return {"items": [one.to_wire() for one in await erasures.all(caller)]}

    @router.operation(
        "POST",
        "/erasures",
        "Erase all data of a user, or the whole organization; this cannot be undone",
        "organization:manage",
        answers={202: "ErasureView"},
        errors=("invalid_id", "wrong_organization"),
        body=NewErasure,
    )
    async def create_erasure(caller: Caller, given: NewErasure) -> dict[str, Any]:
        return (await erasures.begin(caller, given.user_of(caller, "erase"))).to_wire()

    return router
