"""The tools of the MCP server that are not agents: pipelines, and calls that wait for a person."""

from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from msgspec import Struct
from pydantic import BaseModel, Field, JsonValue, ValidationError

from millrace.api.approvals import AnswerCall
from millrace.api.endpoint import invalid
from millrace.domain.access import Principal, Scope
from millrace.domain.wire import WireModel
from millrace.services.pipelines.backpressure import Backpressure
from millrace.services.pipelines.context import PipelineContext
from millrace.services.pipelines.intake.push import Ingest
from millrace.services.pipelines.operations.health import Metering
from millrace.services.runs.access import authorize_run
from millrace.services.runs.answers import answer_call
from millrace.services.runs.converse import stop
from millrace.services.runs.platform import Platform
from millrace.services.runs.waiting_calls import list_waiting

Json = dict[str, Any]
MOST_LISTED = 100


class NoArguments(WireModel):
    """A tool without arguments."""


class ListArguments(WireModel):
    """The arguments of a list."""

    cursor: str = Field(default="", max_length=200, description="the nextCursor of the previous page")


class PipelineArguments(WireModel):
    """Arguments of a tool about one pipeline."""

    pipeline_id: str = Field(max_length=128, description="as list_pipelines names it")


class ItemArguments(PipelineArguments):
    """An item for a pipeline."""

    item: dict[str, JsonValue] = Field(description="the event's payload, or {payload, id?, type?, time?}")
    idempotency_key: str = Field(
        default="", max_length=200, description="requests with the same key within a day are one push"
    )


class RunArguments(WireModel):
    """The arguments of a tool about one run."""

    run_id: str = Field(max_length=128)


class AnswerArguments(AnswerCall):
    """An answer to a waiting call, with its run."""

    run_id: str = Field(max_length=128)


class FixedTool(NamedTuple):
    """A tool that every organization has: the scope that it needs, its arguments and its function. Tools that
    change something are `audited`."""

    name: str
    description: str
    scope: Scope
    arguments: type[BaseModel]
    call: Callable[[Principal, Any], Awaitable[Json]]
    reads: bool = False
    repeats: bool = False
    audited: bool = False

    async def run(self, caller: Principal, arguments: Any) -> Json:
        """Call the tool. Raises `InvalidRequest` that names each invalid argument, or the errors of the
        tool."""
        try:
            given = self.arguments.model_validate(arguments or {})
        except ValidationError as error:
            raise invalid(error) from error
        return await self.call(caller, given)


class FixedTools(Struct, frozen=True):
    """The tools that are not agents."""

    platform: Platform
    context: PipelineContext

    def all(self) -> list[FixedTool]:
        """Return all of them."""
        return [
            FixedTool(
                "list_pipelines",
                "List the pipelines of the organization, with their ids and states.",
                "pipelines:read",
                ListArguments,
                self._list_pipelines,
                reads=True,
            ),
            FixedTool(
                "process",
                "Push an item into a running pipeline. It is accepted at once and processed later.",
                "pipelines:write",
                ItemArguments,
                self._process,
            ),
            FixedTool(
                "metrics",
                "Read a pipeline's counts, throughput, latency and backpressure of the last 24 hours.",
                "pipelines:read",
                PipelineArguments,
                self._metrics,
                reads=True,
            ),
            FixedTool(
                "list_approvals",
                "List the calls of agents that wait for a person, the first to expire first.",
                "chat",
                NoArguments,
                self._list_approvals,
                reads=True,
            ),
            FixedTool(
                "answer_approval",
                "Answer a waiting call as the person decided: approve or reject a tool, or answer a "
                "question. The run continues by itself; ask its agent again with the same conversationId.",
                "chat",
                AnswerArguments,
                self._answer,
                repeats=True,
                audited=True,
            ),
            FixedTool(
                "stop_run",
                "Stop a run of an agent.",
                "chat",
                RunArguments,
                self._stop,
                repeats=True,
                audited=True,
            ),
        ]

    async def _list_pipelines(self, caller: Principal, given: ListArguments) -> Json:
        found, more = await self.context.pipelines.page(caller.organization, given.cursor, MOST_LISTED)
        items = [{"id": one.id, "name": one.definition.get("name"), "state": one.state} for one in found]
        return {"pipelines": items, "nextCursor": more}

    async def _process(self, caller: Principal, given: ItemArguments) -> Json:
        ingest = Ingest(self.context, Backpressure(self.context))
        (id,) = await ingest.push(caller, given.pipeline_id, [given.item], given.idempotency_key)
        return {"accepted": 1, "id": id}

    async def _metrics(self, caller: Principal, given: PipelineArguments) -> Json:
        return await Metering(self.context, Backpressure(self.context)).metrics(caller, given.pipeline_id)

    async def _list_approvals(self, caller: Principal, given: NoArguments) -> Json:
        calls, _ = await list_waiting(self.platform.stores, caller, MOST_LISTED, None)
        return {"approvals": [call.seen_by(caller) for call in calls]}

    async def _answer(self, caller: Principal, given: AnswerArguments) -> Json:
        return (await answer_call(self.platform.stores, caller, given.run_id, given.given())).seen_by(caller)

    async def _stop(self, caller: Principal, given: RunArguments) -> Json:
        run = await authorize_run(self.platform.stores, caller, given.run_id)
        return {"runId": await stop(self.platform.stores, caller, run.slot, run.id), "state": "stopping"}
