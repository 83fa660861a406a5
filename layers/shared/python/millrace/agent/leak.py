"""Split a model's text into the visible answer, thinking, tool calls and ReAct steps.

The result does not depend on how the text is cut into tokens. The rules:

- `<think>`, `<thinking>`, `<thought>` and `<reasoning>` (any case, attributes allowed) hide what follows, as
  thinking, up to their closing tag. The names are equivalent, since models open with one and close with
  another. Pairs nest. A pair that is never closed hides the rest of the text; a closing tag without a pair is
  dropped.
- In code, a tag is text, so that someone who asks about the `<think>` tag sees it. Code is a fence (``` or
  ~~~) up to its closing line, and inline code up to the same number of backticks or the end of its line. In
  hidden text, a tag counts as code only directly after the opening backticks, since a stray backtick in a
  model's thoughts must not swallow its answer.
- A dialect adds what its models write (see `dialects`): other markers of thinking, blocks of tool calls (only
  if the model has tools), channels. A text that starts in thinking is hidden up to the first closing tag.
- With `react=True`, lines that begin with `Thought:`, `Action:`, `Action Input:`, `Observation:` or
  `Final Answer:` (any case, also numbered as in `Action 2:`) start a section, outside code fences of the
  answer.

Text is held back only while it may still become a tag, a marker or the beginning of a line, at most
`TAG_LIMIT` characters; a block of tool calls is held back until its end.
"""

from collections.abc import Callable, Iterable

from millrace.agent.dialects import PLAIN, TextDialect
from millrace.agent.harmony import HarmonyFilter
from millrace.agent.pieces import Piece
from millrace.agent.raw_calls import RawCallFilter
from millrace.agent.react import ReactFilter
from millrace.agent.thinking_tags import TAG_LIMIT, TagFilter

__all__ = ["TAG_LIMIT", "LeakFilter", "Piece"]


class LeakFilter:
    """Filters one message of a model: `feed` it the text as it arrives, and it returns the pieces that are
    certain.

    Use one filter per message. `finish` returns the text that was still held back, and must be the last call.
    If `passes` is true for a text, the text is visible as it is and does not have to be fed.
    """

    def __init__(self, react: bool = False, dialect: TextDialect = PLAIN, tools: bool = False) -> None:
        self._tags = TagFilter(dialect.markers, dialect.starts_in_thinking)
        self._source: TagFilter | HarmonyFilter = HarmonyFilter() if dialect.harmony else self._tags
        calls = [RawCallFilter(dialect.calls)] if dialect.calls and tools else []
        steps = [ReactFilter()] if react else []
        self._stages: list[RawCallFilter | ReactFilter] = [*calls, *steps]
        # Calls the only filter directly, so that tokens take the shortest way.
        self.feed: Callable[[str], list[Piece]] = self._feed if self._stages else self._source.feed
        alone = not self._stages and self._source is self._tags
        self.passes: Callable[[str], bool] = self._tags.passes if alone else _never

    def _feed(self, text: str) -> list[Piece]:
        pieces = self._source.feed(text)
        for stage in self._stages:
            pieces = _through(stage, pieces)
        return pieces

    def finish(self, *, whole: bool = True) -> list[Piece]:
        """Return the rest. `whole` says that the model ended the message itself, rather than at a tool call
        or a limit."""
        assumed = self._tags.assumed
        pieces = self._source.finish(whole=whole)
        for stage in self._stages:
            pieces = _through(stage, pieces) + stage.finish()
        calls = [piece for piece in pieces if piece.kind == "call"]
        # Text that led to a call is not the answer, even if its thinking was never closed.
        return calls if assumed and calls else pieces

    def start_outside(self) -> None:
        """Note that the thinking arrived separately, so the text does not start in it."""
        self._tags.start_outside()


def _never(_text: str) -> bool:
    return False


def _through(stage: RawCallFilter | ReactFilter, pieces: Iterable[Piece]) -> list[Piece]:
    out: list[Piece] = []
    for piece in pieces:
        out += stage.feed(piece.text) if piece.kind == "text" else [piece]
    return out
