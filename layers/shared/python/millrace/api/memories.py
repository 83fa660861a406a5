"""Memories over HTTP: a user reads and deletes what agents remember of them."""

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from millrace.api.cursors import from_cursor, to_cursor
from millrace.api.endpoint import Endpoint, whole_number
from millrace.api.operation import EMPTY, Parameter
from millrace.api.parameters import CURSOR, limit
from millrace.domain.access import Principal
from millrace.domain.ids import valid_user
from millrace.errors import InvalidRequest
from millrace.stores.connect import Stores

BASE = "/api/memories"
PAGE = 50
USER = Parameter("userId", "Another user, with the scope `conversations:manage`")


class Memories(Struct, frozen=True):
    """The endpoints of memories."""

    stores: Stores

    def endpoints(self) -> list[Endpoint]:
        """Return the endpoints."""
        return [
            Endpoint(
                "GET",
                BASE,
                "List the memories about you",
                "chat",
                self.list_memories,
                parameters=(limit(100, PAGE), CURSOR, USER),
                answers={200: "MemoryPage"},
            ),
            Endpoint(
                "DELETE",
                BASE,
                "Delete all memories about you",
                "chat",
                self.forget_user,
                parameters=(USER,),
                answers={204: EMPTY},
            ),
            Endpoint(
                "DELETE",
                BASE + "/{agent_id}/{memory_id}",
                "Delete a memory of an agent",
                "chat",
                self.forget_memory,
                parameters=(USER,),
                answers={204: EMPTY},
                errors=("memory_not_found",),
            ),
        ]

    async def list_memories(self, request: Request, caller: Principal) -> Response:
        most = whole_number(request, "limit", PAGE, 1, 100)
        after = from_cursor(request.query_params.get("cursor"), "key") or {"key": ""}
        user = _user(request, caller)
        found, more = await self.stores.memories.page(caller.organization, user, after["key"], most)
        cursor = to_cursor({"key": more}) if more else None
        return JSONResponse({"items": [one.to_wire() for one in found], "nextCursor": cursor})

    async def forget_user(self, request: Request, caller: Principal) -> Response:
        await self.stores.memories.delete_user(caller.organization, _user(request, caller))
        return Response(status_code=204)

    async def forget_memory(self, request: Request, caller: Principal) -> Response:
        path = request.path_params
        user = _user(request, caller)
        await self.stores.memories.delete(caller.organization, user, path["agent_id"], path["memory_id"])
        return Response(status_code=204)


def _user(request: Request, caller: Principal) -> str:
    """Return the user whose memories are requested. Raises `InvalidRequest` or `Forbidden`."""
    user = request.query_params.get("userId") or caller.id
    if not valid_user(user):
        raise InvalidRequest("userId must name a user.", code="invalid_query")
    if user != caller.id:
        caller.require("conversations:manage")
    return user
