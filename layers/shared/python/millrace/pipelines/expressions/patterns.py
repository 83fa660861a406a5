"""Users' regular expressions, on RE2: time linear in the text, whatever the pattern."""

import re2

from millrace.pipelines.errors import InvalidExpression
from millrace.pipelines.limits import PATTERN_CHARACTERS
from millrace.pipelines.work import charge

_MEMORY_BYTES = 8 << 20
_FREE_WORK = 16


class Pattern:
    """A compiled pattern that answers yes or no, unanchored. `size` counts its instructions.

    Raises `InvalidExpression` when made."""

    __slots__ = ("_set", "size", "source")

    def __init__(self, source: str) -> None:
        if len(source) > PATTERN_CHARACTERS:
            raise InvalidExpression(f"A pattern must not exceed {PATTERN_CHARACTERS} characters.")
        self.source = source
        # A set of one: RE2 then never looks for where a match lies, which is what costs.
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
        """True if the pattern matches anywhere in the text (a lone surrogate never matches).

        Linear is not yet fast: where RE2 cannot keep its states, a character costs as much as there are
        instructions, 10 ns each. `(.{0,100}a){8}q` takes four seconds for 256 KB.
        """
        units = len(text) * self.size >> 7
        if units > _FREE_WORK:
            charge(units)
        return bool(self._set.Match(text.encode("utf-8", "replace")))


def _why(source: str, error: Exception) -> str:
    """RE2's own words: a set only says that it failed."""
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
