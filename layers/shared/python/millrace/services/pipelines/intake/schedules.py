"""Pipelines with a `schedule` source: each has an EventBridge schedule that puts ticks on the ingest
queue."""

from hashlib import sha256
from typing import Any

from botocore.exceptions import ClientError

from millrace.domain.pipelines import Pipeline
from millrace.errors import InvalidRequest, NotImplementedHere
from millrace.pipelines.definitions.definition import stored_definition
from millrace.pipelines.definitions.sources import ScheduleSource
from millrace.services.pipelines.context import PipelineContext
from millrace.services.pipelines.queue_messages import Tick, encode

# Not the execution's id, which differs between attempts of the same tick.
_DUE = "<aws.scheduler.scheduled-time>"


class Schedules:
    """Schedules named after organization and pipeline, in the deployment's own group."""

    def __init__(self, context: PipelineContext) -> None:
        self._context = context

    async def ensure(self, organization: str, pipeline: Pipeline) -> None:
        """Create the schedule of a pipeline that needs one, or update one that an earlier start left.

        Raises `InvalidRequest` for an expression that Scheduler rejects.
        """
        source = stored_definition(pipeline.definition).source
        if not isinstance(source, ScheduleSource):
            return
        if not self._context.settings.scheduler_role_arn:
            raise NotImplementedHere("This deployment has no role for schedules.", code="no_scheduler")
        schedule = self._schedule(organization, pipeline, source)
        try:
            await self._put("create_schedule", schedule)
        except ClientError as error:
            if error.response["Error"]["Code"] != "ConflictException":
                raise
            await self._put("update_schedule", schedule)

    def _schedule(self, organization: str, pipeline: Pipeline, source: ScheduleSource) -> dict[str, Any]:
        settings = self._context.settings
        return {
            "Name": _name(organization, pipeline.id),
            "GroupName": settings.schedule_group,
            "ScheduleExpression": source.expression,
            "ScheduleExpressionTimezone": source.timezone or "UTC",
            "FlexibleTimeWindow": {"Mode": "OFF"},
            "Target": {
                "Arn": settings.ingest_queue_arn,
                "RoleArn": settings.scheduler_role_arn,
                "Input": encode(Tick(organization, pipeline.id, _DUE)),
            },
        }

    async def _put(self, operation: str, schedule: dict[str, Any]) -> None:
        try:
            await self._context.aws.call("scheduler", operation, **schedule)
        except ClientError as error:
            if error.response["Error"]["Code"] == "ValidationException":
                message = f"source.expression: {error.response['Error']['Message']}"
                raise InvalidRequest(message, code="invalid_schedule") from error
            raise

    async def remove(self, organization: str, pipeline: Pipeline) -> None:
        """Delete the schedule, if there is one."""
        if pipeline.source_type != "schedule":
            return
        try:
            await self._context.aws.call(
                "scheduler",
                "delete_schedule",
                Name=_name(organization, pipeline.id),
                GroupName=self._context.settings.schedule_group,
            )
        except ClientError as error:
            if error.response["Error"]["Code"] != "ResourceNotFoundException":
                raise


def _name(organization: str, pipeline_id: str) -> str:
    """Return the schedule's name. Scheduler allows 64 of `A-Z a-z 0-9 _ . -`."""
    return f"{sha256(organization.encode()).hexdigest()[:16]}-{pipeline_id}"
