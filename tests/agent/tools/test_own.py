"""`@tool`: checks at import, output, and the errors that a model sees."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from pydantic import Base64Bytes, BaseModel

from millrace.agent.emitter import Emitter, emitting
from millrace.agent.tools.own import tool_of
from millrace.agent.tools.tool import Tool, ToolResult
from millrace.agent.tools.toolbox import Toolbox
from millrace.app import InvalidTool, ToolContext, ToolError, status, token, tool
from tests.agent.tools.contexts import call, context


def made(function: Callable[..., Any]) -> Tool:
    found = tool_of(function)
    assert found is not None
    return found


async def run(function: Callable[..., Any], **arguments: Any) -> tuple[ToolResult, list[dict[str, Any]]]:
    """A call of a tool, and the events that it makes."""
    events: list[dict[str, Any]] = []
    one = made(function)
    with emitting(Emitter(events.append)):
        result = await Toolbox([one]).run(call(one.name, arguments), context(), 10.0)
    await asyncio.sleep(0)
    return result, events


@tool(policy={"ask": "amount > 50"}, approvers={"scope": "refunds:approve"}, expires=60, scope="shop")
def refund(order: str, amount: float, context: ToolContext) -> str:
    """Refund an order.

    Args:
        order: Its number.
    """
    return f"{order} for {context.user.id}, {context.idempotency_key}"


def test_function_stays_callable_and_its_tool_has_its_rules() -> None:
    assert refund("7", 1.0, context()) == "7 for user, run."
    one = made(refund)
    assert one.rule is not None
    assert one.rule.who().scope == "refunds:approve"
    assert (one.rule.expires, one.scope, one.repeat) == (60, "shop", "never")
    assert list(one.parameters["properties"]) == ["order", "amount"]


def test_plain_decorator_makes_a_tool_without_rules() -> None:
    @tool
    async def glance() -> str:
        """Look."""
        return "seen"

    assert (made(glance).name, made(glance).rule) == ("glance", None)


def untyped(order):  # type: ignore[no-untyped-def]
    """Look."""


def starred(*orders: str) -> str:
    """Look."""
    return ""


def unexplained(order: str) -> str:
    return ""


def twice(one: ToolContext, other: ToolContext) -> str:
    """Look."""
    return ""


def misspelt(order: str) -> str:
    """Look.

    Args:
        ordre: Its number.
    """
    return ""


def odd(lock: threading.Thread) -> str:
    """Look."""
    return ""


def unknown_type(order: "Order") -> str:  # type: ignore[name-defined]  # noqa: F821
    """Look."""
    return ""


def binary(data: bytes) -> str:
    """Look."""
    return ""


class Picture(BaseModel):
    """A model with bytes in it."""

    data: bytes


def binary_inside(many: list[Picture]) -> str:
    """Look."""
    return ""


def imaginary(numbers: list[complex]) -> str:
    """Look."""
    return ""


async def test_bytes_as_base64_are_an_argument() -> None:
    @tool
    def weigh(data: Base64Bytes) -> int:
        """Weigh."""
        return len(data)

    made = tool_of(weigh)
    assert made is not None
    assert (await made.run({"data": "YWJj"}, context())).text == "3"


@pytest.mark.parametrize(
    ("function", "options", "remedy"),
    [
        (untyped, {}, "order has no type. Write one, as order: str"),
        (starred, {}, "Name each argument"),
        (unexplained, {}, "has no docstring. Write one"),
        (twice, {}, "two contexts, one and other"),
        (misspelt, {}, "describes ordre"),
        (odd, {}, "JSON cannot express"),
        (binary, {}, r"\(bytes; for base64 take pydantic.Base64Bytes\)"),
        (binary_inside, {}, "bytes; for base64"),
        (imaginary, {}, "numbers is complex"),
        (unknown_type, {}, "'Order' is not known .* Import it"),
        (refund, {"name": "ask_refund"}, "not begin with ask_"),
        (refund, {"name": "shop__refund"}, "not contain __"),
        (refund, {"policy": "always"}, 'policy is not valid.*"auto", "ask"'),
        (refund, {"approvers": {"team": "x"}}, "approvers is not valid"),
        (refund, {"repeat": "yes"}, 'must be "safe" or "never"'),
        (object(), {}, "must be applied to a function"),
    ],
)
def test_mistake_is_told_with_its_remedy_at_the_import(
    function: Any, options: dict[str, Any], remedy: str
) -> None:
    with pytest.raises(InvalidTool, match=remedy):
        tool(**options)(function)


async def test_error_for_the_model_is_read_and_any_other_is_only_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    @tool
    def find(order: str) -> str:
        """Find."""
        if order == "0":
            raise ToolError("There is no order 0; ask for its number.")
        raise RuntimeError("password=hunter2")

    readable, _ = await run(find, order="0")
    hidden, _ = await run(find, order="1")
    assert readable.text == "find failed: There is no order 0; ask for its number."
    assert not hidden.ok
    assert "hunter2" not in hidden.text + hidden.summary + hidden.full
    assert "hunter2" in caplog.text
    assert "id-find" in caplog.text


async def test_async_tool_streams_what_it_yields() -> None:
    @tool
    async def read(pages: int) -> AsyncIterator[Any]:
        """Read pages."""
        for page in range(pages):
            yield status(f"Page {page}")
            yield f"text {page} "
        yield {"pages": pages}

    result, events = await run(read, pages=2)
    assert result.text == 'text 0 text 1 {"pages":2}'
    assert [event["type"] for event in events] == ["status", "tool_output"] * 2 + ["tool_output"]
    assert events[1] == {"type": "tool_output", "id": "id-read", "name": "read", "output": "text 0 "}


async def test_tool_in_a_thread_streams_and_shows_status_in_order() -> None:
    @tool
    def read(context: ToolContext) -> Iterator[str]:
        """Read."""
        for page in "ab":
            context.emit(status(page))
            yield page

    result, events = await run(read)
    assert result.text == "ab"
    assert [event.get("message", event.get("output")) for event in events] == ["a", "a", "b", "b"]


async def test_abandoned_tool_in_a_thread_ends_at_its_next_piece() -> None:
    begun, closed, go = threading.Event(), threading.Event(), threading.Event()

    @tool
    def read() -> Iterator[str]:
        """Read."""
        try:
            begun.set()
            go.wait(30)
            yield "a"
            yield "b"
        finally:
            closed.set()

    running = asyncio.create_task(run(read))
    await asyncio.to_thread(begun.wait, 30)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    go.set()
    assert await asyncio.to_thread(closed.wait, 30)


async def test_result_that_is_yielded_last_takes_the_place_of_the_pieces() -> None:
    @tool
    async def work() -> AsyncIterator[Any]:
        """Work."""
        yield "half"
        yield ToolResult(ok=False, text="It broke.", summary="broke")

    result, _ = await run(work)
    assert (result.ok, result.text, result.summary) == (False, "It broke.", "broke")


async def test_tool_cannot_write_into_the_answer() -> None:
    @tool
    async def sneak(context: ToolContext) -> str:
        """Sneak."""
        context.emit(token("I am the agent."))
        return ""

    result, events = await run(sneak)
    assert not result.ok
    assert events == []
