"""`batch` directly before a destination that accepts many events in one request, meaning "send them
together".

Mixpanel, Amplitude, Segment, databases, and notifications whose template is written for a single event get
the batch's items as separate events, with their own ids and times. Everything else gets the batch as one
event, `{id, items, count}`.
"""

from collections.abc import Iterator, Sequence
from typing import assert_never

from millrace.pipelines.definitions.destinations import (
    AmplitudeConfig,
    ChatConfig,
    CustomAnalyticsConfig,
    DatabaseConfig,
    Destination,
    MixpanelConfig,
    SegmentConfig,
    SnsConfig,
    WebhookConfig,
)
from millrace.pipelines.definitions.steps import BatchStep, DedupeStep, FilterStep, SampleStep, Step
from millrace.pipelines.event import Event
from millrace.pipelines.expressions.fields_read import template_fields

_OF_A_BATCH = frozenset({"items", "count", "$event"})
_SHAPE_STAYS = (FilterStep, SampleStep, DedupeStep)


def sends_items(steps: Sequence[Step], destination: Destination) -> bool:
    """Return whether the destination after these steps gets the items of a batch one by one."""
    return ends_in_batch(steps) and _takes_items(destination)


def ends_in_batch(steps: Sequence[Step]) -> bool:
    """Return whether the last step's output is a batch as the step `batch` created it."""
    for step in reversed(steps):
        if isinstance(step, BatchStep):
            return True
        if not isinstance(step, _SHAPE_STAYS):
            return False
    return False


def _takes_items(destination: Destination) -> bool:
    match destination.config:
        case WebhookConfig() | CustomAnalyticsConfig():
            return False
        case MixpanelConfig() | AmplitudeConfig() | SegmentConfig() | DatabaseConfig():
            return True
        case ChatConfig() | SnsConfig() as config:
            fields = template_fields(config.template)
            return bool(fields) and not fields & _OF_A_BATCH
        case other:
            assert_never(other)


def mixed_fields(steps: Sequence[Step], destination: Destination) -> list[str]:
    """Return the fields that a template reads in addition to those of the batch; they are always null."""
    config = destination.config
    if not isinstance(config, ChatConfig | SnsConfig) or not ends_in_batch(steps):
        return []
    fields = template_fields(config.template)
    return sorted(fields - _OF_A_BATCH - {"id"}) if fields & _OF_A_BATCH else []


def items_of(batch: Event) -> Iterator[Event]:
    """Yield the items of a batch; an event that bypassed the batch (its `when` was not true) is unchanged.

    A batch that was stored in a dead letter has lost the ids and times of its items. They are then derived
    from its own, always in the same way.
    """
    if batch.source != "batch" or batch.payload.keys() != {"id", "items", "count"}:
        yield batch
        return
    items = batch.payload["items"]
    parts = batch.parts or [(f"{batch.id}-{at}", batch.time, "item", "") for at in range(len(items))]
    for item, (id, time, type, sequence) in zip(items, parts, strict=True):
        event = batch.with_payload(item, id)
        event.type, event.time, event.sequence = type, time, sequence
        yield event
