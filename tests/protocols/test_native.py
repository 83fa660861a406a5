"""The native projection and its bytes: golden streams, hidden parts, framing that no text can break."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millrace.domain import events
from millrace.domain.agents import ECHO
from millrace.domain.event_ids import EventId
from millrace.domain.events import DETAILS, Detail, Event
from millrace.domain.projection import capped, project
from millrace.protocols.native.encoding import encode, heartbeat_at
from millrace.protocols.table import NATIVE
from millrace.services.runs.agent_run import agent_tags
from millrace.stores.event_log import encode as logged
from tests.sse import read_events

CALL = events.tool_call("c1", "search", {"q": "x"})
RESULT = events.tool_result("c1", "search", True, "2 hits", "hit one\nhit two", 12)
NESTED = events.token("words") | {"parent": "c1", "agentId": "sub"}


def test_golden_stream() -> None:
    story = [events.start("run_1", "c1", "msg_1", "echo"), events.token("Hé\n"), CALL, RESULT]
    assert encode([logged(n, event) for n, event in enumerate(story, 1)], "steps", run_id="run_1") == (
        b'id: run_1.1\ndata: {"type":"start","runId":"run_1","conversationId":"c1","messageId":"msg_1",'
        b'"agentId":"echo"}\n\n'
        b'id: run_1.2\ndata: {"type":"token","token":"H\xc3\xa9\\n"}\n\n'
        b'id: run_1.3\ndata: {"type":"tool_call","id":"c1","name":"search","arguments":{}}\n\n'
        b'id: run_1.4\ndata: {"type":"tool_result","id":"c1","name":"search","ok":true,"summary":"2 hits",'
        b'"bytes":15,"durationMs":12}\n\n'
    )
    assert heartbeat_at(EventId("run_1", 4)) == b'id: run_1.4\ndata: {"type":"heartbeat"}\n\n'
    assert NATIVE.heartbeat == b'data: {"type":"heartbeat"}\n\n'


def test_event_outside_the_log_has_no_id() -> None:
    event = logged(0, events.error("gone", "run_lost", True))
    assert encode([event], "steps", run_id="run_1").startswith(b"data: ")
    assert encode([event], "steps", run_id="run_1", named=True).startswith(b"event: error\ndata: ")


def test_event_of_no_run_has_its_number_as_id() -> None:
    assert encode([logged(7, events.token("x"))], "full").startswith(b"id: 7\ndata: ")


@pytest.mark.parametrize(
    ("event", "answer", "steps"),
    [
        (events.token("x"), True, True),
        (events.status("x"), True, True),
        (events.done("m", {}, None, "stop", 1), True, True),
        (events.error("x", "y", False), True, True),
        (events.thinking("x"), False, True),
        (events.injected("m", "x", 2), False, True),
        (CALL, False, True),
        (RESULT, False, True),
        (NESTED, False, True),
        (events.done("m", {}, None, "stop", 1) | {"parent": "c1"}, False, False),
    ],
)
def test_lower_detail_shows_less(event: Event, answer: bool, steps: bool) -> None:
    assert (project(event, "answer") is not None) is answer
    assert (project(event, "steps") is not None) is steps


def test_sub_agents_words_are_never_tokens() -> None:
    for detail in DETAILS[1:]:
        seen = project(NESTED, detail)
        assert seen == {"type": "thinking", "text": "words", "parent": "c1", "agentId": "sub"}


def test_sub_agents_events_are_capped_by_its_own_visibility() -> None:
    hidden = CALL | {"parent": "c0"} | agent_tags(ECHO, "answer")
    assert project(hidden, "full") is None
    short = CALL | {"parent": "c0"} | agent_tags(ECHO, "steps")
    assert project(short, "full") == CALL | {"arguments": {}, "parent": "c0", "agentId": "echo"}


def test_status_that_names_tools_is_not_part_of_the_answer() -> None:
    named = events.status("Step 1 of 2: search.", least="steps")
    assert project(named, "answer") is None
    assert project(named, "steps") == events.status("Step 1 of 2: search.")


def test_waiting_flow_shows_the_results_of_its_steps_in_full_only() -> None:
    done = events.done("m", {}, None, "input_required", 1) | {"steps": {"a": "secret"}}
    assert project(done, "full") == done
    assert project(done, "steps") == events.done("m", {}, None, "input_required", 1)


@pytest.mark.parametrize(
    ("asked", "allowed", "given"),
    [("full", "answer", "answer"), ("answer", "full", "answer"), ("full", "steps", "steps")],
)
def test_visibility_caps_detail(asked: Detail, allowed: Detail, given: Detail) -> None:
    assert capped(asked, allowed) == given


@given(st.lists(st.text(), max_size=20))
def test_any_text_keeps_the_framing(texts: list[str]) -> None:
    sent = [logged(n, events.token(text)) for n, text in enumerate(texts, 1)]
    body = encode(sent, "steps", run_id="run_1")
    assert b"\r" not in body
    found = list(read_events(body.decode().split("\n")))
    assert [event.data["token"] for event in found] == texts
    assert [event.seq for event in found] == list(range(1, len(texts) + 1))
    assert all(json.loads(event.data) for event in sent)
