"""Checks of a real model for what an agent needs, one by one."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field, replace

from millrace.agent.dialects import DIALECTS, dialect_of, guess
from millrace.agent.history import result_block
from millrace.agent.model import Message, Text, ToolSpec
from millrace.agent.providers.extended_thinking import can_think
from millrace.domain.agents import Agent
from millrace.errors import InvalidRequest, MillraceError, ProviderError
from millrace.models.attachments import accepts_advice, questions, refuses_attachment
from millrace.models.session import Asked, ModelSession, user
from millrace.services.runs.output_format import output_format

CONTEXT_TOKENS = 8000
_WEATHER = ToolSpec(
    "get_weather",
    "The weather of a city now.",
    {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
)
_CITY_SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
_WORD = "marzipan"
_FILLER = "The archive keeps one line for each day, and on this day nothing of note was written into it. "


@dataclass(frozen=True)
class Finding:
    """The outcome of one check. `ok` is None if it does not apply; `advice` says what to set."""

    name: str
    ok: bool | None
    note: str
    advice: tuple[str, ...] = ()


@dataclass
class Examination:
    """The checks of one model, in order; each uses what the earlier ones found."""

    session: ModelSession
    model: str
    context_tokens: int = CONTEXT_TOKENS
    _answers: list[Asked] = field(default_factory=list)
    _called: Asked | None = None
    _read: dict[str, bool] = field(default_factory=dict)

    async def run(self) -> AsyncIterator[Finding]:
        """Yield the findings, one by one. An error of the server is the finding of its check."""
        checks: dict[str, Callable[[], Awaitable[Finding]]] = {
            "streamed answer": self._streamed,
            "tool call": self._tool_call,
            "second round": self._second_round,
            "two calls at once": self._two_calls,
            "thinking": self._thinking,
            "structured output": self._structured,
            "image": self._image,
            "PDF": self._pdf,
            "long context": self._long_context,
        }
        for name, check in checks.items():
            try:
                yield await check()
            except TimeoutError:
                yield Finding(name, False, "no answer in time")
            except MillraceError as error:
                yield Finding(name, False, error.message)

    async def _ask(self, messages: list[Message], tools: bool = False) -> Asked:
        asked = await self.session.ask(messages, [_WEATHER] if tools else None)
        self._answers.append(asked)
        return asked

    async def _streamed(self) -> Finding:
        asked = await self._ask([user("Count from one to twenty in words, and write nothing else.")])
        pieces = sum(isinstance(delta, Text) for delta in asked.deltas)
        finish = asked.turn.finish
        reports_usage = finish is not None and finish.usage is not None
        advice = [*_leaks(asked, self.session.agent)]
        if not reports_usage:
            advice.append("The server reports no usage: tokens are estimated (`estimated` in `done`).")
        if finish is not None and finish.reason == "other":
            advice.append("The server ends its answers for an unknown reason: please report it to us.")
        if not asked.text.strip():
            return Finding("streamed answer", False, "the answer is empty", (*advice,))
        note = f"{pieces} pieces, the first after {asked.turn.first_token_ms} ms"
        return Finding("streamed answer", pieces > 1, note if pieces > 1 else "in one piece", (*advice,))

    async def _tool_call(self) -> Finding:
        asked = await self._ask([user("What is the weather in Paris? Use the tool.")], tools=True)
        self._called = asked if asked.turn.calls else None
        advice = (*_leaks(asked, self.session.agent),)
        if not asked.turn.calls:
            return Finding("tool call", False, f"none came: {_short(asked.text)}", advice or (_NO_TOOLS,))
        call = asked.turn.calls[0]
        good = call.name == _WEATHER.name and call.arguments is not None and "city" in call.arguments
        return Finding("tool call", good, f"{call.name} {call.arguments if good else call.raw!r:.80}", advice)

    async def _second_round(self) -> Finding:
        if self._called is None:
            return Finding("second round", None, "needs a tool call")
        results = [result_block(call.id, True, "Sunny, 31.4 degrees.") for call in self._called.turn.calls]
        messages = [
            user("What is the weather in Paris? Use the tool."),
            {"role": "assistant", "content": self._called.turn.content()},
            {"role": "user", "content": results},
        ]
        asked = await self._ask(messages, tools=True)
        # The temperature is only in the result, so a model that says it has read the result.
        used = "31" in asked.text
        return Finding("second round", used, "uses the result" if used else _short(asked.text))

    async def _two_calls(self) -> Finding:
        question = (
            "What is the weather in Paris and in Rome? Call the tool for both at once, before you answer."
        )
        asked = await self._ask([user(question)], tools=True)
        calls = asked.turn.calls
        if len(calls) >= 2:
            return Finding("two calls at once", True, " and ".join(str(call.arguments) for call in calls[:2]))
        note = "calls one after the other: agents work, with more rounds" if calls else "no call came"
        return Finding("two calls at once", None if calls else False, note)

    async def _thinking(self) -> Finding:
        thought = next((asked for asked in self._answers if asked.thought), None)
        prefix, _, name = self.model.partition(":")
        if thought is None and can_think(prefix, name):
            thought = await self.session.ask([user("What is 17 times 23?")], thinking_tokens=1024)
        if thought is None or not thought.thought:
            return Finding("thinking", None, "the model shows none")
        apart = "apart from the text" if thought.thinks_apart else "taken out of the text"
        return Finding("thinking", True, f"comes {apart}")

    async def _structured(self) -> Finding:
        question = [user("Which city is the capital of France? Answer as JSON with the field city.")]
        asked = await self.session.ask(question, response_schema=_CITY_SCHEMA)
        format = output_format(_CITY_SCHEMA)
        assert format is not None
        try:
            return Finding("structured output", True, str(format.read(asked.text)))
        except InvalidRequest as error:
            return Finding("structured output", False, f"{error.message} {_short(asked.text)}")

    async def _image(self) -> Finding:
        return await self._attachment("image", "image")

    async def _pdf(self) -> Finding:
        finding = await self._attachment("PDF", "pdf")
        return replace(finding, advice=accepts_advice(self._read, self.session, self.model))

    async def _attachment(self, name: str, kind: str) -> Finding:
        question = questions()[kind]
        try:
            asked = await self.session.ask([question.turn()])
        except (TimeoutError, ProviderError) as error:
            # Any error but a refusal says nothing about the model, and must not lead to a setting.
            refused = isinstance(error, ProviderError) and refuses_attachment(error)
            self._read |= {kind: False} if refused else {}
            note = f"{error}" if isinstance(error, ProviderError) else "no answer in time"
            return Finding(name, False, f"{'refused' if refused else 'cannot be asked'}: {note}")
        self._read[kind] = read = question.answered_by(asked.text)
        return Finding(name, read, f"{'read' if read else 'not read'}: {_short(asked.text)}")

    async def _long_context(self) -> Finding:
        # The word is at the beginning, which a server whose context is too short drops without saying so.
        lines = _FILLER * (self.context_tokens * 4 // len(_FILLER))
        text = f"The word of the day is {_WORD}.\n\n{lines}\n\nWhat is the word of the day? Only the word."
        asked = await self.session.ask([user(text)])
        note = f"about {self.context_tokens:,} tokens"
        if _WORD in asked.text.lower():
            return Finding("long context", True, note)
        return Finding("long context", False, f"{note}: {_short(asked.text)}", (_SHORT_CONTEXT,))


_NO_TOOLS = (
    "The server may not pass tools on: see its start options (vLLM: --enable-auto-tool-choice and "
    "--tool-call-parser; llama.cpp: --jinja), or take another model."
)
_SHORT_CONTEXT = (
    "The beginning is lost: raise the server's context (Ollama: OLLAMA_CONTEXT_LENGTH; LM Studio and "
    "llama.cpp: the context length at load)."
)


def _leaks(asked: Asked, agent: Agent) -> list[str]:
    """Return the settings that remove thinking and tool calls from the text of a model."""
    advice = []
    if _closes_only(asked.raw) and not dialect_of(agent).starts_in_thinking:
        advice.append('The text starts in thinking: set "startsInThinking": true on the agent.')
    for name, dialect in DIALECTS.items():
        begins = [begin for begin, _ in (*dialect.calls, *dialect.markers)]
        begins += ["<|channel|>"] if dialect.harmony else []
        if name != (agent.dialect or guess(agent.model)) and any(begin in asked.text for begin in begins):
            advice.append(f'The text contains thinking or tool calls: set "dialect": "{name}" on the agent.')
    return advice


def _closes_only(raw: str) -> bool:
    """Return whether a text closes a thinking tag that it never opened."""
    closing = re.search(r"</(think|thinking|reasoning)>", raw)
    return closing is not None and not re.search(r"<(think|thinking|reasoning)>", raw[: closing.start()])


def _short(text: str) -> str:
    line = " ".join(text.split())
    return f"{line[:120]!r}" if line else "nothing"
