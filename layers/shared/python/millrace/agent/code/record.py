"""The record of a run of an agent in code, read from the history: its calls and their results."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal, NamedTuple

import orjson
from msgspec import Struct, field

from millrace.agent.attachments import Load, load_nothing
from millrace.agent.code.attachments import Attachment, MessageText
from millrace.domain.conversations import StoredMessage
from millrace.errors import ToolError

Key = tuple[str, bytes]
"""Identifies a call in a replay: its name and its arguments."""


RESULT = "$result"
"""The name of the argument that holds the result of a step which was done before its call was stored."""


def key_of(name: str, arguments: dict[str, Any]) -> Key:
    """Return the key of a call."""
    return name, orjson.dumps(arguments, option=orjson.OPT_SORT_KEYS)


class Answer(Struct, frozen=True):
    """The result of a call, as its text."""

    call_id: str
    ok: bool
    text: str


def text_given(answer: Answer, name: str) -> str:
    """Return the text of an answer. Raises `ToolError` for a failure, with the tool's own message: the caller
    knows which tool it called."""
    if not answer.ok:
        raise ToolError(answer.text.removeprefix(f"{name} failed: "))
    return answer.text


class RecordedTurn(Struct):
    """The agent's text up to a point, and the calls that it made there by their ids.

    A turn without calls ends where the function returned or checked for live messages. `noted` are the calls
    that were stored together with their results. `made_here` is false for turns of an earlier process.
    """

    text: str = ""
    calls: dict[str, Key] = field(default_factory=dict)
    noted: list[tuple[Key, str]] = field(default_factory=list)
    made_here: bool = False


class Live(Struct, frozen=True):
    """A live message."""

    text: MessageText


Entry = RecordedTurn | Answer | Live


class Said(NamedTuple):
    """A message of the conversation: its text with its images and files."""

    role: Literal["user", "assistant"]
    text: MessageText

    @property
    def attachments(self) -> tuple[Attachment, ...]:
        """The images and files."""
        return self.text.attachments


def split(history: Sequence[StoredMessage], run_id: str) -> tuple[list[StoredMessage], list[StoredMessage]]:
    """Return the messages before the question of a run, and those from the question on. When an answer is
    regenerated, the question belongs to an earlier run."""
    own = next((at for at, one in enumerate(history) if one.run_id == run_id), len(history))
    if own < len(history) and _is_question(history[own]):
        return list(history[:own]), list(history[own:])
    asked = next((at for at in range(own - 1, -1, -1) if _is_question(history[at])), own)
    return list(history[:asked]), list(history[asked:])


def _is_question(message: StoredMessage) -> bool:
    return message.role == "user" and not any("toolResult" in block for block in message.content)


def entries(
    messages: Sequence[StoredMessage], load: Load = load_nothing, made_here: bool = False
) -> Iterator[Entry]:
    """Yield the record of the messages that follow a question."""
    for message in messages:
        if message.role == "assistant":
            yield RecordedTurn(
                text_of(message), dict(_calls(message)), list(_noted_results(message)), made_here
            )
        elif message.injected:
            yield Live(MessageText.of(message.content, load))
        else:
            yield from _answers(message)


def calls_in(entries: Iterable[Entry]) -> set[Key]:
    """Return the keys of all calls in a record."""
    turns = (one for one in entries if isinstance(one, RecordedTurn))
    return {key for turn in turns for key in turn.calls.values()}


def text_of(message: StoredMessage) -> str:
    """Return the text of a message."""
    return "".join(block.get("text", "") for block in message.content)


def _calls(message: StoredMessage) -> Iterator[tuple[str, Key]]:
    for use in _uses(message):
        if RESULT not in use["input"]:
            yield use["toolUseId"], key_of(use["name"], use["input"])


def _noted_results(message: StoredMessage) -> Iterator[tuple[Key, str]]:
    for use in _uses(message):
        if RESULT in use["input"]:
            arguments = {name: value for name, value in use["input"].items() if name != RESULT}
            yield key_of(use["name"], arguments), use["input"][RESULT]


def _uses(message: StoredMessage) -> Iterator[dict[str, Any]]:
    yield from (block["toolUse"] for block in message.content if "toolUse" in block)


def _answers(message: StoredMessage) -> Iterator[Answer]:
    for block in message.content:
        if result := block.get("toolResult"):
            text = "".join(part.get("text", "") for part in result["content"])
            yield Answer(result["toolUseId"], result["status"] == "success", text)


def said_in(messages: Sequence[StoredMessage], load: Load = load_nothing) -> Iterator[Said]:
    """Yield the texts of these messages."""
    for message in messages:
        text = MessageText.of(message.content, load)
        if text:
            yield Said(message.role, text)
