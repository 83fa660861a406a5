"""Schemas for other protocols, limited to what we add. The rest is in the protocols' own documentation."""

from typing import Any, Literal

from pydantic import ConfigDict

from millrace.api.schemas.base import Shape
from millrace.protocols.ag_ui.requests import AgUiRunInput
from millrace.protocols.openai.chat_requests import ChatCompletionRequest
from millrace.protocols.openai.response_requests import ResponseRequest

__all__ = ["AgUiEvent", "AgUiRunInput", "ChatCompletionRequest", "ResponseRequest"]


class AgUiEvent(Shape):
    """An event of AG-UI 1.0 (https://docs.ag-ui.com)."""

    model_config = ConfigDict(extra="allow")

    type: str


class OpenAiShape(Shape):
    """An object of OpenAI's API (https://platform.openai.com/docs/api-reference), in snake case."""

    model_config = ConfigDict(extra="allow", alias_generator=None)


class Model(OpenAiShape):
    """An agent as a model."""

    id: str
    object: Literal["model"]
    created: int
    owned_by: str


class ModelList(OpenAiShape):
    """The agents as models."""

    object: Literal["list"]
    data: list[Model]


class ChatCompletion(OpenAiShape):
    """A chat completion."""

    id: str
    object: Literal["chat.completion"]
    choices: list[dict[str, Any]]


class ChatCompletionChunk(OpenAiShape):
    """A piece of a chat completion, or `{error}` as the last one."""


class Response(OpenAiShape):
    """A response."""

    id: str
    object: Literal["response"]
    status: str
    output: list[dict[str, Any]]


class ResponseEvent(OpenAiShape):
    """An event of a response's stream."""

    type: str
    sequence_number: int


class DeletedResponse(OpenAiShape):
    """A response that was deleted."""

    id: str
    object: Literal["response"]
    deleted: Literal[True]


class ResponseItems(OpenAiShape):
    """The input items of a response."""

    object: Literal["list"]
    data: list[dict[str, Any]]
    first_id: str
    last_id: str
    has_more: bool
