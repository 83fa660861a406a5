"""Every sample event of the functions with a URL goes through its handler, as with `sam local invoke`.

`TOKEN` stands for a bearer token. The files' names determine the expected answers.
"""

import asyncio
import importlib.util
import json
from contextlib import closing
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from streaming_runtime.events import http_request, load_event
from tests.aws import Aws
from tests.invoking import CONTEXT
from tests.serving import served
from tests.template_functions import url_functions
from tests.tokens import AUDIENCE, ISSUER, Issuer

ROOT = Path(__file__).parent.parent
EXPECTED = {"create": 201, "create-agent": 201, "without-token": 401, "unknown-pipeline": 404}
CASES = [
    (name, streamed, path)
    for name, streamed in url_functions()
    for path in sorted((ROOT / "events" / name).glob("*.json"))
]


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"function_{name}", ROOT / "functions" / name / "app.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("name", "streamed", "path"), CASES, ids=[f"{name}/{path.stem}" for name, _, path in CASES]
)
def test_sample_event_is_answered(
    aws_environment: Aws, monkeypatch: pytest.MonkeyPatch, name: str, streamed: bool, path: Path
) -> None:
    issuer = Issuer()
    with served(issuer.app) as url:
        logical_id = "".join(part.capitalize() for part in name.split("_")) + "Function"
        environment = aws_environment.environment(logical_id)
        environment |= {"OIDC_ISSUER": ISSUER, "OIDC_AUDIENCE": AUDIENCE, "OIDC_JWKS_URL": f"{url}/keys"}
        for variable, value in environment.items():
            monkeypatch.setenv(variable, value)
        event = path.read_text().replace("TOKEN", issuer.token(f"org-{path.stem}"))
        if streamed:
            status = asyncio.run(streamed_status(load(name).app, event))
        else:
            status = buffered(name, event)
    assert status == EXPECTED.get(path.stem, 200)


def buffered(name: str, event: str) -> int:
    with closing(asyncio.new_event_loop()) as loop:
        asyncio.set_event_loop(loop)  # Mangum would make one and leave it open
        answer = load(name).handler(json.loads(event), CONTEXT)
        asyncio.set_event_loop(None)
    json.dumps(answer)  # as Lambda will
    return int(answer["statusCode"])


async def streamed_status(app: Any, event: str) -> int:
    scope, body = http_request(load_event(event.encode())[0])
    messages: list[dict[str, Any]] = []
    waiting = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> dict[str, Any]:
        if not waiting:
            await asyncio.Event().wait()
        return waiting.pop()

    async def send(message: dict[str, Any]) -> None:
        messages.append(message)

    await app(scope, receive, send)
    assert messages[-1].get("more_body", False) is False
    return int(messages[0]["status"])


def test_every_function_with_a_url_has_sample_events() -> None:
    assert {name for name, _ in url_functions()} == {name for name, _, _ in CASES}
