"""Answers about the API itself, and the body of every error."""

from typing import Literal

from pydantic import ConfigDict, RootModel

from millrace.api.schemas.base import JsonObject, Shape


class OpenApiDocument(RootModel[JsonObject]):
    """An OpenAPI document."""


class Health(Shape):
    """The API answers."""

    status: Literal["ok"]
    version: str


class ErrorField(Shape):
    """An invalid field of a body."""

    path: str
    message: str


class ErrorDetails(Shape):
    """The reason for an error, and what to do. Some codes have more fields."""

    model_config = ConfigDict(extra="allow")

    code: str
    message: str
    request_id: str
    fields: list[ErrorField] | None = None
    retryable: bool | None = None
    scope: str | None = None
    run_id: str | None = None


class Error(Shape):
    """The body of every answer that is not a success."""

    error: ErrorDetails
