"""The built-in tools by which an agent remembers things about its user for later conversations."""

from typing import Annotated

from pydantic import Field

from millrace.agent.tools.tool import Memories, ToolContext, ToolResult
from millrace.domain.ids import valid_id
from millrace.domain.memories import MEMORY_BYTES
from millrace.errors import InvalidRequest, NotImplementedHere

Name = Annotated[str, Field(max_length=128)]


async def remember(
    text: Annotated[str, Field(min_length=1, max_length=MEMORY_BYTES)], context: ToolContext, name: Name = ""
) -> ToolResult:
    """Remember something about the user for all later conversations.

    Args:
        text: What to remember, as a sentence that says it without this conversation.
        name: A short name such as `diet`; what was remembered under it before is replaced.
    """
    if len(text.encode()) > MEMORY_BYTES:
        raise InvalidRequest(f"A memory must not exceed {MEMORY_BYTES:,} bytes.", code="invalid_arguments")
    if name and not valid_id(name):
        raise InvalidRequest("name must consist of A-Z a-z 0-9 _ . : ~ -.", code="invalid_arguments")
    made = await _memories(context).remember(context.agent_id, text, name)
    return ToolResult(ok=True, text=f"Remembered as {made.id}.", summary=f"Remembered {made.id}")


async def recall(
    context: ToolContext,
    query: Annotated[str, Field(max_length=500)] = "",
    limit: Annotated[int, Field(ge=1, le=50)] = 10,
) -> ToolResult:
    """Recall what was remembered about the user.

    Args:
        query: Words to look for; empty for the latest memories.
        limit: How many memories to return at most.
    """
    found = await _memories(context).recall(context.agent_id, query, limit)
    text = "\n".join(f"[{one.id}, {one.updated_at}] {one.text}" for one in found)
    count = f"{len(found)} {'memory' if len(found) == 1 else 'memories'}"
    return ToolResult(ok=True, text=text or "Nothing is remembered about this.", summary=count)


async def forget(id: Annotated[str, Field(min_length=1, max_length=128)], context: ToolContext) -> ToolResult:
    """Forget one memory about the user for good.

    Args:
        id: The id or name of the memory, as `recall` shows it.
    """
    if not await _memories(context).forget(context.agent_id, id):
        raise InvalidRequest(f"No memory has the id {id!r}.", code="invalid_arguments")
    return ToolResult(ok=True, text=f"Forgot {id}.", summary=f"Forgot {id}")


def _memories(context: ToolContext) -> Memories:
    if context.memories is None:
        raise NotImplementedHere("This deployment does not support memories.")
    return context.memories
