"""Every kind of destination, by its configuration.

webhook        any HTTP endpoint, signed
analytics      mixpanel, amplitude, segment, or a service of any kind (custom)
notification   slack, discord, teams, sns
database       PostgreSQL, Aurora DSQL, MySQL, SQLite (database), DynamoDB (dynamodb)
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from millrace.destinations.results import SendReport
from millrace.destinations.sending import HttpSender, Post, WaitForSlot
from millrace.destinations.wire import HttpDestination
from millrace.pipelines.definitions.destinations import (
    AmplitudeConfig,
    ChatConfig,
    CustomAnalyticsConfig,
    DatabaseConfig,
    Delivery,
    MixpanelConfig,
    SegmentConfig,
    SnsConfig,
    WebhookConfig,
)
from millrace.pipelines.event import Event
from millrace.stores.aws import Aws


class Sender(Protocol):
    """Sends events to one destination; `wait_for_slot` is asked before every request."""

    async def send(self, events: Sequence[Event], wait_for_slot: WaitForSlot) -> SendReport: ...


@dataclass(frozen=True, slots=True)
class Limits:
    """What the operator allows destinations to reach. Tables and topics are reached with the function's own
    role, so that without a prefix there are none."""

    table_prefix: str = ""
    topic_prefix: str = ""
    database_hosts: tuple[str, ...] = ()
    loopback: bool = False


@dataclass(frozen=True, slots=True)
class Services:
    """Other addresses for services than their own: proxies, regions."""

    mixpanel: str = ""
    amplitude: str = ""
    segment: str = ""


@dataclass
class Catalogue:
    """Makes senders. Modules are imported when first needed: SQLAlchemy and drivers take half a second."""

    aws: Aws
    limits: Limits
    now: Callable[[], int]
    services: Services = field(default_factory=Services)

    def __post_init__(self) -> None:
        self._databases: object | None = None

    def sender(self, config: Delivery, organization: str, post: Post) -> Sender:
        """For a config whose secrets are resolved. Raises `Unsendable` for one that cannot work."""
        if isinstance(config, DatabaseConfig):
            return self._database(config, organization)
        if isinstance(config, SnsConfig):
            from millrace.destinations.sns import SnsSender

            return SnsSender(config, organization, self.limits.topic_prefix, self.aws)
        return HttpSender(self._http(config), post, self.now)

    def _http(self, config: Delivery) -> HttpDestination:
        from millrace.destinations import amplitude, custom, mixpanel, segment, webhook

        match config:
            case WebhookConfig():
                return webhook.Webhook(config)
            case MixpanelConfig():
                return mixpanel.Mixpanel(config, self.services.mixpanel)
            case AmplitudeConfig():
                return amplitude.Amplitude(config, self.services.amplitude)
            case SegmentConfig():
                return segment.Segment(config, self.services.segment)
            case CustomAnalyticsConfig():
                return custom.custom_analytics(config)
            case ChatConfig():
                return _chat(config)
        raise AssertionError("every kind of destination is above")

    def _database(self, config: DatabaseConfig, organization: str) -> Sender:
        if (config.connection or "").startswith("dynamodb:"):
            from millrace.destinations.dynamodb import DynamoSender

            return DynamoSender(config, organization, self.limits.table_prefix, self.aws)
        from millrace.destinations.connections import Access, Databases
        from millrace.destinations.database import DatabaseSender

        if not isinstance(self._databases, Databases):
            access = Access(self.limits.loopback, self.limits.database_hosts)
            self._databases = Databases(access, self.aws)
        return DatabaseSender(config, organization, self._databases)

    def close(self) -> None:
        """Closes connections to databases."""
        if self._databases is not None:
            from millrace.destinations.connections import Databases

            assert isinstance(self._databases, Databases)
            self._databases.close()


def _chat(config: ChatConfig) -> HttpDestination:
    from millrace.destinations import discord, slack, teams

    kinds: dict[str, Callable[[ChatConfig], HttpDestination]] = {
        "slack": slack.Slack,
        "discord": discord.Discord,
        "teams": teams.Teams,
    }
    return kinds[config.channel](config)


def is_repeatable(config: Delivery) -> bool:
    """Whether the destination itself knows a repetition by the event's id; for others deliveries mark what
    they have sent."""
    return not isinstance(config, ChatConfig | SnsConfig)


def host_of(config: Delivery) -> str:
    """The host that a resolved database connection leads to, for secrets are bound to hosts; "" for HTTP,
    where each request is checked, and for AWS's own services."""
    if not isinstance(config, DatabaseConfig) or (config.connection or "").startswith("dynamodb:"):
        return ""
    from millrace.destinations.connections import parse_url

    url = parse_url(config.connection or "")
    return url.host or "localhost"
