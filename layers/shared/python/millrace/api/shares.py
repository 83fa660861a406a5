"""Sharing conversations over HTTP."""

from dataclasses import dataclass
from typing import Literal

from pydantic import field_validator
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from millrace.api.auth import Auth
from millrace.api.conversations import slot_of
from millrace.api.endpoint import Endpoint, read_body
from millrace.domain.ids import valid_user
from millrace.domain.wire import WireModel
from millrace.errors import InvalidRequest
from millrace.services.runs.sharing import share, shares, unshare
from millrace.stores.connect import Stores


class NewShare(WireModel):
    """A user of the organization, by the `sub` of their tokens, and what they may do."""

    user_id: str
    access: Literal["read", "write"] = "read"

    @field_validator("user_id")
    @classmethod
    def _storable(cls, user_id: str) -> str:
        if not valid_user(user_id):
            raise ValueError("must be 1 to 255 printable characters: the sub of the user's tokens")
        return user_id


@dataclass(frozen=True, slots=True)
class Shares:
    """The endpoints."""

    stores: Stores
    auth: Auth

    def endpoints(self) -> list[Endpoint]:
        """The table of them."""
        path = "/api/conversations/{conversation_id}/shares"
        user = {"userId": "whose share to take away"}
        return [
            Endpoint("GET", path, self.list_shares, "With whom a conversation is shared"),
            Endpoint(
                "POST", path, self.share_conversation, "Share a conversation", body=NewShare, status=204
            ),
            Endpoint("DELETE", path, self.unshare_conversation, "Take a share away", query=user, status=204),
        ]

    async def list_shares(self, request: Request) -> Response:
        caller = await self.auth(request, "chat")
        found = await shares(self.stores, caller, slot_of(request, caller))
        items = [{"userId": user, "access": access} for user, access in sorted(found.items())]
        return JSONResponse({"items": items, "nextCursor": None})

    async def share_conversation(self, request: Request) -> Response:
        caller = await self.auth(request, "chat")
        given = await read_body(request, NewShare)
        await share(self.stores, caller, slot_of(request, caller), given.user_id, given.access)
        return Response(status_code=204)

    async def unshare_conversation(self, request: Request) -> Response:
        caller = await self.auth(request, "chat")
        user_id = request.query_params.get("userId", "")
        if not valid_user(user_id):
            raise InvalidRequest("userId must name a user.", code="invalid_query")
        await unshare(self.stores, caller, slot_of(request, caller), user_id)
        return Response(status_code=204)
