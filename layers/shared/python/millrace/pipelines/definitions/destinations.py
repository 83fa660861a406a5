"""Destinations of a pipeline's outputs: the configuration only.

`${secrets.NAME}` is allowed in URLs, headers and credentials, and resolved before sending.
"""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, ValidationInfo, model_validator

from millrace.pipelines.definitions.addresses import (
    check_connection,
    check_headers,
    check_signing_secret,
    check_url,
)
from millrace.pipelines.definitions.bodies import check_json_template, is_json
from millrace.pipelines.definitions.model import (
    ExpressionText,
    Model,
    Name,
    TemplateText,
    check_template,
)
from millrace.pipelines.definitions.references import REFERENCE, WithoutReferences, WithReferences
from millrace.pipelines.definitions.written import is_stored, misplaced, written

URL = r"^(https?://|\$\{secrets\.)"
TOPIC_ARN = r"^arn:[a-z-]+:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_.-]+$"
Url = Annotated[str, Field(min_length=1, max_length=2_000, pattern=URL), written(check_url)]
Credential = Annotated[str, Field(min_length=1, max_length=1_000), WithReferences]
Headers = Annotated[
    dict[Name, Annotated[str, Field(max_length=4_000)]], Field(max_length=50), written(check_headers)
]
PlainName = Annotated[Name, WithoutReferences]


def _check_body(headers: dict[str, str], body: str | None, info: ValidationInfo) -> None:
    if body is not None and not is_stored(info) and is_json(headers):
        check_json_template(body)


class RetryPolicy(Model):
    """Waits start at `backoffMs` and double, with jitter."""

    max_retries: Annotated[int, Field(ge=0, le=20)] = 3
    backoff_ms: Annotated[int, Field(ge=0, le=900_000)] = 1_000


class RateLimit(Model):
    """At most `perSecond` requests per second on average, and `burst` at once."""

    per_second: Annotated[float, Field(gt=0, le=10_000)]
    burst: Annotated[int, Field(ge=1, le=10_000)] = 1


class Delivery(Model):
    """Options of every destination's config."""

    retry_policy: RetryPolicy = RetryPolicy()
    rate_limit: RateLimit | None = None


class ExtensionConfig(Delivery):
    """Base of the configs of destinations from other packages.

    `${secrets.NAME}` is allowed in texts annotated as `Url` or `Credential`, and in `headers`.
    """


class WebhookConfig(Delivery):
    url: Url
    method: Literal["POST", "PUT", "PATCH"] = "POST"
    headers: Headers = Field(default_factory=dict)
    signing_secret: Annotated[Credential, written(check_signing_secret)] | None = None
    body: TemplateText | None = None

    @model_validator(mode="after")
    def _body_is_json(self, info: ValidationInfo) -> "WebhookConfig":
        _check_body(self.headers, self.body, info)
        return self


OPERATIONS = ("insert", "upsert", "update", "delete")


def is_template(operation: str) -> bool:
    """Return whether an operation is determined for each event."""
    return operation not in OPERATIONS


def _check_operation(operation: str) -> str:
    if is_template(operation):
        if "{{" not in operation:
            raise ValueError(f"Write {', '.join(OPERATIONS)}, or a template such as {{{{$meta.type}}}}.")
        check_template(operation)
    return operation


class DatabaseConfig(Delivery):
    """`conflictFields` is the key for all operations except insert; with `versionField`, a stale row never
    overwrites.

    A template for `operation` determines each event's operation on its row. `deletedField` marks deleted
    rows.
    """

    table: PlainName
    operation: Annotated[
        str,
        Field(
            max_length=1_000,
            description="`insert`, `upsert`, `update`, `delete`, or a template such as `{{$meta.type}}`.",
        ),
        WithoutReferences,
        AfterValidator(_check_operation),
    ] = "insert"
    conflict_fields: Annotated[list[PlainName], Field(max_length=16)] = Field(default_factory=list)
    version_field: PlainName | None = None
    deleted_field: PlainName | None = None
    connection: Annotated[Credential, written(check_connection)] | None = None

    @model_validator(mode="after")
    def _key_is_known(self) -> "DatabaseConfig":
        if self.operation != "insert" and not self.conflict_fields:
            raise ValueError(f"`{self.operation}` needs `conflictFields`: the columns that identify a row.")
        return self

    @model_validator(mode="after")
    def _fields_differ(self, info: ValidationInfo) -> "DatabaseConfig":
        if not is_stored(info):
            if len(set(self.conflict_fields)) < len(self.conflict_fields):
                raise misplaced("conflictFields", "A column is listed twice.")
            if self.version_field in self.conflict_fields:
                raise misplaced("versionField", "The version must not be part of the key.")
            self._check_marks()
        return self

    def _check_marks(self) -> None:
        if is_template(self.operation) and not self.version_field:
            raise misplaced("versionField", "Changes arrive in any order, so set the column of the version.")
        if self.deleted_field is None:
            return
        if self.operation in ("insert", "update"):
            raise misplaced("deletedField", f"`{self.operation}` does not delete or restore rows.")
        if not self.version_field:
            raise misplaced(
                "versionField",
                "Marks of deleted rows need a version, because otherwise late events would undo them.",
            )
        if self.deleted_field in (*self.conflict_fields, self.version_field):
            raise misplaced("deletedField", "The mark must be in its own column.")


