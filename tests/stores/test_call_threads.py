"""The threads that blocking calls run in."""

import asyncio
import threading
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millrace.stores.call_threads import CallThreads


def test_results_and_errors_reach_whoever_asked() -> None:
    threads = CallThreads(3, "test")

    def fail(number: int) -> int:
        raise LookupError(number)

    async def run() -> None:
        found = await asyncio.gather(
            *(threads.run(lambda n=n: fail(n) if n % 3 == 0 else n) for n in range(50)),  # type: ignore[misc]
            return_exceptions=True,
        )
        for number, one in enumerate(found):
            expected: object = LookupError(number) if number % 3 == 0 else number
            assert repr(one) == repr(expected)

    asyncio.run(run())
    threads.close()


@given(calls=st.integers(1, 12), most=st.integers(1, 4))
def test_concurrent_calls_are_limited_to_the_number_of_threads(calls: int, most: int) -> None:
    threads, names = CallThreads(most, "test"), Counter[str]()
    together = threading.Barrier(min(calls, most))

    def meet(number: int) -> None:
        names[threading.current_thread().name] += 1
        if number < together.parties:
            together.wait(60)

    async def run() -> None:
        await asyncio.gather(*(threads.run(lambda n=n: meet(n)) for n in range(calls)))  # type: ignore[misc]

    asyncio.run(run())
    assert sum(names.values()) == calls
    assert len(names) <= most
    threads.close()
    assert not [one for one in threading.enumerate() if one.name in names]


def test_begun_call_ends_without_its_caller_and_waiting_call_never_begins() -> None:
    threads = CallThreads(1, "test")
    began, may_end = threading.Event(), threading.Event()
    done: list[str] = []

    def first() -> None:
        began.set()
        may_end.wait(60)
        done.append("first")

    async def run() -> None:
        tasks = [asyncio.ensure_future(threads.run(work)) for work in (first, lambda: done.append("second"))]
        await asyncio.sleep(0)
        assert began.wait(60)
        for task in tasks:
            task.cancel()
        assert [type(one) for one in await asyncio.gather(*tasks, return_exceptions=True)] == [
            asyncio.CancelledError
        ] * 2
        may_end.set()
        await threads.run(lambda: done.append("third"))

    asyncio.run(run())
    threads.close()
    assert done == ["first", "third"]


async def test_call_after_the_end_is_refused() -> None:
    """It would wait for ever."""
    threads = CallThreads(2, "test")
    await threads.run(lambda: None)
    threads.close()
    with pytest.raises(RuntimeError, match="closed"):
        await threads.run(lambda: None)


def test_loop_that_is_over_does_not_hurt_a_call_under_way() -> None:
    threads = CallThreads(1, "test")
    began, may_end = threading.Event(), threading.Event()

    def work() -> None:
        began.set()
        may_end.wait(60)

    async def leave() -> None:
        asyncio.ensure_future(threads.run(work)).cancel()
        task = asyncio.ensure_future(threads.run(work))
        await asyncio.sleep(0)
        assert began.wait(60)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(leave())
    may_end.set()

    async def again() -> str:
        return await threads.run(lambda: "another loop")

    assert asyncio.run(again()) == "another loop"
    threads.close()


def test_sequential_calls_share_one_thread() -> None:
    threads, names = CallThreads(5, "test"), set[str]()

    async def run() -> None:
        for _ in range(200):
            await threads.run(lambda: names.add(threading.current_thread().name))

    asyncio.run(run())
    threads.close()
    assert len(names) == 1
