"""All kinds of destinations, each with its sender and other properties.

  webhook        any HTTP endpoint, signed
  analytics      mixpanel, amplitude, segment, or another service (custom)
  notification   slack, discord, teams, sns
  database       PostgreSQL, Aurora DSQL, MySQL, SQLite (database), DynamoDB (dynamodb)

To add a kind, write its config in `pipelines/definitions/destinations.py`, its module here, and its row. Rows
import their modules on first use, because SQLAlchemy and drivers take half a second.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar, assert_never
from urllib.parse import urlsplit

from msgspec import Struct, field

from millrace.destinations.results import SendReport, Unsendable
from millrace.destinations.sending import HttpSender, Post, WaitForSlot
from millrace.destinations.wire import HttpDestination
from millrace.pipelines.definitions.destinations import (
    AmplitudeConfig,
    ChatConfig,
    CustomAnalyticsConfig,
    DatabaseConfig,
    DestinationConfig,
    ExtensionConfig,
    MixpanelConfig,
    RateLimit,
    SegmentConfig,
    SnsConfig,
    WebhookConfig,
)
from millrace.pipelines.event import Event
from millrace.stores.aws import Aws

if TYPE_CHECKING:
    from millrace.destinations.connections import Databases

C = TypeVar("C")


class Sender(Protocol):
    """Sends events to one destination. `wait_for_slot` is called before every request."""

    async def send(self, events: Sequence[Event], wait_for_slot: WaitForSlot) -> SendReport: ...


class Reach(Struct, frozen=True):
    """The addresses and resources that the operator allows for destinations.

    Tables and topics are accessed with the function's own role, so without a prefix none are allowed.
    """

    table_prefix: str = ""
    topic_prefix: str = ""
    database_hosts: tuple[str, ...] = ()
    loopback: bool = False


class ServiceUrls(Struct, frozen=True):
    """Addresses of services that replace the defaults, such as proxies or regions."""

    mixpanel: str = ""
    amplitude: str = ""
    segment: str = ""


class DestinationCatalog(Struct):
    """Creates senders, and holds the resources that they share."""

    aws: Aws
    reach: Reach
    now: Callable[[], int]
    urls: ServiceUrls = field(default_factory=ServiceUrls)
    _databases: "Databases | None" = None

    def sender(self, config: DestinationConfig, organization: str, post: Post) -> Sender:
        """Return a sender for a config with resolved secrets.

        Raises `Unsendable` for one that cannot work.
        """
        return kind_of(config).sender(self, config, organization, post)

    def databases(self) -> "Databases":
        """Return the database connections that all deliveries of a process share."""
        from millrace.destinations.connections import Access, Databases

        if self._databases is None:
            self._databases = Databases(Access(self.reach.loopback, self.reach.database_hosts), self.aws)
        return self._databases

    def close(self) -> None:
        """Close the database connections."""
        if self._databases is not None:
            self._databases.close()


def _no_host(config: Any) -> str:
    return ""


class Kind(Struct, Generic[C], frozen=True):
    """A kind of destination.

    `repeatable` means that it detects a duplicate by the event's id; for others, deliveries record what they
    have sent. `connection_host` returns the host of a resolved connection, because secrets are bound to
    hosts, or "" for HTTP, where each request is checked, and for AWS services. `service_host` returns the
    host of a service with a fixed address. `rate_limit` applies to configs without their own.
    """

    sender: Callable[[DestinationCatalog, C, str, Post], Sender]
    repeatable: bool = True
    connection_host: Callable[[C], str] = _no_host
    service_host: Callable[[C], str] = _no_host
    rate_limit: RateLimit | None = None


def kind_of(config: DestinationConfig) -> Kind[Any]:
    """Return the properties of a config's kind."""
    match config:
        case WebhookConfig():
            return _WEBHOOK
        case MixpanelConfig():
            return _MIXPANEL
        case AmplitudeConfig():
            return _AMPLITUDE
        case SegmentConfig():
            return _SEGMENT
        case CustomAnalyticsConfig():
            return _CUSTOM
        case ChatConfig():
            return _CHAT
        case SnsConfig():
            return _SNS
        case DatabaseConfig():
            return _DYNAMODB if (config.connection or "").startswith("dynamodb:") else _DATABASE
        case ExtensionConfig():
            return _extension(config)
        case _:
            assert_never(config)


