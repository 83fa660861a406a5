"""Deploys the project's own template to the emulator and says what came of it.

    with MiniStack() as aws:
        deployment = deploy(read_template(Path("template.yaml")), aws.client_arguments())
        deployment.tables["EventsTable"]             # the real name
        deployment.functions["ApiFunction"].environment

What the emulator leaves out is done here through the APIs: tables' TTL.
Deploying again to kept state updates it.
"""

import io
import json
import time
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import ClientError

from local.ministack import ClientArguments
from local.template import CODE_BUCKET, FunctionSource, Template, path_of

_DEPLOY_SECONDS = 60.0
_CODE_LIMIT = 50_000_000


class DeployError(RuntimeError):
    """The template was not deployed. The message has each resource and its reason."""


@dataclass(frozen=True)
class Cors:
    """A function URL's CORS configuration, as in Lambda. `max_age` in seconds."""

    allow_origins: tuple[str, ...] = ()
    allow_methods: tuple[str, ...] = ()
    allow_headers: tuple[str, ...] = ()
    expose_headers: tuple[str, ...] = ()
    allow_credentials: bool = False
    max_age: int = 0


@dataclass(frozen=True)
class FunctionUrl:
    """A function's URL.

    `host` is the name that AWS would assign; `streamed` is InvokeMode RESPONSE_STREAM.
    """

    host: str
    streamed: bool
    cors: Cors | None


@dataclass(frozen=True)
class Function:
    """A deployed function: `timeout` in seconds, `memory` in MB, all variables resolved."""

    logical_id: str
    name: str
    arn: str
    handler: str
    runtime: str
    timeout: int
    memory: int
    environment: dict[str, str]
    log_group: str
    source: FunctionSource
    url: FunctionUrl | None
    log_format: str = "Text"


@dataclass(frozen=True)
class Deployment:
    """Functions, tables and the physical ids of all resources (for a queue its URL), by logical id."""

    stack_name: str
    functions: dict[str, Function]
    tables: dict[str, str]
    resources: dict[str, str]
    outputs: dict[str, str]
    left_out: tuple[str, ...]


def deploy(
    template: Template,
    arguments: ClientArguments,
    stack_name: str = "millrace",
    parameters: Mapping[str, str] | None = None,
) -> Deployment:
    """Deploy a template, and return when everything exists and all variables are resolved.

    Raises `DeployError`.
    """
    _upload_code(template, arguments)
    cloudformation = boto3.client("cloudformation", **arguments)
    _check_parameters(template, parameters or {})
    _start_deployment(cloudformation, _upload_template(template, arguments), stack_name, parameters or {})
    outputs = _await_deployment(cloudformation, stack_name)
    resources = _physical_ids(cloudformation, stack_name)
    _enable_ttls(template, resources, arguments)
    functions = _functions(template, resources, arguments)
    _check_environments(template, functions)
    tables = {name: resources[name] for name in template.of_type("AWS::DynamoDB::Table") if name in resources}
    return Deployment(stack_name, functions, tables, resources, outputs, template.left_out)


def update_code(function: Function, arguments: ClientArguments) -> None:
    """Update the emulator's copy of a function, which it runs from a queue, with the code on disk."""
    awslambda = boto3.client("lambda", **arguments)
    awslambda.update_function_code(FunctionName=function.name, ZipFile=_zipped(function.source.code))


def _upload_code(template: Template, arguments: ClientArguments) -> None:
    s3, bucket = boto3.client("s3", **arguments), _bucket(arguments)
    s3.create_bucket(Bucket=bucket)
    for properties in template.of_type("AWS::Lambda::Function").values():
        key = properties["Code"]["S3Key"]
        s3.put_object(Bucket=bucket, Key=key, Body=_zipped(path_of(key)))
    for properties in template.of_type("AWS::Lambda::LayerVersion").values():
        s3.put_object(Bucket=bucket, Key=properties["Content"]["S3Key"], Body=_zip({}))


def _upload_template(template: Template, arguments: ClientArguments) -> str:
    """Upload the template and return its address, because CloudFormation accepts only 50 KB in a call."""
    bucket = _bucket(arguments)
    body = json.dumps(template.body).replace(CODE_BUCKET, bucket)
    boto3.client("s3", **arguments).put_object(Bucket=bucket, Key="template.json", Body=body)
    return f"{arguments['endpoint_url']}/{bucket}/template.json"


def _bucket(arguments: ClientArguments) -> str:
    """Return the bucket's name, which is unique across accounts."""
    return f"{CODE_BUCKET}-{arguments['aws_access_key_id']}"


def _zipped(folder: Path) -> bytes:
    files = {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    }
    if not files:
        raise DeployError(f"{folder} has no code: check CodeUri in the template.")
    if sum(map(len, files.values())) > _CODE_LIMIT:
        raise DeployError(f"{folder} holds more than {_CODE_LIMIT:,} bytes: it is not a function's folder.")
    return _zip(files)


