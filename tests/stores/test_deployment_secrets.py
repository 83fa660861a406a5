"""Secrets of the deployment, in Secrets Manager."""

import uuid

import pytest

from millrace.errors import Unavailable
from millrace.stores.aws import Aws as AwsClients
from millrace.stores.deployment_secrets import DeploymentSecrets
from tests.aws import Aws


def test_secret_is_kept_and_read_again_when_asked(aws_environment: Aws) -> None:
    name = f"secret-{uuid.uuid4().hex}"
    client = aws_environment.client("secretsmanager")
    client.create_secret(Name=name, SecretString="first")
    secrets = DeploymentSecrets(AwsClients(aws_environment.region))
    assert secrets.text(name) == "first"
    client.put_secret_value(SecretId=name, SecretString="second")
    assert secrets.text(name) == "first"
    assert secrets.text(name, fresh=True) == "second"
    assert secrets.text(name) == "second"


def test_secret_that_is_not_there_is_named(aws_environment: Aws) -> None:
    secrets = DeploymentSecrets(AwsClients(aws_environment.region))
    with pytest.raises(Unavailable, match="no-such-secret"):
        secrets.text("no-such-secret")
