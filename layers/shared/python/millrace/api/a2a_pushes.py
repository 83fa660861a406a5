"""Push notification configurations of A2A clients: the operations of both bindings."""

from a2a.types.a2a_pb2 import (
    AuthenticationInfo,
    DeleteTaskPushNotificationConfigRequest,
    GetTaskPushNotificationConfigRequest,
    ListTaskPushNotificationConfigsRequest,
    ListTaskPushNotificationConfigsResponse,
    TaskPushNotificationConfig,
)
from a2a.utils.errors import PushNotificationNotSupportedError, TaskNotFoundError
from a2a.utils.proto_utils import validate_proto_required_fields
from msgspec import Struct

from millrace.api.a2a_call import Call
from millrace.domain.runs import Run
from millrace.domain.tasks import PushConfig
from millrace.errors import NotFound
from millrace.services.runs.access import authorize
from millrace.services.runs.platform import Platform
from millrace.services.tasks.push import NewPush, Pushes
from millrace.services.tasks.read import task_run
from millrace.settings import Settings


def require_pushes(settings: Settings) -> None:
    """Raise `PushNotificationNotSupportedError` if push notifications are disabled in the deployment."""
    if not settings.push_queue_url:
        raise PushNotificationNotSupportedError(
            "This deployment does not support push notifications; follow the task with a stream, or deploy "
            "with PushNotifications=true."
        )


def new_push(settings: Settings, given: TaskPushNotificationConfig) -> NewPush:
    """Return a configuration in the form of the services. Raises `PushNotificationNotSupportedError`."""
    require_pushes(settings)
    auth = given.authentication
    return NewPush(given.id, given.url, given.token, auth.scheme, auth.credentials)


class PushOperations(Struct, frozen=True):
    """The operations on push notification configurations."""

    platform: Platform

    async def create(self, call: Call, given: TaskPushNotificationConfig) -> TaskPushNotificationConfig:
        """Store the address to which the updates of a task are pushed."""
        validate_proto_required_fields(given)
        run = await self._run(call, given.task_id)
        pushes = Pushes(self.platform)
        return _to_public(
            run, await pushes.create(run, await pushes.check(new_push(self.platform.settings, given)))
        )

    async def get(
        self, call: Call, given: GetTaskPushNotificationConfigRequest
    ) -> TaskPushNotificationConfig:
        """Return a configuration, without its secrets."""
        run = await self._run(call, given.task_id)
        return _to_public(run, await Pushes(self.platform).get(run, given.id))

    async def list_all(
        self, call: Call, given: ListTaskPushNotificationConfigsRequest
    ) -> ListTaskPushNotificationConfigsResponse:
        """Return the configurations of a task. They are few and fit in one page."""
        run = await self._run(call, given.task_id)
        found = await self.platform.stores.pushes.of_run(run)
        return ListTaskPushNotificationConfigsResponse(configs=[_to_public(run, one) for one in found])

    async def delete(self, call: Call, given: DeleteTaskPushNotificationConfigRequest) -> None:
        """Delete a configuration if it exists."""
        await self.platform.stores.pushes.delete(await self._run(call, given.task_id), given.id)

    async def _run(self, call: Call, task_id: str) -> Run:
        """Return the run of a task that the caller may write to; being able to read it is not enough."""
        require_pushes(self.platform.settings)
        try:
            run = await task_run(self.platform.stores, call.caller, task_id, call.agent.id)
        except NotFound as error:
            raise TaskNotFoundError(f"No task has the id {task_id!r:.140}.") from error
        await authorize(self.platform.stores, call.caller, run.slot, "write")
        return run


def _to_public(run: Run, config: PushConfig) -> TaskPushNotificationConfig:
    auth = AuthenticationInfo(scheme=config.scheme) if config.scheme else None
    return TaskPushNotificationConfig(id=config.id, task_id=run.id, url=config.url, authentication=auth)
