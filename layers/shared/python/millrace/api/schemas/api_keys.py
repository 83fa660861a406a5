"""Answers about API keys."""

from pydantic import Field

from millrace.api.schemas.base import Listing, Shape


class ApiKeyView(Shape):
    """An API key without its secret. During a rotation, `previousStart` is the beginning of the previous
    secret."""

    id: str
    name: str
    scopes: list[str]
    user_id: str = Field(description="the user id under which the key acts")
    start: str = Field(description="the beginning of the secret")
    created_by: str
    created_at: str
    expires_at: str
    rotated_at: str | None
    previous_start: str | None
    previous_expires_at: str | None
    last_used_at: str | None = Field(description="updated at most once an hour")


class NewApiKeySecret(ApiKeyView):
    """An API key with its new secret, which is returned only once."""

    secret: str


class ApiKeyList(Listing[ApiKeyView]):
    """All API keys of the organization."""
