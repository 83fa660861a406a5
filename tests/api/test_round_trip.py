"""GET, edit, PUT: what is read can be written back, for every resource, and PUT of a new id creates.

The resources are those of the OpenAPI document, so a new one is tested, or fails here for want of an example.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
from msgspec.structs import replace

from millrace.api.command_center_app import create_app as command_center_app
from millrace.api.flows_app import create_app as flows_app
from millrace.api.management_app import create_app as management_app
from millrace.settings import Settings
from tests.api.talk import error_of
from tests.aws import Aws
from tests.serving import served
from tests.tokens import AUDIENCE, ISSUER, Issuer

DOCUMENT = json.loads((Path(__file__).parents[2] / "docs" / "openapi.json").read_text())
Json = dict[str, Any]

AGENT = {
    "name": "Shop",
    "instructions": "Sell.",
    "tools": ["calculator"],
    "mcpServers": [{"name": "docs", "url": "https://docs.example/mcp", "headers": {"x-key": "sesame"}}],
    "limits": {"maxSeconds": 60},
}
PIPELINE = {
    "name": "Runs",
    "source": {"type": "agent_execution", "statuses": ["completed"]},
    "transforms": [{"type": "batch", "config": {"size": 10, "timeout": 1000}}],
    "destination": {"type": "webhook", "config": {"url": "https://api.example.com/events"}},
}
EXAMPLES: dict[str, tuple[Json, str, Any]] = {
    "/api/agents/{agent_id}": (AGENT, "description", "edited"),
    "/api/flows/{name}": (
        {"steps": [{"name": "ask", "type": "agent", "agentId": "demo"}]},
        "description",
        "edited",
    ),
    "/api/command-center/alerts/{rule_id}": (
        {"name": "Costs", "metric": "cost", "threshold": 5, "window": 60_000},
        "threshold",
        7.5,
    ),
    "/api/streaming/pipelines/{pipeline_id}": (PIPELINE, "description", "edited"),
}
"""By path: what creates one, a field, and another value for it."""
WRITE_ONLY = {"/api/streaming/secrets/{name}"}
"""Resources that nobody can read."""


def resources() -> list[str]:
    """Paths of single things that are written whole. A conversation, which begins with its first message, is
    only renamed."""
    return [path for path, methods in DOCUMENT["paths"].items() if path.endswith("}") and "put" in methods]


@pytest.fixture
def urls(aws_environment: Aws, keys_url: str) -> Iterator[dict[str, str]]:
    """The addresses of the apps that hold resources, by the beginning of their paths."""
    settings = replace(
        Settings.from_environment(aws_environment.environment("ApiFunction")),
        oidc_issuer=ISSUER,
        oidc_audience=AUDIENCE,
        oidc_jwks_url=keys_url,
    )
    apps: dict[str, Callable[[Settings], Any]] = {
        "/api/flows": flows_app,
        "/api/command-center": command_center_app,
        "/api": management_app,
    }
    with ExitStack() as stack:
        yield {path: stack.enter_context(served(create(settings))) for path, create in apps.items()}


@pytest.fixture
def client(urls: dict[str, str], issuer: Issuer, organization: str) -> Iterator[httpx.Client]:
    """A client of all apps that hold resources, each at its own paths."""

    def to_its_app(request: httpx.Request) -> None:
        base = next(url for prefix, url in urls.items() if request.url.path.startswith(prefix))
        request.url = httpx.URL(base).join(request.url.raw_path.decode())
        request.headers["host"] = request.url.netloc.decode()

    with httpx.Client(
        base_url="http://apps",
        headers=issuer.headers(organization),
        timeout=30,
        event_hooks={"request": [to_its_app]},
    ) as client:
        yield client


def address(path: str, id: str) -> str:
    return path.partition("{")[0] + id


def test_every_resource_has_an_example() -> None:
    assert {path for path in resources() if path not in WRITE_ONLY} == EXAMPLES.keys()


@pytest.mark.parametrize("path", sorted(EXAMPLES))
def test_resource_is_put_as_it_was_read(client: httpx.Client, path: str) -> None:
    given, field, value = EXAMPLES[path]
    here = address(path, "round-trip")
    created = client.put(here, json=given)
    assert created.status_code == 201, created.text
    read = client.get(here).json()
    again = client.put(here, json=read)
    assert again.status_code == 200, again.text
    assert without_times(client.get(here).json()) == without_times(read)
    edited = client.put(here, json=read | {field: value})
    assert edited.status_code == 200, edited.text
    assert client.get(here).json()[field] == value
    assert without_times(client.get(here).json(), field) == without_times(read, field)


@pytest.mark.parametrize("path", sorted(EXAMPLES))
def test_put_replaces_where_patch_merges(client: httpx.Client, path: str) -> None:
    given, field, value = EXAMPLES[path]
    here = address(path, "put-replaces")
    client.put(here, json=given)
    default = client.get(here).json().get(field)
    client.put(here, json=given | {field: value})
    if "patch" in DOCUMENT["paths"][path]:
        read = client.get(here).json()
        assert client.patch(here, json=read).status_code == 200
        assert client.get(here).json()[field] == value
    assert client.put(here, json=given).status_code == 200
    assert client.get(here).json().get(field) == default


@pytest.mark.parametrize("path", sorted(EXAMPLES))
def test_put_with_the_id_of_another_is_refused(client: httpx.Client, path: str) -> None:
    given, _, _ = EXAMPLES[path]
    name = "name" if path.endswith("{name}") else "id"
    refused = client.put(address(path, "one"), json=given | {name: "another"})
    assert error_of(refused) == (422, "id_mismatch")
    assert client.get(address(path, "one")).status_code == 404


@pytest.mark.parametrize("path", sorted(EXAMPLES))
def test_put_is_of_ones_own_organization(
    client: httpx.Client, issuer: Issuer, path: str, organization: str
) -> None:
    given, field, value = EXAMPLES[path]
    here = address(path, "shared-id")
    other = issuer.headers(f"{organization}-other")
    assert client.put(here, json=given).status_code == 201
    assert client.put(here, json=given | {field: value}, headers=other).status_code == 201
    assert client.get(here).json().get(field) != value


def test_id_of_a_deleted_pipeline_is_not_used_again(client: httpx.Client) -> None:
    """Its jobs and windows may still be under way, and would be taken for the new one's."""
    here = "/api/streaming/pipelines/used-once"
    assert client.put(here, json=PIPELINE).status_code == 201
    assert client.delete(here).status_code == 204
    assert error_of(client.put(here, json=PIPELINE)) == (409, "pipeline_id_used")


