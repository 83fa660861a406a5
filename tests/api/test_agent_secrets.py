"""Secrets of agents' MCP servers: bound to their address, sealed in the table, never shown."""

import asyncio
from typing import Any

import httpx
import orjson
import pytest

from millrace.agent.tools.mcp_server import McpServer
from millrace.domain.agents import Agent
from millrace.services.mcp_checks import origin_of
from millrace.services.mcp_secrets import Owner
from millrace.services.runs.platform import Platform
from millrace.settings import Settings
from millrace.stores.dynamo import put
from tests.agent.tools.mcp_servers import mcp_server
from tests.api.talk import error_of
from tests.aws import Aws

PATH = "/api/agents"
URL = "https://mcp.example.com/mcp"
SERVER: dict[str, Any] = {"name": "docs", "url": URL, "headers": {"Authorization": "Bearer s3cret-token"}}


def agent(*servers: dict[str, Any]) -> dict[str, Any]:
    return {"id": "helper", "name": "Helper", "model": "echo:", "mcpServers": list(servers)}


def stored(platform: Platform, organization: str) -> str:
    """The agent's item as the table has it."""
    dynamo, table = platform.stores.agents._dynamo, platform.settings.agents_table
    item = asyncio.run(dynamo.get(table, {"pk": organization, "sk": "helper"}))
    assert item
    return str(item)


def opened(platform: Platform, organization: str) -> list[tuple[str, dict[str, str]]]:
    """The servers as a run connects to them, in a process that has nothing cached."""

    async def unseal() -> tuple[list[McpServer], list[str]]:
        fresh = Platform.make(platform.settings)
        found = await fresh.stores.agents.get(organization, "helper")
        return await fresh.mcp_secrets.unseal(Owner(organization, "helper"), found.mcp_servers)

    servers, problems = asyncio.run(unseal())
    assert problems == []
    return [(server.url, dict(server.headers)) for server in servers]


def test_table_and_answers_hold_no_value_and_a_run_gets_it(
    management: httpx.Client, platform: Platform, organization: str
) -> None:
    given = SERVER | {"url": f"{URL}?api_key=query-secret"}
    made = management.post(PATH, json=agent(given))
    assert made.status_code == 201
    answers = [made, management.get(f"{PATH}/helper"), management.get(PATH)]
    answers.append(management.patch(f"{PATH}/helper", json={"name": "New"}))
    for text in (*(answer.text for answer in answers), stored(platform, organization)):
        assert "s3cret" not in text
        assert "query-secret" not in text
    [shown] = made.json()["mcpServers"]
    assert shown == SERVER | {
        "url": f"{URL}?[hidden]",
        "headers": {"Authorization": "[hidden]"},
        "tools": None,
        "scope": "",
    }
    assert opened(platform, organization) == [(given["url"], SERVER["headers"])]


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/mcp",
        "https://mcp.example.com.evil.example/mcp",
        "https://mcp.example.com:8443/mcp",
        "http://mcp.example.com:443/mcp",
    ],
)
def test_placeholder_for_another_origin_is_refused(
    management: httpx.Client, platform: Platform, organization: str, url: str
) -> None:
    management.post(PATH, json=agent(SERVER))
    moved = SERVER | {"url": url, "headers": {"Authorization": "[hidden]"}}
    refused = management.patch(f"{PATH}/helper", json={"mcpServers": [moved]})
    assert error_of(refused) == (422, "invalid_request")
    assert "s3cret" not in refused.text
    assert opened(platform, organization) == [(URL, SERVER["headers"])]


def test_placeholder_for_the_same_origin_keeps_the_value(
    management: httpx.Client, platform: Platform, organization: str
) -> None:
    management.post(PATH, json=agent(SERVER | {"url": f"{URL}?key=query-secret"}))
    headers = {"authorization": "[hidden]", "X-New": "new value"}
    changed = SERVER | {"url": "https://MCP.example.com:443/other?[hidden]", "headers": headers}
    assert management.patch(f"{PATH}/helper", json={"mcpServers": [changed]}).status_code == 200
    assert opened(platform, organization) == [
        (
            "https://MCP.example.com:443/other?key=query-secret",
            {"authorization": "Bearer s3cret-token", "X-New": "new value"},
        )
    ]


