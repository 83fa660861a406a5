"""The emitter of the current run, as a context variable.

Any code in a run may call `emit(event)`; outside a run it does nothing. Child tasks, and threads started with
the context, inherit the emitter. The emitter of a sub-agent adds tags to each event: `parent`, the tool call
that started it, and `agentId`.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from millrace.domain.events import Event

Sink = Callable[[Event], None]


class Emitter:
    """Passes events to a run's sink with this emitter's tags. `emit(event)` never blocks."""

    __slots__ = ("_sink", "emit", "tags")

    def __init__(self, sink: Sink, tags: dict[str, Any] | None = None) -> None:
        self._sink = sink
        self.tags = tags or {}
        self.emit: Sink = self._emit_tagged if tags else sink  # without tags, tokens go straight to the sink

    def _emit_tagged(self, event: Event) -> None:
        self._sink(event | self.tags)

    def through(self, sink: Sink) -> "Emitter":
        """Return an emitter with the same tags and another sink."""
        return Emitter(sink, self.tags)

    def tagged(self, **tags: Any) -> "Emitter":
        """Return an emitter of the same run that adds these tags to its events."""
        return Emitter(self._sink, self.tags | tags)


_current: ContextVar[Emitter | None] = ContextVar("millrace_emitter", default=None)
_home: ContextVar[asyncio.AbstractEventLoop | None] = ContextVar("millrace_loop", default=None)
"""The event loop of the run, in a thread that works for it."""


def emit(event: Event) -> None:
    """Emit an event of the current run, if there is one."""
    emitter = _current.get()
    if emitter is not None:
        run_at_home(emitter.emit, event)


def run_at_home(function: Callable[..., object], *arguments: Any) -> None:
    """Run a function in the thread of the run: at once, or from another thread as soon as the run's event
    loop gets to it. If that loop has ended, the function is not run."""
    home = _home.get()
    if home is None:
        function(*arguments)
    elif not home.is_closed():
        home.call_soon_threadsafe(function, *arguments)


def leave_home() -> None:
    """Note the run's event loop in the context of a thread."""
    _home.set(asyncio.get_running_loop())


def current_emitter() -> Emitter | None:
    """Return the emitter of the current run, if there is one."""
    return _current.get()


@contextmanager
def emitting(emitter: Emitter) -> Iterator[None]:
    """Make `emitter` the current one inside the block."""
    token = _current.set(emitter)
    try:
        yield
    finally:
        _current.reset(token)
