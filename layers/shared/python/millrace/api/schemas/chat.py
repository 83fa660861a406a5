"""Requests and chunks of the AI SDK."""

from pydantic import Field, RootModel

from millrace.protocols.ai_sdk.chunk_types import UiMessageChunk as AnyChunk
from millrace.protocols.ai_sdk.requests import ChatRequest

__all__ = ["ChatRequest", "UiMessageChunk"]


class UiMessageChunk(RootModel[AnyChunk]):
    """A chunk of a UI message stream of the AI SDK. The stream ends with `data: [DONE]`."""

    root: AnyChunk = Field(discriminator="type")
