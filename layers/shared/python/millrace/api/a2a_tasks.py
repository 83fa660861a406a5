"""Tasks for A2A clients: the operations of both bindings, between the services and the projection.

Each accepts the SDK's request and returns the SDK's answer, or a stream of updates. Errors are the SDK's or
ours, and the binding gives them their form.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Sequence
from contextlib import aclosing
from functools import partial

from a2a.types.a2a_pb2 import (
    CancelTaskRequest,
    GetTaskRequest,
    ListTasksRequest,
    ListTasksResponse,
    SendMessageConfiguration,
    SendMessageRequest,
    SendMessageResponse,
    SubscribeToTaskRequest,
    Task,
    TaskState,
    TaskStatus,
)
from a2a.utils.errors import TaskNotCancelableError, TaskNotFoundError, UnsupportedOperationError
from a2a.utils.proto_utils import validate_proto_required_fields
from a2a.utils.task import apply_history_length, validate_history_length, validate_page_size
from msgspec import Struct

from millrace.api.a2a_call import Call
from millrace.api.a2a_pushes import new_push
from millrace.api.cursors import from_cursor, to_cursor
from millrace.domain.conversations import StoredMessage
from millrace.domain.event_ids import parse_event_id_of
from millrace.domain.events import LogEntry
from millrace.domain.runs import Run
from millrace.errors import Conflict, NotFound
from millrace.protocols.a2a.messages import history, read_message
from millrace.protocols.a2a.projection import TaskProjection, Update, state_of, timestamp
from millrace.services.runs.follow import follow, has_more
from millrace.services.runs.launch import send_and_hand_over, send_and_launch
from millrace.services.runs.platform import Platform
from millrace.services.runs.run_session import RunSession
from millrace.services.tasks.push import NewPush, Pushes
from millrace.services.tasks.read import cancel_task, list_runs, status_ms, task_history, task_run
from millrace.services.tasks.send import Beginner, FollowedTask, send_message
from millrace.stores.event_log import is_last
from millrace.stores.runs import stream_of

PAGE = 50


class TaskStream(Struct, frozen=True):
    """Updates of a task in batches, with the projection that creates them. `session` is set if this process
    runs the task."""

    projection: TaskProjection
    updates: AsyncGenerator[list[Update], None]
    session: RunSession | None = None

    @property
    def run_id(self) -> str:
        """The task's id."""
        return self.projection.run.id


