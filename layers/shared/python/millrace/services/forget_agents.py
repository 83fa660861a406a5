"""Deletion of the memories of deleted agents: immediately, or by the sweep of every minute."""

import logging

from millrace.services.runs.sweep_time import sweep_time
from millrace.stores.connect import Stores
from millrace.stores.forgotten_agents import AgentIsBack, ForgottenAgent, user_key

log = logging.getLogger(__name__)
SWEPT_AT_ONCE = 100


async def forget_agent(stores: Stores, organization: str, agent_id: str) -> None:
    """Delete all memories of a deleted agent, continuing where an earlier attempt ended."""
    gone = await stores.forgotten_agents.pending(organization, agent_id)
    if gone:
        await _forget(stores, gone)


async def sweep_forgotten(stores: Stores) -> int:
    """Continue deletions that were interrupted or took too long, and return how many were finished.

    One that fails is logged and left for the next sweep.
    """
    finished = 0
    async with sweep_time():
        for gone in await stores.forgotten_agents.unfinished(SWEPT_AT_ONCE):
            finished += await _finished(stores, gone)
    return finished


async def _finished(stores: Stores, gone: ForgottenAgent) -> bool:
    try:
        await _forget(stores, gone)
    except Exception:
        log.exception("the memories of %s of %s are not deleted yet", gone.agent_id, gone.organization)
        return False
    return True


async def _forget(stores: Stores, gone: ForgottenAgent) -> None:
    try:
        async for users in stores.forgotten_agents.users(gone):
            for user in users:
                keys = await stores.memories.keys(gone.organization, user, gone.agent_id)
                # The user stays listed until the memories are deleted, so that a repeated call finds the
                # rest.
                await stores.forgotten_agents.delete(gone, keys)
                await stores.forgotten_agents.delete(gone, [user_key(gone.organization, gone.agent_id, user)])
    except AgentIsBack:
        log.info("the agent %s of %s was created again", gone.agent_id, gone.organization)
    await stores.forgotten_agents.finish(gone)
