"""An agent's answer as it would be read aloud, sentence by sentence while it is written."""

from millrace.speech.markdown import Document, Passage, read
from millrace.speech.sentences import LONGEST, Sentences, may_end

_LONGEST_BLOCK = 4000
"""Maximum characters of a block, which is parsed again with every sentence.

Longer ones, such as endless lists, are cut.
"""


class Prose:
    """Receives an answer's Markdown in pieces and returns the sentences to speak.

    A sentence is returned once nothing that may follow can change it. `language` is a BCP 47 tag. No sentence
    has more than `longest` characters.
    """

    def __init__(self, language: str = "en", longest: int = LONGEST) -> None:
        self._language = language
        self._sentences = Sentences(language, longest)
        self._text = ""
        self._read = 0
        """Length of the text when it was last parsed."""
        self._passage, self._said = 0, 0
        """The next passage of the text, and the number of its characters already returned."""

    def feed(self, text: str) -> list[str]:
        """Return the sentences that this piece of text completes."""
        self._text += text
        # Parsing costs more than a token, and most tokens end nothing.
        if not may_end(text) and len(self._text) - self._read < LONGEST:
            return []
        document = read(self._text, self._language, complete=False)
        given = self._advance(document, complete=False)
        return given + (self._cut() if len(self._text) > _LONGEST_BLOCK and not document.in_code else [])

    def end(self) -> list[str]:
        """Return the rest. Whatever follows is a new text."""
        return self._advance(read(self._text, self._language, complete=True), complete=True)

    def _cut(self) -> list[str]:
        """End a block that is too long at its last line."""
        lines, _, rest = self._text.rpartition("\n")
        self._text = lines or rest
        given = self.end()
        self._text = rest if lines else ""
        return given

    def _advance(self, document: Document, *, complete: bool) -> list[str]:
        given: list[str] = []
        for position in range(self._passage, len(document.passages)):
            is_open = not complete and position >= max(document.settled_passages, len(document.passages) - 1)
            given += self._consume(document.passages[position], ended=not is_open)
            if not is_open:
                self._passage, self._said = position + 1, 0
        self._forget(len(self._text) if complete else document.settled, document.settled_passages)
        if complete:
            self._passage, self._said = 0, 0
        self._read = len(self._text)
        return given

    def _consume(self, passage: Passage, *, ended: bool) -> list[str]:
        until = len(passage.text) if ended else passage.safe
        given = self._sentences.feed(passage.text[self._said : until])
        self._said = max(self._said, until)
        return given + (self._sentences.end() if ended else [])

    def _forget(self, characters: int, passages: int) -> None:
        self._text = self._text[characters:]
        self._passage = max(self._passage - passages, 0)
