"""Converts stored messages to the turns that a model is sent."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

from millrace.agent.model import Block, Message
from millrace.domain.content import attached
from millrace.domain.conversations import LIVE_MESSAGE_MARKER, StoredMessage

HISTORY_CHARACTERS = 600_000


def to_turns(messages: Sequence[StoredMessage]) -> list[Message]:
    """Return strictly alternating turns that begin with the user's.

    Adjacent messages of one role are joined: tool results before live messages, in the order of their calls,
    whatever the order in which they arrived. Live messages get their marker. Messages before the oldest
    question that fits are left out; if not even the last question fits, it is kept with as much of the work
    on it as fits.
    """
    turns: list[Message] = []
    for message in _recent(messages):
        blocks = _blocks(message)
        if not blocks:
            continue
        if turns and turns[-1]["role"] == message.role:
            turns[-1]["content"] += blocks
        else:
            turns.append({"role": message.role, "content": blocks})
    for before, turn in pairwise(turns):
        if turn["role"] == "user":
            turn["content"] = _results_first(turn["content"], open_calls(before["content"]))
    return _from_first_question(turns)


def _recent(messages: Sequence[StoredMessage]) -> Sequence[StoredMessage]:
    room = HISTORY_CHARACTERS
    for position in range(len(messages) - 1, -1, -1):
        room -= len(str(messages[position].content))
        # The newest message is always sent, since without it there would be nothing to answer.
        if room < 0 and position < len(messages) - 1:
            return _with_question(messages, position + 1)
    return messages


def _with_question(messages: Sequence[StoredMessage], first: int) -> Sequence[StoredMessage]:
    """Return the messages from `first` on, preceded by the question that they belong to if it is not among
    them."""
    kept = messages[first:]
    if any(_is_question(message) for message in kept):
        return kept
    question = next((message for message in reversed(messages[:first]) if _is_question(message)), None)
    return [question, *kept] if question else kept


def _is_question(message: StoredMessage) -> bool:
    asks = any("text" in block or attached(block) for block in message.content)
    return message.role == "user" and asks and not message.injected


def _blocks(message: StoredMessage) -> list[Block]:
    blocks = [block for block in message.content if block.get("text") != ""]
    if not message.injected:
        return blocks
    said = "\n".join(block["text"] for block in blocks if "text" in block)
    marked = f"{LIVE_MESSAGE_MARKER}\n{said}" if said else LIVE_MESSAGE_MARKER
    return [{"text": marked}, *(block for block in blocks if attached(block))]


def _results_first(blocks: list[Block], calls: list[str]) -> list[Block]:
    order = {call: position for position, call in enumerate(calls)}

    def rank(block: Block) -> int:
        result = block.get("toolResult")
        return order.get(result["toolUseId"], len(order)) if result else len(order) + 1

    return sorted(blocks, key=rank)


def _from_first_question(turns: list[Message]) -> list[Message]:
    for position, turn in enumerate(turns):
        if turn["role"] == "user" and not any("toolResult" in block for block in turn["content"]):
            return turns[position:]
    return turns


def open_calls(content: Sequence[Block]) -> list[str]:
    """Return the ids of the tool calls in an assistant message, in order."""
    return [block["toolUse"]["toolUseId"] for block in content if "toolUse" in block]


def unanswered(messages: Sequence[StoredMessage]) -> list[Block]:
    """Return the `toolUse` blocks of the latest assistant message that have no result yet, in order."""
    answered: set[str] = set()
    for message in reversed(messages):
        if message.role == "assistant":
            uses = [block["toolUse"] for block in message.content if "toolUse" in block]
            return [use for use in uses if use["toolUseId"] not in answered]
        answered |= {block["toolResult"]["toolUseId"] for block in message.content if "toolResult" in block}
    return []


def result_block(call_id: str, ok: bool, text: str) -> Block:
    """Return the result of a tool call as a block of the history."""
    status = "success" if ok else "error"
    return {"toolResult": {"toolUseId": call_id, "status": status, "content": [{"text": text}]}}


def call_ids(messages: Sequence[Message]) -> Iterator[str]:
    """Yield the ids of all tool calls in a history."""
    for message in messages:
        yield from open_calls(message["content"])
