"""The project's own template in the emulator, and templates that do not deploy."""

from pathlib import Path

import pytest

from local.deploy import Cors, DeployError, deploy
from local.ministack import MiniStack
from local.template import QUEUE_CONCURRENCY, Template, TemplateError, read_template
from tests.aws import Aws


def test_every_function_of_the_template_is_deployed_with_its_variables_resolved(aws: Aws) -> None:
    assert aws.deployment.functions
    for function in aws.deployment.functions.values():
        assert function.environment["EVENTS_TABLE"] == aws.tables["EventsTable"]
        assert function.environment["BUS_NAME"] == aws.deployment.outputs["BusName"]
        assert function.environment["OIDC_ISSUER"] == aws.deployment.outputs["Issuer"]
        assert function.source.code.is_dir()


def test_function_urls_carry_mode_and_cors(aws: Aws) -> None:
    conversation = aws.deployment.functions["ConversationFunction"]
    assert conversation.url is not None
    assert conversation.url.streamed
    assert isinstance(conversation.url.cors, Cors)
    assert conversation.url.cors.allow_origins == ("*",)
    assert "authorization" in conversation.url.cors.allow_headers
    assert (conversation.timeout, conversation.handler) == (900, "app.app")


def test_tables_have_the_ttl_of_the_template(aws: Aws, template: Template) -> None:
    dynamodb = aws.client("dynamodb")
    for name, properties in template.of_type("AWS::DynamoDB::Table").items():
        ttl = dynamodb.describe_time_to_live(TableName=aws.tables[name])["TimeToLiveDescription"]
        wanted = properties.get("TimeToLiveSpecification", {}).get("AttributeName")
        assert ttl.get("AttributeName") == wanted


def test_deploying_again_changes_nothing_but_what_is_asked(ministack: MiniStack, template: Template) -> None:
    arguments = ministack.client_arguments("000000000077")
    first = deploy(template, arguments)
    again = deploy(template, arguments, parameters={"DefaultModel": "echo:"})
    assert first.tables == again.tables
    assert again.functions["ApiFunction"].environment["DEFAULT_MODEL"] == "echo:"


def test_accounts_do_not_see_each_other(ministack: MiniStack, aws: Aws) -> None:
    other = Aws(ministack.client_arguments("000000000078"), aws.deployment, "000000000078")
    assert other.client("dynamodb").list_tables()["TableNames"] == []


def test_parameter_that_the_template_does_not_have_is_named(ministack: MiniStack, template: Template) -> None:
    with pytest.raises(DeployError, match="Nonsense"):
        deploy(template, ministack.client_arguments("000000000079"), parameters={"Nonsense": "1"})


def test_variable_that_does_not_resolve_is_named(ministack: MiniStack, template: Template) -> None:
    body = {**template.body, "Resources": {**template.body["Resources"]}}
    api = body["Resources"]["ApiFunction"]
    variables = {"LOST": "arn:${AWS::Region}:left"}
    properties = {**api["Properties"], "Environment": {"Variables": variables}}
    body["Resources"]["ApiFunction"] = {**api, "Properties": properties}
    unresolved = Template(body, template.functions, ())
    with pytest.raises(DeployError, match=r"ApiFunction's LOST"):
        deploy(unresolved, ministack.client_arguments("000000000080"))


def test_resource_that_fails_is_named_with_its_reason(ministack: MiniStack) -> None:
    refused = Template({"Resources": {"Broken": {"Type": "AWS::DSQL::Cluster"}}}, {}, ())
    with pytest.raises(DeployError, match=r"DSQL"):
        deploy(refused, ministack.client_arguments("000000000081"))


@pytest.mark.parametrize("text", ["", "Resources: [", "Resources: {}", "just text"])
def test_invalid_template_is_reported(tmp_path: Path, text: str) -> None:
    path = tmp_path / "template.yaml"
    path.write_text(text)
    with pytest.raises(TemplateError, match=r"template\.yaml"):
        read_template(path)


def test_resources_that_no_emulator_plays_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "template.yaml"
    path.write_text("Resources: {Old: {Type: 'AWS::Events::Archive'}, T: {Type: 'AWS::DynamoDB::Table'}}")
    read = read_template(path)
    assert read.left_out == ("Old",)
    assert set(read.body["Resources"]) == {"T"}


_QUEUE = """
  Q: {Type: 'AWS::SQS::Queue'}
  F:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: functions/queued
      Handler: app.handler
      Runtime: python3.13
      Events:
        Q: {Type: SQS, Properties: {Queue: !GetAtt Q.Arn, ScalingConfig: {MaximumConcurrency: %d}}}
"""


@pytest.mark.parametrize(("wanted", "played"), [(50, QUEUE_CONCURRENCY), (2, 2)])
def test_queue_starts_no_more_processes_than_one_machine_bears(
    tmp_path: Path, wanted: int, played: int
) -> None:
    path = tmp_path / "template.yaml"
    path.write_text("Transform: AWS::Serverless-2016-10-31\nResources:" + _QUEUE % wanted)
    (mapping,) = read_template(path).of_type("AWS::Lambda::EventSourceMapping").values()
    assert mapping["ScalingConfig"] == {"MaximumConcurrency": played}