class Tasks(Struct, frozen=True):
    """The operations on tasks."""

    platform: Platform

    async def send(self, call: Call, request: SendMessageRequest) -> SendMessageResponse:
        """Send a message and wait until the task ends or asks a question; with `returnImmediately`, do not
        wait."""
        validate_proto_required_fields(request)
        config = request.configuration
        validate_history_length(config)
        if config.return_immediately:
            begun = await self._sent(call, request, partial(send_and_hand_over, self.platform, call.caller))
            return await self._response(begun.run, config)
        found = await self._sent(call, request, self._launching(call))
        if isinstance(found, RunSession):
            async for _ in found.event_feed:
                pass
            # Lambda freezes the process after the answer, so wait for the run's last writes.
            await found.over()
            found = FollowedTask(found.run, found.lease.seq)
        await self._settle(found, call.deadline)
        return await self._response(found.run, config)

    async def stream(self, call: Call, request: SendMessageRequest) -> TaskStream:
        """Send a message and stream the task's updates."""
        validate_proto_required_fields(request)
        found = await self._sent(call, request, self._launching(call))
        if isinstance(found, FollowedTask):
            return await self._followed(found, call.deadline)
        projection = TaskProjection(found.run)
        return TaskStream(projection, _updates(projection, found.event_feed), found)

    async def get(self, call: Call, request: GetTaskRequest) -> Task:
        """Return the current state of a task."""
        validate_proto_required_fields(request)
        validate_history_length(request)
        run = await self._run(call, request.id)
        return apply_history_length(await self._task(run), request)

    async def cancel(self, call: Call, request: CancelTaskRequest) -> Task:
        """Cancel a task, wherever it runs, and return it once it has ended."""
        validate_proto_required_fields(request)
        run = await self._run(call, request.id)
        try:
            ended = await cancel_task(self.platform.stores, call.caller, run)
        except Conflict as error:
            raise TaskNotCancelableError("The task has ended already.") from error
        return await self._task(ended)

    async def subscribe(self, call: Call, request: SubscribeToTaskRequest) -> TaskStream:
        """Stream an active task: first its state, or its state after the last event that the client has seen,
        then its updates."""
        validate_proto_required_fields(request)
        run = await self._run(call, request.id)
        stores = self.platform.stores
        if call.last_event_id:
            after = parse_event_id_of(call.last_event_id, run.id)
            if not await has_more(stores, run, after):
                raise UnsupportedOperationError("The task has ended, and there are no further events.")
            return await self._followed(FollowedTask(run, after), call.deadline)
        lease = await stores.leases.peek(run.slot)
        if run.ended_at or lease.run_id != run.id:
            raise UnsupportedOperationError("The task has ended; get it instead.")
        return await self._followed(FollowedTask(run, lease.seq), call.deadline)

    async def replay(self, run: Run, after: int, deadline: float | None) -> TaskStream:
        """Stream a task from any event on, even if it has ended."""
        projection = TaskProjection(run)
        if after:
            projection.apply(await self._logged(run, after))
        events = follow(self.platform.stores, run, after, deadline)
        return TaskStream(projection, _updates(projection, events))

    async def list_page(self, call: Call, request: ListTasksRequest) -> ListTasksResponse:
        """List the tasks that the caller has started with the agent, latest first."""
        size = request.page_size if request.HasField("page_size") else PAGE
        validate_page_size(size)
        validate_history_length(request)
        runs = await list_runs(self.platform.stores, call.caller, call.agent.id, request.context_id)
        fitting = [run for run in runs if _fits(run, request)]
        rest = _behind(fitting, request.page_token)
        page = rest[:size]
        return ListTasksResponse(
            tasks=[await self._listed(run, request) for run in page],
            next_page_token=_token(page[-1]) if len(rest) > size else "",
            page_size=size,
            total_size=len(fitting),
        )

    def _launching(self, call: Call) -> Beginner:
        return partial(send_and_launch, self.platform, call.caller, deadline=call.deadline)

    async def _sent(
        self, call: Call, request: SendMessageRequest, beginner: Beginner
    ) -> RunSession | FollowedTask:
        try:
            push = await self._push_of(request.configuration)
            message = read_message(request)
            return await send_message(self.platform, call.caller, call.agent, message, push, beginner)
        except NotFound as error:
            if request.message.task_id and error.code in ("run_not_found", "conversation_not_found"):
                raise TaskNotFoundError(_unknown(request.message.task_id)) from error
            raise
        except Conflict as error:
            if error.code == "task_ended":
                raise UnsupportedOperationError(error.message) from error
            raise

    async def _push_of(self, config: SendMessageConfiguration) -> NewPush | None:
        if not config.HasField("task_push_notification_config"):
            return None
        given = new_push(self.platform.settings, config.task_push_notification_config)
        return await Pushes(self.platform).check(given)

    async def _settle(self, task: FollowedTask, deadline: float | None) -> None:
        async with aclosing(follow(self.platform.stores, task.run, task.after, deadline)) as batches:
            async for batch in batches:
                if is_last(batch[-1]):
                    return

    async def _response(self, run: Run, config: SendMessageConfiguration) -> SendMessageResponse:
        stored = await self.platform.stores.runs.get(run.slot.organization, run.id)
        projection = await self._projected(stored)
        if projection.direct and projection.over:
            return SendMessageResponse(message=projection.direct)
        return SendMessageResponse(task=apply_history_length(await self._whole(projection), config))

    async def _followed(self, task: FollowedTask, deadline: float | None) -> TaskStream:
        projection = TaskProjection(task.run)
        stores = self.platform.stores
        if task.after:
            projection.apply(await self._logged(task.run, task.after))
        events = follow(stores, task.run, task.after, deadline)
        first = [Update(task.after, projection.snapshot())] if task.after else []
        return TaskStream(projection, _updates(projection, events, first))

    async def _run(self, call: Call, task_id: str) -> Run:
        try:
            return await task_run(self.platform.stores, call.caller, task_id, call.agent.id)
        except NotFound as error:
            raise TaskNotFoundError(_unknown(task_id)) from error

    async def _task(self, run: Run) -> Task:
        return await self._whole(await self._projected(run))

    async def _projected(self, run: Run) -> TaskProjection:
        projection = TaskProjection(run)
        projection.apply(await self._logged(run))
        return projection

    async def _logged(self, run: Run, until: int = 0) -> list[LogEntry]:
        entries = await self.platform.stores.log.read(stream_of(run.slot.organization, run.id))
        return [entry for entry in entries if not until or entry.seq <= until]

    async def _whole(self, projection: TaskProjection) -> Task:
        """Return the task with its history. Parts that the log no longer has come from the messages."""
        run = projection.run
        found = await task_history(self.platform.stores, run)
        if run.ended_at and not projection.over:
            projection.state = state_of(run)
            projection.set_answer(_answer_of(found.messages))
        task = projection.task()
        task.history.extend(history(run, found.messages, found.calls))
        return task

    async def _listed(self, run: Run, request: ListTasksRequest) -> Task:
        wants_history = request.HasField("history_length") and request.history_length > 0
        if not (request.include_artifacts or wants_history):
            status = TaskStatus(state=state_of(run), timestamp=timestamp(status_ms(run)))
            return Task(id=run.id, context_id=run.slot.conversation_id, status=status)
        task = apply_history_length(await self._task(run), request)
        if not request.include_artifacts:
            task.ClearField("artifacts")
        if not wants_history:
            task.ClearField("history")
        return task


async def _updates(
    projection: TaskProjection, batches: AsyncIterator[list[LogEntry]], first: list[Update] | None = None
) -> AsyncGenerator[list[Update], None]:
    """Yield the updates from batches of events as they arrive."""
    if first:
        yield first
    async for batch in batches:
        yield projection.apply(batch)


def _answer_of(messages: Iterable[StoredMessage]) -> str:
    answers = [message for message in messages if message.role == "assistant"]
    return "".join(block["text"] for message in answers for block in message.content if "text" in block)


def _unknown(task_id: str) -> str:
    return f"No task has the id {task_id!r:.140}."


def _fits(run: Run, request: ListTasksRequest) -> bool:
    if request.status != TaskState.TASK_STATE_UNSPECIFIED and state_of(run) != request.status:
        return False
    if not request.HasField("status_timestamp_after"):
        return True
    after: int = request.status_timestamp_after.ToMilliseconds()
    return status_ms(run) >= after


def _behind(runs: Sequence[Run], token: str) -> Sequence[Run]:
    """Return the runs after the position of a page token."""
    key = from_cursor(token, "time", "id")
    if key is None:
        return runs
    place = (int(key["time"]) if key["time"].isdigit() else 0, key["id"])
    return [run for run in runs if (status_ms(run), run.id) < place]


def _token(run: Run) -> str:
    return to_cursor({"time": str(status_ms(run)), "id": run.id})
