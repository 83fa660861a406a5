"""The requests of AG-UI's clients (`RunAgentInput`), and what they mean here."""

from collections.abc import Sequence
from typing import Any, Literal

import orjson
from pydantic import Field

from millrace.domain.approvals import REASON_CHARACTERS, GivenAnswer
from millrace.domain.content import Content, Part, TextPart, attachment, attachments, text_of
from millrace.domain.json_reader import read_shallow
from millrace.domain.run_definitions import ClientTool, EarlierMessage
from millrace.domain.wire import WireModel
from millrace.errors import InvalidRequest

Json = dict[str, Any]


class Loose(WireModel):
    """Base of AG-UI's models: unknown fields are ignored."""

    model_config = WireModel.model_config | {"extra": "ignore"}


class Tool(Loose):
    """A tool that the client runs."""

    name: str = Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")
    description: str = Field(default="", max_length=4000)
    parameters: Json | None = None


class Context(Loose):
    """A fact that the application tells the agent."""

    description: str = Field(max_length=4000)
    value: str = Field(max_length=100_000)


class Resume(Loose):
    """An answer to an interrupt."""

    interrupt_id: str = Field(min_length=1, max_length=256)
    status: Literal["resolved", "cancelled"]
    payload: Any = None


class Message(Loose):
    """A message as the client keeps it. Its fields depend on its role."""

    id: str = Field(default="", max_length=256)
    role: Literal["user", "assistant", "system", "developer", "tool", "activity", "reasoning"]
    content: Any = None
    tool_calls: list[Json] = Field(default_factory=list, fail_fast=True)
    tool_call_id: str = Field(default="", max_length=256)
    error: str | None = None


class ForwardedProps(Loose):
    """Settings of a run for which AG-UI has no field."""

    agent_id: str | None = Field(default=None, max_length=128)
    if_busy: Literal["reject", "inject", "interrupt"] = "reject"
    response_schema: Json | None = None


class AgUiRunInput(Loose):
    """The body of `POST /agui`. The thread is a conversation; `runId` is the idempotency key of the run. With
    `parentRunId` it continues after that run, on a new branch if another message already follows it."""

    thread_id: str = Field(min_length=1, max_length=128)
    run_id: str = Field(min_length=1, max_length=128)
    parent_run_id: str | None = Field(default=None, max_length=128)
    messages: list[Message] = Field(max_length=2000)
    state: Any = None
    tools: list[Tool] = Field(default_factory=list, max_length=128)
    context: list[Context] = Field(default_factory=list, max_length=100)
    forwarded_props: ForwardedProps = Field(default_factory=ForwardedProps)
    resume: list[Resume] = Field(default_factory=list, max_length=64)

    def question(self) -> Content:
        """Return the last message, the user's, which starts the run. Raises `InvalidRequest`."""
        said = self._said()
        if not said or said[-1].role != "user":
            raise InvalidRequest("The last message must be from the user.", code="empty_message")
        return to_content(said[-1].content)

    def earlier(self) -> list[EarlierMessage]:
        """Return the messages before it, for a conversation that we have not seen."""
        return earlier_messages(self._said()[:-1])

    def before(self) -> str:
        """Return the client's messages as JSON, for a snapshot."""
        shown = [one.model_dump(by_alias=True, exclude_unset=True) for one in self.messages]
        return _json([one for one in shown if one["role"] != "activity"])

    def _said(self) -> list[Message]:
        return [one for one in self.messages if one.role in ("user", "assistant", "tool")]

    def instructions(self) -> str:
        """Return the instructions of the application: system messages, context and state."""
        system = [
            text_of(to_content(one.content)) for one in self.messages if one.role in ("system", "developer")
        ]
        context = [f"{one.description}:\n{one.value}" for one in self.context]
        state = [f"The state of the application:\n{_json(self.state)}"] if self.state else []
        return "\n\n".join([*system, *context, *state])

    def client_tools(self) -> list[ClientTool]:
        """Return the client's tools."""
        blank = {"type": "object", "properties": {}}
        return [ClientTool(one.name, one.description, one.parameters or blank) for one in self.tools]

    def tool_results(self) -> list[GivenAnswer]:
        """Return the results of the client's tools at the end of the messages."""
        found: list[GivenAnswer] = []
        for message in reversed(self._said()):
            if message.role != "tool":
                break
            found.append(_result(message))
        return found[::-1]

    def answers(self) -> list[GivenAnswer]:
        """Return the answers to interrupts."""
        return [answer_of(one) for one in self.resume]


def _result(message: Message) -> GivenAnswer:
    if message.error is not None:
        return GivenAnswer(message.tool_call_id, "reject", reason=_reason(message.error))
    return GivenAnswer(message.tool_call_id, "answer", content=text_of(to_content(message.content)))


