"""Runs as UI message streams of the AI SDK: golden streams, and properties over generated runs."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millrace.domain import events
from millrace.domain.events import DETAILS, Detail, Event, LogEntry
from millrace.protocols.framing import Framed, parse_chunk_id
from millrace.protocols.protocol import View
from millrace.protocols.table import AI_SDK
from millrace.stores.event_log import encode as logged
from tests.clients import run_client
from tests.protocols.generated_runs import GeneratedRun, ended_runs, runs, some_runs

versions = st.sampled_from(["6", "7"])
details = st.sampled_from(DETAILS)


def framed(generated: GeneratedRun, version: str, detail: Detail = "full", **seen: Any) -> Framed:
    view = View(generated.run, detail)
    return Framed(AI_SDK.projection(view, {"ai": version}), generated.run.id, **seen)


def whole(encoder: Framed, entries: Sequence[LogEntry]) -> bytes:
    return b"".join(encoder.frames([entry]) for entry in entries) + encoder.end(entries[-1])


def frames_of(stream: bytes) -> list[bytes]:
    return [frame + b"\n\n" for frame in stream.split(b"\n\n") if frame]


def chunks_of(stream: bytes) -> list[dict[str, Any]]:
    lines = [line.removeprefix(b"data: ") for line in stream.split(b"\n") if line.startswith(b"data: ")]
    return [json.loads(line) for line in lines if line != b"[DONE]"]


def story(*shown: Event, version: str = "6") -> list[dict[str, Any]]:
    generated = some_runs(1)[0]
    return chunks_of(framed(generated, version).frames([logged(n, one) for n, one in enumerate(shown, 2)]))


@given(runs(), versions, details)
def test_replay_behind_any_chunk_is_the_rest_of_the_stream(
    generated: GeneratedRun, version: str, detail: Detail
) -> None:
    entries = generated.entries
    stream = whole(framed(generated, version, detail), entries)
    assert stream == whole(framed(generated, version, detail), entries)
    frames = frames_of(stream)
    for n, frame in enumerate(frames):
        if frame.startswith(b"id: "):
            rest = b"".join(frames[n + 1 :])
            seen = parse_chunk_id(frame.split(b"\n")[0].decode().removeprefix("id: "))
            assert whole(framed(generated, version, detail, seen=seen), entries) == rest
            assert whole(framed(generated, version, detail, skip=n + 1), entries) == rest


class Reader:
    """A client that accepts only what the stream's grammar allows."""

    def __init__(self) -> None:
        self.part: str | None = None
        self.step = False
        self.tools: set[str] = set()
        self.last = ""

    def read(self, chunk: dict[str, Any]) -> None:
        self.last = kind = chunk["type"]
        if kind.startswith(("text-", "reasoning-")):
            self.read_piece(kind.rpartition("-")[2], chunk["id"])
        elif kind not in ("data-status", "tool-approval-response"):
            assert self.part is None, "a part goes on"
        if kind.endswith("-step"):
            self.read_step(kind)
        if kind.startswith("tool-input"):
            self.tools.add(chunk["toolCallId"])
        assert chunk.get("toolCallId") in {None, *self.tools}

    def read_piece(self, kind: str, part: str) -> None:
        if kind == "start":
            assert self.part is None
            assert self.step
            self.part = part
        assert self.part == part
        if kind == "end":
            self.part = None

    def read_step(self, kind: str) -> None:
        assert self.step == (kind != "start-step")
        self.step = kind != "finish-step"


@given(runs(), versions, details)
def test_parts_and_steps_begin_before_they_go_on_and_end_before_the_message(
    generated: GeneratedRun, version: str, detail: Detail
) -> None:
    reader = Reader()
    for chunk in chunks_of(whole(framed(generated, version, detail), generated.entries)):
        assert reader.last != "finish"
        reader.read(chunk)
        assert not (chunk["type"] == "finish" and reader.step)
    assert (reader.last == "finish") == (generated.over or generated.waits)


