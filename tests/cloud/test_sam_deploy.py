"""A first deployment with the real `sam deploy` and the emulator as AWS: a failure, a success, and a token.

In the long form only (`make soak`), since sam creates every resource three times.
"""

import json
import subprocess
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import boto3
import pytest
import samtranslator

from cloud import deploy as command
from cloud import first_user
from cloud.stack import find_stack, require_stack
from cloud.website import upload
from local.ministack import MiniStack
from local.template_yaml import parse_template
from tests.aws import TEMPLATE
from tests.effort import SOAKING

pytestmark = [
    pytest.mark.sam,
    pytest.mark.soak,
    pytest.mark.skipif(not SOAKING, reason="sam deploys the whole template three times: make soak"),
]
NAME = "first-hour"
ACCOUNT = "000000000950"


@pytest.fixture
def account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MiniStack]:
    """An emulator that translates SAM's templates itself, as CloudFormation does."""
    packages = Path(samtranslator.__file__).parents[1]
    (tmp_path / "sitecustomize.py").write_text(f"import sys; sys.path.append({str(packages)!r})\n")
    environ = {"FUNCTIONS_PYTHONPATH": str(tmp_path)}
    with MiniStack(log=tmp_path / "ministack.log", environ=environ) as running:
        monkeypatch.setenv("AWS_ENDPOINT_URL", running.client_arguments(ACCOUNT)["endpoint_url"])
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCOUNT)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "local")
        monkeypatch.setenv("SAM_CLI_TELEMETRY", "0")
        monkeypatch.delenv("AWS_PROFILE", raising=False)
        yield running


def template(folder: Path, *, playable: bool) -> Path:
    """The template with code by its path; `playable` without the alarms that the emulator refuses."""
    body: dict[str, Any] = parse_template(TEMPLATE.read_text())
    for name, one in list(body["Resources"].items()):
        properties = one.get("Properties", {})
        if playable and one["Type"] == "AWS::CloudWatch::Alarm" and "Metrics" in properties:
            del body["Resources"][name]
        for key in ("CodeUri", "ContentUri"):
            if key in properties:
                properties[key] = str(TEMPLATE.parent / properties[key])
    path = folder / f"template-{playable}.json"
    path.write_text(json.dumps(body))
    return path


def asking_nothing(arguments: Sequence[str]) -> int:
    """Run sam where nobody can answer a question."""
    done = subprocess.run(arguments, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    print(done.stdout, done.stderr)
    return done.returncode


def test_first_hour_from_a_failed_deployment_to_a_token(
    account: MiniStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    dist = tmp_path / "dist"
    dist.mkdir()
    (dist / "index.html").write_text("<!doctype html>")
    monkeypatch.setattr(command, "upload", partial(upload, dist=dist))
    common = ["--stack-name", NAME, "--config-file", str(TEMPLATE.parent / "samconfig.toml")]

    broken = template(tmp_path, playable=False)
    assert command.main([*common, "--template-file", str(broken)], asking_nothing) != 0
    left = find_stack(NAME)
    assert left is not None
    assert left.status == "ROLLBACK_COMPLETE"
    dynamodb = boto3.client("dynamodb")
    table = next(name for name in dynamodb.list_tables()["TableNames"] if "ConversationsTable" in name)
    key = {"pk": {"S": "left"}, "sk": {"S": "over"}}
    dynamodb.put_item(TableName=table, Item=key)  # protected tables outlive the rollback

    good = template(tmp_path, playable=True)
    assert command.main([*common, "--template-file", str(good)], asking_nothing) == 0
    stack = require_stack(NAME)
    assert stack.status in ("CREATE_COMPLETE", "UPDATE_COMPLETE")
    assert "Item" not in dynamodb.get_item(TableName=table, Key=key), "the emulator gives names again"
    site = stack.outputs["SiteUrl"]
    name = next(
        one["PhysicalResourceId"] for one in stack.resources() if one["LogicalResourceId"] == "A2aFunction"
    )
    function = boto3.client("lambda").get_function_configuration(FunctionName=name)
    assert function["Environment"]["Variables"]["PUBLIC_URL"] == site
    page = boto3.client("s3").get_object(Bucket=stack.outputs["WebBucketName"], Key="index.html")
    assert page["Body"].read() == b"<!doctype html>"
    capsys.readouterr()

    assert first_user.main(["--stack-name", NAME, "--email", "you@example.com"]) == 0
    assert capsys.readouterr().out.strip().splitlines()[-1].count(".") == 2
