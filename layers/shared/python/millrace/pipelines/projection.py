"""The payloads of events as steps get them: only the necessary fields of the JSON.

Creating objects for everything in an event costs more than everything that typical steps do with it. So if
the steps of a plan name the fields that they read, the rest is skipped. It is parsed if an event fails,
because the dead letter has to show the whole event.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypedDict, cast

import msgspec
from msgspec import Raw

from millrace.pipelines.definitions.definition import PipelineDefinition
from millrace.pipelines.event import Event, Payload, UnreadEvent
from millrace.pipelines.shapes import needed_fields

# Its fields come from a definition, so no type checker knows them.
_TYPED_DICT: Any = TypedDict
Payloads = Callable[[Sequence[Event]], list[Payload]]


def payloads_of(events: Sequence[Event]) -> list[Payload]:
    """Return the payloads with all their fields."""
    return [event.load() if type(event) is UnreadEvent else event.payload for event in events]


def projection(definition: PipelineDefinition) -> Payloads:
    """Return the function for the payloads that the first step of a definition gets."""
    fields = needed_fields(definition)
    # msgspec finds other names only if Python has written their UTF-8 down before, and skips them else.
    if fields is None or not all(map(str.isascii, fields)):
        return payloads_of
    shape = _TYPED_DICT("shape", dict.fromkeys(fields, Any), total=False)
    decode: Callable[[Raw], Payload] = msgspec.json.Decoder(shape).decode

    def project(events: Sequence[Event]) -> list[Payload]:
        if set(map(type, events)) != {UnreadEvent}:
            return payloads_of(events)
        unread = cast(Sequence[UnreadEvent], events)
        payloads = [decode(event.payload) for event in unread]
        for event, payload in zip(unread, payloads, strict=True):
            event.seen = payload
        return payloads

    return project
