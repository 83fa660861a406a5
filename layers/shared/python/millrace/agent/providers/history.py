"""A conversation's history as model servers accept it."""

import re
from collections.abc import Iterator
from typing import Any

from millrace.agent.model import Block, Message, ModelRequest, ToolSpec
from millrace.agent.providers.pairing import append, paired
from millrace.domain.conversations import LIVE_MESSAGE_MARKER

NO_OUTPUT = "(no output)"
_NOT_OFFERED = "No longer offered: do not call."


def turns(messages: list[Message], server: str = "", *, every_thought: bool = False) -> list[Message]:
    """Return new messages with alternating roles and without what servers refuse: blank text, thinking
    without its signature, empty tool results and turns, calls without a result.

    Thinking is sent back only since the last question, with the tool calls that it led to: Claude's newest
    models refuse it once anything before it has changed, as an agent's instructions or tools may between
    questions. Of `providerData` only that of this `server` is kept, as the block's own fields. Thinking that
    the server wants back is sent with it, from earlier questions too with `every_thought`.
    """
    merged: list[Message] = []
    current = len(messages) - len(since_question(messages))
    for number, message in enumerate(messages):
        is_current = number >= current
        blocks = (_own(block, server) for block in message["content"])
        kept = (block for block in blocks if _replayable(block, is_current, is_current or every_thought))
        append(merged, message["role"], [_answered(block) for block in kept])
    return paired(merged)


def _own(block: Block, server: str) -> Block:
    if "providerData" not in block:
        return block
    own = block["providerData"].get(server)
    rest = {name: value for name, value in block.items() if name != "providerData"}
    return rest | {"providerData": own} if own else rest


def _replayable(block: Block, signed_too: bool, own_too: bool) -> bool:
    if "text" in block:
        return bool(block["text"].strip())
    reasoning = block.get("reasoningContent")
    if reasoning is None:
        return True
    if "providerData" in block:
        return own_too
    signed = reasoning.get("redactedContent") or reasoning.get("reasoningText", {}).get("signature")
    return signed_too and bool(signed)


def _answered(block: Block) -> Block:
    """Return a tool's result with a placeholder if it is empty."""
    if "toolResult" not in block:
        return block
    found = block["toolResult"]
    content = [part for part in found["content"] if part["text"].strip()]
    return {"toolResult": found | {"content": content or [{"text": NO_OUTPUT}]}}


# OpenAI refuses a request with more.
MOST_TOOLS = 128


def tools(request: ModelRequest) -> list[ToolSpec]:
    """Return the tools of a request, and those that its history has called and that are no longer offered, as
    far as there is space: some servers refuse calls of tools that they are not told about."""
    offered = {tool.name for tool in request.tools}
    called = dict.fromkeys(
        block["toolUse"]["name"] for block in blocks(request.messages) if "toolUse" in block
    )
    missing = [name for name in called if name not in offered][: max(0, MOST_TOOLS - len(offered))]
    return [*request.tools, *(ToolSpec(name, _NOT_OFFERED, {"type": "object"}) for name in missing)]


def blocks(messages: list[Message]) -> Iterator[Block]:
    """Yield every block of every message, in order."""
    for message in messages:
        yield from message["content"]


def text_of(content: list[Block]) -> str:
    """Return the text blocks of a turn or a tool's result, joined by line ends."""
    return "\n".join(block["text"] for block in content if "text" in block)


def count(value: Any) -> int:
    """Return a number of tokens that a server sent; anything but a natural number counts as 0."""
    return value if type(value) is int and value > 0 else 0


def counted(usage: dict[str, Any], *names: str) -> bool:
    """Return whether a server's usage has a readable number under each of these names. Otherwise it is not
    known."""
    return all(type(usage.get(name)) is int and usage[name] >= 0 for name in names)


def since_question(messages: list[Message]) -> list[Message]:
    """Return the messages from the last question on: the last user turn that is not only tool results and
    live messages. (If a run was stopped between its tools, the next question shares a turn with their
    results.)"""
    for number in range(len(messages) - 1, -1, -1):
        if messages[number]["role"] == "user" and _is_question(messages[number]):
            return messages[number:]
    return messages


def _is_question(message: Message) -> bool:
    answers_tools = any("toolResult" in block for block in message["content"])
    plain = any(not text.startswith(LIVE_MESSAGE_MARKER) for text in _texts(message))
    return plain or not answers_tools


def rounds(messages: list[Message]) -> tuple[str, int, list[str]]:
    """Return the state of the current run for an agent without a model: the question ("" if there is only
    a live message), the number of rounds of tool calls since then, and the live messages without their
    marker."""
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
    """Return the words, each with the space before it; joined, they are the text again."""
    return re.findall(r"\s*\S+|\s+$", text)
