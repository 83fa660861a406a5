"""Every operation of the API with every role, with every scope but its own, with its own alone, and without a
token. The table here says what each needs, and the operations' declarations are held against it: one that is
added, or that loses its scope, fails."""

import json
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
from msgspec.structs import replace

from millrace.api import a2a_app, command_center_app, conversation_app, flows_app, management_app, voice_app
from millrace.domain.access import ROLES, SCOPES
from millrace.settings import Settings
from tests.aws import Aws
from tests.serving import served
from tests.tokens import AUDIENCE, ISSUER, Issuer

ANYBODY = ""
"""Any token will do."""

ORDER = ["voice", "chat", *sorted(SCOPES - {"voice", "chat"})]
"""The first of these that is missing is named."""

PIPELINE = "/api/streaming/pipelines/{pipeline_id}"
DEAD_LETTERS = f"{PIPELINE}/dead-letters"
CONVERSATION = "/api/conversations/{conversation_id}"
NEEDS: dict[str, list[str]] = {
    ANYBODY: [
        "POST /api/stream-tickets",  # worth what the caller may do
        "GET /api/openapi.json",
    ],
    "chat": [
        "POST /api/conversations",
        "GET /api/conversations",
        f"GET {CONVERSATION}",
        f"PATCH {CONVERSATION}",
        f"DELETE {CONVERSATION}",
        f"POST {CONVERSATION}/restore",
        f"POST {CONVERSATION}/messages",
        f"GET {CONVERSATION}/messages",
        f"GET {CONVERSATION}/stream",
        f"POST {CONVERSATION}/regenerate",
        f"PUT {CONVERSATION}/branch",
        f"POST {CONVERSATION}/stop",
        f"POST {CONVERSATION}/inject",
        f"GET {CONVERSATION}/inject",
        f"DELETE {CONVERSATION}/inject/{{message_id}}",
        f"GET {CONVERSATION}/shares",
        f"POST {CONVERSATION}/shares",
        f"DELETE {CONVERSATION}/shares",
        "POST /api/chat",
        "GET /api/chat/{chat_id}/stream",
        "POST /api/chat/{chat_id}/stop",
        "GET /api/runs",  # others': with `observe`
        "GET /api/runs/{run_id}",
        "GET /api/runs/{run_id}/events",
        "GET /api/runs/{run_id}/model-calls",
        "GET /api/runs/{run_id}/stream",
        "GET /api/a2a/tasks/{task_id}/stream",
        "GET /api/approvals",  # those that the caller may see
        "POST /api/runs/{run_id}/answers",  # and then whoever is an approver of the call
        "GET /api/memories",  # the caller's own; with conversations:manage also another user's
        "DELETE /api/memories",
        "DELETE /api/memories/{agent_id}/{memory_id}",
        "POST /api/files",
        "GET /api/files",  # the caller's own
        "GET /api/files/{file_id}",
        "DELETE /api/files/{file_id}",
        "GET /api/usage",  # one's own; with organization:manage all
        "GET /v1/models",
        "GET /v1/models/{model}",
        "POST /v1/chat/completions",
        "POST /v1/responses",
        "GET /v1/responses/{response_id}",
        "DELETE /v1/responses/{response_id}",
        "POST /v1/responses/{response_id}/cancel",
        "GET /v1/responses/{response_id}/input_items",
        "POST /agui",
        "GET /agui",
        "POST /agui/{agent_id}",
        "GET /agui/{agent_id}",
        "GET /api/flows",
        "GET /api/flows/{name}",
        "POST /api/flows/{name}/events",
        "GET /api/flows/{name}/executions",  # one's own; with observe or conversations:manage all
        "GET /api/flows/{name}/executions/{execution_id}",
        "POST /api/flows/{name}/executions/{execution_id}/cancel",
    ],
    "chat | agents:read | agents:write": [  # in summary with chat alone
        "GET /api/agents",
        "GET /api/agents/{agent_id}",
    ],
    "agents:read | agents:write": ["GET /api/agent-parts"],
    "voice & chat": [
        "POST /api/voice/conversations/{run_id}/stream",
        "GET /api/voice/conversations/{run_id}/stream",
    ],
    "voice": [
        "POST /api/voice/tts/stream",
        "GET /api/voice/tts/stream",
        "GET /api/voice/voices",
        "POST /api/voice/streams/{stream_id}/stop",
        "POST /v1/audio/speech",
    ],
    "observe": [
        "GET /api/command-center/stream",
        "GET /api/command-center/snapshot",
        "GET /api/command-center/events",
        "GET /api/command-center/alerts",
        "GET /api/command-center/alerts/{rule_id}",
        "GET /api/command-center/alerts/{rule_id}/history",
        "GET /api/command-center/metrics",
        "GET /api/limits/stops",
    ],
    "conversations:manage": [
        "POST /api/limits/stops",
        "DELETE /api/limits/stops",
    ],
    "alerts:write": [
        "POST /api/command-center/alerts",
        "PUT /api/command-center/alerts/{rule_id}",
        "PATCH /api/command-center/alerts/{rule_id}",
        "DELETE /api/command-center/alerts/{rule_id}",
    ],
    "agents:write": [
        "POST /api/agents",
        "PUT /api/agents/{agent_id}",
        "PATCH /api/agents/{agent_id}",
        "DELETE /api/agents/{agent_id}",
        "GET /api/agents/{agent_id}/tools",
        "POST /api/flows",
        "PUT /api/flows/{name}",
        "DELETE /api/flows/{name}",
    ],
    "organization:manage": [
        "GET /api/limits",
        "PATCH /api/limits",
        "GET /api/erasures",
        "POST /api/erasures",
        "GET /api/exports",
        "POST /api/exports",
        "GET /api/exports/{export_id}",
        "GET /api/exports/{export_id}/parts",
        "DELETE /api/exports/{export_id}",
        "GET /api/retention",
        "PUT /api/retention",
        "GET /api/audit",
        "GET /api/revocations",
        "POST /api/revocations",
        "GET /api/keys",
        "POST /api/keys",
        "GET /api/keys/{key_id}",
        "POST /api/keys/{key_id}/rotate",
        "DELETE /api/keys/{key_id}",
    ],
    "pipelines:read": [
        "GET /api/streaming/schema",
        "GET /api/streaming/pipelines",
        f"GET {PIPELINE}",
        f"GET {PIPELINE}/versions",
        f"GET {PIPELINE}/versions/{{version}}",
        f"GET {PIPELINE}/versions/{{version}}/diff",
        f"GET {PIPELINE}/events",
        f"GET {PIPELINE}/metrics/series",
        f"GET {DEAD_LETTERS}/groups",
        "GET /api/streaming/templates",
        "GET /api/streaming/templates/{template_id}",
        f"GET {PIPELINE}/metrics",
        f"GET {PIPELINE}/health",
        "GET /api/streaming/stats",
        f"GET {PIPELINE}/destinations",
        f"GET {PIPELINE}/checkpoints",
        f"GET {DEAD_LETTERS}",
        f"GET {DEAD_LETTERS}/count",
        f"GET {DEAD_LETTERS}/redrives",
        f"GET {DEAD_LETTERS}/redrives/{{redrive_id}}",
        f"GET {DEAD_LETTERS}/{{dead_letter_id}}",
        "GET /api/streaming/secrets",
    ],
    "pipelines:write": [
        "POST /api/streaming/pipelines",
        f"PUT {PIPELINE}",
        f"PATCH {PIPELINE}",
        f"DELETE {PIPELINE}",
        "POST /api/streaming/templates/{template_id}/pipelines",
        f"POST {PIPELINE}/start",
        f"POST {PIPELINE}/pause",
        f"POST {PIPELINE}/resume",
        f"POST {PIPELINE}/stop",
        f"POST {PIPELINE}/process",
        f"POST {PIPELINE}/batch",
        f"POST {PIPELINE}/destinations/{{number}}/enable",
        f"POST {PIPELINE}/destinations/{{number}}/disable",
        f"POST {PIPELINE}/destinations/{{number}}/test",
        f"POST {PIPELINE}/checkpoints",
        f"POST {PIPELINE}/checkpoints/{{checkpoint_id}}/restore",
        f"POST {PIPELINE}/replay",
        f"POST {PIPELINE}/dry-run",
        "POST /api/streaming/dry-run",
        f"POST {PIPELINE}/versions/{{version}}/restore",
        f"POST {DEAD_LETTERS}/delete",
        f"POST {DEAD_LETTERS}/redrive",
        f"POST {DEAD_LETTERS}/redrives/{{redrive_id}}/cancel",
        f"DELETE {DEAD_LETTERS}/{{dead_letter_id}}",
        "PUT /api/streaming/secrets/{name}",
        "DELETE /api/streaming/secrets/{name}",
    ],
}
BY_TICKET = {"GET /api/voice/tts/stream", "GET /api/voice/conversations/{run_id}/stream"}
"""Tokens are not for them."""
OPEN = {"GET /api/health", "POST /hooks/{pipeline_id}"}
"""No credential is needed."""
TABLE = {operation: scope for scope, operations in NEEDS.items() for operation in operations}
DOCUMENT = json.loads((Path(__file__).parents[2] / "docs" / "openapi.json").read_text())
OPERATIONS = {
    f"{method.upper()} {path}": operation
    for path, operations in DOCUMENT["paths"].items()
    for method, operation in operations.items()
}
APPS: dict[str, tuple[str, Callable[[Settings], Any]]] = {
    "/api/conversations": ("ConversationFunction", conversation_app.create_app),
    "/api/runs": ("ConversationFunction", conversation_app.create_app),
    "/api/approvals": ("ConversationFunction", conversation_app.create_app),
    "/api/files": ("ConversationFunction", conversation_app.create_app),
    "/api/chat": ("ConversationFunction", conversation_app.create_app),
    "/api/memories": ("ConversationFunction", conversation_app.create_app),
    "/agui": ("ConversationFunction", conversation_app.create_app),
    "/v1/models": ("ConversationFunction", conversation_app.create_app),
    "/v1/chat": ("ConversationFunction", conversation_app.create_app),
    "/v1/responses": ("ConversationFunction", conversation_app.create_app),
    "/api/command-center": ("CommandCenterFunction", command_center_app.create_app),
    "/api/flows": ("FlowsFunction", flows_app.create_app),
    "/api/a2a": ("A2aFunction", a2a_app.create_app),
    "/api/voice": ("VoiceFunction", voice_app.create_app),
    "/api/stream-tickets": ("VoiceFunction", voice_app.create_app),
    "/v1/audio": ("VoiceFunction", voice_app.create_app),
    "/api": ("ApiFunction", management_app.create_app),
}


