"""The agents that a run's agent may ask, as they were when the run began.

Neither an edit nor a deployment changes an active run.
"""

import asyncio
from collections.abc import Iterable, Mapping

from millrace.agent.suspension import Interrupted
from millrace.domain.agents import Agent
from millrace.domain.run_definitions import DEEPEST
from millrace.errors import InvalidRequest, NotFound, Unavailable
from millrace.services.runs.platform import Platform
from millrace.services.runs.run_work import RunWork
from millrace.services.runs.tool_rules import asked_by
from millrace.stores.agents import unknown_agent
from millrace.stores.lease_record import LeaseLost

MOST_AGENTS = 64
"""The maximum number of agents that a run stores, each as an item of up to 256 KB."""


class RunAgents:
    """The agents by id.

    They are read and stored during the first model call, and no agent is asked before that is done. `stored`
    are those that an earlier process has stored.
    """

    def __init__(
        self, platform: Platform, session: RunWork, stored: Mapping[str, Agent] | None = None
    ) -> None:
        self._platform = platform
        self._session = session
        self._found = dict(stored or {})
        self._too_many = False
        self._task: asyncio.Task[None] | None = None
        self._all_read: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def take_along(self, agent_ids: Iterable[str]) -> None:
        """Begin to read these agents, and all that they may ask."""
        wanted = set(agent_ids)
        if wanted:
            self._task = asyncio.create_task(self._read(wanted))
            self._task.add_done_callback(lambda task: task.cancelled() or task.exception())

    async def get(self, agent_id: str) -> Agent:
        """Return an agent. Raises `NotFound` if it did not exist when the run began, or `Interrupted`."""
        if self._task is not None:
            try:
                await asyncio.shield(self._task)
            except (LeaseLost, Unavailable) as error:
                raise Interrupted(error) from error
        if agent_id in self._found:
            return self._found[agent_id]
        if self._too_many:
            raise InvalidRequest(f"The agents of a run may ask at most {MOST_AGENTS} other agents in total.")
        raise unknown_agent(agent_id)

    async def early(self, agent_id: str) -> Agent:
        """Return an agent like `get`, but before the agents are stored. Its turns are stored after them."""
        if self._task is not None:
            await asyncio.wait({self._task, self._all_read}, return_when=asyncio.FIRST_COMPLETED)
        if self._all_read.done() and agent_id in self._found:
            return self._found[agent_id]
        return await self.get(agent_id)

    async def _read(self, wanted: set[str]) -> None:
        new: list[Agent] = []
        for _ in range(DEEPEST):
            missing = sorted(wanted - self._found.keys())
            room = MOST_AGENTS - len(self._found)
            self._too_many = self._too_many or len(missing) > room
            read = await asyncio.gather(*(self._agent(one) for one in missing[:room]))
            found = [agent for agent in read if agent is not None]
            new += found
            self._found |= {agent.id: agent for agent in found}
            reached = [self._found[one] for one in wanted if one in self._found]
            wanted = {one for agent in reached for one in asked_by(agent)}
        # Waiters continue as soon as the write below waits for its turn.
        self._all_read.set_result(None)
        if new:
            await self._session.keep_agents(new)

    async def _agent(self, agent_id: str) -> Agent | None:
        try:
            organization = self._session.run.slot.organization
            agent = await self._platform.stores.agents.get(organization, agent_id)
        except NotFound:
            return None
        # Set here, because a deployment may change the default.
        return agent.model_copy(update={"model": self._platform.models.name_of(agent)})
