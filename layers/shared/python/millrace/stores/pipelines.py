"""The registry of pipelines in DynamoDB: current definitions, all their versions, checkpoints.

pk <organization>       sk P#<id>           a pipeline in its current version
                        sk CREATIONS        the number of creations, see `stores.creations`
                        sk #REVISION        see `stores.revisions`
pk <organization>#<id>  sk V#<version>      a definition in an earlier version
                        sk S#<step hash>    the last version with that step
                        sk C#<checkpoint>   a checkpoint
                        sk K#<hash of key>  when a push with this idempotency key first arrived
                        sk GONE             a deleted pipeline, whose id is not used again
"""

from collections.abc import Collection
from hashlib import sha256
from typing import Any

import orjson

from millrace.domain.pipelines import MAX_PIPELINES, Pipeline
from millrace.domain.replacement import changed
from millrace.errors import Conflict, InvalidRequest, NotFound
from millrace.stores.creations import TRIES, creations, next_creation
from millrace.stores.dynamo import (
    ConditionFailed,
    Contended,
    Dynamo,
    Item,
    TransactItem,
    check_that,
    delete,
    delete_when,
    put,
)
from millrace.stores.reading import readable
from millrace.stores.revisions import revised, revisions

BY_ID = "ById"
KEY_SECONDS = 86_400


