"""The retention time of conversations over HTTP: FastAPI, part of the management API."""

from typing import Annotated

from pydantic import Field

from millrace.api.json_route import Caller, JsonRouter
from millrace.domain.wire import WireModel
from millrace.services.retention import Retention


class RetentionSettings(WireModel):
    """The days for which conversations are kept after their latest run; null keeps them forever."""

    conversation_days: Annotated[int, Field(strict=True, ge=1, le=3650)] | None


def retention_router(retention: Retention) -> JsonRouter:
    """Return the router of `/api/retention`."""
    router = JsonRouter("/api")

    @router.operation(
        "GET",
        "/retention",
        "Read how long conversations are kept",
        "organization:manage",
        answers={200: "RetentionView"},
    )
    async def get_retention(caller: Caller) -> RetentionSettings:
        return RetentionSettings(conversation_days=await retention.days(caller))

    @router.operation(
        "PUT",
        "/retention",
        "Set how long conversations are kept after their latest run",
        "organization:manage",
        answers={200: "RetentionView"},
        body=RetentionSettings,
    )
    async def set_retention(caller: Caller, given: RetentionSettings) -> RetentionSettings:
        await retention.keep(caller, given.conversation_days)
        return given

    return router
