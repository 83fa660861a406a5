"""The audit log over HTTP: FastAPI, part of the management API."""

from typing import Annotated, Any

from fastapi import Query

from millrace.api.cursors import text_from_cursor, to_cursor
from millrace.api.json_route import Caller, JsonRouter
from millrace.domain.audit import Kind
from millrace.domain.clock import from_iso, iso
from millrace.stores.audit import AuditFilter, AuditLog

PAGE = 50
POSITION_CHARS = 60
UserId = Annotated[str | None, Query(alias="userId", max_length=255, description="Who did it")]
Action = Annotated[str | None, Query(max_length=300, description="An operation, `DELETE /api/keys/{key_id}`")]
OfKind = Annotated[Kind | None, Query(description="Changes, reads of other users' data, or refused calls")]
Since = Annotated[str | None, Query(max_length=40, description="The earliest time, ISO 8601")]
Until = Annotated[str | None, Query(max_length=40, description="The latest time, ISO 8601")]
Limit = Annotated[int, Query(ge=1, le=200, description="The maximum number of items in the page")]
AfterPage = Annotated[str | None, Query(max_length=300, description="`nextCursor` of the previous page")]


def audit_router(audit: AuditLog) -> JsonRouter:
    """Return the router of `/api/audit`."""
    router = JsonRouter("/api")

    @router.operation(
        "GET",
        "/audit",
        "List the audit log, latest first",
        "organization:manage",
        answers={200: "AuditPage"},
        errors=("invalid_cursor", "invalid_time"),
    )
    async def list_audit(
        caller: Caller,
        user_id: UserId = None,
        action: Action = None,
        kind: OfKind = None,
        since: Since = None,
        until: Until = None,
        limit: Limit = PAGE,
        cursor: AfterPage = None,
    ) -> dict[str, Any]:
        wanted = AuditFilter(user_id, action, kind, _time(since), _time(until))
        start = text_from_cursor(cursor, "at", POSITION_CHARS)
        found, more = await audit.page(caller.organization, wanted, limit, start)
        return {
            "items": [one.to_wire() for one in found],
            "nextCursor": to_cursor({"at": more}) if more else None,
        }

    return router


def _time(given: str | None) -> str | None:
    return iso(from_iso(given)) if given else None
