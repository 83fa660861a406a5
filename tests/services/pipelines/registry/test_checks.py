"""Addresses and secrets in a definition are checked when it is written."""

from typing import Any

import pytest

from millrace.net.addresses import Rules
from millrace.pipelines.definitions.definition import InvalidDefinition, parse_definition
from millrace.services.pipelines.registry.checks import check_reach

SECRETS = {"KEY": ("api.example.com",), "ANY": ("*.example.com",), "DB": ("db.example.com",)}
PUBLIC = Rules()
KEY = {"authorization": "Bearer ${secrets.KEY}"}


def webhook(url: str, **config: Any) -> dict[str, Any]:
    return {"type": "webhook", "config": {"url": url, **config}}


def database(connection: str) -> dict[str, Any]:
    return {"type": "database", "config": {"table": "t", "connection": connection}}


def problems(destination: dict[str, Any], rules: Rules = PUBLIC) -> list[tuple[str, str]]:
    written = {"name": "n", "source": {"type": "agent_execution"}, "destinations": [destination]}
    try:
        check_reach(parse_definition(written), SECRETS, rules)
    except InvalidDefinition as error:
        return [(one["path"], one["message"]) for one in error.details["problems"]]
    return []


@pytest.mark.parametrize(
    "url",
    [
        "https://10.1.2.3/",
        "https://169.254.169.254/latest/meta-data/",
        "https://[::1]/",
        "https://[fd00:ec2::254]/",
        "https://localhost/",
        "https://app.localhost/",
        "https://2130706433/",
        "https://0x7f.1/",
        "https://api.example.com:22/",
        "http://api.example.com/",
        "https://u:${secrets.ANY}@10.0.0.1/x",
    ],
)
def test_private_address_is_refused_with_its_path(url: str) -> None:
    assert problems(webhook(url))[0][0] == "destinations.0.config.url"


@pytest.mark.parametrize(
    "url", ["https://1.1.1.1/", "https://api.example.com:8443/", "https://${secrets.KEY}.example.com/"]
)
def test_public_address_is_accepted(url: str) -> None:
    assert problems(webhook(url)) == []


def test_local_stack_may_call_this_machine() -> None:
    assert problems(webhook("http://127.0.0.1:9/"), Rules(loopback=True)) == []
    assert problems(webhook("http://10.0.0.1/"), Rules(loopback=True)) != []


def test_secret_bound_to_another_host_is_refused_with_the_hosts_it_has() -> None:
    assert problems(webhook("https://api.example.com/", headers=KEY)) == []
    ((path, message),) = problems(webhook("https://evil.example/", headers=KEY))
    assert path == "destinations.0.config.url"
    assert message == "The secret KEY may only be sent to api.example.com, not to evil.example."
    ((path, message),) = problems(database("postgresql://u:${secrets.DB}@other.example.com/x"))
    assert path == "destinations.0.config.connection"
    assert problems(database("postgresql://u:${secrets.DB}@db.example.com:5432/x")) == []
    assert problems(database("${secrets.DB}")) == problems(database("dynamodb:")) == []
