"""Push notification configurations of A2A clients: `F#<run>#<config>` in the partition of the run's slot.

Deleting the conversation deletes them. `F` sorts before `M`, so the query that opens a slot does not read
them.
"""

import time
from collections.abc import Iterable
from contextlib import suppress

from msgspec import Struct
from msgspec.structs import replace

from millrace.domain.conversations import Slot
from millrace.domain.runs import Run
from millrace.domain.tasks import PushConfig
from millrace.stores.dynamo import ConditionFailed, Dynamo, Item, TransactItem, delete, put, update
from millrace.stores.runs import KEPT_SECONDS

_PREFIX = "F#"


class PushConfigs(Struct, frozen=True):
    """The configurations in the table of conversations."""

    dynamo: Dynamo
    table: str

    def put(self, run: Run, config: PushConfig) -> TransactItem:
        """Return the write that stores a configuration, replacing one with the same id."""
        return put(self.table, _key(run.slot, run.id, config.id) | _body(config))

    async def write(self, run: Run, config: PushConfig) -> None:
        """Store a configuration."""
        await self.dynamo.write(self.put(run, config))

    async def get(self, run: Run, config_id: str) -> PushConfig | None:
        """Return a configuration, or None if it is unknown."""
        item = await self.dynamo.get(self.table, _key(run.slot, run.id, config_id))
        return _to_config(item) if item else None

    async def of_run(self, run: Run) -> list[PushConfig]:
        """Return the configurations of a task, by id."""
        items = await self.dynamo.query(
            self.table, "pk = :pk AND begins_with(sk, :prefix)", pk=run.slot.key, prefix=f"{_PREFIX}{run.id}#"
        )
        return [_to_config(item) for item in items]

    async def delete(self, run: Run, config_id: str) -> None:
        """Delete a configuration, if it exists."""
        with suppress(ConditionFailed):
            await self.dynamo.write(delete(self.table, _key(run.slot, run.id, config_id), existing=False))

    async def advance(self, run: Run, config: PushConfig, seq: int) -> PushConfig:
        """Record that the events up to a number were sent, and return the changed configuration."""
        await self._change(run, config, "SET seq = :seq", seq=seq)
        return replace(config, seq=seq)

    async def wake(self, run: Run, config: PushConfig, chain: str) -> None:
        """Continue a configuration with the messages of another chain; those of the last chain end."""
        await self._change(run, config, "SET chain = :new", new=chain)

    async def _change(self, run: Run, config: PushConfig, expression: str, **values: str | int) -> None:
        request = update(
            self.table,
            _key(run.slot, run.id, config.id),
            expression,
            "attribute_exists(pk)",
            **values,
        )
        with suppress(ConditionFailed):  # deleted in the meantime
            await self.dynamo.write(request)


def _key(slot: Slot, run_id: str, config_id: str) -> Item:
    return {"pk": slot.key, "sk": f"{_PREFIX}{run_id}#{config_id}"}


def _body(config: PushConfig) -> Item:
    return {
        "configId": config.id,
        "url": config.url,
        "scheme": config.scheme,
        "sealed": config.sealed,
        "seq": config.seq,
        "chain": config.chain,
        "expiresAt": int(time.time()) + KEPT_SECONDS,
    }


def _to_config(item: Item) -> PushConfig:
    names: Iterable[str] = ("url", "scheme", "sealed", "seq", "chain")
    return PushConfig(item["configId"], **{name: item[name] for name in names})
