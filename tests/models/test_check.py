"""`python -m millrace.models check` says what works with a server and what to set."""

from typing import Any

import httpx
import pytest

from millrace.agent.providers.registry import ProviderRegistry
from millrace.domain.agents import Agent
from millrace.models.__main__ import main
from millrace.models.checks import Examination, Finding
from millrace.models.session import ModelSession
from millrace.settings import Settings
from tests.fakes.model_bytes import openai_answer
from tests.fakes.model_server import ModelServer, Script
from tests.fakes.obliging_model import Obliging

SETTINGS = Settings(
    "eu-central-1",
    openai_base_url="http://10.0.0.7/v1",
    anthropic_api_key="k",
    aws_bearer_token_bedrock="k",
)


async def examined(server: Obliging, model: str = "openai:my-finetune", **agent: Any) -> dict[str, Finding]:
    async with httpx.AsyncClient(transport=httpx.MockTransport(server)) as client:
        provider, name = ProviderRegistry(SETTINGS, lambda: client).provider_for(model)
        session = ModelSession(provider, name, Agent(id="check", name="Check", model=model, **agent))
        return {finding.name: finding async for finding in Examination(session, model, 3000).run()}


def outcome(findings: dict[str, Finding]) -> dict[str, bool | None]:
    return {name: finding.ok for name, finding in findings.items()}


def advice(findings: dict[str, Finding]) -> str:
    return " ".join(line for finding in findings.values() for line in finding.advice)


SERVERS = ["openai:my-finetune", "anthropic:claude-3-5-haiku-latest", "bedrock:us.amazon.nova-pro-v1:0"]
WHY = "the model reads these attachments."
GOOD = {
    "streamed answer": True,
    "tool call": True,
    "second round": True,
    "two calls at once": True,
    "thinking": None,
    "structured output": True,
    "image": True,
    "PDF": True,
    "long context": True,
}


@pytest.mark.parametrize("model", SERVERS)
async def test_good_server_has_everything(model: str) -> None:
    # What nobody knows by its name is not sent PDFs by chat completions, which few servers take.
    accepts = {"accepts": ["image", "pdf"]} if model.startswith("openai:") else {}
    findings = await examined(Obliging(), model, **accepts)
    assert outcome(findings) == GOOD
    assert advice(findings) == ""


@pytest.mark.parametrize("model", SERVERS)
@pytest.mark.parametrize("status", [400, 0], ids=["refused", "overlooked"])
@pytest.mark.parametrize("reads", [(), ("image",)], ids=["nothing", "images"])
async def test_attachments_that_a_model_does_not_read_are_found_and_advised(
    model: str, status: int, reads: tuple[str, ...]
) -> None:
    findings = await examined(Obliging(reads=frozenset(reads), status=status), model)
    assert (findings["image"].ok, findings["PDF"].ok) == ("image" in reads, False)
    said = "This model does not support pdf input." if status else "not read: 'A cat, I suppose.'"
    assert said in findings["PDF"].note
    # Chat completions send a model that nobody knows images, and no PDFs.
    as_sent = model.startswith("openai:") and reads == ("image",)
    listed = '["image"]' if reads else "[]"
    assert advice(findings) == ("" if as_sent else f'Set "accepts": {listed} on the agent: {WHY}')
    settled = await examined(Obliging(reads=frozenset(reads), status=status), model, accepts=list(reads))
    assert advice(settled) == ""


async def test_pdfs_that_a_server_takes_unexpectedly_are_advised() -> None:
    findings = await examined(Obliging())
    assert findings["PDF"].ok
    assert advice(findings) == f'Set "accepts": ["image", "pdf"] on the agent: {WHY}'


async def test_busy_server_leads_to_no_setting_for_attachments() -> None:
    findings = await examined(Obliging(reads=frozenset(), status=503), "anthropic:claude-3-5-haiku-latest")
    assert (findings["image"].ok, findings["PDF"].ok) == (False, False)
    assert findings["image"].note.startswith("cannot be asked: ")
    assert advice(findings) == ""


async def test_missing_projector_of_llama_cpp_is_a_refusal() -> None:
    findings = await examined(Obliging(reads=frozenset(), status=500))
    assert '"accepts": []' in advice(findings)


async def test_calls_in_the_text_are_advised_a_dialect() -> None:
    server = Obliging(raw=True)
    findings = await examined(server)
    assert findings["tool call"].ok is False
    assert '"dialect": "hermes"' in advice(findings)
    assert outcome(await examined(server, dialect="hermes")) == GOOD
    assert outcome(await examined(server, "openai:qwen3:8b")) == GOOD


async def test_text_that_starts_in_thinking_is_advised() -> None:
    server = Obliging(inside=True)
    assert '"startsInThinking": true' in advice(await examined(server))
    findings = await examined(server, starts_in_thinking=True, accepts=["image", "pdf"])
    assert outcome(findings) == GOOD | {"thinking": True}
    assert findings["thinking"].note == "comes taken out of the text"
    assert advice(findings) == ""


async def test_short_context_is_found() -> None:
    findings = await examined(Obliging(context=4000))
    assert outcome(findings) == GOOD | {"long context": False}
    assert "OLLAMA_CONTEXT_LENGTH" in advice(findings)


async def test_server_that_refuses_tools_says_so() -> None:
    findings = await examined(Obliging(takes_tools=False))
    assert findings["tool call"].ok is False
    assert "does not support tools" in findings["tool call"].note
    assert findings["second round"].ok is None


async def test_server_without_streams_and_usage_is_noticed() -> None:
    findings = await examined(Obliging(streams=False, counts=False))
    assert (findings["streamed answer"].ok, findings["streamed answer"].note) == (False, "in one piece")
    assert "no usage" in advice(findings)
    assert findings["tool call"].ok


async def test_calls_one_after_the_other_are_no_failure() -> None:
    findings = await examined(Obliging(one_at_a_time=True))
    assert findings["two calls at once"].ok is None


@pytest.mark.parametrize(("arguments", "code"), [(["nobody:m"], 2), (["demo:", "--dialect", "klingon"], 2)])
def test_wrong_settings_are_told(arguments: list[str], code: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", *arguments]) == code
    assert capsys.readouterr().err


def test_command_prints_what_works(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with ModelServer() as server:
        monkeypatch.setenv("OPENAI_SERVERS", f'{{"fake": {{"baseUrl": "{server.url}/v1"}}}}')
        server.play(*[Script(openai_answer([" one", " two"]))] * 9)
        assert main(["check", "fake:m", "--context", "100"]) == 1
    printed = capsys.readouterr().out
    assert "✓ streamed answer    2 pieces" in printed
    assert "✗ tool call" in printed
    assert "What to set:" in printed
