"""`make deploy` except for `sam deploy` itself, `make destroy` and `make reattach`, on the emulated AWS."""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.stub import ANY, Stubber

from cloud import deploy as command
from cloud import destroy, reattach
from cloud.gradual import gradual
from cloud.kept import Kept, note, noted
from cloud.page import app_of
from cloud.stack import ROOT, CloudError, Stack, find_stack, require_stack
from cloud.website import config_of, upload
from local.deploy import deploy
from local.ministack import ClientArguments, MiniStack
from local.template import Template
from tests.aws import TEMPLATE
from tests.templates import translated

Json = dict[str, Any]
ACCOUNTS = ["issuer", "hosted", "upload", "plain", "first", "doomed", "gone"]
"""Of each stack its own: the emulator mixes those of one account up."""


class Site:
    """Deploys the template as a stack of a name, in an account of its own."""

    def __init__(self, ministack: MiniStack, monkeypatch: pytest.MonkeyPatch) -> None:
        self._ministack = ministack
        self._monkeypatch = monkeypatch

    def enter(self, name: str) -> ClientArguments:
        """Have this process's clients use the stack's account."""
        arguments = self._ministack.client_arguments(f"{900 + ACCOUNTS.index(name):012d}")
        self._monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
        self._monkeypatch.setenv("AWS_ENDPOINT_URL", arguments["endpoint_url"])
        self._monkeypatch.setenv("AWS_ACCESS_KEY_ID", arguments["aws_access_key_id"])
        self._monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "local")
        self._monkeypatch.delenv("AWS_PROFILE", raising=False)
        return arguments

    def __call__(self, name: str, **parameters: str) -> Stack:
        deploy(translated(), self.enter(name), name, parameters)
        return require_stack(name)


@pytest.fixture
def site(ministack: MiniStack, monkeypatch: pytest.MonkeyPatch) -> Site:
    return Site(ministack, monkeypatch)


@pytest.fixture
def dist(tmp_path: Path) -> Path:
    folder = tmp_path / "dist"
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text("<!doctype html>")
    (folder / "assets/index-1.js").write_text("1")
    (folder / "icon.svg").write_text("<svg/>")
    return folder


def test_page_is_uploaded_with_types_cache_headers_and_its_config(site: Site, dist: Path) -> None:
    stack = site("upload")
    s3, bucket = boto3.client("s3"), stack.outputs["WebBucketName"]
    s3.put_object(Bucket=bucket, Key="gone.html", Body=b"")
    s3.put_object(Bucket=bucket, Key="assets/index-0.js", Body=b"0")
    assert upload(stack, s3, boto3.client("cloudfront"), dist) == 3
    names = {one["Key"] for one in s3.list_objects_v2(Bucket=bucket)["Contents"]}
    assert names == {"index.html", "icon.svg", "config.json", "assets/index-1.js", "assets/index-0.js"}
    asset = s3.head_object(Bucket=bucket, Key="assets/index-1.js")
    assert (asset["ContentType"], "immutable" in asset["CacheControl"]) == ("text/javascript", True)
    page = s3.head_object(Bucket=bucket, Key="index.html")
    assert (page["ContentType"], page["CacheControl"]) == ("text/html; charset=utf-8", "no-cache")
    config = json.loads(s3.get_object(Bucket=bucket, Key="config.json")["Body"].read())
    assert config["auth"]["clientId"] == stack.outputs["UserPoolClientId"]
    assert config["auth"]["userPoolEndpoint"] == "https://cognito-idp.us-east-1.amazonaws.com/"
    assert config["apiBase"] == {}, "everything is at the page's own address"


def test_missing_page_says_how_to_build_it(site: Site, tmp_path: Path) -> None:
    with pytest.raises(CloudError, match=r"web/dist/index\.html"):
        upload(site("upload"), boto3.client("s3"), boto3.client("cloudfront"), tmp_path / "nothing")


def test_page_without_cloudfront_calls_the_function_of_each_route(site: Site) -> None:
    stack = site("plain", Website="none")
    config = config_of(stack)
    routes = [route for one in translated().functions.values() for route in one.routes]
    assert config["apiBase"].keys() == set(routes)
    assert config["apiBase"]["/api/voice"] == stack.outputs["VoiceUrl"].rstrip("/")
    assert config["apiBase"]["/hooks"] == stack.outputs["WebhooksUrl"].rstrip("/")
    from starlette.testclient import TestClient

    assert TestClient(app_of(stack)).get("/config.json").json() == config


def test_page_signs_in_at_the_issuer_that_the_stack_was_given(site: Site) -> None:
    issuer = "https://login.example.com/tenant"
    stack = site("issuer", Website="none", OidcIssuer=issuer, OidcAudience="page")
    assert config_of(stack)["auth"] == {"issuer": issuer, "clientId": "page"}


