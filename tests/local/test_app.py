"""A project's own code: merged into the template, and restricted to what is deployed."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from local import artifact
from local.app import RUN_AGENTS, AppError, find_app, main
from local.shell import LIMITING, function_variables
from local.template import read_template
from tests.aws import TEMPLATE
from tests.templates import written

FRAGMENT = """
Services: [ses]
Parameters:
  ShopName: {Type: String, Default: shop}
Resources:
  OrdersTable:
    Type: AWS::DynamoDB::Table
    Properties:
      BillingMode: PAY_PER_REQUEST
      AttributeDefinitions: [{AttributeName: id, AttributeType: S}]
      KeySchema: [{AttributeName: id, KeyType: HASH}]
Environment:
  ORDERS_TABLE: !Ref OrdersTable
Policies:
  - DynamoDBCrudPolicy: {TableName: !Ref OrdersTable}
"""
CODE = 'import boto3\ncomprehend = boto3.client("comprehend")\n'


def project(folder: Path, fragment: str = FRAGMENT, code: str = CODE) -> Path:
    """An `app/` with one package."""
    package = folder / "app" / "shop"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "tools.py").write_text(code)
    (folder / "app" / "template.yaml").write_text(fragment)
    return folder / "app"


def merged(app: Path) -> dict[str, Any]:
    found = find_app(app)
    assert found is not None
    return found.merged(written())


def test_every_function_that_runs_agents_gets_code_environment_and_policies(tmp_path: Path) -> None:
    template = merged(project(tmp_path))
    assert template["Resources"]["AppLayer"]["Properties"]["ContentUri"] == "app"
    assert template["Parameters"]["ShopName"]["Default"] == "shop"
    for name in RUN_AGENTS:
        function = template["Resources"][name]["Properties"]
        assert {"Ref": "AppLayer"} in function["Layers"]
        variables = function["Environment"]["Variables"]
        assert variables["APP_PACKAGES"] == "shop"
        assert variables["APP_SERVICES"] == "comprehend,ses"
        assert variables["ORDERS_TABLE"] == {"Ref": "OrdersTable"}
        assert function["Policies"][-1] == {"DynamoDBCrudPolicy": {"TableName": {"Ref": "OrdersTable"}}}
    others = set(written()["Resources"]) - {*RUN_AGENTS}
    plain = written()["Resources"]
    assert all(template["Resources"][name] == json.loads(json.dumps(plain[name])) for name in others)


def test_every_function_that_makes_a_platform_runs_agents() -> None:
    root = TEMPLATE.parent
    resources = written()["Resources"]
    modules = {
        "continue_batch",
        "notify",
        "conversation_app",
        "flows_app",
        "a2a_app",
        "mcp_app",
        "management_app",
    }
    makers = {
        path.stem
        for path in (root / "layers/shared/python/millrace").rglob("*.py")
        if "Platform.make(" in path.read_text()
    }
    assert makers == modules
    assert set(RUN_AGENTS) <= resources.keys()


def test_sams_translator_takes_the_merged_template(tmp_path: Path) -> None:
    app = project(tmp_path)
    template = read_template(TEMPLATE, app=find_app(app))
    assert "OrdersTable" in template.of_type("AWS::DynamoDB::Table")
    assert app in template.functions["ConversationFunction"].layers
    assert "ShopName" in template.parameters


def test_template_without_own_code_stays_as_it_is(tmp_path: Path) -> None:
    assert find_app(tmp_path / "app") is None
    (tmp_path / "template.yaml").write_text(TEMPLATE.read_text())
    assert main([str(tmp_path / "template.yaml"), str(tmp_path / "out.json")]) == 0
    assert json.loads((tmp_path / "out.json").read_text()) == json.loads(json.dumps(written()))


@pytest.mark.parametrize(
    ("fragment", "problem"),
    [
        ("Ressources: {}", "may have .*Resources.*; not Ressources"),
        (
            "Resources: {EventsTable: {Type: AWS::DynamoDB::Table}}",
            "EventsTable, which the template has already",
        ),
        ("Environment: {FILES_BUCKET: x}", "Environment has FILES_BUCKET"),
        ("- a", "not a list"),
        ("Resources: [", "cannot be read"),
    ],
)
def test_mistake_in_the_fragment_is_told(tmp_path: Path, fragment: str, problem: str) -> None:
    app = project(tmp_path, fragment)
    with pytest.raises(AppError, match=problem):
        merged(app)


def test_build_keeps_the_models_of_named_services_and_no_others(tmp_path: Path) -> None:
    data = tmp_path / "SharedLayer" / "python" / "botocore" / "data"
    for name in ("dynamodb", "sts", "ses", "comprehend", "ec2"):
        (data / name).mkdir(parents=True)
        (data / name / "service-2.json").write_text("{}")
    resources = tmp_path / "SharedLayer" / "python" / "boto3" / "data"
    for name in ("dynamodb", "ec2"):
        (resources / name).mkdir(parents=True)
    (tmp_path / "template.yaml").write_text(json.dumps(merged(project(tmp_path / "own"))))
    artifact.trim(tmp_path)
    assert sorted(one.name for one in data.iterdir()) == ["comprehend", "dynamodb", "ses", "sts"]
    assert [one.name for one in resources.iterdir()] == ["dynamodb"]


def client(service: str, app: Path) -> subprocess.CompletedProcess[str]:
    """Ask boto3 for a client in a process with the variables of a function on one machine."""
    found = find_app(app)
    assert found is not None
    variables = function_variables({}, found)
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.pathsep.join([variables["FUNCTIONS_PYTHONPATH"], *sys.path]),
        "APP_SERVICES": ",".join(found.services),
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    code = f"import boto3; print(boto3.client({service!r}).meta.service_model.service_name)"
    return subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)


def test_service_that_is_not_deployed_fails_on_one_machine_too_with_the_remedy(tmp_path: Path) -> None:
    app = project(tmp_path)
    for known in ("dynamodb", "ses", "comprehend"):
        assert client(known, app).stdout.strip() == known
    refused = client("ec2", app)
    assert refused.returncode
    assert (
        "'ec2' is not deployed with the functions. Name it in app/template.yaml: Services: [ec2]"
        in refused.stderr
    )


def test_function_on_one_machine_finds_the_own_packages(tmp_path: Path) -> None:
    found = find_app(project(tmp_path))
    path = function_variables({"FUNCTIONS_PYTHONPATH": "/first"}, found)["FUNCTIONS_PYTHONPATH"]
    assert path.split(os.pathsep) == ["/first", str(LIMITING), str(tmp_path / "app")]
