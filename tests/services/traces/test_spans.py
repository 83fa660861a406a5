"""Spans from events: names and attributes of the conventions, stable ids, times."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millrace.domain.clock import from_iso
from millrace.domain.traces import context_of, read_traceparent, span_id
from millrace.services.traces.otlp import requests, to_message
from millrace.services.traces.spans import Span, span_of
from tests.command_center.making import ended, run_event, whole_run
from tests.fakes.otlp import attributes_of

ORG, RUN = "acme", "run_1"
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = "00f067aa0ba902b7"


def model_call(**data: Any) -> dict[str, Any]:
    call: dict[str, Any] = {
        "model": "bedrock:eu.anthropic.claude-x",
        "tokens": {"input": 30, "output": 7, "cacheRead": 20},
        "estimated": False,
        "cost": 0.25,
        "latencyMs": 900,
        "firstTokenMs": 250,
        "error": None,
    }
    return run_event(ORG, RUN, 2, "llm_call", **(call | data))


def found(event: dict[str, Any]) -> Span:
    span = span_of(event)
    assert span is not None
    return span


def test_model_call_is_a_chat_span_with_tokens_and_time_to_the_first_chunk() -> None:
    event = model_call()
    span = found(event)
    assert (span.name, span.client, span.error) == ("chat eu.anthropic.claude-x", True, "")
    assert span.end == from_iso(event["time"])
    assert span.end - span.start == 900
    assert attributes_of(to_message(span)) == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "aws.bedrock",
        "gen_ai.request.model": "eu.anthropic.claude-x",
        "gen_ai.usage.input_tokens": 30,
        "gen_ai.usage.output_tokens": 7,
        "gen_ai.usage.cache_read.input_tokens": 20,
        "gen_ai.usage.cost": 0.25,
        "gen_ai.response.time_to_first_chunk": 0.25,
        "gen_ai.conversation.id": "c-run_1",
        "session.id": "c-run_1",
        "millrace.organization": ORG,
        "millrace.run.id": RUN,
    }


def test_unknown_cost_is_left_out_and_an_error_is_the_type_of_the_span() -> None:
    message = to_message(found(model_call(cost=None, error="provider_throttled", firstTokenMs=None)))
    reported = attributes_of(message)
    assert "gen_ai.usage.cost" not in reported
    assert "gen_ai.response.time_to_first_chunk" not in reported
    assert reported["error.type"] == message.status.message == "provider_throttled"
    assert message.status.code == message.status.STATUS_CODE_ERROR


def test_model_call_that_was_cut_off_is_no_error() -> None:
    message = to_message(found(model_call(error="stopped")))
    assert message.status.code == message.status.STATUS_CODE_UNSET
    assert attributes_of(message)["gen_ai.response.finish_reasons"] == ["stopped"]


def tool_call(call_id: str, tool: str | None = "search", **data: Any) -> dict[str, Any]:
    done: dict[str, Any] = {"tool": tool, "callId": call_id, "ok": True, "durationMs": 40, "bytes": 9}
    return run_event(ORG, RUN, 4, "tool_completed", **done | data)


def test_work_of_a_sub_agent_hangs_below_the_call_that_asked_it() -> None:
    asked = found(tool_call("c1", "ask_payer", subAgentId="payer"))
    inner = found(tool_call("c2", parent="c1"))
    spoken = found(model_call(parent="c1"))
    own = found(tool_call("c3"))
    assert asked.name == "invoke_agent payer"
    assert attributes_of(to_message(asked))["gen_ai.agent.id"] == "payer"
    assert inner.parent == spoken.parent == asked.id
    assert asked.parent == own.parent == span_id(ORG, RUN)
    assert {one.trace_id for one in (asked, inner, spoken, own)} == {context_of(ORG, RUN, "").trace_id}


def test_hidden_tool_and_unknown_duration_are_not_made_up() -> None:
    span = found(tool_call("c1", None, durationMs=None, ok=False))
    reported = attributes_of(to_message(span))
    assert (span.name, span.start) == ("execute_tool", span.end)
    assert "gen_ai.tool.name" not in reported
    assert reported["millrace.duration_unknown"] is True
    assert reported["error.type"] == "tool_error"


def test_run_is_the_root_and_counts_no_token_by_the_names_of_model_calls() -> None:
    event = ended(ORG, RUN, failed=True) | {
        "error": {"message": "secret words", "code": "broken", "retryable": False}
    }
    span = found(event)
    reported = attributes_of(to_message(span))
    assert (span.id, span.parent, span.name) == (span_id(ORG, RUN), b"", "invoke_agent Echo")
    assert not [name for name in reported if name.startswith("gen_ai.usage")]
    assert (reported["error.type"], reported["millrace.run.status"]) == ("broken", "failed")
    assert "secret words" not in str(reported), "texts are sent only where they are asked for"
    assert "done" not in str(reported)


def test_run_of_a_flow_is_a_workflow() -> None:
    reported = attributes_of(to_message(found(ended(ORG, RUN, agent="flow:refunds"))))
    assert reported["gen_ai.operation.name"] == "invoke_workflow"
    assert "gen_ai.agent.id" not in reported


def test_spans_of_a_request_with_a_trace_are_part_of_it() -> None:
    header = f"00-{TRACE}-{PARENT}-01"
    root = found(ended(ORG, RUN) | {"traceparent": header})
    call = found(model_call(traceparent=header))
    assert root.trace_id.hex() == call.trace_id.hex() == TRACE
    assert root.parent.hex() == PARENT
    assert call.parent == root.id


def test_two_organizations_with_one_run_id_have_two_traces() -> None:
    assert found(ended("a", RUN)).trace_id != found(ended("b", RUN)).trace_id
    assert found(ended("a", RUN)).id != found(ended("b", RUN)).id


def test_event_that_comes_twice_is_one_span_and_each_day_has_a_request_of_its_own() -> None:
    events = whole_run(ORG, RUN)
    later = whole_run(ORG, "run_2", at=from_iso(events[0]["time"]) + 2 * 86_400_000)
    spans = [span for event in [*events, *events, *later] if (span := span_of(event))]
    made = list(requests(spans))
    assert [len(one) for one in made] == [3, 3]
    assert len({span.id for one in made for span in one}) == 6


def test_requests_have_a_million_bytes_at_most() -> None:
    large = [found(tool_call(f"c{n}", "x" * 60_000)) for n in range(40)]
    made = list(requests(large))
    assert sum(map(len, made)) == 40
    assert all(sum(to_message(one).ByteSize() for one in spans) <= 1_000_000 for spans in made)


@pytest.mark.parametrize(
    "header",
    [
        "",
        "nonsense",
        f"ff-{TRACE}-{PARENT}-01",
        f"00-{'0' * 32}-{PARENT}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE}-{PARENT}-01-more",
        f"00-{TRACE.upper()}-{PARENT}-01",
        f"00-{TRACE}-{PARENT}",
    ],
)
def test_header_that_is_no_trace_context_counts_as_none(header: str) -> None:
    assert read_traceparent(header) == ""


def test_header_of_a_later_version_is_read_and_an_unsampled_one_too() -> None:
    assert read_traceparent(f"01-{TRACE}-{PARENT}-00-more") == f"00-{TRACE}-{PARENT}-01"


@given(st.text())
def test_reader_accepts_any_header(header: str) -> None:
    assert read_traceparent(header) in ("", header.strip())
