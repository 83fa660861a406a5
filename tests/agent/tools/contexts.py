"""A run's context for the tests of tools."""

from typing import Any

from msgspec.structs import replace

from millrace.agent.model import ToolCall
from millrace.agent.tools.tool import ToolContext
from millrace.domain.access import Principal
from millrace.settings import Settings


def context(**changes: Any) -> ToolContext:
    settings = Settings(region="eu-central-1", allow_loopback_http=True)
    plain = ToolContext("org", "conversation", "run", "agent", settings, Principal("org", "user"))
    return replace(plain, **changes)


def call(name: str, arguments: dict[str, Any] | None = None, raw: str = "") -> ToolCall:
    return ToolCall(f"id-{name}", name, {} if arguments is None and not raw else arguments, raw)
