"""The body of `POST /v1/chat/completions`."""

from typing import Any, Literal

from pydantic import Field

from millrace.domain.content import Content, text_of
from millrace.domain.run_definitions import ClientTool, EarlierMessage
from millrace.protocols.openai.requests import (
    Function,
    Json,
    Loose,
    Metadata,
    Turn,
    call_of,
    instructions_of,
    question_of,
    results_of,
    to_content,
    unsupported,
)


class ChatTool(Loose):
    """A tool of the client."""

    type: Literal["function"]
    function: Function


class ChatMessage(Loose):
    """A message. Its fields depend on its role."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: Any = None
    tool_calls: list[Json] | None = Field(default=None, fail_fast=True)
    tool_call_id: str | None = None

    def turn(self) -> Turn:
        """Return the message as a turn of the history."""
        if self.role == "tool":
            return Turn("tool", results={self.tool_call_id or "": text_of(to_content(self.content))})
        calls = [
            call_of(one.get("id"), given.get("name"), given.get("arguments"))
            for one in self.tool_calls or []
            if isinstance(given := one.get("function"), dict)
        ]
        return Turn(self.role, to_content(self.content), calls)


class StreamOptions(Loose):
    """Options of a stream."""

    include_usage: bool = False


class ChatCompletionRequest(Loose):
    """The messages are the conversation: without `metadata.conversation_id` each request starts one. Sampling
    parameters are the agent's; parameters that are not listed here are ignored."""

    model: str = Field(max_length=256)
    messages: list[ChatMessage] = Field(min_length=1, max_length=2000)
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    tools: list[ChatTool] | None = Field(default=None, max_length=128)
    tool_choice: str | Json | None = None
    response_format: Json | None = None
    max_tokens: int | None = Field(default=None, ge=1, le=1_000_000)
    max_completion_tokens: int | None = Field(default=None, ge=1, le=1_000_000)
    n: int | None = None
    metadata: Metadata | None = None

    def check(self) -> None:
        """Raise `InvalidRequest` for parameters that agents do not support."""
        if self.n not in (None, 1):
            raise unsupported("n", "an agent returns one answer.")
        if self.tool_choice not in (None, "auto", "none"):
            raise unsupported("tool_choice", "the agent chooses its tools itself; send auto or none.")

    @property
    def conversation_id(self) -> str | None:
        """Return the conversation to continue; None for a new one."""
        return (self.metadata or {}).get("conversation_id")

    @property
    def structured(self) -> bool:
        """True if the answer has a schema."""
        return bool((self.response_format or {}).get("type", "text") != "text")

    def turns(self) -> list[Turn]:
        """Return all messages as turns."""
        return [message.turn() for message in self.messages]

    def results(self) -> dict[str, str]:
        """Return the results of calls at the end of the messages."""
        return results_of(self.turns())

    def question(self) -> tuple[Content, list[EarlierMessage]]:
        """Return the message that starts the run, and the history before it. Raises `InvalidRequest`."""
        return question_of(self.turns(), "The last message must be of the role user or tool.")

    def instructions(self) -> str:
        """Return the instructions of the application."""
        return instructions_of(self.turns())

    def client_tools(self) -> list[ClientTool]:
        """Return the client's tools."""
        return [] if self.tool_choice == "none" else [one.function.tool() for one in self.tools or []]

    def echo(self) -> Json:
        """Return the fields of the request that its completion repeats."""
        return {"metadata": self.metadata} if self.metadata else {}
