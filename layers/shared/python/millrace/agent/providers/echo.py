"""The `echo:` model: a deterministic agent for tests, demos and load tests. Uses no network.

It thinks, calls `echo_tool`, then streams the last user message back, followed by one line for each live
message that arrived meanwhile. A first line `/echo key=value ...` controls it, and is not echoed:

| key      | default         | meaning                                                          |
|----------|-----------------|------------------------------------------------------------------|
| tokens   | the text's own  | number of tokens to stream; the text is cut or repeated          |
| repeat   | 1               | number of times that the text is repeated                        |
| delayMs  | 0               | pause before each token                                          |
| think    | 1               | pieces of thinking in each step                                  |
| tools    | 1               | rounds of tool calls, one after another                          |
| toolMs   | 0               | duration of each tool call                                       |
| failAfter| never           | fails with `echo_failed` after this many tokens of the answer    |
| hang     | 0               | 1: streams one token, then nothing more                          |

Unknown keys, and values that are not numbers within the limits, fail with `echo_steering` and are named in
the message, so that a load test with a misspelled key does not measure something else. Tokens are words with
the space before them.
"""

import asyncio
import base64
import re
from collections.abc import AsyncGenerator, Iterator
from itertools import chain, cycle, islice, repeat
from typing import Any

from msgspec import Struct

from millrace.agent.accepts import MediaRules
from millrace.agent.model import (
    Delta,
    Finish,
    Message,
    ModelRequest,
    Text,
    Thinking,
    ToolCall,
    Usage,
)
from millrace.agent.providers.history import blocks, rounds, since_question, tokens_of
from millrace.agent.tools.function import repeatable
from millrace.domain.content import attached, note_of
from millrace.errors import ProviderError

COMMAND = "/echo"
TOOL = "echo_tool"


@repeatable
async def echo_tool(text: str, ms: int = 0) -> str:
    """Gives `text` back after `ms` milliseconds (at most a minute)."""
    await asyncio.sleep(min(max(ms, 0), 60_000) / 1000)
    return text


class EchoOptions(Struct, frozen=True):
    """Options from the first line of a message. Times are in milliseconds, and -1 means "not given"."""

    tokens: int = -1
    repeat: int = 1
    delay_ms: int = 0
    think: int = 1
    tools: int = 1
    tool_ms: int = 0
    fail_after: int = -1
    hang: int = 0


_KEYS = {
    "tokens": ("tokens", 1_000_000),
    "repeat": ("repeat", 10_000),
    "delayMs": ("delay_ms", 60_000),
    "think": ("think", 1_000),
    "tools": ("tools", 100),
    "toolMs": ("tool_ms", 60_000),
    "failAfter": ("fail_after", 1_000_000),
    "hang": ("hang", 1),
}


def parse_options(message: str) -> tuple[EchoOptions, str]:
    """Return the options of the first line and the text to echo. Raises `ProviderError` with the code
    `echo_steering`."""
    line, _, text = message.partition("\n")
    if line.split(" ", 1)[0] != COMMAND:
        return EchoOptions(), message
    return EchoOptions(**dict(map(_setting, line.split()[1:]))), text


def _setting(word: str) -> tuple[str, int]:
    key, _, value = word.partition("=")
    name, limit = _KEYS.get(key, ("", 0))
    if not name or not re.fullmatch(r"\d{1,9}", value) or int(value) > limit:
        known = ", ".join(f"{key}=0..{limit}" for key, (_, limit) in _KEYS.items())
        raise ProviderError(
            f"{COMMAND} does not support {word!r:.80}. It supports {known}.", code="echo_steering"
        )
    return name, int(value)


class EchoProvider:
    """A `Provider` without a model and without memory: the next step depends only on the messages. For images
    and files, it says what it was sent."""

    media = MediaRules(image_bytes=25_000_000, pdf_bytes=25_000_000, bytes=50_000_000)

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Delta, None]:
        """See `Provider`."""
        question, done, live = rounds(request.messages)
        options, text = parse_options(question)
        text = "\n".join([text, *_seen(request.messages)]).lstrip("\n")
        for number in range(options.think):
            yield Thinking(f"Echoing, step {done + 1}, thought {number + 1}. ")
        if question and done < options.tools and any(tool.name == TOOL for tool in request.tools):
            yield _call(done, text, options)
            yield Finish("tool_use", _usage(request.messages, 1))
            return
        streamed, pause = 0, options.delay_ms / 1000
        for token in _answer(question, text, live, options):
            _fail_at(streamed, options)
            await asyncio.sleep(pause)
            yield Text(token)
            streamed += 1
            if options.hang:
                await asyncio.Event().wait()
        _fail_at(streamed, options)
        yield Finish("stop", _usage(request.messages, streamed))


def _seen(messages: list[Message]) -> Iterator[str]:
    """Yield a line for each image and file of the question."""
    for block in blocks(since_question(messages)):
        if about := attached(block):
            size = len(base64.b64decode(about["data"])) if "data" in about else None
            yield f"{note_of(block)} {about.get('mediaType', '')} {size} bytes"


def _call(done: int, text: str, options: EchoOptions) -> ToolCall:
    arguments: dict[str, Any] = {"text": text}
    if options.tool_ms:
        arguments["ms"] = options.tool_ms
    return ToolCall(f"echo_{done + 1}", TOOL, arguments)


def _answer(question: str, text: str, live: list[str], options: EchoOptions) -> Iterator[str]:
    """Yield the echo, then a line for each live message, regardless of `tokens`."""
    lines = [f"\n{message}" for message in live]
    return chain(echoed(text, options) if question else (), *map(tokens_of, lines))


def _fail_at(sent: int, options: EchoOptions) -> None:
    if sent == options.fail_after:
        raise ProviderError(f"Failed after {sent} tokens, as asked.", code="echo_failed")


def echoed(text: str, options: EchoOptions) -> Iterator[str]:
    """Yield the answer's tokens: the text on `repeat` lines, cut or repeated to `tokens`."""
    once = tokens_of(text) or ["echo"]
    lines = chain.from_iterable(repeat([*once[:-1], once[-1] + "\n"], options.repeat - 1))
    if options.tokens < 0:
        return chain(lines, once)
    return islice(chain(lines, cycle([*once[:-1], once[-1] + " "])), options.tokens)


def _usage(messages: list[Message], output: int) -> Usage:
    words = sum(len(tokens_of(block.get("text", ""))) for block in blocks(messages))
    return Usage(input=words, output=output)
