"""Parts that are common to the requests of OpenAI's clients: contents, tools, formats and histories."""

from collections.abc import Iterable, Sequence
from typing import Annotated, Any, Literal

from msgspec import Struct, field
from pydantic import BeforeValidator, ConfigDict, Field

from millrace.domain.content import Content, Part, TextPart, attachment, attachments, text_of
from millrace.domain.json_reader import read_shallow
from millrace.domain.run_definitions import ClientTool, EarlierMessage
from millrace.domain.wire import WireModel
from millrace.errors import InvalidRequest, NotFound
from millrace.protocols.openai.calls import parse_call_id
from millrace.protocols.openai.envelope import MODEL

Json = dict[str, Any]
GO_ON = "(Go on with the results of the calls above.)"
"""The prompt for an agent that gets results of calls of which no run of ours knows."""


MOST_METADATA = 16


def _check_pair_count(given: Any) -> Any:
    """Check the number of pairs before the pairs themselves, each of which might cause an error."""
    if isinstance(given, dict) and len(given) > MOST_METADATA:
        raise ValueError(f"at most {MOST_METADATA} pairs")
    return given


Metadata = Annotated[dict[str, str], Field(max_length=MOST_METADATA), BeforeValidator(_check_pair_count)]


class Loose(WireModel):
    """Base of OpenAI's models: snake case, unknown fields ignored."""

    model_config = ConfigDict(alias_generator=None, populate_by_name=True, extra="ignore")


class Function(Loose):
    """A function that the client runs."""

    name: str = Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")
    description: str | None = Field(default=None, max_length=4000)
    parameters: Json | None = None

    def tool(self) -> ClientTool:
        """Return the tool in the form of agents."""
        blank: Json = {"type": "object", "properties": {}}
        return ClientTool(self.name, self.description or "", self.parameters or blank)


class Turn(Struct, frozen=True):
    """A message, a call or a result in the history of a request, from either API. `results` are texts by the
    ids of their calls."""

    role: str
    content: Content = ""
    calls: Sequence[Json] = ()
    results: dict[str, str] = field(default_factory=dict)


def agent_of(model: str) -> str:
    """Return the agent that a model names. Raises `NotFound`."""
    if not model.removeprefix(MODEL) or not model.startswith(MODEL):
        raise unknown_model(model)
    return model.removeprefix(MODEL)


def unknown_model(model: str) -> NotFound:
    """Return the error for a model that is not an agent."""
    return NotFound(
        f"The model {model!r} does not exist; GET /v1/models lists the agents, as agent:<id>.",
        code="model_not_found",
    )


def unsupported(name: str, why: str) -> InvalidRequest:
    """Return the error for a parameter that would change the answer but is not supported."""
    return InvalidRequest(f"{name} is not supported: {why}", code="unsupported_parameter", param=name)


def to_content(content: Any) -> Content:
    """Return the content of a message of either API. Raises `InvalidRequest`."""
    if content is None or isinstance(content, str):
        return content or ""
    if not isinstance(content, list):
        raise InvalidRequest(
            "A message's content must be a string or a list of parts.", code="invalid_request"
        )
    parts = [_part(one) for one in content]
    return [part for part in parts if not isinstance(part, TextPart) or part.text]


def _part(part: Any) -> Part:
    kind = part.get("type") if isinstance(part, dict) else None
    match kind:
        case "text" | "input_text" | "output_text" | "refusal":
            text = part.get("text", part.get("refusal"))
            if isinstance(text, str):
                return TextPart.model_construct(text=text)
        case "image_url" | "input_image":
            given = part.get("image_url")
            url = given.get("url") if isinstance(given, dict) else given
            return attachment("image/*", url=url, file_id=part.get("file_id"))
        case "file" | "input_file":
            given = part.get("file") or part
            if isinstance(given, dict):
                return _file(given)
    raise InvalidRequest(f"Parts of the type {kind!r} are not supported.", code="invalid_request")


def _file(given: Json) -> Part:
    name, data = given.get("filename"), given.get("file_data")
    if isinstance(data, str) and data and not data.startswith("data:"):
        data = f"data:application/pdf;base64,{data}"
    url = data or given.get("file_url")
    media_type = None if data else "application/pdf" if url else None
    return attachment(media_type, url=url, file_id=given.get("file_id"), name=name)


def history_of(turns: Iterable[Turn]) -> list[EarlierMessage]:
    """Return turns as a history that any model accepts: calls without a result, and results without a call,
    are left out."""
    known = list(turns)
    answered = {id for turn in known for id in turn.results}
    called: set[str] = set()
    found: list[EarlierMessage] = []
    for turn in known:
        blocks: list[Json] = [{"text": text}] if (text := text_of(turn.content)) else []
        for call in turn.calls:
            if call["id"] in answered:
                called.add(call["id"])
                use = {
                    "toolUseId": parse_call_id(call["id"])[1],
                    "name": call["name"],
                    "input": call["input"],
                }
                blocks.append({"toolUse": use})
        for id, text in turn.results.items():
            if id in called:
                result = {"toolUseId": parse_call_id(id)[1], "status": "success", "content": [{"text": text}]}
                blocks.append({"toolResult": result})
        attached = attachments(turn.content)
        if blocks or attached:
            role: Literal["user", "assistant"] = "assistant" if turn.role == "assistant" else "user"
            found.append(EarlierMessage(role, blocks, attached))
    return found


def call_of(id: Any, name: Any, arguments: Any) -> Json:
    """Return a call of the history. Raises `InvalidRequest`."""
    text = arguments or "{}"
    given = read_shallow(text.encode(), "The arguments of a call") if isinstance(text, str) else None
    if not isinstance(id, str) or not isinstance(name, str) or not isinstance(given, dict):
        raise InvalidRequest("A call must have an id, a name, and arguments as a JSON object.")
    return {"id": id, "name": name, "input": given}


def results_of(turns: Sequence[Turn]) -> dict[str, str]:
    """Return the results at the end of a request by the ids of their calls."""
    found: dict[str, str] = {}
    for turn in reversed(turns):
        if turn.role != "tool":
            break
        found = turn.results | found
    return found


def question_of(turns: Iterable[Turn], otherwise: str) -> tuple[Content, list[EarlierMessage]]:
    """Return the message that starts the run, and the history before it. If the request ends with neither a
    user's message nor a result, raises `InvalidRequest` with the message `otherwise`."""
    said = [turn for turn in turns if turn.role not in ("system", "developer")]
    if said and said[-1].role == "tool":
        return GO_ON, history_of(said)
    if not said or said[-1].role != "user":
        raise InvalidRequest(otherwise, code="empty_message")
    return said[-1].content, history_of(said[:-1])


def instructions_of(turns: Iterable[Turn]) -> str:
    """Return the instructions of the application: its system and developer messages."""
    texts = (text_of(turn.content) for turn in turns if turn.role in ("system", "developer"))
    return "\n\n".join(filter(None, texts))


def schema_of(format: Any) -> Json | None:
    """Return the JSON Schema that the answer must match. Raises `InvalidRequest`."""
    given = format or {}
    kind = given.get("type", "text") if isinstance(given, dict) else None
    if kind == "text":
        return None
    if kind == "json_object":
        return {"type": "object"}
    if kind == "json_schema":
        inner = given.get("json_schema")
        found = given.get("schema") or (inner.get("schema") if isinstance(inner, dict) else None)
        if isinstance(found, dict):
            return found
    raise InvalidRequest(
        "A response format must be text, json_object, or json_schema with its schema.", code="invalid_request"
    )