def test_page_signs_in_at_the_pools_own_page_once_the_pool_knows_where_the_page_is(site: Site) -> None:
    domain = {"SignInDomain": "acme-agents"}
    before = site("hosted", **domain)
    assert "SignInUrl" not in before.outputs
    assert "userPoolEndpoint" in config_of(before)["auth"]
    stack = site("hosted", PublicUrl="https://agents.example.com", **domain)
    assert stack.outputs["SignInUrl"] == "https://acme-agents.auth.us-east-1.amazoncognito.com"
    client = stack.outputs["UserPoolClientId"]
    assert client == before.outputs["UserPoolClientId"], "its tokens would be refused"
    assert config_of(stack)["auth"] == {"issuer": stack.outputs["Issuer"], "clientId": client}
    found = boto3.client("cognito-idp").describe_user_pool_client(
        UserPoolId=stack.outputs["UserPoolId"], ClientId=client
    )["UserPoolClient"]
    page = (ROOT / "web/src/api/auth.ts").read_text()
    own = re.findall(r'CALLBACK = "(.+)";', page)
    assert sorted(found["CallbackURLs"]) == sorted(f"https://agents.example.com{path}" for path in own)
    assert found["LogoutURLs"] == ["https://agents.example.com/"]
    assert (found["AllowedOAuthFlows"], found["AllowedOAuthFlowsUserPoolClient"]) == (["code"], True)
    assert set(found["AllowedOAuthScopes"]) == {"openid", "email", "profile"}


