"""The state before a new message: read in one round trip, and checked against the sender's access."""

import asyncio
from collections.abc import Sequence

from msgspec import Struct

from millrace.domain.access import Principal
from millrace.domain.agents import Agent
from millrace.domain.conversations import Conversation, Slot
from millrace.domain.limits import Level, Standing
from millrace.errors import InvalidRequest
from millrace.services.runs.access import access_target, check_access, is_others
from millrace.stores.admissions import Admission
from millrace.stores.connect import Stores
from millrace.stores.conversations import ConversationSnapshot
from millrace.stores.dynamo import TransactItem
from millrace.stores.idempotency import Repeated


class InitialState(Struct, frozen=True):
    """The state before a run begins.

    `repeated` is the earlier use of the idempotency key. `agent` is None if it is unknown, or for a replay,
    which needs none. `owner` is the user whose conversation it is or will be, and `exists` tells whether it
    already exists. `standing` is the sender's usage of the limits, `noted` the entry of the audit log for
    another user's conversation, and `moment` the time before the read (see `BegunSlots`).
    """

    snapshot: ConversationSnapshot
    repeated: Repeated | None
    agent: Agent | None
    owner: str
    exists: bool
    standing: Standing
    noted: Sequence[TransactItem] = ()
    moment: int = 0

    def required_agent(self) -> Agent:
        """Return the agent. Raises `InvalidRequest` for a new conversation without one."""
        if self.agent is None:
            raise InvalidRequest("A new conversation needs an agentId.", code="agent_required")
        return self.agent


async def load_initial_state(
    stores: Stores,
    caller: Principal,
    slot: Slot,
    agent_id: str | None,
    idempotency_key: str | None,
    default_agent_id: str | None = None,
    run: Admission | None = None,
) -> InitialState:
    """Load the state, and count the `run` for limits. Takes one round trip.

    It takes another one if the conversation's agent is not cached, if a new conversation gets a default agent
    that is not built in, or if agents are limited and the message names none. Raises `NotFound` or
    `Forbidden` for a conversation that the caller may not write to.
    """
    moment = stores.leases.begun.now
    keys: dict[Level, str] = {"organization": "", "user": caller.id}
    if agent_id:
        keys["agent"] = agent_id
    snapshot, repeated, found, root, standing = await asyncio.gather(
        stores.conversations.open(slot),
        load_repeated(stores, slot, idempotency_key),
        _agent(stores, slot, agent_id),
        _parent(stores, slot),
        stores.limits.standing(slot.organization, keys, run),
    )
    owned = root or snapshot.conversation
    if owned:
        check_access(caller, owned, "write")
    known = snapshot.conversation or root
    wanted = (known.agent_id if known else None) or default_agent_id
    if found is None and wanted and not repeated:
        found = await stores.agents.get(slot.organization, wanted)
    if found and not agent_id and standing.control.limits.agent.any:
        standing = await _standing_of_agent(stores, slot, standing, keys | {"agent": found.id}, run)
    owner = owned.created_by if owned else caller.id
    others = owned and is_others(caller, owned)
    noted = stores.audit.access(caller, access_target(owned)) if owned and others else ()
    return InitialState(snapshot, repeated, found, owner, bool(owned), standing, noted, moment)


async def _standing_of_agent(
    stores: Stores, slot: Slot, seen: Standing, keys: dict[Level, str], run: Admission | None
) -> Standing:
    if seen.refused:
        return seen
    return await stores.limits.standing(slot.organization, keys, run)


async def _agent(stores: Stores, slot: Slot, agent_id: str | None) -> Agent | None:
    if agent_id:
        return await stores.agents.get(slot.organization, agent_id)
    await stores.agents.warm(slot.organization)
    return None


async def _parent(stores: Stores, slot: Slot) -> Conversation | None:
    return await stores.conversations.find(slot.root()) if slot.thread_id else None


async def load_repeated(stores: Stores, slot: Slot, idempotency_key: str | None) -> Repeated | None:
    """Return the earlier use of an idempotency key in a slot, if there was one."""
    return await stores.leases.earlier_use(slot, idempotency_key) if idempotency_key else None
