"""A model server with a small context window, which remembers only what it receives."""

import re
from collections.abc import AsyncGenerator

import orjson

from millrace.agent.context.compaction import INSTRUCTIONS
from millrace.agent.model import Delta, Finish, ModelRequest, Text, ToolCall, Usage
from millrace.agent.providers.chat_request import chat_request
from millrace.agent.providers.chat_servers import DIALECTS
from millrace.agent.providers.failures import Server, failure
from tests.fakes.strict_models import NOTHING_MORE, check_chat

FACT = re.compile(r"The code of room (\d+) is (\d+)\.")
ASKED = re.compile(r"code of room (\d+)\?")


class WindowedModel:
    """Counts a token for `per_token` bytes of the request's JSON, refuses as vLLM does what does not fit
    beside the answer, and answers a question for a room's code by what it is sent. `rounds`: how often it
    calls its tool before it answers."""

    def __init__(self, window: int = 8_000, per_token: float = 4.0, rounds: int = 0) -> None:
        self.window = window
        self.rounds = rounds
        self.tool = "look"
        self.refusals = 0
        self.sent: list[str] = []
        self.summaries: list[str] = []
        self.used = Usage()
        self._per_token = per_token

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Delta, None]:
        body = chat_request(request, DIALECTS["openai"], "windowed")
        check_chat(body["messages"], {tool.name for tool in request.tools}, NOTHING_MORE)
        tokens = round(len(orjson.dumps([body["messages"], body.get("tools")])) / self._per_token)
        if tokens + request.max_tokens > self.window:
            self.refusals += 1
            raise failure(Server("vLLM", ""), 400, self._refusal(tokens, request.max_tokens))
        text = orjson.dumps(body["messages"]).decode()
        said = self._summary(text) if request.system == INSTRUCTIONS else self._answer(text, request)
        yield said if isinstance(said, ToolCall) else Text(said)
        usage = Usage(tokens, 10, cache_read=tokens // 2)
        self.used = Usage(self.used.input + tokens, self.used.output + 10, self.used.cache_read + tokens // 2)
        yield Finish("tool_use" if isinstance(said, ToolCall) else "stop", usage)

    def _refusal(self, tokens: int, output: int) -> str:
        return (
            f"This model's maximum context length is {self.window} tokens. However, you requested "
            f"{tokens + output} tokens ({tokens} in the messages, {output} in the completion). Please reduce "
            "the length of the messages or completion."
        )

    def _summary(self, text: str) -> str:
        self.summaries.append(text)
        return " ".join(dict.fromkeys(found[0] for found in FACT.finditer(text)))

    def _answer(self, text: str, request: ModelRequest) -> str | ToolCall:
        self.sent.append(text)
        results = sum("toolResult" in block for one in request.messages for block in one["content"])
        asked = ASKED.findall(text)
        if self.rounds:
            self.rounds -= 1
            return ToolCall(f"call_{self.rounds}_{results}", self.tool, self._arguments())
        return dict(FACT.findall(text)).get(asked[-1], "I do not know.") if asked else "Noted."

    def _arguments(self) -> dict[str, object]:
        return {"page": self.rounds} if self.tool == "look" else {"text": f"round {self.rounds} " * 30}
