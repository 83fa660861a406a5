"""Messages of the pipelines' queues: what is written is read, and nothing else."""

import json
from itertools import chain
from typing import Any, get_args

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from millrace.errors import InvalidRequest
from millrace.pipelines.event import Event, UnreadEvent
from millrace.services.pipelines.event_records import event_from_record, event_record
from millrace.services.pipelines.queue_messages import (
    BYTES_PER_MESSAGE,
    EVENTS_PER_MESSAGE,
    BusEvent,
    Drain,
    Events,
    FireTimer,
    IngestMessage,
    OperatorEvent,
    ProcessEntry,
    Purge,
    RedrivePage,
    Replay,
    StopPipeline,
    Tick,
    TimerMessage,
    encode,
    ingest_message,
    pack,
    timer_message,
)

OURS = ("acme", "pipeline_1")
INGEST: list[Any] = [
    Events(*OURS, [UnreadEvent(Raw(b'{"n":1}'), "e1", "api", "item", 5, 6)], start=1, version=2, again=3),
    OperatorEvent(*OURS, {"detail-type": "sold"}),
    Tick(*OURS, "2027-01-15T08:00:00Z"),
    ProcessEntry(*OURS, "0001#a", "key", waiting=True, version=3, after=7),
    Replay(*OURS, 1, 2, version=3, after="0001#a"),
    RedrivePage(*OURS, "redrive_1", 4, waits=2),
    Drain(*OURS, after="0001#a", round=2),
    Purge(*OURS, after="id"),
]
TIMERS: list[Any] = [FireTimer("W#acme#pipeline_1#hash#0", 5), StopPipeline(*OURS, round=2)]
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text("abc\u00e9\U0001f600", max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)
EVENTS = st.builds(
    Event,
    st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=5), VALUES, max_size=4),
    st.text("ab#", min_size=1, max_size=5),
    st.sampled_from(["api", "webhook"]),
    st.sampled_from(["item", ""]),
    st.integers(0, 2**53),
    st.integers(0, 2**53),
    window=st.none() | st.just({"start": 1, "end": 2}),
    hops=st.integers(0, 3),
    sequence=st.sampled_from(["", "007"]),
)


@pytest.mark.parametrize("message", INGEST, ids=lambda message: type(message).__name__)
def test_ingest_message_is_read_as_it_was_written(message: IngestMessage) -> None:
    assert ingest_message(encode(message)) == message  # type: ignore[arg-type]


@pytest.mark.parametrize("message", TIMERS, ids=lambda message: type(message).__name__)
def test_timer_message_is_read_as_it_was_written(message: TimerMessage) -> None:
    assert timer_message(encode(message)) == message


def test_every_kind_of_message_is_tested_here() -> None:
    assert {type(message) for message in INGEST} == set(get_args(IngestMessage)) - {BusEvent}
    assert {type(message) for message in TIMERS} == set(get_args(TimerMessage))


def test_event_of_the_bus_or_of_an_operators_rule_has_no_type() -> None:
    envelope = {"detail-type": "run:completed", "detail": {}}
    assert ingest_message(json.dumps(envelope)) == BusEvent(envelope)
    own = {"organization": "acme", "pipelineId": "pipeline_1", "event": envelope}
    assert ingest_message(json.dumps(own)) == OperatorEvent(*OURS, envelope)


@pytest.mark.parametrize(
    "body",
    [
        "[]",
        "{}",
        '{"organization": "acme", "pipelineId": "p", "redrive": {"id": "r", "page": 0}}',
        '{"type":"redrive","organization":"acme","pipelineId":"p","id":"r"}',
        '{"type":"redrive","organization":"acme","pipelineId":"p","id":"r","page":"0"}',
        '{"type":"unknown","organization":"acme","pipelineId":"p"}',
        '{"type":"events","pipelineId":"p","events":[]}',
        '{"type":"events","organization":"acme","pipe',
        '{"type":"events","organization":"acme","pipelineId":"p","events":[{"id":"e"}]}',
    ],
)
def test_message_of_no_known_kind_is_refused(body: str) -> None:
    with pytest.raises(InvalidRequest, match="not valid"):
        ingest_message(body)


@given(st.lists(EVENTS, max_size=4))
def test_packed_events_are_what_their_records_say(events: list[Event]) -> None:
    """Whichever decoder reads them: the journal's, or that of the queue."""
    records = [event_record(event) for event in events]
    found = [ingest_message(body) for body in pack(Events(*OURS, again=1), records)]
    assert all(isinstance(message, Events) and message.again == 1 for message in found)
    read = list(chain.from_iterable(message.events for message in found if isinstance(message, Events)))
    for event in read:
        event.pipeline_id = "pipeline_1"
    assert [event.read() for event in read] == [
        event_from_record(orjson.loads(orjson.dumps(one)), "pipeline_1") for one in records
    ]


def test_packed_messages_stay_within_events_and_bytes() -> None:
    sizes = [1] * 450 + [90_000] * 5 + [300_000, 1]
    records = [event_record(Event({"text": "x" * size}, f"e{n}")) for n, size in enumerate(sizes)]
    bodies = list(pack(Events(*OURS), records))
    counts = [len(orjson.loads(body)["events"]) for body in bodies]
    assert sum(counts) == len(sizes)
    assert max(counts) == EVENTS_PER_MESSAGE
    assert all(len(body) < BYTES_PER_MESSAGE + 200 for body, n in zip(bodies, counts, strict=True) if n > 1)


@pytest.mark.parametrize("body", ['{"key": 5, "at": 0}', '{"type":"fire","key":5,"at":0}', "{"])
def test_timer_of_no_known_kind_is_refused(body: str) -> None:
    with pytest.raises(InvalidRequest, match="not valid"):
        timer_message(body)
