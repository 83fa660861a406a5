"""The checkpoints of LangGraph as one run sees them."""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    WRITES_IDX_MAP,
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
)

from millrace.agent.code.context import STEP
from millrace.agent.code.record import RecordedTurn, key_of
from millrace.app import AgentContext
from millrace.frameworks.langgraph_checkpoints import Checkpoints

RUN = "millrace_run"
"""The metadata of a checkpoint that names its run."""
NULL_TASK = "00000000-0000-0000-0000-000000000000"
STORED_SECONDS = 10


class RunCheckpoints(Checkpoints):
    """The checkpoints as a run may see them: what a node has written counts once the run has stored what it
    said. A thread that is `new` has none that would have to be read."""

    def __init__(self, ctx: AgentContext) -> None:
        super().__init__(ctx.store)
        self.new = False
        self._run_id = ctx.run_id
        turns = (one for one in ctx.run.earlier if isinstance(one, RecordedTurn))
        keys = {key for turn in turns for key in turn.calls.values()}
        self._finished = {arguments for name, arguments in keys if name.startswith(STEP)}
        self._namespaces: set[str] = set()
        self._stored: dict[str, asyncio.Event] = defaultdict(asyncio.Event)

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """See `Checkpoints`."""
        if self.new:
            return None
        found = await super().aget_tuple(config)
        if found is None or found.metadata.get(RUN) != self._run_id or not found.pending_writes:
            return found
        kept = [one for one in found.pending_writes if self._counts(one[0], one[1])]
        return found._replace(pending_writes=kept)

    def _counts(self, task: str, channel: str) -> bool:
        return task == NULL_TASK or channel in WRITES_IDX_MAP or _finished_key(task) in self._finished

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """See `Checkpoints`."""
        self.new = False
        self._namespaces.add(config["configurable"].get("checkpoint_ns", ""))
        return await super().aput(config, checkpoint, metadata, new_versions)

    async def aput_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        """See `Checkpoints`."""
        try:
            await super().aput_writes(config, writes, task_id, task_path)
        finally:
            self._stored[task_id].set()

    async def finished(self, task_id: str, namespace: str) -> None:
        """Wait until what a task has written is stored, and have it count. Graphs inside that keep no
        checkpoints store nothing."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STORED_SECONDS if namespace in self._namespaces else 0):
                await self._stored[task_id].wait()
        self._finished.add(_finished_key(task_id))


def _finished_key(task_id: str) -> bytes:
    """The arguments of the step that says that a task has finished."""
    return key_of("", {"task": task_id})[1]
