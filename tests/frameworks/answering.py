"""A model server that calls the first tool that it is offered, and then answers in text."""

from collections.abc import Iterator
from typing import Any

import orjson

from tests.fakes.model_bytes import OPENAI_DONE, openai_chunk, openai_usage
from tests.fakes.model_server import Exchange, Gate, ModelServer, Script

CLOSE = {"connection": "close"}
"""Idle connections of clients that nobody closes would outlive the loop of a test."""


def refusal(status: int, message: str = "Not now.", **headers: str) -> Script:
    """A refusal with an error of OpenAI's shape."""
    body = orjson.dumps({"error": {"message": message, "type": "error", "code": None}})
    return Script([body], status, CLOSE | {"content-type": "application/json"} | headers)


def cut_off(*words: str) -> Script:
    """An answer whose connection breaks behind these words."""
    return Script(
        [openai_chunk({"role": "assistant", "content": one}) for one in words], headers=CLOSE, cut=True
    )


class Answering(ModelServer):
    """`calls` are what the tool is called with, one each turn, and `words` the answer. A `gate` is passed
    behind the first word of the next answer, once. What is played comes first, and `after_tools` in the place
    of answers."""

    def __init__(self, *calls: dict[str, Any], words: tuple[str, ...] = ("Here ", "it ", "is.")) -> None:
        super().__init__()
        self.calls = calls
        self.words = words
        self.gate: Gate | None = None
        self.after_tools: list[Script] = []

    def _script(self, exchange: Exchange) -> Script:
        if self._scripts:
            return self._scripts.popleft()
        done = [one for one in exchange.json["messages"] if one["role"] == "tool"]
        if len(done) < len(self.calls):
            return Script([*self._call(exchange.json["tools"], len(done)), OPENAI_DONE], headers=CLOSE)
        if self.after_tools:
            return self.after_tools.pop(0)
        return Script([*self._answer(), OPENAI_DONE], headers=CLOSE)

    def _call(self, tools: list[Any], number: int) -> Iterator[bytes]:
        name = tools[0]["function"]["name"]
        call = {"name": name, "arguments": orjson.dumps(self.calls[number]).decode()}
        about = {"index": 0, "id": f"call_{number}", "type": "function", "function": call}
        yield openai_chunk({"role": "assistant", "content": None, "tool_calls": [about]})
        yield openai_chunk({}, "tool_calls")
        yield openai_usage(10, 5)

    def _answer(self) -> Iterator[bytes | Gate]:
        gate, self.gate = self.gate, None
        yield openai_chunk({"role": "assistant", "content": ""})
        for word in self.words:
            yield openai_chunk({"content": word})
            if gate is not None:
                yield gate
                gate = None
        yield openai_chunk({}, "stop")
        yield openai_usage(20, len(self.words))