@pytest.mark.parametrize(
    "server",
    [
        SERVER | {"headers": {"Authorization": "[hidden]"}},
        SERVER | {"url": f"{URL}?[hidden]"},
        {"name": "other", "url": URL, "headers": {"Authorization": "[hidden]"}},
    ],
)
def test_placeholder_without_a_stored_value_is_refused(
    management: httpx.Client, server: dict[str, Any]
) -> None:
    if server["name"] == "other" or "?" in server["url"]:
        management.post(PATH, json=agent(SERVER))
        refused = management.patch(f"{PATH}/helper", json={"mcpServers": [server]})
    else:
        refused = management.post(PATH, json=agent(server))
    assert error_of(refused) == (422, "invalid_request")
    assert "there is none" in refused.json()["error"]["message"]


@pytest.mark.parametrize(
    "server",
    [SERVER | {"headers": {"Authorization": "Bearer [hidden]"}}, SERVER | {"url": f"{URL}?a=1&[hidden]"}],
)
def test_placeholder_inside_a_value_is_refused(
    management: httpx.Client, platform: Platform, organization: str, server: dict[str, Any]
) -> None:
    """It would be stored as it stands, in the place of the secret."""
    management.post(PATH, json=agent(SERVER))
    refused = management.patch(f"{PATH}/helper", json={"mcpServers": [server]})
    assert error_of(refused) == (422, "invalid_request")
    assert opened(platform, organization) == [(URL, SERVER["headers"])]


def test_value_moved_in_the_table_does_not_open(
    management: httpx.Client, platform: Platform, organization: str
) -> None:
    management.post(PATH, json=agent(SERVER))
    found = asyncio.run(platform.stores.agents.get(organization, "helper"))
    [server] = found.mcp_servers
    moves = [
        (Owner("another", "helper"), server),
        (Owner(organization, "another"), server),
        (Owner(organization, "helper"), server.model_copy(update={"url": "https://evil.example/mcp"})),
        (Owner(organization, "helper"), server.model_copy(update={"name": "another"})),
    ]
    for owner, moved in moves:
        servers, problems = asyncio.run(platform.mcp_secrets.unseal(owner, [moved]))
        assert servers == []
        assert "secrets cannot be read" in problems[0]


def test_plain_values_of_earlier_versions_work_and_are_sealed_at_the_next_write(
    management: httpx.Client, platform: Platform, organization: str
) -> None:
    old = Agent.model_validate(agent(SERVER | {"url": f"{URL}?key=query-secret"}) | {"updatedAt": "2026"})
    item = {"pk": organization, "sk": "helper", "updatedAt": "2026"}
    item["body"] = old.model_dump_json(by_alias=True)
    asyncio.run(platform.stores.agents._dynamo.write(put(platform.settings.agents_table, item)))
    as_given = [(f"{URL}?key=query-secret", SERVER["headers"])]
    assert opened(platform, organization) == as_given
    assert "query-secret" not in management.get(f"{PATH}/helper").text
    assert management.patch(f"{PATH}/helper", json={"name": "New"}).status_code == 200
    assert "s3cret" not in stored(platform, organization)
    assert "query-secret" not in stored(platform, organization)
    assert opened(platform, organization) == as_given


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"url": "file:///etc/passwd"}, "url"),
        ({"url": "ftp://mcp.example.com/"}, "url"),
        ({"url": "mcp.example.com"}, "url"),
        ({"url": "https://"}, "url"),
        ({"url": "https://user:password@mcp.example.com/"}, "url"),
        ({"url": "https://mcp.example.com\\@evil.example/"}, "url"),
        ({"url": "https://mcp.example.com/#part"}, "url"),
        ({"url": "https://mcp.example.com:99999/"}, "url"),
        ({"url": "https://mcp.example.com/\r\nX: y"}, "url"),
        ({"url": "https://münchen.example/"}, "url"),
        ({"url": "https://10.0.0.1/"}, "url"),
        ({"url": "https://[::ffff:169.254.169.254]/"}, "url"),
        ({"url": "https://2130706433/"}, "url"),
        ({"headers": {"Transfer-Encoding": "chunked"}}, "headers.Transfer-Encoding"),
        ({"headers": {"host": "evil.example"}}, "headers.host"),
        ({"headers": {"Content-Length": "1"}}, "headers.Content-Length"),
        ({"headers": {"Connection": "close"}}, "headers.Connection"),
        ({"headers": {"Mcp-Session-Id": "1"}}, "headers.Mcp-Session-Id"),
        ({"headers": {"Accept-Encoding": "gzip"}}, "headers.Accept-Encoding"),
        ({"headers": {"X-A": "a\r\nHost: b"}}, "headers.X-A"),
        ({"headers": {"X-A\r\nHost": "b"}}, "headers.X-A\r\nHost"),
        ({"headers": {"": "a"}}, "headers."),
        ({"headers": {"?": "a"}}, "headers.?"),
        ({"headers": {"X-A": "ä"}}, "headers.X-A"),
        ({"headers": {"X-A": " "}}, "headers.X-A"),
        ({"headers": {"X-A": "a" * 4001}}, "headers.X-A"),
        ({"headers": {"X-A": "a", "x-a": "b"}}, "headers.x-a"),
        ({"tools": []}, "tools"),
    ],
)
def test_server_that_could_not_be_called_is_refused_when_it_is_made(
    management: httpx.Client, change: dict[str, Any], path: str
) -> None:
    refused = management.post(PATH, json=agent(SERVER | change))
    assert error_of(refused) == (422, "invalid_request")
    assert f"mcpServers.0.{path}" in [field["path"] for field in refused.json()["error"]["fields"]]
    assert "s3cret" not in refused.text
    assert management.get(f"{PATH}/helper").status_code == 404


