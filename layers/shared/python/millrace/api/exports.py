"""Exports of users and organizations over HTTP: FastAPI, part of the management API."""

from typing import Annotated, Any

from fastapi import Query, Response

from millrace.api.cursors import number_from_cursor, to_cursor
from millrace.api.json_route import Caller, JsonRouter
from millrace.api.operation import EMPTY, Answer
from millrace.api.subjects import Subject
from millrace.domain.access import Scope
from millrace.services.exports.exports import Exports

MANAGES: Scope = "organization:manage"
NOT_FOUND = ("export_not_found",)
PAGE = 50
Limit = Annotated[int, Query(ge=1, le=100, description="The maximum number of items in the page")]
AfterPage = Annotated[str | None, Query(max_length=300, description="`nextCursor` of the previous page")]


class NewExport(Subject):
    """The body of a request that exports a user, or the caller's organization, which must be named."""


def exports_router(exports: Exports) -> JsonRouter:
    """Return the router of `/api/exports`."""
    router = JsonRouter("/api/exports")

    @router.operation(
        "GET",
        "",
        "List the exports that are in progress or can be downloaded, latest first",
        MANAGES,
        answers={200: "ExportList"},
    )
    async def list_exports(caller: Caller) -> dict[str, Any]:
        return {"items": [one.to_wire() for one in await exports.all(caller)]}

    @router.operation(
        "POST",
        "",
        "Export all data of a user, or of the whole organization; an export that is already in progress "
        "continues",
        MANAGES,
        answers={202: Answer("ExportView", headers=("location",))},
        errors=("invalid_id", "wrong_organization"),
        body=NewExport,
    )
    async def create_export(caller: Caller, given: NewExport, response: Response) -> dict[str, Any]:
        made = await exports.begin(caller, given.user_of(caller, "export"))
        response.headers["location"] = f"/api/exports/{made.id}"
        return made.to_wire()

    @router.operation(
        "GET",
        "/{export_id}",
        "Read the progress of an export",
        MANAGES,
        answers={200: "ExportView"},
        errors=NOT_FOUND,
    )
    async def get_export(caller: Caller, export_id: str) -> dict[str, Any]:
        return (await exports.get(caller, export_id)).to_wire()

    @router.operation(
        "GET",
        "/{export_id}/parts",
        "List the parts of an export, with their download URLs",
        MANAGES,
        answers={200: "ExportPartPage"},
        errors=(*NOT_FOUND, "invalid_cursor"),
        audited=True,
    )
    async def list_export_parts(
        caller: Caller, export_id: str, response: Response, limit: Limit = PAGE, cursor: AfterPage = None
    ) -> dict[str, Any]:
        after = number_from_cursor(cursor, "part") or 0
        found, more = await exports.parts(caller, export_id, limit, after)
        response.headers["cache-control"] = "no-store"
        items = [
            {"number": part.number, "name": name, "size": part.size, "downloadUrl": url}
            for part, name, url in found
        ]
        return {"items": items, "nextCursor": to_cursor({"part": str(more)}) if more else None}

    @router.operation(
        "DELETE",
        "/{export_id}",
        "Cancel an export, or delete a finished one",
        MANAGES,
        answers={204: EMPTY},
        errors=NOT_FOUND,
    )
    async def delete_export(caller: Caller, export_id: str) -> None:
        await exports.delete(caller, export_id)

    return router
