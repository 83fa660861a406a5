"""The messages of one agent in an AG-UI run, of which at most one text and one thought are open."""

from typing import Any

from msgspec import Struct

Chunk = dict[str, Any]
Message = dict[str, Any]


class Transcript(Struct):
    """The agent of the run (`subagent` is empty), or a sub-agent. `prefix` makes the ids of its messages
    unique over all runs. Calls belong to the message of the current `turn`."""

    prefix: str
    subagent: str
    messages: list[Message]
    count: int = 0
    text: Message | None = None
    thought: Message | None = None
    turn: Message | None = None

    def say(self, text: str) -> list[Chunk]:
        """Return the chunks of a piece of the answer."""
        chunks = self.close_thought()
        if self.text is None:
            self.text = self.turn = self._new("assistant")
            chunks.append(self._chunk("TEXT_MESSAGE_START", messageId=self.text["id"], role="assistant"))
        self.text["content"].append(text)
        chunks.append(self._chunk("TEXT_MESSAGE_CONTENT", messageId=self.text["id"], delta=text))
        return chunks

    def think(self, text: str) -> list[Chunk]:
        """Return the chunks of a piece of reasoning."""
        chunks = self.close_text()
        if self.thought is None:
            self.thought, self.turn = self._new("reasoning"), None
            id = self.thought["id"]
            chunks.append(self._chunk("REASONING_START", messageId=id))
            chunks.append(self._chunk("REASONING_MESSAGE_START", messageId=id, role="reasoning"))
        self.thought["content"].append(text)
        chunks.append(self._chunk("REASONING_MESSAGE_CONTENT", messageId=self.thought["id"], delta=text))
        return chunks

    def call(self, id: str, name: str, arguments: str) -> list[Chunk]:
        """Return the chunks of a complete tool call; the log has no partial ones."""
        chunks = self.close()
        if self.turn is None:
            self.turn = self._new("assistant")
        asked = {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}
        self.turn.setdefault("toolCalls", []).append(asked)
        parent = self.turn["id"]
        return [
            *chunks,
            self._chunk("TOOL_CALL_START", toolCallId=id, toolCallName=name, parentMessageId=parent),
            self._chunk("TOOL_CALL_ARGS", toolCallId=id, delta=arguments),
            self._chunk("TOOL_CALL_END", toolCallId=id),
        ]

    def result(self, id: str, content: str, facts: dict[str, Any]) -> list[Chunk]:
        """Return the chunks of the result of a call."""
        chunks, self.turn = self.close(), None
        id_of_result = f"{self.prefix}-{id}"
        message = {"id": id_of_result, "role": "tool", "toolCallId": id, "content": [content]}
        self.messages.append(message | self._attribution())
        result = self._chunk(
            "TOOL_CALL_RESULT", messageId=id_of_result, toolCallId=id, content=content, role="tool"
        )
        return [*chunks, result | {"metadata": {"millrace": facts}}]

    def close(self) -> list[Chunk]:
        """Close what is open."""
        return self.close_thought() + self.close_text()

    def close_text(self) -> list[Chunk]:
        """Close the text, if one is open; calls of the same turn still belong to it."""
        if self.text is None:
            return []
        ended, self.text = self.text, None
        return [self._chunk("TEXT_MESSAGE_END", messageId=ended["id"])]

    def close_thought(self) -> list[Chunk]:
        """Close the reasoning, if some is open."""
        if self.thought is None:
            return []
        ended, self.thought = self.thought["id"], None
        return [
            self._chunk("REASONING_MESSAGE_END", messageId=ended),
            self._chunk("REASONING_END", messageId=ended),
        ]

    def _new(self, role: str) -> Message:
        self.count += 1
        message = {"id": f"{self.prefix}-{self.count}", "role": role, "content": []} | self._attribution()
        self.messages.append(message)
        return message

    def _chunk(self, kind: str, **fields: Any) -> Chunk:
        return {"type": kind} | fields | self._attribution()

    def _attribution(self) -> dict[str, str]:
        return {"subagentRunId": self.subagent} if self.subagent else {}


def whole(message: Message) -> Message:
    """Return the message as it is in a snapshot."""
    content = "".join(message["content"])
    shown = {name: value for name, value in message.items() if name != "content"}
    return shown | {"content": content} if content or message["role"] != "assistant" else shown
