"""Redrives of pipelines, kept for 30 days: `sk R#<id>` in a pipeline's partition of the registry's table."""

from collections.abc import Callable

import orjson

from millrace.domain.redrives import Redrive
from millrace.errors import NotFound, Unavailable
from millrace.stores.dynamo import ConditionFailed, Dynamo, Item, put, put_when
from millrace.stores.reading import readable

KEPT_SECONDS = 30 * 86_400
_TRIES = 8


class RedriveStore:
    """Redrives, changed by a read followed by a write on the condition that nobody else wrote in between."""

    def __init__(self, dynamo: Dynamo, table: str) -> None:
        self._dynamo = dynamo
        self._table = table

    async def create(self, organization: str, pipeline_id: str, redrive: Redrive) -> None:
        """Store a new redrive."""
        item = _to_item(organization, pipeline_id, redrive)
        await self._dynamo.write(put(self._table, item, new=True))

    async def get(self, organization: str, pipeline_id: str, redrive_id: str) -> Redrive:
        """Return a redrive. Raises `NotFound`."""
        item = await self._dynamo.get(self._table, _key(organization, pipeline_id, redrive_id))
        if item is None:
            raise NotFound(f"No redrive has the id {redrive_id!r:.80}.", code="redrive_not_found")
        return _to_redrive(item)

    async def newest(self, organization: str, pipeline_id: str, limit: int = 100) -> list[Redrive]:
        """Return redrives, newest first."""
        items = await self._dynamo.query(
            self._table,
            "pk = :pk AND begins_with(sk, :kind)",
            limit=limit,
            newest_first=True,
            pk=f"{organization}#{pipeline_id}",
            kind="R#",
        )
        return readable(items, _to_redrive)

    async def change(
        self, organization: str, pipeline_id: str, redrive_id: str, step: Callable[[Redrive], Redrive]
    ) -> Redrive:
        """Change a redrive to the state that `step` returns.

        Raises `NotFound`, errors of `step`, and `Unavailable` if others keep writing.
        """
        for _ in range(_TRIES):
            old = await self.get(organization, pipeline_id, redrive_id)
            new = step(old)
            if new is old or await self._swap(organization, pipeline_id, old, new):
                return new
        raise Unavailable("There are too many concurrent changes of this redrive.", retry_after=1)

    async def _swap(self, organization: str, pipeline_id: str, old: Redrive, new: Redrive) -> bool:
        item = _to_item(organization, pipeline_id, new)
        try:
            await self._dynamo.write(put_when(self._table, item, "revision = :seen", seen=old.revision))
        except ConditionFailed:
            return False
        return True


def _key(organization: str, pipeline_id: str, redrive_id: str) -> Item:
    return {"pk": f"{organization}#{pipeline_id}", "sk": f"R#{redrive_id}"}


def _to_item(organization: str, pipeline_id: str, redrive: Redrive) -> Item:
    return _key(organization, pipeline_id, redrive.id) | {
        "revision": redrive.revision,
        "body": redrive.model_dump_json(by_alias=True),
        "expiresAt": redrive.created_at // 1000 + KEPT_SECONDS,
    }


def _to_redrive(item: Item) -> Redrive:
    return Redrive.model_validate(orjson.loads(item["body"]))
