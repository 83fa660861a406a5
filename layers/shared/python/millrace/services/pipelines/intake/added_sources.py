"""Events of sources from other packages. A source that fails affects only its own pipeline."""

from collections.abc import Mapping
from typing import Any

from millrace.domain.ids import new_id
from millrace.domain.sender_ids import request_id
from millrace.errors import InvalidRequest, MillraceError, NotImplementedHere, Unavailable
from millrace.pipelines.definitions.extensions import WebhookRequest, type_of_source
from millrace.pipelines.definitions.sources import ExtensionSource
from millrace.pipelines.event import Event
from millrace.services.pipelines.intake.push import checked
from millrace.services.pipelines.payloads import LONGEST_ID

MOST = 1_000


def added_events(
    source: ExtensionSource, headers: Mapping[str, str], body: bytes, now: int
) -> list[Event] | str:
    """Return the events of a request, or the answer that its sender expects.

    Raises our own errors from the source, `NotImplementedHere` if its package is missing, and `Unavailable`
    if it fails, so that the sender tries again.
    """
    try:
        receive = type_of_source(source).receive
    except LookupError as error:
        raise NotImplementedHere(str(error), code="extension_missing") from error
    try:
        found = receive(source, WebhookRequest(headers, body, now))
    except MillraceError:
        raise
    except Exception as error:
        raise Unavailable(f"The source {source.type!r} failed: {type(error).__name__}.") from error
    if isinstance(found, str):
        return found
    if not isinstance(found, list) or len(found) > MOST:
        raise Unavailable(f"The source {source.type!r} did not return a list of at most {MOST:,} events.")
    return [_event(source, one, at, request_id(headers), now) for at, one in enumerate(found)]


def _event(source: ExtensionSource, given: Any, at: int, request: str | None, now: int) -> Event:
    payload = given.get("payload") if isinstance(given, dict) else None
    if not isinstance(payload, dict):
        raise InvalidRequest(f"items.{at}: the source returned no payload.", code="invalid_items")
    id = str(given.get("id") or (f"{request}#{at}" if request else new_id("evt")))[:LONGEST_ID]
    kind = str(given.get("type") or source.type)[:LONGEST_ID]
    return checked(Event(payload, id, source.type, kind, now, now), at)
