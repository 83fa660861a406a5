"""The `demo:` model, the agent that newcomers talk to. It uses no network. It is not a language model, and
says so in its first answer: it plans by rules, calls the real built-in tools and answers from their
results."""

import asyncio
from collections.abc import AsyncGenerator, Iterator

import orjson

from millrace.agent.model import Block, Delta, Finish, Message, ModelRequest, Text, Thinking, ToolCall, Usage
from millrace.agent.planning import MAX_CALLS, findings_of, tools_to_plan_with
from millrace.agent.providers.demo_answers import INTRODUCTION, NO_RULE, find_answer
from millrace.agent.providers.demo_intents import Intent, find_intents
from millrace.agent.providers.history import blocks, rounds, since_question, text_of, tokens_of

# About forty tokens per second, which reads like fast typing.
PACE = 0.025
RESULT_LIMIT = 600
# Live messages may ask for more tools, but not endlessly.
ROUNDS = 6


class DemoProvider:
    """A `Provider` without a model and without memory: the next step depends only on the messages. `pace` is
    the pause before each token in seconds."""

    def __init__(self, pace: float = PACE) -> None:
        self._pace = pace

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Delta, None]:
        """See `Provider`."""
        question, done, live = rounds(request.messages)
        if (named := tools_to_plan_with(request.system)) is not None:
            async for delta in self._planned(question, named):
                yield delta
            return
        pending = _pending(request, [question, *live]) if done < ROUNDS else []
        written = 0
        for delta in _step(request.messages, question, live, pending):
            await asyncio.sleep(self._pace)
            written += 1
            yield delta
        for number, (name, arguments) in enumerate(pending):
            yield ToolCall(f"demo_{done + 1}_{number + 1}", name, arguments)
        yield Finish("tool_use" if pending else "stop", _usage(request.messages, written))

    async def _planned(self, question: str, named: set[str]) -> AsyncGenerator[Delta, None]:
        """Yield the calls that the question asks for, as a plan."""
        calls = [
            {"tool": name, "arguments": given} for name, given in find_intents(question) if name in named
        ]
        text = orjson.dumps(calls[:MAX_CALLS]).decode()
        await asyncio.sleep(self._pace)
        yield Text(text)
        yield Finish("stop", Usage(input=len(tokens_of(question)), output=len(tokens_of(text))))


def _step(messages: list[Message], question: str, live: list[str], pending: list[Intent]) -> Iterator[Delta]:
    thought = _plan(live, pending) if pending else _review(live)
    yield from map(Thinking, tokens_of(thought))
    if not pending:
        yield from map(Text, tokens_of(_answer(messages, question, live)))


def _pending(request: ModelRequest, texts: list[str]) -> list[Intent]:
    """Return the tools that the texts ask for, that are offered and that were not called for this question
    yet."""
    offered = {tool.name for tool in request.tools}
    uses = [block["toolUse"] for block in blocks(since_question(request.messages)) if "toolUse" in block]
    called = [(use["name"], use["input"]) for use in uses]
    wanted = [intent for text in texts for intent in find_intents(text)]
    fresh = [intent for number, intent in enumerate(wanted) if intent not in wanted[:number]]
    return [intent for intent in fresh if intent[0] in offered and intent not in called]


def _plan(live: list[str], pending: list[Intent]) -> str:
    steps = "; ".join(f"{name} with {', '.join(map(str, given.values()))}" for name, given in pending)
    seen = f"A live message came in: {live[-1][:120]!r}. " if live else "Let me see what this needs. "
    return f"{seen}My plan: {steps}. Then I answer from what comes back. "


def _review(live: list[str]) -> str:
    return "I have what I need, and a live message to mind. " if live else "I can answer this now. "


def _answer(messages: list[Message], question: str, live: list[str]) -> str:
    parts = [*_findings(since_question(messages))]
    if found := findings_of(question):
        parts.append(f"My tools gave this:\n\n{found[:RESULT_LIMIT]}")
    if question and not parts:
        parts.append(find_answer(question) or NO_RULE)
    for message in live:
        note = "" if find_intents(message) else f"\n{find_answer(message) or 'Noted.'}"
        parts.append(f"You added while I was working: “{message.strip()[:200]}”.{note}")
    first = not any(message["role"] == "assistant" and text_of(message["content"]) for message in messages)
    return (INTRODUCTION if first else "") + "\n\n".join(parts)


def _findings(messages: list[Message]) -> Iterator[str]:
    """Yield a sentence for each tool that was called, from its result."""
    uses: dict[str, Block] = {}
    for block in blocks(messages):
        if use := block.get("toolUse"):
            uses[use["toolUseId"]] = use
        elif (result := block.get("toolResult")) and (use := uses.get(result["toolUseId"])):
            yield _finding(use, result)


def _finding(use: Block, result: Block) -> str:
    found = text_of(result["content"]).strip()[:RESULT_LIMIT] or "nothing"
    given = ", ".join(map(str, use["input"].values()))
    if result.get("status") == "error":
        return f"{use['name']} ({given}) did not work: {found}"
    match use["name"]:
        case "calculator":
            return f"{given} = {found}"
        case "current_time":
            return f"The time in {given}: {found}"
        case "search_conversations":
            return f"Your earlier conversations on “{given}”: {found}"
        case "http_fetch":
            return f"{given} says:\n\n{found}"
        case name:
            return f"{name}: {found}"


def _usage(messages: list[Message], output: int) -> Usage:
    return Usage(
        input=sum(len(tokens_of(block.get("text", ""))) for block in blocks(messages)), output=output
    )
