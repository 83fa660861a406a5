"""Invalid and hostile bodies for other protocols: each is refused before anything is stored."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from millrace.settings import Settings
from tests.api.faces import Face, facing
from tests.tokens import Issuer

Json = dict[str, Any]
DEEP: Any = json.loads("[" * 400 + "]" * 400)
DEEP_TEXT = json.dumps({"a": DEEP})
ASKED: Json = {"id": "1", "role": "user", "content": "Hi"}
CHAT, RESPONSES, AG_UI, AI_SDK = "/v1/chat/completions", "/v1/responses", "/agui/clerk", "/api/chat"
WHOLE: dict[str, Json] = {
    CHAT: {"model": "agent:clerk", "messages": [ASKED]},
    RESPONSES: {"model": "agent:clerk", "input": "Hi"},
    AG_UI: {"threadId": "t1", "runId": "r1", "messages": [ASKED]},
    AI_SDK: {
        "id": "c1",
        "agentId": "clerk",
        "messages": [ASKED | {"parts": [{"type": "text", "text": "a"}]}],
    },
}


@pytest.fixture
def face(settings: Settings, issuer: Issuer, organization: str) -> Iterator[Face]:
    with facing(settings, issuer, organization) as made:
        made.hire()
        yield made


def asks(*parts: Json) -> Json:
    return {"messages": [ASKED | {"content": list(parts)}]}


def inputs(**item: Any) -> Json:
    return {"input": [item]}


def called(**call: Any) -> Json:
    """A history whose call has these fields, with its result."""
    turn = {"role": "assistant", "tool_calls": [call]}
    return {"messages": [turn, {"role": "tool", "tool_call_id": "a", "content": "b"}, ASKED]}


def ends_with(*parts: Json) -> Json:
    return {"messages": [{"id": "1", "role": "user", "parts": list(parts)}]}


WRONG: list[tuple[str, Json]] = [
    (CHAT, called(id="a", function={"name": "x", "arguments": DEEP_TEXT})),
    (CHAT, asks({"type": "file", "file": "x"})),
    (CHAT, asks({"type": "file", "file": {"file_data": 5}})),
    (CHAT, asks({"type": "file", "file": {"file_url": 5}})),
    (CHAT, asks({"type": "image_url", "image_url": {"url": 5}})),
    (CHAT, {"response_format": {"type": "json_schema", "json_schema": "x"}}),
    (CHAT, {"response_format": {"type": "json_schema", "json_schema": {"schema": {"a": DEEP}}}}),
    (CHAT, {"tools": [{"type": "function", "function": {"name": "x", "parameters": {"a": DEEP}}}]}),
    (RESPONSES, inputs(type=["a"])),
    (RESPONSES, inputs(type={})),
    (RESPONSES, inputs(type="mcp_approval_response", approval_request_id="mcpr_x.run_1", reason=DEEP)),
    (RESPONSES, inputs(role="user", content=[{"type": "input_file", "file_data": 7}])),
    (RESPONSES, inputs(role="user", content=[{"type": "input_image", "image_url": ["x"]}])),
    (RESPONSES, {"text": {"format": "x"}}),
    (RESPONSES, {"text": {"format": ["x"]}}),
    (RESPONSES, {"text": {"a": DEEP}}),
    (RESPONSES, {"tools": [{"type": "function", "name": "x", "more": DEEP}]}),
    (RESPONSES, {"conversation": {"id": 5}}),
    (RESPONSES, {"conversation": {"id": {"a": 1}}}),
    (AG_UI, {"state": DEEP}),
    (AG_UI, {"messages": [ASKED | {"more": DEEP}]}),
    (AG_UI, asks({"type": "image", "source": "x"})),
    (AG_UI, asks({"type": "image", "source": {"type": "url", "value": 5}})),
    (AG_UI, asks({"type": "image", "source": {"type": "data", "value": 5, "mimeType": ["a"]}})),
    (AG_UI, asks({"type": "binary", "data": "x", "mimeType": 5})),
    (AG_UI, asks({"type": "text", "text": ""})),
    (AG_UI, {"resume": [{"interruptId": "x", "status": "resolved", "payload": {"a": DEEP}}]}),
    (
        AG_UI,
        {
            "resume": [
                {"interruptId": "x", "status": "resolved", "payload": {"approved": True, "editedArgs": [1]}}
            ]
        },
    ),
    (AG_UI, {"forwardedProps": {"responseSchema": {"a": DEEP}}}),
    (AI_SDK, ends_with({"type": "text", "text": "a", "more": DEEP})),
    (AI_SDK, ends_with({"type": "file", "mediaType": 5, "url": "x"})),
    (AI_SDK, {"responseSchema": {"a": DEEP}}),
]


def test_wrong_body_is_refused_before_anything_is_stored(face: Face) -> None:
    with face.client() as client:
        for path, change in WRONG:
            refused = client.post(path, json=WHOLE[path] | change)
            assert 400 <= refused.status_code < 500, (path, str(change)[:200], refused.text)
            assert {"code", "message", "requestId"} <= set(refused.json()["error"])
        assert client.get("/api/conversations").json()["items"] == []


@pytest.mark.parametrize("path", [CHAT, RESPONSES])
def test_run_that_could_not_be_stored_at_its_end_does_not_begin(face: Face, path: str) -> None:
    """An item of the table of runs takes 400 KB; it grows when the run ends."""
    with face.client() as client:
        for size in (409_090, 300_000):
            refused = client.post(path, json=WHOLE[path] | {"metadata": {"a": "x" * size}})
            assert refused.status_code == 413, refused.text
            assert refused.json()["error"]["code"] == "too_large"
        assert client.get("/api/conversations").json()["items"] == []
        most = WHOLE[path] | {"metadata": {"a": "x" * 200_000}}
        assert client.post(path, json=most).status_code == 200


@pytest.mark.parametrize(
    ("path", "change"),
    [
        (RESPONSES, {"input": [1] * 100_000}),
        (RESPONSES, {"metadata": dict.fromkeys(map(str, range(50_000)), 1)}),
        (CHAT, {"messages": [{"role": "user", "tool_calls": [1] * 100_000}]}),
        (CHAT, {"metadata": dict.fromkeys(map(str, range(50_000)), 1)}),
        (AG_UI, {"messages": [ASKED | {"toolCalls": [1] * 100_000}]}),
        (AI_SDK, {"messages": [ASKED | {"parts": [1] * 500}] * 500}),
    ],
)
def test_body_that_is_wrong_everywhere_gets_a_short_error(face: Face, path: str, change: Json) -> None:
    """An error for each of its values would fill the memory of the function."""
    with face.client() as client:
        refused = client.post(path, json=WHOLE[path] | change)
    assert refused.status_code == 422, refused.text[:500]
    assert len(refused.content) < 100_000
