"""The part of a history that is sent to a model: as much as fits into its context window.

When a history outgrows its space, old tool results are shortened first, as long as that helps. Then a summary
replaces the oldest turns and is stored in their place (see `compaction`).
"""

from collections.abc import Awaitable, Callable, Sequence

from msgspec import Struct
from msgspec.structs import replace

from millrace.agent.context.compaction import Summarizer, cut_point, questions, without_model
from millrace.agent.context.refusals import limit_in
from millrace.agent.context.sizes import (
    fitting_results,
    is_question,
    shortened,
    total,
    with_short_old_results,
    without_signed_thinking,
)
from millrace.agent.estimate import prompt_tokens
from millrace.agent.model import ModelRequest, Usage
from millrace.domain import events
from millrace.domain.conversations import StoredMessage
from millrace.domain.events import Event
from millrace.domain.summaries import SUMMARY_ID, Summary, summary_in
from millrace.errors import ProviderError

MOST_TOKENS = 140_000
"""The maximum tokens of a history, whatever the window: a longer one is slow and expensive, and older
messages of a slot are not read."""
KEPT_MESSAGES = 60
KEPT = 0.4
"""The share of the space that the latest turns may keep when older ones are summarized."""
ENOUGH = 0.8
"""Shortened results must leave at most this share of the space in use, so that not every call shortens
again."""
FIRST_QUESTION_BYTES = 4_000
SMALLEST_WINDOW = 1_000
MOST_REFUSALS = 3
TOO_LONG = frozenset({"context_exceeded", "request_too_large"})


class Context(Struct):
    """The context of one agent's model calls in a run.

    `window` is None until it is known; a server that refuses a prompt reveals it. See `RunControl` for
    `most_messages`. `own_model` says that the agent's own model writes the summaries. `scale` is the number
    of tokens that the server counts for one that is estimated.
    """

    window: int | None
    summarizer: Summarizer
    emit: Callable[[Event], None]
    keep: Callable[[Summary], Awaitable[None]]
    most_messages: int | None = None
    own_model: bool = True
    unlimited: bool = False
    scale: float = 1.0
    _refused: int = 0

    def output_tokens(self, wanted: int, thinking: int) -> int:
        """Return how many of the `wanted` tokens of output the window leaves space for."""
        if self.window is None:
            return wanted
        return max(1, min(wanted, self.window // 4 + thinking, self.window // 2))

    async def fit(self, history: list[StoredMessage], request: ModelRequest) -> list[StoredMessage]:
        """Return the history, reduced so that it fits beside the rest of the `request`, whose messages are
        ignored. Raises `ProviderError` if it cannot be made to fit."""
        room = self._room(request)
        if self.unlimited or self._fits(history, room):
            return history
        # A signature covers everything before it, so shortening results invalidates it.
        short = without_signed_thinking(with_short_old_results(history))
        if self._fits(short, int(room * ENOUGH)):
            return short
        compact = await self._compacted(short, room)
        # The latest turns are kept even if they are larger than the space; then their results are cut.
        surplus = int(total(compact) - room / self.scale)
        if surplus > 0:
            compact = fitting_results(compact, surplus)
        if total(compact) * self.scale > room:
            raise _cannot_fit(room)
        return compact

    def learn(self, request: ModelRequest, usage: Usage) -> None:
        """Learn from the number of tokens that the server counted for a request."""
        self._refused = 0
        if usage.input and not usage.estimated:
            self.scale = max(1.0, min(4.0, usage.input / max(1, prompt_tokens(request))))

    def shrink(self, error: ProviderError, request: ModelRequest) -> bool:
        """Return whether to try again with a smaller prompt, after a server has refused one for its length.
        Each try is a quarter smaller, by our estimate, than the one before."""
        if error.code not in TOO_LONG or self._refused >= MOST_REFUSALS:
            return False
        self._refused += 1
        asked = round(prompt_tokens(request) * self.scale) + request.max_tokens
        limit = limit_in(error.message)
        known = [one for one in (self.window, limit) if one and one >= SMALLEST_WINDOW]
        self.window = min([*known, asked * 3 // 4 if known else asked // 2])
        if self.own_model:
            self.summarizer = replace(self.summarizer, window=min(self.summarizer.window, self.window))
        return self.window >= SMALLEST_WINDOW

    def _room(self, request: ModelRequest) -> int:
        """Return the tokens, as the server counts them, that are left for the history."""
        if self.window is None:
            return MOST_TOKENS
        fixed = prompt_tokens(replace(request, messages=[])) * self.scale
        # Tokens are estimated from bytes, so a tenth is reserved for errors of the estimate.
        margin = self.window // 10
        return min(MOST_TOKENS, int(self.window - request.max_tokens - fixed - margin))

    def _fits(self, history: Sequence[StoredMessage], room: int) -> bool:
        few = self.most_messages is None or len(history) <= self.most_messages
        return few and total(history) * self.scale <= room

    async def _compacted(self, history: list[StoredMessage], room: int) -> list[StoredMessage]:
        at = cut_point(history, int(room * KEPT / self.scale), KEPT_MESSAGES)
        if at is None:
            return history
        self.emit(events.status("The conversation is long; its older part is being summarized.", "🗜️"))
        old, kept = history[:at], history[at:]
        summary = await self._summary_of(old, kept)
        return [summary.message(), *without_signed_thinking(kept)]

    async def _summary_of(self, old: Sequence[StoredMessage], kept: Sequence[StoredMessage]) -> Summary:
        """Return the summary of the old messages, which is stored if a model could write it."""
        before = summary_in(old)
        asked = questions(old)
        first = (before.first if before else "") or shortened(next(iter(asked), ""), FIRST_QUESTION_BYTES)
        latest = "" if is_question(kept[0]) else next(reversed(asked), before.latest if before else "")
        summary = Summary("", kept[0].id, first, "" if latest == first else latest)
        said = before.text if before else ""
        try:
            text = await self._summarize(said, [one for one in old if one.id != SUMMARY_ID])
        except ProviderError as error:
            self.emit(events.status(f"The summary could not be made: {error.message}", "⚠️"))
            # This replacement is not stored, so the next model call tries again.
            return replace(summary, text=without_model(said))
        summary = replace(summary, text=text)
        await self.keep(summary)
        return summary

    async def _summarize(self, before: str, messages: Sequence[StoredMessage]) -> str:
        try:
            return await self.summarizer.summarize(before, messages, self.scale)
        except ProviderError as error:
            if error.code not in TOO_LONG:
                raise
            limit = limit_in(error.message) or self.summarizer.window
        smaller = max(SMALLEST_WINDOW, min(limit, self.summarizer.window) // 2)
        self.summarizer = replace(self.summarizer, window=smaller)
        return await self.summarizer.summarize(before, messages, self.scale)


def _cannot_fit(room: int) -> ProviderError:
    why = (
        f"there is room for about {room:,} tokens besides the agent's instructions and tools; send less"
        if room > 0
        else "the agent's instructions and tools leave no room for it"
    )
    return ProviderError(
        f"The conversation does not fit into the model's context window: {why}, or choose a model with a "
        "larger window (the agent's contextTokens is its size).",
        code="context_exceeded",
    )
