"""A request to an agent's A2A interface."""

from msgspec import Struct

from millrace.domain.access import Principal
from millrace.domain.agents import Agent


class Call(Struct, frozen=True):
    """The caller of a request, the agent whose interface was called, the last event that the client has seen,
    and the function's deadline."""

    caller: Principal
    agent: Agent
    last_event_id: str = ""
    deadline: float | None = None