def alternatives(needs: str) -> list[set[str]]:
    """The sets of scopes of which one is enough."""
    return [set(part.split(" & ")) - {""} for part in needs.split(" | ")]


def test_document_names_the_credentials_and_scopes_of_each_operation() -> None:
    expected = {name: _security(name, alternatives(needs)) for name, needs in TABLE.items()}
    assert {name: one["security"] for name, one in OPERATIONS.items()} == expected | {
        name: [] for name in OPEN
    }


def _security(name: str, needs: list[set[str]]) -> list[dict[str, list[str]]]:
    if name in BY_TICKET:
        schemes = ["ticket"]
    else:
        streamed = not name.endswith("openapi.json") and _app_of(name)[0] != "ApiFunction"
        schemes = ["bearer", "ticket"] if name.startswith("GET ") and streamed else ["bearer"]
    return [{scheme: sorted(one, key=ORDER.index)} for scheme in schemes for one in needs]


def _app_of(name: str) -> tuple[str, Callable[[Settings], Any]]:
    path = name.split()[1]
    return next(app for prefix, app in APPS.items() if path.startswith(prefix))


@pytest.fixture
def urls(aws_environment: Aws, keys_url: str) -> Iterator[dict[str, str]]:
    """The address of each function's app, by the beginning of its paths; the longest comes first."""
    with ExitStack() as stack:
        apps: dict[str, str] = {}
        for function, create in set(APPS.values()):
            found = Settings.from_environment(aws_environment.environment(function))
            trusted = replace(found, oidc_issuer=ISSUER, oidc_audience=AUDIENCE, oidc_jwks_url=keys_url)
            mine = replace(trusted, default_role="none")
            apps[function] = stack.enter_context(served(create(mine)))
        yield {path: apps[function] for path, (function, _) in APPS.items()}


