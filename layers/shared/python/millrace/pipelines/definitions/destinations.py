"""Where a pipeline's outputs go: the configuration only. `${secrets.NAME}` may stand in urls, headers and
credentials; it is resolved when sending."""

import re
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from millrace.pipelines.definitions.model import ExpressionText, Model, Name, TemplateText

URL = r"^(https?://|\$\{secrets\.)"
TOPIC_ARN = r"^arn:[a-z-]+:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_.-]+$"
Url = Annotated[str, Field(min_length=1, max_length=2_000, pattern=URL)]
Credential = Annotated[str, Field(min_length=1, max_length=1_000)]
Headers = Annotated[dict[Name, Annotated[str, Field(max_length=4_000)]], Field(max_length=50)]
_SECRET = re.compile(r"\$\{secrets\.([A-Za-z0-9_-]{1,100})\}")


class RetryPolicy(Model):
    """Waits grow from `backoffMs`, doubling, with jitter."""

    max_retries: Annotated[int, Field(ge=0, le=20)] = 3
    backoff_ms: Annotated[int, Field(ge=0, le=900_000)] = 1_000


class RateLimit(Model):
    """At most `perSecond` requests a second on average, `burst` at once."""

    per_second: Annotated[float, Field(gt=0, le=10_000)]
    burst: Annotated[int, Field(ge=1, le=10_000)] = 1


class Delivery(Model):
    """What every destination's config may hold."""

    retry_policy: RetryPolicy = RetryPolicy()
    rate_limit: RateLimit | None = None


class WebhookConfig(Delivery):
    url: Url
    method: Literal["POST", "PUT", "PATCH"] = "POST"
    headers: Headers = Field(default_factory=dict)
    signing_secret: Credential | None = None
    body: TemplateText | None = None


class DatabaseConfig(Delivery):
    """`conflictFields` are the key of upsert and update; with `versionField` a stale row never overwrites."""

    table: Name
    operation: Literal["insert", "upsert", "update"] = "insert"
    conflict_fields: Annotated[list[Name], Field(max_length=16)] = Field(default_factory=list)
    version_field: Name | None = None
    connection: Credential | None = None

    @model_validator(mode="after")
    def _key_is_known(self) -> "DatabaseConfig":
        if self.operation != "insert" and not self.conflict_fields:
            raise ValueError(f"`{self.operation}` needs `conflictFields`: the columns that identify a row.")
        return self


class ProductAnalytics(Delivery):
    """`event` and `distinctId` are expressions over the output."""

    event: ExpressionText | None = None
    distinct_id: ExpressionText | None = None


class MixpanelConfig(ProductAnalytics):
    provider: Literal["mixpanel"]
    project_token: Credential
    project_id: Name | None = None
    service_account: Credential | None = None
    service_secret: Credential | None = None
    region: Literal["us", "eu", "in"] = "us"


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


class ChatConfig(Delivery):
    """A chat's incoming webhook; values in `template` are escaped for it."""

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


class _Destination(Model):
    name: Name | None = None
    when: ExpressionText | None = None


class WebhookDestination(_Destination):
    type: Literal["webhook"]
    config: WebhookConfig


class DatabaseDestination(_Destination):
    type: Literal["database"]
    config: DatabaseConfig


class AnalyticsDestination(_Destination):
    type: Literal["analytics"]
    config: Analytics


class NotificationDestination(_Destination):
    type: Literal["notification"]
    config: Notification


Destination = Annotated[
    WebhookDestination | DatabaseDestination | AnalyticsDestination | NotificationDestination,
    Field(discriminator="type"),
]


def secret_names(value: Any) -> set[str]:
    """The names in `${secrets.NAME}` anywhere in a model, or in what one dumps to."""
    if isinstance(value, Model):
        return secret_names(value.model_dump())
    if isinstance(value, dict):
        return secret_names(list(value.values()))
    if isinstance(value, list):
        return set().union(*map(secret_names, value))
    return set(_SECRET.findall(value)) if isinstance(value, str) else set()
