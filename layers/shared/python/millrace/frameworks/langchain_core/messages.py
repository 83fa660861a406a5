"""The conversation as messages of LangChain."""

from collections.abc import Sequence
from inspect import isawaitable
from typing import Any

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage

from millrace.agent.accepts import MediaRules
from millrace.agent.code.attachments import blocks_of
from millrace.agent.model import Block, Message
from millrace.app import AgentContext
from millrace.domain.content import attached
from millrace.frameworks.common.content import text_or_parts

STATE_BYTES = 1_500_000
"""The maximum bytes of images and files that the state of a graph gets in a conversation, since the whole
state is stored with each step (see `VALUE_BYTES`)."""


class Room:
    """Stands for the server of an unknown model, with the limits for attachments."""

    def __init__(self, limit: int = STATE_BYTES) -> None:
        self.media = MediaRules(image_bytes=limit, pdf_bytes=limit, bytes=limit)


async def conversation(ctx: AgentContext) -> list[AnyMessage]:
    """Return the conversation and the message, with their images and files."""
    turns = await ctx.model.with_files(ctx.messages, "langchain:", Room())
    return [message_of(turn) for turn in turns]


async def question(ctx: AgentContext, id: str | None = None) -> HumanMessage:
    """Return the message, with as many of its images and files as there is room for in addition to earlier
    ones."""
    used = sum(one.size or 0 for said in ctx.history for one in said.attachments)
    asked = {"role": "user", "content": blocks_of(ctx.message)}
    [turn] = await ctx.model.with_files([asked], "langchain:question", Room(max(0, STATE_BYTES - used)))
    return HumanMessage(_content(turn["content"]), id=id)


async def filled(given: Any) -> Any:
    """Return the input that a function has created, which may be a coroutine, as reading a file needs one."""
    return await given if isawaitable(given) else given


def message_of(turn: Message) -> AnyMessage:
    """Return a message of the conversation."""
    content = _content(turn["content"])
    return HumanMessage(content) if turn["role"] == "user" else AIMessage(content)


def _content(blocks: Sequence[Block]) -> Any:
    return text_or_parts(blocks, _part)


def _part(block: Block) -> dict[str, Any]:
    about = attached(block)
    if about is None:
        return {"type": "text", "text": block["text"]}
    made = {"base64": about["data"], "mime_type": about["mediaType"]}
    if "image" in block:
        return {"type": "image"} | made
    return {"type": "file", "filename": about.get("name") or "file.pdf"} | made
