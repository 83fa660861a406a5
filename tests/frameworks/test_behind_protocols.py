"""Official examples of frameworks behind the native stream, the AI SDK and A2A: streamed, stopped, killed."""

import asyncio
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from millrace.domain.clock import now_ms
from millrace.settings import Settings
from millrace.stores.connect import Stores
from tests.a2a.talk import answer_of, frames, message, states
from tests.api.conftest import issuer, keys_url, organization, quick_looks
from tests.api.conftest import settings as conversation_settings
from tests.api.faces import Face, facing_all, settings_of_all
from tests.aws import Aws
from tests.continuing import after_the_lease, settled_view, taken_elsewhere
from tests.fakes.model_server import Gate
from tests.frameworks.answering import Answering
from tests.frameworks.examples import EXAMPLES
from tests.sse import read_events
from tests.tokens import Issuer

__all__ = ["conversation_settings", "issuer", "keys_url", "organization", "quick_looks"]

WORDS = ("It ", "is ", "so.")
WHOLE = "".join(WORDS)
EVENTS = {"accept": "text/event-stream"}
A2A = {"a2a-version": "1.0"}
NODES = ("step__model", "step__tools")
"""Steps that are no tools: answers of models, and nodes of graphs."""
FACES = pytest.mark.parametrize("kind", ["native", "ai_sdk", "a2a"])


@dataclass
class Stage:
    """An example behind its face, with its model."""

    face: Face
    chat: httpx.Client
    model: Answering
    tool: str

    def take_over(self, run_id: str) -> None:
        """Another process takes the run to its end, by whose clock its lease is over."""
        stores = Stores.connect(self.face.platform.settings, clock=after_the_lease(now_ms))
        going_on = taken_elsewhere(self.face.platform.settings, stores, self.face.organization, run_id)
        assert self.face.loop is not None
        asyncio.run_coroutine_threadsafe(going_on, self.face.loop).result(60)


@pytest.fixture(params=EXAMPLES)
def stage(
    request: pytest.FixtureRequest,
    aws_environment: Aws,
    conversation_settings: Settings,
    issuer: Issuer,
    organization: str,
) -> Iterator[Stage]:
    pytest.importorskip(request.param, reason=f"{request.param} is not installed")
    example = EXAMPLES[request.param]
    settings = settings_of_all(aws_environment, conversation_settings)
    with Answering(example.calls, words=WORDS) as model:
        made = example.made(f"{model.url}/v1")
        with facing_all(settings, issuer, organization, made) as face, face.client() as chat:
            yield Stage(face, chat, model, example.tool)


class Native:
    """The native stream, with all details."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.events: list[Any] = []

    def read(self, *, until_text: bool = False) -> None:
        path, body = "/api/conversations/c1/messages?detail=full", {"agentId": "example", "content": "Go on."}
        with self.stage.chat.stream("POST", path, json=body, headers=EVENTS) as response:
            for event in read_events(response.iter_lines()):
                self.events.append(event)
                if until_text and event.data["type"] == "token":
                    return

    @property
    def run_id(self) -> str:
        return str(self.events[0].run_id)

    def resume(self) -> None:
        headers = EVENTS | {"last-event-id": self.events[-1].id}
        with self.stage.chat.stream(
            "GET", f"/api/runs/{self.run_id}/stream?detail=full", headers=headers
        ) as response:
            self.events += read_events(response.iter_lines())

    def stop(self) -> None:
        assert self.stage.chat.post("/api/conversations/c1/stop").status_code == 202

    @property
    def text(self) -> str:
        shown = settled_view(self.events)
        return "".join(one.data["token"] for one in shown if one.data["type"] == "token")

    @property
    def tools(self) -> list[str]:
        shown = [one.data for one in settled_view(self.events)]
        return [one["name"] for one in shown if one["type"] == "tool_result" and one["name"] not in NODES]

    @property
    def stopped(self) -> bool:
        return bool(self.events[-1].data["finishReason"] == "stopped")


class AiSdk:
    """The AI SDK's stream."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.chunks: list[Any] = []
        self.run_id = ""

    def read(self, *, until_text: bool = False) -> None:
        asked = {"id": "m1", "role": "user", "parts": [{"type": "text", "text": "Go on."}]}
        body = {"id": "c1", "messages": [asked], "trigger": "submit-message", "agentId": "example"}
        with self.stage.chat.stream("POST", "/api/chat", json=body) as response:
            self.run_id = response.headers["x-workflow-run-id"]
            for chunk in chunks(response):
                self.chunks.append(chunk)
                if until_text and chunk["type"] == "text-delta":
                    return

    def resume(self) -> None:
        """Read the message anew, as a page that is loaded again."""
        with self.stage.chat.stream("GET", f"/api/chat/{self.run_id}/stream?startIndex=0") as response:
            self.chunks = list(chunks(response))

    def stop(self) -> None:
        assert self.stage.chat.post("/api/chat/c1/stop").status_code in (200, 202)

    @property
    def kept(self) -> list[Any]:
        rewinds = [one["data"] for one in self.chunks if one["type"] == "data-rewind"]
        void = {
            one["id"] for one in self.chunks if "id" in one and any(_between(one, two) for two in rewinds)
        }
        return [one for one in self.chunks if one.get("id") not in void]

    @property
    def text(self) -> str:
        return "".join(one["delta"] for one in self.kept if one["type"] == "text-delta")

    @property
    def tools(self) -> list[str]:
        calls = [one["toolName"] for one in self.kept if one["type"] == "tool-input-available"]
        return [name for name in calls if name not in NODES]

    @property
    def stopped(self) -> bool:
        return "abort" in [one["type"] for one in self.chunks]


