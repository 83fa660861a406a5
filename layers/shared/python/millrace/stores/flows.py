"""Flows and waiting executions, by organization: `FLOW#<name>` and `EXECUTION#<id>`."""

import time

import orjson
from msgspec.structs import asdict

from millrace.domain.flows import Execution, Flow, StepAnswer
from millrace.domain.ids import valid_id
from millrace.domain.replacement import changed
from millrace.errors import Conflict, InvalidRequest, NotFound
from millrace.stores.dynamo import (
    ConditionFailed,
    Dynamo,
    Item,
    TransactItem,
    put,
    put_when,
)
from millrace.stores.reading import readable
from millrace.stores.unchanged import delete_unchanged, refusal

EXECUTION_SECONDS = 30 * 24 * 3600


class FlowStore:
    """The table of flows."""

    def __init__(self, dynamo: Dynamo, table: str) -> None:
        self._dynamo = dynamo
        self._table = table

    async def get(self, organization: str, name: str) -> Flow:
        """Return a flow. Raises `NotFound`."""
        item = await self._dynamo.get(self._table, _flow_key(organization, name))
        if item is None:
            raise unknown_flow(name)
        return _to_flow(item)

    async def page(self, organization: str, after: str, limit: int) -> tuple[list[Flow], str | None]:
        """Return flows with names above `after`, in order of their names, and the name to continue after."""
        items = await self._dynamo.query(
            self._table,
            "pk = :pk AND sk BETWEEN :low AND :high",
            limit=limit,
            pk=organization,
            # BETWEEN includes its bounds; \x01 sorts directly after `after` itself.
            low=f"FLOW#{after}\x01",
            high="FLOW#~",
        )
        more = items[-1]["sk"].removeprefix("FLOW#") if len(items) == limit else None
        return readable(items, _to_flow), more

    async def create(self, organization: str, flow: Flow) -> None:
        """Store a new flow. Raises `Conflict` if the name is taken."""
        try:
            await self._dynamo.write(put(self._table, _flow_item(organization, flow), new=True))
        except ConditionFailed as error:
            raise Conflict(f"A flow named {flow.name!r} already exists.", code="flow_exists") from error

    async def replace(self, organization: str, flow: Flow, unchanged_since: str) -> None:
        """Replace a flow. Raises `Conflict` if it was changed or deleted in the meantime."""
        item = _flow_item(organization, flow)
        request = put_when(self._table, item, "updatedAt = :seen", seen=unchanged_since)
        try:
            await self._dynamo.write(request)
        except ConditionFailed as error:
            raise changed() from error

    async def delete(self, organization: str, name: str, unchanged_since: str | None = None) -> None:
        """Delete a flow. Waiting executions keep the flow as it was when they began.

        Raises `NotFound`, and `Conflict` if the flow was changed after `unchanged_since`.
        """
        key = _flow_key(organization, name)
        try:
            await self._dynamo.write(delete_unchanged(self._table, key, unchanged_since))
        except ConditionFailed as error:
            raise refusal(error, unknown_flow(name)) from error

    async def execution(self, organization: str, execution_id: str) -> Execution:
        """Return a waiting execution. Raises `NotFound`."""
        item = await self._dynamo.get(self._table, _execution_key(organization, execution_id))
        if item is None or item["expiresAt"] <= time.time():
            raise unknown_execution()
        return _to_execution(item)

    async def executions(
        self, organization: str, flow: str, after: str, limit: int
    ) -> tuple[list[Execution], str | None]:
        """Return executions of a flow with ids below `after` (empty: all), latest first, and the next
        `after`.

        A flow's name has no `_`, so the ids of one flow never begin like those of another. Raises
        `InvalidRequest` if `after` is not an id of this flow.
        """
        first = f"EXECUTION#flow_{flow}_"
        if after and not (valid_id(after) and f"EXECUTION#{after}".startswith(first)):
            raise InvalidRequest("The cursor is invalid; start without one.", code="invalid_cursor")
        items = await self._dynamo.query(
            self._table,
            "pk = :pk AND sk BETWEEN :low AND :high",
            # BETWEEN includes `after` itself, which was on the preceding page.
            limit=limit + bool(after),
            newest_first=True,
            pk=organization,
            low=first,
            high=f"EXECUTION#{after}" if after else first + "~",
        )
        more = len(items) == limit + bool(after)
        found = readable([item for item in items if item["sk"] != f"EXECUTION#{after}"], _to_execution)
        return found, items[-1]["sk"].removeprefix("EXECUTION#") if more else None

    def put(self, organization: str, execution: Execution, longest: int) -> TransactItem:
        """Return the write that stores an execution.

        Its next step may wait for people for up to `longest` seconds, so it is kept that much longer than
        usual.
        """
        body = {
            "flow": execution.flow.to_wire(),
            "input": execution.input,
            "results": execution.results,
            "answers": [asdict(answer) for answer in execution.answers],
        }
        item = _execution_key(organization, execution.id) | {
            "body": orjson.dumps(body).decode(),
            "runId": execution.run_id,
            "owner": execution.owner,
            "createdAt": execution.created_at,
            "nextStep": execution.next_step,
            "begun": execution.begun,
            "expiresAt": int(time.time()) + longest + EXECUTION_SECONDS,
        }
        return put(self._table, item)


def not_waiting() -> Conflict:
    """Return the error for input to an execution that does not wait for any."""
    return Conflict("This execution is not waiting for input.", code="not_waiting")


def unknown_execution() -> NotFound:
    """Return the error for an id of no waiting execution that the caller may see."""
    return NotFound("No execution has this id, or it has ended.", code="execution_not_found")


def unknown_flow(name: str) -> NotFound:
    """Return the error for a name that no flow of the organization has."""
    return NotFound(f"No flow is called {name!r:.80}. GET /api/flows lists them.", code="flow_not_found")


def _flow_key(organization: str, name: str) -> Item:
    return {"pk": organization, "sk": f"FLOW#{name}"}


def _execution_key(organization: str, execution_id: str) -> Item:
    return {"pk": organization, "sk": f"EXECUTION#{execution_id}"}


def _flow_item(organization: str, flow: Flow) -> Item:
    body = {"body": flow.model_dump_json(by_alias=True), "updatedAt": flow.updated_at}
    return _flow_key(organization, flow.name) | body


def _to_flow(item: Item) -> Flow:
    return Flow.model_validate(orjson.loads(item["body"]))


def _to_execution(item: Item) -> Execution:
    body = orjson.loads(item["body"])
    return Execution(
        id=item["sk"].removeprefix("EXECUTION#"),
        flow=Flow.model_validate(body["flow"]),
        input=body["input"],
        run_id=item["runId"],
        owner=item["owner"],
        created_at=item["createdAt"],
        results=body["results"],
        answers=[StepAnswer(**answer) for answer in body["answers"]],
        next_step=item["nextStep"],
        begun=item["begun"],
    )
