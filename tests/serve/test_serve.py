"""The functions in one process, under uvicorn as on Fargate, on the emulated AWS."""

import json
import os
import signal
import subprocess
import sys

import httpx
import pytest

from millrace.serve import __main__ as command
from millrace.serve.app import ROUTES, create_app
from millrace.settings import Settings
from tests.api.conftest import issuer, keys_url, organization, settings
from tests.api.faces import settings_of_all
from tests.aws import Aws
from tests.serving import served
from tests.templates import translated
from tests.tokens import Issuer

__all__ = ["issuer", "keys_url", "organization", "settings"]
OF = {"management": "api"}
"""Names of apps that their functions do not have."""


def test_routes_are_those_of_the_template() -> None:
    template = translated()
    wanted = {source.code.name: source.routes for source in template.functions.values() if source.routes}
    assert {OF.get(name, name): routes for name, routes in ROUTES.items()} == wanted


@pytest.fixture
def whole(aws_environment: Aws, settings: Settings) -> Settings:
    """As `make environment` prints them."""
    return settings_of_all(aws_environment, settings)


def test_one_process_serves_conversations_management_and_protocols(
    whole: Settings, issuer: Issuer, organization: str
) -> None:
    with served(create_app(whole)) as url, httpx.Client(base_url=url, timeout=60) as client:
        client.headers.update(issuer.headers(organization))
        body = {"agentId": "echo", "content": "hello"}
        accept = {"accept": "text/event-stream"}
        with client.stream("POST", "/api/conversations/c1/messages", json=body, headers=accept) as streamed:
            kinds = [
                json.loads(line.removeprefix("data: "))["type"]
                for line in streamed.iter_lines()
                if line.startswith("data: ")
            ]
        assert kinds[0] == "start"
        assert kinds[-1] == "done"
        assert client.get("/api/health").status_code == 200
        assert client.get("/api/agents").json()
        assert client.get("/api/command-center/snapshot").json()["runs"] == []
        assert client.get("/.well-known/agent-card.json").json()["capabilities"]["streaming"] is True
        assert client.get("/v1/models").json()["object"] == "list"
        assert client.get("/nothing").status_code == 404
        assert client.get("/api/nothing").json()["error"]["code"] == "no_such_path"


def test_missing_settings_are_named_with_the_command_that_prints_them(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("CONVERSATIONS_TABLE", raising=False)
    assert command.main([]) == 1
    said = capsys.readouterr().err
    assert "CONVERSATIONS_TABLE" in said
    assert "make -s environment" in said


def test_unknown_function_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--only", "conversation,nonsense"]) == 2
    assert "nonsense" in capsys.readouterr().err


def test_command_serves_and_ends_at_sigterm(
    aws_environment: Aws, whole: Settings, issuer: Issuer, organization: str
) -> None:
    environ = aws_environment.environment("ConversationFunction") | {
        "OIDC_ISSUER": whole.oidc_issuer,
        "OIDC_AUDIENCE": whole.oidc_audience,
        "OIDC_JWKS_URL": whole.oidc_jwks_url,
        "PATH": os.environ["PATH"],
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "millrace.serve", "--port", "0", "--only", "conversation", "--grace", "5"],
        env=environ,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr is not None
        line = next(one for one in process.stderr if "running on" in one)
        url = line.split("running on ")[1].split()[0]
        body = {"agentId": "echo", "content": "hello"}
        answer = httpx.post(
            f"{url}/api/conversations/c1/messages",
            json=body,
            headers=issuer.headers(organization),
            timeout=60,
        )
        assert answer.raise_for_status().json()
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)
        process.stderr.close()  # type: ignore[union-attr]
    assert process.returncode in (0, -signal.SIGTERM)
