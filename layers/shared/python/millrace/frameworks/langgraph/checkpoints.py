"""Checkpoints of LangGraph in the values that an agent keeps with its conversation (`ctx.store`).

    c/<thread>/<namespace>/<checkpoint>          a checkpoint with its metadata and its parent
    w/<thread>/<namespace>/<checkpoint>/<task>   the writes of a task that finished after the checkpoint

Only the process that holds the run writes, so a process whose run was taken over leaves no checkpoint behind.
"""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterator, Sequence
from typing import Any, Protocol, TypeVar

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    WRITES_IDX_MAP,
    BaseCheckpointSaver,
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
    get_checkpoint_id,
    get_checkpoint_metadata,
    writes_sort_key,
)

from millrace.frameworks.langgraph.places import Place, quoted

PAGE = 250
T = TypeVar("T")
Write = tuple[str, int, str, Any, str]
"""A task, the number of its write, the channel, the value and the task's path."""


class Store(Protocol):
    """The part of `ctx.store` that checkpoints need."""

    async def get(self, key: str, default: Any = None) -> Any:
        """Return a value."""
        ...

    async def put(self, key: str, value: Any) -> None:
        """Store a value."""
        ...

    async def delete(self, *keys: str) -> None:
        """Delete values."""
        ...

    async def list(self, prefix: str = "", *, after: str = "", limit: int = PAGE) -> list[str]:
        """List keys."""
        ...