def test_deploy_tells_the_functions_their_address_once_and_what_to_do_next(
    site: Site, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    site.enter("first")
    calls: list[list[str]] = []
    uploaded: list[str] = []
    monkeypatch.setattr(command, "upload", lambda stack, *_: uploaded.append(stack.outputs["SiteUrl"]))

    def sam(arguments: Sequence[str]) -> int:
        calls.append(list(arguments))
        given = dict(one.split("=", 1) for one in arguments if one.startswith("PublicUrl="))
        before = find_stack("first")  # what is not given keeps its value
        site("first", **({"PublicUrl": before.parameters["PublicUrl"]} if before else {}) | given)
        return 0

    assert command.main(["--stack-name", "first"], sam) == 0
    address = require_stack("first").outputs["SiteUrl"]
    assert [call[1] for call in calls] == ["deploy", "deploy"]
    assert "--guided" not in str(calls)
    assert calls[1][-1] == f"PublicUrl={address}"
    assert uploaded == [address]
    said = capsys.readouterr().out
    assert "make first-user" in said
    assert "DefaultModel=" in said
    assert command.main(["--stack-name", "first", "--no-execute-changeset"], sam) == 0
    assert len(calls) == 3
    assert calls[2][-1] == "--no-execute-changeset"


def test_second_pass_has_the_arguments_of_the_first_but_for_its_parameters() -> None:
    given = ["--region", "eu-west-1", "--parameter-overrides", "A=1", "B=2", "--profile", "me"]
    assert command.without_overrides(given) == ["--region", "eu-west-1", "--profile", "me"]
    assert command.without_overrides(["--parameter-overrides=A=1", "--debug"]) == ["--debug"]


def test_failure_of_sam_is_the_commands(site: Site) -> None:
    site("first")
    assert command.main(["--stack-name", "never"], lambda _: 3) == 3


def test_destroyed_stack_leaves_its_data_and_says_where(
    site: Site,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path)
    stack = site("doomed")
    table = {one["LogicalResourceId"]: one["PhysicalResourceId"] for one in stack.resources()}[
        "ConversationsTable"
    ]
    boto3.client("s3").put_object(Bucket=stack.outputs["WebBucketName"], Key="index.html", Body=b"page")
    assert destroy.main(["--stack-name", "doomed"], lambda _: "no") == 1
    assert destroy.main(["--stack-name", "doomed"], lambda _: "doomed") == 0
    assert boto3.client("dynamodb").describe_table(TableName=table)["Table"]["TableStatus"] == "ACTIVE"
    kept = noted(tmp_path / "kept-doomed.json")
    assert {one.type for one in kept} >= {"AWS::DynamoDB::Table", "AWS::S3::Bucket", "AWS::Cognito::UserPool"}
    assert table in capsys.readouterr().out
    with pytest.raises(CloudError):
        require_stack("doomed")
    assert reattach.main(["--stack-name", "doomed"]) == 0
    again = {
        one["LogicalResourceId"]: one["PhysicalResourceId"] for one in require_stack("doomed").resources()
    }
    assert again["ConversationsTable"] == table
    assert again.keys() == {one.logical_id for one in kept}


def test_destroy_with_data_deletes_protected_tables_too(site: Site) -> None:
    table = {one["LogicalResourceId"]: one["PhysicalResourceId"] for one in site("gone").resources()}[
        "RunsTable"
    ]
    assert destroy.main(["--stack-name", "gone", "--data", "--yes"]) == 0
    dynamodb = boto3.client("dynamodb")
    with pytest.raises(dynamodb.exceptions.ResourceNotFoundException):
        dynamodb.describe_table(TableName=table)


def test_reattaching_imports_what_was_kept_with_a_template_of_nothing_else(
    template: Template, tmp_path: Path
) -> None:
    """No emulator imports: the call is checked against botocore's model of it."""
    kept = [
        Kept("RunsTable", "first-RunsTable-1", "AWS::DynamoDB::Table"),
        Kept("FilesBucket", "first-filesbucket-1", "AWS::S3::Bucket"),
        Kept("UserPool", "us-east-1_1", "AWS::Cognito::UserPool"),
        Kept("UserPoolClient", "client1", "AWS::Cognito::UserPoolClient"),
        Kept("AdminGroup", "us-east-1_1|admin", "AWS::Cognito::UserPoolGroup"),
    ]
    note(tmp_path / "kept.json", kept)
    assert noted(tmp_path / "kept.json") == kept
    body = reattach.reduced(template.body, kept)
    assert body["Resources"].keys() == {one.logical_id for one in kept}
    assert all(one["DeletionPolicy"] == "Retain" for one in body["Resources"].values()), "import needs it"
    text = json.dumps(body["Resources"])
    assert not [
        name for name in template.body["Resources"].keys() - body["Resources"].keys() if f'"{name}"' in text
    ]
    found = {one["LogicalResourceId"]: one["ResourceIdentifier"] for one in reattach.imports(kept)}
    assert found["AdminGroup"] == {"UserPoolId": "us-east-1_1", "GroupName": "admin"}
    client = boto3.client("cloudformation", region_name="us-east-1")
    expected = {
        "StackName": "first",
        "ChangeSetName": "reattach",
        "ChangeSetType": "IMPORT",
        "TemplateBody": ANY,
        "ResourcesToImport": reattach.imports(kept),
        "Capabilities": ["CAPABILITY_IAM"],
    }
    change = {"StackName": "first", "ChangeSetName": "reattach"}
    stack = {"StackName": "first", "CreationTime": 0, "StackStatus": "IMPORT_COMPLETE"}
    with Stubber(client) as stub:
        stub.add_response("create_change_set", {}, expected)
        stub.add_response("describe_change_set", {"Status": "CREATE_COMPLETE"}, change)
        stub.add_response("execute_change_set", {}, change)
        stub.add_response("describe_stacks", {"Stacks": [stack]}, {"StackName": "first"})
        reattach.reattach(client, "first", kept)
        stub.assert_no_pending_responses()


def test_template_for_import_fits_into_the_call(template: Template) -> None:
    kept = [
        Kept(name, "x", one["Type"])
        for name, one in template.body["Resources"].items()
        if one["Type"] in reattach.IDENTIFIERS and name != "WebBucket"
    ]
    assert len(json.dumps(reattach.reduced(template.body, kept), separators=(",", ":"))) < 51_200


def by_sam(raw: Json) -> Json:
    from samtranslator.translator.transform import transform

    class Policies:
        def load(self) -> Json:
            return {}

    found: Json = transform(raw, {}, Policies())
    return found["Resources"]  # type: ignore[no-any-return]


def test_gradual_deployment_shifts_every_function_and_its_url_and_heeds_the_alarms() -> None:
    from local.template_yaml import parse_template

    raw = parse_template(TEMPLATE.read_text())
    for one in raw["Resources"].values():
        for key in ("CodeUri", "ContentUri"):
            if key in one.get("Properties", {}):
                one["Properties"][key] = "s3://bucket/key"
    first = by_sam(gradual(raw, "Canary10Percent10Minutes", True, "one"))
    functions = {name for name, one in first.items() if one["Type"] == "AWS::Lambda::Function"}
    aliases = {name: one for name, one in first.items() if one["Type"] == "AWS::Lambda::Alias"}
    assert len(aliases) == len(functions)
    assert all("CodeDeployLambdaAliasUpdate" in one["UpdatePolicy"] for one in aliases.values())
    groups = [one for one in first.values() if one["Type"] == "AWS::CodeDeploy::DeploymentGroup"]
    assert {
        alarm["Name"]["Ref"] for one in groups for alarm in one["Properties"]["AlarmConfiguration"]["Alarms"]
    } == {
        "FailuresAlarm",
        "InitFailuresAlarm",
        "ServerErrorsAlarm",
    }
    for one in first.values():
        if one["Type"] == "AWS::Lambda::Url":
            assert one["Properties"]["TargetFunctionArn"]["Ref"] in aliases
        if one["Type"] == "AWS::Lambda::Function":
            assert one["Properties"]["SnapStart"] == {"ApplyOn": "PublishedVersions"}
    versions = {name for name, one in first.items() if one["Type"] == "AWS::Lambda::Version"}
    second = by_sam(gradual(raw, "Canary10Percent10Minutes", True, "two"))
    again = {name for name, one in second.items() if one["Type"] == "AWS::Lambda::Version"}
    assert not versions & again, "each deployment publishes, also where only a parameter's value changed"
