"""Converts a conversation's messages to those of AG-UI's clients."""

from collections.abc import Iterable
from typing import Any

import orjson

from millrace.domain.content import plain_text

Json = dict[str, Any]


def to_messages(history: Iterable[Json]) -> list[Json]:
    """Convert messages that a viewer may see (`services.runs.history`) to AG-UI's form: a result is a
    separate message, and reasoning is a message before the answer."""
    return [message for one in history for message in _messages(one)]


def _messages(stored: Json) -> list[Json]:
    if stored["role"] == "user":
        results = [block["toolResult"] for block in stored["content"] if "toolResult" in block]
        said = plain_text(block for block in stored["content"] if "toolResult" not in block)
        question = [{"id": stored["id"], "role": "user", "content": said}] if said else []
        return [_result(stored["id"], result) for result in results] + question
    thought = "".join(_thought(block) for block in stored["content"])
    reasoning = [{"id": f"{stored['id']}-r", "role": "reasoning", "content": thought}] if thought else []
    text = "".join(block.get("text", "") for block in stored["content"])
    calls = [_call(block["toolUse"]) for block in stored["content"] if "toolUse" in block]
    answer: Json = {"id": stored["id"], "role": "assistant"}
    answer |= {"content": text} if text else {}
    answer |= {"toolCalls": calls} if calls else {}
    return [*reasoning, answer] if text or calls else reasoning


def _thought(block: Json) -> str:
    text: str = block.get("reasoningContent", {}).get("reasoningText", {}).get("text", "")
    return text


def _call(use: Json) -> Json:
    function = {"name": use["name"], "arguments": orjson.dumps(use["input"]).decode()}
    return {"id": use["toolUseId"], "type": "function", "function": function}


def _result(message_id: str, result: Json) -> Json:
    call_id, text = result["toolUseId"], "".join(part.get("text", "") for part in result["content"])
    return {"id": f"{message_id}-{call_id}", "role": "tool", "toolCallId": call_id, "content": text}
