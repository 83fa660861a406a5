"""Everything that a package needs to add a kind of destination; docs/extensions.md has an example.

A kind is `DestinationType(config=..., http=...)`: a config that validates the definition, and a wire format
that creates requests from events. Requests are sent like ours: guarded against private addresses, with the
pipeline's rate limit, retries, circuit and dead letters.
"""

from millrace.destinations.results import (
    DELIVERED,
    Dead,
    Delivered,
    DeliveryResult,
    Failure,
    Retry,
    SendReport,
    Unsendable,
)
from millrace.destinations.sending import WaitForSlot
from millrace.destinations.wire import (
    Answer,
    EncodedEvent,
    HttpDestination,
    Request,
    RequestLimits,
    Verdict,
    by_status,
)
from millrace.pipelines.definitions.destinations import Credential, ExtensionConfig, RateLimit, Url
from millrace.pipelines.definitions.extensions import DestinationType
from millrace.pipelines.event import Event

__all__ = [
    "DELIVERED",
    "Answer",
    "Credential",
    "Dead",
    "Delivered",
    "DeliveryResult",
    "DestinationType",
    "EncodedEvent",
    "Event",
    "ExtensionConfig",
    "Failure",
    "HttpDestination",
    "RateLimit",
    "Request",
    "RequestLimits",
    "Retry",
    "SendReport",
    "Unsendable",
    "Url",
    "Verdict",
    "WaitForSlot",
    "by_status",
]
