"""Compaction: a model summarizes the oldest turns of a history, and the summary replaces them."""

import asyncio
from collections.abc import Iterator, Sequence

import orjson
from msgspec import Struct

from millrace.agent.context.sizes import is_boundary, is_question, shortened, tokens_of
from millrace.agent.emitter import Emitter
from millrace.agent.estimate import tokens_in
from millrace.agent.model import Block, ModelRequest, Provider
from millrace.agent.model_calls import ModelCalls
from millrace.agent.retries import TRIES, wait_before_retry
from millrace.agent.turn import Turn
from millrace.domain.content import attached, note_of, plain_text
from millrace.domain.conversations import LIVE_MESSAGE_MARKER, StoredMessage
from millrace.domain.summaries import SUMMARY_ID
from millrace.errors import ProviderError

SUMMARY_TOKENS = 2048
INSTRUCTIONS = (
    "You keep the memory of a conversation between a user and an assistant whose older messages no longer "
    "fit. Write down, in the language of the conversation, all that may matter later: what the user wants, "
    "every fact, name, number, date, address and decision, the user's preferences, what tools have found, "
    "what was done and what is open. Keep everything of the summary so far that is still true. Write short "
    "lines without any introduction, and answer no question of the conversation: it is only material."
)
_MESSAGE_BYTES, _TOOL_BYTES = 8_000, 1_000
_NOTHING = "(There is no summary of them: it could not be made.)"


class Summarizer(Struct, frozen=True):
    """Writes summaries with a model. `priced` is its name with its provider's prefix, `window` its context
    window in tokens."""

    provider: Provider
    model: str
    priced: str
    calls: ModelCalls
    window: int

    async def summarize(self, before: str, messages: Sequence[StoredMessage], scale: float) -> str:
        """Return a summary of the messages and of the summary `before` them. Makes one model call, or several
        if they do not fit into one. `scale` is the number of tokens that the server counts for one that is
        estimated. Raises `ProviderError`."""
        output = max(200, min(SUMMARY_TOKENS, self.window // 8))
        # The output is subtracted twice, since the summary so far may be as long and is sent with every part.
        room = (self.window * 0.85 - output) / scale - tokens_in(INSTRUCTIONS) - output
        text = before
        for part in _parts(messages, max(200, int(room))):
            text = await self._ask(text, part, output)
        return text

    async def _ask(self, before: str, part: str, output: int) -> str:
        so_far = f"<summary_so_far>\n{before}\n</summary_so_far>\n\n" if before else ""
        asked = f"{so_far}<conversation>\n{part}\n</conversation>\n\nWrite the new summary."
        request = ModelRequest(
            self.model, INSTRUCTIONS, [{"role": "user", "content": [{"text": asked}]}], max_tokens=output
        )
        turn = await self._answer(request)
        if not (text := turn.text().strip()):
            raise ProviderError("The model wrote no summary.", code="incomplete_response")
        return shortened(text, output * 6)

    async def _answer(self, request: ModelRequest) -> Turn:
        """Return the answer. If the server asks to wait, try once more; nobody sees a partial answer."""
        for attempt in range(1, TRIES + 1):
            turn = Turn(Emitter(lambda event: None))
            try:
                await turn.stream(self.provider, request)
            except ProviderError as error:
                self.calls.ended(self.priced, turn, request, error)
                if not error.retryable or attempt == TRIES:
                    raise
                await asyncio.sleep(wait_before_retry(error, attempt))
            except BaseException:
                self.calls.ended(self.priced, turn, request, None, "stopped")
                raise
            else:
                self.calls.ended(self.priced, turn, request)
                return turn
        raise AssertionError("unreachable")


def without_model(before: str) -> str:
    """Return the summary that replaces one that could not be made."""
    return f"{before}\n{_NOTHING}".strip()


def cut_point(history: Sequence[StoredMessage], room: int, max_messages: int) -> int | None:
    """Return the position of the first message to keep, so that at most `max_messages` with `room` tokens are
    kept, or as few as possible. None if nothing before it could be summarized."""
    found, used = None, 0
    for at in range(len(history) - 1, 0, -1):
        used += tokens_of(history[at])
        # Only after a boundary: the newest turn is kept even if it alone is too large.
        if found is not None and (used > room or len(history) - at > max_messages):
            break
        if is_boundary(history, at):
            found = at
    return found if found is not None and any(map(_tells_more, history[:found])) else None


def _tells_more(message: StoredMessage) -> bool:
    return message.id != SUMMARY_ID and not is_question(message)


def questions(messages: Sequence[StoredMessage]) -> list[str]:
    """Return the texts of the questions among the messages, without those of a summary."""
    return [_text(one) for one in messages if is_question(one) and one.id != SUMMARY_ID]


def _parts(messages: Sequence[StoredMessage], room: int) -> Iterator[str]:
    """Yield the messages as text, in parts of at most `room` tokens."""
    lines: list[str] = []
    used = 0
    for line in (line for message in messages for line in _lines(message)):
        line = shortened(line, room * 3)
        size = tokens_in(line) + 1
        if lines and used + size > room:
            yield "\n".join(lines)
            lines, used = [], 0
        lines.append(line)
        used += size
    if lines:
        yield "\n".join(lines)


def _lines(message: StoredMessage) -> Iterator[str]:
    who = "User" if message.role == "user" else "Assistant"
    if message.injected:
        who = f"User {LIVE_MESSAGE_MARKER}"
    for block in message.content:
        if text := _line_of(block):
            yield f"{who}: {text}" if "text" in block or attached(block) else text


def _line_of(block: Block) -> str:
    if "text" in block:
        return shortened(block["text"], _MESSAGE_BYTES)
    if use := block.get("toolUse"):
        return f"Tool call: {use['name']} {shortened(orjson.dumps(use['input']).decode(), _TOOL_BYTES)}"
    if result := block.get("toolResult"):
        return f"Tool result: {shortened(plain_text(result['content']), _TOOL_BYTES)}"
    return note_of(block) if attached(block) else ""


def _text(message: StoredMessage) -> str:
    return plain_text(message.content)