def chunks(response: httpx.Response) -> Iterator[Any]:
    assert response.status_code == 200, response.read()
    for line in response.iter_lines():
        if line.startswith("data: ") and line != "data: [DONE]":
            yield json.loads(line[6:])


def _between(chunk: Any, rewind: Any) -> bool:
    seq = chunk.get("providerMetadata", {}).get("millrace", {}).get("seq", 0)
    return bool(rewind["after"] < seq < rewind["seq"])


class A2a:
    """A task of A2A, which shows no steps."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.frames: list[Any] = []
        self.tools = [f"step__{stage.tool}"]

    def read(self, *, until_text: bool = False) -> None:
        path = "/a2a/example/message:stream"
        with self.stage.chat.stream("POST", path, json=message("Go on."), headers=A2A) as response:
            for frame in frames(response):
                self.frames.append(frame)
                if (
                    until_text
                    and frame.data.get("artifactUpdate", {}).get("artifact", {}).get("name") == "answer"
                ):
                    return

    @property
    def run_id(self) -> str:
        return str(self.frames[0].data["task"]["id"])

    def resume(self) -> None:
        headers = A2A | {"last-event-id": next(one.id for one in reversed(self.frames) if one.id)}
        with self.stage.chat.stream(
            "GET", f"/api/a2a/tasks/{self.run_id}/stream", headers=headers
        ) as response:
            self.frames += frames(response)

    def stop(self) -> None:
        [task] = self.stage.chat.get("/a2a/example/tasks", headers=A2A).json()["tasks"]
        path = f"/a2a/example/tasks/{task['id']}:cancel"
        assert self.stage.chat.post(path, headers=A2A).status_code == 200

    @property
    def text(self) -> str:
        return answer_of(self.frames)

    @property
    def stopped(self) -> bool:
        return states(self.frames)[-1] == "CANCELED"


def reader_of(stage: Stage, kind: str) -> Any:
    return {"native": Native, "ai_sdk": AiSdk, "a2a": A2a}[kind](stage)


@FACES
def test_example_streams_its_answer_and_its_steps(stage: Stage, kind: str) -> None:
    reader = reader_of(stage, kind)
    reader.read()
    assert reader.text == WHOLE
    assert reader.tools == [f"step__{stage.tool}"]
    assert len(stage.model.exchanges) == 2
    assert not reader.stopped


@FACES
def test_stop_ends_the_models_call(stage: Stage, kind: str) -> None:
    stage.model.gate = gate = Gate()
    reader = reader_of(stage, kind)
    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(reader.read)
        assert gate.reached.wait(30)
        reader.stop()
        reading.result(30)
    assert reader.stopped
    assert stage.model.exchanges[-1].disconnected.wait(30)


@FACES
def test_answer_that_was_cut_goes_on_behind_it_in_another_process(stage: Stage, kind: str) -> None:
    stage.model.gate = Gate()
    reader = reader_of(stage, kind)
    reader.read(until_text=True)
    stage.take_over(reader.run_id)
    reader.resume()
    assert reader.text == WHOLE
    assert reader.tools == [f"step__{stage.tool}"]
    # The turn that called the tool was not asked again; the one that was cut was.
    answered = [
        any(one["role"] == "tool" for one in asked.json["messages"]) for asked in stage.model.exchanges
    ]
    assert answered == [False, True, True]
