"""The interface between the executor and a model provider: a request in, deltas out.

Messages are Converse-style (Amazon Bedrock's `messages`), whatever the provider:
`{"role": "user" | "assistant", "content": [block, ...]}` with blocks
`{"text": str}`,
`{"toolUse": {"toolUseId": str, "name": str, "input": dict}}`,
`{"toolResult": {"toolUseId": str, "status": "success" | "error", "content": [{"text": str}]}}`,
`{"reasoningContent": {"reasoningText": {"text": str, "signature": str}}}` and
`{"reasoningContent": {"redactedContent": str}}` (base64).

A block may have `providerData`, `{<server>: {...}}`, in addition to its own key: what that server wants back
with the block, stored unchanged and sent to no other server. Reasoning without a signature is sent back only
in this way.
"""

from collections.abc import AsyncGenerator
from typing import Any, Literal, Protocol

from msgspec import Struct, field

Block = dict[str, Any]
Message = dict[str, Any]
FinishReason = Literal["stop", "tool_use", "max_tokens", "refusal", "other"]
"""`other` is a reason that we do not know, so the answer may be complete or not."""


class ToolSpec(Struct, frozen=True):
    """A tool as the model sees it. `parameters` is a JSON Schema of type object. `client` says that the
    client runs the tool, which the model is not told."""

    name: str
    description: str
    parameters: dict[str, Any]
    client: bool = False


class ModelRequest(Struct, frozen=True):
    """One model call. `model` is without the provider's prefix. `max_tokens` limits the answer including its
    thinking, `thinking_tokens` the thinking of models that can be asked to think (0: do not ask).
    `response_schema` is the JSON Schema that the answer must match."""

    model: str
    system: str
    messages: list[Message]
    tools: list[ToolSpec] = field(default_factory=list)
    max_tokens: int = 4096
    thinking_tokens: int = 0
    response_schema: dict[str, Any] | None = None


# not frozen: one is created for every token, and a frozen one takes twice as long
class Text(Struct):
    """A piece of the answer's text, as the model cut it."""

    text: str


class Thinking(Struct, frozen=True):
    """A piece of the model's reasoning."""

    text: str


class ThinkingBlock(Struct, frozen=True):
    """A finished `reasoningContent` block to keep in the history. It follows its `Thinking` pieces, and is
    sent only if its server wants it back: signed, redacted, or with `providerData`."""

    block: Block


class ToolCall(Struct, frozen=True):
    """A complete tool call. `arguments` is None if the model's JSON was cut off or is not an object; `raw`
    then has what arrived, so that the loop can report the error to the model. `provider_data` is stored in
    the history beside the call (see the module's docstring)."""

    id: str
    name: str
    arguments: dict[str, Any] | None
    raw: str = ""
    provider_data: Block | None = None


class Usage(Struct, frozen=True):
    """The tokens of one model call as the server counted them (cached input is part of `input`), or
    `estimated` if it did not."""

    input: int = 0
    output: int = 0
    cache_read: int = 0
    cache_write: int = 0
    estimated: bool = False


class PromptUsage(Struct, frozen=True):
    """The tokens of the prompt, from a server that reports them before its answer: they are spent even if the
    answer is cut off."""

    usage: Usage


class Finish(Struct, frozen=True):
    """The model's own end of its message, always the last delta. `usage` is None if the server sent none that
    can be read."""

    reason: FinishReason
    usage: Usage | None


Delta = Text | Thinking | ThinkingBlock | ToolCall | PromptUsage | Finish


class Provider(Protocol):
    """A model server. `stream` yields deltas, the last of them a `Finish`; closing the generator closes the
    connection at once. Raises `ProviderError`, also if the stream ends before the message does."""

    def stream(self, request: ModelRequest) -> AsyncGenerator[Delta, None]: ...