@pytest.mark.parametrize("id", ["pipeline_01", "Upper", "a" * 41, "a:b"])
def test_pipeline_id_that_cannot_be_chosen_is_refused(client: httpx.Client, id: str) -> None:
    assert client.put(f"/api/streaming/pipelines/{id}", json=PIPELINE).status_code in (404, 422)


def test_webhook_pipeline_gets_its_id_from_us(client: httpx.Client) -> None:
    """Strangers find it by the id alone, whose ever it is."""
    given = PIPELINE | {"source": {"type": "webhook"}}
    assert error_of(client.put("/api/streaming/pipelines/mine", json=given)) == (422, "invalid_id")


@pytest.mark.parametrize(
    "rule",
    [
        {"metric": "error_rate", "threshold": 50},
        {"metric": "backpressure", "op": "gt", "threshold": 1},
        {"metric": "cost", "op": "lt", "threshold": 0},
    ],
)
def test_alert_that_could_never_trigger_is_refused(client: httpx.Client, rule: Json) -> None:
    refused = client.put("/api/command-center/alerts/never", json={"name": "Never", **rule})
    assert error_of(refused) == (422, "invalid_request")
    assert "never triggers" in refused.text


def without_times(shown: Json, *more: str) -> Json:
    ignored = {"updatedAt", "version", *more}
    return {name: value for name, value in shown.items() if name not in ignored}