def _zip(files: Mapping[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return packed.getvalue()


def _check_parameters(template: Template, parameters: Mapping[str, str]) -> None:
    unknown = sorted(parameters.keys() - template.parameters)
    if unknown:
        raise DeployError(f"The template has no parameters {', '.join(unknown)}.")


def _start_deployment(cloudformation: Any, url: str, stack_name: str, parameters: Mapping[str, str]) -> None:
    request = {
        "StackName": stack_name,
        "TemplateURL": url,
        "Parameters": [{"ParameterKey": name, "ParameterValue": parameters[name]} for name in parameters],
        "Capabilities": ["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"],
    }
    try:
        _create_or_update(cloudformation, request)
    except ClientError as error:
        raise DeployError(error.response["Error"]["Message"]) from error


def _create_or_update(cloudformation: Any, request: dict[str, Any]) -> None:
    try:
        cloudformation.create_stack(**request)
    except cloudformation.exceptions.AlreadyExistsException:
        try:
            cloudformation.update_stack(**request)
        except ClientError as error:
            # CloudFormation reports an update without changes as an error.
            if "No updates" not in error.response["Error"]["Message"]:
                raise


def _await_deployment(cloudformation: Any, stack_name: str) -> dict[str, str]:
    until = time.monotonic() + _DEPLOY_SECONDS
    while True:
        stack = cloudformation.describe_stacks(StackName=stack_name)["Stacks"][0]
        status = stack["StackStatus"]
        if status in ("CREATE_COMPLETE", "UPDATE_COMPLETE"):
            return {one["OutputKey"]: one["OutputValue"] for one in stack.get("Outputs", [])}
        if not status.endswith("IN_PROGRESS") or time.monotonic() > until:
            raise DeployError(f"The stack ended as {status}. {_reasons(cloudformation, stack_name)}")
        time.sleep(0.02)


def _reasons(cloudformation: Any, stack_name: str) -> str:
    events = cloudformation.describe_stack_events(StackName=stack_name)["StackEvents"]
    failed = [one for one in events if one["ResourceStatus"].endswith("FAILED")]
    return "; ".join(f"{one['LogicalResourceId']}: {one.get('ResourceStatusReason', '?')}" for one in failed)


def _physical_ids(cloudformation: Any, stack_name: str) -> dict[str, str]:
    found = cloudformation.describe_stack_resources(StackName=stack_name)["StackResources"]
    return {one["LogicalResourceId"]: one["PhysicalResourceId"] for one in found}


def _enable_ttls(template: Template, resources: Mapping[str, str], arguments: ClientArguments) -> None:
    dynamodb = boto3.client("dynamodb", **arguments)
    for name, properties in template.of_type("AWS::DynamoDB::Table").items():
        wanted = properties.get("TimeToLiveSpecification")
        if not wanted or not wanted.get("Enabled"):
            continue
        now = dynamodb.describe_time_to_live(TableName=resources[name])["TimeToLiveDescription"]
        if now["TimeToLiveStatus"] == "DISABLED":
            dynamodb.update_time_to_live(TableName=resources[name], TimeToLiveSpecification=wanted)


def _functions(
    template: Template, resources: Mapping[str, str], arguments: ClientArguments
) -> dict[str, Function]:
    awslambda = boto3.client("lambda", **arguments)
    return {
        name: _function(awslambda, resources[name], source) for name, source in template.functions.items()
    }


def _function(awslambda: Any, name: str, source: FunctionSource) -> Function:
    found = awslambda.get_function_configuration(FunctionName=name)
    return Function(
        logical_id=source.logical_id,
        name=name,
        arn=found["FunctionArn"],
        handler=found["Handler"],
        runtime=found["Runtime"],
        timeout=found["Timeout"],
        memory=found["MemorySize"],
        environment=found.get("Environment", {}).get("Variables", {}),
        log_group=found.get("LoggingConfig", {}).get("LogGroup", f"/aws/lambda/{name}"),
        source=source,
        url=_function_url(awslambda, name),
        log_format=found.get("LoggingConfig", {}).get("LogFormat", "Text"),
    )


def _function_url(awslambda: Any, name: str) -> FunctionUrl | None:
    try:
        found = awslambda.get_function_url_config(FunctionName=name)
    except awslambda.exceptions.ResourceNotFoundException:
        return None
    host = found["FunctionUrl"].removeprefix("https://").rstrip("/")
    return FunctionUrl(host, found.get("InvokeMode") == "RESPONSE_STREAM", _cors(found.get("Cors")))


def _cors(found: dict[str, Any] | None) -> Cors | None:
    if not found:
        return None
    return Cors(
        allow_origins=tuple(found.get("AllowOrigins", ())),
        allow_methods=tuple(found.get("AllowMethods", ())),
        allow_headers=tuple(name.lower() for name in found.get("AllowHeaders", ())),
        expose_headers=tuple(found.get("ExposeHeaders", ())),
        allow_credentials=bool(found.get("AllowCredentials", False)),
        max_age=int(found.get("MaxAge", 0)),
    )


def _check_environments(template: Template, functions: Mapping[str, Function]) -> None:
    wrong = [line for function in functions.values() for line in _unresolved(template, function)]
    if wrong:
        raise DeployError("The emulator did not resolve " + "; ".join(wrong))


def _unresolved(template: Template, function: Function) -> Iterator[str]:
    properties = template.body["Resources"][function.logical_id]["Properties"]
    for name, wanted in properties.get("Environment", {}).get("Variables", {}).items():
        value = function.environment.get(name)
        if not isinstance(value, str) or "${" in value or _left_as_reference(template, wanted, value):
            yield f"{function.logical_id}'s {name} ({wanted} gave {value!r})"


def _left_as_reference(template: Template, wanted: object, value: str) -> bool:
    """Return whether a reference to a resource was left empty or as the resource's own logical id."""
    if not isinstance(wanted, dict):
        return False
    target = wanted.get("Ref") or (wanted.get("Fn::GetAtt") or [""])[0]
    return target in template.body["Resources"] and value in ("", target)
