"""Sources of a pipeline's events: the configuration only."""

from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, ValidationInfo, model_validator
from pydantic_core import PydanticCustomError

from millrace.pipelines.definitions.addresses import check_standard_secret
from millrace.pipelines.definitions.model import Model, Name
from millrace.pipelines.definitions.references import (
    WithoutReferences,
    check_references,
)
from millrace.pipelines.definitions.schedules import SCHEDULE, check_schedule, check_timezone
from millrace.pipelines.definitions.written import is_stored, misplaced, written

Names = Annotated[list[Name], Field(min_length=1, max_length=100)]
RUN_STATUSES = ("running", "completed", "failed", "stopped", "deleted")
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


def _among(allowed: tuple[str, ...], what: str, form: Callable[[str], str] = str) -> AfterValidator:
    def check(given: list[str]) -> None:
        for at, each in enumerate(given):
            if form(each) not in allowed:
                raise PydanticCustomError(
                    "not_among",
                    "{given} is not {what}; use {allowed}.",
                    {"given": repr(each), "what": what, "allowed": ", ".join(allowed), "field": str(at)},
                )

    return written(check)


def _api_paths(paths: list[str]) -> None:
    for at, path in enumerate(paths):
        if not path.startswith("/") or "*" in path[:-1] or "?" in path or "#" in path:
            raise misplaced(str(at), "A path must begin with `/`; a `*` is only allowed at its end.")


class AgentExecutionSource(Model):
    """Run events of the organization's agents."""

    type: Literal["agent_execution"]
    agent_ids: Names | None = None
    statuses: Annotated[Names, _among(RUN_STATUSES, "a status of runs")] | None = None


class WebhookSource(Model):
    """Requests to the pipeline's own address.

    The signature of the raw body is verified before it is parsed.
    """

    type: Literal["webhook"]
    verify: Literal["standard", "github", "stripe", "slack", "shopify", "hmac"] | None = None
    secret: Annotated[str, Field(min_length=1, max_length=500), written(check_references)] | None = None

    @model_validator(mode="after")
    def _secret_goes_with_verify(self) -> "WebhookSource":
        if (self.verify is None) != (self.secret is None):
            raise ValueError("`verify` and `secret` must be used together.")
        return self

    @model_validator(mode="after")
    def _secret_fits_scheme(self, info: ValidationInfo) -> "WebhookSource":
        if self.verify == "standard" and self.secret and not is_stored(info):
            check_standard_secret(self.secret)
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
    paths: Annotated[Names, written(_api_paths)] | None = None
    methods: Annotated[Names, _among(METHODS, "a method", str.upper)] | None = None
    statuses: Annotated[list[Annotated[int, Field(ge=100, le=599)]], Field(min_length=1)] | None = None


class AlertSource(Model):
    """Alerts of the command center, when they are triggered and when they are resolved."""

    type: Literal["alert"]
    rule_ids: Names | None = None
    states: Annotated[list[Literal["triggered", "resolved"]], Field(min_length=1, max_length=2)] | None = None


class ApprovalSource(Model):
    """Calls of agents and steps of flows that wait for a person, when they are requested and answered."""

    type: Literal["approval"]
    agent_ids: Names | None = None
    states: Annotated[list[Literal["requested", "answered"]], Field(min_length=1, max_length=2)] | None = None


class ScheduleSource(Model):
    """One event for each tick of an EventBridge Scheduler expression."""

    type: Literal["schedule"]
    expression: Annotated[str, Field(pattern=SCHEDULE), written(check_schedule)]
    timezone: Annotated[Name, written(check_timezone)] | None = None
    payload: Annotated[dict[str, Any], WithoutReferences] | None = None


class ExtensionSource(Model):
    """Base of the sources of other packages, whose requests arrive at the pipeline's own address."""

    type: str
    secret: Annotated[str, Field(min_length=1, max_length=500), written(check_references)] | None = None


BY_ADDRESS = (WebhookSource, ExtensionSource)
"""Sources whose events arrive at an address that is found by the pipeline's id alone."""

Source = Annotated[
    AgentExecutionSource
    | WebhookSource
    | DatabaseChangeSource
    | ApiEventSource
    | AlertSource
    | ApprovalSource
    | ScheduleSource,
    Field(discriminator="type"),
]
TYPES = frozenset(
    ("agent_execution", "webhook", "database_change", "api_event", "alert", "approval", "schedule")
)
"""The built-in kinds."""
