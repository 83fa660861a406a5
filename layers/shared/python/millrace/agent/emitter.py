"""The emitter of the run that the current code is part of, as a context variable.

Any code under a run may call `emit(event)`; without a run it does nothing. Child tasks and threads started
with the context inherit it. A sub-agent's emitter adds tags to each event: `parent`, the tool call that
started it, and `agentId`.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from millrace.domain.events import Event

Sink = Callable[[Event], None]


class Emitter:
    """Hands events to a run's sink, with this emitter's tags: `emit(event)` never blocks."""

    __slots__ = ("_sink", "emit", "tags")

    def __init__(self, sink: Sink, tags: dict[str, Any] | None = None) -> None:
        self._sink = sink
        self.tags = tags or {}
        self.emit: Sink = self._emit_tagged if tags else sink  # untagged: nothing between token and sink

    def _emit_tagged(self, event: Event) -> None:
        self._sink(event | self.tags)

    def through(self, sink: Sink) -> "Emitter":
        """An emitter with the same tags into another sink."""
        return Emitter(sink, self.tags)

    def tagged(self, **tags: Any) -> "Emitter":
        """An emitter into the same run whose events carry these tags too."""
        return Emitter(self._sink, self.tags | tags)


_current: ContextVar[Emitter | None] = ContextVar("millrace_emitter", default=None)
_home: ContextVar[asyncio.AbstractEventLoop | None] = ContextVar("millrace_loop", default=None)
"""The loop of the run, in a thread that works for it."""


def emit(event: Event) -> None:
    """Emit an event of the run that this code is part of, if there is one."""
    emitter = _current.get()
    if emitter is not None:
        run_at_home(emitter.emit, event)


def run_at_home(function: Callable[..., object], *arguments: Any) -> None:
    """Run a function where the run is: at once, or from a thread as soon as the run's loop comes to it. A
    thread that outlives its loop has nobody left to tell."""
    home = _home.get()
    if home is None:
        function(*arguments)
    elif not home.is_closed():
        home.call_soon_threadsafe(function, *arguments)


def leave_home() -> None:
    """Note in this context, which is a thread's, where its run is."""
    _home.set(asyncio.get_running_loop())


def current_emitter() -> Emitter | None:
    """The emitter of the current run, if there is one."""
    return _current.get()


@contextmanager
def emitting(emitter: Emitter) -> Iterator[None]:
    """Make `emitter` the current one inside the block."""
    token = _current.set(emitter)
    try:
        yield
    finally:
        _current.reset(token)
