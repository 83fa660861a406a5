"""API keys, with which servers sign in."""

from collections.abc import Sequence
from typing import Literal

from millrace.api.schemas.api_keys import ApiKeyList, ApiKeyView, NewApiKeySecret
from millrace.client.answers import model, nothing
from millrace.client.calls import Call, Request, given, path
from millrace.client.operations import IO, Resource, operation

BASE = "/api/keys"


class Keys(Resource[IO]):
    """`client.keys`"""

    @operation
    def list(self) -> Call[ApiKeyList]:
        """List the API keys of the organization."""
        return Call(Request("GET", BASE), model(ApiKeyList))

    @operation
    def get(self, key_id: str) -> Call[ApiKeyView]:
        """Read an API key; its secret is not returned."""
        return Call(Request("GET", path(BASE + "/{}", key_id)), model(ApiKeyView))

    @operation
    def create(self, name: str, scopes: Sequence[str], *, days: int | None = None) -> Call[NewApiKeySecret]:
        """Create an API key; its `secret`, a token for clients, is returned only this once."""
        body = given(name=name, scopes=list(scopes), days=days)
        return Call(Request("POST", BASE, body=body), model(NewApiKeySecret))

    @operation
    def rotate(
        self,
        key_id: str,
        *,
        overlap_hours: int | None = None,
        keep: Literal["latest", "previous"] | None = None,
    ) -> Call[NewApiKeySecret]:
        """Give an API key a new secret; the current one stays valid for a while."""
        body = given(overlapHours=overlap_hours, keep=keep)
        return Call(Request("POST", path(BASE + "/{}/rotate", key_id), body=body), model(NewApiKeySecret))

    @operation
    def revoke(self, key_id: str) -> Call[None]:
        """Revoke an API key with all its secrets."""
        return Call(Request("DELETE", path(BASE + "/{}", key_id)), nothing)