def test_role_may_do_what_its_scopes_allow_and_nothing_else(
    urls: dict[str, str], issuer: Issuer, organization: str
) -> None:
    """A thing that is not there, or a body that says nothing, is found out only after the scope."""
    for role in ("", *ROLES):
        headers = issuer.user(organization, "someone", *([role] if role else []))
        expected = {name: _expected(name, ROLES.get(role, frozenset())) for name in TABLE}
        assert _outcomes(urls, headers, TABLE) == expected, role


def test_scopes_of_an_operation_are_enough_and_all_others_are_not(
    urls: dict[str, str], issuer: Issuer, organization: str
) -> None:
    """For each way to be let in: with its scopes alone; and with all scopes but one of them, or but the
    alternatives."""
    for needs, names in NEEDS.items():
        enough = alternatives(needs)
        lacking = [SCOPES - {scope} for scope in enough[0]] if len(enough) == 1 else []
        for scopes in [*enough, *lacking, SCOPES - set().union(*enough)]:
            headers = issuer.headers(organization, scope=" ".join(sorted(scopes)))
            expected = {name: _expected(name, scopes) for name in names}
            if scopes:  # a token that names none has those of its role
                assert _outcomes(urls, headers, names) == expected, scopes


def test_api_key_may_do_what_its_scopes_allow_and_nothing_else(
    urls: dict[str, str], issuer: Issuer, organization: str
) -> None:
    """In every function: the key of an operator, made by an admin."""
    scopes = ROLES["operator"]
    given = {"name": "Backend", "scopes": sorted(scopes)}
    made = httpx.post(f"{urls['/api']}/api/keys", json=given, headers=issuer.headers(organization))
    assert made.status_code == 201, made.text
    headers = {"authorization": f"Bearer {made.json()['secret']}"}
    assert _outcomes(urls, headers, TABLE) == {name: _expected(name, scopes) for name in TABLE}