class ProductAnalytics(Delivery):
    """`event` and `distinctId` are expressions over the output."""

    event: ExpressionText | None = None
    distinct_id: ExpressionText | None = None


class MixpanelConfig(ProductAnalytics):
    provider: Literal["mixpanel"]
    project_token: Credential
    project_id: Annotated[Name, WithReferences] | None = None
    service_account: Credential | None = None
    service_secret: Credential | None = None
    region: Literal["us", "eu", "in"] = "us"

    @model_validator(mode="after")
    def _account_is_whole(self, info: ValidationInfo) -> "MixpanelConfig":
        given = [self.service_account, self.service_secret]
        if not is_stored(info) and any(given) and not all((*given, self.project_id)):
            raise misplaced(
                "serviceAccount", "A service account needs `serviceAccount`, `serviceSecret` and `projectId`."
            )
        return self


class AmplitudeConfig(ProductAnalytics):
    provider: Literal["amplitude"]
    api_key: Credential
    region: Literal["us", "eu"] = "us"


class SegmentConfig(ProductAnalytics):
    provider: Literal["segment"]
    write_key: Credential
    region: Literal["us", "eu"] = "us"


class CustomAnalyticsConfig(Delivery):
    provider: Literal["custom"]
    url: Url
    headers: Headers = Field(default_factory=dict)
    body: TemplateText | None = None

    @model_validator(mode="after")
    def _body_is_json(self, info: ValidationInfo) -> "CustomAnalyticsConfig":
        _check_body(self.headers, self.body, info)
        return self


class ChatConfig(Delivery):
    """A chat's incoming webhook. Values in `template` are escaped for it."""

    channel: Literal["slack", "discord", "teams"]
    webhook: Url
    template: TemplateText


class SnsConfig(Delivery):
    channel: Literal["sns"]
    topic_arn: Annotated[str, Field(pattern=TOPIC_ARN, max_length=400)]
    template: TemplateText
    subject: TemplateText | None = None


Analytics = Annotated[
    MixpanelConfig | AmplitudeConfig | SegmentConfig | CustomAnalyticsConfig, Field(discriminator="provider")
]
Notification = Annotated[ChatConfig | SnsConfig, Field(discriminator="channel")]


DestinationConfig = (
    WebhookConfig
    | DatabaseConfig
    | MixpanelConfig
    | AmplitudeConfig
    | SegmentConfig
    | CustomAnalyticsConfig
    | ChatConfig
    | SnsConfig
    | ExtensionConfig
)
"""The configuration of a destination of any kind."""


class DestinationBase(Model):
    """Base of the destinations."""

    name: Name | None = None
    when: ExpressionText | None = None


class WebhookDestination(DestinationBase):
    type: Literal["webhook"]
    config: WebhookConfig


class DatabaseDestination(DestinationBase):
    type: Literal["database"]
    config: DatabaseConfig


class AnalyticsDestination(DestinationBase):
    type: Literal["analytics"]
    config: Analytics


class NotificationDestination(DestinationBase):
    type: Literal["notification"]
    config: Notification


Destination = Annotated[
    WebhookDestination | DatabaseDestination | AnalyticsDestination | NotificationDestination,
    Field(discriminator="type"),
]


TYPES = frozenset({"webhook", "database", "analytics", "notification"})
"""The built-in kinds."""


def secret_names(value: Any) -> set[str]:
    """Return the names in `${secrets.NAME}` anywhere in a model, or in its dump."""
    if isinstance(value, Model):
        return secret_names(value.model_dump())
    if isinstance(value, dict):
        return secret_names(list(value.values()))
    if isinstance(value, list):
        return set().union(*map(secret_names, value))
    return set(REFERENCE.findall(value)) if isinstance(value, str) else set()