class PipelineStore:
    """The table of pipelines. Journal index, dead letters and metrics of a pipeline share its partition."""

    def __init__(self, dynamo: Dynamo, table: str) -> None:
        self._dynamo = dynamo
        self._table = table

    async def create(self, organization: str, pipeline: Pipeline, step_hashes: list[str]) -> None:
        """Store a new pipeline and its first version. Raises `Conflict` beyond the limit of pipelines, and
        for an id that is or was in use: jobs, windows and dead letters of a deleted pipeline would be
        mistaken for those of the new one."""
        request = put(self._table, _to_item(organization, pipeline), new=True)
        unused = check_that(self._table, _gone(organization, pipeline.id), "attribute_not_exists(pk)")
        versions = self._version(organization, pipeline, step_hashes)
        for _ in range(TRIES):
            before = await creations(self._dynamo, self._table, organization)
            if len(await self.all(organization)) >= MAX_PIPELINES:
                raise Conflict(
                    f"There are already {MAX_PIPELINES} pipelines; delete one.", code="too_many_pipelines"
                )
            counted = next_creation(self._table, organization, before)
            try:
                await self._dynamo.transact(
                    request, unused, counted, revised(self._table, organization), *versions
                )
            except ConditionFailed as error:
                if {0, 1} & error.items.keys():
                    raise _used(pipeline.id) from error
                continue  # another pipeline was created in the meantime, so count again
            return
        raise Contended("Conflicting concurrent writes; retry.", retry_after=1)

    async def get(self, organization: str, pipeline_id: str) -> Pipeline:
        """Return the current pipeline with a consistent read. Raises `NotFound`."""
        item = await self._dynamo.get(self._table, {"pk": organization, "sk": f"P#{pipeline_id}"})
        if item is None:
            raise unknown_pipeline(pipeline_id)
        return _to_pipeline(item)

    async def find(self, pipeline_id: str) -> tuple[str, Pipeline]:
        """Return the organization and the pipeline for an id alone, for public addresses. The result may be
        slightly old. Raises `NotFound`."""
        items, _ = await self._dynamo.query_page(
            TableName=self._table,
            IndexName=BY_ID,
            KeyConditionExpression="pipelineId = :id",
            ExpressionAttributeValues={":id": {"S": pipeline_id}},
            Limit=1,
        )
        if not items:
            raise unknown_pipeline(pipeline_id)
        return items[0]["pk"], _to_pipeline(items[0])

    async def page(self, organization: str, after: str, limit: int) -> tuple[list[Pipeline], str | None]:
        """Return pipelines with ids above `after`, oldest first, and the id to continue after."""
        items = await self._dynamo.query(
            self._table, "pk = :pk AND sk > :after", limit=limit, pk=organization, after=f"P#{after}"
        )
        more = items[-1]["sk"].removeprefix("P#") if len(items) == limit else None
        return readable(items, _to_pipeline), more

    async def all(self, organization: str) -> list[Pipeline]:
        """Return every pipeline of an organization (at most a hundred)."""
        condition = "pk = :pk AND begins_with(sk, :kind)"
        items = await self._dynamo.query(self._table, condition, pk=organization, kind="P#")
        return readable(items, _to_pipeline)

    async def revisions(self, organizations: Collection[str]) -> dict[str, int]:
        """Return `stores.revisions.revisions` for the organizations' pipelines."""
        return await revisions(self._dynamo, self._table, organizations)

    async def replace(self, organization: str, old: Pipeline, new: Pipeline) -> None:
        """Replace a pipeline. Raises `Conflict` if it was changed or deleted in the meantime."""
        try:
            await self._dynamo.transact(*self._swap(organization, old, new))
        except ConditionFailed as error:
            raise changed() from error

    async def add_version(
        self, organization: str, old: Pipeline, new: Pipeline, step_hashes: list[str]
    ) -> None:
        """Replace the pipeline with its next version. Raises `Conflict` as `replace` does."""
        versions = self._version(organization, new, step_hashes)
        try:
            await self._dynamo.transact(*self._swap(organization, old, new), *versions)
        except ConditionFailed as error:
            raise changed() from error

    async def delete(self, organization: str, pipeline: Pipeline) -> None:
        """Delete the pipeline, then its versions and checkpoints. Its journal and metrics have a TTL. Raises
        `Conflict` as `replace` does."""
        key = {"pk": organization, "sk": f"P#{pipeline.id}"}
        request = delete_when(self._table, key, "revision = :seen", seen=pipeline.revision)
        gone = put(self._table, _gone(organization, pipeline.id))
        try:
            await self._dynamo.transact(request, gone, revised(self._table, organization))
        except ConditionFailed as error:
            raise changed() from error
        # There may be more of these than a transaction holds. If a crash leaves some behind, nothing finds
        # them, because the id is never used again.
        for kind in ("V#", "S#", "C#"):
            await self._delete_all(f"{organization}#{pipeline.id}", kind)

    async def _delete_all(self, partition: str, kind: str) -> None:
        condition = "pk = :pk AND begins_with(sk, :kind)"
        for item in await self._dynamo.query(self._table, condition, pk=partition, kind=kind):
            key = {"pk": partition, "sk": item["sk"]}
            await self._dynamo.write(delete(self._table, key, existing=False))

    async def definition(self, organization: str, pipeline_id: str, version: int) -> dict[str, Any]:
        """Return the definition of a version. Raises `NotFound`."""
        key = {"pk": f"{organization}#{pipeline_id}", "sk": f"V#{version:08d}"}
        item = await self._dynamo.get(self._table, key)
        if item is None:
            raise NotFound(f"The pipeline has no version {version}.", code="version_not_found")
        definition: dict[str, Any] = orjson.loads(item["body"])
        return definition

    async def versions(
        self, organization: str, pipeline_id: str, before: int | None, limit: int
    ) -> list[dict[str, Any]]:
        """Return `{version, createdAt, definition}` of versions below `before`, newest first."""
        items = await self._dynamo.query(
            self._table,
            "pk = :pk AND sk BETWEEN :first AND :last",
            limit=limit,
            newest_first=True,
            pk=f"{organization}#{pipeline_id}",
            first="V#",
            last=f"V#{before - 1:08d}" if before is not None else "V#~",
        )
        return [_to_version(item) for item in items]

    async def version_with(self, organization: str, pipeline_id: str, step_hash: str) -> int | None:
        """Return the last version that has the step, or None if there is none."""
        key = {"pk": f"{organization}#{pipeline_id}", "sk": f"S#{step_hash}"}
        item = await self._dynamo.get(self._table, key)
        return int(item["definitionVersion"]) if item else None

    async def add_checkpoint(self, organization: str, pipeline_id: str, checkpoint: dict[str, Any]) -> None:
        """Store a checkpoint: `{id, ...}`."""
        item = {
            "pk": f"{organization}#{pipeline_id}",
            "sk": f"C#{checkpoint['id']}",
            "body": orjson.dumps(checkpoint).decode(),
        }
        await self._dynamo.write(put(self._table, item, new=True))

    async def checkpoints(
        self, organization: str, pipeline_id: str, limit: int = 100
    ) -> list[dict[str, Any]]:
        """Return checkpoints, newest first."""
        items = await self._dynamo.query(
            self._table,
            "pk = :pk AND begins_with(sk, :kind)",
            limit=limit,
            newest_first=True,
            pk=f"{organization}#{pipeline_id}",
            kind="C#",
        )
        return readable(items, lambda item: orjson.loads(item["body"]))

    async def checkpoint(self, organization: str, pipeline_id: str, checkpoint_id: str) -> dict[str, Any]:
        """Return a checkpoint. Raises `NotFound`."""
        key = {"pk": f"{organization}#{pipeline_id}", "sk": f"C#{checkpoint_id}"}
        item = await self._dynamo.get(self._table, key)
        if item is None:
            raise NotFound(f"No checkpoint has the id {checkpoint_id!r}.", code="checkpoint_not_found")
        found: dict[str, Any] = orjson.loads(item["body"])
        return found

    async def first_push(
        self, organization: str, pipeline_id: str, key: str, content: bytes, now: int
    ) -> int:
        """Return when a push with this idempotency key first arrived (epoch ms): now, or up to a day ago.
        Raises `Conflict` for a key that was used with other content.
        """
        item = {
            "pk": f"{organization}#{pipeline_id}",
            "sk": f"K#{sha256(key.encode(errors='surrogatepass')).hexdigest()}",
            "content": sha256(content).hexdigest(),
            "firstMs": now,
            "expiresAt": now // 1000 + KEY_SECONDS,
        }
        request = put(self._table, item, new=True)
        request["Put"] |= {
            "ConditionExpression": "attribute_not_exists(pk) OR expiresAt <= :seconds",
            "ExpressionAttributeValues": {":seconds": {"N": str(now // 1000)}},
        }
        try:
            await self._dynamo.write(request)
        except ConditionFailed as error:
            first: Item = error.items[0] or item
            if first["content"] != item["content"]:
                raise InvalidRequest(
                    "The idempotency key was used for other items; use a new one.",
                    code="idempotency_key_reused",
                ) from error
            return int(first["firstMs"])
        return now

    def _version(self, organization: str, pipeline: Pipeline, step_hashes: list[str]) -> list[TransactItem]:
        partition = f"{organization}#{pipeline.id}"
        body = orjson.dumps(pipeline.definition).decode()
        key = {"pk": partition, "sk": f"V#{pipeline.version:08d}"}
        version: Item = key | {"body": body, "createdAt": pipeline.updated_at}
        steps: list[Item] = [
            {"pk": partition, "sk": f"S#{one}", "definitionVersion": pipeline.version} for one in step_hashes
        ]
        return [put(self._table, item) for item in [version, *steps]]

    def _swap(self, organization: str, old: Pipeline, new: Pipeline) -> list[TransactItem]:
        request = put(self._table, _to_item(organization, new), new=True)
        request["Put"] |= {
            "ConditionExpression": "revision = :seen",
            "ExpressionAttributeValues": {":seen": {"N": str(old.revision)}},
        }
        return [request, revised(self._table, organization)]


def _gone(organization: str, pipeline_id: str) -> Item:
    return {"pk": f"{organization}#{pipeline_id}", "sk": "GONE"}


def unknown_pipeline(pipeline_id: str) -> NotFound:
    """Return the error for an id that no pipeline of the organization has."""
    return NotFound(
        f"No pipeline has the id {pipeline_id!r:.140}. GET /api/streaming/pipelines lists them.",
        code="pipeline_not_found",
    )


def _used(id: str) -> Conflict:
    return Conflict(
        f"The id {id!r} is in use, or belonged to a deleted pipeline; use another one.",
        code="pipeline_id_used",
    )


def _to_item(organization: str, pipeline: Pipeline) -> Item:
    return {
        "pk": organization,
        "sk": f"P#{pipeline.id}",
        "pipelineId": pipeline.id,
        "revision": pipeline.revision,
        "body": pipeline.model_dump_json(by_alias=True),
    }


def _to_pipeline(item: Item) -> Pipeline:
    return Pipeline.model_validate(orjson.loads(item["body"]))


def _to_version(item: Item) -> dict[str, Any]:
    return {
        "version": int(item["sk"][2:]),
        "createdAt": item.get("createdAt"),  # earlier releases did not store it
        "definition": orjson.loads(item["body"]),
    }