def kept(parts: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """The parts of a message that no `data-rewind` takes back, as the page in docs/ does it."""
    parts = list(parts)
    rewinds = [part["data"] for part in parts if part["type"] == "data-rewind"]

    def seq(part: dict[str, Any]) -> int:
        about = part.get("providerMetadata") or part.get("callProviderMetadata") or {}
        found: int = about.get("millrace", {}).get("seq", 0)
        return found

    return [
        part for part in parts if not any(rewind["after"] < seq(part) < rewind["seq"] for rewind in rewinds)
    ]


@pytest.mark.parametrize("version", ["6", "7"])
async def test_clients_read_every_run_and_show_its_answer(version: str, tmp_path: Path) -> None:
    batch = [one for one in some_runs(80, ends=True) if one.last.event.get("code") != "deleted"]
    streams = [whole(framed(one, version), one.entries).decode() for one in batch]
    streams += [whole(framed(one, version, "answer"), one.entries).decode() for one in batch]
    (tmp_path / "streams.json").write_text(json.dumps(streams))
    found = await run_client("ai_sdk_read.mjs", version, str(tmp_path / "streams.json"))
    assert [one["problem"] for one in found if one["problem"]] == []
    for generated, read in zip([*batch, *batch], found, strict=True):
        shown = kept(read["message"]["parts"])
        assert "".join(part["text"] for part in shown if part["type"] == "text") == generated.answer
        assert read["message"]["id"] == generated.run.message_id
        pending = [part for part in shown if part.get("state") in ("input-streaming", "streaming")]
        assert pending == []


@given(ended_runs(), details)
def test_version_six_gets_no_chunk_that_it_does_not_know(generated: GeneratedRun, detail: Detail) -> None:
    kinds = {chunk["type"] for chunk in chunks_of(whole(framed(generated, "6", detail), generated.entries))}
    assert not kinds & {"reset-step", "tool-approval-response", "steering-message"}


def test_golden_stream() -> None:
    chunks = story(
        events.thinking("Hm."),
        events.token("Let me "),
        events.token("look."),
        events.tool_call("c1", "search", {"q": "x"}),
        events.tool_result("c1", "search", True, "2 hits", "hit one", 12),
        events.token("Found."),
        events.done("m", {"input": 1, "output": 2, "total": 3}, 0.5, "stop", 9),
    )
    assert [chunk["type"] for chunk in chunks] == [
        *("start-step", "reasoning-start", "reasoning-delta", "reasoning-end"),
        *("text-start", "text-delta", "text-delta", "text-end", "tool-input-available"),
        *("tool-output-available", "finish-step", "start-step", "text-start", "text-delta", "text-end"),
        *("finish-step", "finish"),
    ]
    assert chunks[8] == {
        "type": "tool-input-available",
        "toolCallId": "c1",
        "toolName": "search",
        "input": {"q": "x"},
        "providerMetadata": {"millrace": {"seq": 5}},
        "providerExecuted": True,
    }
    assert chunks[-1]["messageMetadata"] == {
        "usage": {"input": 1, "output": 2, "total": 3},
        "cost": 0.5,
        "finishReason": "stop",
        "durationMs": 9,
    }


def test_error_is_told_after_what_is_known_of_it_and_the_stream_finishes() -> None:
    chunks = story(events.token("a"), events.error("Down.", "provider_unavailable", True))
    assert chunks[-3:] == [
        {
            "type": "message-metadata",
            "messageMetadata": {
                "error": {"code": "provider_unavailable", "message": "Down.", "retryable": True}
            },
        },
        {"type": "error", "errorText": "Down."},
        {"type": "finish", "finishReason": "error"},
    ]


def test_question_is_a_tool_whose_output_the_client_gives() -> None:
    asked = events.approval_requested(
        "c1", "question", "ask_user", {"question": "Which?"}, "2030", "Which?", ["a", "b"]
    )
    chunks = story(events.tool_call("c1", "ask_user", {"question": "Which?"}), asked)
    assert chunks[1:] == [
        {
            "type": "tool-input-available",
            "toolCallId": "c1",
            "toolName": "ask_user",
            "input": {"question": "Which?", "options": ["a", "b"]},
            "providerMetadata": {"millrace": {"seq": 3}},
        },
    ]


def test_rewind_drops_the_step_where_the_client_can_do_it() -> None:
    shown = [
        events.tool_call("c1", "search", {}),
        events.tool_result("c1", "search", True, "x", "x", 1),
        events.token("Half"),
        events.rewind("run_1.3"),
        events.token("Whole"),
    ]
    seven, six = ([chunk["type"] for chunk in story(*shown, version=one)][-6:] for one in "76")
    assert seven == ["text-delta", "text-end", "reset-step", "data-rewind", "text-start", "text-delta"]
    assert six == ["text-end", "finish-step", "data-rewind", "start-step", "text-start", "text-delta"]
