"""An agent's answer as one would read it aloud: without Markdown's signs, code blocks and addresses."""

import re

# In this order: links must have lost their addresses before bare addresses are replaced.
_MARKS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"!?\[([^\]]*)\]\([^)\s]*(?:\s[^)]*)?\)"), r"\1"),  # links and images: their text
    (re.compile(r"https?://([^\s/?#]+)[^\s)>\]]*"), r"\1"),  # addresses: the host
    (re.compile(r"^\s*(?:#{1,6}|>+|[-*+])\s+"), ""),  # headings, quotes, bullets
    (re.compile(r"\*+|`+|~~|(?<!\w)_+|_+(?!\w)"), ""),  # emphasis, inline code
    (re.compile(r"\|[\s:|-]*\|"), ", "),  # the rules of tables
    (re.compile(r"\s*\|\s*"), ", "),
)
_FENCE = "```"


class Prose:
    """Takes the sentences of one answer in order: a code block may span many."""

    def __init__(self) -> None:
        self._in_code = False

    def spoken(self, sentence: str) -> str:
        """Return the part of a Markdown text that is read aloud; may be empty."""
        first, *others = sentence.split(_FENCE)
        heard = [] if self._in_code else [first]
        for part in others:
            self._in_code = not self._in_code
            if not self._in_code:
                heard.append(part)
        return _plain(" ".join(heard))


def _plain(text: str) -> str:
    for pattern, instead in _MARKS:
        text = pattern.sub(instead, text)
    return text.strip(" ,|")
