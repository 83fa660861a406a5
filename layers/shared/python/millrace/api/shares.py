"""Sharing conversations over HTTP."""

from typing import Literal

from msgspec import Struct
from pydantic import field_validator
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from millrace.api.conversations import NOT_FOUND, slot_of
from millrace.api.endpoint import Endpoint, read_body
from millrace.api.operation import EMPTY, Parameter
from millrace.domain.access import Principal
from millrace.domain.ids import valid_user
from millrace.domain.wire import WireModel
from millrace.errors import InvalidRequest
from millrace.services.runs.sharing import share, shares, unshare
from millrace.stores.connect import Stores


class NewShare(WireModel):
    """A user of the organization, by the `sub` of their tokens, and the access to give them."""

    user_id: str
    access: Literal["read", "write"] = "read"

    @field_validator("user_id")
    @classmethod
    def _storable(cls, user_id: str) -> str:
        if not valid_user(user_id):
            raise ValueError("must be 1 to 255 printable characters: the sub of the user's tokens")
        return user_id


class Shares(Struct, frozen=True):
    """The endpoints of shares."""

    stores: Stores

    def endpoints(self) -> list[Endpoint]:
        """Return the endpoints."""
        path = "/api/conversations/{conversation_id}/shares"
        return [
            Endpoint(
                "GET",
                path,
                "List the users with whom a conversation is shared",
                "chat",
                self.list_shares,
                answers={200: "SharePage"},
                errors=NOT_FOUND,
            ),
            Endpoint(
                "POST",
                path,
                "Share a conversation",
                "chat",
                self.share_conversation,
                body=NewShare,
                answers={204: EMPTY},
                errors=(*NOT_FOUND, "already_owner", "too_many_shares", "conversation_deleted"),
            ),
            Endpoint(
                "DELETE",
                path,
                "Remove a share",
                "chat",
                self.unshare_conversation,
                parameters=(Parameter("userId", "The user whose share to remove"),),
                answers={204: EMPTY},
                errors=(*NOT_FOUND, "share_not_found"),
            ),
        ]

    async def list_shares(self, request: Request, caller: Principal) -> Response:
        found = await shares(self.stores, caller, slot_of(request, caller))
        items = [{"userId": user, "access": access} for user, access in sorted(found.items())]
        return JSONResponse({"items": items, "nextCursor": None})

    async def share_conversation(self, request: Request, caller: Principal) -> Response:
        given = await read_body(request, NewShare)
        await share(self.stores, caller, slot_of(request, caller), given.user_id, given.access)
        return Response(status_code=204)

    async def unshare_conversation(self, request: Request, caller: Principal) -> Response:
        user_id = request.query_params.get("userId", "")
        if not valid_user(user_id):
            raise InvalidRequest("userId must name a user.", code="invalid_query")
        await unshare(self.stores, caller, slot_of(request, caller), user_id)
        return Response(status_code=204)
