"""The emulated AWS for tests: one MiniStack per test process, with the project's own template deployed.

A test that needs stores, queues or the bus takes the fixture `aws`:

    def test_something(aws: Aws) -> None:
        log = EventLog(aws.client("dynamodb"), aws.tables["EventsTable"])

`aws.environment("ConversationFunction")` is what that function sees, ready for `Settings.from_environment`;
the fixture `aws_environment` also puts the credentials and the endpoint into this process's environment.
State is shared by the tests of a process: use keys of your own (an organization per test).
"""

import copy
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import boto3
import pytest

from local.deploy import Deployment, deploy
from local.ministack import REGION, ClientArguments, MiniStack
from local.template import Template
from tests.templates import TEMPLATE as TEMPLATE
from tests.templates import translated


@dataclass(frozen=True)
class Aws:
    """`arguments` are for boto3; `account` (12 digits) is this test process's own."""

    arguments: ClientArguments
    deployment: Deployment
    account: str
    region: str = REGION
    _clients: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)

    @property
    def endpoint_url(self) -> str:
        return self.arguments["endpoint_url"]

    @property
    def tables(self) -> dict[str, str]:
        """Real table names by logical id."""
        return self.deployment.tables

    @cached_property
    def environ(self) -> dict[str, str]:
        """Environment variables with the address of AWS and the credentials, for botocore."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint_url,
            "AWS_REGION": self.region,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_ACCESS_KEY_ID": self.account,
            "AWS_SECRET_ACCESS_KEY": "local",
        }

    def environment(self, function: str) -> dict[str, str]:
        """Return all environment variables of a function, by its logical id."""
        return self.environ | self.deployment.functions[function].environment

    def client(self, service: Any) -> Any:
        """Return the shared client of a service: creating one costs more than most calls."""
        if service not in self._clients:
            self._clients[service] = boto3.client(service, **self.arguments)
        return self._clients[service]

    def resource(self, service: Any) -> Any:
        return boto3.resource(service, **self.arguments)


@pytest.fixture(scope="session")
def ministack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MiniStack]:
    with MiniStack(log=tmp_path_factory.mktemp("aws") / "ministack.log") as running:
        yield running


@pytest.fixture(scope="session")
def template() -> Template:
    return translated()


@pytest.fixture(scope="session")
def aws(ministack: MiniStack, template: Template) -> Aws:
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    return deployed(ministack, template, f"{worker + 1:012d}")


def deployed(ministack: MiniStack, template: Template, account: str) -> Aws:
    """Deploy the template in an account."""
    arguments = ministack.client_arguments(account)
    parameters = {"ConformanceAgent": "true", "PushNotifications": "true"}
    return Aws(arguments, deploy(quiet(template), arguments, parameters=parameters), account)


def quiet(template: Template) -> Template:
    """Return the template with schedules and queues that call no functions (see `at_work`).

    Tests call the code themselves. Functions that the emulator also ran would take a third of the time and,
    because they use the same tables, could do what a test is about to do.
    """
    body = copy.deepcopy(template.body)
    for resource in body["Resources"].values():
        if resource["Type"] == "AWS::Lambda::EventSourceMapping":
            resource["Properties"]["Enabled"] = False
        elif "ScheduleExpression" in resource.get("Properties", {}):
            resource["Properties"]["State"] = "DISABLED"
    return replace(template, body=body)


@contextmanager
def at_work(aws: Aws, mapping: str, queue: str) -> Iterator[None]:
    """Let a queue call its function during the block, both by logical id. Earlier messages are purged."""
    functions, id = aws.client("lambda"), aws.deployment.resources[mapping]
    aws.client("sqs").purge_queue(QueueUrl=aws.deployment.resources[queue])
    functions.update_event_source_mapping(UUID=id, Enabled=True)
    yield
    functions.update_event_source_mapping(UUID=id, Enabled=False)


@pytest.fixture
def aws_environment(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> Aws:
    for name, value in aws.environ.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    return aws
