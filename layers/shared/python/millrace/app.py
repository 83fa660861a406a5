"""Your own tools and agents: all that the code in `app/` needs of Millrace.

    from millrace.app import AgentContext, ToolContext, agent, status, tool

See docs/agents.md.
"""

from millrace.agent.code.agent import InvalidAgent, agent
from millrace.agent.code.attachments import Attachment
from millrace.agent.code.context import AgentContext, ToolAnswer
from millrace.agent.said import log, status, thought, token
from millrace.agent.tools.own import InvalidTool, tool
from millrace.agent.tools.tool import Secrets, ToolContext, ToolResult
from millrace.domain.access import Principal
from millrace.errors import ProviderError, ToolError

__all__ = [
    "AgentContext",
    "Attachment",
    "InvalidAgent",
    "InvalidTool",
    "Principal",
    "ProviderError",
    "Secrets",
    "ToolAnswer",
    "ToolContext",
    "ToolError",
    "ToolResult",
    "agent",
    "log",
    "status",
    "thought",
    "token",
    "tool",
]