def test_two_servers_of_one_name_are_refused(management: httpx.Client) -> None:
    refused = management.post(PATH, json=agent(SERVER, SERVER))
    assert error_of(refused) == (422, "invalid_request")
    assert refused.json()["error"]["fields"][0]["path"] == "mcpServers.1.name"


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://A.example", "https://a.example:443"),
        ("HTTPS://a.example:443/b?c", "https://a.example:443"),
        ("http://a.example/", "http://a.example:80"),
        ("https://[2606:4700::1111]:8443/", "https://2606:4700::1111:8443"),
        ("https://a.example:99999/", ""),
        ("file:///a", ""),
    ],
)
def test_origin_is_scheme_host_and_port(url: str, origin: str) -> None:
    assert origin_of(url) == origin


async def test_tools_are_listed_with_what_is_left_out(management_at_home: httpx.Client) -> None:
    async with mcp_server(more=70) as running:
        servers: list[dict[str, Any]] = [
            {"name": "calc", "url": running.url, "headers": {"Authorization": "Bearer s3cret-token"}},
            {"name": "few", "url": running.url, "tools": ["add", "gone"]},
            {"name": "down", "url": "http://127.0.0.1:9/mcp"},
        ]
        given = agent(*servers) | {"tools": ["calculator", "agent:x.b", "agent:x:b"]}
        page = await asyncio.to_thread(tools_of, management_at_home, given)
    names = [(one["name"], one["source"], one["server"]) for one in page["items"]]
    assert names[0] == ("calculator", "builtin", None)
    assert {source for _, source, _ in names[1:3]} == {"agent"}
    assert len({name for name, _, _ in names}) == len(names)
    assert [name for name, _, server in names if server == "few"] == ["few__add"]
    assert len([name for name, _, server in names if server == "calc"]) == 64
    assert {(one["server"], len(one["names"])) for one in page["leftOut"]} == {("calc", 12), ("few", 1)}
    assert "The MCP server down is not available" in page["problems"][0]
    assert "s3cret" not in orjson.dumps(page).decode()
    assert set(running.keys) >= {"Bearer s3cret-token"}


def tools_of(client: httpx.Client, given: dict[str, Any]) -> Any:
    """The tools of the agent, as they are listed."""
    assert client.post(PATH, json=given).status_code == 201
    return client.get(f"{PATH}/helper/tools").json()


def test_settings_of_the_functions_name_the_key(settings: Settings, aws: Aws) -> None:
    for function in ("ConversationFunction", "FlowsFunction", "ApiFunction"):
        assert aws.environment(function)["SECRETS_KEY_ID"] == settings.secrets_key_id
