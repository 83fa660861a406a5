"""Writes whose response is lost: botocore repeats them, and their condition meets the first write. Each one
succeeds, whereas a refusal because of somebody else's write remains one."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
from msgspec.structs import replace

from millrace.domain.access import Principal
from millrace.domain.agents import Agent
from millrace.domain.alerts import AlertRule
from millrace.domain.conversations import Conversation, Slot
from millrace.domain.flows import Flow
from millrace.errors import Conflict, NotFound, Unauthenticated
from millrace.settings import Settings
from millrace.stores.alerts import AlertStore
from millrace.stores.connect import Stores
from millrace.stores.delivery_state import DeliveryState, DestinationKey
from millrace.stores.dynamo import ConditionFailed, Dynamo, put, put_when, update
from millrace.stores.flows import FlowStore
from millrace.stores.repeated_writes import retries_of, was_applied
from millrace.stores.tickets import Client, Ticket, TicketStore
from tests.aws import Aws
from tests.fakes.lost_answers import LosingAnswers
from tests.services.delivery.delivering import resources

NOW, LATER = "2026-01-01T00:00:00.000Z", "2026-01-02T00:00:00.000Z"
USER = Client("a browser", "192.0.2.1")


@dataclass
class World:
    """The stores of a deployment where the answer to every write is lost once."""

    aws: LosingAnswers
    settings: Settings
    stores: Stores
    organization: str
    now: int = 1_800_000_000_000

    def tickets(self) -> TicketStore:
        return TicketStore(self.aws, self.settings.tickets_table, lambda: self.now)


@pytest.fixture
async def world(aws_environment: Aws) -> AsyncIterator[World]:
    names = ("FlowsFunction", "VoiceFunction", "ApiFunction", "CommandCenterFunction", "ConversationFunction")
    environment = {name: value for one in names for name, value in aws_environment.environment(one).items()}
    settings = Settings.from_environment(environment)
    aws = LosingAnswers(settings.region)
    made = World(aws, settings, Stores.connect(settings, aws), f"org-{uuid.uuid4().hex[:12]}")
    yield made
    assert aws.lost > 0
    await asyncio.to_thread(aws.close)


async def test_ticket_is_used_by_whoever_used_it(world: World) -> None:
    ticket = Ticket(Principal(world.organization, "ann"), "GET", "/api/voice/tts/stream", {"text": "Hi"})
    secret, _ = await world.tickets().issue(ticket)
    assert (await world.tickets().use(secret, ticket.path)).body == {"text": "Hi"}
    with pytest.raises(Unauthenticated):
        await world.tickets().use(secret, ticket.path)
    with pytest.raises(Unauthenticated):
        await world.tickets().open(secret, ticket.path, USER)


async def test_stream_is_opened_by_whoever_opened_it(world: World) -> None:
    ticket = Ticket(Principal(world.organization, "ann"), "GET", "/api/command-center/stream", None)
    secret, _ = await world.tickets().issue(ticket)
    await world.tickets().open(secret, ticket.path, USER)
    with pytest.raises(Unauthenticated):
        await world.tickets().open(secret, ticket.path, replace(USER, agent="another"))
    with pytest.raises(Unauthenticated):
        await world.tickets().use(secret, ticket.path)


async def test_conversation_is_created_once(world: World) -> None:
    slot = Slot(world.organization, "c1")
    conversation = Conversation("c1", "echo", "Mine", NOW, NOW, "ann")
    await world.stores.conversations.create(slot, conversation)
    with pytest.raises(Conflict):
        await world.stores.conversations.create(slot, replace(conversation, created_by="bob"))


async def test_agent_is_created_changed_and_deleted_once(world: World) -> None:
    agents = world.stores.agents
    agent = Agent(id="mine", name="Mine", created_at=NOW, updated_at=NOW)
    changed = agent.model_copy(update={"name": "Ours", "updated_at": LATER})
    await agents.create(world.organization, agent)
    with pytest.raises(Conflict):
        await agents.create(world.organization, changed)
    await agents.replace(world.organization, changed, NOW)
    with pytest.raises(Conflict):
        await agents.replace(world.organization, agent, NOW)
    await agents.delete(world.organization, "mine")
    with pytest.raises(NotFound):
        await agents.get(world.organization, "mine")


async def test_flow_is_created_changed_and_deleted_once(world: World) -> None:
    flows = FlowStore(Dynamo(world.aws), world.settings.flows_table)
    steps: Any = [{"name": "said", "type": "agent", "agentId": "echo", "message": "input"}]
    flow = Flow.model_validate({"name": "mine", "steps": steps, "createdAt": NOW, "updatedAt": NOW})
    await flows.create(world.organization, flow)
    with pytest.raises(Conflict):
        await flows.create(world.organization, flow.model_copy(update={"updated_at": LATER}))
    await flows.replace(world.organization, flow.model_copy(update={"updated_at": LATER}), NOW)
    await flows.delete(world.organization, "mine")


async def test_alert_rule_is_created_and_changed_once(world: World) -> None:
    alerts = AlertStore(world.aws, world.settings.alerts_table)
    rule = AlertRule.model_validate(
        {"id": "r", "name": "R", "metric": "error_rate", "threshold": 0.3, "window": 60_000}
        | {"createdAt": NOW, "updatedAt": NOW}
    )
    await alerts.create(world.organization, rule)
    await alerts.replace(world.organization, rule.model_copy(update={"updated_at": LATER}), NOW)
    with pytest.raises(Conflict):
        await alerts.replace(world.organization, rule, NOW)


async def test_memory_is_forgotten_once(world: World) -> None:
    memories = world.stores.memories
    made = await memories.put(world.organization, "ann", "echo", "m1", "Likes tea.")
    await memories.delete(world.organization, "ann", "echo", made.id)
    assert await memories.of_agent(world.organization, "ann", "echo") == []


async def test_event_is_claimed_by_one(world: World, aws_environment: Aws) -> None:
    with resources(aws_environment) as made:
        state = DeliveryState(Dynamo(world.aws), made["DELIVERY_TABLE"], lambda: world.now)
        place = DestinationKey(world.organization, "pipe", "0-abc")
        assert await state.claim(place, "e1") == "claimed"
        assert await state.claim(place, "e1") == "busy"


def refused(item: dict[str, Any] | None, attempts: int = 1) -> dict[str, Any]:
    found = {"Item": item} if item is not None else {}
    return found | {"ResponseMetadata": {"RetryAttempts": attempts}}


def test_only_a_repeated_write_whose_result_is_there_was_applied() -> None:
    new = put("t", {"pk": "p", "sk": "s", "n": 1.0, "text": "x"}, new=True)
    same = {"pk": {"S": "p"}, "sk": {"S": "s"}, "n": {"N": "1"}, "text": {"S": "x"}}
    assert was_applied(new, refused(same))
    assert (retries_of(refused(same)), retries_of(refused(same, attempts=0))) == (1, 0)
    assert not was_applied(new, refused(same | {"text": {"S": "another's"}}))
    assert not was_applied(new, refused(None))
    counted = update("t", {"pk": "p", "sk": "s"}, "SET n = n + :one", "n = :zero", one=1, zero=0)
    assert not was_applied(counted, refused(same))  # who has counted cannot be told
    key = {"pk": "p", "sk": "s"}
    plain = update("t", key, "SET text = :x REMOVE old, older", "attribute_exists(old)", x="x")
    assert was_applied(plain, refused(same))
    assert not was_applied(plain, refused(same | {"older": {"N": "1"}}))


async def test_anothers_write_stays_a_refusal(world: World) -> None:
    table = world.settings.conversations_table
    item = {"pk": f"{world.organization}#c", "sk": "META", "version": 1}
    await Dynamo(world.aws).write(put(table, item, new=True))
    with pytest.raises(ConditionFailed):
        await Dynamo(world.aws).write(put_when(table, item | {"version": 3}, "version = :seen", seen=2))
