"""Models whose servers throttle, fail and cut off answers, inside each framework."""

from collections.abc import Iterator
from typing import NamedTuple

import pytest

from millrace.agent.code import model as models
from millrace.agent.suspension import Suspended
from millrace.errors import ProviderError
from tests.agent.code.playing import Stage
from tests.frameworks.answering import Answering, cut_off, refusal
from tests.frameworks.examples import EXAMPLES

WHOLE = "Here it is."


class Example(NamedTuple):
    """An official example, and its model's server."""

    played: Stage
    model: Answering
    tool: str

    @property
    def tools(self) -> list[str]:
        called = [
            block["toolUse"]["name"]
            for one in self.played.messages
            for block in one.content
            if "toolUse" in block
        ]
        return [name for name in called if name == f"step__{self.tool}"]


@pytest.fixture(params=EXAMPLES)
def example(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Example]:
    pytest.importorskip(request.param, reason=f"{request.param} is not installed")
    monkeypatch.setattr(models, "wait_before_retry", lambda error, attempt: 0)
    found = EXAMPLES[request.param]
    with Answering(found.calls) as model:
        yield Example(Stage(found.made(f"{model.url}/v1")), model, found.tool)


async def test_throttled_model_is_asked_again(example: Example) -> None:
    example.model.play(refusal(429, "Slow down."), refusal(503))
    assert await example.played.ask("Go on.") == "stop"
    assert example.played.text == WHOLE
    assert len(example.tools) == 1
    shown = [one["message"] for one in example.played.of("status")]
    assert "answered 429: Slow down." in shown[0]
    assert "answered 503: Not now." in shown[1]


async def test_run_of_a_model_that_stays_away_is_queued_and_goes_on(example: Example) -> None:
    queued = example.played.queue()
    example.model.play(*[refusal(503)] * 3)
    with pytest.raises(Suspended):
        await example.played.ask("Go on.")
    assert [(one.code, one.http_status) for one in queued] == [("provider_unavailable", 503)]
    assert await example.played.go_on() == "stop"
    assert example.played.text == WHOLE
    assert len(example.tools) == 1


async def test_run_is_queued_for_as_long_as_the_server_asks(example: Example) -> None:
    queued = example.played.queue()
    example.model.play(refusal(429, **{"retry-after": "120"}))
    with pytest.raises(Suspended):
        await example.played.ask("Go on.")
    assert [(one.code, one.retry_after) for one in queued] == [("rate_limited", 120)]
    assert len(example.model.exchanges) == 1


async def test_model_that_fails_after_its_tools_does_not_repeat_them(example: Example) -> None:
    example.played.queue()
    example.model.after_tools = [refusal(429)] * 3
    with pytest.raises(Suspended):
        await example.played.ask("Go on.")
    assert await example.played.go_on() == "stop"
    assert example.played.text == WHOLE
    assert len(example.tools) == 1
    answered = [
        any(one["role"] == "tool" for one in asked.json["messages"]) for asked in example.model.exchanges
    ]
    assert answered == [False, True, True, True, True]


async def test_answer_that_breaks_off_ends_the_run_with_what_was_said(example: Example) -> None:
    queued = example.played.queue()
    example.model.play(cut_off("Here ", "it "))
    with pytest.raises(ProviderError) as error:
        await example.played.ask("Go on.")
    assert error.value.code in ("provider_unreachable", "incomplete_response")
    assert error.value.retryable
    assert example.played.text.strip() in ("Here it", "Here")
    assert len(example.model.exchanges) == 1
    assert queued == []


@pytest.mark.parametrize(
    ("status", "message", "code"),
    [
        (401, "Incorrect API key.", "provider_auth"),
        (404, "There is no such model.", "unknown_model"),
        (400, "The schema is wrong.", "provider_rejected"),
        (400, "This model's maximum context length is 8192 tokens.", "context_exceeded"),
    ],
)
async def test_refusal_ends_the_run_in_the_servers_words(
    example: Example, status: int, message: str, code: str
) -> None:
    example.model.play(*[refusal(status, message)] * 2)
    with pytest.raises(ProviderError) as error:
        await example.played.ask("Go on.")
    assert error.value.code == code
    assert message.rstrip(".") in error.value.message
    assert not error.value.retryable


@pytest.mark.parametrize("name", EXAMPLES)
async def test_server_that_is_not_there_is_asked_again(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip(name, reason=f"{name} is not installed")
    monkeypatch.setattr(models, "wait_before_retry", lambda error, attempt: 0)
    with Answering() as model:
        played = Stage(EXAMPLES[name].made(f"{model.url}/v1"))
    queued = played.queue()
    with pytest.raises(Suspended):
        await played.ask("Go on.")
    assert [one.code for one in queued] == ["provider_unreachable"]
    assert len(played.of("status")) == 2
