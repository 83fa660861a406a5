"""Event numbers: one that a client has seen is never given to another event, whatever fails or dies, and the
output of a crashed run is kept once."""

import asyncio
import uuid
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from millrace.agent.budget import Budget
from millrace.domain import events
from millrace.domain.access import Principal
from millrace.domain.agents import ECHO
from millrace.domain.conversations import Slot
from millrace.domain.events import LogEntry
from millrace.domain.projection import settled
from millrace.domain.runs import LEASE_MS
from millrace.errors import Unavailable
from millrace.services.runs import lease_writer
from millrace.services.runs.follow import follow
from millrace.services.runs.models import Models
from millrace.services.runs.new_message import NewMessage, StartedRun
from millrace.services.runs.recover import give_up_lost_run
from millrace.services.runs.run_session import RunSession
from millrace.services.runs.send import send
from millrace.settings import Settings
from millrace.stores import leases
from millrace.stores.connect import Stores
from millrace.stores.event_log import is_last
from millrace.stores.lease_record import Stopping
from millrace.stores.runs import stream_of
from tests.aws import Aws
from tests.effort import effort, soak
from tests.services.live import inject
from tests.services.test_injection_states import Faulty

START = 1_800_000_000_000
BLOCK = 4
"""Numbers reserved at once in these tests, so that runs come to the end of them."""


class World:
    """One conversation; `seen` is what the client of the run under way was sent."""

    def __init__(self, environment: Settings) -> None:
        self.now = START
        self.aws = Faulty(environment.region)
        self.aws.faults = []
        self.stores = Stores.connect(environment, self.aws, clock=lambda: self.now)
        self.models = Models(environment, lambda: None)  # type: ignore[arg-type,return-value]
        self.caller = Principal(f"org-{uuid.uuid4().hex}", "user")
        self.slot = Slot(self.caller.organization, "c1")
        self.seen: list[LogEntry] = []
        self.said = 0

    async def begin(self) -> RunSession:
        started = await send(self.stores, self.models, self.caller, "c1", NewMessage("hello", "echo"))
        assert isinstance(started, StartedRun)
        self.seen = []
        return RunSession(self.stores, started.lease, Budget(ECHO.limits), started.pending_live_messages)

    def receive(self, session: RunSession) -> None:
        """The client reads what has been handed out."""
        self.seen += session.event_feed._events
        session.event_feed._events = []

    def say(self, session: RunSession, times: int = 1) -> str:
        words = ""
        for _ in range(times):
            self.said += 1
            words += f"word{self.said} "
            session.emit(events.token(f"word{self.said} "))
        self.receive(session)
        return words

    async def lose(self, session: RunSession) -> None:
        """The process dies, and somebody notices."""
        self.now += LEASE_MS + 1
        lease = await self.stores.leases.peek(self.slot)
        assert await give_up_lost_run(self.stores, self.slot, lease)

    async def log_of(self, run_id: str) -> list[LogEntry]:
        return await self.stores.log.read(stream_of(self.slot.organization, run_id))

    async def texts(self) -> list[str]:
        found, _ = await self.stores.messages.page(self.slot, 0, 100)
        return ["".join(block.get("text", "") for block in message.content) for _, message in found]


