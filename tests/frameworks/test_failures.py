"""Errors of model servers, as their client libraries raise them and as we report them."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from millrace.agent.code.model import LimitReached
from millrace.agent.suspension import Suspended
from millrace.errors import ProviderError, ToolError
from millrace.frameworks.common.failures import ended_by, of_ours, of_server
from tests.fakes.model_bytes import anthropic_start
from tests.fakes.model_server import ModelServer, Script
from tests.frameworks.answering import CLOSE, refusal

ASKED: list[Any] = [{"role": "user", "content": "Go on."}]


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with ModelServer() as server:
        yield server


def ask_openai(url: str) -> None:
    openai = pytest.importorskip("openai")
    with openai.OpenAI(base_url=f"{url}/v1", api_key="key", max_retries=0) as client:
        for _ in client.chat.completions.create(model="m", messages=ASKED, stream=True):
            pass


def ask_anthropic(url: str) -> None:
    anthropic = pytest.importorskip("anthropic")
    with anthropic.Anthropic(base_url=url, api_key="key", max_retries=0) as client:
        for _ in client.messages.create(model="m", messages=ASKED, max_tokens=9, stream=True):
            pass


def ask_bedrock(url: str) -> None:
    import boto3
    from botocore.config import Config

    config = Config(retries={"total_max_attempts": 1}, connect_timeout=5)
    client = boto3.client(
        "bedrock-runtime", endpoint_url=url, region_name="us-east-1", config=config,
        aws_access_key_id="key", aws_secret_access_key="key",
    )  # fmt: skip
    client.converse(modelId="m", messages=[{"role": "user", "content": [{"text": "Go on."}]}])


def aws_refusal(status: int, code: str, **headers: str) -> Script:
    kind = {"content-type": "application/json", "x-amzn-errortype": code}
    return Script([b'{"message": "Not now."}'], status, CLOSE | kind | headers)


WAIT = {"retry-after": "4"}
START = anthropic_start()
OVERLOADED = (
    b'event: error\ndata: {"type": "error", "error": {"type": "overloaded_error", "message": "Busy."}}\n\n'
)
LIMITED = b'data: {"error": {"message": "Busy.", "code": "rate_limit_exceeded"}}\n\n'
SPENT = b'{"error": {"message": "You exceeded your current quota.", "code": "insufficient_quota"}}'


@pytest.mark.parametrize(
    ("ask", "script", "code", "retryable", "wait"),
    [
        (ask_openai, refusal(429, **{"retry-after": "7"}), "rate_limited", True, 7),
        (ask_openai, refusal(429, **{"retry-after-ms": "500"}), "rate_limited", True, 0.5),
        (ask_openai, refusal(500), "provider_unavailable", True, None),
        (ask_openai, refusal(403), "provider_auth", False, None),
        (ask_openai, Script([SPENT], 429, CLOSE), "rate_limited", False, None),
        (ask_openai, Script([LIMITED], headers=CLOSE), "rate_limited", True, None),
        (ask_anthropic, refusal(529, **{"retry-after": "9"}), "provider_unavailable", True, 9),
        (ask_anthropic, Script([START, OVERLOADED], headers=CLOSE), "provider_unavailable", True, None),
        (ask_anthropic, refusal(413), "request_too_large", False, None),
        (ask_bedrock, aws_refusal(429, "ThrottlingException", **WAIT), "rate_limited", True, 4),
        (ask_bedrock, aws_refusal(503, "ServiceUnavailableException"), "provider_unavailable", True, None),
        (ask_bedrock, aws_refusal(403, "AccessDeniedException"), "provider_auth", False, None),
    ],
)  # fmt: skip
def test_error_of_a_client_library_is_one_of_ours(
    server: ModelServer,
    monkeypatch: pytest.MonkeyPatch,
    ask: Callable[[str], None],
    script: Script,
    code: str,
    retryable: bool,
    wait: float | None,
) -> None:
    # The fake checks the signatures of Bedrock's clients, which is not the subject here.
    monkeypatch.setattr("tests.fakes.model_server.signature_problem", lambda exchange: "")
    server.play(script)
    with pytest.raises(Exception) as raised:  # noqa: PT011
        ask(server.url)
    found = of_server(raised.value, "m")
    assert found is not None
    assert (found.code, found.retryable, found.retry_after) == (code, retryable, wait)
    assert found.message.startswith("The server of m answered ")


@pytest.mark.parametrize("ask", [ask_openai, ask_anthropic, ask_bedrock])
def test_server_that_is_not_there_may_come_back(ask: Callable[[str], None]) -> None:
    with ModelServer() as server:
        url = server.url
    with pytest.raises(Exception) as raised:  # noqa: PT011
        ask(url)
    found = of_server(raised.value)
    assert found is not None
    assert (found.code, found.retryable) == ("provider_unreachable", True)


class OddError(Exception):
    """An error that has a status, as those of web frameworks have."""

    status_code = 200


@pytest.mark.parametrize("error", [KeyError("x"), ValueError("429"), OddError()])
def test_other_errors_stay_as_they_are(error: Exception) -> None:
    assert of_server(error) is None
    assert ended_by(error) is error


def test_failure_of_several_models_is_the_retryable_one() -> None:
    auth = ProviderError("The key is wrong.", code="provider_auth", http_status=401)
    busy = ProviderError("Busy.", code="rate_limited", http_status=429, retryable=True)
    assert of_server(ExceptionGroup("All have failed.", [auth, busy, auth])) is busy


@pytest.mark.parametrize("ours", [ToolError("No."), LimitReached("max_tokens"), Suspended("queued", 1)])
def test_error_of_ours_is_found_in_those_that_wrap_it(ours: Exception) -> None:
    wrapped = RuntimeError("It has failed.")
    wrapped.__cause__ = ExceptionGroup("Several.", [ValueError(), ours])
    assert of_ours(wrapped) is ours
    assert ended_by(wrapped) is ours
