"""The record of a run of an agent in code: what it has called and what it was told, as the history has it."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal, NamedTuple

import orjson
from msgspec import Struct, field

from millrace.agent.attachments import Load, load_nothing
from millrace.agent.code.attachments import Attachment, MessageText
from millrace.domain.conversations import StoredMessage
from millrace.errors import ToolError

Key = tuple[str, bytes]
"""By which a call is found again: its name and its arguments."""


RESULT = "$result"
"""The argument with the result of a step that was done before its call was stored."""


def key_of(name: str, arguments: dict[str, Any]) -> Key:
    """The key of a call."""
    return name, orjson.dumps(arguments, option=orjson.OPT_SORT_KEYS)


class Answer(Struct, frozen=True):
    """The result of a call, as its text."""

    call_id: str
    ok: bool
    text: str


def text_given(answer: Answer, name: str) -> str:
    """The text that a call gave. Raises `ToolError` for a failure, as it was raised there: which call that
    was, whoever made it knows."""
    if not answer.ok:
        raise ToolError(answer.text.removeprefix(f"{name} failed: "))
    return answer.text


class RecordedTurn(Struct):
    """The text of the agent up to a point, and the calls that it made there, by their ids. One without calls
    ends where it was done, or looked for live messages. What was `noted` with the calls is there with its
    result, for which nobody has to wait. Those that are not `made_here` are of a process
    before."""

    text: str = ""
    calls: dict[str, Key] = field(default_factory=dict)
    noted: list[tuple[Key, str]] = field(default_factory=list)
    made_here: bool = False


class Live(Struct, frozen=True):
    """A live message."""

    text: MessageText


Entry = RecordedTurn | Answer | Live


class Said(NamedTuple):
    """A message of the conversation: its text, and the images and files in it."""

    role: Literal["user", "assistant"]
    text: MessageText

    @property
    def attachments(self) -> tuple[Attachment, ...]:
        """The images and files."""
        return self.text.attachments


def split(history: Sequence[StoredMessage], run_id: str) -> tuple[list[StoredMessage], list[StoredMessage]]:
    """The messages from before the run's question, and those from there on. Where an answer is asked for once
    more, the question is of an earlier run."""
    own = next((at for at, one in enumerate(history) if one.run_id == run_id), len(history))
    if own < len(history) and _asks(history[own]):
        return list(history[:own]), list(history[own:])
    asked = next((at for at in range(own - 1, -1, -1) if _asks(history[at])), own)
    return list(history[:asked]), list(history[asked:])


def _asks(message: StoredMessage) -> bool:
    return message.role == "user" and not any("toolResult" in block for block in message.content)


def entries(
    messages: Sequence[StoredMessage], load: Load = load_nothing, made_here: bool = False
) -> Iterator[Entry]:
    """The record in these messages, which follow a question."""
    for message in messages:
        if message.role == "assistant":
            yield RecordedTurn(text_of(message), dict(_calls(message)), list(_noted(message)), made_here)
        elif message.injected:
            yield Live(MessageText.of(message.content, load))
        else:
            yield from _answers(message)


def calls_in(entries: Iterable[Entry]) -> set[Key]:
    """The keys of all calls in a record."""
    turns = (one for one in entries if isinstance(one, RecordedTurn))
    return {key for turn in turns for key in turn.calls.values()}


def text_of(message: StoredMessage) -> str:
    """The text of a message."""
    return "".join(block.get("text", "") for block in message.content)


def _calls(message: StoredMessage) -> Iterator[tuple[str, Key]]:
    for use in _uses(message):
        if RESULT not in use["input"]:
            yield use["toolUseId"], key_of(use["name"], use["input"])


def _noted(message: StoredMessage) -> Iterator[tuple[Key, str]]:
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
    """The texts of these messages."""
    for message in messages:
        text = MessageText.of(message.content, load)
        if text:
            yield Said(message.role, text)
