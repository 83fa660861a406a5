"""A program in its own terminal, driven like a person would: keys in, screen out."""

import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

CTRL_C = "\x03"
ENTER = "\r"
_SECONDS = 60.0
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[=>()][B0]?|\x1b\][^\x07]*\x07|\r")


class Terminal:
    """A program that runs on a pseudo-terminal. `screen` is all that it has written, without escape
    sequences."""

    def __init__(self, arguments: list[str], environ: Mapping[str, str]) -> None:
        master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
        self._master = master
        self._written = ""
        self._seen = 0
        self._changed = threading.Condition()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "millrace.cli", *arguments],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env={**os.environ, "TERM": "xterm-256color", "PROMPT_TOOLKIT_NO_CPR": "1", **environ},
            start_new_session=True,
            preexec_fn=_take_terminal,
        )
        os.close(slave)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def screen(self) -> str:
        return _ESCAPES.sub("", self._written)

    def expect(self, text: str) -> None:
        """Wait until the screen shows `text` behind what was expected before. Raises `AssertionError`."""
        with self._changed:
            found = self._changed.wait_for(lambda: text in self.screen[self._seen :], _SECONDS)
            assert found, f"{text!r} did not come:\n{self.screen[self._seen :]}"
            self._seen = self.screen.index(text, self._seen) + len(text)

    def type(self, keys: str) -> None:
        os.write(self._master, keys.encode())

    def enter(self, text: str) -> None:
        """Type a line."""
        self.type(text + ENTER)

    def wait(self) -> int:
        """Wait for the end; the exit code."""
        code = self.process.wait(_SECONDS)
        self._reader.join(10)
        return code

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(10)
        self._reader.join(10)
        os.close(self._master)

    def _read(self) -> None:
        while True:
            try:
                data = os.read(self._master, 65536)
            except OSError:  # what Linux answers when nobody has the other end any more
                return
            if not data:
                return
            with self._changed:
                self._written += data.decode(errors="replace")
                self._changed.notify_all()


def _take_terminal() -> None:
    """Make Ctrl-C a signal of the terminal, which the program gets even where tests run in the background of
    a shell: there SIGINT is ignored, and children inherit that."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@contextmanager
def terminal(*arguments: str, **environ: str) -> Iterator[Terminal]:
    """Run `millrace` with these arguments on a terminal."""
    running = Terminal(list(arguments), environ)
    try:
        yield running
    finally:
        running.close()
