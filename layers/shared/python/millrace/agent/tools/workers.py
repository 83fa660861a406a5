"""Threads for tools that are plain functions: a bounded pool of our own, apart from asyncio's default one.

A thread cannot be stopped, so a caller that is cancelled leaves at once and the thread finishes behind it.
That is why the pool is bounded and why tools should give their own calls a timeout.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import cache, partial
from typing import Any, TypeVar

THREADS = 16

T = TypeVar("T")


async def in_thread(function: Callable[..., T], *args: Any, **kwargs: Any) -> T:
    """Run a blocking function in a thread, with the caller's context variables."""
    work = partial(copy_context().run, function, *args, **kwargs)
    return await asyncio.wrap_future(_pool().submit(work))


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(THREADS, thread_name_prefix="millrace-tool")
