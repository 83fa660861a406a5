"""Reads the tokens of a chat completion from wherever its server puts them."""

from typing import Any

from millrace.agent.model import Usage
from millrace.agent.providers.history import count

_INPUT = ("prompt_tokens", "input_tokens")
_OUTPUT = ("completion_tokens", "output_tokens")


def usage_of(chunk: dict[str, Any]) -> Usage | None:
    """Return the usage that a chunk reports: at its top, in Groq's `x_groq`, in a choice (Moonshot), or as
    llama.cpp's `timings`. None if there is none that can be read."""
    parts = [chunk, chunk.get("x_groq"), *(chunk.get("choices") or ())]
    for part in parts:
        counts = part.get("usage") if isinstance(part, dict) else None
        if isinstance(counts, dict) and (found := _read(counts)):
            return found
    timings = chunk.get("timings")
    return _from_timings(timings) if isinstance(timings, dict) else None


def _read(counts: dict[str, Any]) -> Usage | None:
    sent, written = _first(counts, _INPUT), _first(counts, _OUTPUT)
    # A prompt always has tokens: servers that do not count write zero.
    if not sent or written is None:
        return None
    details = counts.get("prompt_tokens_details") or counts.get("input_tokens_details") or {}
    cached = _first(details, ("cached_tokens",)) or _first(
        counts, ("prompt_cache_hit_tokens", "cached_tokens")
    )
    # Gemini and xAI include the reasoning only in the total; it is charged as output.
    whole = count(counts.get("total_tokens")) - sent
    return Usage(sent, max(written, whole), cached or 0, count(details.get("cache_write_tokens")))


def _first(counts: dict[str, Any], names: tuple[str, ...]) -> int | None:
    found = (_count(counts.get(name)) for name in names)
    return next((number for number in found if number is not None), None)


def _count(value: Any) -> int | None:
    """Return a natural number, which some servers write as `9.0`."""
    if type(value) is float and value.is_integer():
        value = int(value)
    return value if type(value) is int and value >= 0 else None


def _from_timings(timings: dict[str, Any]) -> Usage | None:
    read, cached = _first(timings, ("prompt_n",)), _first(timings, ("cache_n",)) or 0
    written = _first(timings, ("predicted_n",))
    if read is None or written is None or not read + cached:
        return None
    return Usage(read + cached, written, cached)
