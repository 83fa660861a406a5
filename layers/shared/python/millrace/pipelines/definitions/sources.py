"""Where a pipeline's events come from: the configuration only."""

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from millrace.pipelines.definitions.model import Model, Name

SCHEDULE = r"^(rate|cron|at)\([^()]{1,200}\)$"
Names = Annotated[list[Name], Field(min_length=1, max_length=100)]


class AgentExecutionSource(Model):
    """Run events of the organisation's agents."""

    type: Literal["agent_execution"]
    agent_ids: Names | None = None
    statuses: Names | None = None


class WebhookSource(Model):
    """Requests to the pipeline's own address; the raw body's signature is checked before it is parsed."""

    type: Literal["webhook"]
    verify: Literal["standard", "github", "stripe", "slack", "hmac"] | None = None
    secret: Annotated[str, Field(min_length=1, max_length=500)] | None = None

    @model_validator(mode="after")
    def _secret_goes_with_verify(self) -> "WebhookSource":
        if (self.verify is None) != (self.secret is None):
            raise ValueError("`verify` and `secret` go together: give both or neither.")
        return self


class DatabaseChangeSource(Model):
    """Rows inserted, updated or deleted in a table, with the old and the new image."""

    type: Literal["database_change"]
    table: Name
    operations: (
        Annotated[list[Literal["insert", "update", "delete"]], Field(min_length=1, max_length=3)] | None
    ) = None


class ApiEventSource(Model):
    """The platform's own API activity."""

    type: Literal["api_event"]
    paths: Names | None = None
    methods: Names | None = None
    statuses: Annotated[list[Annotated[int, Field(ge=100, le=599)]], Field(min_length=1)] | None = None


class AlertSource(Model):
    """Alerts of the command center, when they are triggered and when they are resolved."""

    type: Literal["alert"]
    rule_ids: Names | None = None
    states: Annotated[list[Literal["triggered", "resolved"]], Field(min_length=1, max_length=2)] | None = None


class ScheduleSource(Model):
    """One event per tick of an EventBridge Scheduler expression."""

    type: Literal["schedule"]
    expression: Annotated[str, Field(pattern=SCHEDULE)]
    timezone: Name | None = None
    payload: dict[str, Any] | None = None


Source = Annotated[
    AgentExecutionSource
    | WebhookSource
    | DatabaseChangeSource
    | ApiEventSource
    | AlertSource
    | ScheduleSource,
    Field(discriminator="type"),
]