def answer_of(resume: Resume) -> GivenAnswer:
    """Return the answer in an entry of `resume`: for an approval `true`, `false`, or `{approved,
    editedArguments?, reason?}`; for a question the answer itself. `{decision, ...}` is our own form."""
    payload, id = resume.payload, resume.interrupt_id
    if resume.status == "cancelled":
        return GivenAnswer(id, "reject", reason=_reason(payload))
    if isinstance(payload, bool):
        return GivenAnswer(id, "approve" if payload else "reject")
    if isinstance(payload, dict):
        if payload.get("decision") in ("approve", "reject", "answer"):
            return GivenAnswer(
                id,
                payload["decision"],
                _arguments(payload.get("arguments")),
                payload.get("content"),
                _reason(payload.get("reason")),
            )
        if isinstance(payload.get("approved"), bool):
            edited = payload.get("editedArguments", payload.get("editedArgs"))
            approved = payload["approved"]
            return GivenAnswer(
                id,
                "approve" if approved else "reject",
                arguments=_arguments(edited) if approved else None,
                reason=None if approved else _reason(payload.get("reason")),
            )
    return GivenAnswer(id, "answer", content=payload)


def _arguments(given: Any) -> Json | None:
    if given is not None and not isinstance(given, dict):
        raise InvalidRequest("The edited arguments must be an object.", code="invalid_answer")
    return given


def _reason(given: Any) -> str | None:
    return given[:REASON_CHARACTERS] or None if isinstance(given, str) else None


def to_content(content: Any) -> Content:
    """Return the content of a message, which is a text or parts. Raises `InvalidRequest`."""
    if content is None or isinstance(content, str):
        return content or ""
    if not isinstance(content, list) or not all(isinstance(one, dict) for one in content):
        raise InvalidRequest("A message's content must be a string or a list of parts.")
    parts = [_part(one) for one in content]
    return [part for part in parts if not isinstance(part, TextPart) or part.text]


def _part(part: Json) -> Part:
    kind = part.get("type")
    if kind == "text" and isinstance(part.get("text"), str):
        return TextPart.model_construct(text=part["text"])
    source = part.get("source") or part  # `binary` parts, which are no longer part of 1.0, are flat
    if not isinstance(source, dict):
        raise InvalidRequest("The source of a part must be an object.", code="invalid_request")
    more = part.get("metadata")
    media_type = source.get("mimeType")
    name = (more.get("filename") if isinstance(more, dict) else None) or part.get("filename")
    value = source.get("value") or part.get("data") or part.get("url")
    match source.get("type"):
        case "data":
            return attachment(media_type, data=value, name=name)
        case "url":
            return attachment(media_type or ("image/*" if kind == "image" else None), url=value, name=name)
        case "file":
            return attachment(media_type, file_id=value, name=name)
    if kind == "binary" and isinstance(value, str):
        return attachment(media_type, **{"data" if part.get("data") else "url": value}, name=name)
    raise InvalidRequest("A part must be text, image or document.", code="invalid_request")


def earlier_messages(messages: Sequence[Message]) -> list[EarlierMessage]:
    """Return messages as a history of texts, and calls with their results. Anything else is left out."""
    answered = {one.tool_call_id for one in messages if one.role == "tool"}
    called: set[str] = set()
    found: list[EarlierMessage] = []
    for message in messages:
        content = to_content(message.content)
        text = text_of(content)
        blocks: list[Json] = [{"text": text}] if text and message.role != "tool" else []
        if message.role == "assistant":
            calls = [use for one in message.tool_calls if (use := _use(one)) and use["toolUseId"] in answered]
            called |= {use["toolUseId"] for use in calls}
            blocks += [{"toolUse": use} for use in calls]
        if message.role == "tool" and message.tool_call_id in called:
            status = "error" if message.error is not None else "success"
            result = {"toolUseId": message.tool_call_id, "status": status, "content": [{"text": text}]}
            blocks = [{"toolResult": result}]
        attached = attachments(content) if message.role == "user" else []
        if blocks or attached:
            role: Literal["user", "assistant"] = "assistant" if message.role == "assistant" else "user"
            found.append(EarlierMessage(role, blocks, attached))
    return found


def _use(call: Json) -> Json | None:
    function, id = call.get("function"), call.get("id")
    if not isinstance(function, dict) or not isinstance(id, str):
        return None
    name, text = function.get("name"), function.get("arguments") or "{}"
    if not isinstance(name, str) or not isinstance(text, str):
        return None
    arguments = read_shallow(text.encode(), "The arguments of a call")
    return {"toolUseId": id, "name": name, "input": arguments} if isinstance(arguments, dict) else None


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()
