"""Conversations: create, list, read, delete."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import orjson
from msgspec import Struct
from msgspec.structs import replace
from pydantic import Field, field_validator
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from millrace.api.cursors import from_cursor, to_cursor
from millrace.api.endpoint import Endpoint, read_body, truth, whole_number
from millrace.api.operation import EMPTY, Answer, Parameter
from millrace.api.parameters import CURSOR, limit
from millrace.domain.access import Principal
from millrace.domain.clock import iso
from millrace.domain.conversations import Conversation, Slot
from millrace.domain.ids import new_id, valid_user
from millrace.domain.wire import WireModel
from millrace.errors import InvalidRequest
from millrace.services.runs.access import authorize
from millrace.services.runs.create import create_conversation
from millrace.services.runs.delete import delete_conversation, delete_restorably, restore_conversation
from millrace.services.runs.platform import Platform
from millrace.services.search import has_words, search, words_of
from millrace.stores.directory import Position

ReadPage = Callable[[int, Position | None], Awaitable[tuple[list[Conversation], Position | None]]]
PAGE = 50
EVERYBODY = "all"
METADATA_BYTES = 16 * 1024
NOT_FOUND = ("conversation_not_found", "invalid_id")
QUERY_CHARACTERS = 200
SEARCH = Parameter("q", "Words that must all be in the title")
TEXT = Parameter(
    "text",
    "Words, all of which one message has; a page may be empty though others follow, since a request reads "
    "only so much",
)
RESTORABLE = Parameter(
    "restorable",
    "`true`: the conversation is deleted after ten minutes, and can be restored until then",
    {"type": "string", "enum": ["true", "false"]},
)
OWNER = Parameter(
    "owner", "A user's id, or `all` (with the scope `observe`); by default your own and those shared with you"
)


class NewConversation(WireModel):
    """The body of a request that creates a conversation. Without an id, one is generated."""

    id: str | None = Field(default=None, max_length=128)
    agent_id: str = Field(min_length=1, max_length=128)
    title: str = Field(default="", max_length=200)
    metadata: dict[str, Any] = Field(default_factory=dict)
    listed: bool = Field(default=True, description="false: not listed, for example for a trial of an agent")

    @field_validator("metadata")
    @classmethod
    def _small(cls, metadata: dict[str, Any]) -> dict[str, Any]:
        return _checked(metadata)


class ChangedConversation(WireModel):
    """The body of a request that renames a conversation or changes its metadata. Fields that are left out do
    not change."""

    title: str | None = Field(default=None, min_length=1, max_length=200)
    metadata: dict[str, Any] | None = None

    @field_validator("metadata")
    @classmethod
    def _small(cls, metadata: dict[str, Any] | None) -> dict[str, Any] | None:
        return None if metadata is None else _checked(metadata)

    @field_validator("title")
    @classmethod
    def _says_something(cls, title: str | None) -> str | None:
        if title is not None and not title.strip():
            raise ValueError("must not be empty")
        return title and title.strip()


def _checked(metadata: dict[str, Any]) -> dict[str, Any]:
    if len(orjson.dumps(metadata)) > METADATA_BYTES:
        raise ValueError(f"must not exceed {METADATA_BYTES // 1024} KB as JSON")
    return metadata


class Conversations(Struct, frozen=True):
    """The endpoints of conversations."""

    platform: Platform

    def endpoints(self) -> list[Endpoint]:
        """Return the endpoints."""
        base = "/api/conversations"
        one = base + "/{conversation_id}"
        return [
            Endpoint(
                "POST",
                base,
                "Create a conversation",
                "chat",
                self.create_conversation,
                body=NewConversation,
                answers={201: Answer("Conversation", headers=("location",))},
                errors=(
                    "agent_not_found",
                    "conversation_exists",
                    "conversation_deleted",
                    "invalid_id",
                    "limit_reached",
                ),
            ),
            Endpoint(
                "GET",
                base,
                "List conversations, latest first",
                "chat",
                self.list_conversations,
                parameters=(OWNER, SEARCH, TEXT, limit(100, PAGE), CURSOR),
                answers={200: "ConversationPage"},
            ),
            Endpoint(
                "GET",
                one,
                "Read a conversation",
                "chat",
                self.get_conversation,
                answers={200: "Conversation"},
                errors=NOT_FOUND,
            ),
            Endpoint(
                "PATCH",
                one,
                "Rename a conversation, or change its metadata",
                "chat",
                self.change_conversation,
                body=ChangedConversation,
                answers={200: "Conversation"},
                errors=NOT_FOUND,
            ),
            Endpoint(
                "DELETE",
                one,
                "Delete a conversation with its threads, messages and runs; active runs are stopped",
                "chat",
                self.delete_conversation,
                parameters=(RESTORABLE,),
                answers={202: "RestorableDeletion", 204: EMPTY},
                errors=(*NOT_FOUND, "invalid_query"),
            ),
            Endpoint(
                "POST",
                one + "/restore",
                "Undo a restorable deletion",
                "chat",
                self.restore_conversation,
                answers={200: "Conversation"},
                errors=NOT_FOUND,
            ),
        ]

    async def create_conversation(self, request: Request, caller: Principal) -> Response:
        given = await read_body(request, NewConversation)
        slot = Slot.of(caller.organization, given.id or new_id("c"))
        await self.platform.stores.agents.get(caller.organization, given.agent_id)
        now = iso(self.platform.stores.clock())
        made = Conversation(
            slot.conversation_id,
            given.agent_id,
            given.title,
            now,
            now,
            caller.id,
            given.metadata,
            listed=given.listed,
        )
        await create_conversation(self.platform.stores, caller, slot, made)
        return JSONResponse(made.to_wire(), 201, {"location": f"/api/conversations/{made.id}"})

    async def list_conversations(self, request: Request, caller: Principal) -> Response:
        most = whole_number(request, "limit", PAGE, 1, 100)
        start = from_cursor(request.query_params.get("cursor"), "id", "at")
        after = (start["id"], start["at"]) if start else None
        words, said = _words(request, "q"), _words(request, "text")
        if words and said:
            raise InvalidRequest("q and text must not be given together.", code="invalid_query")
        read_page = self._list(request, caller)
        if said:
            items, following = await self._find_by_text(caller, read_page, said, most, after)
        else:
            found, following = await search(
                read_page, lambda one: one.listed and has_words(words, one.title), most, after
            )
            items = [one.to_wire() for one in found]
        more = to_cursor(dict(zip(("id", "at"), following, strict=True))) if following else None
        return JSONResponse({"items": items, "nextCursor": more})

    async def _find_by_text(
        self, caller: Principal, read_page: ReadPage, words: list[str], limit: int, after: Position | None
    ) -> tuple[list[dict[str, Any]], Position | None]:
        from millrace.services.runs.find_messages import find_by_text

        stores = self.platform.stores
        found, following = await find_by_text(stores, caller.organization, read_page, words, limit, after)
        return [one.to_wire() for one in found], following

    def _list(self, request: Request, caller: Principal) -> ReadPage:
        """Return a function that reads the requested list of conversations, page by page."""
        directory = self.platform.stores.directory
        if request.query_params.get("owner"):
            return partial(directory.page, caller.organization, _owner(request, caller))
        return partial(directory.page_of_user, caller.organization, caller.id)

    async def get_conversation(self, request: Request, caller: Principal) -> Response:
        found = await authorize(self.platform.stores, caller, slot_of(request, caller), "read")
        return JSONResponse(found.to_wire())

    async def delete_conversation(self, request: Request, caller: Principal) -> Response:
        slot, stores = slot_of(request, caller), self.platform.stores
        # An interrupted deletion can be repeated, so its owner must still find the conversation.
        found = await authorize(stores, caller, slot, "own", deleting=True)
        if not truth(request, "restorable"):
            await delete_conversation(stores, slot, found)
            return Response(status_code=204)
        until = await delete_restorably(stores, slot, found)
        return JSONResponse({"restorableUntil": iso(until)}, 202)

    async def restore_conversation(self, request: Request, caller: Principal) -> Response:
        slot, stores = slot_of(request, caller), self.platform.stores
        found = await authorize(stores, caller, slot, "own", deleting=True)
        await restore_conversation(stores, slot, found)
        return JSONResponse((await authorize(stores, caller, slot, "own")).to_wire())

    async def change_conversation(self, request: Request, caller: Principal) -> Response:
        given = await read_body(request, ChangedConversation)
        slot, stores = slot_of(request, caller), self.platform.stores
        found = await authorize(stores, caller, slot, "own")
        changes = given.model_dump(exclude_none=True)
        if changes:
            await stores.conversations.change(slot, found, title=given.title, metadata=given.metadata)
        return JSONResponse(replace(found, **changes).to_wire())


def slot_of(request: Request, caller: Principal) -> Slot:
    """Return the conversation that a request's path names. Raises `InvalidRequest`."""
    return Slot.of(caller.organization, request.path_params["conversation_id"])


def _words(request: Request, name: str) -> list[str]:
    """Return the words in a query parameter. Raises `InvalidRequest`."""
    query = request.query_params.get(name, "").strip()
    if len(query) > QUERY_CHARACTERS:
        raise InvalidRequest(f"{name} must not exceed {QUERY_CHARACTERS} characters.", code="invalid_query")
    return words_of(query)


def _owner(request: Request, caller: Principal) -> str | None:
    """Return the owner whose conversations are requested; None for all. Raises `InvalidRequest` or
    `Forbidden`."""
    owner = request.query_params.get("owner") or caller.id
    if not valid_user(owner):
        raise InvalidRequest("owner must be all or a user's id.", code="invalid_query")
    if owner != caller.id:
        caller.require("observe")
    return None if owner == EVERYBODY and owner != caller.id else owner
