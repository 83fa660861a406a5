"""The cost of the leak filter per token, beside the cheapest thing that one could do with a token."""

import time
from collections.abc import Callable

from millrace.agent.leak import LeakFilter

ANSWER = (
    "<think>The user wants a table of 3 < 4 comparisons.\nI will use `code`.</think>\n"
    "Here is the **answer**: call `compare(a, b)` for each pair.\n\n```python\nif a < b:\n    print(a)\n```\n"
)
PROSE = "Streams carry tokens of about four letters each, most of them plain words without any sign. "
STEPS = "Thought: look it up\nAction: search\nAction Input: {}\nObservation: found\nFinal Answer: there.\n"


def measure() -> dict[str, float]:
    """Nanoseconds per token of four characters: plain prose, mixed text, ReAct, and a bare loop."""
    return {
        "plain_ns": _per_token(PROSE, lambda: LeakFilter().feed),
        "mixed_ns": _per_token(ANSWER, lambda: LeakFilter().feed),
        "react_ns": _per_token(STEPS, lambda: LeakFilter(react=True).feed),
        "bare_loop_ns": _per_token(PROSE, lambda: lambda token: [("text", token)]),
    }


def _per_token(text: str, make: Callable[[], Callable[[str], object]], repeats: int = 5) -> float:
    tokens = [text[at : at + 4] for at in range(0, len(text), 4)] * 200
    return min(_seconds(tokens, make()) for _ in range(repeats)) / len(tokens) * 1e9


def _seconds(tokens: list[str], feed: Callable[[str], object]) -> float:
    started = time.perf_counter()
    for token in tokens:
        feed(token)
    return time.perf_counter() - started
