"""The built-in tool that searches earlier conversations."""

from typing import Annotated

from pydantic import Field

from millrace.agent.tools.function import repeatable
from millrace.agent.tools.tool import SearchHit, ToolContext, ToolResult, one_line
from millrace.errors import NotImplementedHere

HIT_LIMIT = 1000


@repeatable
async def search_conversations(
    query: Annotated[str, Field(min_length=1, max_length=500)],
    context: ToolContext,
    limit: Annotated[int, Field(ge=1, le=20)] = 5,
) -> ToolResult:
    """Search earlier conversations for messages about something.

    Args:
        query: Words to look for.
        limit: How many messages to return at most.
    """
    if context.search_conversations is None:
        raise NotImplementedHere("This deployment does not support searching conversations.")
    hits = list(await context.search_conversations(query, limit))[:limit]
    summary = f"{len(hits)} message{'' if len(hits) == 1 else 's'} about {query}"
    return ToolResult(
        ok=True, text="\n\n".join(map(_hit_text, hits)) or "Nothing was found.", summary=summary
    )


def _hit_text(hit: SearchHit) -> str:
    text = one_line(hit.text, HIT_LIMIT)
    return f"[{hit.created_at}, conversation {hit.conversation_id}, {hit.role}] {text}"