def _extension(config: ExtensionConfig) -> Kind[Any]:
    """Return the properties of a kind from another package."""
    from millrace.pipelines.definitions.extensions import type_of

    try:
        kind = type_of(config)
    except LookupError as error:
        return Kind(_unusable(str(error)))
    if http := kind.http:
        return Kind(_http(lambda config, urls: http(config)), kind.repeatable, rate_limit=kind.rate_limit)
    make = kind.sender
    assert make is not None
    return Kind(lambda catalog, config, *_: make(config), kind.repeatable, rate_limit=kind.rate_limit)


def _unusable(reason: str) -> Callable[[DestinationCatalog, Any, str, Post], Sender]:
    def sender(catalog: DestinationCatalog, config: Any, organization: str, post: Post) -> Sender:
        raise Unsendable("extension_missing", f"{reason} Install what it needs, then redrive.")

    return sender


def _http(
    destination: Callable[[C, ServiceUrls], HttpDestination],
) -> Callable[[DestinationCatalog, C, str, Post], Sender]:
    """Return the sender of a kind that uses HTTP."""

    def sender(catalog: DestinationCatalog, config: C, organization: str, post: Post) -> Sender:
        return HttpSender(destination(config, catalog.urls), post, catalog.now)

    return sender


def _webhook(config: WebhookConfig, urls: ServiceUrls) -> HttpDestination:
    from millrace.destinations.webhook import Webhook

    return Webhook(config)


def _mixpanel(config: MixpanelConfig, urls: ServiceUrls) -> HttpDestination:
    from millrace.destinations.mixpanel import Mixpanel

    return Mixpanel(config, urls.mixpanel)


def _mixpanel_host(config: MixpanelConfig) -> str:
    from millrace.destinations.mixpanel import URLS

    return urlsplit(URLS[config.region]).hostname or ""


def _amplitude(config: AmplitudeConfig, urls: ServiceUrls) -> HttpDestination:
    from millrace.destinations.amplitude import Amplitude

    return Amplitude(config, urls.amplitude)


def _amplitude_host(config: AmplitudeConfig) -> str:
    from millrace.destinations.amplitude import URLS

    return urlsplit(URLS[config.region]).hostname or ""


def _segment(config: SegmentConfig, urls: ServiceUrls) -> HttpDestination:
    from millrace.destinations.segment import Segment

    return Segment(config, urls.segment)


def _segment_host(config: SegmentConfig) -> str:
    from millrace.destinations.segment import URLS

    return urlsplit(URLS[config.region]).hostname or ""


def _custom(config: CustomAnalyticsConfig, urls: ServiceUrls) -> HttpDestination:
    from millrace.destinations.custom import custom_analytics

    return custom_analytics(config)


def _chat(config: ChatConfig, urls: ServiceUrls) -> HttpDestination:
    from millrace.destinations import discord, slack, teams

    match config.channel:
        case "slack":
            return slack.Slack(config)
        case "discord":
            return discord.Discord(config)
        case "teams":
            return teams.Teams(config)
        case _:
            assert_never(config.channel)


def _sns(catalog: DestinationCatalog, config: SnsConfig, organization: str, post: Post) -> Sender:
    from millrace.destinations.sns import SnsSender

    return SnsSender(config, organization, catalog.reach.topic_prefix, catalog.aws)


def _dynamodb(catalog: DestinationCatalog, config: DatabaseConfig, organization: str, post: Post) -> Sender:
    from millrace.destinations.dynamodb import DynamoSender

    return DynamoSender(config, organization, catalog.reach.table_prefix, catalog.aws)


def _database(catalog: DestinationCatalog, config: DatabaseConfig, organization: str, post: Post) -> Sender:
    from millrace.destinations.database import DatabaseSender

    return DatabaseSender(config, organization, catalog.databases())


def _database_host(config: DatabaseConfig) -> str:
    from millrace.destinations.connections import parse_url

    return parse_url(config.connection or "").host or "localhost"


_WEBHOOK = Kind(_http(_webhook))
_MIXPANEL = Kind(_http(_mixpanel), service_host=_mixpanel_host)
_AMPLITUDE = Kind(_http(_amplitude), service_host=_amplitude_host)
_SEGMENT = Kind(_http(_segment), service_host=_segment_host)
_CUSTOM = Kind(_http(_custom))
_CHAT = Kind(_http(_chat), repeatable=False, rate_limit=RateLimit(per_second=1, burst=1))
_SNS = Kind(_sns, repeatable=False)
_DYNAMODB = Kind(_dynamodb)
_DATABASE = Kind(_database, connection_host=_database_host)
