"""API keys over HTTP: FastAPI, part of the management API."""

from typing import Annotated

from fastapi import Response
from pydantic import Field, StringConstraints

from millrace.api.json_route import Caller, JsonRouter
from millrace.api.operation import EMPTY, Answer
from millrace.api.schemas.api_keys import ApiKeyList, ApiKeyView, NewApiKeySecret
from millrace.domain.access import Scope
from millrace.domain.api_keys import ApiKey
from millrace.domain.clock import iso
from millrace.domain.wire import WireModel
from millrace.services.api_keys import ApiKeys
from millrace.stores.api_keys import Kept

NOT_FOUND = ("api_key_not_found",)
MANAGES: Scope = "organization:manage"
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]
ScopeName = Annotated[str, StringConstraints(pattern=r"^[!-~]{1,100}$")]


class NewApiKey(WireModel):
    """The body of a request that creates a key. The key may only have scopes that the caller has."""

    name: Name
    scopes: list[ScopeName] = Field(min_length=1, max_length=50)
    days: int = Field(default=90, ge=1, le=365, strict=True)


class Rotation(WireModel):
    """The body of a request for a new secret: the hours for which the current one stays valid, and which one
    to keep if two are valid already."""

    overlap_hours: int = Field(default=24, ge=0, le=168, strict=True)
    keep: Kept | None = None


def view(key: ApiKey) -> ApiKeyView:
    """Return the view of a key for admins."""
    return ApiKeyView(
        id=key.id,
        name=key.name,
        scopes=sorted(key.scopes),
        user_id=f"key:{key.id}",
        start=key.start,
        created_by=key.created_by,
        created_at=iso(key.created_ms),
        expires_at=iso(key.expires_ms),
        rotated_at=_iso(key.rotated_ms),
        previous_start=key.previous_start,
        previous_expires_at=_iso(key.previous_expires_ms),
        last_used_at=_iso(key.last_used_ms),
    )


def _iso(ms: int | None) -> str | None:
    return iso(ms) if ms is not None else None


def _with_secret(made: tuple[ApiKey, str], response: Response) -> NewApiKeySecret:
    response.headers["cache-control"] = "no-store"
    return NewApiKeySecret(**dict(view(made[0])), secret=made[1])


def api_keys_router(keys: ApiKeys) -> JsonRouter:
    """Return the router of `/api/keys`."""
    router = JsonRouter("/api/keys")

    @router.operation(
        "GET", "", "List the API keys of the organization", MANAGES, answers={200: "ApiKeyList"}
    )
    async def list_api_keys(caller: Caller) -> ApiKeyList:
        return ApiKeyList(items=[view(key) for key in await keys.all(caller)])

    @router.operation(
        "POST",
        "",
        "Create an API key; its secret is returned only this once",
        MANAGES,
        answers={201: Answer("NewApiKeySecret", headers=("location",))},
        errors=("too_many_keys",),
        body=NewApiKey,
    )
    async def create_api_key(caller: Caller, given: NewApiKey, response: Response) -> NewApiKeySecret:
        made = await keys.create(caller, given.name, frozenset(given.scopes), given.days)
        response.headers["location"] = f"/api/keys/{made[0].id}"
        return _with_secret(made, response)

    @router.operation(
        "GET", "/{key_id}", "Read an API key", MANAGES, answers={200: "ApiKeyView"}, errors=NOT_FOUND
    )
    async def get_api_key(caller: Caller, key_id: str) -> ApiKeyView:
        return view(await keys.get(caller, key_id))

    @router.operation(
        "POST",
        "/{key_id}/rotate",
        "Give an API key a new secret; the current one stays valid for a while",
        MANAGES,
        answers={200: "NewApiKeySecret"},
        errors=(*NOT_FOUND, "changed", "rotation_under_way"),
        body=Rotation,
        body_required=False,
    )
    async def rotate_api_key(
        caller: Caller, key_id: str, response: Response, given: Rotation | None = None
    ) -> NewApiKeySecret:
        wanted = given or Rotation()
        return _with_secret(await keys.rotate(caller, key_id, wanted.overlap_hours, wanted.keep), response)

    @router.operation(
        "DELETE",
        "/{key_id}",
        "Revoke an API key with all its secrets",
        MANAGES,
        answers={204: EMPTY},
        errors=(*NOT_FOUND, "changed"),
    )
    async def revoke_api_key(caller: Caller, key_id: str) -> None:
        await keys.revoke(caller, key_id)

    return router