class Checkpoints(BaseCheckpointSaver[str]):
    """A checkpointer on `ctx.store`. It must be created inside a running event loop; its blocking calls are
    for threads."""

    def __init__(self, store: Store) -> None:
        super().__init__()
        self._store = store
        self._loop = asyncio.get_running_loop()

    # --- reading ------------------------------------------------------------------------------------

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """See `BaseCheckpointSaver`."""
        place = Place.of(config)
        if not place.id:
            keys = await self._keys(place.prefix("c"))
            if not keys:
                return None
            return await self._tuple(Place.read(keys[-1]))
        return await self._tuple(place)

    async def alist(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[CheckpointTuple]:
        """See `BaseCheckpointSaver`. Newest first."""
        end = get_checkpoint_id(before) if before else None
        left = limit
        for place in sorted(await self._places(config), key=lambda one: one.id, reverse=True):
            if left is not None and left <= 0:
                return
            if end and place.id >= end:
                continue
            found = await self._tuple(place)
            if found and all(found.metadata.get(name) == value for name, value in (filter or {}).items()):
                left = None if left is None else left - 1
                yield found

    async def _places(self, config: RunnableConfig | None) -> list[Place]:
        if config is None:
            return [Place.read(key) for key in await self._keys("c/")]
        wanted = Place.of(config)
        named = config["configurable"].get("checkpoint_ns") is not None
        prefix = wanted.prefix("c") if named else f"c/{quoted(wanted.thread)}/"
        found = [Place.read(key) for key in await self._keys(prefix)]
        return [one for one in found if wanted.id in ("", one.id)]

    async def _tuple(self, place: Place) -> CheckpointTuple | None:
        stored, writes = await asyncio.gather(self._store.get(place.key()), self._writes(place))
        if stored is None:
            return None
        checkpoint, metadata, parent = self._loaded(stored)
        ordered = sorted(writes, key=lambda one: writes_sort_key(one[4], one[0], one[1]))
        return CheckpointTuple(
            place.config(),
            checkpoint,
            metadata,
            place._replace(id=parent).config() if parent else None,
            [(task, channel, value) for task, _, channel, value, _ in ordered],
        )

    async def _writes(self, place: Place) -> list[Write]:
        """Return the writes of the tasks after a checkpoint."""
        keys = await self._keys(place.key("w") + "/")
        stored = await asyncio.gather(*(self._store.get(key) for key in keys))
        return [write for one in stored if one is not None for write in self._loaded(one)]

    async def _keys(self, prefix: str) -> list[str]:
        found: list[str] = []
        while True:
            page = await self._store.list(prefix, after=found[-1] if found else "", limit=PAGE)
            found += page
            if len(page) < PAGE:
                return found

    # --- writing ------------------------------------------------------------------------------------

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """See `BaseCheckpointSaver`."""
        before = Place.of(config)
        place = before._replace(id=checkpoint["id"])
        stored = (checkpoint, get_checkpoint_metadata(config, metadata), before.id)
        await self._store.put(place.key(), self._dumped(stored))
        return place.config()

    async def aput_writes(
        self,
        config: RunnableConfig,
        writes: Sequence[tuple[str, Any]],
        task_id: str,
        task_path: str = "",
    ) -> None:
        """See `BaseCheckpointSaver`. A repeated write changes nothing, except those of the framework's own
        channels."""
        key = f"{Place.of(config).key('w')}/{quoted(task_id)}"
        stored = await self._store.get(key)
        known: dict[int, Write] = {} if stored is None else {one[1]: one for one in self._loaded(stored)}
        for position, (channel, value) in enumerate(writes):
            number = WRITES_IDX_MAP.get(channel, position)
            if number < 0 or number not in known:
                known[number] = (task_id, number, channel, value, task_path)
        await self._store.put(key, self._dumped(list(known.values())))

    async def adelete_thread(self, thread_id: str) -> None:
        """See `BaseCheckpointSaver`."""
        await self._delete([Place.read(key) for key in await self._keys(f"c/{quoted(thread_id)}/")])
        # Those whose checkpoint was never stored.
        await self._drop(await self._keys(f"w/{quoted(thread_id)}/"))

    async def adelete_for_runs(self, run_ids: Sequence[str]) -> None:
        """See `BaseCheckpointSaver`."""
        wanted = set(run_ids)
        found = [one async for one in self.alist(None) if one.metadata.get("run_id") in wanted]
        await self._delete([Place.of(one.config) for one in found])

    async def acopy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        """See `BaseCheckpointSaver`."""
        for kind in ("c", "w"):
            prefix = f"{kind}/{quoted(source_thread_id)}/"
            for key in await self._keys(prefix):
                copied = f"{kind}/{quoted(target_thread_id)}/{key.removeprefix(prefix)}"
                await self._store.put(copied, await self._store.get(key))

    async def aprune(self, thread_ids: Sequence[str], *, strategy: str = "keep_latest") -> None:
        """See `BaseCheckpointSaver`. Not for graphs with channels of differences, whose checkpoints need
        earlier ones."""
        for thread in thread_ids:
            places = [Place.read(key) for key in await self._keys(f"c/{quoted(thread)}/")]
            latest = {one.namespace: one for one in sorted(places, key=lambda one: one.id)}
            kept = set(latest.values()) if strategy == "keep_latest" else set()
            await self._delete([one for one in places if one not in kept])

    async def forget(self, config: RunnableConfig) -> None:
        """Delete one checkpoint."""
        await self._delete([Place.of(config)])

    async def _delete(self, places: Sequence[Place]) -> None:
        """Delete checkpoints before their writes, since a checkpoint without its writes would be wrong."""
        await self._drop([place.key() for place in places])
        for place in places:
            await self._drop(await self._keys(place.key("w") + "/"))

    async def _drop(self, keys: Sequence[str]) -> None:
        for start in range(0, len(keys), PAGE):
            await self._store.delete(*keys[start : start + PAGE])

    # --- blocking, for threads ----------------------------------------------------------------------

    def get_tuple(self, *args: Any, **more: Any) -> CheckpointTuple | None:
        """As `aget_tuple`."""
        return self._blocking(self.aget_tuple(*args, **more))

    def list(self, *args: Any, **more: Any) -> Iterator[CheckpointTuple]:
        """As `alist`."""

        async def listed() -> Sequence[CheckpointTuple]:
            return [one async for one in self.alist(*args, **more)]

        yield from self._blocking(listed())

    def put(self, *args: Any, **more: Any) -> RunnableConfig:
        """As `aput`."""
        return self._blocking(self.aput(*args, **more))

    def put_writes(self, *args: Any, **more: Any) -> None:
        """As `aput_writes`."""
        self._blocking(self.aput_writes(*args, **more))

    def delete_thread(self, *args: Any, **more: Any) -> None:
        """As `adelete_thread`."""
        self._blocking(self.adelete_thread(*args, **more))

    def _blocking(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def get_next_version(self, current: str | None, channel: None) -> str:
        """Return the next version of a channel, which sorts after the previous one."""
        return f"{int((current or '0').split('.')[0]) + 1:032}"

    # --- what is stored -----------------------------------------------------------------------------

    def _dumped(self, value: Any) -> bytes:
        kind, data = self.serde.dumps_typed(value)
        return kind.encode() + b"\0" + data

    def _loaded(self, stored: bytes) -> Any:
        kind, _, data = stored.partition(b"\0")
        return self.serde.loads_typed((kind.decode(), data))
