"""The body of `POST /v1/responses`."""

from typing import Annotated, Any, Literal

import orjson
from pydantic import Field, ValidationError

from millrace.domain.branches import BranchPoint
from millrace.domain.content import Content, text_of
from millrace.domain.run_definitions import ClientTool, EarlierMessage
from millrace.errors import InvalidRequest
from millrace.protocols.openai.envelope import parse_response_id
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
    schema_of,
    to_content,
    unsupported,
)

_OURS = frozenset(
    {"mcp", "reasoning", "mcp_call", "mcp_list_tools", "mcp_approval_request", "item_reference"}
)
"""Items that were our output. The run that made them has more information."""
_ECHOED = ("instructions", "metadata", "text", "tools", "user", "previous_response_id", "background")


class ResponseRequest(Loose):
    """A request for a response. `input` is a text or items. With `previous_response_id` or `conversation` it
    continues one of our conversations, otherwise it starts a new one. Sampling parameters are the agent's."""

    model: str = Field(max_length=256)
    input: str | Annotated[list[Json], Field(fail_fast=True)] = Field(default_factory=list)
    instructions: str | None = Field(default=None, max_length=100_000)
    previous_response_id: str | None = Field(default=None, max_length=256)
    conversation: str | Json | None = None
    background: bool | None = None
    stream: bool | None = None
    tools: list[Json] | None = Field(default=None, max_length=128)
    tool_choice: str | Json | None = None
    text: Json | None = None
    max_output_tokens: int | None = Field(default=None, ge=1, le=1_000_000)
    metadata: Metadata | None = None
    user: str | None = Field(default=None, max_length=256)
    if_busy: Literal["reject", "inject", "interrupt"] = "reject"

    def check(self) -> None:
        """Raise `InvalidRequest` for parameters that agents do not support."""
        if self.tool_choice not in (None, "auto", "none"):
            raise unsupported("tool_choice", "the agent chooses its tools itself; send auto or none.")
        if self.previous_response_id and self.conversation:
            raise InvalidRequest(
                "Send previous_response_id or conversation, not both.", code="invalid_request"
            )
        for tool in self.tools or []:
            if tool.get("type") != "function":
                raise unsupported(
                    "tools",
                    "only functions are supported here, because the agent has its own tools of the other "
                    "kinds.",
                )

    def branch(self) -> BranchPoint | None:
        """Return the position after the previous response, even if its conversation has continued since."""
        if not self.previous_response_id:
            return None
        return BranchPoint(run_id=parse_response_id(self.previous_response_id)[0])

    @property
    def conversation_id(self) -> str | None:
        """Return the conversation to continue; None if none is named."""
        given = self.conversation
        found = given.get("id") if isinstance(given, dict) else given
        if found is not None and not isinstance(found, str):
            raise InvalidRequest("conversation: its id must be a string.", code="invalid_request")
        return found

    def turns(self) -> list[Turn]:
        """Return the input as turns."""
        if isinstance(self.input, str):
            return [Turn("user", self.input)]
        return [turn for item in self.input if (turn := _turn(item))]

    def results(self) -> dict[str, str]:
        """Return the results of calls, and the answers to approval requests, at the end of the input."""
        return results_of(self.turns())

    def question(self) -> tuple[Content, list[EarlierMessage]]:
        """Return the message that starts the run, and the history before it. Raises `InvalidRequest`."""
        return question_of(self.turns(), "The input must end with a user's message or a result.")

    def all_instructions(self) -> str:
        """Return the instructions of the application."""
        return "\n\n".join(filter(None, (self.instructions, instructions_of(self.turns()))))

    def client_tools(self) -> list[ClientTool]:
        """Return the client's tools. Raises `InvalidRequest`."""
        if self.tool_choice == "none":
            return []
        try:
            return [Function.model_validate(one).tool() for one in self.tools or []]
        except ValidationError as error:
            raise InvalidRequest(f"tools: {error.errors()[0]['msg']}.", code="invalid_request") from error

    def response_schema(self) -> Json | None:
        """Return the JSON Schema of the answer."""
        return schema_of((self.text or {}).get("format"))

    def echo(self) -> Json:
        """Return the fields of the request that its response repeats."""
        given = self.model_dump(include=set(_ECHOED), exclude_none=True, exclude_unset=True)
        if "tools" in given:
            given["tools"] = [{"strict": True, "parameters": None} | one for one in given["tools"]]
        return given


def _turn(item: Json) -> Turn | None:
    kind = item.get("type", "message")
    if kind == "message" and item.get("role") in ("user", "assistant", "system", "developer"):
        return Turn(item["role"], to_content(item.get("content")))
    if kind == "function_call":
        return Turn(
            "assistant", calls=[call_of(item.get("call_id"), item.get("name"), item.get("arguments"))]
        )
    if kind == "function_call_output":
        return Turn("tool", results={str(item.get("call_id")): _text(item.get("output"))})
    if kind == "mcp_approval_response":
        decision = "approve" if item.get("approve") is True else "reject"
        given = orjson.dumps({"decision": decision, "reason": item.get("reason")}).decode()
        return Turn("tool", results={str(item.get("approval_request_id")): given})
    if isinstance(kind, str) and kind in _OURS:
        return None
    raise InvalidRequest(f"Input items of the type {kind!r} are not supported.", code="invalid_request")


def _text(output: Any) -> str:
    return text_of(to_content(output))
