"""Live messages with every order of injecting, draining, ending, withdrawing, expiring and crashing, and with
AWS calls that fail before or after they took effect: accepted = taken + expired + withdrawn, none twice.
"""

import asyncio
import uuid
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from millrace.agent.budget import Budget
from millrace.domain.access import Principal
from millrace.domain.agents import ECHO
from millrace.domain.conversations import Slot
from millrace.domain.runs import INJECTION_TTL_MS, LEASE_MS
from millrace.errors import Conflict, NotFound, Unavailable
from millrace.services.runs import lease_writer
from millrace.services.runs.inject import withdraw
from millrace.services.runs.models import Models
from millrace.services.runs.new_message import NewMessage, StartedRun
from millrace.services.runs.recover import give_up_lost_run
from millrace.services.runs.run_session import RunSession
from millrace.services.runs.send import send
from millrace.settings import Settings
from millrace.stores.aws import Aws as AwsClients
from millrace.stores.connect import Stores
from tests.aws import Aws
from tests.effort import effort, soak
from tests.services.live import inject

START = 1_800_000_000_000


class Faulty(AwsClients):
    """AWS whose next transactions fail as told: `before` they take effect, or `after` (no answer came)."""

    faults: list[str]

    async def call(self, service: str, operation: str, **parameters: Any) -> dict[str, Any]:
        fault = self.faults.pop(0) if operation == "transact_write_items" and self.faults else "none"
        if fault == "before":
            raise Unavailable("lost on the way")
        answer = await super().call(service, operation, **parameters)
        if fault == "after":
            raise Unavailable("its answer was lost")
        return answer


class LiveMessages(RuleBasedStateMachine):
    """One conversation; the model is what clients were told."""

    environment: Settings

    @initialize()
    def begin(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.now = START
        self.aws = Faulty(self.environment.region)
        self.aws.faults = []
        self.stores = Stores.connect(self.environment, self.aws, clock=lambda: self.now)
        self.models = Models(self.environment, lambda: None)  # type: ignore[arg-type,return-value]
        self.caller = Principal(f"org-{uuid.uuid4().hex}", "user")
        self.slot = Slot(self.caller.organization, "c1")
        self.session: RunSession | None = None
        self.iteration = 0
        self.accepted: dict[str, int] = {}
        self.withdrawn: set[str] = set()
        self.count = 0

    def teardown(self) -> None:
        if hasattr(self, "loop"):
            try:
                self._everything_accounted_for()
            finally:
                self.aws.close()
                self.loop.close()

    def run(self, work: Any) -> Any:
        return self.loop.run_until_complete(work)

    # --- what may happen ---------------------------------------------------------------------------

    @precondition(lambda self: self.session is None)
    @rule()
    def send_a_message(self) -> None:
        self.session = self.run(self._begin_run())
        self.iteration = 0

    async def _begin_run(self) -> RunSession:
        started = await send(
            self.stores, self.models, self.caller, "c1", NewMessage("hello", "echo", if_busy="reject")
        )
        assert isinstance(started, StartedRun)
        return RunSession(self.stores, started.lease, Budget(ECHO.limits), started.pending_live_messages)

    @rule(faults=st.lists(st.sampled_from(["none", "before"]), max_size=1))
    def inject(self, faults: list[str]) -> None:
        self.aws.faults = list(faults)
        self.count += 1
        try:
            made = self.run(inject(self.stores, self.slot, f"live {self.count}"))
        except (Conflict, NotFound, Unavailable):
            return
        finally:
            self.aws.faults = []
        self.accepted[made.id] = made.expires_ms

    @precondition(lambda self: self.accepted)
    @rule(data=st.data())
    def withdraw(self, data: st.DataObject) -> None:
        message_id = data.draw(st.sampled_from(sorted(self.accepted)))
        try:
            self.run(withdraw(self.stores, self.slot, message_id))
        except (NotFound, Conflict):
            return
        assert message_id not in self.withdrawn
        self.withdrawn.add(message_id)

    @precondition(lambda self: self.session is not None)
    @rule(faults=st.lists(st.sampled_from(["none", "before", "after"]), max_size=3))
    def iterate(self, faults: list[str]) -> None:
        assert self.session is not None
        self.aws.faults = list(faults)
        self.iteration += 1
        self.run(self.session.drain(self.iteration))
        self.session.add("assistant", [{"text": f"answer {self.iteration}"}])
        self.aws.faults = []

    @precondition(lambda self: self.session is not None and self.iteration > 0)
    @rule(faults=st.lists(st.sampled_from(["none", "before", "after"]), max_size=2))
    def try_to_end(self, faults: list[str]) -> None:
        assert self.session is not None
        self.aws.faults = list(faults)
        if self.run(self.session.may_end("stop")):
            self.session = None
        self.aws.faults = []

    @precondition(lambda self: self.session is not None)
    @rule()
    def reach_a_limit(self) -> None:
        assert self.session is not None
        self.run(self.session.stop("max_tokens"))
        self.session = None

    @precondition(lambda self: self.session is not None)
    @rule()
    def crash(self) -> None:
        self.session = None
        self.now += LEASE_MS + 1
        lease = self.run(self.stores.leases.peek(self.slot))
        assert self.run(give_up_lost_run(self.stores, self.slot, lease))

    @rule(part=st.sampled_from([0.1, 0.5, 1.1]))
    def time_passes(self, part: float) -> None:
        """Up to eleven minutes; a run that is alive renews its lease."""
        self.now += round(INJECTION_TTL_MS * part)
        if self.session is not None:
            self.run(self.stores.leases.write(self.session.lease, []))

    # --- what must hold ----------------------------------------------------------------------------

    def drained(self) -> list[str]:
        messages, more = self.run(self.stores.messages.page(self.slot, 0, 1000))
        assert not more
        return [message.id for _, message in messages if message.injected]

    @invariant()
    def none_is_taken_twice_or_out_of_order_or_after_withdrawal(self) -> None:
        if not hasattr(self, "loop"):
            return
        drained = self.drained()
        assert len(drained) == len(set(drained))
        assert not set(drained) & self.withdrawn
        expected = [message_id for message_id in self.accepted if message_id in set(drained)]
        assert [message_id for message_id in drained if message_id in self.accepted] == expected

    def _everything_accounted_for(self) -> None:
        if self.session is None:
            self.session = self.run(self._begin_run())
            self.iteration = 0
        self.run(self.session.drain(self.iteration + 2))
        drained = set(self.drained())
        for message_id, expires_ms in self.accepted.items():
            expired = expires_ms <= self.now
            assert message_id in drained | self.withdrawn or expired, message_id


@soak
@pytest.mark.timeout(effort(120, 900))
def test_every_accepted_live_message_is_taken_once_or_withdrawn_or_expires(
    aws_environment: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease_writer, "RETRY_SECONDS", 0)
    environment = aws_environment.environment("ConversationFunction")
    LiveMessages.environment = Settings.from_environment(environment)
    machine = settings(
        max_examples=effort(15, 300),
        stateful_step_count=30,
        deadline=None,
        phases=[
            Phase.explicit,
            Phase.reuse,
            Phase.generate,
        ],  # shrinking would take minutes of real AWS calls
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(LiveMessages, settings=machine)