@pytest.fixture
def world(aws_environment: Aws, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(leases, "NUMBERS_AT_ONCE", BLOCK)
    return World(Settings.from_environment(aws_environment.environment("ConversationFunction")))


async def test_client_ahead_of_the_log_hears_the_end_of_a_lost_run(world: World) -> None:
    """The events that it saw were never logged: they are taken back, by numbers above them."""
    session = await world.begin()
    world.say(session, 3)
    last = world.seen[-1].seq
    assert last == 3
    await world.lose(session)
    rest = [event async for batch in follow(world.stores, session.run, last) for event in batch]
    assert [event.type for event in rest] == ["rewind", "start", "error"]
    assert rest[-1].event["code"] == "run_lost"
    assert rest[0].seq > last


async def test_events_beyond_the_reserved_numbers_wait_for_the_write_that_reserves_more(world: World) -> None:
    session = await world.begin()
    words = world.say(session, 3 * BLOCK)
    assert [event.seq for event in world.seen] == list(range(1, BLOCK + 1))
    await session._flush()
    world.receive(session)
    assert len(world.seen) == 2 * BLOCK
    await session.stop("stop")
    world.receive(session)
    assert [event.seq for event in world.seen] == list(range(1, 3 * BLOCK + 2))
    assert "".join(event.event["token"] for event in world.seen[:-1]) == words
    assert await world.log_of(session.run.id) == world.seen


async def test_event_during_the_last_write_takes_no_number_of_the_end(world: World) -> None:
    """A tool that was left behind speaks while the run's end is on its way to the store."""
    session = await world.begin()
    world.say(session)
    write = world.stores.run_ends.end

    async def slow(*given: Any, **named: Any) -> None:
        world.say(session)
        await write(*given, **named)

    world.stores.run_ends.end = slow  # type: ignore[method-assign]
    await session.stop("stop")
    world.receive(session)
    assert [(event.seq, event.type) for event in world.seen] == [(1, "token"), (2, "done")]
    assert await world.log_of(session.run.id) == world.seen


async def test_run_that_is_stopped_in_a_burst_ends_all_the_same(world: World) -> None:
    """More events than one write holds are still to be logged when the stop is noticed."""
    session = await world.begin()
    world.say(session, 500)
    assert await world.stores.leases.request_stop(world.slot, "stopped") == session.run.id
    with pytest.raises(Stopping):
        await session._flush()
    await session.stop("stopped")
    logged = await world.log_of(session.run.id)
    assert [event.seq for event in logged] == list(range(1, 502))
    assert logged[-1].event["finishReason"] == "stopped"


async def test_write_whose_answer_was_lost_before_a_stop_is_logged_once(world: World) -> None:
    session = await world.begin()
    world.say(session, 3)
    world.aws.faults = ["after"]
    write = world.stores.leases.write

    async def stopped_meanwhile(*given: Any, **named: Any) -> None:
        try:
            await write(*given, **named)
        except Unavailable:
            await world.stores.leases.request_stop(world.slot, "stopped")
            raise

    world.stores.leases.write = stopped_meanwhile  # type: ignore[method-assign]
    await session._flush()
    await session.stop("stopped")
    assert [event.seq for event in await world.log_of(session.run.id)] == [1, 2, 3, 4]


async def test_text_that_was_saved_before_a_crash_is_not_stored_again(world: World) -> None:
    session = await world.begin()
    first = world.say(session, 2 * BLOCK)
    session.add("assistant", [{"text": first}])
    await inject(world.stores, world.slot, "live")
    assert [message.content for message in await session.drain(2)] == [[{"text": "live"}]]
    second = world.say(session, 2)
    await session._flush()
    await session._flush()  # the first reserved the numbers
    await world.lose(session)
    assert await world.texts() == ["hello", first, "live", second]


class Numbers(RuleBasedStateMachine):
    """A run that speaks, writes, takes live messages, ends or dies, with faults on the store."""

    environment: Settings

    @initialize()
    def begin(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.world = World(self.environment)
        self.session: RunSession | None = None
        self.unsaved = ""
        self.text: list[str] = []

    def teardown(self) -> None:
        if hasattr(self, "loop"):
            self.world.aws.close()
            self.loop.close()

    def run(self, work: Any) -> Any:
        return self.loop.run_until_complete(work)

    @precondition(lambda self: self.session is None)
    @rule()
    def send_a_message(self) -> None:
        async def begin() -> RunSession:
            return await self.world.begin()

        self.session = self.run(begin())
        self.text, self.unsaved = [], ""

    @precondition(lambda self: self.session is not None)
    @rule(times=st.integers(1, 2 * BLOCK))
    def speak(self, times: int) -> None:
        assert self.session is not None
        self.unsaved += self.world.say(self.session, times)

    @precondition(lambda self: self.session is not None)
    @rule(faults=st.lists(st.sampled_from(["none", "before", "after"]), max_size=2))
    def write(self, faults: list[str]) -> None:
        assert self.session is not None
        self.world.aws.faults = list(faults)
        self.run(self.session._flush())
        self.world.aws.faults = []
        self.world.receive(self.session)

    @precondition(lambda self: self.session is not None and self.unsaved)
    @rule(faults=st.lists(st.sampled_from(["none", "before", "after"]), max_size=2))
    def finish_a_turn_and_take_a_live_message(self, faults: list[str]) -> None:
        assert self.session is not None
        self.run(inject(self.world.stores, self.world.slot, "live"))
        self.session.add("assistant", [{"text": self.unsaved}])
        self.world.aws.faults = list(faults)
        self.run(self.session.drain(2))
        self.world.aws.faults = []
        self.world.receive(self.session)
        self.text, self.unsaved = [*self.text, self.unsaved], ""

    @precondition(lambda self: self.session is not None)
    @rule(faults=st.lists(st.sampled_from(["none", "before", "after"]), max_size=2))
    def end(self, faults: list[str]) -> None:
        assert self.session is not None
        self.world.aws.faults = list(faults)
        self.run(self.session.stop("stop"))
        self.world.aws.faults = []
        self.world.receive(self.session)
        assert self.run(self.world.log_of(self.session.run.id)) == self.world.seen
        self.session = None

    @precondition(lambda self: self.session is not None)
    @rule()
    def die(self) -> None:
        """The client resumes with the last id that it saw: it hears the end, and nothing twice."""
        assert self.session is not None
        run = self.session.run
        self.run(self.world.lose(self.session))
        seen = {event.seq: event.event for event in self.world.seen}
        logged = self.run(self.world.log_of(run.id))
        numbers = [event.seq for event in logged]
        assert numbers == sorted(set(numbers))
        assert is_last(logged[-1])
        assert logged[-1].seq > max(seen, default=0)
        assert all(seen.get(event.seq, event.event) == event.event for event in logged)
        client = [event for event in self.world.seen if event.seq < logged[-1].seq]
        rest = [event for event in logged if event.seq > max(seen, default=0)]
        assert settled([*client, *rest]) == settled(logged)
        said = "".join(event.event["token"] for event in logged if event.type == "token")
        kept = " ".join(self.run(self.world.texts())).split()
        words = [word for word in kept if word.startswith("word")]
        assert len(words) == len(set(words))
        assert set(words) >= {*said.split(), *"".join(self.text).split()}
        self.session = None


@soak
@pytest.mark.timeout(effort(120, 900))
def test_event_numbers_that_were_seen_are_not_reused(
    aws_environment: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease_writer, "RETRY_SECONDS", 0)
    monkeypatch.setattr(leases, "NUMBERS_AT_ONCE", BLOCK)
    environment = aws_environment.environment("ConversationFunction")
    Numbers.environment = Settings.from_environment(environment)
    machine = settings(
        max_examples=effort(8, 150),
        stateful_step_count=10,
        deadline=None,
        phases=[Phase.explicit, Phase.reuse, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(Numbers, settings=machine)
