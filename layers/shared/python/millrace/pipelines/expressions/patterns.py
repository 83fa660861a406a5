"""Users' regular expressions, with RE2: time is linear in the text for every pattern."""

import re2

from millrace.pipelines.errors import InvalidExpression
from millrace.pipelines.limits import PATTERN_CHARACTERS
from millrace.pipelines.work import charge

_MEMORY_BYTES = 8 << 20
_FREE_WORK = 16


class Pattern:
    """A compiled, unanchored pattern that only tells whether it matches. `size` is its number of
    instructions.

    Raises `InvalidExpression` when created.
    """

    __slots__ = ("_set", "size", "source")

    def __init__(self, source: str) -> None:
        if len(source) > PATTERN_CHARACTERS:
            raise InvalidExpression(f"A pattern must not exceed {PATTERN_CHARACTERS} characters.")
        self.source = source
        # A set with one pattern, so that RE2 never determines the position of a match, which is expensive.
        self._set = re2.Set.SearchSet(_options())
        try:
            self._set.Add(source)
            self._set.Compile()
            self.size: int = re2.compile(source, _options()).programsize
        except (re2.error, UnicodeError, ValueError) as error:
            raise InvalidExpression(
                f"`{source!r:.80}` is not a regular expression of RE2: {_why(source, error)}"
            ) from None

    def found_in(self, text: str) -> bool:
        """Return whether the pattern matches anywhere in the text (an unpaired surrogate never matches).

        Linear time may still be slow: if RE2 cannot keep its states, each character costs as much as there
        are instructions, 10 ns each. `(.{0,100}a){8}q` takes four seconds for 256 KB.
        """
        units = len(text) * self.size >> 7
        if units > _FREE_WORK:
            charge(units)
        return bool(self._set.Match(text.encode("utf-8", "replace")))


def _why(source: str, error: Exception) -> str:
    """Return RE2's explanation, because a set only reports that it failed."""
    try:
        re2.compile(source, _options())
    except (re2.error, UnicodeError, ValueError) as cause:
        reason = cause.args[0] if cause.args else cause
        return reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)
    return str(error)


def _options() -> re2.Options:
    options = re2.Options()
    options.log_errors = False
    options.never_capture = True
    options.max_mem = _MEMORY_BYTES
    return options
