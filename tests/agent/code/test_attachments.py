"""Images and files that agents in code receive, and the usage of their run."""

from typing import Any

import pytest

from millrace.app import AgentContext, Attachment, agent
from millrace.errors import TooLarge, ToolError
from millrace.testing import Stage, says
from tests.agent.test_attachments import PNG

CSV = b"city,degrees\nKyoto,18\n"


def played(reading: Any) -> Stage:
    """An agent that says what `reading` finds in its context."""

    @agent("viewer")
    async def viewer(ctx: AgentContext):  # type: ignore[no-untyped-def]
        yield str(await reading(ctx))

    return Stage(viewer)


async def about(ctx: AgentContext) -> list[Any]:
    found = [*(one for said in ctx.history for one in said.attachments), *ctx.message.attachments]
    return [(one.kind, one.media_type, one.name, one.size, len(await one.read())) for one in found]


def test_attachments_of_the_conversation_can_be_read() -> None:
    stage = played(about)
    image = ("image", "image/png", "cat.png", len(PNG), len(PNG))
    assert stage.ask("Look.", files={"cat.png": PNG}) == str([image])
    table = ("text", "text/csv", "table.csv", len(CSV), len(CSV))
    assert stage.ask("And here?", files={"table.csv": CSV}) == str([image, table])


def test_text_has_notes_and_parts_have_the_order() -> None:
    async def reading(ctx: AgentContext) -> Any:
        kinds = [part.kind if isinstance(part, Attachment) else part for part in ctx.message.parts]
        return [str(ctx.message), kinds]

    assert played(reading).ask("Look.", files={"cat.png": PNG}) == str(
        ["Look.\n[image: cat.png]", ["Look.", "image"]]
    )


def test_reading_is_bounded() -> None:
    async def reading(ctx: AgentContext) -> Any:
        with pytest.raises(TooLarge, match=r"cat\.png has .* bytes; it must not exceed 10"):
            await ctx.message.attachments[0].read(limit=10)

    assert played(reading).ask("Look.", files={"cat.png": PNG}) == "None"


async def test_file_that_is_gone_says_so() -> None:
    async def gone(about: Any) -> None:
        return None

    with pytest.raises(ToolError, match=r"The image cat\.png cannot be read any more"):
        await Attachment("image", "image/png", "cat.png", None, None, {}, gone).read()


def test_model_of_the_agent_gets_the_images() -> None:
    async def reading(ctx: AgentContext) -> Any:
        return [piece async for piece in ctx.model.stream(ctx.messages)]

    stage = played(reading)
    stage.model(says("A cat."))
    assert stage.ask("What is it?", files={"cat.png": PNG, "table.csv": CSV}) == "['A', ' cat.']"
    text, image, table = stage.script.requests[0].messages[0]["content"]
    assert text == {"text": "What is it?"}
    assert image["image"]["mediaType"] == "image/png"
    assert image["image"]["data"]
    assert "Kyoto,18" in table["text"]


def test_usage_is_that_of_the_run() -> None:
    async def reading(ctx: AgentContext) -> Any:
        before = ctx.usage
        await ctx.model.ask("One?")
        ctx.model.used("openai:gpt-4o", 1_000, 10, cache_read=400)
        return [before.input_tokens, before.cost, ctx.usage.input_tokens > 1_000, ctx.usage.cost]

    stage = played(reading)
    stage.model(says("One."))
    answer = stage.ask("Go on.")
    assert answer.startswith("[0, 0.0, True, ")
    assert stage._budget.usage()["cacheRead"] == 400
