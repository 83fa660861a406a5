"""Threads for tools that are plain functions: a limited pool, separate from asyncio's default one.

A thread cannot be stopped, so a caller that is canceled returns at once and the thread finishes later. That
is why the pool is limited, and why tools should give their own calls a timeout.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar, copy_context
from functools import cache, partial
from threading import Event
from typing import Any, TypeVar

from millrace.agent.emitter import leave_home

THREADS = 16

T = TypeVar("T")


class Abandoned(Event):
    """Set once nobody waits for a thread's work any more."""

    @classmethod
    def current(cls) -> "Abandoned":
        """Return the event of the current thread's work."""
        return _abandoned.get()


_abandoned: ContextVar[Abandoned] = ContextVar("millrace_abandoned")


async def in_thread(function: Callable[..., T], *args: Any, **kwargs: Any) -> T:
    """Run a blocking function in a thread, with the caller's context variables."""
    context, abandoned = copy_context(), Abandoned()
    context.run(leave_home)
    context.run(_abandoned.set, abandoned)
    work = partial(context.run, function, *args, **kwargs)
    try:
        return await asyncio.wrap_future(_pool().submit(work))
    finally:
        abandoned.set()


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(THREADS, thread_name_prefix="millrace-tool")
