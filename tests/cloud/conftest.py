"""The commands make boto3 clients of the shell's environment, which differs from test to test."""

import boto3
import pytest


@pytest.fixture(autouse=True)
def own_session(monkeypatch: pytest.MonkeyPatch) -> None:
    """boto3 keeps the first credentials that it finds."""
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
