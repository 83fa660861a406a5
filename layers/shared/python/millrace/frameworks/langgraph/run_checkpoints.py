"""The checkpoints of LangGraph as one run may see them."""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Sequence, Set
from typing import Any

from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    WRITES_IDX_MAP,
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
)
from langgraph.constants import START

from millrace.agent.code.context import STEP
from millrace.agent.code.record import calls_in, key_of
from millrace.app import AgentContext
from millrace.frameworks.langgraph.checkpoints import Checkpoints
from millrace.frameworks.langgraph.places import Place

MESSAGES = "messages"
RUN = "millrace_run"
"""The metadata of a checkpoint that names its run."""
NULL_TASK = "00000000-0000-0000-0000-000000000000"
CHECK_SECONDS, CHECKS = 0.05, 100


class RunCheckpoints(Checkpoints):
    """The checkpoints of a run. Writes of a node count only once the run has stored its output. A `new`
    thread has no checkpoints to read."""

    def __init__(self, ctx: AgentContext, in_tools: Set[str]) -> None:
        super().__init__(ctx.store)
        self._in_tools = in_tools
        self._run = ctx.run
        self.new = False
        self.known_messages: set[str] = set()
        self._run_id = ctx.run_id
        called = calls_in(ctx.run.earlier)
        self._finished = {arguments for name, arguments in called if name.startswith(STEP)}
        self._namespaces: set[str] = set()
        self._stored: dict[str, asyncio.Event] = defaultdict(asyncio.Event)
        self._counted: dict[str, asyncio.Event] = defaultdict(asyncio.Event)
        self._tasks: dict[Place, set[str]] = defaultdict(set)

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """See `Checkpoints`."""
        if self.new:
            return None
        found = await super().aget_tuple(config)
        if found is None or found.metadata.get(RUN) != self._run_id:
            return found
        self._learn(found)
        if not found.pending_writes:
            return found
        kept = [one for one in found.pending_writes if self._counts(one[0], one[1])]
        return found._replace(pending_writes=kept)

    def _learn(self, found: CheckpointTuple) -> None:
        """Note the messages in the state, since a graph inside another one returns all of them again."""
        written = (value for _, channel, value in found.pending_writes or () if channel == MESSAGES)
        for value in (found.checkpoint["channel_values"].get(MESSAGES), *written):
            many = value if isinstance(value, list) else [value]
            self.known_messages |= {one.id for one in many if isinstance(one, AIMessage) and one.id}

    def _counts(self, task: str, channel: str) -> bool:
        return task == NULL_TASK or channel in WRITES_IDX_MAP or _finished_key(task) in self._finished

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """See `Checkpoints`. A graph inside another one continues by itself, and must not get ahead of the
        run."""
        self.new = False
        before = Place.of(config)
        self._namespaces.add(before.namespace)
        if before.namespace and before.namespace not in self._in_tools:
            for task in self._tasks[before]:
                await self._soon(self._counted[task])
        return await super().aput(config, checkpoint, metadata, new_versions)

    async def aput_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        """See `Checkpoints`."""
        says = task_id != NULL_TASK and START not in task_path
        if says and not all(channel in WRITES_IDX_MAP for channel, _ in writes):
            self._tasks[Place.of(config)].add(task_id)
        try:
            await super().aput_writes(config, writes, task_id, task_path)
        finally:
            self._stored[task_id].set()

    def keeps(self, namespace: str) -> bool:
        """Return whether the graph of a namespace can continue from its own checkpoints."""
        return not namespace or namespace in self._namespaces - self._in_tools

    async def finished(self, task_id: str, namespace: str) -> None:
        """Wait until the writes of a task are stored. Graphs without checkpoints store nothing."""
        if namespace in self._namespaces:
            await self._soon(self._stored[task_id])

    def count(self, task_id: str) -> None:
        """Let the writes of a task count, since the run has stored its output."""
        self._finished.add(_finished_key(task_id))
        self._counted[task_id].set()

    async def _soon(self, event: asyncio.Event) -> None:
        """Wait for something that is about to happen, unless the run ends."""
        for _ in range(CHECKS):
            if self._run.closed:
                raise asyncio.CancelledError
            if event.is_set():
                return
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(CHECK_SECONDS):
                    await event.wait()


def _finished_key(task_id: str) -> bytes:
    """Return the arguments of the step that says that a task has finished."""
    return key_of("", {"task": task_id})[1]
