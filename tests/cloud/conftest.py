"""The commands create boto3 clients from the shell's environment, which differs between tests."""

import boto3
import pytest


@pytest.fixture(autouse=True)
def own_session(monkeypatch: pytest.MonkeyPatch) -> None:
    """boto3 keeps the first credentials that it finds."""
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
