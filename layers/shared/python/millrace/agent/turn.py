"""One model call: its deltas become events at once, and a message of the history at the end."""

import time
from collections.abc import Iterator
from contextlib import aclosing

import orjson
from msgspec.structs import replace

from millrace.agent.call_ids import accept_call, known_name
from millrace.agent.dialects import PLAIN, TextDialect
from millrace.agent.emitter import Emitter
from millrace.agent.estimate import prompt_tokens, tokens_in
from millrace.agent.history import call_ids
from millrace.agent.leak import LeakFilter
from millrace.agent.model import (
    Block,
    Delta,
    Finish,
    ModelRequest,
    PromptUsage,
    Provider,
    Text,
    Thinking,
    ThinkingBlock,
    ToolCall,
    Usage,
)
from millrace.agent.pieces import Piece
from millrace.agent.raw_calls import calls_in
from millrace.domain import events
from millrace.errors import ProviderError

_ABOUT = (Finish, PromptUsage)
"""Deltas about the answer that are not part of it."""
_ANSWERED = frozenset({"incomplete_response", "unreadable_response"})


class Turn:
    """One model call and its output so far. `started` becomes true with the first delta: a failure before it
    may be retried, a failure after it fails the run."""

    def __init__(
        self,
        emitter: Emitter,
        react: bool = False,
        dialect: TextDialect = PLAIN,
        tools: bool = False,
        held: bool = False,
        call_ids: set[str] | None = None,
    ) -> None:
        self.blocks: list[Block] = []
        self.calls: list[ToolCall] = []
        self.finish: Finish | None = None
        self.first_token_ms: int | None = None
        self._emit = emitter.emit
        self._held: list[events.Event] = []
        self._say = self._held.append if held else self._emit
        self._filter = LeakFilter(react, dialect, tools)
        self._text: list[str] = []
        self._thought = 0
        self._prompt: Usage | None = None
        self._action = ""
        self._request: ModelRequest | None = None
        self._ids = set() if call_ids is None else call_ids
        self._searched = False
        self._raw: list[ToolCall] = []
        self._began = time.monotonic()

    @property
    def started(self) -> bool:
        """True once a part of the answer has been shown."""
        return self.first_token_ms is not None

    async def stream(self, provider: Provider, request: ModelRequest) -> None:
        """Read the model's answer to its end. Canceling closes the provider's connection at once."""
        self._request = request
        deltas = provider.stream(request)
        # Without this, a canceled stream would continue at our cost until the garbage collector closes it.
        passes = self._filter.passes
        async with aclosing(deltas):
            async for delta in deltas:
                # Most deltas are text that is shown as it is: this runs for every token.
                if type(delta) is Text:
                    text = delta.text
                    if passes(text):
                        self._text.append(text)
                        # The same as `events.token`, without a function call for every token.
                        self._say({"type": "token", "token": text})
                    else:
                        self._show(self._filter.feed(text))
                else:
                    self._apply(delta)
                if self.first_token_ms is None and type(delta) not in _ABOUT:
                    self.first_token_ms = self.elapsed_ms()
        self._show(self._filter.finish(whole=self._came_to_its_end()))
        self._close_text()
        self._add_raw_calls()
        # Checked last: text that the filter has held back belongs to the partial answer that is kept.
        if self.finish is None:
            raise ProviderError("The model's answer broke off.", code="incomplete_response", retryable=True)

    def publish(self) -> None:
        """Show the text of a turn that was `held` until it was known to match; other turns are shown as they
        arrive."""
        if self._held:
            self._emit(events.token("".join(event["token"] for event in self._held)))
            self._held.clear()

    def text(self) -> str:
        """The visible text."""
        return "".join(block.get("text", "") for block in self.content())

    def _came_to_its_end(self) -> bool:
        return self.finish is not None and self.finish.reason == "stop" and not (self.calls or self._raw)

    def elapsed_ms(self) -> int:
        """The milliseconds since the call began."""
        return round((time.monotonic() - self._began) * 1000)

    def usage(self, request: ModelRequest) -> Usage:
        """Return the tokens of the call: as the server counted them, otherwise estimated from what was sent
        and received."""
        if self.finish and self.finish.usage:
            return self.finish.usage
        sent = self._prompt or Usage(input=prompt_tokens(request))
        return replace(sent, output=tokens_in(*self._received()) + self._thought, estimated=True)

    def begun(self, error: ProviderError | None) -> bool:
        """Return whether the call has cost anything. It has not if the server refused it or could not be
        reached."""
        return self.started or self._prompt is not None or error is None or error.code in _ANSWERED

    def _received(self) -> Iterator[str]:
        for block in self.content():
            use = block.get("toolUse")
            yield orjson.dumps(use["input"]).decode() if use else block.get("text", "")

    def _think(self, text: str) -> None:
        self._thought += tokens_in(text)
        self._emit(events.thinking(text))

    def _apply(self, delta: Delta) -> None:
        if isinstance(delta, Thinking):
            self._filter.start_outside()
            self._think(delta.text)
        elif isinstance(delta, PromptUsage):
            self._prompt = delta.usage
        elif isinstance(delta, ToolCall):
            self._call(delta)
        elif isinstance(delta, ThinkingBlock):
            self._close_text()
            self.blocks.append(delta.block)
        elif isinstance(delta, Finish):
            self.finish = delta

    def _show(self, pieces: list[Piece]) -> None:
        for kind, text in pieces:
            if kind == "text":
                self._text.append(text)
                self._say(events.token(text))
            elif kind == "thinking":
                self._think(text)
            elif kind == "call":
                self._raw_calls(text)
            else:
                self._step(kind, text)

    def _raw_calls(self, block: str) -> None:
        offered = self._request.tools if self._request else []
        self._raw += calls_in(block, {tool.name: tool for tool in offered})

    def _add_raw_calls(self) -> None:
        """Add the calls in the text, except those that the server has parsed as well: some do both."""
        tools = [tool.name for tool in self._request.tools] if self._request else []
        read = [(call.name, call.arguments) for call in self.calls]
        for call in self._raw:
            if (known_name(call.name, tools), call.arguments) not in read:
                self._call(call)
        self._raw = []

    def _step(self, kind: str, text: str) -> None:
        """Show a ReAct line as a tool's step, whoever runs that tool."""
        if kind == "action":
            self._action = text.strip()
        elif kind == "action_input":
            self._emit(events.tool_call("react", self._action, {"input": text.strip()}))
        else:
            self._emit(events.tool_result("react", self._action, True, text.strip()[:120], text, None))

    def _call(self, call: ToolCall) -> None:
        self._close_text()
        call = self._accepted(call)
        self.calls.append(call)
        use = {"toolUseId": call.id, "name": call.name, "input": call.arguments or {}}
        kept = {"providerData": call.provider_data} if call.provider_data else {}
        self.blocks.append({"toolUse": use} | kept)
        shown = call.raw if call.arguments is None else call.arguments
        self._emit(events.tool_call(call.id, call.name, shown, client=self._is_of_client(call)))

    def _is_of_client(self, call: ToolCall) -> bool:
        tools = self._request.tools if self._request else []
        return any(tool.client for tool in tools if tool.name == call.name)

    def _accepted(self, call: ToolCall) -> ToolCall:
        """Return the call with an id and a name that every server accepts."""
        if self._request is None:
            return call
        # The whole history is searched, so do it only once, and only in a turn that calls tools.
        if not self._searched:
            self._ids.update(call_ids(self._request.messages))
            self._searched = True
        return accept_call(call, [tool.name for tool in self._request.tools], self._ids)

    def _close_text(self) -> None:
        if self._text:
            self.blocks.append({"text": "".join(self._text)})
            self._text = []

    def content(self) -> list[Block]:
        """Return the message's blocks so far, also if the answer was cut off."""
        self._close_text()
        return self.blocks

    def said_nothing(self) -> bool:
        """True if neither text nor a tool call arrived."""
        return not self.calls and not any(block.get("text", "").strip() for block in self.content())
