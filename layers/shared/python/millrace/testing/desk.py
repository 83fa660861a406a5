"""An in-memory desk for calls that wait for people."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

from msgspec import field

from millrace.agent.emitter import Emitter
from millrace.domain.access import Principal
from millrace.domain.agents import Agent
from millrace.domain.approvals import WaitingCall
from millrace.domain.conversations import Slot
from millrace.domain.runs import Run
from millrace.services.runs.asking import AskingGate, Desk
from millrace.services.runs.run_work import RunWork
from millrace.stores.connect import Stores

LONGEST = 30 * 24 * 3600


class MemoryDesk(Desk):
    """Keeps the calls by their ids."""

    calls: dict[str, WaitingCall] = field(default_factory=dict)

    @classmethod
    def of(cls, agent: Agent, clock: Callable[[], int]) -> "MemoryDesk":
        """Return the desk of an agent's runs."""
        run = Run(
            id="run", slot=Slot("test", "conversation"), agent_id=agent.id, agent_name=agent.name,
            model=agent.model, visibility=agent.visibility, state="running", started_at="",
            message_id="answer",
        )  # fmt: skip
        calls: dict[str, WaitingCall] = {}
        stores = SimpleNamespace(clock=clock, approvals=_Approvals(calls))
        session = SimpleNamespace(run=run, note_step=lambda event: None, bus=_Silent())
        return cls(cast(Stores, stores), cast(RunWork, session), LONGEST, calls=calls)

    async def known(self) -> dict[str, WaitingCall]:
        """See `Desk`."""
        return self.calls

    def ask(self, call: WaitingCall) -> None:
        """See `Desk`."""
        self.calls[call.call_id] = call

    @property
    def full(self) -> bool:
        """See `Desk`."""
        return False


class _Silent:
    """A bus without listeners."""

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *_, **__: None


class _Approvals:
    """Expires calls (see `stores.approvals`)."""

    def __init__(self, calls: dict[str, WaitingCall]) -> None:
        self._calls = calls

    async def expire(self, call: WaitingCall, now_ms: int) -> None:
        """Do nothing, as only one process writes here."""


def gate_of(desk: MemoryDesk, agent: Agent, user: Principal, emitter: Emitter) -> Any:
    """Return the gate of an agent, as runs have it."""
    return AskingGate(desk, agent, user, emitter)
