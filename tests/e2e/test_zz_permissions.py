"""The AWS calls that functions of the running stack have made so far, compared with their roles.

The emulator checks no permissions: a call that no policy allows works here, and is refused on AWS. The file's
name has it run after the other tests of this folder, on whose traffic it relies; by itself it sees less.
"""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from local.shell import template_parameters
from local.template import Template, read_template
from tests.aws import TEMPLATE
from tests.permissions import Roles
from tests.stack import RunningStack

Json = dict[str, Any]
BY_PARAMETER = {"secretsmanager:GetSecretValue"}
"""Rights that a parameter gives (`OutboxSecretArn`), where tests give the function the variable only."""


def recorded_calls(stack: RunningStack) -> Iterator[tuple[str, Json]]:
    """Yield each call with the logical id of its function."""
    names = {one["name"]: logical for logical, one in stack.deployment["functions"].items()}
    for path in sorted(stack.calls.glob("*.jsonl")):
        for line in path.read_text().splitlines():
            yield names[path.stem], json.loads(line)


@pytest.fixture
def roles(stack: RunningStack) -> Roles:
    template: Template = read_template(TEMPLATE)
    return Roles(template.body, template_parameters({}, stack.url), stack.deployment["resources"])


def test_roles_allow_every_call_that_was_made(stack: RunningStack, roles: Roles) -> None:
    headers = stack.headers(organization="permissions")
    body = {"agentId": "echo", "content": "hello"}
    with httpx.Client(base_url=stack.url, headers=headers, timeout=60) as client:
        assert client.post("/api/conversations/c1/messages", json=body).status_code == 200
        assert client.get("/api/agents").status_code == 200
        assert client.get("/api/command-center/snapshot").status_code == 200
        secret = {"value": "a-secret-value", "hosts": ["api.example.com"]}
        assert client.put("/api/streaming/secrets/KEY", json=secret).is_success
        with client.stream("GET", "/api/command-center/stream", params={"since": 0}) as streamed:
            assert next(line for line in streamed.iter_lines() if "run:completed" in line)
    missing = {
        (function, action, resource)
        for function, call in recorded_calls(stack)
        for action, resource in roles.missing(function, call)
        if action not in BY_PARAMETER
    }
    functions = {function for function, _ in recorded_calls(stack)}
    assert {"ConversationFunction", "ApiFunction", "CommandCenterFunction", "RecordFunction"} <= functions
    assert sorted(missing) == []
    unused = sorted(
        {
            (role, action)
            for role in roles.body["Resources"]
            if roles.body["Resources"][role]["Type"] == "AWS::IAM::Role"
            for action, pattern, _ in roles.rules(role)
            if (role, action, pattern) not in roles.used
        }
    )
    print(f"{len(unused)} rights that no call has needed so far:", *unused, sep="\n  ")


def test_recorder_notices_a_call_that_no_policy_allows(stack: RunningStack, roles: Roles) -> None:
    table = stack.deployment["tables"]["SecretsTable"]
    call = {
        "service": "dynamodb",
        "operation": "GetItem",
        "params": {"TableName": table},
        "items": [["Put", table]],
        "tables": [],
        "buses": [],
        "purpose": "",
    }
    assert len(roles.missing("ConversationFunction", call)) == 2
    assert roles.missing("ApiFunction", call) == []