TICKETS = [name for name, one in OPERATIONS.items() if any("ticket" in way for way in one["security"])]
"""Operations that take a ticket."""


def test_ticket_grants_what_its_maker_may_and_nothing_else(
    urls: dict[str, str], issuer: Issuer, organization: str
) -> None:
    for role in ("", "customer", "member"):
        headers = issuer.user(organization, "someone", *([role] if role else []))
        with httpx.Client(timeout=30) as client:
            found = {name: _with_ticket(client, urls, name, headers) for name in TICKETS}
        scopes = ROLES.get(role, frozenset())
        assert found == {name: _granted(name, scopes) for name in TICKETS}, role


def _with_ticket(client: httpx.Client, urls: dict[str, str], name: str, headers: dict[str, str]) -> str:
    path = _path_of(name)
    made = client.post(f"{_url_of(urls, '/api/stream-tickets')}", json={"path": path}, headers=headers)
    assert made.status_code == 201, made.text
    with client.stream("GET", _url_of(urls, path), params={"ticket": made.json()["ticket"]}) as response:
        return _outcome_of(response)


def _granted(name: str, scopes: Collection[str]) -> str:
    asked = alternatives(TABLE[name])
    if any(one <= set(scopes) for one in asked):
        return "allowed"
    return f"403 {next(scope for scope in ORDER if scope in asked[0] - set(scopes))}"


def test_without_a_credential_nothing_but_the_open_operations_answers(urls: dict[str, str]) -> None:
    expected = {name: "401 ticket_invalid" if name in BY_TICKET else "401 token_missing" for name in TABLE}
    assert _outcomes(urls, {}, TABLE) == expected


def _expected(name: str, scopes: Collection[str]) -> str:
    return "401 ticket_invalid" if name in BY_TICKET else _granted(name, scopes)


def _outcomes(urls: dict[str, str], headers: dict[str, str], names: Iterable[str]) -> dict[str, str]:
    with httpx.Client(headers=headers, timeout=30) as client:
        return {name: _outcome(client, urls, name) for name in names}


def _outcome(client: httpx.Client, urls: dict[str, str], name: str) -> str:
    body: dict[str, Any] | None = {} if "requestBody" in OPERATIONS[name] else None
    with client.stream(name.split()[0], _url_of(urls, _path_of(name)), json=body) as response:
        return _outcome_of(response)


def _path_of(name: str) -> str:
    template = name.split()[1]
    return template.replace("{number}", "0").replace("{version}", "1").replace("{", "").replace("}", "")


def _url_of(urls: dict[str, str], path: str) -> str:
    return next(url for prefix, url in urls.items() if path.startswith(prefix)) + path


def _outcome_of(response: httpx.Response) -> str:
    if response.status_code in (401, 403):
        error = json.loads(response.read())["error"]
        return f"{response.status_code} {error.get('scope', error['code'])}"
    return "allowed" if response.status_code < 500 else f"{response.status_code}: {response.read()!r}"
