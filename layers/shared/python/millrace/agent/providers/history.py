"""A conversation's history as model servers accept it."""

import re
from collections.abc import Iterator
from typing import Any

from millrace.agent.model import Block, Message, ModelRequest, ToolSpec
from millrace.domain.conversations import LIVE_MESSAGE_MARKER

NO_OUTPUT = "(no output)"


def turns(messages: list[Message]) -> list[Message]:
    """New messages with alternating roles and without what servers refuse: blank text, thinking without its
    signature, tool results and turns with nothing in them. Thinking goes back only since the last question,
    with the tool calls that it led to: Claude's newest models refuse it once anything before it has changed,
    as an agent's instructions or tools do from one question to the next."""
    merged: list[Message] = []
    current = len(messages) - len(since_question(messages))
    for number, message in enumerate(messages):
        kept = (block for block in message["content"] if _replayable(block, number >= current))
        content = [_answered(block) for block in kept]
        if not content:
            continue
        if merged and merged[-1]["role"] == message["role"]:
            merged[-1]["content"].extend(content)
        else:
            merged.append({"role": message["role"], "content": content})
    return merged


def _replayable(block: Block, current: bool) -> bool:
    if "text" in block:
        return bool(block["text"].strip())
    reasoning = block.get("reasoningContent")
    if reasoning is None:
        return True
    signed = reasoning.get("redactedContent") or reasoning.get("reasoningText", {}).get("signature")
    return current and bool(signed)


def _answered(block: Block) -> Block:
    """A tool's result with something in it."""
    if "toolResult" not in block:
        return block
    found = block["toolResult"]
    content = [part for part in found["content"] if part["text"].strip()]
    return {"toolResult": found | {"content": content or [{"text": NO_OUTPUT}]}}


def tools(request: ModelRequest) -> list[ToolSpec]:
    """The tools of a request. A history that called tools is refused without any, so tools that are no
    longer offered are then named for it."""
    if request.tools:
        return request.tools
    names = dict.fromkeys(
        block["toolUse"]["name"] for block in blocks(request.messages) if "toolUse" in block
    )
    return [ToolSpec(name, "No longer offered: do not call.", {"type": "object"}) for name in names]


def blocks(messages: list[Message]) -> Iterator[Block]:
    """Every block of every message, in order."""
    for message in messages:
        yield from message["content"]


def text_of(content: list[Block]) -> str:
    """The text blocks of a turn (or of a tool's result), joined by line ends."""
    return "\n".join(block["text"] for block in content if "text" in block)


def count(value: Any) -> int:
    """A number of tokens as servers send it: anything but a natural number counts as 0."""
    return value if type(value) is int and value > 0 else 0


def counted(usage: dict[str, Any], *names: str) -> bool:
    """Whether a server's usage has a readable number under each of these names: without, it is not known."""
    return all(type(usage.get(name)) is int and usage[name] >= 0 for name in names)


def since_question(messages: list[Message]) -> list[Message]:
    """The messages from the last question on: the last user turn that is not only tool results and live
    messages. (After a run that was stopped between its tools, the next question shares a turn with their
    results.)"""
    for number in range(len(messages) - 1, -1, -1):
        if messages[number]["role"] == "user" and _asks(messages[number]):
            return messages[number:]
    return messages


def _asks(message: Message) -> bool:
    answers_tools = any("toolResult" in block for block in message["content"])
    plain = any(not text.startswith(LIVE_MESSAGE_MARKER) for text in _texts(message))
    return plain or not answers_tools


def rounds(messages: list[Message]) -> tuple[str, int, list[str]]:
    """What an agent without a model must know of the current run: the question ("" where a live message alone
    asks), how many rounds of tools followed it, and the live messages without their marker."""
    run = since_question(messages)
    asked = _texts(run[0]) if run else []
    results = [message for message in run[1:] if message["role"] == "user"]
    plain = [text for text in asked if not text.startswith(LIVE_MESSAGE_MARKER)]
    live = [text for text in asked if text.startswith(LIVE_MESSAGE_MARKER)]
    live += [text for message in results for text in _texts(message)]
    unmarked = [text.removeprefix(LIVE_MESSAGE_MARKER).strip() for text in live]
    return plain[-1] if plain else "", len(results), unmarked


def _texts(message: Message) -> list[str]:
    return [block["text"] for block in message["content"] if "text" in block]


def tokens_of(text: str) -> list[str]:
    """Words, each with the space before it; joined they are the text again."""
    return re.findall(r"\s*\S+|\s+$", text)
