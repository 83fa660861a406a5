"""Versions of pipelines' definitions, each written once: what a delivery needs to know of its pipeline."""

from typing import Any

import orjson

from millrace.errors import Conflict
from millrace.stores.dynamo import ConditionFailed, Dynamo, Item, put


class DefinitionStore:
    """JSON documents by organization, pipeline and version (from 1)."""

    def __init__(self, dynamo: Dynamo, table: str) -> None:
        self._dynamo = dynamo
        self._table = table

    async def add(self, organization: str, pipeline_id: str, version: int, definition: Any) -> None:
        """Raises `Conflict` when there is this version already."""
        item = _key(organization, pipeline_id, version) | {"body": orjson.dumps(definition).decode()}
        try:
            await self._dynamo.write(put(self._table, item, new=True))
        except ConditionFailed as error:
            raise Conflict("Somebody else changed this pipeline; read it again.", code="changed") from error

    async def get(self, organization: str, pipeline_id: str, version: int) -> Any:
        """The decoded document; None if there is none (any more)."""
        item = await self._dynamo.get(self._table, _key(organization, pipeline_id, version))
        return orjson.loads(item["body"]) if item else None

    async def latest(self, organization: str, pipeline_id: str) -> tuple[int, Any] | None:
        """The newest version and its document; None for a pipeline that was deleted."""
        items = await self._dynamo.query(
            self._table,
            "pk = :pk AND begins_with(sk, :kind)",
            limit=1,
            newest_first=True,
            pk=f"{organization}#{pipeline_id}",
            kind="V#",
        )
        return (int(items[0]["sk"][2:]), orjson.loads(items[0]["body"])) if items else None


def _key(organization: str, pipeline_id: str, version: int) -> Item:
    return {"pk": f"{organization}#{pipeline_id}", "sk": f"V#{version:08d}"}
