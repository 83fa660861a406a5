"""Code spans in Markdown text that is still arriving."""

import re

_CODE_PARTS = re.compile(r"`+|~+|\n|[^`~\n]+")


class CodeSpans:
    """Follows Markdown closely enough to say whether the next character is in code.

    A run of backticks or tildes at the start of a line opens a fence when the line ends; the same run again
    on that line makes it inline code instead. A run may be split between pieces, so it counts only when it
    has ended.
    """

    def __init__(self) -> None:
        self._blank = True  # the line has only white space so far
        self._run, self._run_starts_line = "", False
        self._open, self._fence, self._may_be_fence = "", False, False
        self._fresh = self._closing = False

    def inside(self) -> bool:
        self._end_run()
        return bool(self._open)

    def just_opened(self) -> bool:
        self._end_run()
        return self._fresh

    def skip(self, text: str) -> None:
        """Do the same as `feed`, faster, for text without backticks, tildes and line ends."""
        if self._run:
            self._end_run()
        self._fresh = False
        if (self._blank or self._closing) and not text.isspace():
            self._blank = self._closing = False

    def feed(self, text: str) -> None:
        for part in _CODE_PARTS.findall(text):
            if part[0] in "`~":
                self._extend_run(part)
            elif part == "\n":
                self._end_line()
            else:
                self.skip(part)

    def _extend_run(self, part: str) -> None:
        if self._run and self._run[0] != part[0]:
            self._end_run()
        if not self._run:
            self._run_starts_line = self._blank
        self._run += part

    def _end_run(self) -> None:
        run, self._run = self._run, ""
        if not run:
            return
        may_fence = self._run_starts_line and len(run) >= 3
        self._blank = self._fresh = False
        if not self._open:
            self._fresh = run[0] == "`" or may_fence
            self._open, self._may_be_fence = (run if self._fresh else ""), may_fence
        elif self._fence:
            self._closing = may_fence and run.startswith(self._open)
        elif run == self._open:
            self._open = ""

    def _end_line(self) -> None:
        self._end_run()
        stays = bool(self._open) and not self._closing and (self._fence or self._may_be_fence)
        self._open, self._fence = (self._open if stays else ""), stays
        self._blank, self._fresh, self._closing = True, False, False
